//! Every known mistake in verifying a JWT, as a request to one's own service.
//!
//! An [`Attack`] takes the URL of a service, a token that it accepts, and whatever else its operator has to
//! give. It first checks that the good token is accepted and that what is certainly bad is not; then it
//! sends each [`Class`] of forged token and says of each whether the service refused it, let it in, or
//! broke.
//!
//! It is a test of one's own: [`Target::resolve`] refuses every host that is not this machine, unless its
//! operator names it. The addresses are looked up once, redirects are not followed, no proxy is used, and
//! the number and the rate of requests are bounded.
//!
//! # What it says and what it does not
//! - A class that needs something that was not given is [not tested](Outcome::NotTested), never refused.
//! - The good token is sent again after each class. Once it is not accepted any more, the run stops: from
//!   then on everything would be refused.
//! - "Let in" is told from the status of the answer: that of the good token or its class, or one that no
//!   bad token got. A service that answers 200 with an error in the body needs another URL.
//! - Newlines inside a token are not tried: no header field can carry them.
//! - Everything refused means that these mistakes were not made. It is no proof that there are no others.
//!
//! ```no_run
//! use gatepass_attack::{Attack, RequestShape, Target, Token};
//! use gatepass_jose::Timestamp;
//!
//! # async fn example(token: &str, now: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target::resolve("http://127.0.0.1:8080/orders", &[]).await?;
//! let shape = RequestShape::new("GET", &[], &[])?;
//! let report = Attack::new(target, shape, Token::parse(token)?, now).run(|_| {}).await?;
//! for class in report.classes.iter().filter(|class| class.outcome.is_finding()) {
//!     println!("{}: {} ({})", class.id, class.means, class.reference);
//! }
//! # Ok(())
//! # }
//! ```

mod alg;
mod attack;
mod attempt;
mod baseline;
mod class;
mod draft;
mod judge;
mod object;
mod own_key;
mod pem;
mod public_key;
mod report;
mod request;
mod run;
mod sender;
mod signer;
mod target;
mod token;
mod trap;

pub use attack::{Attack, CannotRun, Progress};
pub use baseline::{Baseline, BaselineError};
pub use class::Class;
pub use own_key::OwnKey;
pub use public_key::{NotAJwkSet, PublicKey};
pub use report::{ClassReport, Finding, Outcome, Report, Verdict};
pub use request::{AcceptedStatus, RequestShape, RequestShapeError};
pub use sender::Bounds;
pub use signer::{Signer, SignerError};
pub use target::{Target, TargetError};
pub use token::{NotAJwt, Token};

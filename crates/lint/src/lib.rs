//! What is wrong with a token, a key or a log of them, and how to mend it.
//!
//! A [`Linter`] reads tokens that are broken as well as good ones: it decodes leniently, verifies
//! nothing unless it is given keys, and says what it finds as [`Finding`]s, each of one [`Rule`] with
//! a stable id and an explanation. There is no network here and no clock: the present is an argument.
//!
//! ```
//! use gatepass_jose::Timestamp;
//! use gatepass_lint::Linter;
//!
//! let mut linter = Linter::new(Timestamp::from_secs(1_800_000_000));
//! // {"alg":"none"} . {"sub":"admin"} .
//! linter.read("token.txt", None, &b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."[..])?;
//! let report = linter.finish();
//! assert!(report.findings.iter().any(|finding| finding.rule.name == "alg-none"));
//! # Ok::<_, gatepass_lint::ReadError>(())
//! ```
//!
//! What it holds to:
//!
//! - **No input harms it.** Work is linear in the input, memory is bounded ([`Linter::read`] says by
//!   what), nothing panics, and nothing that a token names (`jku`, `x5u`) is fetched.
//! - **No output leaks.** Messages never repeat a token, a secret or personal data; what they quote
//!   from a token is cut short, with control characters escaped. Only [`Linter::showing_secrets`]
//!   prints a guessed secret.
//! - **Silence is no proof.** A token without findings may still be forged: only a verifier says.

mod alg;
mod check;
mod detect;
mod dictionary;
mod find;
mod finding;
mod guess;
mod json;
mod key;
mod linter;
mod log;
mod memory;
mod published;
mod quote;
mod report;
mod rule;
mod sarif;
mod serialized;
mod token;

pub use detect::Kind;
pub use finding::{Finding, Place};
pub use linter::{Linter, ReadError};
pub use published::NotAKeySet;
pub use report::{Counts, Report};
pub use rule::{Rule, Sample, Severity, UnknownSeverity};

//! What is no longer valid: the revocation log's entries, the feed's wire format, and the view in memory
//! that a guard asks on every request.
//!
//! An issuer writes every revocation into an ordered log ([`Entry`]). Whoever verifies tokens loads a
//! signed [`Snapshot`] of it once and follows a stream of [`FeedEvent`]s from there; a [`Follower`] applies
//! them to a [`View`] and knows at any moment how stale the view is. Both halves of gatepass use this
//! crate, so that one place decides what is sent and what is understood.
//!
//! There is no HTTP, no storage, no clock and no task in here: the issuing side appends and serves the
//! log, the verifying side connects and drives the follower.
//!
//! ```
//! use std::sync::Arc;
//! use gatepass_jose::Timestamp;
//! use gatepass_revocation::sse::Parser;
//! use gatepass_revocation::{Action, FeedEvent, Follower, Snapshot, TokenRef, View};
//!
//! let now = Timestamp::from_millis(1_763_780_000_500);
//! let view = Arc::new(View::new());
//! let mut follower = Follower::new(view.clone());
//! follower.snapshot(&Snapshot::new("https://auth.example.com", 6, now, Vec::new()), now);
//!
//! // What the stream brings is parsed as it arrives ...
//! let stream = b"id: 7\nevent: revocation\ndata: {\"seq\":7,\"kind\":\"subject\",\"id\":\"ann\",\
//!     \"issued_before\":1763780000600,\"forget_after\":1763781000000,\"reason\":\"claims-changed\"}\n\n";
//! for event in Parser::new().push(stream)? {
//!     if let Some(FeedEvent::Entry(entry)) = FeedEvent::parse(&event)? {
//!         assert_eq!(follower.entry(&entry), Action::Continue);
//!     }
//! }
//!
//! // ... and takes effect at once: Ann's token of before is dead, a new one is not.
//! let token = TokenRef { jti: "t", sid: None, sub: "ann", client_id: "web", kid: "k", minted_at: now };
//! let revoked = view.check(&token).unwrap_err();
//! assert_eq!(revoked.to_string(), "the token was revoked by subject: claims-changed");
//! let refreshed = TokenRef { minted_at: Timestamp::from_millis(1_763_780_000_600), ..token };
//! assert!(view.check(&refreshed).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod feed;
mod follower;
mod kind;
mod log_id;
mod places;
mod reason;
mod snapshot;
pub mod sse;
mod view;

pub use entry::{Entry, Heartbeat, InvalidId};
pub use feed::{FeedError, FeedEvent};
pub use follower::{Action, Follower};
pub use kind::{Kind, UnknownKind};
pub use log_id::LogId;
pub use places::{Interruption, Places};
pub use reason::{InvalidReason, Reason};
pub use snapshot::{Snapshot, SnapshotError};
pub use view::{Revoked, TokenRef, View};

//! Shared signals: receivers are told of what happens to sessions, credentials and roles
//! ([OpenID Shared Signals Framework 1.0](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html),
//! [CAEP 1.0](https://openid.net/specs/openid-caep-1_0-final.html)).
//!
//! Everything is read from the revocation log. A stream is a place in that log and says what its receiver wants to
//! hear; what it has not taken yet is what follows that place, so nothing is kept twice and nothing can be missed
//! between a change and its signal.

mod deliver;
mod event;
mod poll;
mod stream;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

pub use self::deliver::{SignalBatch, SignalError, Taken};
pub use self::event::EventType;
pub use self::poll::{Poll, PollRequest, SetError};
pub use self::stream::{
    Delivery, NewDelivery, Stream, StreamChange, StreamConfig, StreamError, StreamStatus, VerificationError,
};
use crate::id::StreamId;

/// How long receivers that are away find what happened meanwhile.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);

/// A security event token ([RFC 8417](https://www.rfc-editor.org/rfc/rfc8417)) on its way.
#[derive(Clone, Debug)]
pub struct SecurityEventToken {
    /// Its `jti`: the same however often it is sent.
    pub jti: String,
    /// The signed token.
    pub token: String,
}

/// What need not outlive the process.
#[derive(Default)]
pub(crate) struct Signals(Mutex<HashMap<StreamId, Underway>>);

/// How it stands with one stream.
#[derive(Default)]
struct Underway {
    /// Verification events that wait, by their `jti`, with the receiver's state.
    verifications: VecDeque<(String, Option<String>)>,
    /// What was taken beyond where the stream is: the entry of the log, and which of its events.
    taken: BTreeSet<(u64, usize)>,
    /// All up to this entry is taken, though a reader beside may have found its stream before that was kept.
    taken_up_to: u64,
    /// How often in a row pushing failed, and when it is tried again.
    failures: u32,
    due_at: Option<Timestamp>,
}

impl Signals {
    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Underway>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

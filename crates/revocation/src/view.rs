//! What is revoked, in memory, for the question that every request asks.

mod shards;
mod slot;
mod table;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepass_jose::Timestamp;

use self::shards::Shards;
use self::slot::{ForgetAfter, Revocation, Slot};
use self::table::Hash;
use crate::{Entry, Kind, Reason, Snapshot};

/// What a check needs to know of a token: the names it could be revoked by, and when it was minted.
#[derive(Clone, Copy, Debug)]
pub struct TokenRef<'a> {
    /// The token's own id.
    pub jti: &'a str,
    /// Its session, if it belongs to one.
    pub sid: Option<&'a str>,
    /// Its subject.
    pub sub: &'a str,
    /// The client it was issued to.
    pub client_id: &'a str,
    /// The key that signed it.
    pub kid: &'a str,
    /// When it was minted, to the millisecond where that is known.
    pub minted_at: Timestamp,
}

/// A token is no longer valid, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token was revoked by {kind}: {reason}")]
pub struct Revoked {
    /// What the revocation named.
    pub kind: Kind,
    /// The reason it gave.
    pub reason: Reason,
}

/// Everything that is revoked and could still be alive.
///
/// Any number of threads may [`check`](Self::check) at any time: it takes no lock, allocates nothing and
/// costs tens of nanoseconds with a million entries. Changes take turns; a check that begins after a
/// change has returned sees it.
///
/// Entries only ever add up: applying one twice, or two of the same id in any order, leaves the later
/// `issued_before` and the later `forget_after`. Nothing but [`forget`](Self::forget) takes one back.
///
/// Ids are kept as 88 bits of keyed hashes, with a random key for every view. Two ids that agree in all of
/// them would be taken for one; with a million entries that is one check in 10^20. Memory is at most 42 bytes
/// per entry in a large view.
///
/// ```
/// use gatepass_jose::Timestamp;
/// use gatepass_revocation::{Entry, Kind, Reason, Revoked, TokenRef, View};
///
/// let view = View::new();
/// let now = Timestamp::from_secs(1_763_780_000);
/// let token = TokenRef { jti: "t1", sid: Some("s1"), sub: "ann", client_id: "web", kid: "k1", minted_at: now };
/// assert_eq!(view.check(&token), Ok(()));
///
/// view.apply(&Entry {
///     seq: 1,
///     kind: Kind::Session,
///     id: "s1".into(),
///     issued_before: now,
///     forget_after: Timestamp::from_secs(1_763_781_000),
///     reason: Reason::LOGOUT,
/// });
/// assert_eq!(view.check(&token), Err(Revoked { kind: Kind::Session, reason: Reason::LOGOUT }));
/// ```
pub struct View {
    seed: u64,
    index: ArcSwap<Index>,
    /// The one entry of kind `all`.
    all: Slot,
    seq: AtomicU64,
    /// When the view was last known to be complete, in milliseconds; [`NEVER`] before that.
    complete_at: AtomicI64,
    /// The latest `forget_after` of what was forgotten since the last snapshot; [`NO_ROOM`] where there was more than
    /// is kept.
    forgotten_to: AtomicU32,
    capacity: usize,
    writer: Mutex<()>,
}

const NEVER: i64 = i64::MIN;
const NO_ROOM: u32 = u32::MAX;

/// All that is replaced whole when a table grows or a new reason turns up.
#[derive(Clone, Default)]
struct Index {
    tokens: Shards,
    sessions: Shards,
    subjects: Shards,
    clients: Shards,
    keys: Shards,
    reasons: Vec<Reason>,
}

impl View {
    /// How many entries a [`new`](Self::new) view keeps: in less than 200 megabytes, many times what a large issuer
    /// has in force.
    pub const CAPACITY: usize = 1 << 22;

    /// A view in which nothing is revoked.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(Self::CAPACITY)
    }

    /// The same with room for about so many entries. What comes beyond that is not kept, and the view
    /// [lacks](Self::lacks_at) it until a snapshot fits in: a feed that names ever more cannot take all memory, and
    /// nothing is let in for it as if the view were whole.
    #[must_use]
    pub fn bounded(entries: usize) -> Self {
        View {
            capacity: entries,
            // The standard library's hash keys are the one source of randomness that needs no dependency.
            seed: RandomState::new().hash_one(0),
            index: ArcSwap::default(),
            all: Slot::vacant(),
            seq: AtomicU64::new(0),
            complete_at: AtomicI64::new(NEVER),
            forgotten_to: AtomicU32::new(0),
            writer: Mutex::new(()),
        }
    }

    /// Whether `token` is still valid.
    ///
    /// # Errors
    /// [`Revoked`] names the widest revocation that concerns the token.
    pub fn check(&self, token: &TokenRef<'_>) -> Result<(), Revoked> {
        let index = self.index.load();
        let everything = self.all.revocation();
        if token.minted_at < everything.issued_before {
            return Err(self.revoked(Kind::All, everything));
        }
        let names = [
            (Kind::Key, &index.keys, token.kid),
            (Kind::Client, &index.clients, token.client_id),
            (Kind::Subject, &index.subjects, token.sub),
            (Kind::Session, &index.sessions, token.sid.unwrap_or_default()),
            (Kind::Token, &index.tokens, token.jti),
        ];
        for (kind, shards, id) in names {
            if let Some(revocation) = self.find(shards, id)
                && token.minted_at < revocation.issued_before
            {
                return Err(self.revoked(kind, revocation));
            }
        }
        Ok(())
    }

    /// Whether what `actor`, a client or a user, helped to mint at an instant is still valid: for those that
    /// a token names beside its subject and its client.
    ///
    /// # Errors
    /// [`Revoked`] names the revocation that concerns the actor.
    pub fn check_actor(&self, actor: &str, minted_at: Timestamp) -> Result<(), Revoked> {
        let index = self.index.load();
        for (kind, shards) in [(Kind::Client, &index.clients), (Kind::Subject, &index.subjects)] {
            if let Some(revocation) = self.find(shards, actor)
                && minted_at < revocation.issued_before
            {
                return Err(self.revoked(kind, revocation));
            }
        }
        Ok(())
    }

    /// The reason for which the key is revoked, if it is. What it signed is dead, whenever it says it was minted.
    #[must_use]
    pub fn revoked_key(&self, kid: &str) -> Option<Reason> {
        let index = self.index.load();
        let revocation = self.find(&index.keys, kid)?;
        Some(self.reason(revocation))
    }

    #[inline]
    fn find(&self, shards: &Shards, id: &str) -> Option<Revocation> {
        if shards.is_unused() {
            return None;
        }
        shards.find(Hash::new(self.seed, id)).map(Slot::revocation)
    }

    /// Takes an entry of the log into account. Idempotent, and indifferent to order.
    pub fn apply(&self, entry: &Entry) {
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.record(entry);
    }

    /// Takes every entry of a snapshot into account.
    ///
    /// What the view knew before stays: a snapshot never makes a revoked token valid.
    pub fn load(&self, snapshot: &Snapshot) {
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = Index::clone(&self.index.load());
        let fits = self.len() + snapshot.entries.len() <= self.capacity;
        for kind in Kind::EVERY.into_iter().filter(|_| fits) {
            let of_kind = |entry: &&Entry| entry.kind == kind;
            let more = snapshot.entries.iter().filter(of_kind).count();
            if let (1.., Some(shards)) = (more, index.shards_mut(kind)) {
                *shards = shards.with_room_for(more);
            }
        }
        self.index.store(Arc::new(index));
        let refused = snapshot.entries.iter().filter(|entry| !self.record(entry)).count();
        self.seq.store(snapshot.seq, Ordering::Release);
        // It has all that is in force, so also what was forgotten too early.
        self.forgotten_to.store(if refused == 0 { 0 } else { NO_ROOM }, Ordering::Release);
    }

    /// False where there is no room for it.
    fn record(&self, entry: &Entry) -> bool {
        let revocation = Revocation {
            issued_before: if entry.kind.is_final() { Timestamp::MAX } else { entry.issued_before },
            forget_after: ForgetAfter::from(entry.forget_after),
            reason: self.reason_code(&entry.reason),
        };
        let index = self.index.load();
        match index.shards(entry.kind) {
            None => self.all.raise(revocation),
            Some(shards) => {
                let hash = Hash::new(self.seed, &entry.id);
                if !shards.has_room_for(hash) && self.len() >= self.capacity && shards.find(hash).is_none() {
                    self.forgotten_to.store(NO_ROOM, Ordering::Release);
                    return false;
                }
                if let Some(grown) = shards.raise(hash, revocation) {
                    let mut index = Index::clone(&index);
                    if let Some(shards) = index.shards_mut(entry.kind) {
                        *shards = grown;
                    }
                    self.index.store(Arc::new(index));
                }
            }
        }
        self.seq.fetch_max(entry.seq, Ordering::Release);
        true
    }

    /// The place of `reason` in the list, which is published before any slot refers to it.
    ///
    /// Past 255 different reasons further ones are not kept: they all become [`Reason::UNSPECIFIED`], so
    /// the list stays bounded whatever administrators write.
    fn reason_code(&self, reason: &Reason) -> u8 {
        let index = self.index.load();
        let known = index.reasons.iter().position(|known| known == reason);
        let code = u8::try_from(known.unwrap_or(index.reasons.len())).unwrap_or(u8::MAX);
        if known.is_none() && code < u8::MAX {
            let mut index = Index::clone(&index);
            index.reasons.push(reason.clone());
            self.index.store(Arc::new(index));
        }
        code
    }

    fn reason(&self, revocation: Revocation) -> Reason {
        // Not the index that the slot was found through: its list may be older than the slot's content.
        let index = self.index.load();
        let reason = index.reasons.get(usize::from(revocation.reason));
        reason.cloned().unwrap_or(Reason::UNSPECIFIED)
    }

    #[cold]
    fn revoked(&self, kind: Kind, revocation: Revocation) -> Revoked {
        Revoked { kind, reason: self.reason(revocation) }
    }

    /// Drops the entries whose `forget_after` is past: none before, all two seconds later.
    ///
    /// The tokens concerned have expired by then. A guard that allows for clock skew subtracts it from
    /// `now` first. Takes a millisecond or two per million entries: a matter for every few seconds.
    ///
    /// A clock that is set back later makes some of these tokens young again; see [`lacks_at`](Self::lacks_at).
    pub fn forget(&self, now: Timestamp) {
        let _writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |revocation: Revocation| {
            let is_over = revocation.forget_after.is_over(now);
            if is_over {
                // Before the entry is gone: nobody is to find neither.
                self.forgotten_to.fetch_max(revocation.forget_after.as_secs(), Ordering::Release);
            }
            is_over
        };
        if is_over(self.all.revocation()) {
            self.all.clear();
        }
        let mut index = Index::clone(&self.index.load());
        let mut changed = false;
        for kind in Kind::EVERY {
            if let Some(shards) = index.shards_mut(kind)
                && let Some(smaller) = shards.forget(is_over)
            {
                *shards = smaller;
                changed = true;
            }
        }
        if changed {
            self.index.store(Arc::new(index));
        }
    }

    /// Whether something was forgotten whose time is not past at `now`, because the clock that
    /// [`forget`](Self::forget) was told has been set back since, or there was no [room](Self::bounded). The view is not
    /// complete then, whenever it was last proven to be, until a snapshot is loaded. Allow for clock skew as with
    /// `forget`.
    #[must_use]
    pub fn lacks_at(&self, now: Timestamp) -> bool {
        now.as_secs() < i64::from(self.forgotten_to.load(Ordering::Acquire))
    }

    /// The greatest `seq` applied since the last snapshot, its own included. That nothing before it is missing is for the
    /// [`Follower`](crate::Follower) to know.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// How many revocations are kept; two of the same id count once.
    #[must_use]
    pub fn len(&self) -> usize {
        let keyed: usize = self.index.load().every().map(Shards::len).sum();
        keyed + usize::from(!self.all.is_vacant())
    }

    /// Whether there was no [room](Self::bounded) for all that came.
    #[must_use]
    pub fn is_overfull(&self) -> bool {
        self.forgotten_to.load(Ordering::Acquire) == NO_ROOM
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that the entries take, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.index.load().every().map(Shards::bytes).sum()
    }

    /// How long ago the view was last known to be complete, by the clock that its
    /// [`Follower`](crate::Follower) was told; `None` if it never was.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Option<Duration> {
        match self.complete_at.load(Ordering::Acquire) {
            NEVER => None,
            at => Some(now.since(Timestamp::from_millis(at))),
        }
    }

    pub(crate) fn set_complete_at(&self, at: Timestamp) {
        self.complete_at.store(at.as_millis(), Ordering::Release);
    }
}

impl Default for View {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("seq", &self.seq()).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Index {
    fn shards(&self, kind: Kind) -> Option<&Shards> {
        match kind {
            Kind::Token => Some(&self.tokens),
            Kind::Session => Some(&self.sessions),
            Kind::Subject => Some(&self.subjects),
            Kind::Client => Some(&self.clients),
            Kind::Key => Some(&self.keys),
            Kind::All => None,
        }
    }

    fn shards_mut(&mut self, kind: Kind) -> Option<&mut Shards> {
        match kind {
            Kind::Token => Some(&mut self.tokens),
            Kind::Session => Some(&mut self.sessions),
            Kind::Subject => Some(&mut self.subjects),
            Kind::Client => Some(&mut self.clients),
            Kind::Key => Some(&mut self.keys),
            Kind::All => None,
        }
    }

    fn every(&self) -> impl Iterator<Item = &Shards> {
        Kind::EVERY.into_iter().filter_map(|kind| self.shards(kind))
    }
}

#[cfg(test)]
mod tests;

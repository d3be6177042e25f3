//! The revocation log in memory: what the feed's streams and snapshots are served from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, Heartbeat, Kind, LogId, Revoked, Snapshot, TokenRef, View};
use gatepass_token::AccessClaims;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::store::{Store, StoreError};

/// How far ahead of its request a revocation reaches. It must cover the time from the request to the
/// moment it is durable, in which tokens may still be minted from what was true before.
pub(crate) const REVOCATION_REACH: Duration = Duration::from_secs(30);

const BATCH: u32 = 10_000;

/// What the feed reads of a store.
#[async_trait]
pub(crate) trait Log: Sync {
    /// See [`Store::revocations_after`].
    async fn entries_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, StoreError>;
    /// See [`Store::last_revocation`].
    async fn last_entry(&self) -> Result<u64, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Log for S {
    async fn entries_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.revocations_after(seq, limit).await
    }

    async fn last_entry(&self) -> Result<u64, StoreError> {
        self.last_revocation().await
    }
}

/// The right to revoke whatever was minted before an instant, for a subject, a client or everybody.
///
/// Tokens that are minted after a sweep are stamped with the end of its reach. The next sweep must reach
/// further than those stamps, also when it was asked for at the same moment or the clock stepped back.
/// So there is one at a time, from the choice of its reach until the feed has it.
pub(crate) struct Sweep<'f> {
    /// Tokens minted before this are dead.
    pub(crate) issued_before: Timestamp,
    _turn: MutexGuard<'f, ()>,
}

/// How far one reader of the log has come. It holds no entries: whoever reads slowly makes nothing pile
/// up.
#[derive(Clone, Copy, Debug)]
pub struct LogPosition {
    /// The last entry that was given out.
    given: u64,
}

impl LogPosition {
    /// Whether there is an entry of that number for the reader, or was one.
    #[must_use]
    pub fn is_before(self, seq: u64) -> bool {
        self.given < seq
    }
}

/// The log's entries that are not to be forgotten yet, in order.
pub(crate) struct Feed {
    /// Made anew with every start: whether this is the log of the last run or an older backup of it, nobody
    /// here can tell.
    log: LogId,
    entries: RwLock<VecDeque<Entry>>,
    /// The place of the newest entry that is in memory. Only [`Feed::pump`] moves it on.
    newest: watch::Sender<u64>,
    /// Held while the store is read, so that entries arrive in order.
    reading: Mutex<()>,
    /// Held from the choice of a sweep's reach until the feed has it; see [`Sweep`].
    sweeping: Mutex<()>,
    view: View,
    /// No token is stamped before this, in milliseconds: the reach of the last revocation that
    /// concerned more than one session. What is minted from now on must not fall under it.
    floor: AtomicI64,
}

impl Feed {
    /// Takes over what the store has. `log` must be another one at every start.
    pub(crate) async fn load(store: &(impl Log + ?Sized), log: LogId) -> Result<Self, StoreError> {
        let feed = Self {
            log,
            entries: RwLock::default(),
            newest: watch::Sender::new(0),
            reading: Mutex::default(),
            sweeping: Mutex::default(),
            view: View::new(),
            floor: AtomicI64::new(i64::MIN),
        };
        feed.pump(store).await?;
        let last = store.last_entry().await?;
        feed.newest.send_if_modified(|newest| std::mem::replace(newest, last.max(*newest)) < last);
        Ok(feed)
    }

    /// Takes over what the store has beyond what is in memory. To be called after every change that
    /// appended; when it returns, this issuer's own view has the change and the streams are told.
    pub(crate) async fn pump(&self, store: &(impl Log + ?Sized)) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        loop {
            let after = *self.newest.borrow();
            let batch = store.entries_after(after, BATCH).await?;
            let Some(last) = batch.last().map(|entry| entry.seq) else { return Ok(()) };
            for entry in &batch {
                self.view.apply(entry);
                if matches!(entry.kind, Kind::Subject | Kind::Client | Kind::All) {
                    self.floor.fetch_max(entry.issued_before.as_millis(), Ordering::AcqRel);
                }
            }
            self.entries.write().unwrap_or_else(PoisonError::into_inner).extend(batch);
            self.newest.send_replace(last);
        }
    }

    /// The instant to stamp on tokens that are minted from what will be read from now on. To be
    /// taken **before** the user or client is read: whatever is read later than a revocation's end
    /// is stamped past its reach, and what is stamped before it was read before.
    pub(crate) fn minting_instant(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp::from_millis(self.floor.load(Ordering::Acquire)))
    }

    /// Waits for one's turn to sweep. To be held until [`Feed::pump`] has returned.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Sweep<'_> {
        let turn = self.sweeping.lock().await;
        let past_every_stamp = self.floor.load(Ordering::Acquire).saturating_add(1);
        let issued_before =
            now.saturating_add(REVOCATION_REACH).max(Timestamp::from_millis(past_every_stamp));
        Sweep { issued_before, _turn: turn }
    }

    /// Whether a token with these verified claims, signed by that key, is still valid.
    pub(crate) fn check(&self, claims: &AccessClaims, kid: &str) -> Result<(), Revoked> {
        let token = TokenRef {
            jti: &claims.jti,
            sid: claims.sid.as_deref(),
            sub: &claims.sub,
            client_id: &claims.client_id,
            kid,
            minted_at: claims.minted_at(),
        };
        self.check_token(&token, claims.actors())
    }

    /// As [`Feed::check`], of as much of a token as revocations are about, and those who act or acted.
    pub(crate) fn check_token<'t>(
        &self,
        token: &TokenRef<'_>,
        mut actors: impl Iterator<Item = &'t str>,
    ) -> Result<(), Revoked> {
        self.view.check(token)?;
        actors.try_for_each(|actor| self.view.check_actor(actor, token.minted_at))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Has whoever waits for a change look again.
    pub(crate) fn nudge(&self) {
        self.newest.send_modify(|_| {});
    }

    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// The place of a reader that left off after an entry, or that begins now.
    ///
    /// A place that this log has not reached is another log's, as after a restored backup. The reader then
    /// begins now, and the first heartbeat shows it that it is elsewhere.
    pub(crate) fn position(&self, after: Option<u64>) -> LogPosition {
        let newest = self.newest();
        LogPosition { given: after.map_or(newest, |after| after.min(newest)) }
    }

    /// The next entries for a reader, at most `limit`; none where it has all there are.
    pub(crate) fn read(&self, position: &mut LogPosition, limit: usize) -> Vec<Entry> {
        let newest = self.newest();
        if newest <= position.given {
            return Vec::new();
        }
        let entries = self.after(position.given, limit);
        // None is left of what followed: all of it is forgotten.
        position.given = entries.last().map_or(newest, |last| last.seq);
        entries
    }

    /// A sign of life for a reader that was given everything at `now`.
    pub(crate) fn heartbeat(&self, position: LogPosition, now: Timestamp) -> Heartbeat {
        Heartbeat { seq: position.given, now, log: Some(self.log) }
    }

    /// All that is not forgotten.
    pub(crate) fn snapshot(&self, issuer: &str, now: Timestamp) -> Snapshot {
        // The newest place is read first: an entry that arrives in between is in the list as well,
        // and the stream that follows brings it again.
        let seq = self.newest();
        let entries = self.after(0, usize::MAX).into_iter().filter(|entry| entry.seq <= seq).collect();
        Snapshot::new(issuer, seq, now, entries).of_log(self.log)
    }

    fn after(&self, seq: u64, limit: usize) -> Vec<Entry> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let from = entries.partition_point(|entry| entry.seq <= seq);
        entries.range(from..).take(limit).cloned().collect()
    }

    /// Drops what concerns only tokens that are dead.
    pub(crate) fn forget(&self, now: Timestamp) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.forget_after >= now);
        drop(entries);
        self.view.forget(now);
    }
}

#[cfg(test)]
mod simulation;

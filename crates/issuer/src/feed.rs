//! The revocation log in memory: what the feed's streams and snapshots are served from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, Kind, View};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::store::{Store, StoreError};

/// How far ahead of its request a revocation reaches. It must cover the time from the request to the
/// moment it is durable, in which tokens may still be minted from what was true before.
pub(crate) const REVOCATION_REACH: Duration = Duration::from_secs(30);

const BATCH: u32 = 10_000;

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

/// The log's entries that are not to be forgotten yet, in order.
pub(crate) struct Feed {
    entries: RwLock<VecDeque<Entry>>,
    /// The place of the newest entry that is in memory. Only [`Feed::pump`] moves it on.
    newest: watch::Sender<u64>,
    /// Held while the store is read, so that entries arrive in order.
    reading: Mutex<()>,
    /// Held from the choice of a sweep's reach until the feed has it; see [`Sweep`].
    sweeping: Mutex<()>,
    view: Arc<View>,
    /// No token is stamped before this, in milliseconds: the reach of the last revocation that
    /// concerned more than one session. What is minted from now on must not fall under it.
    floor: AtomicI64,
}

impl Feed {
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let feed = Self {
            entries: RwLock::default(),
            newest: watch::Sender::new(0),
            reading: Mutex::default(),
            sweeping: Mutex::default(),
            view: Arc::new(View::new()),
            floor: AtomicI64::new(i64::MIN),
        };
        feed.pump(store).await?;
        let last = store.last_revocation().await?;
        feed.newest.send_if_modified(|newest| std::mem::replace(newest, last.max(*newest)) < last);
        Ok(feed)
    }

    /// Takes over what the store has beyond what is in memory. To be called after every change that
    /// appended; when it returns, this issuer's own view has the change and the streams are told.
    pub(crate) async fn pump(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        loop {
            let after = *self.newest.borrow();
            let batch = store.revocations_after(after, BATCH).await?;
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

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    pub(crate) fn after(&self, seq: u64, limit: usize) -> Vec<Entry> {
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

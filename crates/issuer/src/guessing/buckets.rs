//! Buckets that failures fill, in memory of bounded size.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

use crate::throttle::ThrottleLimit;

/// So many are kept; newcomers share a few when there is no room, so that a flood of names or addresses neither fills the
/// memory nor makes its guesses free.
const MOST: usize = 100_000;
const SHARED: u64 = 4096;
/// How often it is looked for buckets that can be forgotten, where there is no room.
const SWEEP: Duration = Duration::from_secs(1);
/// Doubling more often than this is longer than anybody waits.
const MAX_DOUBLINGS: u32 = 20;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    failures: u32,
    /// When the next guess is let through.
    free_at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Buckets {
    /// The longest wait, and how long a bucket is kept after its last one.
    longest: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    buckets: HashMap<u64, Bucket>,
    swept_at: Timestamp,
}

impl Buckets {
    pub(super) fn new(longest: Duration) -> Self {
        let kept = Kept { buckets: HashMap::new(), swept_at: Timestamp::EPOCH };
        Self { longest, kept: Mutex::new(kept) }
    }

    /// How long until the next guess is let through.
    pub(super) fn wait(&self, key: u64, now: Timestamp) -> Duration {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket =
            kept.buckets.get(&key).or_else(|| kept.buckets.get(&(key % SHARED)).filter(|_| kept.is_full()));
        bucket.map_or(Duration::ZERO, |bucket| bucket.free_at.since(now))
    }

    /// Counts a failure: beyond the burst, each one doubles the wait.
    pub(super) fn count(&self, key: u64, limit: ThrottleLimit, now: Timestamp) {
        self.change(key, now, |bucket| {
            bucket.failures = bucket.failures.saturating_add(1);
            let doublings = bucket.failures.checked_sub(limit.burst).map(|more| more.min(MAX_DOUBLINGS));
            let wait =
                doublings.map(|doublings| limit.every.saturating_mul(1 << doublings).min(self.longest));
            bucket.free_at = now.saturating_add(wait.unwrap_or_default());
        });
    }

    /// Counts somebody's insisting, up to a full bucket: they wait once, and not longer each time.
    pub(super) fn fill(&self, key: u64, limit: ThrottleLimit, now: Timestamp) {
        self.change(key, now, |bucket| {
            bucket.failures = bucket.failures.max(bucket.failures.saturating_add(1).min(limit.burst));
            if bucket.failures >= limit.burst {
                bucket.free_at = bucket.free_at.max(now.saturating_add(limit.every.min(self.longest)));
            }
        });
    }

    pub(super) fn empty(&self, key: u64) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).buckets.remove(&key);
    }

    fn change(&self, key: u64, now: Timestamp, change: impl FnOnce(&mut Bucket)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |bucket: &Bucket| now.since(bucket.free_at) >= self.longest;
        if kept.is_full() && now.since(kept.swept_at) >= SWEEP {
            kept.buckets.retain(|_, bucket| !is_old(bucket));
            kept.swept_at = now;
        }
        let key = if kept.is_full() && !kept.buckets.contains_key(&key) { key % SHARED } else { key };
        let fresh = Bucket { failures: 0, free_at: now };
        let bucket = kept.buckets.entry(key).or_insert(fresh);
        if is_old(bucket) {
            *bucket = fresh;
        }
        change(bucket);
    }
}

impl Kept {
    fn is_full(&self) -> bool {
        self.buckets.len() >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
    const LIMIT: ThrottleLimit = ThrottleLimit { burst: 3, every: Duration::from_secs(20) };

    #[test]
    fn a_wait_doubles_up_to_the_longest_and_is_forgotten_after_it() {
        let buckets = Buckets::new(Duration::from_secs(100));
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..8 {
            buckets.count(1, LIMIT, now);
            let wait = buckets.wait(1, now);
            waits.push(wait.as_secs());
            now = now.saturating_add(wait);
        }
        assert_eq!(waits, [0, 0, 20, 40, 80, 100, 100, 100]);
        buckets.count(1, LIMIT, now.saturating_add(Duration::from_secs(99)));
        assert_eq!(buckets.wait(1, now.saturating_add(Duration::from_secs(99))).as_secs(), 100, "remembered");
        now = now.saturating_add(Duration::from_secs(99 + 200));
        buckets.count(1, LIMIT, now);
        assert_eq!(buckets.wait(1, now), Duration::ZERO, "afresh");
    }

    #[test]
    fn a_flood_fills_no_memory_and_gets_nothing_for_free() {
        let buckets = Buckets::new(Duration::from_secs(100));
        let keys = |from: u64| (from..from + 150_000).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for key in keys(1) {
            buckets.count(key, LIMIT, NOW);
        }
        let kept = buckets.kept.lock().unwrap().buckets.len();
        assert!(kept <= MOST + SHARED as usize, "{kept}");
        assert!(keys(200_000).filter(|key| !buckets.wait(*key, NOW).is_zero()).count() > 100_000);
        let later = NOW.saturating_add(Duration::from_secs(500));
        buckets.count(7, LIMIT, later);
        assert_eq!(buckets.kept.lock().unwrap().buckets.len(), 1, "what is old makes room");
    }
}

//! Buckets that failures fill, in memory of bounded size.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

use crate::throttle::ThrottleLimit;

/// So many are kept.
const MOST: usize = 100_000;
/// How many [newcomers share](Newcomers::Share).
const SHARED: u64 = 4096;
/// One failure is forgotten whenever this many first waits have passed, in which none may have come.
const FORGETTING: u32 = 30;
/// How often it is looked for buckets that can be forgotten, where there is no room.
const SWEEP: Duration = Duration::from_secs(1);
/// Doubling more often than this is longer than anybody waits.
const MAX_DOUBLINGS: u32 = 20;

/// What is done with those whose bucket there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newcomers {
    /// They share a few, so that a flood of names or addresses does not make its guesses free.
    Share,
    /// They are let through.
    GoUncounted,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    failures: u32,
    /// Until when failures have been forgotten.
    forgot_at: Timestamp,
    /// How long it takes to forget one.
    forgets_in: Duration,
    /// When the next guess is let through.
    free_at: Timestamp,
}

impl Bucket {
    fn new(limit: ThrottleLimit, now: Timestamp) -> Self {
        let forgets_in = limit.every.saturating_mul(FORGETTING).max(Duration::from_millis(1));
        Self { failures: 0, forgot_at: now, forgets_in, free_at: now }
    }

    fn forget(&mut self, now: Timestamp) {
        let passed = now.since(self.forgot_at).as_millis() / self.forgets_in.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_sub(passed);
        self.forgot_at = self.forgot_at.saturating_add(self.forgets_in.saturating_mul(passed));
    }

    fn is_empty(&self, now: Timestamp) -> bool {
        let mut then = *self;
        then.forget(now);
        then.failures == 0 && self.free_at <= now
    }
}

#[derive(Debug)]
pub(super) struct Buckets {
    /// The longest wait.
    longest: Duration,
    newcomers: Newcomers,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    buckets: HashMap<u64, Bucket>,
    swept_at: Timestamp,
}

impl Buckets {
    pub(super) fn new(longest: Duration, newcomers: Newcomers) -> Self {
        let kept = Kept { buckets: HashMap::new(), swept_at: Timestamp::EPOCH };
        Self { longest, newcomers, kept: Mutex::new(kept) }
    }

    /// How long until the next guess is let through.
    pub(super) fn wait(&self, key: u64, now: Timestamp) -> Duration {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = self.place(&kept, key).and_then(|key| kept.buckets.get(&key));
        bucket.map_or(Duration::ZERO, |bucket| bucket.free_at.since(now))
    }

    /// Counts a failure: beyond the burst, each one doubles the wait.
    pub(super) fn count(&self, key: u64, limit: ThrottleLimit, now: Timestamp) {
        self.change(key, limit, now, |bucket| {
            bucket.failures = bucket.failures.saturating_add(1);
            let doublings = bucket.failures.checked_sub(limit.burst).map(|more| more.min(MAX_DOUBLINGS));
            let wait =
                doublings.map(|doublings| limit.every.saturating_mul(1 << doublings).min(self.longest));
            bucket.free_at = now.saturating_add(wait.unwrap_or_default());
        });
    }

    /// Counts somebody's insisting, up to a full bucket: they wait once, and not longer each time.
    pub(super) fn fill(&self, key: u64, limit: ThrottleLimit, now: Timestamp) {
        self.change(key, limit, now, |bucket| {
            bucket.failures = bucket.failures.max(bucket.failures.saturating_add(1).min(limit.burst));
            if bucket.failures >= limit.burst {
                bucket.free_at = bucket.free_at.max(now.saturating_add(limit.every.min(self.longest)));
            }
        });
    }

    pub(super) fn empty(&self, key: u64) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).buckets.remove(&key);
    }

    fn change(&self, key: u64, limit: ThrottleLimit, now: Timestamp, change: impl FnOnce(&mut Bucket)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_full() && now.since(kept.swept_at) >= SWEEP {
            kept.buckets.retain(|_, bucket| !bucket.is_empty(now));
            kept.swept_at = now;
        }
        let Some(key) = self.place(&kept, key) else { return };
        let bucket = kept.buckets.entry(key).or_insert(Bucket::new(limit, now));
        bucket.forget(now);
        change(bucket);
    }

    /// Where the bucket is, or would be; `None` where there is none for it.
    fn place(&self, kept: &Kept, key: u64) -> Option<u64> {
        match (kept.is_full() && !kept.buckets.contains_key(&key), self.newcomers) {
            (false, _) => Some(key),
            (true, Newcomers::Share) => Some(key % SHARED),
            (true, Newcomers::GoUncounted) => None,
        }
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

    fn buckets() -> Buckets {
        Buckets::new(Duration::from_secs(100), Newcomers::Share)
    }

    fn after(secs: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_secs(secs))
    }

    #[test]
    fn a_wait_doubles_up_to_the_longest() {
        let (buckets, mut now, mut waits) = (buckets(), NOW, Vec::new());
        for _ in 0..8 {
            buckets.count(1, LIMIT, now);
            let wait = buckets.wait(1, now);
            waits.push(wait.as_secs());
            now = now.saturating_add(wait);
        }
        assert_eq!(waits, [0, 0, 20, 40, 80, 100, 100, 100]);
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let buckets = buckets();
        for _ in 0..3 {
            buckets.count(1, LIMIT, NOW);
        }
        assert_eq!(buckets.wait(1, NOW).as_secs(), 20);
        // One is forgotten in thirty times twenty seconds, and one comes instead: as full as before.
        for at in [600, 1200, 1800] {
            assert_eq!(buckets.wait(1, after(at)), Duration::ZERO);
            buckets.count(1, LIMIT, after(at));
            assert_eq!(buckets.wait(1, after(at)).as_secs(), 20, "{at}");
        }
        for _ in 0..2 {
            buckets.count(1, LIMIT, after(1800 + 1800));
            assert_eq!(buckets.wait(1, after(1800 + 1800)), Duration::ZERO, "all of them");
        }
    }

    #[test]
    fn a_flood_fills_no_memory_and_gets_nothing_for_free() {
        let keys = |from: u64| (from..from + 150_000).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (newcomers, most) in [(Newcomers::Share, MOST + SHARED as usize), (Newcomers::GoUncounted, MOST)]
        {
            let buckets = Buckets::new(Duration::from_secs(100), newcomers);
            for key in keys(1) {
                buckets.count(key, LIMIT, NOW);
            }
            let kept = buckets.kept.lock().unwrap().buckets.len();
            assert!(kept <= most, "{kept}");
            let waiting = keys(200_000).filter(|key| !buckets.wait(*key, NOW).is_zero()).count();
            match newcomers {
                Newcomers::Share => assert!(waiting > 100_000, "{waiting}"),
                Newcomers::GoUncounted => assert_eq!(waiting, 0),
            }
            buckets.count(7, LIMIT, after(50_000));
            assert_eq!(buckets.kept.lock().unwrap().buckets.len(), 1, "what is forgotten makes room");
        }
    }
}

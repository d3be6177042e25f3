//! Counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;

/// Counts since the start. Reading and counting an old reason take no exclusive lock.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    passed: AtomicU64,
    verified: AtomicU64,
    ended: AtomicU64,
    refused: ByCode,
    would_refuse: ByCode,
}

#[derive(Debug, Default)]
struct ByCode(RwLock<BTreeMap<&'static str, AtomicU64>>);

/// What the gateway has counted since its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that an upstream answered.
    pub passed: u64,
    /// Questions that the forward-auth endpoint answered with 200.
    pub verified: u64,
    /// Streams that were ended because their token was good no longer.
    pub ended: u64,
    /// Requests that were refused or got no answer, by the `code` of the problem details they got.
    pub refused: BTreeMap<String, u64>,
    /// Requests that were passed on and would have been refused, had their route's rule been enforced.
    pub would_refuse: BTreeMap<String, u64>,
}

impl Counters {
    pub(crate) fn count_passed(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self, code: &'static str) {
        self.refused.count(code);
    }

    pub(crate) fn count_would_refuse(&self, code: &'static str) {
        self.would_refuse.count(code);
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            passed: self.passed.load(Ordering::Relaxed),
            verified: self.verified.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
            refused: self.refused.read(),
            would_refuse: self.would_refuse.read(),
        }
    }
}

impl ByCode {
    fn count(&self, code: &'static str) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(code) {
            counter.fetch_add(1, Ordering::Relaxed);
            return;
        }
        drop(known);
        let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        counters.entry(code).or_default().fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> BTreeMap<String, u64> {
        let counters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|(code, counter)| ((*code).to_owned(), counter.load(Ordering::Relaxed))).collect()
    }
}

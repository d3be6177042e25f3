//! Refusals, by the check that failed. No lock, and nothing is allocated.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepass_guard::Denied;
use serde::Serialize;

use crate::refusal::Refusal;

/// Reasons that are told apart: more than there are.
const PLACES: usize = 256;

/// Why something was refused. Constants alone, so that no client can make another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason {
    /// What the client is told.
    pub(crate) code: &'static str,
    /// Which check it was that failed: for the operator, who may know more than the client.
    pub(crate) check: &'static str,
}

/// Reasons are a few constants, so each finds its place in a table that does not grow.
#[derive(Debug)]
pub(crate) struct Refusals([Counted; PLACES]);

#[derive(Debug, Default)]
struct Counted {
    reason: OnceLock<Reason>,
    refused: AtomicU64,
    would_refuse: AtomicU64,
    ended: AtomicU64,
}

/// What one check has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RefusalCount {
    /// The `code` of the problem details that clients got.
    pub code: &'static str,
    /// The check that failed, in the words of [`Denied::check`]: `bad-signature`, `wrong-audience`, `unknown-key`, what was
    /// revoked (`session`, `subject`, …), `role`, `claim`. The code again, where the client is told all there is.
    pub check: &'static str,
    /// Requests that were refused or got no answer.
    pub refused: u64,
    /// Requests that were passed on and would have been refused, had their route's rule been enforced.
    pub would_refuse: u64,
    /// Streams that were ended.
    pub ended: u64,
}

impl From<&Denied> for Reason {
    fn from(denied: &Denied) -> Self {
        Self { code: denied.code(), check: denied.check() }
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        match refusal.denied() {
            Some(denied) => denied.into(),
            None => Self { code: refusal.code(), check: refusal.code() },
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counted::default()))
    }
}

impl Refusals {
    pub(crate) fn count_refused(&self, reason: Reason) {
        self.count(reason, |place| &place.refused);
    }

    pub(crate) fn count_would_refuse(&self, reason: impl Into<Reason>) {
        self.count(reason.into(), |place| &place.would_refuse);
    }

    pub(crate) fn count_ended(&self, reason: impl Into<Reason>) {
        self.count(reason.into(), |place| &place.ended);
    }

    fn count(&self, reason: Reason, counter: impl Fn(&Counted) -> &AtomicU64) {
        let place = self.0.iter().find(|place| *place.reason.get_or_init(|| reason) == reason);
        debug_assert!(place.is_some(), "there are more reasons than PLACES");
        if let Some(place) = place {
            counter(place).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// In the order of their names.
    pub(crate) fn read(&self) -> Vec<RefusalCount> {
        let read = |place: &Counted| {
            let Reason { code, check } = *place.reason.get()?;
            let [refused, would_refuse, ended] = [&place.refused, &place.would_refuse, &place.ended]
                .map(|counter| counter.load(Ordering::Relaxed));
            Some(RefusalCount { code, check, refused, would_refuse, ended })
        };
        let mut counts: Vec<RefusalCount> = self.0.iter().map_while(read).collect();
        counts.sort_unstable_by_key(|count| (count.code, count.check));
        counts
    }
}

/// The sum of one of the counters for each code, without those that nothing was counted of.
pub(super) fn by_code(
    counts: &[RefusalCount],
    counter: impl Fn(&RefusalCount) -> u64,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for count in counts.iter().filter(|count| counter(count) > 0) {
        *sums.entry(count.code.to_owned()).or_default() += counter(count);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_from_many_threads_each_in_one_place() {
        let counts = Refusals::default();
        let reason = |code, check| Reason { code, check };
        let reasons = [reason("a", "a"), reason("a", "b"), reason("b", "a"), reason("c", "c")];
        std::thread::scope(|scope| {
            for start in 0..4 {
                let counts = &counts;
                scope.spawn(move || {
                    for number in 0..1000 {
                        let reason = reasons[(start + number) % 4];
                        counts.count_refused(reason);
                        if reason.code == "c" {
                            counts.count_would_refuse(reason);
                        }
                    }
                });
            }
        });
        let read = counts.read();
        let found: Vec<_> = read.iter().map(|count| (count.code, count.check, count.refused)).collect();
        assert_eq!(found, reasons.map(|Reason { code, check }| (code, check, 1000)));
        assert_eq!(
            by_code(&read, |count| count.refused),
            [("a", 2000), ("b", 1000), ("c", 1000)].map(|(code, count)| (code.to_owned(), count)).into()
        );
        assert_eq!(by_code(&read, |count| count.would_refuse), [("c".to_owned(), 1000)].into());
        assert_eq!(by_code(&read, |count| count.ended), BTreeMap::new());
    }
}

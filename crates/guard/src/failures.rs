//! What went wrong when an issuer was asked for something: how often, and the last time in words.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatepass_jose::Timestamp;

use crate::clock::{Clock, Now};
use crate::status::{AskedFor, FailureStatus};

/// Of an error's text this much is kept: what an issuer answers may be part of it.
const MAX_TEXT: usize = 300;

/// Failures of one issuer, counted by what it was asked for.
pub(crate) struct Failures {
    clock: Arc<Clock>,
    by_kind: [Failed; AskedFor::ALL.len()],
}

#[derive(Default)]
struct Failed {
    count: AtomicU64,
    /// By the steady clock.
    last: Mutex<Option<(String, Timestamp)>>,
}

impl Failures {
    pub(crate) fn new(clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self { clock, by_kind: Default::default() })
    }

    pub(crate) fn note(&self, asked_for: AskedFor, error: &dyn fmt::Display) {
        let Some(failed) = self.by_kind.get(asked_for as usize) else { return };
        failed.count.fetch_add(1, Ordering::Relaxed);
        let text = error.to_string().chars().take(MAX_TEXT).collect();
        let now = self.clock.now().steady;
        *failed.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((text, now));
    }

    /// One for each kind of which there was any.
    pub(crate) fn status(&self, now: Now) -> Vec<FailureStatus> {
        let status = |(asked_for, failed): (&AskedFor, &Failed)| {
            let last = failed.last.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
            Some(FailureStatus {
                asked_for: *asked_for,
                count: failed.count.load(Ordering::Relaxed),
                error: last.0,
                age: now.steady.since(last.1),
            })
        };
        AskedFor::ALL.iter().zip(&self.by_kind).filter_map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failure_of_each_kind_is_told_and_all_are_counted() {
        let clock = Arc::new(Clock::start());
        let failures = Failures::new(Arc::clone(&clock));
        assert_eq!(failures.status(clock.now()), []);
        failures.note(AskedFor::Feed, &"first");
        failures.note(AskedFor::Keys, &"x".repeat(10 * MAX_TEXT));
        failures.note(AskedFor::Feed, &"second");
        let told = failures.status(clock.now());
        let kinds: Vec<_> = told.iter().map(|failed| (failed.asked_for, failed.count)).collect();
        assert_eq!(kinds, [(AskedFor::Keys, 1), (AskedFor::Feed, 2)]);
        assert_eq!((told[0].error.len(), told[1].error.as_str()), (MAX_TEXT, "second"));
    }
}

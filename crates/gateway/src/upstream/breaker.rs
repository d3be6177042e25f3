//! What the requests that a server got say of it: a circuit breaker, as a plain state over values.
//!
//! *Closed*, it lets everything through and counts failures in a row. After so many it is *open*: the server
//! gets nothing for a while, which grows with each time. Then one request *probes*: if it is answered the
//! breaker closes, else the server is out for longer.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::EjectSettings;

/// How long a server is out the first time.
const FIRST: Duration = Duration::from_secs(1);
/// Failures that are further apart than this are not in a row.
const MEMORY: Duration = Duration::from_secs(60);
/// How long one probe keeps others back: a client that is slow to send its request is not to keep a server
/// out that is well again.
const PROBE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Breaker {
    circuit: Circuit,
    /// Failures in a row.
    streak: u32,
    /// Times that it opened without having been closed for long between them.
    times: u32,
    last_failure: Option<Instant>,
    /// When it closed last.
    closed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Circuit {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    Probing {
        since: Instant,
        /// Of the time that it was open.
        until: Instant,
    },
}

/// How a request is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Ordinary,
    /// What becomes of it decides about the server.
    Probe,
}

impl Breaker {
    /// Whether it knows nothing but good.
    pub(super) fn is_untroubled(&self) -> bool {
        self.circuit == Circuit::Closed && self.streak == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.circuit == Circuit::Closed
    }

    /// Whether [`Breaker::admit`] would admit.
    pub(super) fn would_admit(&self, now: Instant) -> bool {
        match self.circuit {
            Circuit::Closed => true,
            Circuit::Open { until } => now >= until,
            Circuit::Probing { since, until } => now >= until && now >= since + PROBE,
        }
    }

    /// When the last request failed.
    pub(super) fn last_failure(&self) -> Option<Instant> {
        self.last_failure
    }

    /// Lets a request through, if it may.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Admission> {
        if !self.would_admit(now) {
            return None;
        }
        self.admit_anyway(now)
    }

    /// Lets a request through even before its time, for want of another server: a probe then, and no more
    /// than one at once.
    pub(super) fn admit_anyway(&mut self, now: Instant) -> Option<Admission> {
        let until = match self.circuit {
            Circuit::Closed => return Some(Admission::Ordinary),
            Circuit::Probing { since, .. } if now < since + PROBE => return None,
            Circuit::Open { until } | Circuit::Probing { until, .. } => until,
        };
        self.circuit = Circuit::Probing { since: now, until };
        Some(Admission::Probe)
    }

    /// A response has begun. Returns whether that has closed the breaker.
    pub(super) fn answered(&mut self, admission: Admission, now: Instant) -> bool {
        let closes = admission == Admission::Probe && !self.is_closed();
        if closes {
            *self = Self { closed: Some(now), times: self.times, ..Self::default() };
        }
        closes
    }

    /// A response has come to its end.
    pub(super) fn completed(&mut self) {
        if self.is_closed() {
            self.streak = 0;
        }
    }

    /// A request found no server, no response, or half of one. Returns for how long the server is out, if
    /// that is since now.
    pub(super) fn failed(
        &mut self,
        admission: Admission,
        now: Instant,
        settings: &EjectSettings,
    ) -> Option<Duration> {
        let in_a_row = self.last_failure.is_some_and(|last| now < last + MEMORY);
        self.last_failure = Some(now);
        match self.circuit {
            Circuit::Closed => {
                self.streak = if in_a_row { self.streak.saturating_add(1) } else { 1 };
                (self.streak >= settings.failures).then(|| self.open(now, settings.longest))
            }
            // One for want of another server says nothing new before its time.
            Circuit::Probing { until, .. } if admission == Admission::Probe && now < until => {
                self.circuit = Circuit::Open { until };
                None
            }
            Circuit::Probing { .. } if admission == Admission::Probe => {
                Some(self.open(now, settings.longest))
            }
            // What was under way before it opened.
            Circuit::Open { .. } | Circuit::Probing { .. } => None,
        }
    }

    /// A probe has ended without telling anything: its client has gone.
    pub(super) fn abandoned(&mut self) {
        if let Circuit::Probing { until, .. } = self.circuit {
            self.circuit = Circuit::Open { until };
        }
    }

    fn open(&mut self, now: Instant, longest: Duration) -> Duration {
        if self.is_closed() && self.closed.is_none_or(|closed| now >= closed + longest) {
            self.times = 0;
        }
        let out = FIRST.saturating_mul(1 << self.times.min(16)).min(longest);
        self.times = self.times.saturating_add(1);
        self.circuit = Circuit::Open { until: now + out };
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: EjectSettings =
        EjectSettings { failures: 3, longest: Duration::from_secs(10), server_errors: false };

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// One that has just opened, for a second.
    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for want in [None, None, Some(FIRST)] {
            assert_eq!(breaker.failed(Admission::Ordinary, now, &SETTINGS), want);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_alone() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for round in 0..20 {
            assert_eq!(breaker.failed(Admission::Ordinary, now, &SETTINGS), None, "{round}");
            assert_eq!(breaker.failed(Admission::Ordinary, now, &SETTINGS), None, "{round}");
            assert!(!breaker.is_untroubled());
            // The head of a response is no proof that the rest comes.
            assert!(!breaker.answered(Admission::Ordinary, now));
            assert!(!breaker.is_untroubled());
            breaker.completed();
            assert!(breaker.is_untroubled());
        }
        for minute in 1..20 {
            let now = now + MEMORY * minute;
            assert_eq!(breaker.failed(Admission::Ordinary, now, &SETTINGS), None, "once a minute");
        }
        assert!(breaker.is_closed());
        assert!(!open(now).is_closed());
    }

    #[test]
    fn an_open_one_admits_nothing_and_then_one_probe() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert_eq!(breaker.admit(now), None);
        assert_eq!(breaker.admit(now + FIRST - Duration::from_nanos(1)), None);
        let due = now + FIRST;
        assert_eq!(breaker.admit(due), Some(Admission::Probe));
        assert_eq!(breaker.admit(due), None, "one at a time");
        assert_eq!(breaker.admit_anyway(due), None, "whatever the want");
        assert!(breaker.answered(Admission::Probe, due));
        assert!(breaker.is_untroubled());
        assert_eq!(breaker.admit(due), Some(Admission::Ordinary));
    }

    #[test]
    fn a_probe_that_never_tells_keeps_others_back_for_a_while_only() {
        let now = Instant::now();
        let due = now + FIRST;
        let mut breaker = open(now);
        assert_eq!(breaker.admit(due), Some(Admission::Probe));
        breaker.abandoned();
        assert_eq!(breaker.admit(due), Some(Admission::Probe), "its client had gone");
        assert_eq!(breaker.admit(due + PROBE - secs(1)), None);
        assert_eq!(breaker.admit(due + PROBE), Some(Admission::Probe), "its client is slow");
        assert!(breaker.answered(Admission::Probe, due + PROBE), "whichever of the two tells first");
        assert!(!breaker.answered(Admission::Probe, due + PROBE));
    }

    #[test]
    fn it_stays_open_for_longer_each_time_within_a_bound() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut out = FIRST;
        for want in [2, 4, 8, 10, 10, 10] {
            now += out;
            assert_eq!(breaker.admit(now), Some(Admission::Probe));
            assert_eq!(breaker.failed(Admission::Probe, now, &SETTINGS), Some(secs(want)));
            out = secs(want);
        }
        now += out;
        // One that flaps is not forgiven for one good answer.
        assert_eq!(breaker.admit(now), Some(Admission::Probe));
        assert!(breaker.answered(Admission::Probe, now));
        let flapped = |breaker: &mut Breaker, now| {
            let outs = (0..3).map(|_| breaker.failed(Admission::Ordinary, now, &SETTINGS));
            outs.last().flatten()
        };
        assert_eq!(flapped(&mut breaker.clone(), now + secs(1)), Some(secs(10)));
        assert_eq!(flapped(&mut breaker, now + secs(10)), Some(FIRST), "one that was well for long is");
    }

    #[test]
    fn what_was_under_way_when_it_opened_changes_nothing() {
        let now = Instant::now();
        let mut breaker = open(now);
        let before = breaker.clone();
        assert_eq!(breaker.failed(Admission::Ordinary, now, &SETTINGS), None);
        assert!(!breaker.answered(Admission::Ordinary, now));
        breaker.completed();
        assert_eq!(breaker, before);
        let due = now + FIRST;
        assert_eq!(breaker.admit(due), Some(Admission::Probe));
        assert_eq!(breaker.failed(Admission::Ordinary, due, &SETTINGS), None);
        assert_eq!(breaker.admit(due), None, "the probe decides");
    }

    #[test]
    fn for_want_of_another_it_is_tried_before_its_time() {
        let now = Instant::now();
        let mut breaker = open(now);
        for _ in 0..10 {
            assert_eq!(breaker.admit_anyway(now), Some(Admission::Probe));
            assert_eq!(breaker.admit_anyway(now), None, "one at a time");
            assert_eq!(breaker.failed(Admission::Probe, now, &SETTINGS), None);
        }
        assert!(breaker.would_admit(now + FIRST), "which makes it no worse");
        assert_eq!(breaker.admit_anyway(now), Some(Admission::Probe));
        assert!(breaker.answered(Admission::Probe, now));
        assert!(breaker.is_closed());
    }

    #[test]
    fn counters_do_not_overflow() {
        let settings = EjectSettings { failures: u32::MAX, longest: secs(86_400), ..SETTINGS };
        let now = Instant::now();
        let mut breaker = Breaker {
            streak: u32::MAX - 1,
            times: u32::MAX,
            last_failure: Some(now),
            closed: Some(now),
            ..Breaker::default()
        };
        assert_eq!(breaker.failed(Admission::Ordinary, now, &settings), Some(FIRST * 65_536));
    }
}

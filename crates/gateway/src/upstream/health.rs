//! What is known of a server, from the requests that it got and from asking it.

use tokio::time::Instant;

use super::breaker::Breaker;
use crate::config::HealthSettings;

#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    pub(super) breaker: Breaker,
    pub(super) checks: Checks,
}

/// What a server's answers to checks say of it. It is up until they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checks {
    down: bool,
    /// Checks in a row that say the opposite.
    against: u32,
}

/// Whether a server is to get requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// Its requests failed; if there is no other, the one whose last failure is the oldest is tried.
    Ejected {
        last_failure: Option<Instant>,
    },
    /// It fails its checks.
    Down,
}

impl Health {
    /// Whether there is nothing that a good answer could change.
    pub(super) fn is_untroubled(&self) -> bool {
        self.breaker.is_untroubled() && !self.checks.down
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        if self.checks.down {
            Standing::Down
        } else if self.breaker.would_admit(now) {
            Standing::Good
        } else {
            Standing::Ejected { last_failure: self.breaker.last_failure() }
        }
    }
}

impl Checks {
    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// Takes in what a check said. Returns whether that has changed the verdict.
    pub(super) fn record(&mut self, well: bool, settings: &HealthSettings) -> bool {
        if well != self.down {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        let enough = if self.down { settings.healthy } else { settings.unhealthy };
        if self.against < enough {
            return false;
        }
        *self = Self { down: !self.down, against: 0 };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::EjectSettings;
    use crate::upstream::breaker::Admission;

    #[test]
    fn checks_in_a_row_decide() {
        let settings =
            HealthSettings { healthy: 2, unhealthy: 3, ..HealthSettings::at("/".parse().unwrap()) };
        // A check that went well, and whether the server is up after it.
        let cases = [
            ("one_or_two_failures_are_none", &[(false, true), (false, true), (true, true)][..]),
            (
                "failures_between_successes_are_none",
                &[(false, true), (true, true), (false, true), (true, true)],
            ),
            (
                "three_are_enough_and_two_successes_mend_them",
                &[(false, true), (false, true), (false, false), (true, false), (true, true)],
            ),
            (
                "a_failure_between_two_successes_starts_again",
                &[
                    (false, true),
                    (false, true),
                    (false, false),
                    (true, false),
                    (false, false),
                    (true, false),
                    (true, true),
                ],
            ),
        ];
        for (name, steps) in cases {
            let mut checks = Checks::default();
            for (step, (well, up)) in steps.iter().enumerate() {
                let before = checks.is_down();
                let changed = checks.record(*well, &settings);
                assert_eq!(checks.is_down(), !up, "{name}, step {step}");
                assert_eq!(changed, before != checks.is_down(), "{name}, step {step}");
            }
        }
    }

    #[test]
    fn what_checks_say_weighs_more_than_what_requests_say() {
        let now = Instant::now();
        let settings = HealthSettings { unhealthy: 1, ..HealthSettings::at("/".parse().unwrap()) };
        let eject = EjectSettings { failures: 1, longest: Duration::from_secs(60), server_errors: false };
        let mut health = Health::default();
        assert!(health.is_untroubled());
        assert_eq!(health.standing(now), Standing::Good);
        health.breaker.failed(Admission::Ordinary, now, &eject);
        assert_eq!(health.standing(now), Standing::Ejected { last_failure: Some(now) });
        health.checks.record(false, &settings);
        assert_eq!(health.standing(now), Standing::Down);
        assert_eq!(health.standing(now + Duration::from_secs(1)), Standing::Down, "whatever is due");
        assert!(!health.is_untroubled());
    }
}

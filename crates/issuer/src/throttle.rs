//! How fast passwords can be guessed.
//!
//! Failures fill a bucket per account and one per address, and time empties them: an account is
//! never locked for good, whoever does the guessing. A full bucket refuses before the password is
//! looked at, so the answer says nothing about it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

/// A bucket's size and how fast it empties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleLimit {
    /// So many failures in a row are let through.
    pub burst: u32,
    /// After that, one attempt each time this has passed.
    pub every: Duration,
}

/// The two limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// For one account, from wherever.
    pub account: ThrottleLimit,
    /// For one address (an IPv6 network of 64 bits counts as one), whichever account.
    pub address: ThrottleLimit,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            account: ThrottleLimit { burst: 10, every: Duration::from_secs(20) },
            address: ThrottleLimit { burst: 40, every: Duration::from_secs(2) },
        }
    }
}

/// Too many failures; try again after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) retry_after: Duration,
}

/// Buckets are dropped once they are empty, and never more than these are kept: a flood of
/// addresses must not fill the memory.
const MAX_BUCKETS: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Throttle {
    policy: ThrottlePolicy,
    hasher: RandomState,
    /// For a hash of the account or address: when its bucket will be empty.
    empty_at: Mutex<HashMap<u64, Timestamp>>,
}

/// Who tries to log in, as far as the throttle is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    account: u64,
    address: Option<u64>,
}

impl Throttle {
    pub(crate) fn new(policy: ThrottlePolicy) -> Self {
        Self { policy, hasher: RandomState::new(), empty_at: Mutex::default() }
    }

    pub(crate) fn attempt(&self, account: impl Hash, address: Option<IpAddr>) -> Attempt {
        let network = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => self.hasher.hash_one(v4),
            IpAddr::V6(v6) => self.hasher.hash_one(v6.segments().first_chunk::<4>()),
        };
        Attempt { account: self.hasher.hash_one(("account", account)), address: address.map(network) }
    }

    /// Whether the attempt may go on to the password.
    pub(crate) fn check(&self, attempt: Attempt, now: Timestamp) -> Result<(), Throttled> {
        let empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, limit) in self.buckets(attempt) {
            let full_for = empty_at.get(&key).map_or(Duration::ZERO, |at| at.since(now));
            let allowed = limit.every.saturating_mul(limit.burst.saturating_sub(1));
            if full_for > allowed {
                return Err(Throttled { retry_after: full_for - allowed });
            }
        }
        Ok(())
    }

    /// Counts a wrong password.
    pub(crate) fn failed(&self, attempt: Attempt, now: Timestamp) {
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        if empty_at.len() >= MAX_BUCKETS {
            empty_at.retain(|_, at| *at > now);
        }
        for (key, limit) in self.buckets(attempt) {
            if empty_at.len() < MAX_BUCKETS || empty_at.contains_key(&key) {
                let at = empty_at.entry(key).or_insert(now);
                *at = (*at).max(now).saturating_add(limit.every);
            }
        }
    }

    /// The owner has shown who they are: their account starts afresh. The address does not, or a
    /// guesser could reset it with an account of their own.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        self.empty_at.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt.account);
    }

    fn buckets(&self, attempt: Attempt) -> impl Iterator<Item = (u64, ThrottleLimit)> {
        let address = attempt.address.map(|address| (address, self.policy.address));
        [(attempt.account, self.policy.account)].into_iter().chain(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Username;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    fn throttle() -> Throttle {
        let limit = |burst, secs| ThrottleLimit { burst, every: Duration::from_secs(secs) };
        Throttle::new(ThrottlePolicy { account: limit(3, 20), address: limit(5, 2) })
    }

    fn attempt(throttle: &Throttle, name: &str, address: &str) -> Attempt {
        let name: Username = name.parse().unwrap();
        throttle.attempt(name.folded(), Some(address.parse().unwrap()))
    }

    #[test]
    fn an_account_is_throttled_from_everywhere_and_never_for_good() {
        let throttle = throttle();
        for host in 1..=3 {
            let guess = attempt(&throttle, "alice", &format!("10.0.0.{host}"));
            assert_eq!(throttle.check(guess, NOW), Ok(()));
            throttle.failed(guess, NOW);
        }
        let owner = attempt(&throttle, "ALICE", "10.9.9.9");
        assert_eq!(throttle.check(owner, NOW), Err(Throttled { retry_after: Duration::from_secs(20) }));
        assert_eq!(throttle.check(owner, NOW.saturating_add(Duration::from_secs(20))), Ok(()));
        assert_eq!(throttle.check(attempt(&throttle, "bob", "10.9.9.9"), NOW), Ok(()));
    }

    #[test]
    fn an_address_is_throttled_over_all_accounts() {
        let throttle = throttle();
        for name in ["a", "b", "c", "d", "e"] {
            throttle.failed(attempt(&throttle, name, "2001:db8::1"), NOW);
        }
        let neighbour = attempt(&throttle, "f", "2001:db8::ffff:2");
        assert_eq!(throttle.check(neighbour, NOW), Err(Throttled { retry_after: Duration::from_secs(2) }));
        assert_eq!(throttle.check(attempt(&throttle, "f", "2001:db8:0:1::1"), NOW), Ok(()));
    }

    #[test]
    fn a_success_clears_the_account_and_not_the_address() {
        let throttle = throttle();
        let guess = attempt(&throttle, "alice", "10.0.0.1");
        for _ in 0..5 {
            throttle.failed(guess, NOW);
        }
        throttle.succeeded(guess);
        assert!(throttle.check(attempt(&throttle, "alice", "10.0.0.2"), NOW).is_ok());
        assert!(throttle.check(guess, NOW).is_err());
    }

    #[test]
    fn ten_thousand_failures_later_one_attempt_still_comes_through_in_time() {
        let throttle = throttle();
        let guess = attempt(&throttle, "alice", "10.0.0.1");
        let mut now = NOW;
        let mut let_through = 0;
        for _ in 0..10_000 {
            if throttle.check(guess, now).is_ok() {
                throttle.failed(guess, now);
                let_through += 1;
            }
            now = now.saturating_add(Duration::from_millis(100));
        }
        assert_eq!(let_through, 3 + 1_000_000 / 20_000 - 1);
    }
}

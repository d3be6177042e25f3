//! How often something may be asked for: a bucket per account and one per address, which time empties. (How often
//! passwords may be guessed, with waits that grow, is decided by `guessing`.)

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

/// How fast may be guessed. Each limit is of failures; `every` is how long the first wait is after the burst, and each
/// failure after that makes the next one twice as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// For one account, from wherever.
    pub account: ThrottleLimit,
    /// For one address (an IPv6 network of 64 bits counts as one), whichever account.
    pub address: ThrottleLimit,
    /// For one network (256 addresses of IPv4, 48 bits of IPv6), whichever account.
    pub network: ThrottleLimit,
    /// For one password, at whichever accounts.
    pub password: ThrottleLimit,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            account: ThrottleLimit { burst: 10, every: Duration::from_secs(20) },
            address: ThrottleLimit { burst: 40, every: Duration::from_secs(2) },
            network: ThrottleLimit { burst: 200, every: Duration::from_secs(1) },
            password: ThrottleLimit { burst: 20, every: Duration::from_secs(20) },
            longest: Duration::from_secs(600),
        }
    }
}

impl ThrottlePolicy {
    /// For requests that cost a row each.
    pub(crate) fn of_rows(self) -> Self {
        let limit = |burst, millis| ThrottleLimit { burst, every: Duration::from_millis(millis) };
        Self { account: limit(500, 100), address: limit(40, 2000), ..self }
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

/// A host, and the network that its owner most likely has more hosts in: an IPv4 address and its 256, an IPv6 network of
/// 64 bits and its 65,536.
pub(crate) fn places(address: IpAddr) -> (u64, u64) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u64::from(v4.to_bits()), u64::from(v4.to_bits() >> 8)),
        // The upper half, which no IPv4 address has a bit of.
        IpAddr::V6(v6) => {
            let upper = u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX);
            (upper, upper >> 16)
        }
    }
}

/// Who tries to log in, as far as the throttle is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    account: Option<u64>,
    address: Option<u64>,
    network: Option<u64>,
}

impl Throttle {
    pub(crate) fn new(policy: ThrottlePolicy) -> Self {
        Self { policy, hasher: RandomState::new(), empty_at: Mutex::default() }
    }

    pub(crate) fn attempt(&self, account: impl Hash, address: Option<IpAddr>) -> Attempt {
        let address = address.map(|address| self.address(address));
        Attempt { account: Some(self.hasher.hash_one(("account", account))), address, network: None }
    }

    /// What nobody does but an address, whose bucket is the account's.
    pub(crate) fn attempt_from(&self, address: IpAddr) -> Attempt {
        Attempt { account: Some(self.address(address)), address: None, network: None }
    }

    /// What anybody does from an address, and in whose name counts for nothing.
    pub(crate) fn attempt_at(&self, address: IpAddr) -> Attempt {
        let network = self.hasher.hash_one(("network", places(address).1));
        Attempt { account: None, address: Some(self.address(address)), network: Some(network) }
    }

    fn address(&self, address: IpAddr) -> u64 {
        self.hasher.hash_one(("address", places(address).0))
    }

    /// Whether the attempt may go on to the password. An attempt at an account whose bucket is full counts for its
    /// address, up to a full bucket there: nobody waits at one account for each place that becomes free, and so
    /// keeps its owner out.
    pub(crate) fn check(&self, attempt: Attempt, now: Timestamp) -> Result<(), Throttled> {
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, limit) in self.buckets(attempt) {
            let full_for = empty_at.get(&key).map_or(Duration::ZERO, |at| at.since(now));
            let allowed = limit.every.saturating_mul(limit.burst.saturating_sub(1));
            if full_for <= allowed {
                continue;
            }
            if let Some(address) = attempt.address.filter(|address| *address != key) {
                let limit = self.policy.address;
                let full = now.saturating_add(limit.every.saturating_mul(limit.burst));
                if let Some(at) = slot(&mut empty_at, address, now) {
                    *at = at.saturating_add(limit.every).min(full);
                }
            }
            return Err(Throttled { retry_after: full_for - allowed });
        }
        Ok(())
    }

    /// Counts a wrong password.
    pub(crate) fn failed(&self, attempt: Attempt, now: Timestamp) {
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, limit) in self.buckets(attempt) {
            if let Some(at) = slot(&mut empty_at, key, now) {
                *at = at.saturating_add(limit.every);
            }
        }
    }

    /// Counts what is let through.
    pub(crate) fn take(&self, attempt: Attempt, now: Timestamp) -> Result<(), Throttled> {
        self.check(attempt, now)?;
        self.failed(attempt, now);
        Ok(())
    }

    fn buckets(&self, attempt: Attempt) -> impl Iterator<Item = (u64, ThrottleLimit)> {
        let Attempt { account, address, network } = attempt;
        let of = |key: Option<u64>, limit| key.map(|key| (key, limit));
        let policy = &self.policy;
        [of(account, policy.account), of(address, policy.address), of(network, policy.network)]
            .into_iter()
            .flatten()
    }
}

/// When a bucket will be empty, from `now` on; `None` where there is no room for another one.
fn slot(empty_at: &mut HashMap<u64, Timestamp>, key: u64, now: Timestamp) -> Option<&mut Timestamp> {
    if empty_at.len() >= MAX_BUCKETS {
        empty_at.retain(|_, at| *at > now);
    }
    if empty_at.len() >= MAX_BUCKETS && !empty_at.contains_key(&key) {
        return None;
    }
    let at = empty_at.entry(key).or_insert(now);
    *at = (*at).max(now);
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Username;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    fn throttle() -> Throttle {
        let limit = |burst, secs| ThrottleLimit { burst, every: Duration::from_secs(secs) };
        let policy = ThrottlePolicy::default();
        Throttle::new(ThrottlePolicy { account: limit(3, 20), address: limit(5, 2), ..policy })
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
    fn whoever_waits_at_a_full_account_fills_the_bucket_of_their_address() {
        let throttle = throttle();
        let guesser = attempt(&throttle, "alice", "192.0.2.1");
        for _ in 0..3 {
            throttle.failed(guesser, NOW);
        }
        for _ in 0..100 {
            assert!(throttle.check(guesser, NOW).is_err());
        }
        let full = Throttled { retry_after: Duration::from_secs(2) };
        assert_eq!(
            throttle.check(attempt(&throttle, "bob", "192.0.2.1"), NOW),
            Err(full),
            "no more than full"
        );
        assert_eq!(throttle.check(attempt(&throttle, "bob", "192.0.2.2"), NOW), Ok(()));
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

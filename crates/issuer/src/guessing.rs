//! How fast passwords can be guessed.
//!
//! A failure counts in a bucket of each pattern that guessers show: one account tried with many passwords, one address or one
//! network that tries many accounts, one password tried at many accounts. A full bucket refuses before the password is
//! looked at, so the answer says nothing about it. After that each failure makes the next wait twice as long, up to a
//! limit; no account is locked for good. Failures are forgotten one by one as time goes by, so that who pauses gains nothing.
//!
//! A browser that its user has logged in with before has a bucket beside these, one of a few for that user, and counts in no other:
//! whoever fills all of them does not shut the user out there.

mod buckets;

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use gatepass_jose::Timestamp;

use self::buckets::{Buckets, Newcomers};
use crate::known_device::DeviceId;
use crate::throttle::{ThrottleLimit, ThrottlePolicy, places};

/// How many wrong secrets of one client come from one address before it waits. Secrets are 256 random bits; this is for
/// those that an operator has chosen elsewhere, and for the log.
const CLIENT: ThrottleLimit = ThrottleLimit { burst: 100, every: Duration::from_secs(1) };

/// How many buckets the browsers of one account have together: whoever has copied more cookies than that has no more guesses.
const DEVICES: u8 = 8;

/// What is known of guesses.
#[derive(Debug)]
pub(crate) struct Guessing {
    policy: ThrottlePolicy,
    /// Keyed at random with each start: what a bucket is of cannot be worked out from it, a password above all.
    hasher: RandomState,
    /// Of accounts, passwords, addresses and networks, which anybody can make up.
    logins: Buckets,
    /// Of browsers that a user has logged in with: no flood of the others gets here.
    devices: Buckets,
    /// Of registered clients at an address. That there is no room for another keeps none out, whose secret nobody guesses.
    clients: Buckets,
}

/// Somebody's attempt to log in, or to authenticate as a client, as the buckets know it.
#[derive(Clone, Debug)]
pub(crate) struct Guess {
    of: Of,
    /// With the words for the log.
    buckets: Vec<(&'static str, u64, ThrottleLimit)>,
    /// What a success empties: of the account, or of the device.
    own: u64,
    /// What fills when somebody insists.
    address: Option<u64>,
}

/// Whose buckets they are.
#[derive(Clone, Copy, Debug)]
enum Of {
    Login,
    Device,
    Client,
}

/// A guess that comes too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooEarly {
    /// Which bucket is full, for the log alone.
    pub(crate) by: &'static str,
    pub(crate) retry_after: Duration,
}

impl Guessing {
    pub(crate) fn new(policy: ThrottlePolicy) -> Self {
        let buckets = |newcomers| Buckets::new(policy.longest, newcomers);
        Self {
            policy,
            hasher: RandomState::new(),
            logins: buckets(Newcomers::Share),
            devices: buckets(Newcomers::Share),
            clients: buckets(Newcomers::GoUncounted),
        }
    }

    /// A login to `account` with `password`, from a device that the account's user has logged in with before or from
    /// anywhere.
    pub(crate) fn of_password(
        &self,
        account: &str,
        password: &str,
        address: Option<IpAddr>,
        device: Option<DeviceId>,
    ) -> Guess {
        let ThrottlePolicy { account: of_account, .. } = self.policy;
        if let Some([first, ..]) = device {
            let own = self.key("device", (first % DEVICES, account));
            return Guess { of: Of::Device, buckets: vec![("device", own, of_account)], own, address: None };
        }
        let own = self.key("account", account);
        let mut buckets = vec![
            ("account", own, of_account),
            ("password", self.key("password", password), self.policy.password),
        ];
        let address = address.map(|address| {
            let (host, network) = places(address);
            let host = self.key("address", host);
            buckets.push(("address", host, self.policy.address));
            buckets.push(("network", self.key("network", network), self.policy.network));
            host
        });
        Guess { of: Of::Login, buckets, own, address }
    }

    /// A secret of `client`, which is registered, from an address. Another address of the same client's is another bucket: wrong secrets from
    /// elsewhere do not keep the client out.
    pub(crate) fn of_client(&self, client: &str, address: IpAddr) -> Guess {
        let own = self.key("client", (client, places(address).0));
        Guess { of: Of::Client, buckets: vec![("client", own, CLIENT)], own, address: None }
    }

    /// Whether the guess may be looked at. One that comes too early counts for its address, up to a full bucket there:
    /// nobody waits at one account for each place that becomes free, and so keeps its owner out.
    pub(crate) fn check(&self, guess: &Guess, now: Timestamp) -> Result<(), TooEarly> {
        let buckets = self.buckets_of(guess);
        let waits = guess.buckets.iter().map(|(by, key, _)| (*by, buckets.wait(*key, now)));
        let Some((by, retry_after)) = waits.max_by_key(|(_, wait)| *wait).filter(|(_, wait)| !wait.is_zero())
        else {
            return Ok(());
        };
        if by != "address"
            && let Some(address) = guess.address
        {
            buckets.fill(address, self.policy.address, now);
        }
        Err(TooEarly { by, retry_after })
    }

    /// Counts a guess that was wrong.
    pub(crate) fn failed(&self, guess: &Guess, now: Timestamp) {
        for (_, key, limit) in &guess.buckets {
            self.buckets_of(guess).count(*key, *limit, now);
        }
    }

    /// The owner has shown who they are: their account, or device, starts afresh. What they share with others does not,
    /// or a guesser could empty it with an account of their own.
    pub(crate) fn succeeded(&self, guess: &Guess) {
        self.buckets_of(guess).empty(guess.own);
    }

    fn buckets_of(&self, guess: &Guess) -> &Buckets {
        match guess.of {
            Of::Login => &self.logins,
            Of::Device => &self.devices,
            Of::Client => &self.clients,
        }
    }

    fn key(&self, kind: &str, of: impl Hash) -> u64 {
        self.hasher.hash_one((kind, of))
    }
}

#[cfg(test)]
mod tests;

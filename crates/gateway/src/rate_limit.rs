//! How many requests a subject, a client or an address may make.
//!
//! The generic cell rate algorithm (ITU-T I.371): of each caller one instant is kept, at which its allowance
//! will be whole again. A request moves it on by one interval, and is refused where it would then lie further
//! ahead than the allowance is large. Nothing has to be counted down meanwhile, and an instant that has passed
//! says no more than none at all: it can be forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatepass_guard::Admitted;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

/// Under locks of their own, so that callers seldom wait for each other.
const SHARDS: usize = 16;
/// Callers that a shard remembers: 65,536 for a limit, which take two megabytes at most.
const SHARD_CALLERS: usize = 4_096;
/// Between two searches of a full shard for what it can forget.
const SWEEP: u64 = 1_000_000_000;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `rate_limit` of a route, or a `[[rate_limit]]` that several share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// As clients read it, in letters, digits, `-`, `_` and `.`.
    pub(crate) name: String,
    /// Of a route's own limit: which route's.
    pub(crate) route: Option<String>,
    pub(crate) per: Per,
    /// More than none.
    pub(crate) requests: u32,
    /// At least a second, at most a day.
    pub(crate) every: Duration,
    /// So many of `requests` at once.
    pub(crate) burst: u32,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    Subject,
    Client,
    Address,
}

/// Who makes a request, and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller<'c> {
    Subject {
        issuer: &'c str,
        subject: &'c str,
    },
    Client {
        issuer: &'c str,
        client_id: &'c str,
    },
    V4(u32),
    /// A network of 64 bits, of which one machine usually has every address.
    V6(u64),
}

/// Counts the requests of every caller.
pub(crate) struct Limiter {
    settings: RateLimit,
    policy: HeaderValue,
    /// Between two requests at the allowed rate, in nanoseconds as every instant here.
    interval: u64,
    /// How far ahead a caller's instant may lie.
    tolerance: u64,
    started: Instant,
    /// With a key that nobody knows, so that nobody can make two callers one.
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// For a hash of the caller: when its allowance will be whole.
    whole_at: HashMap<u64, u64>,
    /// The same for all who come while there is no room for them: together they get what one would.
    crowd: u64,
    swept_at: u64,
}

/// How it stands with a caller, this request counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many more would pass now.
    pub(crate) remaining: u64,
    /// Until its allowance is whole.
    pub(crate) whole_in: Duration,
    /// Of a request that is refused: until one would pass.
    pub(crate) refused_for: Option<Duration>,
}

impl Limiter {
    pub(crate) fn new(settings: RateLimit) -> Self {
        let every = u64::try_from(settings.every.as_nanos()).unwrap_or(u64::MAX);
        let interval = (every / u64::from(settings.requests.max(1))).max(1);
        let RateLimit { name, requests, .. } = &settings;
        let policy = format!("\"{name}\";q={requests};w={}", whole_seconds(settings.every));
        Self {
            policy: HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("")),
            interval,
            tolerance: interval.saturating_mul(settings.burst.into()),
            settings,
            started: Instant::now(),
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    pub(crate) fn settings(&self) -> &RateLimit {
        &self.settings
    }

    /// Counts a request of this address, or of who the token says, if there is one.
    pub(crate) fn take(&self, token: Option<&Admitted>, address: IpAddr) -> Standing {
        let caller = match (self.settings.per, token) {
            (Per::Subject, Some(token)) => {
                Caller::Subject { issuer: token.iss.as_str(), subject: &token.sub }
            }
            (Per::Client, Some(token)) => {
                Caller::Client { issuer: token.iss.as_str(), client_id: &token.client_id }
            }
            (Per::Address, _) | (_, None) => Caller::at(address),
        };
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.take_at(caller, now)
    }

    fn take_at(&self, caller: Caller<'_>, now: u64) -> Standing {
        let key = self.hasher.hash_one(caller);
        let mut shard = match self.shards.get(key as usize % SHARDS) {
            Some(shard) => shard.lock().unwrap_or_else(PoisonError::into_inner),
            None => return Standing::refused(Duration::ZERO, Duration::ZERO), // there is one of each number
        };
        let whole_at = shard.of(key, now);
        let next = now.max(*whole_at).saturating_add(self.interval);
        let ahead = next - now;
        if ahead > self.tolerance {
            let whole_in = whole_at.saturating_sub(now);
            return Standing::refused(
                Duration::from_nanos(whole_in),
                Duration::from_nanos(ahead - self.tolerance),
            );
        }
        *whole_at = next;
        Standing {
            remaining: (self.tolerance - ahead) / self.interval,
            whole_in: Duration::from_nanos(ahead),
            refused_for: None,
        }
    }

    /// Tells a client how it stands (draft-ietf-httpapi-ratelimit-headers), and when to come again (RFC 9110
    /// section 10.2.3).
    pub(crate) fn tell(&self, standing: Standing, headers: &mut HeaderMap) {
        let Standing { remaining, whole_in, refused_for } = standing;
        let told = format!("\"{}\";r={remaining};t={}", self.settings.name, whole_seconds(whole_in));
        if let Ok(told) = HeaderValue::try_from(told) {
            headers.insert(RATE_LIMIT, told);
        }
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        if let Some(wait) = refused_for {
            headers.insert(header::RETRY_AFTER, whole_seconds(wait).max(1).into());
        }
    }
}

impl Standing {
    fn refused(whole_in: Duration, refused_for: Duration) -> Self {
        Self { remaining: 0, whole_in, refused_for: Some(refused_for) }
    }
}

impl Caller<'_> {
    fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Shard {
    /// When the caller's allowance will be whole: 0 for a new one. Of a full shard, those are forgotten whose
    /// allowance is whole, which costs nobody anything; if there is none, the new caller is one of the crowd.
    fn of(&mut self, key: u64, now: u64) -> &mut u64 {
        let is_new = !self.whole_at.contains_key(&key);
        if is_new && self.whole_at.len() >= SHARD_CALLERS {
            if now.saturating_sub(self.swept_at) >= SWEEP {
                self.swept_at = now;
                self.whole_at.retain(|_, whole_at| *whole_at > now);
            }
            if self.whole_at.len() >= SHARD_CALLERS {
                return &mut self.crowd;
            }
        }
        self.whole_at.entry(key).or_default()
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Limiter").field(&self.settings).finish()
    }
}

/// Rounded up: who comes after so many seconds does not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;

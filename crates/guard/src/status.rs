use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::stale::StalePolicy;

/// How a guard is doing, for health checks and metrics.
///
/// As JSON, durations are seconds with a fraction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// One for each issuer, in the order of the configuration.
    pub issuers: Vec<IssuerStatus>,
}

/// How it stands with one issuer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IssuerStatus {
    /// The issuer.
    pub issuer: String,
    /// How many keys verify its tokens.
    pub keys: usize,
    /// How long ago the issuer last confirmed its key set. `None` before the first fetch, and for keys
    /// that are not fetched.
    #[serde(serialize_with = "seconds")]
    pub key_set_age: Option<Duration>,
    /// Whether a key set is there, or will never have to be.
    pub has_keys: bool,
    /// Signatures of its tokens that were known to hold, since the start.
    pub signatures_remembered: u64,
    /// Signatures of its tokens that had to be verified, since the start; those of a shared secret are not
    /// counted.
    pub signatures_verified: u64,
    /// The view of its revocations, if a feed is followed.
    pub revocation: Option<RevocationStatus>,
    /// What it failed to give when it was asked, by what that was; empty if it never failed.
    pub failures: Vec<FailureStatus>,
}

/// How often an issuer failed to give something, and how the last time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureStatus {
    /// What it was asked for.
    pub asked_for: AskedFor,
    /// How often it failed since the start.
    pub count: u64,
    /// The last failure, in words.
    pub error: String,
    /// How long ago that was.
    #[serde(serialize_with = "crate::stale::seconds")]
    pub age: Duration,
}

/// What a guard asks issuers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskedFor {
    /// Its key set, or the metadata that say where that is.
    Keys,
    /// Its revocation feed.
    Feed,
    /// Whether a token is active.
    Introspection,
    /// A status list.
    StatusList,
}

impl AskedFor {
    /// Each once.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Feed, Self::Introspection, Self::StatusList];

    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Feed => "feed",
            Self::Introspection => "introspection",
            Self::StatusList => "status-list",
        }
    }
}

/// How it stands with the view of an issuer's revocations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RevocationStatus {
    /// The newest entry that was seen.
    pub seq: u64,
    /// How many entries are kept.
    pub entries: usize,
    /// The memory they take, in bytes.
    pub memory: usize,
    /// Whether the stream is open.
    pub connected: bool,
    /// Whether the first snapshot has been loaded.
    pub is_loaded: bool,
    /// How long ago the view was last proven complete; `None` if it never was. Never less than the truth,
    /// but for the time that the proof took to get here.
    #[serde(serialize_with = "seconds")]
    pub staleness: Option<Duration>,
    /// Whether that is older than `on_stale` allows, so that its `then` is what happens to tokens.
    pub is_stale: bool,
    /// What holds then, where a route does not say otherwise.
    pub on_stale: StalePolicy,
}

fn seconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(to)
}

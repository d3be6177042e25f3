use std::time::Duration;

use serde::{Serialize, Serializer};

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
    /// The view of its revocations, if a feed is followed.
    pub revocation: Option<RevocationStatus>,
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
    /// How long ago the view was last proven complete; `None` if it never was. Never less than the truth,
    /// but for the time that the proof took to get here.
    #[serde(serialize_with = "seconds")]
    pub staleness: Option<Duration>,
}

fn seconds<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(to)
}

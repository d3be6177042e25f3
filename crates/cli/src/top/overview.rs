//! What a gateway answers at `/stats`, as far as it is looked at here. What is lacking, as an older or a newer
//! gateway may, counts for nothing.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    pub(super) ready: bool,
    pub(super) reasons: Vec<String>,
    pub(super) ended: u64,
    pub(super) checks: Vec<Check>,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) tunnels: u64,
    pub(super) routes: Vec<Route>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) upstreams: Vec<Upstream>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Check {
    pub(super) code: String,
    pub(super) check: String,
    pub(super) refused: u64,
    pub(super) would_refuse: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Route {
    pub(super) route: String,
    pub(super) methods: String,
    pub(super) requests: Vec<Requests>,
    pub(super) seconds: Seconds,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Requests {
    pub(super) outcome: String,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seconds {
    /// Up to so many seconds; the last place has no bound.
    pub(super) places: Vec<(Option<f64>, u64)>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Issuer {
    pub(super) issuer: String,
    pub(super) keys: u64,
    pub(super) key_set_age: Option<f64>,
    pub(super) revocation: Option<Revocation>,
    pub(super) failures: Vec<Failure>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Revocation {
    pub(super) entries: u64,
    pub(super) connected: bool,
    pub(super) staleness: Option<f64>,
    pub(super) is_stale: bool,
    pub(super) on_stale: OnStale,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct OnStale {
    pub(super) then: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) asked_for: String,
    pub(super) count: u64,
    pub(super) error: String,
    pub(super) age: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Upstream {
    pub(super) name: String,
    /// Requests that wait for a server with room.
    pub(super) waiting: u64,
    pub(super) servers: Vec<Server>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    pub(super) address: String,
    /// `up`, or why it gets no requests.
    pub(super) state: String,
    pub(super) state_seconds: u64,
    pub(super) in_flight: u64,
    pub(super) failures: u64,
}

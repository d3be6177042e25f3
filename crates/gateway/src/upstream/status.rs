//! How it stands with the servers, for operators.

use serde::Serialize;

/// How it stands with one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UpstreamStatus {
    /// Its `name` in the configuration.
    pub name: String,
    /// Requests that wait for a server with room.
    pub waiting: usize,
    /// In the order of the configuration's.
    pub servers: Vec<ServerStatus>,
}

/// How it stands with one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Host and port.
    pub address: String,
    /// Whether it gets requests.
    pub state: ServerState,
    /// How long that has been so, in seconds.
    pub state_seconds: u64,
    /// Requests that it has been given and that have not come to the end of their response, tunnels
    /// included.
    pub in_flight: usize,
    /// Requests that found no server, no response or half of one, since the server entered the
    /// configuration.
    pub failures: u64,
}

/// Whether a server gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ServerState {
    /// It does.
    Up,
    /// Its requests failed: it gets none but for a probe now and then.
    Ejected,
    /// It fails its health checks, and gets none.
    Down,
}

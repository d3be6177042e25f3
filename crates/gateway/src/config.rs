//! The gateway's one file, parsed into a checked value or refused with the line and the reason.

mod bff;
mod check;
mod condition;
mod cors;
mod dpop;
mod duration;
mod error;
mod issuer;
mod operations;
mod rate_limit;
mod raw;
mod resource;
mod route;
mod rule;
mod stale;
mod tls;
mod token;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepass_net::Network;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use serde::Deserialize;

pub use self::duration::parse as parse_duration;
pub use self::error::{ConfigError, LoadError, nearest};
use crate::access_log::{AccessLogSettings, Target};
use crate::bff::BffSettings;
use crate::guards::IssuerSettings;
use crate::header::claim::Forward;
use crate::header::forwarded::ForwardedFields;
use crate::header::reserved::ReservedHeaders;
use crate::rate_limit::RateLimit;
use crate::resource::Resource;
use crate::route::Route;
use crate::route::router::Router;
use crate::stats::route::RouteLabel;
use crate::tls::{Tls, UpstreamTls};
use crate::trace::TracingSettings;

/// As many header fields as hyper reads without allocating for them.
pub(crate) const HYPER_HEADERS: usize = 100;

/// A configuration that has passed every check: routes without ambiguity, upstreams that exist, secrets
/// that could be read.
///
/// The shape of the file is shown in the [crate's documentation](crate#the-file).
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    pub(crate) ext_authz_listen: Option<SocketAddr>,
    /// Plain connections without it.
    pub(crate) tls: Option<Arc<Tls>>,
    /// The gateway as a whole comes first; none without `public_url`.
    pub(crate) resources: Vec<Resource>,
    /// Taken out when the gateway starts.
    pub(crate) bff: Option<BffSettings>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) forwarded: ForwardedFields,
    pub(crate) access_log: Option<AccessLogSettings>,
    pub(crate) tracing: Option<TracingSettings>,
    pub(crate) issuers: Vec<IssuerSettings>,
    pub(crate) upstreams: Vec<UpstreamSettings>,
    /// The shared ones, and those of single routes.
    pub(crate) rate_limits: Vec<RateLimit>,
    pub(crate) routes: Routes,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
}

impl Config {
    /// Reads a configuration. Secret files are looked up from the current folder.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong, with its line and, where one is known, what to
    /// write instead.
    ///
    /// # Examples
    /// ```
    /// use gatepass_gateway::Config;
    ///
    /// let error = Config::parse("listen = '127.0.0.1:8080'\n\n[[rout]]\npath = '/'").unwrap_err();
    /// assert_eq!(error.line(), Some(3));
    /// assert_eq!(error.suggestion(), Some("did you mean `route`?"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        check::check(text, Path::new(""))
    }

    /// Reads a configuration file. Secret files are looked up from the folder it is in.
    ///
    /// # Errors
    /// [`LoadError`], which names the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        check::check(&text, folder).map_err(|error| LoadError::Refused { path: path.to_owned(), error })
    }

    /// Where the gateway serves.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What clients begin the gateway's URL with: `https` with `[tls]`, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Where `/livez`, `/readyz`, `/stats`, `/upstreams` and `/metrics` are served, if anywhere.
    pub fn admin_listen(&self) -> Option<SocketAddr> {
        self.admin_listen
    }

    /// Where Envoy's `ext_authz` is answered over gRPC, if anywhere.
    pub fn ext_authz_listen(&self) -> Option<SocketAddr> {
        self.ext_authz_listen
    }

    /// Where spans are to be sent as OTLP over HTTP, if anywhere: see [`Gateway::export_spans`].
    ///
    /// [`Gateway::export_spans`]: crate::Gateway::export_spans
    pub fn tracing_endpoint(&self) -> Option<&str> {
        self.tracing.as_ref().map(|tracing| tracing.otlp.as_str())
    }

    /// Whether the access log goes to standard output, so that nothing else should.
    pub fn logs_to_stdout(&self) -> bool {
        self.access_log.as_ref().is_some_and(|log| log.target == Target::Stdout)
    }
}

/// Every `[[route]]`, compiled.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<Route>,
    /// What each of them is called in counts and logs.
    pub(crate) labels: Vec<RouteLabel>,
    /// From a request to the index of its route.
    pub(crate) router: Router<usize>,
    /// The names of every header field that some route sets.
    pub(crate) reserved: ReservedHeaders,
    pub(crate) forward_auth: ForwardAuth,
}

/// One `[[upstream]]`: a service and the servers that run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamSettings {
    pub(crate) name: String,
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) protocol: Protocol,
    pub(crate) timeouts: UpstreamTimeouts,
    /// For the servers that are reached over TLS.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
    /// Nobody asks the servers how they are without it.
    pub(crate) health: Option<HealthSettings>,
    pub(crate) eject: EjectSettings,
    /// As many requests as come, without them.
    pub(crate) limits: Option<UpstreamLimits>,
}

/// What a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Protocol {
    #[default]
    #[serde(rename = "http/1.1")]
    Http1,
    /// Without asking first where there is no TLS: RFC 9113 section 3.3.
    #[serde(rename = "h2")]
    Http2,
    /// What the server chooses in the TLS handshake.
    #[serde(rename = "auto")]
    Auto,
}

/// `http://host:port` or `https://host:port`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What its certificate has to name, if it is reached over TLS.
    pub(crate) name: Option<ServerName<'static>>,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How long the gateway waits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UpstreamTimeouts {
    /// For a connection, the TLS handshake included.
    pub(crate) connect: Duration,
    /// For the response's head, counted from the last of the request that could be sent.
    pub(crate) response: Duration,
}

/// How the servers of an upstream are asked how they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthSettings {
    pub(crate) path: PathAndQuery,
    pub(crate) every: Duration,
    /// From connecting to the head of the response.
    pub(crate) timeout: Duration,
    /// Good answers in a row after which a server that was down is up.
    pub(crate) healthy: u32,
    /// Failures in a row after which it is down.
    pub(crate) unhealthy: u32,
}

impl HealthSettings {
    /// With the defaults.
    pub(crate) fn at(path: PathAndQuery) -> Self {
        Self {
            path,
            every: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy: 2,
            unhealthy: 3,
        }
    }
}

/// When a server whose requests fail gets none for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EjectSettings {
    /// Failures in a row.
    pub(crate) failures: u32,
    /// What the while grows to.
    pub(crate) longest: Duration,
    /// Whether a status of 500 and above is a failure.
    pub(crate) server_errors: bool,
}

impl Default for EjectSettings {
    fn default() -> Self {
        Self { failures: 3, longest: Duration::from_secs(60), server_errors: false }
    }
}

/// How much the servers of an upstream are given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UpstreamLimits {
    /// Requests in flight at one server.
    pub(crate) requests: usize,
    /// Requests that wait for a server with room.
    pub(crate) waiting: usize,
    /// How long each of them may.
    pub(crate) wait: Duration,
}

/// The forward-auth endpoint.
#[derive(Debug)]
pub(crate) struct ForwardAuth {
    pub(crate) path: String,
    /// For a caller that names no request, so that no route says what to forward.
    pub(crate) forward: Vec<Forward>,
}

impl ForwardAuth {
    /// Where it is unless the file says otherwise.
    pub(crate) const DEFAULT_PATH: &str = "/auth/verify";

    /// What a path has below the endpoint's: nothing for the endpoint itself, else a path of its own. `None`
    /// for a path that is not the endpoint's to answer.
    pub(crate) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&*self.path).filter(|below| below.is_empty() || below.starts_with('/'))
    }
}

/// What one client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Open connections; more wait to be accepted.
    pub(crate) connections: usize,
    /// TLS handshakes at once; more wait, within `timeouts.handshake`.
    pub(crate) handshakes: usize,
    /// The whole head of a request.
    pub(crate) header_bytes: usize,
    /// Header fields of a request.
    pub(crate) headers: usize,
    /// Path and query.
    pub(crate) target_bytes: usize,
    /// A request's body; none by default, since bodies are streamed and cost nothing to keep.
    pub(crate) body_bytes: Option<u64>,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// From the connection's start to the end of the TLS handshake.
    pub(crate) handshake: Duration,
    /// From there to the end of its first request's head.
    pub(crate) header: Duration,
    /// From the end of a response to the end of the next request's head.
    pub(crate) idle: Duration,
    /// Without a byte of a body that is expected, or without taking a byte of what is sent.
    pub(crate) stall: Duration,
    /// Waiting for a body in all that comes without a token, and a second more for every thousand bytes of it.
    pub(crate) body: Duration,
    /// Of a tunnel, without a byte either way.
    pub(crate) tunnel: Duration,
    /// For requests in flight when the gateway stops.
    pub(crate) drain: Duration,
}

#[cfg(test)]
mod tests;

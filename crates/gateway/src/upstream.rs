//! The engine: from a request that is ready to go out to its response.
//!
//! This is the seam behind which other engines can come: the proxy hands over a request whose headers are
//! final and gets a response whose headers are untouched.
//!
//! Connections are kept in a pool of our own rather than in hyper-util's client, for three reasons. A
//! connection in use is driven by the task that uses it, so a request costs no hop between tasks (see
//! [`connection`]). A server that cannot be reached costs the request nothing, since connecting comes
//! before sending: the next server gets it. And the pool takes a connection back in the moment the response
//! has ended, without spawning a task to wait for that.

mod balance;
mod body;
mod breaker;
mod checks;
mod connection;
mod deadline;
mod exchange;
mod health;
mod multiplexed;
mod place;
mod queue;
mod server;
mod status;
mod stream;
pub(crate) mod tunnel;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::task::JoinSet;

use self::balance::{Balance, NoPlace};
pub(crate) use self::body::UpstreamBody;
use self::exchange::{Attempt, send_to};
pub(crate) use self::place::Place;
use self::queue::Queue;
use self::server::{Secured, Server, ServerSettings};
pub use self::status::{ServerState, ServerStatus, UpstreamStatus};
use crate::body::{RequestBody, UploadError};
use crate::config::{Protocol, UpstreamSettings};
use crate::tls::UpstreamTls;

/// How often idle connections to servers are looked at.
const IDLE_CHECK: Duration = Duration::from_secs(5);
/// When to come again if all servers are ejected: one that is well is found so by the next request.
const EJECTED: Duration = Duration::from_secs(1);

/// A service and the connections to its servers.
#[derive(Debug)]
pub(crate) struct Upstream {
    settings: UpstreamSettings,
    balance: Balance,
    /// What asks the servers how they are.
    checks: Mutex<JoinSet<()>>,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("no response in time")]
    ResponseTimeout,
    #[error("no valid response: {0}")]
    Response(hyper::Error),
    #[error("the server switched protocols without being asked to")]
    Switched,
    #[error("the service behind the gateway has more to do than it can")]
    Overloaded { retry_after: Duration },
    #[error("the service behind the gateway is not available")]
    Unavailable { retry_after: Duration },
    #[error(transparent)]
    Upload(UploadError),
}

impl UpstreamError {
    /// For those who waited for the same connection.
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::ConnectTimeout => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        }
    }
}

/// What a server answered.
pub(crate) enum Answer {
    Response(Response<UpstreamBody>),
    /// It switched to the protocol that the request asked for; the connection is the tunnel's now.
    Switched(Response<Incoming>, Place),
}

impl Upstream {
    /// Starts asking the servers how they are, where that is configured. With the upstream that went by this
    /// name until now, what has not changed goes on: the same servers with all that is known of them and
    /// their connections, or the upstream itself.
    pub(crate) fn start(mut settings: UpstreamSettings, old: Option<&Arc<Self>>) -> Arc<Self> {
        if let Some(old) = old {
            if old.settings == settings {
                return Arc::clone(old);
            }
            if old.settings.tls == settings.tls {
                settings.tls.clone_from(&old.settings.tls);
            }
        }
        let upstream = Arc::new(Self::following(settings, old.map(|old| &**old)));
        let weak = Arc::downgrade(&upstream);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(IDLE_CHECK);
            loop {
                ticks.tick().await;
                let Some(upstream) = weak.upgrade() else { return };
                upstream.balance.servers.iter().for_each(|server| server.close_idle());
            }
        });
        upstream
    }

    fn following(settings: UpstreamSettings, old: Option<&Self>) -> Self {
        let known = old.map(|old| old.balance.servers.as_slice()).unwrap_or_default();
        let servers: Vec<_> = settings
            .servers
            .iter()
            .map(|address| {
                let reached = ServerSettings {
                    address: address.clone(),
                    protocol: settings.protocol,
                    timeouts: settings.timeouts,
                    tls: settings
                        .tls
                        .as_ref()
                        .zip(address.name.as_ref())
                        .map(|(tls, name)| Secured { tls: Arc::clone(tls), name: name.clone() }),
                };
                let server = match known.iter().find(|server| server.settings == reached) {
                    Some(server) => Arc::clone(server),
                    None => Arc::new(Server::new(reached)),
                };
                server.adopt(settings.eject, settings.health.is_some());
                server
            })
            .collect();
        let mut checks = JoinSet::new();
        if let Some(health) = &settings.health {
            for server in &servers {
                checks.spawn(checks::follow(Arc::clone(server), health.clone()));
            }
        }
        let waiting = old.and_then(|old| old.balance.queue.as_ref());
        let queue = settings.limits.map(|limits| match waiting.filter(|queue| queue.limits == limits) {
            Some(queue) => Arc::clone(queue),
            None => Arc::new(Queue::new(limits)),
        });
        Self { settings, balance: Balance::new(servers, queue), checks: Mutex::new(checks) }
    }

    /// Makes way for the upstreams that are configured now. What this one has under way goes on; servers that
    /// none of them has get nothing more, and lose their idle connections.
    pub(crate) fn retire(self: &Arc<Self>, successors: &[Arc<Self>]) {
        if successors.iter().any(|successor| Arc::ptr_eq(successor, self)) {
            return;
        }
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        for server in &self.balance.servers {
            let mut kept = successors.iter().flat_map(|successor| &successor.balance.servers);
            if !kept.any(|kept| Arc::ptr_eq(kept, server)) {
                server.leave();
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn tls(&self) -> Option<&Arc<UpstreamTls>> {
        self.settings.tls.as_ref()
    }

    /// Whether a connection to its servers can switch to another protocol, as WebSocket asks for.
    pub(crate) fn can_switch(&self) -> bool {
        self.settings.protocol != Protocol::Http2
    }

    /// How it stands with its servers.
    pub(crate) fn status(&self) -> UpstreamStatus {
        UpstreamStatus {
            name: self.settings.name.clone(),
            waiting: self.balance.queue.as_ref().map_or(0, |queue| queue.waiting()),
            servers: self.balance.servers.iter().map(|server| server.status()).collect(),
        }
    }

    /// Sends a request to the server with the least to do, or to the next such if that one cannot be reached.
    ///
    /// A request of which anything was sent is not sent again, whatever its method: only the server knows how
    /// far it got. [`exchange`] has the one exception.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        switch: bool,
    ) -> Result<Answer, UpstreamError> {
        let turn = self.balance.turn();
        let mut request = request;
        let mut tried = Vec::new();
        let mut failure = None;
        loop {
            let mut place = match self.balance.place(turn, &tried).await {
                Ok(place) => place,
                Err(reason) => return Err(self.no_place(reason, failure)),
            };
            match send_to(place.server(), request, switch).await {
                Ok(exchange) => {
                    if self.settings.eject.server_errors && exchange.status().is_server_error() {
                        place.failed();
                    } else {
                        place.answered();
                    }
                    return Ok(exchange.into_answer(place));
                }
                Err(Attempt::Unreachable(unsent, error)) => {
                    self.warn("cannot reach a server", &place, &error);
                    place.failed();
                    tried.push(Arc::clone(place.server()));
                    (request, failure) = (*unsent, Some(error));
                }
                Err(Attempt::Failed(error)) => {
                    self.warn("no response from a server", &place, &error);
                    if !matches!(error, UpstreamError::Upload(_)) {
                        place.failed();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// What a client hears of it: of servers that were tried, how the last one failed.
    fn no_place(&self, reason: NoPlace, failure: Option<UpstreamError>) -> UpstreamError {
        let every = self.settings.health.as_ref().map_or(EJECTED, |health| health.every);
        match (reason, failure) {
            (NoPlace::Full, _) => UpstreamError::Overloaded {
                retry_after: self.settings.limits.map_or(EJECTED, |limits| limits.wait),
            },
            (_, Some(failure)) => failure,
            (NoPlace::Ejected, None) => UpstreamError::Unavailable { retry_after: EJECTED },
            (NoPlace::Down, None) => UpstreamError::Unavailable { retry_after: every },
        }
    }

    fn warn(&self, what: &str, place: &Place, error: &UpstreamError) {
        let server = &place.server().settings.address;
        tracing::warn!(upstream = self.settings.name, %server, %error, "{what}");
    }
}

//! One server of an upstream: how it is reached, the idle connections to it, and how it stands.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::UpstreamError;
use super::breaker::Admission;
use super::connection::Connection;
use super::health::{Health, Standing};
use super::multiplexed::{Multiplexed, Opened};
use super::status::{ServerState, ServerStatus};
use super::stream::ServerStream;
use crate::config::{EjectSettings, HealthSettings, Protocol, ServerAddress, UpstreamTimeouts};
use crate::tls::{Offer, UpstreamTls};

/// How long a connection may be idle. Servers close theirs after 60 s or more, as a rule, and some after 5
/// s: those are found closed.
const IDLE_LIMIT: Duration = Duration::from_secs(50);
/// How many idle connections are kept to one server: more than this many requests at once reconnect.
const IDLE_CONNECTIONS: usize = 1024;

pub(super) struct Server {
    pub(super) settings: ServerSettings,
    pool: Mutex<Pool>,
    /// Where the server speaks HTTP/2.
    pub(super) multiplexed: Multiplexed,
    /// Requests that it has been given and that have not come to their end.
    pub(super) load: AtomicUsize,
    record: Mutex<Record>,
    /// Whether there is anything in the record that a request has to know of or could change: the plain path
    /// asks no more than this.
    troubled: AtomicBool,
    failures: AtomicU64,
}

/// How one server is reached. While this is the same, it is the same server, through every reload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServerSettings {
    pub(super) address: ServerAddress,
    pub(super) protocol: Protocol,
    pub(super) timeouts: UpstreamTimeouts,
    /// For one that is reached over TLS.
    pub(super) tls: Option<Secured>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Secured {
    pub(super) tls: Arc<UpstreamTls>,
    /// What its certificate has to name.
    pub(super) name: ServerName<'static>,
}

#[derive(Default)]
struct Pool {
    /// The one used last is used next, so that the rest can grow old.
    idle: Vec<Idle>,
    /// The server has left the configuration: nothing is kept any more.
    closed: bool,
}

pub(super) struct Idle {
    pub(super) connection: Connection,
    pub(super) since: Instant,
}

/// How a server stands, and since when.
struct Record {
    health: Health,
    eject: EjectSettings,
    state: ServerState,
    since: Instant,
}

impl Server {
    pub(super) fn new(settings: ServerSettings) -> Self {
        let (health, eject) = (Health::default(), EjectSettings::default());
        let record = Record { health, eject, state: ServerState::Up, since: Instant::now() };
        Self {
            settings,
            pool: Mutex::default(),
            multiplexed: Multiplexed::default(),
            load: AtomicUsize::new(0),
            record: Mutex::new(record),
            troubled: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        }
    }

    /// An idle connection, which may have been closed by the server meanwhile.
    pub(super) fn checkout(&self) -> Option<Idle> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).idle.pop()
    }

    /// Keeps a connection for the next request.
    pub(super) fn checkin(&self, connection: Connection) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.idle.len() < IDLE_CONNECTIONS && !pool.closed {
            pool.idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// A new connection over HTTP/1.1.
    pub(super) async fn connect(&self) -> Result<Connection, UpstreamError> {
        match self.reach(Offer::Http1).await {
            Ok(stream) => Connection::new(stream).await,
            Err(error) => {
                // One that comes back may be another program.
                self.multiplexed.forget_refusal();
                Err(error)
            }
        }
    }

    /// Whether requests go on connections that they share, as far as can be told.
    pub(super) fn is_multiplexed(&self) -> bool {
        match self.settings.protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::Auto => !self.multiplexed.was_refused(),
        }
    }

    /// A place on a connection that other requests use too; or a connection over HTTP/1.1, if the server may
    /// choose and did.
    pub(super) async fn stream(&self) -> Result<Opened, UpstreamError> {
        if let Some(stream) = self.multiplexed.find() {
            return Ok(Opened::Stream(stream));
        }
        let offer = Offer::of(self.settings.protocol);
        self.multiplexed.open(self.reach(offer), offer).await
    }

    /// Connects, with the TLS handshake where there is one, all within `timeouts.connect`.
    pub(super) async fn reach(&self, offer: Offer) -> Result<ServerStream, UpstreamError> {
        match tokio::time::timeout(self.settings.timeouts.connect, self.dial(offer)).await {
            Err(_) => Err(UpstreamError::ConnectTimeout),
            Ok(stream) => stream.map_err(UpstreamError::Connect),
        }
    }

    async fn dial(&self, offer: Offer) -> io::Result<ServerStream> {
        let ServerAddress { host, port, .. } = &self.settings.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        let Some(Secured { tls, name }) = &self.settings.tls else { return Ok(ServerStream::Plain(stream)) };
        // Not inline: connections without TLS are not to be as large as those with.
        let handshake =
            Box::pin(TlsConnector::from(tls.with(|tls| tls.client(offer))).connect(name.clone(), stream));
        let stream = ServerStream::Tls(Box::new(handshake.await?));
        if offer == Offer::Http2 && !stream.has_agreed_on_http2() {
            return Err(io::Error::other("the server does not speak HTTP/2"));
        }
        Ok(stream)
    }

    /// Of the requests that it gets.
    pub(super) fn scheme(&self) -> Scheme {
        if self.settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    pub(super) fn close_idle(&self) {
        let Some(old) = Instant::now().checked_sub(IDLE_LIMIT) else { return };
        self.multiplexed.close_idle(old);
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.idle.retain_mut(|idle| idle.since > old && !idle.connection.has_ended());
    }

    /// The server has left the configuration: what it has goes on, and what it has not is not kept for it.
    pub(super) fn leave(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.closed = true;
        pool.idle.clear();
        drop(pool);
        self.multiplexed.let_go();
    }

    pub(super) fn status(&self) -> ServerStatus {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        ServerStatus {
            address: self.settings.address.to_string(),
            state: record.state,
            state_seconds: record.since.elapsed().as_secs(),
            in_flight: self.load.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Whether it is to get requests.
    pub(super) fn standing(&self) -> Standing {
        if !self.troubled.load(Ordering::Acquire) {
            return Standing::Good;
        }
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.health.standing(Instant::now())
    }

    /// Lets a request through, if it may be; `anyway` even before the server's time, for want of another.
    pub(super) fn admit(&self, anyway: bool) -> Option<Admission> {
        if !self.troubled.load(Ordering::Acquire) {
            return Some(Admission::Ordinary);
        }
        self.note(|Record { health, .. }, now| match (health.checks.is_down(), anyway) {
            (true, _) => None,
            (false, false) => health.breaker.admit(now),
            (false, true) => health.breaker.admit_anyway(now),
        })
    }

    /// A response has begun.
    pub(super) fn answered(&self, admission: Admission) {
        if self.troubled.load(Ordering::Acquire)
            && self.note(|record, now| record.health.breaker.answered(admission, now))
        {
            tracing::info!(server = %self.settings.address, "a server answers again");
        }
    }

    /// A response has come to its end.
    pub(super) fn completed(&self) {
        if self.troubled.load(Ordering::Acquire) {
            self.note(|record, _| record.health.breaker.completed());
        }
    }

    /// A request found no server, no response, or half of one.
    pub(super) fn failed(&self, admission: Admission) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let ejected =
            self.note(|Record { health, eject, .. }, now| health.breaker.failed(admission, now, eject));
        if let Some(out) = ejected {
            tracing::warn!(server = %self.settings.address, ?out, "a server is ejected");
        }
    }

    /// A probe has ended without telling anything.
    pub(super) fn abandoned(&self) {
        self.note(|record, _| record.health.breaker.abandoned());
    }

    /// Takes in what a check of its health said.
    pub(super) fn checked(&self, outcome: Result<(), String>, settings: &HealthSettings) {
        let changed = self.note(|record, _| record.health.checks.record(outcome.is_ok(), settings));
        match (changed, outcome) {
            (false, _) => {}
            (true, Ok(())) => {
                tracing::info!(server = %self.settings.address, "a server passes its checks again")
            }
            (true, Err(reason)) => {
                tracing::warn!(server = %self.settings.address, reason, "a server fails its checks");
            }
        }
    }

    /// Goes on under new terms: what was found by checks that are made no longer is forgotten.
    pub(super) fn adopt(&self, eject: EjectSettings, is_checked: bool) {
        self.note(|record, _| {
            record.eject = eject;
            if !is_checked {
                record.health.checks = Default::default();
            }
        });
    }

    fn note<R>(&self, change: impl FnOnce(&mut Record, Instant) -> R) -> R {
        let now = Instant::now();
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut record, now);
        self.troubled.store(!record.health.is_untroubled(), Ordering::Release);
        let state = if record.health.checks.is_down() {
            ServerState::Down
        } else if record.health.breaker.is_closed() {
            ServerState::Up
        } else {
            ServerState::Ejected
        };
        if state != record.state {
            (record.state, record.since) = (state, now);
        }
        outcome
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.settings.address)
    }
}

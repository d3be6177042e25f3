//! One server of an upstream, and the idle connections to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::UpstreamError;
use super::connection::Connection;
use super::multiplexed::{Multiplexed, Stream};
use crate::body::UploadProgress;
use crate::config::{ServerAddress, UpstreamTimeouts};

/// How long a connection may be idle. Servers close theirs after 60 s or more, as a rule, and some after 5
/// s: those are found closed.
const IDLE_LIMIT: Duration = Duration::from_secs(50);
/// How many idle connections are kept to one server: more than this many requests at once reconnect.
const IDLE_CONNECTIONS: usize = 1024;

pub(super) struct Server {
    pub(super) address: ServerAddress,
    pub(super) timeouts: UpstreamTimeouts,
    /// The one used last is used next, so that the rest can grow old.
    idle: Mutex<Vec<Idle>>,
    /// Where the server speaks HTTP/2.
    pub(super) multiplexed: Multiplexed,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Server {
    pub(super) fn new(address: ServerAddress, timeouts: UpstreamTimeouts) -> Self {
        Self { address, timeouts, idle: Mutex::new(Vec::new()), multiplexed: Multiplexed::default() }
    }

    /// An idle connection, which may have been closed by the server meanwhile.
    pub(super) fn checkout(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|idle| idle.connection)
    }

    pub(super) async fn connect(&self) -> Result<Connection, UpstreamError> {
        let stream = self.reach().await?;
        Connection::new(stream).await.map_err(|error| UpstreamError::Connect(io::Error::other(error)))
    }

    /// A place on a connection that other requests use too.
    pub(super) async fn stream(&self) -> Result<Stream, UpstreamError> {
        match self.multiplexed.find() {
            Some(stream) => Ok(stream),
            None => self.multiplexed.open(self.reach()).await,
        }
    }

    async fn reach(&self) -> Result<TcpStream, UpstreamError> {
        let connecting = TcpStream::connect((self.address.host.as_str(), self.address.port));
        let stream = match tokio::time::timeout(self.timeouts.connect, connecting).await {
            Err(_) => return Err(UpstreamError::ConnectTimeout),
            Ok(stream) => stream.map_err(UpstreamError::Connect)?,
        };
        stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
        Ok(stream)
    }

    pub(super) fn close_idle(&self) {
        let Some(old) = Instant::now().checked_sub(IDLE_LIMIT) else { return };
        self.multiplexed.close_idle(old);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|idle| idle.since > old && !idle.connection.has_ended());
    }

    fn checkin(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// A connection in use. Dropped before the exchange is over, it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    server: Arc<Server>,
    pub(super) connection: Connection,
    upload: Option<UploadProgress>,
}

impl Lease {
    pub(super) fn new(server: Arc<Server>, connection: Connection, upload: Option<UploadProgress>) -> Self {
        Self { server, connection, upload }
    }

    /// The response has ended: gives the connection back, unless the request's body is still going out on
    /// it.
    pub(super) fn end(self) {
        if self.upload.is_none_or(|upload| upload.is_over()) {
            self.server.checkin(self.connection);
        }
    }
}

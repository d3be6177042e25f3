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

mod body;
mod connection;
mod multiplexed;
mod server;
pub(crate) mod tunnel;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

pub(crate) use self::body::UpstreamBody;
use self::connection::{Connection, SendError};
use self::server::{Lease, Server};
use crate::body::{RequestBody, UploadError};
use crate::config::{Protocol, UpstreamSettings};

/// How many HTTP/2 connections to one server a request tries that turn out to be closed.
const ATTEMPTS: usize = 3;

/// A service and the connections to its servers.
#[derive(Debug)]
pub(crate) struct Upstream {
    settings: UpstreamSettings,
    servers: Vec<Arc<Server>>,
    turn: AtomicUsize,
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
    Switched(Response<Incoming>),
}

impl Upstream {
    pub(crate) fn new(settings: UpstreamSettings) -> Self {
        let servers = settings
            .servers
            .iter()
            .map(|address| Arc::new(Server::new(address.clone(), settings.timeouts)))
            .collect();
        Self { settings, servers, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Whether a connection to its servers can switch to another protocol, as WebSocket asks for.
    pub(crate) fn can_switch(&self) -> bool {
        self.settings.protocol == Protocol::Http1
    }

    /// Sends a request to the next server in turn, or to the one after it if that one cannot be reached.
    ///
    /// A request that was on its way is never sent again, whatever its method: only the server knows how
    /// far it got.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
        switch: bool,
    ) -> Result<Answer, UpstreamError> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            self.servers.iter().cycle().skip(first % self.servers.len().max(1)).take(self.servers.len());
        let mut failure = UpstreamError::Connect(io::ErrorKind::NotFound.into());
        let mut request = request;
        for server in in_turn {
            let sent = match self.settings.protocol {
                Protocol::Http1 => send_to(server, request, switch).await,
                Protocol::Http2 => send_on_stream(server, request).await,
            };
            match sent {
                Ok(answer) => return Ok(answer),
                Err(Attempt::Unreachable(unsent, error)) => {
                    self.warn("cannot reach a server", server, &error);
                    (request, failure) = (*unsent, error);
                }
                Err(Attempt::Failed(error)) => {
                    self.warn("no response from a server", server, &error);
                    return Err(error);
                }
            }
        }
        Err(failure)
    }

    fn warn(&self, what: &str, server: &Server, error: &UpstreamError) {
        tracing::warn!(upstream = self.settings.name, server = %server.address, %error, "{what}");
    }

    /// Closes connections that have been idle for too long, or that the server has closed.
    pub(crate) fn close_idle(&self) {
        for server in &self.servers {
            server.close_idle();
        }
    }
}

/// How sending to one server failed.
enum Attempt {
    /// Before anything was sent.
    Unreachable(Box<Request<RequestBody>>, UpstreamError),
    /// Some of it may have been seen.
    Failed(UpstreamError),
}

async fn send_to(
    server: &Arc<Server>,
    mut request: Request<RequestBody>,
    switch: bool,
) -> Result<Answer, Attempt> {
    // A pooled connection can turn out to be closed before anything was written on it: then the next one is
    // tried.
    while let Some(mut connection) = server.checkout() {
        if !connection.is_alive().await {
            continue;
        }
        match exchange(server, connection, request, switch).await {
            Err(SendError::NotSent(unsent, _)) => request = *unsent,
            Err(SendError::Failed(error)) => return Err(Attempt::Failed(error)),
            Ok(answer) => return Ok(answer),
        }
    }
    match server.connect().await {
        Err(error) => Err(Attempt::Unreachable(Box::new(request), error)),
        Ok(connection) => exchange(server, connection, request, switch).await.map_err(|error| match error {
            SendError::NotSent(unsent, error) => Attempt::Unreachable(unsent, error),
            SendError::Failed(error) => Attempt::Failed(error),
        }),
    }
}

async fn send_on_stream(server: &Arc<Server>, mut request: Request<RequestBody>) -> Result<Answer, Attempt> {
    multiplexed::address(&mut request);
    let upload = request.body().progress();
    let mut failure = UpstreamError::Connect(io::ErrorKind::ConnectionReset.into());
    // A connection can close between being found and being used.
    for _ in 0..ATTEMPTS {
        let mut stream = match server.stream().await {
            Ok(stream) => stream,
            Err(error) => return Err(Attempt::Unreachable(Box::new(request), error)),
        };
        match stream.send(request, upload.as_ref(), server.timeouts.response).await {
            Ok(response) => {
                let body = |incoming| UpstreamBody::multiplexed(incoming, stream);
                return Ok(Answer::Response(response.map(body)));
            }
            Err(SendError::NotSent(unsent, error)) => (request, failure) = (*unsent, error),
            Err(SendError::Failed(error)) => return Err(Attempt::Failed(error)),
        }
    }
    Err(Attempt::Unreachable(Box::new(request), failure))
}

async fn exchange(
    server: &Arc<Server>,
    mut connection: Connection,
    request: Request<RequestBody>,
    switch: bool,
) -> Result<Answer, SendError> {
    let upload = request.body().progress();
    if switch {
        connection.allow_switch();
    }
    let response = connection.send(request, upload.as_ref(), server.timeouts.response).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return if switch {
            Ok(Answer::Switched(response))
        } else {
            Err(SendError::Failed(UpstreamError::Switched))
        };
    }
    let lease = Lease::new(Arc::clone(server), connection, upload);
    Ok(Answer::Response(response.map(|incoming| UpstreamBody::new(incoming, lease))))
}

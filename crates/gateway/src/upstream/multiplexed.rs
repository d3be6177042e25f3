//! Connections to a server that speaks HTTP/2, each shared by many requests.
//!
//! Unlike those of HTTP/1.1, such a connection belongs to no one request, so it has a task of its own. A
//! request takes the connection with the fewest streams; where all are full, another one is opened.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::UpstreamError;
use super::connection::SendError;
use super::deadline::Deadline;
use super::stream::ServerStream;
use crate::body::{RequestBody, UploadProgress};
use crate::tls::Offer;

/// Streams on one connection before another is opened. No server should allow fewer (RFC 9113 section
/// 6.5.2); at one that does, a request waits for its stream.
const STREAMS: usize = 100;
/// How often a server is asked whether it is still there, and how long it has to say so.
const PING: Duration = Duration::from_secs(20);
/// The head of a response.
const HEADER_LIST: u32 = 64 * 1024;

/// The open connections to one server.
#[derive(Default)]
pub(super) struct Multiplexed {
    connections: Mutex<Vec<Shared>>,
    /// One connects at a time, and leaves behind how it failed to: those that waited share that, rather than
    /// each waiting for a failure of its own.
    connecting: tokio::sync::Mutex<Option<(Instant, io::ErrorKind)>>,
    /// The server had the choice, and chose HTTP/1.1.
    refused: AtomicBool,
}

struct Shared {
    requests: SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
    idle_since: Option<Instant>,
}

/// A place on a connection, until it is dropped.
pub(super) struct Stream {
    requests: SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
}

/// What comes of asking for a place.
pub(super) enum Opened {
    Stream(Stream),
    /// The server had the choice, and chose HTTP/1.1: the connection, if it is the one that found out.
    Http1(Option<ServerStream>),
}

impl Multiplexed {
    /// Whether the server had the choice, and chose HTTP/1.1.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The server is to choose again.
    pub(super) fn forget_refusal(&self) {
        self.refused.store(false, Ordering::Relaxed);
    }

    /// A place on an open connection, if one has any.
    pub(super) fn find(&self) -> Option<Stream> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| !connection.requests.is_closed());
        let with_room = connections.iter_mut().filter_map(|connection| {
            let streams = connection.streams.load(Ordering::Relaxed);
            (streams < STREAMS).then_some((streams, connection))
        });
        let (_, connection) = with_room.min_by_key(|(streams, _)| *streams)?;
        connection.idle_since = None;
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Some(Stream { requests: connection.requests.clone(), streams: Arc::clone(&connection.streams) })
    }

    /// A place on a connection that `connect` opens, or that somebody else has opened meanwhile.
    pub(super) async fn open(
        &self,
        connect: impl Future<Output = Result<ServerStream, UpstreamError>>,
        offer: Offer,
    ) -> Result<Opened, UpstreamError> {
        let began = Instant::now();
        let mut last_failure = self.connecting.lock().await;
        if let Some(stream) = self.find() {
            return Ok(Opened::Stream(stream));
        }
        if offer == Offer::Either && self.was_refused() {
            return Ok(Opened::Http1(None));
        }
        if let Some((at, kind)) = *last_failure
            && at >= began
        {
            return Err(UpstreamError::Connect(kind.into()));
        }
        let opened = match connect.await {
            Ok(stream) if offer == Offer::Either && !stream.has_agreed_on_http2() => {
                self.refused.store(true, Ordering::Relaxed);
                Ok(Opened::Http1(Some(stream)))
            }
            Ok(stream) => begin(stream).await.map(|requests| Opened::Stream(self.add(requests))),
            Err(error) => Err(error),
        };
        if let Err(error) = &opened {
            *last_failure = Some((Instant::now(), error.kind()));
        }
        opened
    }

    fn add(&self, requests: SendRequest<RequestBody>) -> Stream {
        let streams = Arc::new(AtomicUsize::new(1));
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push(Shared {
            requests: requests.clone(),
            streams: Arc::clone(&streams),
            idle_since: None,
        });
        Stream { requests, streams }
    }

    /// Lets go of all connections: each ends with its last stream.
    pub(super) fn let_go(&self) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets go of connections that have carried nothing since `old`, or a little longer.
    pub(super) fn close_idle(&self, old: Instant) {
        let now = Instant::now();
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain_mut(|connection| {
            if connection.streams.load(Ordering::Relaxed) > 0 {
                connection.idle_since = None;
                return !connection.requests.is_closed();
            }
            let since = *connection.idle_since.get_or_insert(now);
            since > old && !connection.requests.is_closed()
        });
    }
}

impl Stream {
    /// Sends a request and waits for the head of its response, with the limit of
    /// [`Connection::send`](super::connection::Connection::send).
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        upload: Option<&UploadProgress>,
        limit: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        let mut response = pin!(self.requests.try_send_request(request));
        let mut timer = pin!(tokio::time::sleep(limit));
        let mut deadline = Deadline::new(limit, upload);
        let outcome = poll_fn(|cx| match response.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            Poll::Pending => deadline.poll(timer.as_mut(), cx).map(Err),
        });
        outcome.await.map_err(SendError::Failed)?.map_err(|mut failure| {
            let unsent = failure.take_message();
            SendError::new(unsent, failure.into_error(), upload)
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins HTTP/2 on a connection, which lasts as long as what is returned.
pub(super) async fn begin(stream: ServerStream) -> Result<SendRequest<RequestBody>, UpstreamError> {
    let (requests, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true)
        .max_header_list_size(HEADER_LIST)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| UpstreamError::Connect(io::Error::other(error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a server ended");
        }
    });
    Ok(requests)
}

/// Puts where HTTP/2 wants it what HTTP/1.1 says in the request line and in `Host`. RFC 9113 section 8.3.1.
pub(super) fn address(request: &mut Request<RequestBody>, scheme: Scheme) {
    *request.version_mut() = Version::HTTP_2;
    let Some(host) = request.headers_mut().remove(header::HOST) else { return };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(scheme);
    // It has passed as a host and a port before.
    parts.authority = Authority::from_maybe_shared(host).ok();
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

impl fmt::Debug for Multiplexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Multiplexed")
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

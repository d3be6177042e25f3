//! The driver: connections come in, requests go to the router, and everything ends in order.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use gatepass_net::WatchedSocket;
use gatepass_tls::ServerTls;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::client_certificate::ShownInHandshake;

/// How many requests one HTTP/2 connection may have open.
const CONCURRENT_STREAMS: u32 = 200;
/// How often an HTTP/2 client is asked whether it is still there, and how long it has to answer.
const PING: Duration = Duration::from_secs(20);
/// Streams of one HTTP/2 connection that the client has reset before they were looked at. One that resets them faster than
/// they are read (CVE-2023-44487) loses its connection.
const PENDING_RESETS: usize = 20;
/// Streams of one HTTP/2 connection that had to be reset for the client's faults (CVE-2025-8671).
const ERROR_RESETS: usize = 256;
/// How long nothing is accepted after an accept failed, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What connections may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many may be open; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take for a TLS handshake.
    pub handshake_timeout: Duration,
    /// How many TLS handshakes may be computed at once; those of other clients wait, and their time runs.
    pub handshakes: usize,
    /// How long a client may take to send a request's headers. An idle HTTP/1.1 connection is closed
    /// after as long.
    pub header_timeout: Duration,
    /// The most that a request's headers may have, in bytes.
    pub header_bytes: usize,
    /// How long a client may take none of what is being sent to it.
    pub stall_timeout: Duration,
    /// How long requests may go on after the shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake_timeout: Duration::from_secs(10),
            handshakes: 1_000,
            header_timeout: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            stall_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener`, over HTTP/1.1 and HTTP/2 without TLS, until `shutdown` is ready.
///
/// Then it accepts nothing more, ends the revocation streams, lets open requests finish for as long as
/// [`Limits::drain`], and cuts what is left.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    accept_until(listener, None, router, limits, shutdown).await;
}

/// Serves `router` as [`serve`] does, over TLS 1.3 and 1.2. Where clients are asked for certificates, those that they show
/// are what [`ClientCertificates`](crate::ClientCertificates) goes by, and no header field of theirs is.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Arc<ServerTls>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.handshakes.clamp(1, Semaphore::MAX_PERMITS)));
    accept_until(listener, Some(Secure { tls, places }), router, limits, shutdown).await;
}

/// What handshakes are made with, and the places for them.
#[derive(Clone)]
struct Secure {
    tls: Arc<ServerTls>,
    places: Arc<Semaphore>,
}

async fn accept_until(
    listener: TcpListener,
    secure: Option<Secure>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let ending = Shutdown::default();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (stream, peer, place) = accept(&listener, &places) => {
                let connection = Connection { router: router.clone(), peer, limits, ending: ending.clone() };
                connections.spawn(connection.see_through(stream, secure.clone(), place));
            }
        }
    }
    drop(listener);
    ending.0.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections that did not end in time are cut");
    }
}

/// Whether the server is about to end, for answers that would go on forever.
#[derive(Clone, Default)]
pub(crate) struct Shutdown(CancellationToken);

impl Shutdown {
    /// Ready once the shutdown has begun.
    pub(crate) async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                // The client's fault or a want that passes: no reason to stop serving the others.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
    ending: Shutdown,
}

impl Connection {
    /// Serves the connection to its end; its place is given back then.
    async fn see_through(
        self,
        stream: TcpStream,
        secure: Option<Secure>,
        _place: Option<OwnedSemaphorePermit>,
    ) {
        if stream.set_nodelay(true).is_err() {
            return; // gone already
        }
        let stream = WatchedSocket::new(stream, self.limits.stall_timeout);
        let Some(Secure { tls, places }) = secure else {
            return self.converse(stream, None).await;
        };
        let handshake = gatepass_tls::accept(stream, &tls, &places);
        let secured = tokio::select! {
            biased;
            () = self.ending.begun() => return,
            secured = tokio::time::timeout(self.limits.handshake_timeout, handshake) => secured,
        };
        match secured.map_err(io::Error::from).flatten() {
            Err(error) => tracing::debug!(peer = %self.peer, %error, "no TLS handshake"),
            Ok(stream) => {
                let shown = tls.asks().then(|| ShownInHandshake::of(stream.get_ref().1));
                // Not inline: connections without TLS are not to be as large as those with.
                Box::pin(self.converse(stream, shown)).await;
            }
        }
    }

    /// Requests and answers, to the end.
    async fn converse<S>(self, stream: S, shown: Option<ShownInHandshake>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, peer, limits, ending } = self;
        let begun = AtomicBool::new(false);
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(ending.clone());
            if let Some(shown) = &shown {
                request.extensions_mut().insert(shown.clone());
            }
            router.clone().oneshot(request)
        });
        let builder = builder(&limits);
        let io = TokioIo::new(stream);
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut patience = pin!(tokio::time::sleep(limits.header_timeout));
        let mut waiting = true;
        let mut draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, error, "a connection ended");
                    }
                    return;
                }
                // hyper counts the time once it knows the protocol; until then, and that can be
                // forever, this does.
                () = patience.as_mut(), if waiting => {
                    if !begun.load(Ordering::Relaxed) {
                        return;
                    }
                    waiting = false;
                }
                () = ending.begun(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // hyper panics below its own least.
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

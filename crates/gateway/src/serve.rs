//! Accepting connections, and seeing each to its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gatepass_guard::ClientCertificate;
use gatepass_net::WatchedSocket;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::body::ResponseBody;
use crate::client::{ClientConnection, ClientStream, Security};
use crate::config::{Limits, Timeouts};
use crate::gateway::Shared;
use crate::stats::Present;
use crate::tls::Tls;

/// Requests that one HTTP/2 connection may have open.
pub(crate) const CONCURRENT_STREAMS: u32 = 200;
/// Streams of one HTTP/2 connection that the client has reset before they were looked at. One that resets
/// them faster than they are read (CVE-2023-44487) loses its connection.
const PENDING_RESETS: usize = 20;
/// Streams of one HTTP/2 connection that had to be reset for the client's faults (CVE-2025-8671).
const ERROR_RESETS: usize = 256;
/// How often an HTTP/2 client is asked whether it is still there, and how long it has to say so.
const PING: Duration = Duration::from_secs(20);
/// Between telling a silent client that the connection ends and ending it.
const GRACE: Duration = Duration::from_secs(1);
/// After an accept that failed for want of something, usually file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Over TLS where that is configured.
    Clients,
    /// From where nobody listens in.
    Operator,
}

/// Serves connections until `shutdown`, then lets them end.
pub(crate) async fn serve<S, F>(
    listener: TcpListener,
    shared: &Shared,
    door: Door,
    shutdown: impl Future<Output = ()>,
    service: S,
) -> io::Result<()>
where
    S: Fn(&Arc<ClientConnection>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(shared.state.load().config.limits.connections));
    let handshakes = Arc::new(Semaphore::new(shared.state.load().config.limits.handshakes));
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    let mut stops: HashMap<Id, oneshot::Sender<()>> = HashMap::new();
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next_with_id() => {
                stops.remove(&ended.map_or_else(|failure| failure.id(), |(id, ())| id));
                continue;
            }
            accepted = accept(&listener, &places) => accepted?,
        };
        let state = shared.state.load();
        let (stop, stopped) = oneshot::channel();
        let tls = state.config.tls.as_ref().filter(|_| door == Door::Clients);
        let arrival = Arrival {
            address: peer.ip(),
            place,
            present: (door == Door::Clients).then(|| Present::of(&shared.counters.connections)),
            tls: tls.map(|tls| (Arc::clone(tls), Arc::clone(&handshakes))),
            limits: state.config.limits,
            timeouts: state.config.timeouts,
        };
        let task = see_through(stream, arrival, stopped, service.clone());
        stops.insert(connections.spawn(task).id(), stop);
    }
    drop(listener);
    drop(stops);
    let drain = shared.state.load().config.timeouts.drain;
    let ended = tokio::time::timeout(drain, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(connections = connections.len(), "cut connections that did not end in time");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, place)),
            // The client's fault, or a want that passes: neither is a reason to stop serving the others.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that has been accepted, and the terms that it came on.
struct Arrival {
    address: IpAddr,
    place: OwnedSemaphorePermit,
    present: Option<Present>,
    /// With the places for handshakes.
    tls: Option<(Arc<Tls>, Arc<Semaphore>)>,
    limits: Limits,
    timeouts: Timeouts,
}

/// Serves one connection, and the tunnel that may follow.
async fn see_through<S, F>(
    stream: TcpStream,
    arrival: Arrival,
    mut stopped: oneshot::Receiver<()>,
    service: S,
) where
    S: Fn(&Arc<ClientConnection>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let Arrival { address, place, present, tls, limits, timeouts } = arrival;
    if stream.set_nodelay(true).is_err() {
        return; // it is gone already
    }
    let socket = WatchedSocket::new(stream, timeouts.stall);
    let Some((tls, handshakes)) = tls else {
        let connection = ClientConnection::new(address, Security::Plain, place, present);
        let stream = ClientStream::new(socket, connection.switched());
        return converse(stream, connection, limits, timeouts, stopped, service).await;
    };
    let secured = tokio::select! {
        biased;
        _ = &mut stopped => return,
        secured = tokio::time::timeout(timeouts.handshake, gatepass_tls::accept(socket, &tls, &handshakes)) => secured,
    };
    match secured.map_err(io::Error::from).flatten() {
        Err(error) => tracing::debug!(client = %address, %error, "no TLS handshake"),
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate =
                certificates.and_then(|chain| chain.first()).map(|shown| ClientCertificate::from_der(shown));
            let connection = ClientConnection::new(address, Security::Tls { certificate }, place, present);
            let stream = ClientStream::new(stream, connection.switched());
            // Not inline: connections without TLS are not to be as large as those with.
            Box::pin(converse(stream, connection, limits, timeouts, stopped, service)).await;
        }
    }
}

/// Requests and responses, until one of the two has had enough.
async fn converse<T, S, F>(
    stream: ClientStream<T>,
    connection: Arc<ClientConnection>,
    limits: Limits,
    timeouts: Timeouts,
    stopped: oneshot::Receiver<()>,
    service: S,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Fn(&Arc<ClientConnection>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    let io = TokioIo::new(stream);
    let builder = builder(&limits);
    let of_request = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let response = service(&of_request, request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut http = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut stopped = pin!(stopped);
    let mut ending = false;
    let mut patience = pin!(tokio::time::sleep(timeouts.header));
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(client = %connection.address, error, "connection ended");
                }
                return Poll::Ready(());
            }
            let mut end = !ending && stopped.as_mut().poll(cx).is_ready();
            if patience.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                match connection.patience(now, timeouts.header, timeouts.idle) {
                    Some(until) => patience.as_mut().reset(until),
                    None if ending => return Poll::Ready(()),
                    None => {
                        end = true;
                        patience.as_mut().reset(now + GRACE);
                    }
                }
            } else if !end {
                return Poll::Pending;
            }
            if end && !ending {
                ending = true;
                http.as_mut().graceful_shutdown();
            }
        }
    })
    .await;
    if let Some(tunnel) = connection.take_tunnel() {
        tunnel.await;
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(limits.header_bytes);
    if limits.headers != crate::config::HYPER_HEADERS {
        builder.http1().max_headers(limits.headers);
    }
    let list = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(list)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

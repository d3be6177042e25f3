//! One request to one server, and the head of its response.
//!
//! # What is sent twice
//!
//! A request that never left is given to the next connection or server, whatever it is. What has been sent is
//! not sent again, but for one case. Servers close connections that were idle for long, and one may do so in
//! the moment in which the next request is on its way: that request finds the connection closed, and the
//! server has not read it. If it is a GET, HEAD or OPTIONS without a body (idempotent, and safe besides: RFC
//! 9110 section 9.2), it is sent once more on a new connection. A connection that was in use just before is
//! not closed for idleness, so there the failure is one; this also spares the copy that sending twice needs
//! wherever there is much to do.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::body::UpstreamBody;
use super::connection::{self, Connection, SendError};
use super::multiplexed::{self, Opened, Stream};
use super::place::{Lease, Place};
use super::server::{Idle, Server};
use super::{Answer, UpstreamError};
use crate::body::{RequestBody, UploadProgress};

/// How many HTTP/2 connections to one server a request tries that turn out to be closed.
const ATTEMPTS: usize = 3;
/// A connection that has been idle for as long may be found closed by the request that it is used for.
const IDLE: Duration = Duration::from_millis(100);

/// How sending to one server failed.
pub(super) enum Attempt {
    /// Before anything was sent.
    Unreachable(Box<Request<RequestBody>>, UpstreamError),
    /// Some of it may have been seen.
    Failed(UpstreamError),
}

/// A response that has begun, and what it comes from.
pub(super) struct Exchange {
    response: Response<Incoming>,
    hold: Hold,
}

enum Hold {
    Connection(Connection, Option<UploadProgress>),
    Stream(Stream),
}

impl Exchange {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn into_answer(self, place: Place) -> Answer {
        let Self { response, hold } = self;
        // No other than one that was asked for has come this far.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Answer::Switched(response, place);
        }
        Answer::Response(match hold {
            Hold::Connection(connection, upload) => {
                let lease = Lease::new(place, connection, upload);
                response.map(|incoming| UpstreamBody::new(incoming, lease))
            }
            Hold::Stream(stream) => {
                response.map(|incoming| UpstreamBody::multiplexed(incoming, stream, place))
            }
        })
    }
}

/// Sends a request to a server over whatever it is spoken to in.
pub(super) async fn send_to(
    server: &Server,
    request: Request<RequestBody>,
    switch: bool,
) -> Result<Exchange, Attempt> {
    if switch || !server.is_multiplexed() {
        return send_on_connection(server, request, switch).await;
    }
    match send_on_stream(server, request).await? {
        Sent::Exchange(exchange) => Ok(exchange),
        Sent::Http1(request, None) => send_on_connection(server, *request, switch).await,
        Sent::Http1(request, Some(connection)) => send_on_new(server, connection, *request, switch).await,
    }
}

async fn send_on_connection(
    server: &Server,
    mut request: Request<RequestBody>,
    switch: bool,
) -> Result<Exchange, Attempt> {
    connection::address(&mut request);
    while let Some(Idle { mut connection, since }) = server.checkout() {
        if !connection.is_alive().await {
            continue;
        }
        let copy = if since.elapsed() < IDLE { None } else { copy_to_send_again(&request) };
        match exchange(server, connection, request, switch).await {
            Ok(exchange) => return Ok(exchange),
            Err(SendError::NotSent(unsent, _)) => request = *unsent,
            Err(SendError::Failed(error)) => match copy.filter(|_| is_end_of_connection(&error)) {
                None => return Err(Attempt::Failed(error)),
                Some(copy) => {
                    request = *copy;
                    break;
                }
            },
        }
    }
    match server.connect().await {
        Err(error) => Err(Attempt::Unreachable(Box::new(request), error)),
        Ok(connection) => send_on_new(server, connection, request, switch).await,
    }
}

async fn send_on_new(
    server: &Server,
    connection: Connection,
    request: Request<RequestBody>,
    switch: bool,
) -> Result<Exchange, Attempt> {
    exchange(server, connection, request, switch).await.map_err(|error| match error {
        SendError::NotSent(unsent, error) => Attempt::Unreachable(unsent, error),
        SendError::Failed(error) => Attempt::Failed(error),
    })
}

async fn exchange(
    server: &Server,
    mut connection: Connection,
    request: Request<RequestBody>,
    switch: bool,
) -> Result<Exchange, SendError> {
    let upload = request.body().progress();
    if switch {
        connection.allow_switch();
    }
    let response = connection.send(request, upload.as_ref(), server.settings.timeouts.response).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && !switch {
        return Err(SendError::Failed(UpstreamError::Switched));
    }
    Ok(Exchange { response, hold: Hold::Connection(connection, upload) })
}

/// What came of a request for a server that speaks HTTP/2, or may.
enum Sent {
    Exchange(Exchange),
    /// It had the choice and chose HTTP/1.1; the connection, if this request has opened one.
    Http1(Box<Request<RequestBody>>, Option<Connection>),
}

async fn send_on_stream(server: &Server, mut request: Request<RequestBody>) -> Result<Sent, Attempt> {
    let upload = request.body().progress();
    let mut failure = UpstreamError::Connect(io::ErrorKind::ConnectionReset.into());
    // A connection can close between being found and being used.
    for _ in 0..ATTEMPTS {
        let mut stream = match server.stream().await {
            Ok(Opened::Stream(stream)) => stream,
            Ok(Opened::Http1(stream)) => {
                connection::address(&mut request);
                return match stream.map(Connection::new) {
                    None => Ok(Sent::Http1(Box::new(request), None)),
                    Some(connecting) => match connecting.await {
                        Ok(connection) => Ok(Sent::Http1(Box::new(request), Some(connection))),
                        Err(error) => Err(Attempt::Unreachable(Box::new(request), error)),
                    },
                };
            }
            Err(error) => return Err(Attempt::Unreachable(Box::new(request), error)),
        };
        multiplexed::address(&mut request, server.scheme());
        match stream.send(request, upload.as_ref(), server.settings.timeouts.response).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(Attempt::Failed(UpstreamError::Switched));
            }
            Ok(response) => return Ok(Sent::Exchange(Exchange { response, hold: Hold::Stream(stream) })),
            Err(SendError::NotSent(unsent, error)) => (request, failure) = (*unsent, error),
            Err(SendError::Failed(error)) => return Err(Attempt::Failed(error)),
        }
    }
    Err(Attempt::Unreachable(Box::new(request), failure))
}

/// For a request that does the same twice as once.
fn copy_to_send_again(request: &Request<RequestBody>) -> Option<Box<Request<RequestBody>>> {
    let again = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && matches!(request.body(), RequestBody::Empty);
    again.then(|| {
        let mut copy = Request::new(RequestBody::Empty);
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        Box::new(copy)
    })
}

/// Whether the connection ended where a response should have begun.
fn is_end_of_connection(error: &UpstreamError) -> bool {
    let UpstreamError::Response(error) = error else { return false };
    let of_socket = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    error.is_incomplete_message()
        || error.is_closed()
        || of_socket.is_some_and(|error| {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        })
}

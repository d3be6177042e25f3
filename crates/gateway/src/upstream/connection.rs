//! One connection to a server.
//!
//! hyper splits a connection in two: a handle that takes requests, and a future that does the reading and
//! writing. Usually that future is spawned, and each request then costs two hops between tasks, often
//! between cores. Here it is polled by whoever waits for the response or for more of its body, which is the
//! task of the client's connection: a plain request is served start to end in one task.
//!
//! Two cases cannot be served so, and hand the future to a task of its own: a response that starts while
//! the request's body is still being sent (a client that reads nothing yet must not stop its own upload),
//! and a connection that may switch protocols.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

use super::UpstreamError;
use super::deadline::Deadline;
use super::stream::ServerStream;
use crate::body::{RequestBody, UploadProgress};

type Io = http1::Connection<TokioIo<ServerStream>, RequestBody>;

/// How long a connection's own task may take to say that it can do the next request. It usually has said
/// so; one that is stuck in the last request never will.
const READY_LIMIT: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Connection {
    requests: http1::SendRequest<RequestBody>,
    driver: Driver,
    /// Kept between requests: moving a timer on is much cheaper than making one.
    deadline: Pin<Box<Sleep>>,
}

/// Who polls the reading and writing.
#[derive(Debug)]
enum Driver {
    /// Whoever uses the connection.
    User(Pin<Box<Io>>),
    /// A task of its own.
    Task,
    /// Nobody: it has ended.
    Ended,
}

/// How sending a request failed.
pub(super) enum SendError {
    /// Nothing of it was written.
    NotSent(Box<Request<RequestBody>>, UpstreamError),
    Failed(UpstreamError),
}

impl SendError {
    pub(super) fn new(
        unsent: Option<Request<RequestBody>>,
        error: hyper::Error,
        upload: Option<&UploadProgress>,
    ) -> Self {
        if let Some(request) = unsent {
            return Self::NotSent(Box::new(request), UpstreamError::Response(error));
        }
        Self::Failed(match upload.and_then(UploadProgress::take_failure) {
            Some(failure) => UpstreamError::Upload(failure),
            None => UpstreamError::Response(error),
        })
    }
}

impl Connection {
    pub(super) async fn new(stream: ServerStream) -> Result<Self, UpstreamError> {
        let (requests, io) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| UpstreamError::Connect(io::Error::other(error)))?;
        let deadline = Box::pin(tokio::time::sleep(Duration::ZERO));
        Ok(Self { requests, driver: Driver::User(Box::pin(io)), deadline })
    }

    /// Whether a connection from the pool can take a request.
    pub(super) async fn is_alive(&mut self) -> bool {
        if matches!(self.driver, Driver::Task) {
            return matches!(tokio::time::timeout(READY_LIMIT, self.requests.ready()).await, Ok(Ok(())));
        }
        poll_fn(|cx| Poll::Ready(self.poll_drive(cx).is_pending() && self.requests.is_ready())).await
    }

    /// Whether the server has closed it, as far as can be seen without waiting.
    pub(super) fn has_ended(&mut self) -> bool {
        // Nobody waits for an idle connection, so nobody is to be woken by it.
        self.poll_drive(&mut Context::from_waker(Waker::noop())).is_ready() || self.requests.is_closed()
    }

    /// Prepares for a response that switches protocols.
    pub(super) fn allow_switch(&mut self) {
        self.hand_over(|io| {
            tokio::spawn(io.with_upgrades());
        });
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// `limit` counts from the last sign of life of the upload.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        upload: Option<&UploadProgress>,
        limit: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        self.deadline.as_mut().reset(Instant::now() + limit);
        let mut deadline = Deadline::new(limit, upload);
        // Without a budget: it is polled with a waker that wakes nobody (below), and running out of budget
        // would rely on it.
        let mut response = pin!(unconstrained(self.requests.try_send_request(request)));
        let outcome = poll_fn(|cx| {
            // What ends leaves an outcome behind, so that the next line finds one.
            let _ended = self.driver.poll(cx);
            match response.as_mut().poll(&mut self.driver.context_for_products(cx)) {
                Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
                Poll::Pending => deadline.poll(self.deadline.as_mut(), cx).map(Err),
            }
        })
        .await;
        match outcome {
            Err(error) => Err(SendError::Failed(error)),
            Ok(Ok(response)) => {
                if upload.is_some_and(|upload| !upload.is_over()) {
                    self.hand_over(|io| {
                        tokio::spawn(io);
                    });
                }
                Ok(response)
            }
            Ok(Err(mut failure)) => {
                let unsent = failure.take_message();
                Err(SendError::new(unsent, failure.into_error(), upload))
            }
        }
    }

    /// Reads and writes what can be read and written now; ready once the connection has ended.
    pub(super) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.poll(cx)
    }

    /// The context with which to poll what this connection produces.
    pub(super) fn context_for_products<'c>(&self, cx: &'c mut Context<'_>) -> Context<'c> {
        self.driver.context_for_products(cx)
    }

    fn hand_over(&mut self, spawn: impl FnOnce(Io)) {
        if let Driver::User(io) = std::mem::replace(&mut self.driver, Driver::Task) {
            spawn(*Pin::into_inner(io));
        }
    }
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::User(io) => {
                let Poll::Ready(ended) = io.as_mut().poll(cx) else { return Poll::Pending };
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection to a server ended");
                }
                // Dropping it tells whoever waits for a response or a body that none will come.
                *self = Self::Ended;
                Poll::Ready(())
            }
            Self::Task => Poll::Pending,
            Self::Ended => Poll::Ready(()),
        }
    }

    /// Responses and bodies come out of polling the connection itself. Where its user does that, they need
    /// wake nobody: the user looks for them after each poll, and being woken for them would only poll
    /// everything once more for nothing.
    fn context_for_products<'c>(&self, cx: &'c mut Context<'_>) -> Context<'c> {
        match self {
            Self::User(_) | Self::Ended => Context::from_waker(Waker::noop()),
            Self::Task => Context::from_waker(cx.waker()),
        }
    }
}

/// Puts where HTTP/1.1 wants it what HTTP/2 says in `:authority`, for a request that was to go there.
pub(super) fn address(request: &mut Request<RequestBody>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    *request.version_mut() = Version::HTTP_11;
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(Ok(host)) = authority {
        request.headers_mut().insert(header::HOST, host);
    }
    *request.uri_mut() = request.uri().path_and_query().cloned().map(Uri::from).unwrap_or_default();
}

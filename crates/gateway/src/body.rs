//! The bodies that pass through: streamed, never collected, never boxed.

mod response;
mod untaken;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gatepass_guard::Denied;
use gatepass_net::Stall;
use http::{HeaderName, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

pub(crate) use self::response::{Ending, ResponseBody, may_pause};
pub(crate) use self::untaken::Overseen;
use crate::gateway::State;
use crate::header::{forwarded, remove_fields};
use crate::watch::Watch;

/// A request's body on its way upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// The request has none: what most requests have, and nothing to keep for it.
    Empty,
    /// Not inline: the others are not to be as large.
    Streaming(Box<Upload>),
}

/// A body that the client is still sending.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: Incoming,
    /// How many bytes may still come, where there is a limit.
    left: Option<u64>,
    stall: Stall,
    watch: Option<Watch>,
    /// A body that is there at once is not watched.
    begun: bool,
    progress: UploadProgress,
    /// For what a client may not send, as trailers no more than as headers.
    state: Arc<State>,
}

/// Tells whether an upload is over, and how it failed, from outside.
#[derive(Debug, Clone)]
pub(crate) struct UploadProgress(Arc<Progress>);

#[derive(Debug)]
struct Progress {
    /// What ends the upload, for whoever waits while the server takes nothing of it.
    watch: Mutex<Option<Watch>>,
    over: AtomicBool,
    received: AtomicU64,
    /// The last that was asked for has not come yet: it is not the server that holds it up.
    awaits_client: AtomicBool,
    failure: Mutex<Option<UploadError>>,
}

impl UploadProgress {
    fn new(watch: Option<&Watch>) -> Self {
        Self(Arc::new(Progress {
            watch: Mutex::new(watch.cloned()),
            over: AtomicBool::new(false),
            received: AtomicU64::new(0),
            awaits_client: AtomicBool::new(false),
            failure: Mutex::new(None),
        }))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Acquire)
    }

    /// Another watch on the token that ends it.
    pub(crate) fn watch(&self) -> Option<Watch> {
        self.0.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes have come.
    pub(crate) fn received(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Whether the client is being waited for, which has a limit of its own.
    pub(crate) fn awaits_client(&self) -> bool {
        self.0.awaits_client.load(Ordering::Relaxed)
    }

    /// Why the exchange failed, if it did for the upload's sake.
    pub(crate) fn take_failure(&self) -> Option<UploadError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: UploadError) -> UploadFailed {
        *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        UploadFailed
    }
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the request's body is larger than `limits.body_bytes`")]
    TooLarge,
    #[error("the client stopped sending the request's body, or sent it too slowly")]
    Stalled,
    #[error("the request's body cannot be read: {0}")]
    Client(#[from] hyper::Error),
    #[error("the token is good no longer: {0}")]
    Ended(Box<Denied>),
}

/// All that an engine is told of an [`UploadError`]: each would tell it on in another way.
#[derive(Debug, thiserror::Error)]
#[error("the request's body ended early")]
pub(crate) struct UploadFailed;

impl RequestBody {
    /// Without a token nothing else ends it: where `may_last` does not hold, it has to come at some rate.
    pub(crate) fn new(incoming: Incoming, state: &Arc<State>, watch: Option<&Watch>, may_last: bool) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let stall = Stall::new(state.config.timeouts.stall);
        Self::Streaming(Box::new(Upload {
            incoming,
            left: state.config.limits.body_bytes,
            stall: if may_last { stall } else { stall.with_patience(state.config.timeouts.body) },
            watch: watch.cloned(),
            begun: false,
            progress: UploadProgress::new(watch),
            state: Arc::clone(state),
        }))
    }

    /// `None` for a request without a body.
    pub(crate) fn progress(&self) -> Option<UploadProgress> {
        match self {
            Self::Empty => None,
            Self::Streaming(upload) => Some(upload.progress.clone()),
        }
    }
}

impl Upload {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        let frame = self.poll_incoming(cx).map_err(|error| self.progress.fail(error));
        self.progress.0.awaits_client.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(watch) = &mut self.watch
            && (std::mem::replace(&mut self.begun, true) || frame.is_pending())
            && let Poll::Ready(denied) = watch.poll_ended(cx)
        {
            return Poll::Ready(Some(Err(UploadError::Ended(Box::new(denied)))));
        }
        let Poll::Ready(frame) = frame else {
            ready!(self.stall.poll_stalled(cx));
            return Poll::Ready(Some(Err(UploadError::Stalled)));
        };
        self.stall.moved();
        let Some(frame) = frame else { return Poll::Ready(None) };
        let mut frame = frame?;
        if let Some(data) = frame.data_ref() {
            self.progress.0.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            self.stall.received(data.len());
        }
        if let (Some(data), Some(left)) = (frame.data_ref(), &mut self.left) {
            *left = left.checked_sub(data.len() as u64).ok_or(UploadError::TooLarge)?;
        }
        if let Some(trailers) = frame.trailers_mut() {
            let reserved = &self.state.config.routes.reserved;
            remove_fields(trailers, |name| {
                reserved.contains(name) || forwarded::is_hearsay(name, false) || is_credential(name)
            });
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// What is looked at, taken out or replaced in a head alone. RFC 9110 section 6.5.1: no trailer may hold it.
fn is_credential(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name)
}

impl Drop for Upload {
    /// The engine drops a body as soon as it has sent the last of it.
    fn drop(&mut self) {
        self.progress.0.over.store(true, Ordering::Release);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadFailed;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailed>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streaming(upload) => upload.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(upload) => upload.incoming.size_hint(),
        }
    }
}

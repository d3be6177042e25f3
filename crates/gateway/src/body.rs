//! The bodies that pass through: streamed, never collected, never boxed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::InFlight;
use crate::gateway::State;
use crate::header::{forwarded, remove_fields};
use crate::stall::Stall;
use crate::upstream::UpstreamBody;

/// A request's body on its way upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// The request has none: what most requests have, and nothing to keep for it.
    Empty,
    Streaming(Upload),
}

/// A body that the client is still sending.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: Incoming,
    /// How many bytes may still come, where there is a limit.
    left: Option<u64>,
    stall: Stall,
    progress: UploadProgress,
    /// For what a client may not send, as trailers no more than as headers.
    state: Arc<State>,
}

/// Tells whether an upload is over, from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct UploadProgress(Arc<AtomicBool>);

impl UploadProgress {
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the request's body is larger than `limits.body_bytes`")]
    TooLarge,
    #[error("the client stopped sending the request's body")]
    Stalled,
    #[error("the request's body cannot be read: {0}")]
    Client(#[from] hyper::Error),
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, state: &Arc<State>) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Streaming(Upload {
            incoming,
            left: state.config.limits.body_bytes,
            stall: Stall::new(state.config.timeouts.stall),
            progress: UploadProgress::default(),
            state: Arc::clone(state),
        })
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
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.stall.poll_stalled(cx));
            return Poll::Ready(Some(Err(UploadError::Stalled)));
        };
        self.stall.moved();
        let Some(frame) = frame else { return Poll::Ready(None) };
        let mut frame = frame?;
        if let (Some(data), Some(left)) = (frame.data_ref(), &mut self.left) {
            *left = left.checked_sub(data.len() as u64).ok_or(UploadError::TooLarge)?;
        }
        if let Some(trailers) = frame.trailers_mut() {
            let reserved = &self.state.config.routes.reserved;
            remove_fields(trailers, |name| reserved.contains(name) || forwarded::is_hearsay(name, false));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Drop for Upload {
    /// The engine drops a body as soon as it has sent the last of it.
    fn drop(&mut self) {
        self.progress.0.store(true, Ordering::Release);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
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

/// A response's body on its way to the client. The request counts as in flight until it is gone.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    _in_flight: InFlight,
}

#[derive(Debug)]
enum Source {
    /// What the gateway says itself.
    Own(Bytes),
    Upstream(UpstreamBody),
}

impl ResponseBody {
    pub(crate) fn own(text: impl Into<Bytes>, in_flight: InFlight) -> Self {
        Self { source: Source::Own(text.into()), _in_flight: in_flight }
    }

    pub(crate) fn upstream(body: UpstreamBody, in_flight: InFlight) -> Self {
        Self { source: Source::Upstream(body), _in_flight: in_flight }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().source {
            Source::Own(text) if text.is_empty() => Poll::Ready(None),
            Source::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Source::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_empty(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}

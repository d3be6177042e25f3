//! A response's body, and how it ends before its time.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gatepass_guard::Denied;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use crate::client::InFlight;
use crate::record::Recording;
use crate::upstream::UpstreamBody;
use crate::watch::Watch;

/// A response's body on its way to the client. The request counts as in flight until it is gone.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    _in_flight: InFlight,
    recording: Option<Recording>,
}

/// Why a response breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    /// The token that opened it is good no longer.
    #[error("ended: {0}")]
    Ended(&'static str),
}

#[derive(Debug)]
enum Source {
    /// What the gateway says itself.
    Own(Bytes),
    /// The same, and after it trailers.
    Complete(Bytes, Box<HeaderMap>),
    /// The same, after everything else.
    Trailers(Box<HeaderMap>),
    Upstream(UpstreamBody),
    /// For no longer than its token is good.
    Watched(UpstreamBody, Ending),
}

/// How a response is to end when its token does.
#[derive(Debug)]
pub(crate) struct Ending {
    watch: Watch,
    /// A response that is there at once is not watched.
    begun: bool,
    form: Form,
}

/// What a client of this kind of response understands.
#[derive(Debug)]
enum Form {
    /// <https://grpc.io>: the status comes in trailers.
    Grpc,
    /// Server-sent events, with the end of what was sent.
    Events([u8; 4]),
    /// Anything else can only be broken off.
    Other,
}

type FrameResult = Result<Frame<Bytes>, ResponseError>;

impl ResponseBody {
    pub(crate) fn own(text: impl Into<Bytes>, in_flight: InFlight) -> Self {
        Self { source: Source::Own(text.into()), _in_flight: in_flight, recording: None }
    }

    /// What the gateway says itself, with what comes after it.
    pub(crate) fn with_trailers(text: impl Into<Bytes>, trailers: HeaderMap, in_flight: InFlight) -> Self {
        Self {
            source: Source::Complete(text.into(), Box::new(trailers)),
            _in_flight: in_flight,
            recording: None,
        }
    }

    pub(crate) fn upstream(body: UpstreamBody, ending: Option<Ending>, in_flight: InFlight) -> Self {
        let source = match ending {
            Some(ending) if !body.is_end_stream() => Source::Watched(body, ending),
            _ => Source::Upstream(body),
        };
        Self { source, _in_flight: in_flight, recording: None }
    }

    /// Has the request's story told when this has been sent, or is dropped before.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let source = &mut self.source;
        if let Source::Watched(body, ending) = source {
            let denied = match ending.poll_frame(body, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(frame)) => return Poll::Ready(frame),
                Poll::Ready(Err(denied)) => denied,
            };
            if let Some(recording) = &mut self.recording {
                recording.ended(denied.code());
            }
            // The server sees its end of the stream closed with this.
            match ending.form.end(&denied) {
                Ok(last) => *source = last,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        match source {
            Source::Own(text) if text.is_empty() => Poll::Ready(None),
            Source::Own(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Source::Complete(text, trailers) => {
                let text = std::mem::take(text);
                *source = Source::Trailers(std::mem::take(trailers));
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Source::Trailers(trailers) => {
                let last = Frame::trailers(std::mem::take(&mut **trailers));
                *source = Source::Own(Bytes::new());
                Poll::Ready(Some(Ok(last)))
            }
            Source::Upstream(body) | Source::Watched(body, _) => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(ResponseError::from)))
            }
        }
    }
}

impl Drop for ResponseBody {
    /// The engine drops a body as soon as it has taken the last of it.
    fn drop(&mut self) {
        if let Some(recording) = &mut self.recording
            && self.source.is_end()
        {
            recording.complete();
        }
    }
}

impl Source {
    fn is_end(&self) -> bool {
        match self {
            Self::Own(text) => text.is_empty(),
            Self::Complete(..) | Self::Trailers(_) => false,
            Self::Upstream(body) | Self::Watched(body, _) => body.is_end_stream(),
        }
    }
}

impl Ending {
    /// For a response with these fields.
    pub(crate) fn new(watch: Watch, headers: &HeaderMap) -> Self {
        Self { watch, begun: false, form: Form::of(headers) }
    }

    fn poll_frame(
        &mut self,
        body: &mut UpstreamBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<FrameResult>, Denied>> {
        let frame = body.poll_frame(cx);
        let broken_off = matches!(frame, Poll::Ready(Some(Err(_))));
        if (std::mem::replace(&mut self.begun, true) || frame.is_pending() || broken_off)
            && let Poll::Ready(denied) = self.watch.poll_ended(cx)
        {
            return Poll::Ready(Err(denied));
        }
        if let (Poll::Ready(Some(Ok(frame))), Form::Events(end)) = (&frame, &mut self.form)
            && let Some(data) = frame.data_ref()
        {
            for byte in data.iter().skip(data.len().saturating_sub(end.len())) {
                *end = [end[1], end[2], end[3], *byte];
            }
        }
        frame.map(|frame| Ok(frame.map(|frame| frame.map_err(ResponseError::from))))
    }
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let media_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let media_type = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let fixed = [header::CONTENT_LENGTH, header::CONTENT_ENCODING];
        if media_type.eq_ignore_ascii_case(b"application/grpc")
            || media_type.starts_with(b"application/grpc+")
        {
            Self::Grpc
        } else if media_type.eq_ignore_ascii_case(b"text/event-stream")
            && !fixed.iter().any(|name| headers.contains_key(name))
        {
            // Before the first event is as good as between two.
            Self::Events(*b"\n\n\n\n")
        } else {
            Self::Other
        }
    }

    /// The last that the client gets.
    fn end(&self, denied: &Denied) -> Result<Source, ResponseError> {
        let code = denied.code();
        match self {
            Self::Grpc => {
                // UNAUTHENTICATED, or UNAVAILABLE.
                let status = if denied.status() == StatusCode::UNAUTHORIZED { "16" } else { "14" };
                let mut trailers = HeaderMap::new();
                let (name, message) = ("grpc-status", "grpc-message");
                trailers.insert(HeaderName::from_static(name), HeaderValue::from_static(status));
                trailers.insert(HeaderName::from_static(message), HeaderValue::from_static(code));
                Ok(Source::Trailers(Box::new(trailers)))
            }
            Self::Events(end) if is_between_events(end) => {
                Ok(Source::Own(format!("event: gatepass.end\ndata: {code}\n\n").into()))
            }
            // What has come of an event is not one: clients drop it.
            Self::Events(_) => Ok(Source::Own(Bytes::new())),
            Self::Other => Err(ResponseError::Ended(code)),
        }
    }
}

/// An empty line ends an event, and a line ends in three ways.
fn is_between_events(end: &[u8; 4]) -> bool {
    end.ends_with(b"\n\n") || end.ends_with(b"\r\r") || end == b"\r\n\r\n"
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let this = self.get_mut();
        let frame = this.poll_source(cx);
        if let (Poll::Ready(frame), Some(recording)) = (&frame, &mut this.recording) {
            match frame {
                None => recording.complete(),
                Some(Ok(frame)) if frame.is_trailers() => recording.complete(),
                Some(Ok(frame)) => recording.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => {}
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) | Source::Complete(text, _) => SizeHint::with_exact(text.len() as u64),
            Source::Trailers(_) => SizeHint::with_exact(0),
            Source::Upstream(body) | Source::Watched(body, _) => body.size_hint(),
        }
    }
}

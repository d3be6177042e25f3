//! A response's body, and how it ends before its time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use gatepass_guard::Denied;
use gatepass_net::Stall;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::untaken::{self, Untaken};
use crate::client::{ClientConnection, InFlight};
use crate::record::Recording;
use crate::upstream::UpstreamBody;
use crate::watch::Watch;

/// A response's body on its way to the client.
#[derive(Debug)]
pub(crate) struct ResponseBody(Kept);

/// Who else can reach a body.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost every response of HTTP/1.1 an allocation")]
enum Kept {
    Alone(Sending),
    /// Whoever looks after the bodies that a connection's client does not take.
    Shared(Arc<Mutex<Sending>>),
}

/// What there is to send. The request counts as in flight until it is gone.
#[derive(Debug)]
pub(super) struct Sending {
    source: Source,
    in_flight: Option<InFlight>,
    recording: Option<Recording>,
    untaken: Untaken,
}

/// Why a response breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResponseError {
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    /// The token that opened it is good no longer.
    #[error("ended: {0}")]
    Ended(&'static str),
    #[error("the server stopped sending the response's body")]
    Stalled,
    #[error("the client took nothing of the response")]
    Untaken,
}

#[derive(Debug)]
enum Source {
    /// What the gateway says itself.
    Own(Bytes),
    /// The same, and after it trailers.
    Complete(Bytes, Box<HeaderMap>),
    /// The same, after everything else.
    Trailers(Box<HeaderMap>),
    /// With a limit on how long the server may be silent, where there is one.
    Upstream(UpstreamBody, Option<Stall>),
    /// For no longer than its token is good.
    Watched(UpstreamBody, Ending),
    /// What broke off while nobody took it.
    Broken(Option<ResponseError>),
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
        Self::of(Source::Own(text.into()), in_flight)
    }

    /// What the gateway says itself, with what comes after it.
    pub(crate) fn with_trailers(text: impl Into<Bytes>, trailers: HeaderMap, in_flight: InFlight) -> Self {
        Self::of(Source::Complete(text.into(), Box::new(trailers)), in_flight)
    }

    /// What the server sends. Where no token ends it, it may not pause for longer than `pause`, if that is given.
    pub(crate) fn upstream(
        body: UpstreamBody,
        ending: Option<Ending>,
        pause: Option<Duration>,
        in_flight: InFlight,
    ) -> Self {
        let source = match ending {
            Some(ending) if !body.is_end_stream() => Source::Watched(body, ending),
            _ => Source::Upstream(body, pause.map(Stall::new)),
        };
        Self::of(source, in_flight)
    }

    fn of(source: Source, in_flight: InFlight) -> Self {
        let untaken = Untaken::default();
        Self(Kept::Alone(Sending { source, in_flight: Some(in_flight), recording: None, untaken }))
    }

    /// Has the request's story told when this has been sent, or is dropped before.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.with(|sending| sending.recording = Some(recording));
    }

    /// Ends it even while nobody takes anything of it: after `limit`, or with its token. For HTTP/2, where the
    /// connection goes on for the other streams.
    pub(crate) fn overseen(self, connection: &Arc<ClientConnection>, limit: Duration) -> Self {
        match self.0 {
            Kept::Alone(mut sending) if !sending.source.is_end() => {
                sending.untaken.begin();
                let sending = Arc::new(Mutex::new(sending));
                untaken::oversee(connection, &sending, limit);
                Self(Kept::Shared(sending))
            }
            kept => Self(kept),
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Sending) -> T) -> T {
        match &mut self.0 {
            Kept::Alone(sending) => act(sending),
            Kept::Shared(sending) => act(&mut sending.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn look<T>(&self, act: impl FnOnce(&Sending) -> T) -> T {
        match &self.0 {
            Kept::Alone(sending) => act(sending),
            Kept::Shared(sending) => act(&sending.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Sending {
    /// Lets go of everything if the client has taken nothing for so long that it is over, or its token is.
    pub(super) fn end_untaken(&mut self, limit: Duration, cx: &mut Context<'_>) {
        let Some(untaken_for) = self.untaken.so_long() else { return };
        if let Source::Watched(_, ending) = &mut self.source
            && let Poll::Ready(denied) = ending.watch.poll_ended(cx)
        {
            self.end(&denied);
        }
        if untaken_for >= limit {
            self.source = Source::Broken(Some(ResponseError::Untaken));
            self.in_flight = None;
            self.recording = None;
        }
    }

    /// The server sees its end of the stream closed with this.
    fn end(&mut self, denied: &Denied) {
        if let Some(recording) = &mut self.recording {
            recording.ended(denied);
        }
        if let Source::Watched(_, ending) = &self.source {
            self.source = ending.form.end(denied).unwrap_or_else(|error| Source::Broken(Some(error)));
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let frame = self.poll_source(cx);
        if let (Poll::Ready(frame), Some(recording)) = (&frame, &mut self.recording) {
            match frame {
                None => recording.complete(),
                Some(Ok(frame)) if frame.is_trailers() => recording.complete(),
                Some(Ok(frame)) => recording.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(_)) => {}
            }
        }
        frame
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        if let Source::Watched(body, ending) = &mut self.source {
            match ending.poll_frame(body, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(frame)) => return Poll::Ready(frame),
                Poll::Ready(Err(denied)) => self.end(&denied),
            }
        }
        let source = &mut self.source;
        match source {
            Source::Broken(error) => Poll::Ready(error.take().map(Err)),
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
            Source::Upstream(body, stall) => {
                let frame = body.poll_frame(cx);
                match stall {
                    Some(stall) if frame.is_pending() => {
                        ready!(stall.poll_stalled(cx));
                        body.break_off();
                        *source = Source::Broken(None);
                        return Poll::Ready(Some(Err(ResponseError::Stalled)));
                    }
                    Some(stall) => stall.moved(),
                    None => {}
                }
                frame.map(|frame| frame.map(|frame| frame.map_err(ResponseError::from)))
            }
            Source::Watched(body, _) => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(ResponseError::from)))
            }
        }
    }
}

impl Drop for Sending {
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
            Self::Complete(..) | Self::Trailers(_) | Self::Broken(_) => false,
            Self::Upstream(body, _) | Self::Watched(body, _) => body.is_end_stream(),
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

/// Whether a response with these fields is of a kind that says nothing for a long time: server-sent events, and gRPC.
pub(crate) fn may_pause(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    media_type.eq_ignore_ascii_case(EVENTS) || media_type.starts_with(GRPC)
}

const EVENTS: &[u8] = b"text/event-stream";
const GRPC: &[u8] = b"application/grpc";

fn media_type(headers: &HeaderMap) -> &[u8] {
    let media_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let media_type = media_type(headers);
        let fixed = [header::CONTENT_LENGTH, header::CONTENT_ENCODING];
        if media_type.eq_ignore_ascii_case(GRPC) || media_type.starts_with(b"application/grpc+") {
            Self::Grpc
        } else if media_type.eq_ignore_ascii_case(EVENTS)
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
        match &mut self.get_mut().0 {
            Kept::Alone(sending) => sending.poll_frame(cx),
            Kept::Shared(sending) => {
                let mut sending = sending.lock().unwrap_or_else(PoisonError::into_inner);
                let frame = sending.poll_frame(cx);
                sending.untaken.polled(&frame);
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.look(|sending| sending.source.is_end())
    }

    fn size_hint(&self) -> SizeHint {
        self.look(|sending| match &sending.source {
            Source::Own(text) | Source::Complete(text, _) => SizeHint::with_exact(text.len() as u64),
            Source::Trailers(_) => SizeHint::with_exact(0),
            Source::Upstream(body, _) | Source::Watched(body, _) => body.size_hint(),
            Source::Broken(_) => SizeHint::default(),
        })
    }
}

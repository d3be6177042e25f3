//! A response's body, and the connection it comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::multiplexed::Stream;
use super::place::{Lease, Place};

/// Gives the connection back to the pool in the moment the body has ended.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// Until the body has ended.
    hold: Hold,
}

/// What a body keeps from other requests.
#[derive(Debug)]
enum Hold {
    /// A whole connection.
    Connection(Lease),
    /// A place on one.
    Stream(#[expect(dead_code, reason = "held until it is dropped")] Stream, Place),
    Nothing,
}

type FrameResult = Result<Frame<Bytes>, hyper::Error>;

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        Self::holding(incoming, Hold::Connection(lease))
    }

    pub(super) fn multiplexed(incoming: Incoming, stream: Stream, place: Place) -> Self {
        Self::holding(incoming, Hold::Stream(stream, place))
    }

    fn holding(incoming: Incoming, hold: Hold) -> Self {
        let mut body = Self { incoming, hold };
        body.let_go_after(None);
        body
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let Poll::Ready(frame) = self.poll_incoming(cx) else { return Poll::Pending };
        match &frame {
            None => self.let_go(),
            Some(Ok(frame)) => self.let_go_after(Some(frame)),
            Some(Err(_)) => self.break_off(),
        }
        Poll::Ready(frame)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let incoming = &mut self.incoming;
        let Hold::Connection(lease) = &mut self.hold else { return Pin::new(incoming).poll_frame(cx) };
        let connection = &mut lease.connection;
        if let Poll::Ready(frame) =
            Pin::new(&mut *incoming).poll_frame(&mut connection.context_for_products(cx))
        {
            return Poll::Ready(frame);
        }
        // What ends without leaving a frame behind says so to the body in the same moment.
        let _ended = connection.poll_drive(cx);
        Pin::new(incoming).poll_frame(&mut connection.context_for_products(cx))
    }

    /// Whoever takes a body need not ask once more after its last frame.
    fn let_go_after(&mut self, frame: Option<&Frame<Bytes>>) {
        if self.incoming.is_end_stream() || frame.is_some_and(Frame::is_trailers) {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Connection(lease) => lease.end(),
            Hold::Stream(_, mut place) => place.completed(),
            Hold::Nothing => {}
        }
    }

    /// The server's fault; nothing more can be said on a connection of HTTP/1.1.
    pub(crate) fn break_off(&mut self) {
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Connection(mut lease) => lease.place.failed(),
            Hold::Stream(_, mut place) => place.failed(),
            Hold::Nothing => {}
        }
    }
}

//! A response's body, and the connection it comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::server::Lease;

/// Gives the connection back to the pool in the moment the body has ended.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    /// Until the body has ended.
    lease: Option<Lease>,
}

type FrameResult = Result<Frame<Bytes>, hyper::Error>;

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        let mut body = Self { incoming, lease: Some(lease) };
        body.end_lease_after(None);
        body
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let Poll::Ready(frame) = self.poll_incoming(cx) else { return Poll::Pending };
        match &frame {
            None => self.end_lease(),
            Some(Ok(frame)) => self.end_lease_after(Some(frame)),
            // Nothing more can be said on this connection.
            Some(Err(_)) => self.lease = None,
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
        let Some(lease) = &mut self.lease else { return Pin::new(incoming).poll_frame(cx) };
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
    fn end_lease_after(&mut self, frame: Option<&Frame<Bytes>>) {
        if self.incoming.is_end_stream() || frame.is_some_and(Frame::is_trailers) {
            self.end_lease();
        }
    }

    fn end_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }
}

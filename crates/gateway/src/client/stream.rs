//! The bytes of a client's connection, watched while they pass.
//!
//! In two layers, since TLS may lie between them: what the client takes is seen where bytes leave the
//! process ([`WatchedSocket`](gatepass_net::WatchedSocket)), and what it says where they can be read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::framing::Framing;

/// How long what a client goes on saying is read and thrown away after the last byte for it. To close before
/// that would reset the connection, and could take from the client a response that it has not read: that its
/// upload is too large, say. RFC 9112 section 9.6.
const LINGER: Duration = Duration::from_secs(2);

/// A connection on which ambiguous requests are spoilt before hyper reads them, and whose end does not cut
/// off what was said last.
#[derive(Debug)]
pub(crate) struct ClientStream<S> {
    stream: S,
    framing: Framing,
    /// Whether it carries a tunnel: then one end may be closed while the other still matters.
    switched: Arc<AtomicBool>,
    /// Since its writing end was closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> ClientStream<S> {
    /// `switched` is that of the [`ClientConnection`](super::ClientConnection).
    pub(crate) fn new(stream: S, switched: Arc<AtomicBool>) -> Self {
        Self { stream, framing: Framing::new(), switched, linger: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        // That a request asked to switch means nothing yet: until the answer did, what follows is HTTP.
        if !this.switched.load(Ordering::Relaxed)
            && let Some(new) = buffer.filled_mut().get_mut(before..)
        {
            this.framing.inspect(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if this.switched.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let patience = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        // First: bytes that come without end do not put it off.
        if patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())), // the client has closed its end, too
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

//! What follows a switch to WebSocket: bytes, both ways, until one side ends or may go on no longer. RFC 9110
//! section 7.8.

mod frames;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use gatepass_guard::Denied;
use gatepass_net::Stall;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded, on};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use self::frames::{Frames, close_frame};
use super::place::Place;
use crate::watch::Watch;

/// What is read before it is passed on, in each direction.
const BUFFER: usize = 8 * 1024;
/// For the end of a frame that has begun, and for the client to hear why it is the last one.
const CLOSING: Duration = Duration::from_secs(2);

/// RFC 6455 section 7.4.1.
const GOING_AWAY: u16 = 1001;
/// From the registry of RFC 6455 section 11.7.
const TRY_AGAIN_LATER: u16 = 1013;
/// Of the codes for private use: as the status 401.
const UNAUTHORIZED: u16 = 4401;

/// Carries bytes between client and server once both connections have switched. Returns when both
/// directions have ended, when neither has had a byte for `idle`, or when the token that opened the tunnel
/// is good no longer; the client then gets a close frame that names the reason.
pub(crate) async fn carry(
    client: OnUpgrade,
    server: Response<Incoming>,
    mut place: Place,
    idle: Duration,
    mut watch: Option<Watch>,
) {
    let (client, server) = match tokio::try_join!(client, on(server)) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a connection could not switch protocols"),
    };
    // How a tunnel ends says nothing of the server: it is there until then.
    place.completed();
    let mut tunnel = Tunnel {
        client: TokioIo::new(client),
        server: TokioIo::new(server),
        up: Pump::new(),
        down: Pump::new(),
        frames: Frames::new(),
        idle: Stall::new(idle),
    };
    match poll_fn(|cx| tunnel.poll(cx, watch.as_mut())).await {
        Ok(End::Closed) => tracing::debug!("tunnel ended"),
        Ok(End::Idle) => tunnel.close(GOING_AWAY, "idle").await,
        Ok(End::Denied(denied)) => {
            let refused = denied.status() == StatusCode::UNAUTHORIZED;
            tunnel.close(if refused { UNAUTHORIZED } else { TRY_AGAIN_LATER }, denied.code()).await;
        }
        Err(error) => tracing::debug!(%error, "tunnel broke"),
    }
}

struct Tunnel {
    client: TokioIo<Upgraded>,
    server: TokioIo<Upgraded>,
    up: Pump,
    down: Pump,
    /// What the client has been sent so far.
    frames: Frames,
    idle: Stall,
}

enum End {
    Closed,
    Idle,
    Denied(Denied),
}

impl Tunnel {
    fn poll(&mut self, cx: &mut Context<'_>, watch: Option<&mut Watch>) -> Poll<io::Result<End>> {
        let Self { client, server, up, down, frames, idle } = self;
        let upward = up.poll(cx, client, server, |_| ())?;
        let downward = down.poll(cx, server, client, |bytes| frames.pass(bytes))?;
        if upward.is_ready() && downward.is_ready() {
            return Poll::Ready(Ok(End::Closed));
        }
        if let Some(watch) = watch
            && let Poll::Ready(denied) = watch.poll_ended(cx)
        {
            return Poll::Ready(Ok(End::Denied(denied)));
        }
        if std::mem::take(&mut up.moved) | std::mem::take(&mut down.moved) {
            idle.moved();
        }
        idle.poll_stalled(cx).map(|()| Ok(End::Idle))
    }

    /// Tells the client that this is the end, and why. The server sees its connection end.
    async fn close(mut self, code: u16, reason: &str) {
        let closing = async {
            self.finish_frame().await?;
            self.client.write_all(&close_frame(code, reason)).await?;
            self.client.shutdown().await?;
            // A connection that is closed with something left to read is reset, and the reason may be lost.
            tokio::io::copy(&mut self.client, &mut tokio::io::sink()).await
        };
        match tokio::time::timeout(CLOSING, closing).await {
            Ok(Ok(_)) => tracing::debug!(code, reason, "tunnel closed"),
            Ok(Err(error)) => tracing::debug!(code, reason, %error, "tunnel cut"),
            Err(_) => tracing::debug!(code, reason, "tunnel cut"),
        }
    }

    async fn finish_frame(&mut self) -> io::Result<()> {
        loop {
            let pending = self.down.pending();
            let rest = pending.get(..self.frames.left_of_frame(pending)).unwrap_or_default();
            self.client.write_all(rest).await?;
            self.frames.pass(rest);
            if self.frames.is_between() {
                return Ok(());
            }
            let read = self.server.read(&mut self.down.buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (self.down.start, self.down.end) = (0, read);
        }
    }
}

/// One direction.
struct Pump {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Something was written since the last flush.
    unflushed: bool,
    /// The one side has ended.
    ended: bool,
    /// The other has been told.
    shut: bool,
    moved: bool,
}

impl Pump {
    fn new() -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { buffer, start: 0, end: 0, unflushed: false, ended: false, shut: false, moved: false }
    }

    /// What was read and is not written yet.
    fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Ready once all has been passed on, the end included.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut written: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        while !self.shut {
            while !self.pending().is_empty() {
                let count = ready!(Pin::new(&mut *to).poll_write(cx, self.pending()))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                written(self.pending().get(..count).unwrap_or_default());
                self.start += count;
                (self.unflushed, self.moved) = (true, true);
            }
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.shut = true;
                break;
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let Poll::Ready(read) = Pin::new(&mut *from).poll_read(cx, &mut buffer) else {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            };
            read?;
            (self.start, self.end) = (0, buffer.filled().len());
            self.ended = self.end == 0;
            self.moved = true;
        }
        Poll::Ready(Ok(()))
    }
}

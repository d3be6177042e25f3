//! Handshakes of clients, so many at once.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{Followed, ServerFiles};

/// The handshake of a client. Nothing but reading is done for one that has not said hello; what then costs arithmetic is
/// for as many at once as there are `places`. How long a client may take is for the caller to say.
///
/// # Errors
/// The client's fault, or its end.
pub async fn accept<S>(stream: S, tls: &Followed<ServerFiles>, places: &Semaphore) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let _place = places.acquire().await.map_err(io::Error::other)?;
    hello.into_stream(tls.server()).await
}

//! What follows a switch of protocols: bytes, both ways, until one side ends. RFC 9110 section 7.8.

use http::Response;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// Carries bytes between client and server once both connections have switched. Returns when both
/// directions have ended.
pub(crate) async fn carry(client: OnUpgrade, server: Response<Incoming>) {
    let (client, server) = match tokio::try_join!(client, on(server)) {
        Ok(both) => both,
        Err(error) => return tracing::debug!(%error, "a connection could not switch protocols"),
    };
    match copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await {
        Ok((sent, received)) => tracing::debug!(sent, received, "tunnel ended"),
        Err(error) => tracing::debug!(%error, "tunnel broke"),
    }
}

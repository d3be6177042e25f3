//! Asking a server how it is.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri, header};

use super::UpstreamError;
use super::connection::{Connection, SendError};
use super::multiplexed;
use super::server::Server;
use crate::body::RequestBody;
use crate::config::{HealthSettings, Protocol};
use crate::tls::Offer;

/// What a server sees as the sender.
const USER_AGENT: HeaderValue = HeaderValue::from_static("gatepass-health");

/// Asks a server again and again, until it is aborted.
pub(super) async fn follow(server: Arc<Server>, settings: HealthSettings) {
    // Not all servers at once, nor all gateways.
    tokio::time::sleep(settings.every.mul_f64(0.1 * random())).await;
    loop {
        let outcome = match tokio::time::timeout(settings.timeout, ask(&server, &settings)).await {
            Err(_) => Err("no answer in time".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(format!("it answers {}", status.as_u16())),
        };
        server.checked(outcome, &settings);
        tokio::time::sleep(settings.every.mul_f64(0.9 + 0.2 * random())).await;
    }
}

/// One question, on a connection of its own: whether the server takes new ones is part of the answer.
async fn ask(server: &Server, settings: &HealthSettings) -> Result<StatusCode, UpstreamError> {
    let protocol = server.settings.protocol;
    let stream = server.reach(Offer::of(protocol)).await?;
    let mut request = question(server, &settings.path);
    let response = if protocol == Protocol::Http2 || stream.has_agreed_on_http2() {
        multiplexed::address(&mut request, server.scheme());
        let mut requests = multiplexed::begin(stream).await?;
        requests.send_request(request).await.map_err(UpstreamError::Response)?
    } else {
        let mut connection = Connection::new(stream).await?;
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let sent = connection.send(request, None, settings.timeout).await;
        sent.map_err(|(SendError::NotSent(_, error) | SendError::Failed(error))| error)?
    };
    Ok(response.status())
}

/// Nothing of a client's is in it.
fn question(server: &Server, path: &PathAndQuery) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = Uri::from(path.clone());
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&server.settings.address.to_string()) {
        headers.insert(header::HOST, host);
    }
    headers.insert(header::USER_AGENT, USER_AGENT);
    request
}

/// From 0 to 1.
fn random() -> f64 {
    // The keys of a new hash state are random; that is enough to spread out questions.
    let random = RandomState::new().hash_one(0) >> 32;
    random as f64 / f64::from(u32::MAX)
}

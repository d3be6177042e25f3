//! What the operator's tools ask: alive, ready, how much.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::body::ResponseBody;
use crate::client::ClientConnection;
use crate::gateway::Shared;

pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<ClientConnection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let (status, text) = answer(&shared, request.method(), request.uri().path());
    let mut response = Response::new(ResponseBody::own(text, connection.begin()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn answer(shared: &Shared, method: &Method, path: &str) -> (StatusCode, Vec<u8>) {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, Vec::new());
    }
    let state = shared.state.load();
    let guards = &state.guards;
    match path {
        "/livez" => (StatusCode::OK, b"{}".to_vec()),
        "/readyz" => {
            let status = if guards.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, serde_json::to_vec(&guards.status()).unwrap_or_default())
        }
        "/stats" => (StatusCode::OK, serde_json::to_vec(&shared.counters.read()).unwrap_or_default()),
        "/upstreams" => {
            let upstreams: Vec<_> = state.upstreams.iter().map(|upstream| upstream.status()).collect();
            (StatusCode::OK, serde_json::to_vec(&upstreams).unwrap_or_default())
        }
        _ => (StatusCode::NOT_FOUND, Vec::new()),
    }
}

//! What the operator's tools ask: alive, ready, how much.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Serialize;

use crate::body::ResponseBody;
use crate::client::ClientConnection;
use crate::gateway::Shared;
use crate::guards::Guards;
use crate::metrics::{self, Format};
use crate::stats::Stats;
use crate::upstream::UpstreamStatus;

const JSON: &str = "application/json";

pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<ClientConnection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::wanted(accept.unwrap_or_default());
    let (status, media_type, text) = answer(&shared, request.method(), request.uri().path(), format);
    let mut response = Response::new(ResponseBody::own(text, connection.begin()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn answer(
    shared: &Shared,
    method: &Method,
    path: &str,
    format: Format,
) -> (StatusCode, &'static str, Vec<u8>) {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, JSON, Vec::new());
    }
    match path {
        "/livez" => (StatusCode::OK, JSON, b"{}".to_vec()),
        "/readyz" => readiness(&shared.state.load().guards),
        "/stats" => {
            let readiness = Readiness::of(&shared.state.load().guards);
            let overview = Overview { readiness, stats: shared.stats(), upstreams: shared.upstreams() };
            (StatusCode::OK, JSON, json(&overview))
        }
        "/upstreams" => (StatusCode::OK, JSON, json(&shared.upstreams())),
        "/metrics" => (StatusCode::OK, format.media_type(), metrics::render(shared, format).into_bytes()),
        _ => (StatusCode::NOT_FOUND, JSON, Vec::new()),
    }
}

/// The answer of `/readyz`.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    /// What stands in the way, a sentence for each issuer.
    reasons: Vec<String>,
    #[serde(flatten)]
    status: gatepass_guard::Status,
}

/// The answer of `/stats`.
#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    readiness: Readiness,
    #[serde(flatten)]
    stats: Stats,
    upstreams: Vec<UpstreamStatus>,
}

impl Readiness {
    fn of(guards: &Guards) -> Self {
        let reasons = guards.hindrances();
        Self { ready: reasons.is_empty(), reasons, status: guards.status() }
    }
}

fn readiness(guards: &Guards) -> (StatusCode, &'static str, Vec<u8>) {
    let readiness = Readiness::of(guards);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JSON, json(&readiness))
}

/// Text, numbers and truths: there is nothing that JSON could refuse.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

//! What every request passes through, and every answer says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use tracing::{Instrument, Span};

use crate::completion::carry_through;
use crate::dpop;
use crate::problem::Problem;
use crate::request_id::{self, RequestId, X_REQUEST_ID};
use crate::server::Server;

/// One function and not a layer for each step: layers of a router are cloned and allocated for each request.
pub(crate) async fn pass(State(server): State<Arc<Server>>, mut request: Request, next: Next) -> Response {
    let RequestId(id) = request_id::name(&mut request);
    let shows_proof = dpop::shows_proof(request.headers());
    let span = span(&request, &id);
    let mut response = answer(&server, request, next).instrument(span).await;
    let headers = response.headers_mut();
    if shows_proof {
        dpop::give_nonce(&server, headers);
    }
    // What is not said to be cacheable is not: almost every answer here is about secrets.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_REQUEST_ID, id);
    response
}

async fn answer(server: &Server, request: Request, next: Next) -> Response {
    // What a handler had in its hands is gone with it; what others see is behind locks that do not outlive a panic.
    let answered = AssertUnwindSafe(carry_through(server, request, next)).catch_unwind().await;
    let response = answered.unwrap_or_else(|_| Problem::internal(&"a handler panicked").into_response());
    // A fault is logged where it happens. What is left is load that was refused, and a flood must not fill the log.
    tracing::debug!(status = response.status().as_u16(), "answered");
    response
}

/// Method, path and name of the request. No header and no query: secrets travel in both.
fn span(request: &Request, id: &HeaderValue) -> Span {
    let (method, path) = (request.method().as_str(), request.uri().path());
    tracing::info_span!("request", method, path, id = id.to_str().ok())
}

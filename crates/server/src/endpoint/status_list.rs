//! Token Status Lists, for whoever asks
//! ([draft-ietf-oauth-status-list section 8](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-status-list-21#section-8)).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use gatepass_issuer::StatusListError;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::problem::Problem;
use crate::server::Server;

/// `GET /status-lists/{name}`
pub(crate) async fn status_list(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let token = server.issuer.status_list(&name, server.now()).map_err(|error| match error {
        StatusListError::Unknown => Problem::not_found(),
        error => Problem::internal(&error),
    })?;
    let ttl = server.issuer.config().status_list_ttl.unwrap_or_default();
    // Digits and words: printable ASCII.
    let age = HeaderValue::try_from(format!("public, max-age={}", ttl.as_secs()));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/statuslist+jwt")),
        (CACHE_CONTROL, age.unwrap_or(HeaderValue::from_static("no-store"))),
    ];
    Ok((headers, token.to_string()).into_response())
}

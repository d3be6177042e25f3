//! The JWK Set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use gatepass_issuer::Published;
use http::{HeaderMap, HeaderValue};

use crate::conditional::Document;
use crate::problem::Problem;
use crate::server::Server;

/// `GET /.well-known/jwks.json`. Verifiers may keep it for as long as the rotation schedule reckons
/// with: a key is published twice as long before it signs.
pub(crate) async fn jwks(State(server): State<Arc<Server>>, headers: HeaderMap) -> Result<Response, Problem> {
    let Published { json, etag } = server.issuer.published_keys();
    let document = Document {
        content_type: "application/jwk-set+json",
        body: Bytes::from_owner(json),
        etag: HeaderValue::from_str(&etag)?,
        cache_control: server.metadata.cache_control.clone(),
    };
    Ok(document.answer(&headers))
}

//! What receivers may know of the transmitter
//! ([SSF 1.0 section 7.1](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Serialize;

use super::{POLL, PUSH};
use crate::server::Server;

#[derive(Serialize)]
pub(crate) struct Configuration<'c> {
    spec_version: &'static str,
    issuer: &'c str,
    jwks_uri: String,
    delivery_methods_supported: [&'static str; 2],
    configuration_endpoint: String,
    status_endpoint: String,
    verification_endpoint: String,
    authorization_schemes: [Scheme; 1],
    /// Every stream is about everybody: there are no endpoints to add subjects.
    default_subjects: &'static str,
}

#[derive(Serialize)]
struct Scheme {
    spec_urn: &'static str,
}

/// `GET /.well-known/ssf-configuration`
pub(crate) async fn configuration(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.metadata.signals.clone().answer(&headers)
}

impl<'c> Configuration<'c> {
    pub(crate) fn of(issuer: &'c str) -> Self {
        let base = issuer.trim_end_matches('/');
        Self {
            spec_version: "1_0",
            issuer,
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            delivery_methods_supported: [PUSH, POLL],
            configuration_endpoint: format!("{base}/ssf/stream"),
            status_endpoint: format!("{base}/ssf/status"),
            verification_endpoint: format!("{base}/ssf/verify"),
            authorization_schemes: [Scheme { spec_urn: "urn:ietf:rfc:6749" }],
            default_subjects: "ALL",
        }
    }
}

//! What this server can do: authorization server metadata
//! ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)) and OpenID discovery. Only what is true.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::client_authentication;
use crate::conditional::Document;
use crate::endpoint::token::TOKEN_EXCHANGE;
use crate::server::Server;

/// Both documents, written once.
pub(crate) struct Metadata {
    authorization_server: Document,
    openid: Document,
    /// How long they, and the JWK Set, may be kept.
    pub(crate) cache_control: HeaderValue,
}

#[derive(Serialize)]
struct AuthorizationServer<'m> {
    issuer: &'m str,
    jwks_uri: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 3],
    grant_types_supported: [&'static str; 3],
    /// Required, and empty: there is no authorization endpoint.
    response_types_supported: [&'static str; 0],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
}

/// [OpenID Connect Discovery 1.0 section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Serialize)]
struct OpenId<'m> {
    #[serde(flatten)]
    authorization_server: &'m AuthorizationServer<'m>,
    subject_types_supported: [&'static str; 1],
    /// Required, and empty: no ID token is issued.
    id_token_signing_alg_values_supported: [&'static str; 0],
}

/// `GET /.well-known/oauth-authorization-server`
pub(crate) async fn authorization_server(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.metadata.authorization_server.clone().answer(&headers)
}

/// `GET /.well-known/openid-configuration`
pub(crate) async fn openid(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.metadata.openid.clone().answer(&headers)
}

impl Metadata {
    pub(crate) fn new(issuer: &str, max_age: Duration) -> Self {
        let base = issuer.trim_end_matches('/');
        let metadata = AuthorizationServer {
            issuer,
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            token_endpoint: format!("{base}/oauth/token"),
            token_endpoint_auth_methods_supported: client_authentication::METHODS,
            grant_types_supported: ["client_credentials", "refresh_token", TOKEN_EXCHANGE],
            response_types_supported: [],
            revocation_endpoint: format!("{base}/oauth/revoke"),
            revocation_endpoint_auth_methods_supported: client_authentication::METHODS,
            introspection_endpoint: format!("{base}/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: [
                "client_secret_basic",
                "client_secret_post",
                "Bearer", // RFC 8414 section 2: a token type says that an access token will do
            ],
        };
        let openid = OpenId {
            authorization_server: &metadata,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: [],
        };
        let cache_control = cache_for(max_age);
        Self {
            authorization_server: document(&metadata, &cache_control),
            openid: document(&openid, &cache_control),
            cache_control,
        }
    }
}

fn cache_for(max_age: Duration) -> HeaderValue {
    let value = format!("public, max-age={}", max_age.as_secs());
    // Digits and words: printable ASCII.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("no-store"))
}

fn document(metadata: &impl Serialize, cache_control: &HeaderValue) -> Document {
    // Strings only: there is nothing that JSON could refuse.
    let body = serde_json::to_vec(metadata).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
    Document {
        content_type: "application/json",
        body: Bytes::from(body),
        // Hexadecimal digits are printable ASCII.
        etag: etag.unwrap_or(HeaderValue::from_static("\"\"")),
        cache_control: cache_control.clone(),
    }
}

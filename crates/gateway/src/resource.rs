//! The protected resource that the gateway's clients know, and what it tells them of itself. RFC 9728.

use bytes::Bytes;
use gatepass_guard::{Challenge, Dpop};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use url::Url;

use crate::body::ResponseBody;
use crate::client::InFlight;

/// RFC 9728 section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What `public_url` says: under which URL clients reach the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// Scheme, host and port.
    origin: String,
    metadata_path: String,
    metadata: Bytes,
}

/// RFC 9728 section 2.
#[derive(Serialize)]
struct Metadata<'m> {
    resource: &'m str,
    authorization_servers: &'m [String],
    bearer_methods_supported: [&'static str; 1],
    tls_client_certificate_bound_access_tokens: bool,
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens_required: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'m [String],
}

impl Resource {
    /// `url` has neither query nor fragment.
    pub(crate) fn new(
        url: &Url,
        authorization_servers: &[String],
        scopes_supported: &[String],
        asks_for_certificates: bool,
        dpop: &Dpop,
    ) -> Self {
        // A resource without a path has none in the metadata's URL either.
        let path = if url.path() == "/" { "" } else { url.path() };
        let origin = url.origin().ascii_serialization();
        let metadata = Metadata {
            resource: &format!("{origin}{path}"),
            authorization_servers,
            bearer_methods_supported: ["header"],
            tls_client_certificate_bound_access_tokens: asks_for_certificates,
            dpop_signing_alg_values_supported: dpop.algs.iter().map(|alg| alg.name()).collect(),
            dpop_bound_access_tokens_required: dpop.required,
            scopes_supported,
        };
        // Text and truths: there is nothing that JSON could refuse.
        let metadata = serde_json::to_vec(&metadata).unwrap_or_default().into();
        Self { metadata_path: format!("{WELL_KNOWN}{path}"), metadata, origin }
    }

    /// Where its metadata is served.
    pub(crate) fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// Adds to a refusal where clients find the authorization server. RFC 9728 section 5.1.
    pub(crate) fn named_in(&self, challenge: Challenge) -> Challenge {
        challenge.with_resource_metadata(format!("{}{}", self.origin, self.metadata_path))
    }

    /// The URL of a request here, as its client wrote it.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Answers a request for the metadata. Anybody may read it, from any web page.
    pub(crate) fn serve(&self, method: &Method, in_flight: InFlight) -> Response<ResponseBody> {
        let served = matches!(*method, Method::GET | Method::HEAD);
        let body = if served { self.metadata.clone() } else { Bytes::new() };
        let mut response = Response::new(ResponseBody::own(body, in_flight));
        let headers: &mut HeaderMap = response.headers_mut();
        if served {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        }
        response
    }
}

//! The protected resources that the gateway's clients know, and what they tell of themselves. RFC 9728.

use bytes::Bytes;
use gatepass_guard::{Alg, Challenge};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde::Serialize;
use url::Url;

use crate::body::ResponseBody;
use crate::client::InFlight;
use crate::route::router::host_name;

/// RFC 9728 section 3.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The gateway, or one API of its, under the URL by which clients know it.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// Scheme, host and port.
    origin: String,
    /// The host that clients ask for its metadata, where that tells it from others.
    host: Option<String>,
    metadata_path: String,
    metadata: Bytes,
}

/// What a resource tells of itself beside its URL.
pub(crate) struct Told<'t> {
    pub(crate) host: Option<&'t str>,
    pub(crate) name: Option<&'t str>,
    pub(crate) authorization_servers: &'t [String],
    pub(crate) scopes_supported: &'t [String],
    pub(crate) asks_for_certificates: bool,
    pub(crate) dpop_algs: &'t [Alg],
    pub(crate) requires_dpop: bool,
}

/// RFC 9728 section 2.
#[derive(Serialize)]
struct Metadata<'m> {
    resource: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'m str>,
    authorization_servers: &'m [String],
    bearer_methods_supported: [&'static str; 1],
    tls_client_certificate_bound_access_tokens: bool,
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens_required: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'m [String],
}

/// The one of `resources` whose metadata are asked for, by the host and the path of a request.
pub(crate) fn asked_for<'r>(
    resources: &'r [Resource],
    host: Option<&str>,
    path: &str,
) -> Option<&'r Resource> {
    if !path.starts_with(WELL_KNOWN) {
        return None;
    }
    let mut there = resources.iter().filter(|resource| resource.metadata_path == path);
    let is_named = |resource: &&Resource| {
        let own = resource.host.as_deref();
        own.is_some_and(|own| host.is_some_and(|host| host_name(host).eq_ignore_ascii_case(own)))
    };
    there.clone().find(is_named).or_else(|| there.find(|resource| resource.host.is_none()))
}

impl Resource {
    /// `url` has neither query nor fragment.
    pub(crate) fn new(url: &Url, told: &Told<'_>) -> Self {
        // A resource without a path has none in the metadata's URL either.
        let path = if url.path() == "/" { "" } else { url.path() };
        let origin = url.origin().ascii_serialization();
        let metadata = Metadata {
            resource: &format!("{origin}{path}"),
            resource_name: told.name,
            authorization_servers: told.authorization_servers,
            bearer_methods_supported: ["header"],
            tls_client_certificate_bound_access_tokens: told.asks_for_certificates,
            dpop_signing_alg_values_supported: told.dpop_algs.iter().map(|alg| alg.name()).collect(),
            dpop_bound_access_tokens_required: told.requires_dpop,
            scopes_supported: told.scopes_supported,
        };
        // Text and truths: there is nothing that JSON could refuse.
        let metadata = serde_json::to_vec(&metadata).unwrap_or_default().into();
        let host = told.host.map(str::to_owned);
        Self { metadata_path: format!("{WELL_KNOWN}{path}"), metadata, host, origin }
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

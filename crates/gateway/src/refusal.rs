//! What the gateway answers when it does not pass a request on.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::{
    body::{ResponseBody, UploadError},
    client::InFlight,
    header::claim::Unforwardable,
    identity::Denied,
    route::path::PathError,
    upstream::UpstreamError,
};

/// Why a request was not passed on, or got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Path(#[from] PathError),
    #[error("the request target is longer than {limit} bytes")]
    TargetTooLong { limit: usize },
    #[error("the request has more than {limit} header fields")]
    TooManyHeaders { limit: usize },
    #[error("the request needs exactly one Host field, with a host and a port and nothing else")]
    Host,
    #[error("the request has more than one Authorization field")]
    Authorizations,
    #[error("the only transfer coding that is understood is `chunked`")]
    TransferCoding,
    #[error("the only expectation that can be met is `100-continue`")]
    Expectation,
    #[error("the gateway does not pass on this method")]
    Method,
    #[error("no route has this path")]
    NoRoute,
    #[error("no route has this method for this path")]
    MethodNotAllowed { allow: HeaderValue },
    #[error("the request's body is larger than {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("the proxy in front does not say clearly which request it asks about: {0}")]
    AskedUnclearly(&'static str),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("{0}")]
    Unforwardable(#[from] Unforwardable),
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'p> {
    title: &'p str,
    status: u16,
    code: &'p str,
    detail: String,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Path(_) | Self::Host | Self::Authorizations | Self::TransferCoding | Self::AskedUnclearly(_) => StatusCode::BAD_REQUEST,
            Self::TargetTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Denied(denied) => denied.status(),
            Self::Unforwardable(_) => StatusCode::FORBIDDEN,
            Self::Upstream(error) => match error {
                UpstreamError::ConnectTimeout | UpstreamError::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
                UpstreamError::Connect(_) | UpstreamError::Response(_) | UpstreamError::Switched => StatusCode::BAD_GATEWAY,
                UpstreamError::Upload(UploadError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
                UpstreamError::Upload(UploadError::Stalled) => StatusCode::REQUEST_TIMEOUT,
                UpstreamError::Upload(UploadError::Client(_)) => StatusCode::BAD_REQUEST,
            },
        }
    }

    /// A short stable name, for clients, counters and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "bad-path",
            Self::TargetTooLong { .. } => "target-too-long",
            Self::TooManyHeaders { .. } => "too-many-headers",
            Self::Host => "bad-host",
            Self::Authorizations => "two-authorizations",
            Self::TransferCoding => "bad-transfer-coding",
            Self::Expectation => "bad-expectation",
            Self::Method => "method-not-supported",
            Self::NoRoute => "no-route",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::AskedUnclearly(_) => "asked-unclearly",
            Self::Denied(denied) => denied.code(),
            Self::Unforwardable(_) => "claim-not-forwardable",
            Self::Upstream(error) => match error {
                UpstreamError::Connect(_) => "upstream-unreachable",
                UpstreamError::ConnectTimeout => "upstream-connect-timeout",
                UpstreamError::ResponseTimeout => "upstream-timeout",
                UpstreamError::Response(_) | UpstreamError::Switched => "upstream-broken",
                UpstreamError::Upload(UploadError::TooLarge) => "body-too-large",
                UpstreamError::Upload(UploadError::Stalled) => "body-stalled",
                UpstreamError::Upload(UploadError::Client(_)) => "body-broken",
            },
        }
    }

    pub(crate) fn into_response(self, in_flight: InFlight) -> Response<ResponseBody> {
        let text = self.problem();
        let mut response = Response::new(ResponseBody::own(text, in_flight));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.add_fields(headers);
        response
    }

    /// What an attacker can learn nothing from: nothing of the upstream's address or of why it fails.
    fn detail(&self) -> String {
        match self {
            Self::Upstream(UpstreamError::Upload(error)) => error.to_string(),
            Self::Upstream(_) => "the service behind the gateway did not answer".to_owned(),
            _ => self.to_string(),
        }
    }

    fn problem(&self) -> Vec<u8> {
        if let Self::Denied(denied) = self {
            return denied.problem();
        }
        let status = self.status();
        let title = status.canonical_reason().unwrap_or_default();
        serde_json::to_vec(&Problem { title, status: status.as_u16(), code: self.code(), detail: self.detail() }).unwrap_or_default()
    }

    fn add_fields(self, headers: &mut HeaderMap) {
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, allow);
            }
            Self::Denied(denied) => {
                if let Some(challenge) = denied.www_authenticate() {
                    headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
            }
            _ => {}
        }
    }
}

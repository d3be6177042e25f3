//! What the gateway answers when it does not pass a request on.

use bytes::Bytes;
use gatepass_guard::{Challenge, Denied, ExchangeError};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::bff::SessionError;
use crate::body::{ResponseBody, UploadError};
use crate::client::InFlight;
use crate::header::claim::Unforwardable;
use crate::route::path::PathError;
use crate::route::router::NoRoute;
use crate::upstream::UpstreamError;

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
    #[error("the only transfer coding that is understood is `chunked`")]
    TransferCoding,
    #[error("the only expectation that can be met is `100-continue`")]
    Expectation,
    #[error("the gateway does not pass on this method")]
    Method,
    #[error("no route has this path")]
    NoRoute,
    #[error("no route of this path has these header fields")]
    NoRouteForHeaders,
    #[error("a header field that decides on the route stands more than once")]
    RepeatedHeader,
    #[error("no route has this method for this path")]
    MethodNotAllowed { allow: HeaderValue },
    #[error("the request's body is larger than {limit} bytes")]
    BodyTooLarge { limit: u64 },
    #[error("the proxy in front does not say clearly which request it asks about: {0}")]
    AskedUnclearly(&'static str),
    #[error("pages of this origin may not use this route")]
    Origin,
    #[error("there were too many requests; try again after the time in Retry-After")]
    RateLimited,
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("{0}")]
    Unforwardable(#[from] Unforwardable),
    #[error(transparent)]
    Exchange(ExchangeError),
    #[error("{0}")]
    Upstream(UpstreamError),
}

impl From<ExchangeError> for Refusal {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Denied(denied) => Self::Denied(denied),
            error => Self::Exchange(error),
        }
    }
}

impl From<NoRoute<'_>> for Refusal {
    fn from(none: NoRoute<'_>) -> Self {
        match none {
            NoRoute::Path => Self::NoRoute,
            NoRoute::Headers => Self::NoRouteForHeaders,
            NoRoute::RepeatedHeader => Self::RepeatedHeader,
            NoRoute::Method { allow } => Self::MethodNotAllowed { allow: allow.clone() },
        }
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Upload(UploadError::Ended(denied)) => Self::Denied(*denied),
            error => Self::Upstream(error),
        }
    }
}

/// RFC 9457.
#[derive(Serialize)]
struct Problem<'p> {
    #[serde(rename = "type")]
    type_uri: &'p str,
    title: &'p str,
    status: u16,
    detail: String,
    code: &'p str,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Path(_)
            | Self::Host
            | Self::TransferCoding
            | Self::AskedUnclearly(_)
            | Self::RepeatedHeader => StatusCode::BAD_REQUEST,
            Self::TargetTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Method => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute | Self::NoRouteForHeaders => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Session(error) => error.status(),
            Self::Denied(denied) => denied.status(),
            Self::Unforwardable(_) | Self::Origin | Self::Exchange(ExchangeError::Refused(_)) => {
                StatusCode::FORBIDDEN
            }
            Self::Exchange(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(error) => match error {
                UpstreamError::ConnectTimeout | UpstreamError::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
                UpstreamError::Connect(_) | UpstreamError::Response(_) | UpstreamError::Switched => {
                    StatusCode::BAD_GATEWAY
                }
                UpstreamError::Overloaded { .. } | UpstreamError::Unavailable { .. } => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                UpstreamError::Upload(UploadError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
                UpstreamError::Upload(UploadError::Stalled) => StatusCode::REQUEST_TIMEOUT,
                UpstreamError::Upload(UploadError::Client(_)) => StatusCode::BAD_REQUEST,
                UpstreamError::Upload(UploadError::Ended(denied)) => denied.status(),
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
            Self::TransferCoding => "bad-transfer-coding",
            Self::Expectation => "bad-expectation",
            Self::Method => "method-not-supported",
            Self::NoRoute | Self::NoRouteForHeaders => "no-route",
            Self::RepeatedHeader => "repeated-header",
            Self::Origin => "origin-not-allowed",
            Self::RateLimited => "rate-limited",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::AskedUnclearly(_) => "asked-unclearly",
            Self::Session(error) => error.code(),
            Self::Denied(denied) => denied.code(),
            Self::Unforwardable(_) => "claim-not-forwardable",
            Self::Exchange(ExchangeError::Refused(_)) => "token-exchange-denied",
            Self::Exchange(_) => "token-exchange-failed",
            Self::Upstream(error) => match error {
                UpstreamError::Connect(_) => "upstream-unreachable",
                UpstreamError::ConnectTimeout => "upstream-connect-timeout",
                UpstreamError::ResponseTimeout => "upstream-timeout",
                UpstreamError::Response(_) | UpstreamError::Switched => "upstream-broken",
                UpstreamError::Overloaded { .. } => "upstream-overloaded",
                UpstreamError::Unavailable { .. } => "upstream-unavailable",
                UpstreamError::Upload(UploadError::TooLarge) => "body-too-large",
                UpstreamError::Upload(UploadError::Stalled) => "body-stalled",
                UpstreamError::Upload(UploadError::Client(_)) => "body-broken",
                UpstreamError::Upload(UploadError::Ended(denied)) => denied.code(),
            },
        }
    }

    /// The guard's word, where it was the guard's.
    pub(crate) fn denied(&self) -> Option<&Denied> {
        match self {
            Self::Denied(denied) => Some(denied),
            Self::Upstream(UpstreamError::Upload(UploadError::Ended(denied))) => Some(denied),
            _ => None,
        }
    }

    /// Tells the operator what only the operator can put right; of who was denied, the audit log tells.
    pub(crate) fn log(&self) {
        match self {
            Self::Unforwardable(_) => tracing::warn!(reason = %self, "refused"),
            _ => tracing::debug!(code = self.code(), reason = %self, "refused"),
        }
    }

    pub(crate) fn into_response(self, challenge: &Challenge, in_flight: InFlight) -> Response<ResponseBody> {
        self.to_response(challenge).map(|text| ResponseBody::own(text, in_flight))
    }

    pub(crate) fn to_response(&self, challenge: &Challenge) -> Response<Bytes> {
        if let Self::Denied(denied) = self {
            let mut response = denied.to_response::<Bytes>();
            challenge.complete(&mut response);
            return response;
        }
        let mut response = Response::new(Bytes::from(self.problem()));
        if matches!(self, Self::Session(SessionError::Ended)) {
            // RFC 9110 section 15.5.2: a 401 says what would be taken.
            let bare = Denied::Missing.to_response::<Bytes>();
            response.headers_mut().extend(
                bare.headers()
                    .get(header::WWW_AUTHENTICATE)
                    .cloned()
                    .map(|value| (header::WWW_AUTHENTICATE, value)),
            );
        }
        let status = self.status();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::BAD_REQUEST {
            // Who sends such a request may read the rest of the connection in another way, too.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(self, Self::Exchange(_)) && status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::MethodNotAllowed { allow } = self {
            headers.insert(header::ALLOW, allow.clone());
        } else if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }

    /// In seconds, for what may have passed by then. RFC 9110 section 10.2.3.
    fn retry_after(&self) -> Option<u64> {
        let (Self::Upstream(UpstreamError::Overloaded { retry_after })
        | Self::Upstream(UpstreamError::Unavailable { retry_after })) = self
        else {
            return None;
        };
        Some(retry_after.as_millis().div_ceil(1000).clamp(1, 3600) as u64)
    }

    /// What an attacker can learn nothing from: nothing of the upstream's address or of why it fails.
    fn detail(&self) -> String {
        match self {
            Self::Upstream(UpstreamError::Upload(error)) => error.to_string(),
            Self::Upstream(
                error @ (UpstreamError::Overloaded { .. } | UpstreamError::Unavailable { .. }),
            ) => error.to_string(),
            Self::Exchange(ExchangeError::Refused(_)) => {
                "the access token opens nothing at the service behind the gateway".to_owned()
            }
            Self::Exchange(_) => {
                "there is no token for the service behind the gateway yet; try again".to_owned()
            }
            Self::Upstream(_) => "the service behind the gateway did not answer".to_owned(),
            _ => self.to_string(),
        }
    }

    fn problem(&self) -> Vec<u8> {
        let status = self.status();
        let problem = Problem {
            type_uri: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
        };
        // Text and a number: there is nothing that JSON could refuse.
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}

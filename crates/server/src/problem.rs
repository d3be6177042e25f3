//! Errors as problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use gatepass_issuer::store::StoreError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::form::FormError;

/// An error as it goes to the client: a status, a stable `code` for programs, a sentence for people.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Details<'p> {
    /// Nothing beyond the status that a link could explain.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Bad Request")]
    title: &'p str,
    /// The status.
    #[schema(example = 400)]
    status: u16,
    /// What went wrong, for programs. Stays the same from version to version.
    #[schema(example = "invalid-request")]
    code: &'p str,
    /// What went wrong, for people.
    #[schema(example = "the member \"username\" is missing")]
    detail: &'p str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), headers: Vec::new() }
    }

    /// 400: the request is well-formed and says something that it cannot say.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence, for another form of error.
    pub(crate) fn into_detail(self) -> Cow<'static, str> {
        self.detail
    }

    pub(crate) fn invalid_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", detail)
    }

    /// 400, for a value that a member of the body or a parameter cannot have.
    pub(crate) fn invalid_value(name: &str, why: impl fmt::Display) -> Self {
        Self::invalid_request(format!("{name:?} is not valid: {why}"))
    }

    /// 404.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here of that name")
    }

    /// 503, for what passes by itself.
    pub(crate) fn overloaded(retry_after: Duration) -> Self {
        let detail = "the server is busy; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(retry_after)
    }

    /// 500. The log gets the cause, the client gets none of it.
    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a fault of this server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "the server failed; its log says why")
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn retry_after(self, after: Duration) -> Self {
        self.header(RETRY_AFTER, seconds_to_wait(after))
    }
}

/// As `Retry-After` says it: whole seconds, and never so few that it would be too early.
pub(crate) fn seconds_to_wait(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_secs_f64().ceil().max(1.0) as u64)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed because the store did");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the store does not answer")
    }
}

impl From<FormError> for Problem {
    fn from(error: FormError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, detail, headers } = self;
        let title = status.canonical_reason().unwrap_or_default();
        let details = Details { kind: "about:blank", title, status: status.as_u16(), code, detail: &detail };
        // Strings and a number: there is nothing that JSON could refuse.
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response =
            (status, [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")], body)
                .into_response();
        response.headers_mut().extend(headers);
        response
    }
}

/// The answer for a path that nothing is served under.
pub(crate) async fn no_such_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "nothing is served under this path")
}

/// The answer for a path that is served, but not with this method; the router adds `Allow`.
pub(crate) async fn no_such_method() -> Problem {
    let detail = "this path does not take this method; `Allow` says which it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_to_come_back_too_early() {
        for (wait, want) in [(0, "1"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (20_000, "20")] {
            assert_eq!(seconds_to_wait(Duration::from_millis(wait)), want, "{wait} ms");
        }
    }
}

//! Request bodies: how much is read, how long that may take, and what is made of it.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use gatepass_jose::{JsonError, parse_strict_json};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};
use thiserror::Error;

use crate::config::HttpConfig;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::problem::Problem;
use crate::server::Server;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The longest part of a parser's message that goes back to the client.
const MAX_MESSAGE: usize = 200;

/// A JSON object as the request's body, strict: `application/json`, UTF-8, no member twice, none that
/// is not known.
pub(crate) struct Json<T>(pub(crate) T);

/// As [`Json`], for requests that need not have a body at all.
pub(crate) struct OptionalJson<T>(pub(crate) T);

/// A form-urlencoded body, for the OAuth endpoints.
pub(crate) struct FormBody(pub(crate) Form);

/// As [`FormBody`], for requests that need not have a body at all: one of another type is none.
pub(crate) struct OptionalForm(pub(crate) Form);

/// Why a body was not read to its end.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive in time")]
    TimedOut,
    #[error("the body broke off")]
    Broken,
}

impl BodyError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge { .. } => "body-too-large",
            BodyError::TimedOut => "request-timeout",
            BodyError::Broken => "invalid-request",
        };
        Self::new(error.status(), code, error.to_string())
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Server>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Problem> {
        require_json(request.headers())?;
        Ok(Self(parse_json(&read(request, &server.config).await?)?))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<Server>> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Problem> {
        let typed = require_json(request.headers());
        let body = read(request, &server.config).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        typed?;
        Ok(Self(parse_json(&body)?))
    }
}

impl FromRequest<Arc<Server>> for FormBody {
    type Rejection = OAuthError;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, OAuthError> {
        if media_type(request.headers()) != Some(FORM) {
            return Err(OAuthError::invalid_request(
                "the body must be of type application/x-www-form-urlencoded",
            ));
        }
        Ok(Self(Form::parse(&read(request, &server.config).await?)?))
    }
}

impl FromRequest<Arc<Server>> for OptionalForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, OAuthError> {
        match media_type(request.headers()) {
            Some(FORM) => Ok(Self(FormBody::from_request(request, server).await?.0)),
            _ => Ok(Self(Form::default())),
        }
    }
}

async fn read(request: Request, config: &HttpConfig) -> Result<Bytes, BodyError> {
    let limit = config.max_body;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let body = Limited::new(request.into_body(), limit).collect();
    let body = tokio::time::timeout(config.body_timeout, body).await.map_err(|_| BodyError::TimedOut)?;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Err(_) => Err(BodyError::Broken),
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    match media_type(headers) {
        Some("application/json") => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "the body must be of type application/json",
        )),
    }
}

/// The one `Content-Type`, in the case that everybody writes it in, without parameters. Only the
/// types that are asked for here are told apart.
fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let media_type = value.to_str().ok()?.split(';').next()?.trim();
    ["application/json", "application/x-www-form-urlencoded"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(media_type))
}

/// Reads a JSON object. The grammar first: then whatever still fails is a member of the wrong type,
/// and can be named.
fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    parse_strict_json::<IgnoredAny>(body).map_err(|error| match error {
        JsonError::Malformed => not_json(),
        error => Problem::new(StatusCode::BAD_REQUEST, "invalid-json", error.to_string()),
    })?;
    // serde would also fill a struct from an array.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::invalid_request("the body must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        // An escape or a number that only whoever wants the value looks at.
        if !error.is_data() {
            return not_json();
        }
        let message = error.to_string();
        // Where in the text it stands is known from the path.
        let message = message.split(" at line ").next().unwrap_or_default();
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        match path.as_str() {
            "." | "?" => Problem::invalid_request(message),
            path => Problem::invalid_value(path, message),
        }
    })
}

fn not_json() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid-json", "the body is not JSON")
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read by `Debug` alone
    struct Order {
        item: String,
        count: Option<u8>,
        #[serde(default)]
        tags: Vec<String>,
    }

    async fn refused(body: &[u8]) -> (u16, serde_json::Value) {
        let problem = parse_json::<Order>(body).unwrap_err().into_response();
        let status = problem.status().as_u16();
        let body = problem.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let cases: [(&str, &[u8], &str, &str); 14] = [
            ("empty", b"", "invalid-json", "the body is not JSON"),
            ("no_json", b"{", "invalid-json", "the body is not JSON"),
            ("two_documents", b"{} {}", "invalid-json", "the body is not JSON"),
            ("not_utf8", b"{\"item\":\"\xff\"}", "invalid-json", "UTF-8"),
            ("half_an_escape", br#"{"item":"\ud800"}"#, "invalid-json", "the body is not JSON"),
            ("member_twice", br#"{"item":"a","item":"b"}"#, "invalid-json", "two members of the same name"),
            ("too_deep", b"[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "invalid-json", "nests too deep"),
            ("array", br#"["a"]"#, "invalid-request", "must be a JSON object"),
            ("string", br#""a""#, "invalid-request", "must be a JSON object"),
            ("missing", b"{}", "invalid-request", "missing field `item`"),
            ("unknown", br#"{"item":"a","itme":"b"}"#, "invalid-request", "unknown field `itme`"),
            ("wrong_type", br#"{"item":5}"#, "invalid-request", "\"item\" is not valid: invalid type"),
            ("out_of_range", br#"{"item":"a","count":256}"#, "invalid-request", "\"count\" is not valid"),
            ("wrong_element", br#"{"item":"a","tags":["b",{}]}"#, "invalid-request", "\"tags[1]\" is not"),
        ];
        for (name, body, code, detail) in cases {
            let (status, problem) = refused(body).await;
            assert_eq!((status, problem["code"].as_str().unwrap()), (400, code), "{name}");
            assert!(problem["detail"].as_str().unwrap().contains(detail), "{name}: {problem}");
        }
    }

    #[tokio::test]
    async fn no_more_of_a_request_comes_back_than_helps() {
        let huge = format!(r#"{{"item":"a","count":"{}"}}"#, "x".repeat(10_000));
        let (_, problem) = refused(huge.as_bytes()).await;
        assert!(problem["detail"].as_str().unwrap().len() < 300);
    }

    #[test]
    fn types_of_bodies() {
        let cases: [(&str, &[&str], Option<&str>); 7] = [
            ("plain", &["application/json"], Some("application/json")),
            ("with_charset", &["Application/JSON ; charset=utf-8"], Some("application/json")),
            ("form", &["application/x-www-form-urlencoded"], Some("application/x-www-form-urlencoded")),
            ("none", &[], None),
            ("text", &["text/plain"], None),
            ("looks_like_it", &["application/json5"], None),
            ("two", &["application/json", "text/plain"], None),
        ];
        for (name, values, want) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(media_type(&headers), want, "{name}");
        }
    }
}

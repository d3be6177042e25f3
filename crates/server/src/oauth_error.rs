//! Errors in OAuth's own form ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::Refusal;
use gatepass_issuer::device::DeviceRefusal;
use gatepass_issuer::store::StoreError;
use gatepass_issuer::{DpopError, InternalError, ResponseError, RevokeError, TokenError, UserClaimsError};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::bearer::BearerRefusal;
use crate::body::BodyError;
use crate::form::FormError;
use crate::problem::seconds_to_wait;

/// How a client may authenticate.
const BASIC_CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Basic realm="gatepass", charset="UTF-8""#);

/// RFC 6750 section 3.1, for the userinfo endpoint.
const OPENID_CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="gatepass", error="insufficient_scope", scope="openid""#);
const INVALID_TOKEN_CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="gatepass", error="invalid_token""#);

/// An error of the token, introspection or revocation endpoint.
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: Cow<'static, str>,
    challenge: Option<HeaderValue>,
    retry_after: Option<Duration>,
}

impl OAuthError {
    fn new(status: StatusCode, error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        let description = printable(description.into());
        Self { status, error, description, challenge: None, retry_after: None }
    }

    fn bad_request(error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    /// A parameter is missing, repeated, or says what it cannot say.
    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_request", description)
    }

    /// The scope is no scope.
    pub(crate) fn invalid_scope(why: impl fmt::Display) -> Self {
        Self::bad_request("invalid_scope", why.to_string())
    }

    /// What was presented gives nothing, or nothing any more.
    pub(crate) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_grant", description)
    }

    /// What a client says of itself cannot be registered (RFC 7591 section 3.2.2).
    pub(crate) fn invalid_client_metadata(
        status: StatusCode,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(status, "invalid_client_metadata", description)
    }

    /// The same of where it wants browsers sent to.
    pub(crate) fn invalid_redirect_uri(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_redirect_uri", description)
    }

    /// A token that is no JWT does not open what it was shown for.
    pub(crate) fn invalid_token(description: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description);
        Self { challenge: Some(INVALID_TOKEN_CHALLENGE), ..error }
    }

    /// A grant that is not served.
    pub(crate) fn unsupported_grant_type() -> Self {
        let description = "grant_type is authorization_code, client_credentials, refresh_token, that of device codes, of assertions or of token exchange";
        Self::bad_request("unsupported_grant_type", description)
    }

    /// A token for two resource servers at once.
    pub(crate) fn two_targets() -> Self {
        Self::bad_request("invalid_target", "a token is for one audience, and two were asked for")
    }

    /// The client is not who it says it is. It hears how it can authenticate, whichever way it tried:
    /// a 401 without a challenge would not be HTTP ([RFC 9110 section 15.5.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2)).
    pub(crate) fn invalid_client() -> Self {
        let description = "the client could not be authenticated";
        let error = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description);
        Self { challenge: Some(BASIC_CHALLENGE), ..error }
    }

    /// What the client signed is not accepted ([RFC 9101 section 7](https://www.rfc-editor.org/rfc/rfc9101#section-7)).
    pub(crate) fn invalid_request_object(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_request_object", description)
    }

    /// What is asked for beyond scopes is not understood, or not allowed
    /// ([RFC 9396 section 5](https://www.rfc-editor.org/rfc/rfc9396#section-5)).
    pub(crate) fn invalid_authorization_details(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_authorization_details", description)
    }

    /// The proof of possession is not taken ([RFC 9449 section 5](https://www.rfc-editor.org/rfc/rfc9449#section-5)).
    pub(crate) fn invalid_dpop_proof(description: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_dpop_proof", description)
    }

    /// Too many requests.
    pub(crate) fn throttled(retry_after: Duration) -> Self {
        let description = "too many requests; try again after Retry-After";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", description);
        Self { retry_after: Some(retry_after), ..error }
    }

    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a fault of this server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "the server failed; its log says why")
    }
}

/// What the standard lets a description be made of. Some repeat what a client sent: the name of a parameter, a part of its
/// metadata.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let is_allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    if text.chars().all(is_allowed) {
        return text;
    }
    let replaced = |c: char| match c {
        '"' => '\'',
        c if is_allowed(c) => c,
        _ => '?',
    };
    text.chars().map(replaced).collect::<String>().into()
}

impl From<TokenError> for OAuthError {
    fn from(error: TokenError) -> Self {
        let description = error.to_string();
        match error {
            TokenError::InvalidClient => Self::invalid_client(),
            TokenError::Throttled { retry_after } => Self::throttled(retry_after),
            TokenError::InvalidGrant | TokenError::Assertion => {
                Self::bad_request("invalid_grant", description)
            }
            TokenError::AssertionKeys => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description)
            }
            TokenError::UnauthorizedClient => Self::bad_request("unauthorized_client", description),
            TokenError::InvalidScope => Self::bad_request("invalid_scope", description),
            TokenError::InvalidAuthorizationDetails => Self::invalid_authorization_details(description),
            TokenError::CertificateMissing | TokenError::NoRecipient(_) => Self::invalid_request(description),
            TokenError::InvalidTarget => Self::bad_request("invalid_target", description),
            TokenError::Device(refusal) => Self::bad_request(polling_error(refusal), description),
            TokenError::Exchange(_) => Self::bad_request("invalid_request", description),
            TokenError::Dpop(DpopError::Nonce) => Self::bad_request("use_dpop_nonce", description),
            TokenError::Dpop(_) => Self::invalid_dpop_proof(description),
            TokenError::Internal(InternalError::Store(error)) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// The code for a device that asks ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
fn polling_error(refusal: DeviceRefusal) -> &'static str {
    match refusal {
        DeviceRefusal::Pending => "authorization_pending",
        DeviceRefusal::TooFast => "slow_down",
        DeviceRefusal::Denied => "access_denied",
        DeviceRefusal::Expired => "expired_token",
        DeviceRefusal::WrongClient | DeviceRefusal::LoginEnded => "invalid_grant",
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        Self::bad_request(refusal.error, refusal.description)
    }
}

impl From<RevokeError> for OAuthError {
    /// RFC 7009 names no code for another client's token. `invalid_grant` is defined as what "was
    /// issued to another client", so it says exactly this.
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::WrongClient => Self::bad_request("invalid_grant", error.to_string()),
            RevokeError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed because the store did");
        let description = "the store does not answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", description)
    }
}

impl From<UserClaimsError> for OAuthError {
    fn from(error: UserClaimsError) -> Self {
        match error {
            UserClaimsError::Bearer(error) => {
                let refusal = BearerRefusal::Invalid(error);
                refusal.audit();
                refusal.into()
            }
            UserClaimsError::Scope => Self {
                challenge: Some(OPENID_CHALLENGE),
                ..Self::new(StatusCode::FORBIDDEN, "insufficient_scope", error.to_string())
            },
            UserClaimsError::Nobody => Self::invalid_token(error.to_string()),
            UserClaimsError::Store(error) => error.into(),
            UserClaimsError::Response(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<ResponseError> for OAuthError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::NoRecipient(why) => Self::invalid_request(why.to_string()),
            ResponseError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<BearerRefusal> for OAuthError {
    fn from(refusal: BearerRefusal) -> Self {
        let error = Self::new(refusal.status(), refusal.oauth_error(), refusal.detail());
        Self { challenge: Some(refusal.challenge()), ..error }
    }
}

impl From<BodyError> for OAuthError {
    fn from(error: BodyError) -> Self {
        Self::new(error.status(), "invalid_request", error.to_string())
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'e> {
            error: &'e str,
            error_description: &'e str,
        }

        let body = Body { error: self.error, error_description: &self.description };
        // Strings only: there is nothing that JSON could refuse.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, body).into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds_to_wait(after));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_of_the_characters_that_it_may_have() {
        let cases = [
            ("the scope is no scope", "the scope is no scope"),
            (r#"the parameter "scope" is given twice"#, "the parameter 'scope' is given twice"),
            ("a\\b\r\nc\u{e9}\u{7f}\u{202e}", "a?b??c???"),
        ];
        for (text, want) in cases {
            assert_eq!(OAuthError::invalid_request(text).description, want);
        }
        let all: String = (char::MIN..=char::MAX).step_by(7).chain('\0'..='\u{ff}').collect();
        let is_allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(printable(all.into()).bytes().all(is_allowed));
    }
}

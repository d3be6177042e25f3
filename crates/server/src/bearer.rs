//! Access tokens presented to the issuer's own endpoints
//! ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).

use gatepass_issuer::{ADMIN_SCOPE, BearerError, Caller, Issuer};
use gatepass_jose::{Rejection, Timestamp};
use gatepass_revocation::{Kind, Reason};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::authorization::Authorization;
use crate::problem::Problem;

/// Why a request with or without an access token is turned away. The wire says less than the log.
#[derive(Debug)]
pub(crate) enum BearerRefusal {
    /// There is no access token.
    Missing,
    /// There are two `Authorization` headers.
    Several,
    /// There is one that does not hold.
    Invalid(BearerError),
    /// It does not allow this.
    InsufficientScope,
}

/// The caller that the request's access token speaks for.
pub(crate) fn authenticate(
    issuer: &Issuer,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Caller, BearerRefusal> {
    issuer.authenticate(token(headers)?, now).map_err(|error| {
        let refusal = BearerRefusal::Invalid(error);
        refusal.audit();
        refusal
    })
}

/// The request's access token, not believed yet.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, BearerRefusal> {
    match Authorization::of(headers) {
        Authorization::Bearer(token) => Ok(token),
        Authorization::Several => Err(BearerRefusal::Several),
        Authorization::Absent | Authorization::Basic(_) | Authorization::Other => Err(BearerRefusal::Missing),
    }
}

/// As [`authenticate`], for callers who administer the issuer.
pub(crate) fn authenticate_admin(
    issuer: &Issuer,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Caller, BearerRefusal> {
    let caller = authenticate(issuer, headers, now)?;
    if caller.is_admin() { Ok(caller) } else { Err(BearerRefusal::InsufficientScope) }
}

impl BearerRefusal {
    /// Tells the log of a token that does not hold: the check that failed, and nothing that the token says of
    /// itself.
    pub(crate) fn audit(&self) {
        let Self::Invalid(error) = self else { return };
        let check = match error {
            BearerError::Rejected(rejection) => rejection.code(),
            BearerError::Revoked(revoked) => revoked.kind.name(),
            BearerError::Audience => "wrong-audience",
            BearerError::Bound => "sender-bound",
            _ => "other",
        };
        tracing::info!(target: "gatepass::audit", event = "access-token-refused", check);
    }

    /// Whether the session that the token belongs to has ended already.
    pub(crate) fn session_has_ended(&self) -> bool {
        matches!(self, Self::Invalid(BearerError::Revoked(revoked)) if revoked.kind == Kind::Session)
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Several => StatusCode::BAD_REQUEST,
            Self::Missing | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
        }
    }

    /// The code of RFC 6750 section 3.1.
    pub(crate) fn oauth_error(&self) -> &'static str {
        match self {
            Self::Several => "invalid_request",
            Self::Missing | Self::Invalid(_) => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// The problem's code, the same as a guard's.
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Several => "invalid-request",
            Self::Invalid(BearerError::Revoked(revoked)) if revoked.reason == Reason::CLAIMS_CHANGED => {
                "claims-changed"
            }
            Self::Invalid(BearerError::Revoked(_)) => "revoked",
            Self::Invalid(BearerError::Rejected(Rejection::Expired { .. })) => "expired",
            Self::Invalid(_) => "invalid-token",
            Self::InsufficientScope => "insufficient-scope",
        }
    }

    pub(crate) fn detail(&self) -> &'static str {
        match self {
            Self::Missing => "this needs an access token: Authorization: Bearer ...",
            Self::Several => "there is more than one Authorization header",
            Self::Invalid(BearerError::Rejected(Rejection::Expired { .. })) => "the access token has expired",
            Self::Invalid(BearerError::Revoked(revoked)) if revoked.reason == Reason::CLAIMS_CHANGED => {
                "the token was revoked: claims-changed"
            }
            Self::Invalid(BearerError::Revoked(_)) => "the access token was revoked",
            Self::Invalid(_) => "the access token is not valid here",
            Self::InsufficientScope => "the access token does not have the scope for this",
        }
    }

    /// RFC 6750 section 3. Who sent no token at all hears of no error, only of the scheme.
    pub(crate) fn challenge(&self) -> HeaderValue {
        let challenge = match self {
            Self::Missing => r#"Bearer realm="gatepass""#.to_owned(),
            Self::InsufficientScope => {
                format!(r#"Bearer realm="gatepass", error="insufficient_scope", scope="{ADMIN_SCOPE}""#)
            }
            refusal => format!(
                r#"Bearer realm="gatepass", error="{}", error_description="{}""#,
                refusal.oauth_error(),
                refusal.detail()
            ),
        };
        // Made of our own words alone, all of them printable ASCII.
        HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

impl From<BearerRefusal> for Problem {
    fn from(refusal: BearerRefusal) -> Self {
        let challenge = refusal.challenge();
        Problem::new(refusal.status(), refusal.code(), refusal.detail()).header(WWW_AUTHENTICATE, challenge)
    }
}

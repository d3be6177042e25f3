//! Access tokens presented to the issuer's own endpoints
//! ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).

use gatepass_issuer::{ADMIN_SCOPE, BearerError, Caller, DpopError, Issuer, Possession};
use gatepass_jose::{Rejection, Timestamp};
use gatepass_revocation::{Kind, Reason};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::authorization::Authorization;
use crate::dpop::Proof;
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

/// An access token as it was sent, not believed yet.
#[derive(Clone, Copy)]
pub(crate) struct SentToken<'r> {
    pub(crate) token: &'r str,
    /// What came with it.
    pub(crate) shown: Possession<'r>,
}

/// The caller that the request's access token speaks for.
pub(crate) async fn authenticate(
    issuer: &Issuer,
    headers: &HeaderMap,
    proof: &Proof,
    now: Timestamp,
) -> Result<Caller, BearerRefusal> {
    let sent = sent_token(headers, proof)?;
    issuer.authenticate(sent.token, sent.shown, now).await.map_err(|error| {
        let refusal = BearerRefusal::Invalid(error);
        refusal.audit();
        refusal
    })
}

/// The request's access token, in either scheme
/// ([RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
pub(crate) fn sent_token<'r>(
    headers: &'r HeaderMap,
    proof: &'r Proof,
) -> Result<SentToken<'r>, BearerRefusal> {
    match Authorization::of(headers) {
        Authorization::Dpop(token) => {
            let dpop = proof.shown().ok_or(BearerRefusal::Invalid(DpopError::Missing.into()))?;
            Ok(SentToken { token, shown: Possession { dpop: Some(dpop), x5t: proof.x5t() } })
        }
        _ => Ok(SentToken { token: token(headers)?, shown: Possession { dpop: None, x5t: proof.x5t() } }),
    }
}

/// The request's access token where none is taken that is bound to a key.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, BearerRefusal> {
    match Authorization::of(headers) {
        Authorization::Bearer(token) => Ok(token),
        Authorization::Dpop(_) => Err(BearerRefusal::Invalid(BearerError::Bound)),
        Authorization::Several => Err(BearerRefusal::Several),
        Authorization::Absent | Authorization::Basic(_) | Authorization::Other => Err(BearerRefusal::Missing),
    }
}

/// As [`authenticate`], for callers who administer the issuer.
pub(crate) async fn authenticate_admin(
    issuer: &Issuer,
    headers: &HeaderMap,
    proof: &Proof,
    now: Timestamp,
) -> Result<Caller, BearerRefusal> {
    let caller = authenticate(issuer, headers, proof, now).await?;
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
            BearerError::NotBound => "not-sender-bound",
            BearerError::Dpop(DpopError::Nonce) => "dpop-nonce",
            BearerError::Dpop(_) => "dpop-proof",
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
            Self::Invalid(BearerError::Dpop(DpopError::Nonce)) => "use_dpop_nonce",
            Self::Invalid(BearerError::Dpop(DpopError::AnotherKey)) => "invalid_token",
            Self::Invalid(BearerError::Dpop(_)) => "invalid_dpop_proof",
            Self::Missing | Self::Invalid(_) => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// Whether the fault is the proof's, so that the challenge is DPoP's
    /// ([RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    fn is_of_dpop(&self) -> bool {
        matches!(self, Self::Invalid(BearerError::Dpop(_) | BearerError::Bound))
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
            Self::Invalid(BearerError::Dpop(DpopError::Nonce)) => "use-dpop-nonce",
            Self::Invalid(BearerError::Dpop(_)) => "invalid-dpop-proof",
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
            Self::Invalid(BearerError::Bound) => {
                "the access token is bound to a key or a certificate that the request does not show"
            }
            Self::Invalid(BearerError::Dpop(DpopError::Nonce)) => {
                "the DPoP proof must carry the nonce given here"
            }
            Self::Invalid(BearerError::Dpop(DpopError::Replayed)) => "the DPoP proof was used before",
            Self::Invalid(BearerError::Dpop(_)) => "the DPoP proof does not hold for this request",
            Self::Invalid(_) => "the access token is not valid here",
            Self::InsufficientScope => "the access token does not have the scope for this",
        }
    }

    /// RFC 6750 section 3. Who sent no token at all hears of no error, only of the scheme.
    pub(crate) fn challenge(&self) -> HeaderValue {
        let scheme = if self.is_of_dpop() { "DPoP" } else { "Bearer" };
        let challenge = match self {
            Self::Missing => r#"Bearer realm="gatepass""#.to_owned(),
            Self::InsufficientScope => {
                format!(r#"Bearer realm="gatepass", error="insufficient_scope", scope="{ADMIN_SCOPE}""#)
            }
            refusal => format!(
                r#"{scheme} realm="gatepass", error="{}", error_description="{}""#,
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

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use gatepass_jose::{Malformed, Rejection};
use gatepass_revocation::{Reason, Revoked};
use gatepass_token::{DpopRejection, ScopeSet};
use serde::Serialize;

use crate::challenge::Challenge;
use crate::{UserAuthentication, WeakAuthentication};

/// Why a request is not let through: one variant per check.
///
/// It has two faces. [`Display`](std::fmt::Display) and [`audit`](Self::audit) are for the log and say
/// exactly which check failed and how. [`status`](Self::status), [`code`](Self::code),
/// [`www_authenticate`](Self::www_authenticate) and [`problem`](Self::problem) are for the wire: they tell
/// clients what they can act on (refresh, log in, ask for a scope) and an attacker nothing about how close
/// a forgery came.
///
/// ```
/// use gatepass_guard::Denied;
///
/// assert_eq!(Denied::Missing.status(), 401);
/// // RFC 6750 section 3.1: no error code when the request lacks any authentication information.
/// assert_eq!(Denied::Missing.www_authenticate().unwrap(), "Bearer realm=\"api\"");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The request has no access token.
    #[error("the request has no access token")]
    Missing,
    /// The `Authorization` field is not one field of one well-formed token.
    #[error("the request's authorization is malformed: {0}")]
    BadRequest(BadAuthorization),
    /// None of the guard's issuers is the token's.
    #[error("the token names the issuer `{}`, which is not trusted here", .issuer.escape_debug())]
    UntrustedIssuer {
        /// What the token says, at most 200 characters of it.
        issuer: String,
    },
    /// The token is not valid.
    #[error("{0}")]
    Rejected(Rejection),
    /// The token is encrypted, and not for a key of this guard, or tampered with, or it holds no signed token. Which of these
    /// it is nobody is told.
    #[error("the token is encrypted, and no key here opens it as one that was signed before")]
    Undecryptable,
    /// The token is not encrypted, which is demanded of its issuer's.
    #[error("the token is not encrypted, and this issuer's must be")]
    NotEncrypted,
    /// The token was valid, and is revoked.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// The issuer, asked about the token, said that it is not active.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// The issuer's status list does not call the token valid: it is revoked (1), suspended (2), or what the
    /// issuer means by another number.
    #[error("the issuer's status list gives the token the status {0}, which is not that of a valid one")]
    Status(u8),
    /// Nobody can say whether the token is revoked: it has no place in a status list that may be asked.
    #[error(transparent)]
    NoStatus(#[from] NoStatus),
    /// The token is bound to a key that the sender did not show, or to none where one is demanded.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The DPoP proof that came with the token is not good.
    #[error(transparent)]
    DpopProof(#[from] DpopProblem),
    /// The DPoP proof lacks the nonce that is asked for. Not worth a line in the log: every client begins so.
    #[error("the DPoP proof lacks the nonce that is asked for")]
    UseDpopNonce {
        /// The nonce to use, for the `DPoP-Nonce` field.
        nonce: String,
    },
    /// The ticket is good, and not for this.
    #[error(transparent)]
    Ticket(#[from] TicketProblem),
    /// Nobody can say whether the ticket was used before.
    #[error("the issuer could not be asked to use up the ticket: {0}")]
    TicketNotConsumed(String),
    /// No further DPoP proof can be remembered.
    #[error("no room is left to remember DPoP proofs, so that none could be told from its repetition")]
    TooManyProofs,
    /// A DPoP proof cannot be checked on a route whose URL the guard was not told.
    #[error("the guard was not told under which URL clients reach this route, which a DPoP proof names")]
    NoExternalUrl,
    /// The token lacks a scope that the route demands.
    #[error("the token lacks a scope that is required: {required}")]
    InsufficientScope {
        /// All that is required.
        required: ScopeSet,
    },
    /// The token's subject has none of the roles that the route demands.
    #[error("the token has none of the roles that are required: {}", .required.join(", "))]
    MissingRole {
        /// Any of these would do.
        required: Vec<String>,
    },
    /// A claim is not what the route demands.
    #[error("the claim `{claim}` is not what is required")]
    WrongClaim {
        /// Its name.
        claim: String,
    },
    /// The user's login was not as strong, or not as recent, as the route demands
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[error("{problem}")]
    InsufficientUserAuthentication {
        /// How it was not.
        problem: WeakAuthentication,
        /// What is demanded.
        required: UserAuthentication,
    },
    /// The claims do not have the form that the handler expects.
    #[error("the claims do not have the form that this service expects: {0}")]
    CustomClaims(String),
    /// The view of the revocations is too old to vouch for any token.
    #[error("the view of the revocations is stale: {}", staleness(.0))]
    Stale(Option<Duration>),
    /// No key set of the issuer has been fetched yet.
    #[error("the issuer's key set has not been fetched yet")]
    NoKeys,
    /// The issuer was to be asked about the token, and did not answer.
    #[error("the issuer could not be asked about the token: {0}")]
    IntrospectionFailed(String),
    /// A handler asked for a verified token on a route that no guard protects.
    #[error("no guard has looked at this request: the route lacks its GuardLayer")]
    Unguarded,
}

/// What is wrong with an `Authorization` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAuthorization {
    /// More than one field: what one reader checks, another might not.
    #[error("there is more than one Authorization field")]
    Repeated,
    /// A ticket beside an `Authorization` field, or more than one.
    #[error("there is a ticket beside another credential, or beside another ticket")]
    Ticket,
    /// Not the scheme, a space and a `b64token` ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[error("the credentials are not a single access token")]
    Credentials,
}

/// Why a ticket that its issuer minted opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketProblem {
    /// It is for another method, path or query than the request's.
    #[error("the ticket is for another request")]
    AnotherRequest,
    /// The issuer says that it was used before, or is good no longer.
    #[error("the issuer says that the ticket was used before, or is good no longer")]
    Refused,
    /// The access token that it was minted for has expired, and with it what the ticket opened.
    #[error("the access token that the ticket was minted for has expired")]
    Ended,
    /// This issuer's tickets are not taken here.
    #[error("nothing is configured that could tell whether this issuer's tickets are used or revoked")]
    NotTaken,
}

impl TicketProblem {
    fn check(self) -> &'static str {
        match self {
            TicketProblem::AnotherRequest => "ticket-request",
            TicketProblem::Refused => "ticket-refused",
            TicketProblem::Ended => "ticket-ended",
            TicketProblem::NotTaken => "ticket-not-taken",
        }
    }
}

/// Why a status list says nothing of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoStatus {
    /// The token has no claim `status` with a well-formed `status_list`.
    #[error("the token names no place in a status list")]
    NotNamed,
    /// The list that it names is at a place that the configuration does not allow.
    #[error("the token names the status list `{}`, which is not asked", .uri.escape_debug())]
    Elsewhere {
        /// What the token says, at most 200 characters of it.
        uri: String,
    },
    /// The list is shorter than the token's place in it.
    #[error("the status list has no place of the token's number")]
    NotListed,
}

/// How a token's binding and its sender do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// It is bound to a DPoP key and came as if it were anybody's
    /// ([RFC 9449 section 7.2](https://www.rfc-editor.org/rfc/rfc9449#section-7.2)).
    #[error("the token is bound to a DPoP key and was sent under the scheme Bearer")]
    WithoutProof,
    /// It came under the scheme `DPoP` and is bound to no such key
    /// ([RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    #[error("the token was sent under the scheme DPoP and is bound to no DPoP key")]
    NotBound,
    /// It is bound to no DPoP key, which the issuer's configuration or the route demands.
    #[error("the token is bound to no DPoP key, and this request needs one that is")]
    DpopRequired,
    /// The proof was made with another key than the one it is bound to.
    #[error("the DPoP proof was made with another key than the token is bound to")]
    AnotherKey,
    /// It is bound to a TLS certificate and the client showed none
    /// ([RFC 8705 section 3](https://www.rfc-editor.org/rfc/rfc8705#section-3)).
    #[error("the token is bound to a TLS certificate, and the client showed none")]
    NoCertificate,
    /// It is bound to another TLS certificate than the client's.
    #[error("the token is bound to another TLS certificate than the client's")]
    AnotherCertificate,
    /// It is bound in a way that is not understood here (RFC 7800).
    #[error("the token is bound to a key in a way that is not understood here")]
    UnknownConfirmation,
}

/// What is wrong with the DPoP proof of a request
/// ([RFC 9449 section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DpopProblem {
    /// There is none.
    #[error("the request has no DPoP proof")]
    Missing,
    /// There is more than one: what one reader checks, another might not.
    #[error("there is more than one DPoP field")]
    Repeated,
    /// It does not hold.
    #[error("{0}")]
    Rejected(#[from] DpopRejection),
    /// It was used before.
    #[error("the DPoP proof was used before")]
    Replayed,
}

impl Unproven {
    fn check(self) -> &'static str {
        match self {
            Unproven::WithoutProof => "dpop-scheme",
            Unproven::NotBound => "dpop-unbound",
            Unproven::DpopRequired => "dpop-required",
            Unproven::AnotherKey => "dpop-key",
            Unproven::NoCertificate => "no-certificate",
            Unproven::AnotherCertificate => "another-certificate",
            Unproven::UnknownConfirmation => "unknown-confirmation",
        }
    }
}

impl DpopProblem {
    fn check(self) -> &'static str {
        match self {
            DpopProblem::Missing => "dpop-missing",
            DpopProblem::Repeated => "dpop-repeated",
            DpopProblem::Rejected(DpopRejection::Method) => "dpop-method",
            DpopProblem::Rejected(DpopRejection::Uri) => "dpop-uri",
            DpopProblem::Rejected(
                DpopRejection::Stale { .. }
                | DpopRejection::Expired { .. }
                | DpopRejection::NotYetValid { .. },
            ) => "dpop-stale",
            DpopProblem::Rejected(DpopRejection::AccessToken) => "dpop-access-token",
            DpopProblem::Rejected(DpopRejection::Signature) => "dpop-signature",
            DpopProblem::Rejected(_) => "dpop-malformed",
            DpopProblem::Replayed => "dpop-replayed",
        }
    }
}

/// Tells a client which nonce its next proof must have
/// ([RFC 9449 section 8.2](https://www.rfc-editor.org/rfc/rfc9449#section-8.2)).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

impl From<Malformed> for Denied {
    fn from(malformed: Malformed) -> Self {
        Denied::Rejected(Rejection::Malformed(malformed))
    }
}

/// The body of a refusal ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is, and `code` which one.
    #[serde(rename = "type")]
    pub type_uri: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What to do about it.
    pub detail: &'static str,
    /// The stable name that programs look at.
    pub code: &'static str,
}

/// What the wire says of a refusal: one row of a table.
pub(crate) struct Wire {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    /// The `error` of RFC 6750 section 3.1, of RFC 9449 section 7.1 or of RFC 9470 section 3.
    pub(crate) error: Option<&'static str>,
    detail: &'static str,
}

impl Denied {
    pub(crate) fn wire(&self) -> Wire {
        let row = |status, code, error, detail| Wire { status, code, error, detail };
        let invalid = |code, detail| row(StatusCode::UNAUTHORIZED, code, Some("invalid_token"), detail);
        let forbidden = |code, detail| row(StatusCode::FORBIDDEN, code, Some("insufficient_scope"), detail);
        match self {
            Denied::Missing => row(
                StatusCode::UNAUTHORIZED,
                "token-missing",
                None,
                "Send an access token in the Authorization header, as `Bearer` and the token.",
            ),
            Denied::BadRequest(BadAuthorization::Ticket) => row(
                StatusCode::BAD_REQUEST,
                "invalid-request",
                Some("invalid_request"),
                "Send either one ticket or an Authorization header.",
            ),
            Denied::BadRequest(_) => row(
                StatusCode::BAD_REQUEST,
                "invalid-request",
                Some("invalid_request"),
                "Send exactly one Authorization header, with `Bearer` and one token.",
            ),
            Denied::Unproven(Unproven::DpopRequired) => {
                invalid("dpop-required", "This request needs an access token that is bound to a DPoP key.")
            }
            Denied::DpopProof(_) => row(
                StatusCode::UNAUTHORIZED,
                "invalid-dpop-proof",
                Some("invalid_dpop_proof"),
                "Send one DPoP header, with a new proof for this method, this URL and this access token.",
            ),
            Denied::Ticket(TicketProblem::Ended) => {
                invalid("expired", "The access token that the ticket was made with has expired.")
            }
            Denied::Ticket(_) => invalid(
                "invalid-ticket",
                "The ticket is not good for this request, or was used. Get a new one.",
            ),
            Denied::UseDpopNonce { .. } => row(
                StatusCode::UNAUTHORIZED,
                "use-dpop-nonce",
                Some("use_dpop_nonce"),
                "Send a DPoP proof with the nonce of this answer's DPoP-Nonce header.",
            ),
            Denied::Rejected(Rejection::Expired { .. }) => {
                invalid("expired", "The access token expired. Refresh it and try again.")
            }
            Denied::Revoked(revoked) if revoked.reason == Reason::CLAIMS_CHANGED => invalid(
                "claims-changed",
                "What the access token says is no longer true. Refresh it and try again.",
            ),
            Denied::Revoked(_) | Denied::Inactive | Denied::Status(_) => {
                invalid("revoked", "The access token was revoked.")
            }
            Denied::Rejected(_)
            | Denied::Undecryptable
            | Denied::NotEncrypted
            | Denied::UntrustedIssuer { .. }
            | Denied::CustomClaims(_)
            | Denied::NoStatus(_)
            | Denied::Unproven(_) => invalid("invalid-token", "The access token is not valid here."),
            Denied::InsufficientScope { .. } => {
                forbidden("insufficient-scope", "The access token lacks a scope that this request needs.")
            }
            Denied::MissingRole { .. } | Denied::WrongClaim { .. } => {
                forbidden("forbidden", "The access token does not allow this request.")
            }
            Denied::InsufficientUserAuthentication { .. } => row(
                StatusCode::UNAUTHORIZED,
                "insufficient-user-authentication",
                Some("insufficient_user_authentication"),
                "This request needs a stronger or a more recent login. Log in again as the challenge says.",
            ),
            Denied::Stale(_)
            | Denied::NoKeys
            | Denied::IntrospectionFailed(_)
            | Denied::TicketNotConsumed(_)
            | Denied::TooManyProofs => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "verification-unavailable",
                None,
                "Access tokens cannot be verified at the moment. Try again with the same token.",
            ),
            Denied::Unguarded | Denied::NoExternalUrl => row(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal-error",
                None,
                "The server is not set up correctly.",
            ),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.wire().status
    }

    /// The stable name of the refusal: `token-missing`, `invalid-request`, `invalid-token`, `invalid-ticket`, `expired`,
    /// `revoked`, `claims-changed`, `dpop-required`, `invalid-dpop-proof`, `use-dpop-nonce`,
    /// `insufficient-scope`, `forbidden`, `insufficient-user-authentication`, `verification-unavailable` or
    /// `internal-error`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.wire().code
    }

    /// The challenge for the `WWW-Authenticate` field
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)) of a resource server that has not
    /// said which schemes it takes; none where another token would change nothing. A [`Challenge`] knows
    /// more.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<String> {
        Challenge::default().fields(self).into_iter().next()
    }

    /// The body of the answer.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let wire = self.wire();
        Problem {
            type_uri: "about:blank",
            title: wire.status.canonical_reason().unwrap_or_default(),
            status: wire.status.as_u16(),
            detail: wire.detail,
            code: wire.code,
        }
    }

    /// The whole answer: status, challenge, problem details. The refusal is in its extensions, so that who
    /// knows more can complete the challenge ([`Challenge::complete`]).
    #[must_use]
    pub fn to_response<B: From<Bytes>>(&self) -> Response<B> {
        // Text and a number: there is nothing that JSON could refuse.
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = Response::new(B::from(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.set_fields(headers, &Challenge::default());
        response.extensions_mut().insert(self.clone());
        response
    }

    /// The header fields by which clients understand the refusal.
    pub(crate) fn set_fields(&self, headers: &mut HeaderMap, challenge: &Challenge) {
        headers.remove(WWW_AUTHENTICATE);
        for field in challenge.fields(self) {
            // A challenge is made of what a field may hold.
            if let Ok(field) = HeaderValue::try_from(field) {
                headers.append(WWW_AUTHENTICATE, field);
            }
        }
        if let Denied::UseDpopNonce { nonce } = self
            && let Ok(nonce) = HeaderValue::try_from(nonce)
        {
            headers.insert(DPOP_NONCE, nonce);
        }
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
    }

    /// The name of the check that failed, for logs and metrics: finer than [`code`](Self::code).
    #[must_use]
    pub fn check(&self) -> &'static str {
        match self {
            Denied::Rejected(rejection) => rejection.code(),
            Denied::UntrustedIssuer { .. } => "untrusted-issuer",
            Denied::Revoked(revoked) => revoked.kind.name(),
            Denied::Undecryptable => "undecryptable",
            Denied::NotEncrypted => "not-encrypted",
            Denied::Inactive => "inactive",
            Denied::Status(_) => "status",
            Denied::NoStatus(_) => "no-status",
            Denied::Unproven(unproven) => unproven.check(),
            Denied::DpopProof(problem) => problem.check(),
            Denied::Ticket(problem) => problem.check(),
            Denied::TicketNotConsumed(_) => "ticket-not-consumed",
            Denied::TooManyProofs => "dpop-replay-memory",
            Denied::NoExternalUrl => "no-external-url",
            Denied::MissingRole { .. } => "role",
            Denied::WrongClaim { .. } => "claim",
            Denied::InsufficientUserAuthentication { problem, .. } => problem.check(),
            Denied::CustomClaims(_) => "custom-claims",
            Denied::Stale(_) => "stale",
            Denied::NoKeys => "no-keys",
            Denied::IntrospectionFailed(_) => "introspection",
            Denied::Missing
            | Denied::BadRequest(_)
            | Denied::InsufficientScope { .. }
            | Denied::UseDpopNonce { .. }
            | Denied::Unguarded => self.code(),
        }
    }

    /// Writes the refusal to the audit log: a `tracing` event with the target `gatepass::audit`, complete
    /// and without anything secret. `request` is what was asked for; whoever asked is named if known.
    ///
    /// A request without a token, or without a nonce that it cannot know yet, is no event worth keeping and
    /// goes to the level `debug`.
    pub fn audit(&self, request: &str, who: Option<&crate::Admitted>) {
        let detail: String = self.to_string().escape_debug().take(300).collect();
        let request: String = request.escape_debug().take(300).collect();
        let (code, check) = (self.code(), self.check());
        let (iss, sub, jti) = match who {
            Some(who) => (
                Some(who.iss.as_str()),
                Some(who.sub.as_str()),
                Some(who.jti.as_str()).filter(|jti| !jti.is_empty()),
            ),
            None => (None, None, None),
        };
        match self {
            Denied::Missing | Denied::UseDpopNonce { .. } => {
                tracing::debug!(target: "gatepass::audit", event = "denied", code, check, detail, request);
            }
            Denied::Unguarded | Denied::NoExternalUrl => {
                tracing::error!(target: "gatepass::audit", event = "denied", code, check, detail, request);
            }
            _ => {
                tracing::info!(
                    target: "gatepass::audit", event = "denied", code, check, detail, request, iss, sub, jti
                )
            }
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> axum::response::Response {
        self.to_response()
    }
}

fn staleness(staleness: &Option<Duration>) -> String {
    match staleness {
        Some(age) => format!("it was last known to be complete {} s ago", age.as_secs()),
        None => "it has never been complete".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use gatepass_jose::{Audience, Timestamp};
    use gatepass_revocation::Kind;

    use super::*;

    fn revoked(reason: Reason) -> Denied {
        Denied::Revoked(Revoked { kind: Kind::Session, reason })
    }

    fn elsewhere() -> Rejection {
        let expected = Audience::new(["https://api.example.com"]).unwrap();
        Rejection::Audience { expected, found: Vec::new() }
    }

    #[test]
    fn what_the_wire_says() {
        let now = Timestamp::EPOCH;
        let invalid_token = |code| {
            (
                401,
                code,
                Some(format!("Bearer realm=\"api\", error=\"invalid_token\", error_description=\"{code}\"")),
            )
        };
        let cases = [
            (Denied::Missing, (401, "token-missing", Some("Bearer realm=\"api\"".to_owned()))),
            (
                Denied::BadRequest(BadAuthorization::Repeated),
                (
                    400,
                    "invalid-request",
                    Some("Bearer realm=\"api\", error=\"invalid_request\", error_description=\"invalid-request\"".into()),
                ),
            ),
            (Denied::Rejected(Rejection::Signature), invalid_token("invalid-token")),
            (Denied::Rejected(elsewhere()), invalid_token("invalid-token")),
            (Denied::Rejected(Rejection::UnknownKey { kid: Some("\n".into()) }), invalid_token("invalid-token")),
            (Denied::Rejected(Rejection::Expired { exp: now, now }), invalid_token("expired")),
            (Denied::UntrustedIssuer { issuer: "x".into() }, invalid_token("invalid-token")),
            (revoked(Reason::LOGOUT), invalid_token("revoked")),
            (revoked(Reason::CLAIMS_CHANGED), invalid_token("claims-changed")),
            (Denied::Inactive, invalid_token("revoked")),
            (
                Denied::InsufficientScope { required: "b a".parse().unwrap() },
                (
                    403,
                    "insufficient-scope",
                    Some("Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"insufficient-scope\", scope=\"a b\"".into()),
                ),
            ),
            (
                Denied::MissingRole { required: vec!["admin".into()] },
                (
                    403,
                    "forbidden",
                    Some("Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"forbidden\"".into()),
                ),
            ),
            (Denied::Stale(None), (503, "verification-unavailable", None)),
            (Denied::NoKeys, (503, "verification-unavailable", None)),
            (Denied::Unguarded, (500, "internal-error", None)),
        ];
        for (denied, (status, code, challenge)) in cases {
            assert_eq!(denied.status(), status, "{denied}");
            assert_eq!(denied.code(), code, "{denied}");
            assert_eq!(denied.www_authenticate(), challenge, "{denied}");
        }
    }

    #[test]
    fn the_answer_is_a_problem_that_does_not_tell_which_check_failed() {
        let answers: Vec<_> = [Rejection::Signature, elsewhere(), Rejection::Malformed(Malformed::Parts)]
            .map(|rejection| Denied::Rejected(rejection).to_response::<Bytes>())
            .into_iter()
            .map(|answer| (answer.status(), answer.headers().clone(), answer.into_body()))
            .collect();
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        let (_, headers, body) = &answers[0];
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(body).unwrap(),
            serde_json::json!({
                "type": "about:blank",
                "title": "Unauthorized",
                "status": 401,
                "detail": "The access token is not valid here.",
                "code": "invalid-token",
            })
        );
    }

    #[test]
    fn the_log_hears_what_the_wire_does_not() {
        let denied = Denied::Rejected(elsewhere());
        assert_eq!((denied.code(), denied.check()), ("invalid-token", "wrong-audience"));
        assert_eq!(denied.to_string(), "the token is meant for nobody, not for https://api.example.com");
        let stale = Denied::Stale(Some(Duration::from_millis(31_500)));
        assert_eq!(
            stale.to_string(),
            "the view of the revocations is stale: it was last known to be complete 31 s ago"
        );
    }

    /// Everything that `write` logs, as one text.
    fn logged(write: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, write);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_audit_log_is_complete_and_one_line_an_event() {
        let kid = Some(format!("k\nINFO forged {}", "x".repeat(1_000)));
        let denied = Denied::Rejected(Rejection::UnknownKey { kid });
        let log = logged(|| denied.audit("GET /api\n/orders", None));
        for part in
            ["INFO gatepass::audit: event=\"denied\"", "invalid-token", "unknown-key", "forged", "GET /api"]
        {
            assert!(log.contains(part), "{part} is not in {log}");
        }
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.len() < 800, "{log}");
        assert_eq!(logged(|| Denied::Missing.audit("GET /", None)), "", "debug is off");
    }
}

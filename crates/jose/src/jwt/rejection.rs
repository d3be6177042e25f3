//! Why a token was turned away.

use thiserror::Error;

use super::{Audience, Issuer};
use crate::header::{Malformed, Typ};
use crate::limits::{Excerpt, or_nothing};
use crate::{Alg, Timestamp};

/// Why a token was turned away: one variant per check, in the order of the checks. For the log; an
/// answer to a client says less.
///
/// What a token says of itself is only ever printed as a short [`Excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not a compact JWS with a strict JSON header and payload, or past one of the limits.
    #[error("the token is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// No key of the set has this `kid`.
    #[error("no key of the issuer's set is named {}", kid.as_deref().map_or_else(|| "by the token".into(), |kid| Excerpt::of(kid).to_string()))]
    UnknownKey {
        /// What the header says, if it says anything: all of it, for whoever looks the key up elsewhere.
        kid: Option<String>,
    },
    /// The header names another algorithm than the key's. [RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1).
    #[error("the header names the algorithm {found}, and the key is for {key}")]
    AlgMismatch {
        /// The key's own algorithm.
        key: Alg,
        /// What the header says.
        found: Excerpt,
    },
    /// `typ` is missing or names another kind of token. [RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11).
    #[error("the token's type is {}, not \"{expected}\"", or_nothing(found.as_ref()))]
    Typ {
        /// What the verifier takes.
        expected: Typ,
        /// What the header says, if it says anything.
        found: Option<Excerpt>,
    },
    /// The signature is not the key's over this text.
    #[error("the signature does not verify")]
    Signature,
    /// The payload lacks a required claim, or one has the wrong type.
    #[error("the claims do not have the expected form: {problem}")]
    Claims {
        /// What is wrong, without the value that is.
        problem: String,
    },
    /// `iss` is missing or another's.
    #[error("the token was issued by {}, not by \"{expected}\"", or_nothing(found.as_ref()))]
    Issuer {
        /// What the verifier takes.
        expected: Issuer,
        /// What the token says, if it says anything.
        found: Option<Excerpt>,
    },
    /// `aud` is missing or names others.
    #[error("the token is meant for {}, not for {}", listed(found), listed(expected.iter()))]
    Audience {
        /// What the verifier takes.
        expected: Audience,
        /// The first few that the token names.
        found: Vec<Excerpt>,
    },
    /// `exp` is missing.
    #[error("the token has no expiry")]
    NoExpiry,
    /// `exp` is not after `now`. [RFC 7519 section 4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4).
    #[error("the token expired at {exp}, and it is {now}")]
    Expired {
        /// The token's expiry.
        exp: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// `nbf` is after `now`. [RFC 7519 section 4.1.5](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5).
    #[error("the token is not valid before {nbf}, and it is {now}")]
    NotYetValid {
        /// The start of the token's validity.
        nbf: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
}

impl Rejection {
    /// A short stable name of the check that failed, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::TooLong { .. }) => "too-long",
            Self::Malformed(_) => "malformed",
            Self::UnknownKey { .. } => "unknown-key",
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::Typ { .. } => "wrong-type",
            Self::Signature => "bad-signature",
            Self::Claims { .. } => "bad-claims",
            Self::Issuer { .. } => "wrong-issuer",
            Self::Audience { .. } => "wrong-audience",
            Self::NoExpiry => "no-expiry",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
        }
    }
}

/// So many audiences of a token are repeated.
pub(super) const LISTED: usize = 4;

fn listed(values: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    if values.is_empty() { "nobody".to_owned() } else { values.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_is_a_sentence_that_says_what_was_expected_and_found() {
        let issuer = || Issuer::new("https://a.example").unwrap();
        let audience = || Audience::new(["x", "y"]).unwrap();
        let (exp, now) = (Timestamp::from_secs(1000), Timestamp::from_millis(1_001_050));
        let cases = [
            (Rejection::UnknownKey { kid: None }, "no key of the issuer's set is named by the token"),
            (
                Rejection::UnknownKey { kid: Some("k\n1".to_owned()) },
                r#"no key of the issuer's set is named "k\n1""#,
            ),
            (
                Rejection::AlgMismatch { key: Alg::ES256, found: Excerpt::of("none") },
                r#"the header names the algorithm "none", and the key is for ES256"#,
            ),
            (
                Rejection::Typ { expected: Typ::ACCESS_TOKEN, found: None },
                r#"the token's type is nothing, not "at+jwt""#,
            ),
            (
                Rejection::Issuer { expected: issuer(), found: Some(Excerpt::of("b")) },
                r#"the token was issued by "b", not by "https://a.example""#,
            ),
            (
                Rejection::Audience { expected: audience(), found: vec![] },
                "the token is meant for nobody, not for x, y",
            ),
            (
                Rejection::Audience { expected: audience(), found: vec![Excerpt::of("a"), Excerpt::of("b")] },
                r#"the token is meant for "a", "b", not for x, y"#,
            ),
            (Rejection::Expired { exp, now }, "the token expired at 1000, and it is 1001.050"),
        ];
        for (rejection, want) in cases {
            assert_eq!(rejection.to_string(), want);
        }
    }
}

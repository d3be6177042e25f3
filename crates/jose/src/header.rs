//! The protected header, and tokens not yet believed.

use std::fmt;

use memchr::memchr_iter;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::json::{self, JsonError};
use crate::limits::Limits;
use crate::{Alg, base64url};

/// The media type of a token, as in the `typ` header parameter: what keeps an ID token from passing
/// for an access token ([RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typ(std::borrow::Cow<'static, str>);

impl Typ {
    /// `at+jwt`: an access token ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    pub const ACCESS_TOKEN: Self = Self::new("at+jwt");

    /// A type by its name, without `application/`. The empty name matches nothing.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// The name, without `application/`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether a header's `typ` names this type: media types compare without regard to case, and
    /// `application/` may be left out ([RFC 7515 section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
    #[must_use]
    pub fn matches(&self, typ: &str) -> bool {
        const PREFIX: &str = "application/";
        let bare = match typ.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => {
                typ.get(PREFIX.len()..).unwrap_or_default()
            }
            _ => typ,
        };
        !bare.is_empty() && bare.eq_ignore_ascii_case(&self.0)
    }
}

impl From<String> for Typ {
    /// A type whose name is known only when the program runs, without `application/`.
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Typ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The header this library writes, in this order.
#[derive(Serialize)]
pub(crate) struct HeaderOut<'a> {
    pub(crate) alg: Alg,
    pub(crate) typ: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) kid: &'a str,
}

impl HeaderOut<'_> {
    /// The header in base64url.
    pub(crate) fn encode(&self) -> String {
        // Strings with plain names are all there is, so nothing can fail to serialize.
        base64url::encode(&serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The header parameters that decide whether a token is looked at any further. `jku`, `x5u`, `x5c`
/// and `jwk` are not among them: keys come from the verifier's set and from nowhere else.
#[derive(Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default, deserialize_with = "json::not_null")]
    pub(crate) typ: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    pub(crate) kid: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "json::not_null")]
    b64: Option<IgnoredAny>,
}

/// Why a text is no token that could be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not three parts between dots.
    #[error("a compact JWS has three parts between two dots")]
    Parts,
    /// A part is not base64url, in its canonical spelling.
    #[error("a part is not base64url without padding")]
    Base64Url,
    /// The token is longer than [`Limits::token_bytes`].
    #[error("the token is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The header is longer than [`Limits::header_bytes`].
    #[error("the header is longer than {limit} bytes")]
    HeaderTooLong {
        /// The limit.
        limit: usize,
    },
    /// The header is not a strict JSON object with a string `alg`.
    #[error("the header is not valid: {0}")]
    Header(JsonError),
    /// The header asks for an extension (`crit`, `b64`); this library implements none for JWTs, and
    /// what is not understood is refused ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).
    #[error("the header demands an extension that is not understood")]
    Critical,
    /// The payload is not a strict JSON object.
    #[error("the payload is not valid: {0}")]
    Payload(JsonError),
}

impl Header {
    pub(crate) fn parse(encoded: &str, limits: &Limits) -> Result<Self, Malformed> {
        if encoded.len() > limits.header_bytes {
            return Err(Malformed::HeaderTooLong { limit: limits.header_bytes });
        }
        let bytes = base64url::decode(encoded).map_err(|_| Malformed::Base64Url)?;
        let header: Self = json::parse_object(&bytes, limits).map_err(Malformed::Header)?;
        if header.crit.is_some() || header.b64.is_some() {
            return Err(Malformed::Critical);
        }
        Ok(header)
    }
}

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// `header.payload`: what is signed.
    pub(crate) signing_input: &'t str,
}

impl<'t> Parts<'t> {
    pub(crate) fn split(token: &'t str, limits: &Limits) -> Result<Self, Malformed> {
        if token.len() > limits.token_bytes {
            return Err(Malformed::TooLong { limit: limits.token_bytes });
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Malformed::Parts);
        };
        let part = |from, to| token.get(from..to).ok_or(Malformed::Parts);
        Ok(Self {
            header: part(0, first)?,
            payload: part(first + 1, second)?,
            signature: part(second + 1, token.len())?,
            signing_input: part(0, second)?,
        })
    }
}

/// A compact JWS, decoded but **not verified**: everything in it may be a lie.
///
/// Good for two things only: choosing among configured issuers which one's keys to try, and showing
/// a token to a person.
#[derive(Debug)]
pub struct Unverified {
    header: Header,
    payload: Vec<u8>,
}

/// Decodes a token without verifying anything.
///
/// # Errors
/// [`Malformed`] when the text is not a compact JWS of bounded size with a strict JSON header.
pub fn decode_unverified(token: &str) -> Result<Unverified, Malformed> {
    let parts = Parts::split(token, &Limits::DEFAULT)?;
    let header = Header::parse(parts.header, &Limits::DEFAULT)?;
    let payload = base64url::decode(parts.payload).map_err(|_| Malformed::Base64Url)?;
    Ok(Unverified { header, payload })
}

impl Unverified {
    /// The claimed name of the key.
    #[must_use]
    pub fn unverified_kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The claimed type.
    #[must_use]
    pub fn unverified_typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The claimed algorithm, in the token's own spelling.
    #[must_use]
    pub fn unverified_alg(&self) -> &str {
        &self.header.alg
    }

    /// The payload's bytes as they are.
    #[must_use]
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The claims, which nobody vouches for.
    ///
    /// # Errors
    /// [`Malformed::Payload`] when the payload is not strict JSON that fits `C`.
    pub fn unverified_claims<C: serde::de::DeserializeOwned>(&self) -> Result<C, Malformed> {
        json::parse(&self.payload).map_err(Malformed::Payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typ_compares_as_a_media_type() {
        assert_eq!(Typ::from("at+jwt".to_owned()).to_string(), Typ::ACCESS_TOKEN.name());
        for same in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(Typ::ACCESS_TOKEN.matches(same), "{same}");
        }
        for other in [
            "JWT",
            "",
            "application/",
            "at+jwt ",
            "application/application/at+jwt",
            "presentation/at+jwt",
            "applications/at+jwt",
            "application:at+jwt",
            "id+jwt",
            "application/é",
        ] {
            assert!(!Typ::ACCESS_TOKEN.matches(other), "{other}");
        }
    }

    #[test]
    fn headers() {
        let limit = Limits::DEFAULT.header_bytes;
        let many: Vec<_> = (0..100).map(|number| format!("\"m{number}\":0")).collect();
        let many = format!("{{\"alg\":\"ES256\",{}}}", many.join(","));
        let long = format!("{{\"alg\":\"{}\"}}", "x".repeat(limit));
        let cases = [
            ("least", r#"{"alg":"ES256"}"#, None),
            ("unknown_member", r#"{"alg":"ES256","jku":"https://evil.example/keys"}"#, None),
            ("crit", r#"{"alg":"ES256","crit":["exp"]}"#, Some(Malformed::Critical)),
            ("empty_crit", r#"{"alg":"ES256","crit":[]}"#, Some(Malformed::Critical)),
            ("crit_null", r#"{"alg":"ES256","crit":null}"#, Some(Malformed::Critical)),
            ("b64_null", r#"{"alg":"ES256","b64":null}"#, Some(Malformed::Critical)),
            ("kid_null", r#"{"alg":"ES256","kid":null}"#, Some(Malformed::Header(JsonError::Malformed))),
            ("b64_false", r#"{"alg":"ES256","b64":false}"#, Some(Malformed::Critical)),
            ("no_alg", r#"{"kid":"1"}"#, Some(Malformed::Header(JsonError::Malformed))),
            ("alg_array", r#"{"alg":["ES256"]}"#, Some(Malformed::Header(JsonError::Malformed))),
            ("kid_number", r#"{"alg":"ES256","kid":1}"#, Some(Malformed::Header(JsonError::Malformed))),
            ("many_members", &many, None),
            (
                "two_algs",
                r#"{"alg":"ES256","alg":"none"}"#,
                Some(Malformed::Header(JsonError::DuplicateMember)),
            ),
            (
                "array_of_the_members",
                r#"["ES256","at+jwt","k1",null,null]"#,
                Some(Malformed::Header(JsonError::Malformed)),
            ),
            ("array", "[]", Some(Malformed::Header(JsonError::Malformed))),
            ("long", &long, Some(Malformed::HeaderTooLong { limit })),
        ];
        let exact = Limits { header_bytes: 28, ..Limits::DEFAULT };
        let parse = |json: &[u8]| Header::parse(&base64url::encode(json), &exact).err();
        assert_eq!(parse(br#"{ "alg":"ES256" }  "#), None, "26 characters");
        assert_eq!(parse(br#"{ "alg":"ES256" }    "#), None, "as long as it may be");
        assert_eq!(parse(br#"{ "alg":"ES256" }     "#), Some(Malformed::HeaderTooLong { limit: 28 }));
        for (name, json, want) in cases {
            assert_eq!(
                Header::parse(&base64url::encode(json.as_bytes()), &Limits::DEFAULT).err(),
                want,
                "{name}"
            );
        }
    }

    #[test]
    fn what_nobody_verified_is_shown_as_it_is() {
        let part = |json: &str| base64url::encode(json.as_bytes());
        let header = r#"{"alg":"none","kid":"k","typ":"JWT"}"#;
        let token = decode_unverified(&format!("{}.{}.", part(header), part(r#"{"sub":"eve"}"#))).unwrap();
        assert_eq!((token.unverified_alg(), token.unverified_kid()), ("none", Some("k")));
        assert_eq!(token.unverified_typ(), Some("JWT"));
        assert_eq!(token.unverified_payload(), br#"{"sub":"eve"}"#);
        assert_eq!(token.unverified_claims::<serde_json::Value>().unwrap()["sub"], "eve");
        let token = decode_unverified(&format!("{}.{}.", part(r#"{"alg":"x"}"#), part("no JSON"))).unwrap();
        assert_eq!((token.unverified_kid(), token.unverified_typ()), (None, None));
        let refused = token.unverified_claims::<serde_json::Value>().err();
        assert_eq!(refused, Some(Malformed::Payload(JsonError::Malformed)));
    }

    #[test]
    fn parts() {
        for (token, ok) in [
            ("a.b.c", true),
            ("..", true),
            ("a.b", false),
            ("a.b.c.d", false),
            ("a.b.c.d.e", false),
            ("", false),
        ] {
            assert_eq!(Parts::split(token, &Limits::DEFAULT).is_ok(), ok, "{token}");
        }
    }
}

//! JSON Web Tokens: signing claims, and believing them
//! ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519), checked as RFC 8725 asks).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::header::{Header, HeaderOut, MAX_TOKEN, Malformed, Parts, Typ};
use crate::json::{self, JsonError};
use crate::key::{KeySet, SigningKey, VerifyingKey};
use crate::{NumericDate, Timestamp, base64url};

/// The longest signature there is: RSA with 8192 bits.
const MAX_SIGNATURE: usize = 1024;
/// No deployment's clocks are further apart than this and still worth trusting.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Who mints: the value that `iss` must equal, character for character. Not empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(Arc<str>);

/// For whom: the value or values of `aud`. Never empty, and no value is.
///
/// Reads a string or an array of strings ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)),
/// writes a single value as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Vec<String>);

/// An issuer or audience that names nobody. It must stop the start-up, never a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an issuer or audience must not be empty")]
pub struct NamesNobody;

impl Issuer {
    /// Takes the exact value of `iss`.
    ///
    /// # Errors
    /// [`NamesNobody`] for the empty string.
    pub fn new(value: &str) -> Result<Self, NamesNobody> {
        if value.is_empty() { Err(NamesNobody) } else { Ok(Self(Arc::from(value))) }
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Audience {
    /// One or more values.
    ///
    /// # Errors
    /// [`NamesNobody`] when there is none, or one is empty.
    ///
    /// ```
    /// use gatepass_jose::Audience;
    /// assert!(Audience::new(["https://api.example.com"]).is_ok());
    /// assert!(Audience::new::<&str>([]).is_err());
    /// ```
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Result<Self, NamesNobody> {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(NamesNobody);
        }
        Ok(Self(values))
    }

    /// Whether `value` is one of the values.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|own| own == value)
    }

    /// Whether the two have a value in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        other.0.iter().any(|value| self.contains(value))
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [single] => serializer.serialize_str(single),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings, not empty")
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Audience, E> {
                Audience::new([value]).map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
                let mut values = Vec::<String>::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Audience::new(values).map_err(serde::de::Error::custom)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// The claims that every verification looks at.
#[derive(Clone, Copy, Debug)]
pub struct Registered<'c> {
    /// `iss`.
    pub issuer: Option<&'c str>,
    /// `aud`.
    pub audience: Option<&'c Audience>,
    /// `exp`.
    pub expires: Option<NumericDate>,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
}

/// A caller's claims type. Implement it for your own `serde` struct; a payload is parsed once, into
/// that struct, and checked through this view of it.
pub trait Claims {
    /// The registered claims of this value.
    fn registered(&self) -> Registered<'_>;
}

/// Just the registered claims, for a caller who reads the others from the payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the registry's own
pub struct RegisteredClaims {
    pub iss: String,
    pub aud: Audience,
    pub exp: NumericDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
}

impl Claims for RegisteredClaims {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}

/// Claims could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims do not serialize to a JSON object.
    #[error("the claims do not serialize to a JSON object")]
    Claims,
    /// The crypto library failed.
    #[error("the signature could not be made")]
    Signature,
}

/// Signs `claims` as a compact JWS whose header holds `alg`, `typ` and `kid`, all three from `typ`
/// and `key`, never from the caller's data.
///
/// # Errors
/// [`SignError`].
pub fn sign<C: Serialize>(typ: &Typ, claims: &C, key: &SigningKey) -> Result<String, SignError> {
    let header = HeaderOut { alg: key.alg(), typ: typ.name(), kid: key.kid() };
    let header = serde_json::to_vec(&header).map_err(|_| SignError::Claims)?;
    let payload = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
    if payload.first() != Some(&b'{') {
        return Err(SignError::Claims);
    }
    let mut token = String::with_capacity((header.len() + payload.len() + 96) * 4 / 3);
    base64url::encode_append(&header, &mut token);
    token.push('.');
    base64url::encode_append(&payload, &mut token);
    let mut signature = Vec::with_capacity(64);
    key.sign(token.as_bytes(), &mut signature).map_err(|_| SignError::Signature)?;
    token.push('.');
    base64url::encode_append(&signature, &mut token);
    Ok(token)
}

/// Why a token was turned away: one variant per check, in the order of the checks. For the log; an
/// answer to a client says less.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Longer than any token of ours; nothing of it was looked at.
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// Not a compact JWS with a strict JSON header and payload.
    #[error("the token is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// No key of the set has this `kid`.
    #[error("no key of the issuer's set is named {}", kid.as_deref().unwrap_or("by the token"))]
    UnknownKey {
        /// What the header says, if it says anything.
        kid: Option<String>,
    },
    /// The header names another algorithm than the key's. [RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1).
    #[error("the header names another algorithm than the key's, which is {key}")]
    AlgMismatch {
        /// The key's own algorithm.
        key: crate::Alg,
    },
    /// `typ` is missing or names another kind of token. [RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11).
    #[error("the token is not of type {expected}")]
    Typ {
        /// What the verifier takes.
        expected: Typ,
    },
    /// The signature is not the key's over this text.
    #[error("the signature does not verify")]
    Signature,
    /// The payload lacks a required claim, or one has the wrong type.
    #[error("the claims do not have the expected form")]
    Claims,
    /// `iss` is missing or another's.
    #[error("the token was issued by somebody else, not by {expected}")]
    Issuer {
        /// What the verifier takes.
        expected: Issuer,
    },
    /// `aud` is missing or names others.
    #[error("the token is not meant for this audience")]
    Audience,
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
            Self::TooLong => "too-long",
            Self::Malformed(_) => "malformed",
            Self::UnknownKey { .. } => "unknown-key",
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::Typ { .. } => "wrong-type",
            Self::Signature => "bad-signature",
            Self::Claims => "bad-claims",
            Self::Issuer { .. } => "wrong-issuer",
            Self::Audience => "wrong-audience",
            Self::NoExpiry => "no-expiry",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
        }
    }
}

/// Verifies tokens of one issuer for one audience and one type.
///
/// There is no default for any of the four: a verifier that cannot say whom it trusts, who it is
/// and what it takes cannot be made. Checks run in the order of their cost; nothing of a payload is
/// used before the signature holds.
///
/// ```
/// use gatepass_jose::{Alg, Audience, Issuer, KeySet, RegisteredClaims, SigningKey, Timestamp, Typ, Verifier, jwt};
///
/// let key = SigningKey::generate(Alg::ES256, None)?;
/// let now = Timestamp::from_secs(1_700_000_000);
/// let claims = RegisteredClaims {
///     iss: "https://auth.example.com".into(),
///     aud: Audience::new(["https://api.example.com"])?,
///     exp: Timestamp::from_secs(1_700_000_900).into(),
///     nbf: None,
/// };
/// let token = jwt::sign(&Typ::ACCESS_TOKEN, &claims, &key)?;
///
/// let verifier = Verifier::new(
///     Issuer::new("https://auth.example.com")?,
///     Audience::new(["https://api.example.com"])?,
///     Typ::ACCESS_TOKEN,
///     KeySet::new(vec![key.verifying_key()?]),
/// );
/// let verified = verifier.verify::<RegisteredClaims>(&token, now)?;
/// assert_eq!(verified.kid(), key.kid());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    issuer: Issuer,
    audience: Audience,
    typ: Typ,
    keys: Vec<TrustedKey>,
    skew: Duration,
}

/// A key, and the encoded header under which its tokens come.
#[derive(Debug)]
struct TrustedKey {
    key: VerifyingKey,
    /// All tokens of one key share their header bytes. Once one has been verified, the others'
    /// headers are recognised by comparing them, without base64 or JSON.
    seen_header: OnceLock<Box<str>>,
}

/// Memory that verifications share, so that none of them needs to allocate.
#[derive(Debug, Default)]
pub struct Scratch {
    payload: Vec<u8>,
}

impl Scratch {
    /// Takes the payload of the last token that was put through, verified or not.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl Verifier {
    /// A verifier that allows clocks to differ by a minute.
    #[must_use]
    pub fn new(issuer: Issuer, audience: Audience, typ: Typ, keys: KeySet) -> Self {
        let trusted = |key: &VerifyingKey| TrustedKey { key: key.clone(), seen_header: OnceLock::new() };
        let keys = keys.keys().iter().map(trusted).collect();
        Self { issuer, audience, typ, keys, skew: Duration::from_secs(60) }
    }

    /// Sets how far the clocks of issuer and verifier may differ; five minutes at most.
    #[must_use]
    pub fn with_clock_skew(mut self, skew: Duration) -> Self {
        self.skew = skew.min(MAX_CLOCK_SKEW);
        self
    }

    /// The issuer whose tokens this verifies.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Verifies `token` and reads its claims.
    ///
    /// # Errors
    /// [`Rejection`], with the first check that failed.
    pub fn verify<C: Claims + DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<C>, Rejection> {
        self.verify_in(token, now, &mut Scratch::default())
    }

    /// Like [`Verifier::verify`], with memory that is used again and claims that may borrow from it:
    /// with a borrowing claims type nothing is allocated.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify_in<'s, C: Claims + Deserialize<'s>>(
        &self,
        token: &str,
        now: Timestamp,
        scratch: &'s mut Scratch,
    ) -> Result<Verified<C>, Rejection> {
        if token.len() > MAX_TOKEN {
            return Err(Rejection::TooLong);
        }
        let parts = Parts::split(token)?;
        let trusted = self.find_key(parts.header)?;
        require_signature(&trusted.key, &parts)?;
        trusted.seen_header.get_or_init(|| Box::from(parts.header));

        base64url::decode_into(parts.payload.as_bytes(), &mut scratch.payload)
            .map_err(|_| Malformed::Base64Url)?;
        let payload = json::require_object(&scratch.payload).map_err(Malformed::Payload)?;
        let claims: C = serde_json::from_str(payload).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Rejection::Claims,
            _ => Malformed::Payload(JsonError::Malformed).into(),
        })?;
        self.require_claims(&claims.registered(), now)?;
        Ok(Verified { claims, kid: trusted.key.shared_kid().clone() })
    }

    /// The key that the header names, when the header agrees with it in everything else.
    fn find_key(&self, encoded: &str) -> Result<&TrustedKey, Rejection> {
        let seen =
            |trusted: &&TrustedKey| trusted.seen_header.get().is_some_and(|header| **header == *encoded);
        if let Some(trusted) = self.keys.iter().find(seen) {
            return Ok(trusted);
        }
        let header = Header::parse(encoded)?;
        let trusted = match (&header.kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|trusted| trusted.key.kid() == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let trusted = trusted.ok_or(Rejection::UnknownKey { kid: header.kid })?;
        if header.alg != trusted.key.alg().name() {
            return Err(Rejection::AlgMismatch { key: trusted.key.alg() });
        }
        if !header.typ.is_some_and(|typ| self.typ.matches(&typ)) {
            return Err(Rejection::Typ { expected: self.typ.clone() });
        }
        Ok(trusted)
    }

    fn require_claims(&self, claims: &Registered<'_>, now: Timestamp) -> Result<(), Rejection> {
        if claims.issuer != Some(self.issuer.as_str()) {
            return Err(Rejection::Issuer { expected: self.issuer.clone() });
        }
        if !claims.audience.is_some_and(|audience| audience.intersects(&self.audience)) {
            return Err(Rejection::Audience);
        }
        let exp = claims.expires.ok_or(Rejection::NoExpiry)?.0;
        if exp.saturating_add(self.skew) <= now {
            return Err(Rejection::Expired { exp, now });
        }
        match claims.not_before {
            Some(NumericDate(nbf)) if now.saturating_add(self.skew) < nbf => {
                Err(Rejection::NotYetValid { nbf, now })
            }
            _ => Ok(()),
        }
    }
}

fn require_signature(key: &VerifyingKey, parts: &Parts<'_>) -> Result<(), Rejection> {
    let mut buffer = [0; MAX_SIGNATURE];
    let signature = base64url::decode_to_slice(parts.signature.as_bytes(), &mut buffer)
        .map_err(|_| Malformed::Base64Url)?;
    if key.verifies(parts.signing_input.as_bytes(), signature) { Ok(()) } else { Err(Rejection::Signature) }
}

/// Something a [`Verifier`] vouched for. Nothing else can make one.
///
/// ```compile_fail
/// # use gatepass_jose::Verified;
/// let forged = Verified { claims: "admin", kid: "k".into() };
/// ```
#[derive(Clone, Debug)]
pub struct Verified<C> {
    claims: C,
    kid: Arc<str>,
}

impl<C> Verified<C> {
    /// The key that signed it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims alone.
    #[must_use]
    pub fn into_claims(self) -> C {
        self.claims
    }
}

impl<C> Deref for Verified<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.claims
    }
}

/// `iss` alone, borrowed: what a resource server with several issuers reads to choose among them.
#[derive(Debug, Deserialize)]
struct IssuerOnly<'p> {
    #[serde(borrow)]
    iss: Cow<'p, str>,
}

/// The `iss` of a token that **nobody has verified**, good for choosing among configured issuers
/// which one's verifier to ask, and for nothing else.
///
/// # Errors
/// [`Malformed`] when the token has no readable payload or the payload no string `iss`.
pub fn unverified_issuer(token: &str) -> Result<String, Malformed> {
    if token.len() > MAX_TOKEN {
        return Err(Malformed::Parts);
    }
    let payload = base64url::decode(Parts::split(token)?.payload).map_err(|_| Malformed::Base64Url)?;
    // No search for duplicate members here: it costs more than it is worth before a signature, and the
    // verifier that is chosen makes it. Two `iss` are refused by the type.
    let claims: IssuerOnly<'_> =
        serde_json::from_slice(&payload).map_err(|_| Malformed::Payload(JsonError::Malformed))?;
    Ok(claims.iss.into_owned())
}

#[cfg(test)]
mod tests;

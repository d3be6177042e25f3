//! Verifying a token, from its text to its claims.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::claims::{Audience, Claims, Issuer, Registered};
use super::rejection::{LISTED, Rejection};
use super::seen::{SeenSignatures, SignatureCounts};
use crate::choice::{NoKey, choose};
use crate::header::{Header, Malformed, Parts, Typ};
use crate::json::{self, Unread};
use crate::key::{KeySet, VerifyingKey};
use crate::limits::{Excerpt, Limits};
use crate::{Timestamp, base64url};

/// Signatures up to this size, which all but ML-DSA's and those of the longest RSA keys are, are
/// decoded on the stack.
const SHORT_SIGNATURE: usize = 512;
/// No deployment's clocks are further apart than this and still worth trusting.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

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
///
/// Who leaves one of them out has no program:
///
/// ```compile_fail,E0061
/// # use gatepass_jose::{Issuer, KeySet, Typ, Verifier};
/// let issuer = Issuer::new("https://auth.example.com").unwrap();
/// let verifier = Verifier::new(issuer, Typ::ACCESS_TOKEN, KeySet::default()); // for whom?
/// ```
#[derive(Debug)]
pub struct Verifier {
    issuer: Issuer,
    audience: Audience,
    typ: Typ,
    other_typ: Option<Typ>,
    typ_is_optional: bool,
    keys: Vec<TrustedKey>,
    skew: Duration,
    limits: Limits,
    seen: Option<SeenSignatures>,
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
        Self {
            issuer,
            audience,
            typ,
            other_typ: None,
            typ_is_optional: false,
            keys,
            skew: Duration::from_secs(60),
            limits: Limits::DEFAULT,
            seen: None,
        }
    }

    /// Sets how far the clocks of issuer and verifier may differ; five minutes at most.
    #[must_use]
    pub fn with_clock_skew(mut self, skew: Duration) -> Self {
        self.skew = skew.min(MAX_CLOCK_SKEW);
        self
    }

    /// Also takes tokens whose header names no type at all, as standards older than
    /// [RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11) have them: ID tokens, for one.
    ///
    /// Then nothing in the header keeps another kind of token of the issuer's from passing for this one: the claims
    /// must, as `nonce` does in an ID token.
    #[must_use]
    pub fn with_optional_typ(mut self) -> Self {
        self.typ_is_optional = true;
        self
    }

    /// Also takes tokens of another type. As with [`with_optional_typ`](Self::with_optional_typ), the claims must keep other
    /// kinds of tokens that come under it from passing: `JWT` names none in particular.
    #[must_use]
    pub fn with_other_typ(mut self, typ: Typ) -> Self {
        self.other_typ = Some(typ);
        self
    }

    /// Sets other limits than [`Limits::DEFAULT`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        for trusted in &mut self.keys {
            trusted.seen_header = OnceLock::new(); // it was within other limits
        }
        self
    }

    /// Remembers of about so many tokens that their signature held, at 17 bytes each, so that a token
    /// that comes again costs no arithmetic. Everything else is checked each time: nothing outlives
    /// `exp`, and with the verifier goes what it remembers.
    ///
    /// A MAC is as quick to compute as to look up, so this concerns tokens under public keys alone.
    #[must_use]
    pub fn remembering_signatures(mut self, tokens: usize) -> Self {
        self.seen = Some(SeenSignatures::new(tokens));
        self
    }

    /// What [`remembering_signatures`](Self::remembering_signatures) has saved so far; zeros without it.
    #[must_use]
    pub fn signature_counts(&self) -> SignatureCounts {
        self.seen.as_ref().map(SeenSignatures::counts).unwrap_or_default()
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
        let parts = Parts::split(token, &self.limits)?;
        let trusted = self.find_key(parts.header)?;
        self.require_signature(&trusted.key, token, &parts)?;
        trusted.seen_header.get_or_init(|| Box::from(parts.header));

        base64url::decode_into(parts.payload.as_bytes(), &mut scratch.payload)
            .map_err(|_| Malformed::Base64Url)?;
        let claims: C = json::read_object(&scratch.payload, &self.limits)?;
        self.require_claims(&claims.registered(), now)?;
        Ok(Verified { claims, kid: trusted.key.shared_kid().clone() })
    }

    /// Checks at another time what this verifier has vouched for, and somebody has kept: `exp` and `nbf`, and with them
    /// everything else that the claims are held against. That the signature held, and that the claims are those of the
    /// token, is taken from `verified`; its key must still be one of this verifier's.
    ///
    /// # Errors
    /// As [`Verifier::verify`], of the checks that are made.
    pub fn verify_again<C: Claims>(&self, verified: &Verified<C>, now: Timestamp) -> Result<(), Rejection> {
        if !self.keys.iter().any(|trusted| trusted.key.kid() == verified.kid()) {
            return Err(Rejection::UnknownKey { kid: Some(verified.kid().to_owned()) });
        }
        self.require_claims(&verified.claims.registered(), now)
    }

    /// The key that the header names, when the header agrees with it in everything else.
    fn find_key(&self, encoded: &str) -> Result<&TrustedKey, Rejection> {
        let seen =
            |trusted: &&TrustedKey| trusted.seen_header.get().is_some_and(|header| **header == *encoded);
        if let Some(trusted) = self.keys.iter().find(seen) {
            return Ok(trusted);
        }
        let header = Header::parse(encoded, &self.limits)?;
        let chosen = choose(&self.keys, |trusted| &trusted.key, header.kid.as_deref(), &header.alg);
        let trusted = chosen.map_err(|no_key| match no_key {
            NoKey::Unknown => Rejection::UnknownKey { kid: header.kid.clone() },
            NoKey::OtherAlg(key) => Rejection::AlgMismatch { key, found: Excerpt::of(&header.alg) },
        })?;
        let is_typ = |typ: &str| {
            [Some(&self.typ), self.other_typ.as_ref()].iter().flatten().any(|own| own.matches(typ))
        };
        if !header.typ.as_deref().map_or(self.typ_is_optional, is_typ) {
            let found = header.typ.as_deref().map(Excerpt::of);
            return Err(Rejection::Typ { expected: self.typ.clone(), found });
        }
        Ok(trusted)
    }

    fn require_signature(&self, key: &VerifyingKey, token: &str, parts: &Parts<'_>) -> Result<(), Rejection> {
        let seen = self.seen.as_ref().filter(|_| !key.alg().is_symmetric());
        let Some(fingerprint) = seen.and_then(|seen| seen.fingerprint(token)) else {
            return require_signature(key, parts);
        };
        let known = fingerprint.is_known();
        if let Some(seen) = seen {
            seen.count(known);
        }
        if !known {
            require_signature(key, parts)?;
            fingerprint.remember();
        }
        Ok(())
    }

    /// Holds claims against issuer, audience and time, as [`verify`](Self::verify) does when the signature holds. For
    /// whoever has them vouched for in another way than by a signature: an issuer that was asked, for one.
    ///
    /// # Errors
    /// As [`Verifier::verify`], of the checks that are made.
    pub fn require_claims(&self, claims: &Registered<'_>, now: Timestamp) -> Result<(), Rejection> {
        if claims.issuer != Some(self.issuer.as_str()) {
            let found = claims.issuer.map(Excerpt::of);
            return Err(Rejection::Issuer { expected: self.issuer.clone(), found });
        }
        let named = |audience| claims.audience.is_some_and(|claim| claim.contains(audience));
        if !self.audience.iter().any(named) {
            let found = claims.audience.map(|claim| claim.values()).unwrap_or_default();
            let found = found.into_iter().take(LISTED).map(Excerpt::of).collect();
            return Err(Rejection::Audience { expected: self.audience.clone(), found });
        }
        let exp = claims.expires.ok_or(Rejection::NoExpiry)?.0;
        if exp.saturating_add(self.skew) <= now {
            return Err(Rejection::Expired { exp, now });
        }
        match claims.not_before.map(|date| date.0) {
            Some(nbf) if now.saturating_add(self.skew) < nbf => Err(Rejection::NotYetValid { nbf, now }),
            _ => Ok(()),
        }
    }
}

impl From<Unread> for Rejection {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Json(error) => Malformed::Payload(error).into(),
            Unread::Type(problem) => Self::Claims { problem },
        }
    }
}

pub(super) fn require_signature(key: &VerifyingKey, parts: &Parts<'_>) -> Result<(), Rejection> {
    let encoded = parts.signature.as_bytes();
    let (mut short, mut long) = ([0; SHORT_SIGNATURE], Vec::new());
    let signature = base64url::decode_to_slice(encoded, &mut short)
        .or_else(|_| base64url::decode_into(encoded, &mut long).map(|()| long.as_slice()))
        .map_err(|_| Malformed::Base64Url)?;
    if key.verifies(parts.signing_input.as_bytes(), signature) { Ok(()) } else { Err(Rejection::Signature) }
}

/// Something a [`Verifier`] vouched for. Nothing else can make one.
///
/// ```compile_fail,E0451
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
    iss: std::borrow::Cow<'p, str>,
}

/// The `iss` of a token that **nobody has verified**, good for choosing among configured issuers
/// which one's verifier to ask, and for nothing else. It looks at tokens within the default limits.
///
/// # Errors
/// [`Malformed`] when the token has no readable payload or the payload no string `iss`.
pub fn unverified_issuer(token: &str) -> Result<String, Malformed> {
    let payload = base64url::decode(Parts::split(token, &Limits::DEFAULT)?.payload)
        .map_err(|_| Malformed::Base64Url)?;
    let claims: IssuerOnly<'_> =
        json::parse_object(&payload, &Limits::DEFAULT).map_err(Malformed::Payload)?;
    Ok(claims.iss.into_owned())
}

//! Verifying any of the four forms.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::header::Parameters;
use super::sign::signing_input;
use crate::base64url;
use crate::choice::{NoKey, choose};
use crate::header::{Malformed, Typ};
use crate::json::{self, JsonError};
use crate::key::{KeySet, VerifyingKey};
use crate::limits::{Excerpt, Limits, or_nothing};

/// So many signatures of a general JWS are looked at; one with more is refused.
const MAX_SIGNATURES: usize = 8;

/// Why a JWS was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No JWS, or past one of the limits.
    #[error("the JWS is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Not a strict JSON object with the members of a JSON serialization.
    #[error("the JSON serialization is not valid: {0}")]
    Json(JsonError),
    /// It holds a payload where a detached one was given, or none where none was.
    #[error("the payload must be in the JWS or beside it, and not in both places or neither")]
    Payload,
    /// None of its signatures names a key of the set, or they name none where there are several.
    #[error("no signature is by a key of the set")]
    UnknownKey,
    /// The header names another algorithm than the key's. [RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1).
    #[error("the header names the algorithm {found}, and the key is for {key}")]
    AlgMismatch {
        /// The key's own algorithm.
        key: crate::Alg,
        /// What the header says.
        found: Excerpt,
    },
    /// `typ` is missing or another.
    #[error("the type of the JWS is {}, not \"{expected}\"", or_nothing(found.as_ref()))]
    Typ {
        /// What the verifier takes.
        expected: Typ,
        /// What the header says, if it says anything.
        found: Option<Excerpt>,
    },
    /// The signature is not the key's over this payload.
    #[error("the signature does not verify")]
    Signature,
}

impl Rejection {
    /// A short stable name of the check that failed, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::TooLong { .. }) => "too-long",
            Self::Malformed(_) | Self::Json(_) => "malformed",
            Self::Payload => "payload",
            Self::UnknownKey => "unknown-key",
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::Typ { .. } => "wrong-type",
            Self::Signature => "bad-signature",
        }
    }
}

/// Verifies JWSs against a set of keys.
///
/// Of several signatures one by a key of the set must verify; those of other keys and algorithms are
/// passed over, and one that names a key of the set and does not verify spoils the whole.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: KeySet,
    typ: Option<Typ>,
    limits: Limits,
}

/// A payload, and the key of the set that signed it. Only a [`Verifier`] makes one.
///
/// ```compile_fail,E0451
/// let forged = gatepass_jose::jws::Verified { payload: vec![], kid: String::new(), cty: None };
/// ```
#[derive(Clone, Debug)]
pub struct Verified {
    payload: Vec<u8>,
    kid: String,
    cty: Option<String>,
}

impl Verified {
    /// What was signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What was signed, alone.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The name of the key that signed it; empty when it has none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What the payload is, where the header says it.
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.cty.as_deref()
    }
}

/// The JSON forms: `signatures` in the general one, `signature` in the flattened one.
#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "json::not_null")]
    payload: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    signatures: Option<Vec<Entry>>,
    #[serde(default, deserialize_with = "json::not_null")]
    protected: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    header: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "json::not_null")]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, deserialize_with = "json::not_null")]
    protected: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    header: Option<Map<String, Value>>,
    signature: String,
}

/// The payload as it came.
#[derive(Clone, Copy)]
enum Payload<'p> {
    /// Behind the header and a dot, as it was signed.
    Compact { text: &'p str, signing_input: &'p str },
    /// In a member of its own.
    Json(&'p str),
    /// Beside the JWS.
    Detached(&'p [u8]),
}

impl Verifier {
    /// A verifier of any type of JWS signed by one of `keys`.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        Self { keys, typ: None, limits: Limits::DEFAULT }
    }

    /// Takes only this type: what keeps one kind of signed text from passing for another
    /// ([RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
    #[must_use]
    pub fn requiring_typ(mut self, typ: Typ) -> Self {
        self.typ = Some(typ);
        self
    }

    /// Sets other limits than [`Limits::DEFAULT`]. A detached payload is the caller's and not limited.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Verifies the compact form.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify(&self, jws: &str) -> Result<Verified, Rejection> {
        let (protected, text, signature) = self.split(jws)?;
        let signing_input = jws.get(..protected.len() + 1 + text.len()).ok_or(Malformed::Parts)?;
        self.verify_one(protected, Payload::Compact { text, signing_input }, signature)
    }

    /// Verifies the compact form with an empty payload part, over `payload`.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify_detached(&self, jws: &str, payload: &[u8]) -> Result<Verified, Rejection> {
        let (protected, attached, signature) = self.split(jws)?;
        if !attached.is_empty() {
            return Err(Rejection::Payload);
        }
        self.verify_one(protected, Payload::Detached(payload), signature)
    }

    /// Verifies the flattened or the general JSON form.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify_json(&self, jws: &[u8]) -> Result<Verified, Rejection> {
        self.verify_document(jws, None)
    }

    /// Verifies a JSON form without `payload`, over `payload`.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn verify_json_detached(&self, jws: &[u8], payload: &[u8]) -> Result<Verified, Rejection> {
        self.verify_document(jws, Some(payload))
    }

    fn split<'j>(&self, jws: &'j str) -> Result<(&'j str, &'j str, &'j str), Malformed> {
        self.require_size(jws.len())?;
        let mut parts = jws.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(protected), Some(payload), Some(signature), None) => Ok((protected, payload, signature)),
            _ => Err(Malformed::Parts),
        }
    }

    fn require_size(&self, bytes: usize) -> Result<(), Malformed> {
        let limit = self.limits.token_bytes;
        if bytes > limit { Err(Malformed::TooLong { limit }) } else { Ok(()) }
    }

    fn verify_one(
        &self,
        protected: &str,
        payload: Payload<'_>,
        signature: &str,
    ) -> Result<Verified, Rejection> {
        let header = Parameters::parse(protected, Map::new(), &self.limits)?;
        let key = self.find_key(&header)?;
        self.verify_with(key, protected, header, payload, signature)
    }

    fn verify_document(&self, jws: &[u8], detached: Option<&[u8]>) -> Result<Verified, Rejection> {
        self.require_size(jws.len())?;
        let document: Document = json::parse_object(jws, &self.limits).map_err(Rejection::Json)?;
        let payload = match (&document.payload, detached) {
            (Some(payload), None) => Payload::Json(payload),
            (None, Some(payload)) => Payload::Detached(payload),
            _ => return Err(Rejection::Payload),
        };
        let entries = match (document.signatures, document.signature) {
            (None, Some(signature)) => {
                vec![Entry { protected: document.protected, header: document.header, signature }]
            }
            (Some(entries), None) if document.protected.is_none() && document.header.is_none() => entries,
            // RFC 7515 section 7.2.2: the two forms must not be mixed.
            _ => return Err(Rejection::Json(JsonError::Malformed)),
        };
        if entries.is_empty() || entries.len() > MAX_SIGNATURES {
            return Err(Rejection::Json(JsonError::Malformed));
        }
        self.verify_entries(entries, payload)
    }

    fn verify_entries(&self, entries: Vec<Entry>, payload: Payload<'_>) -> Result<Verified, Rejection> {
        let mut outcome = Err(Rejection::UnknownKey);
        let mut encodes = None;
        for Entry { protected, header, signature } in entries {
            // RFC 7515 section 7.2.1: what is empty must be absent.
            if protected.as_deref() == Some("") {
                return Err(Rejection::Json(JsonError::Malformed));
            }
            let protected = protected.unwrap_or_default();
            let header = Parameters::parse(&protected, header.unwrap_or_default(), &self.limits)?;
            // RFC 7797 section 3: all signatures see the same payload.
            if *encodes.get_or_insert(header.encodes_payload()) != header.encodes_payload() {
                return Err(Malformed::Critical.into());
            }
            match self.find_key(&header) {
                Ok(key) => outcome = Ok(self.verify_with(key, &protected, header, payload, &signature)?),
                Err(unknown) => outcome = outcome.or(Err(unknown)),
            }
        }
        outcome
    }

    fn find_key(&self, header: &Parameters) -> Result<&VerifyingKey, Rejection> {
        choose(self.keys.keys(), |key| key, header.kid.as_deref(), &header.alg).map_err(|no_key| match no_key
        {
            NoKey::Unknown => Rejection::UnknownKey,
            NoKey::OtherAlg(key) => Rejection::AlgMismatch { key, found: Excerpt::of(&header.alg) },
        })
    }

    fn verify_with(
        &self,
        key: &VerifyingKey,
        protected: &str,
        header: Parameters,
        payload: Payload<'_>,
        signature: &str,
    ) -> Result<Verified, Rejection> {
        if let Some(expected) = &self.typ
            && !header.typ.as_deref().is_some_and(|typ| expected.matches(typ))
        {
            let found = header.typ.as_deref().map(Excerpt::of);
            return Err(Rejection::Typ { expected: expected.clone(), found });
        }
        let signature = base64url::decode(signature).map_err(|_| Malformed::Base64Url)?;
        let encodes = header.encodes_payload();
        // What came is verified as it came, so that no second spelling of it can be.
        let input = match payload {
            Payload::Compact { signing_input, .. } => Cow::Borrowed(signing_input.as_bytes()),
            Payload::Json(text) => Cow::Owned([protected.as_bytes(), b".", text.as_bytes()].concat()),
            Payload::Detached(bytes) => Cow::Owned(signing_input(protected, bytes, encodes)),
        };
        if !key.verifies(&input, &signature) {
            return Err(Rejection::Signature);
        }
        let payload = match payload {
            Payload::Compact { text, .. } | Payload::Json(text) if encodes => {
                base64url::decode(text).map_err(|_| Malformed::Base64Url)?
            }
            Payload::Compact { text, .. } | Payload::Json(text) => text.as_bytes().to_vec(),
            Payload::Detached(bytes) => bytes.to_vec(),
        };
        Ok(Verified { payload, kid: key.kid().to_owned(), cty: header.cty })
    }
}

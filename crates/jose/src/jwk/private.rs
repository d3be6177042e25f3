//! Private keys and secrets as JSON.

mod params;

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

pub(crate) use params::{PrivateParams, RsaParams};

use super::members::Members;
use super::operations::{KeyOps, Operation, require_agreement};
use super::{Jwk, JwkAlg, JwkError, KeyType, KeyUse, PublicKey, PublicParams};
use super::{thumbprint_of, write_common, write_public};
use crate::key::{KeyError, SecretKey};
use crate::{base64url, json};

/// A private key or a secret as JSON ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)): of the types
/// `RSA`, `EC`, `OKP`, `AKP` and `oct`.
///
/// Whoever parsed it knows that its private half belongs to its public half and that `use`, `key_ops`
/// and `alg` do not contradict each other or the key's type. An RSA key must bring its primes (`p`,
/// `q`, `dp`, `dq`, `qi`).
///
/// It has no `Display` and no `Serialize`; [`PrivateJwk::to_json`] is the one way out. Its memory is
/// wiped when it is dropped, and `Debug` shows no private member.
///
/// ```
/// use gatepass_jose::{Alg, PrivateJwk, SigningKey};
/// let jwk = PrivateJwk::parse(br#"{"kty":"OKP","crv":"Ed25519","kid":"2026-11-a",
///     "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// let key = SigningKey::from_jwk(&jwk, Some(Alg::Ed25519))?;
/// assert_eq!(key.kid(), "2026-11-a");
/// let published = jwk.public().map(|public| public.thumbprint());
/// assert_eq!(published.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct PrivateJwk {
    /// Names the key within its set.
    pub kid: Option<String>,
    /// The one algorithm that the key is for.
    pub alg: Option<JwkAlg>,
    /// What the key is for, where it is said.
    pub key_use: Option<KeyUse>,
    key_ops: Option<KeyOps>,
    params: PrivateParams,
}

impl PrivateJwk {
    /// Parses a private key or a secret.
    ///
    /// # Errors
    /// [`JwkError`] for what is not strict JSON, no key, a public key, a key that contradicts itself, or
    /// one that is too weak for what it names.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        json::parse::<Members>(json)?.try_into()
    }

    pub(crate) fn new(params: PrivateParams) -> Self {
        Self { kid: None, alg: None, key_use: None, key_ops: None, params }
    }

    /// A secret of any size, for an HMAC, a key wrap or direct encryption.
    #[must_use]
    pub fn from_secret(secret: &SecretKey) -> Self {
        Self::new(PrivateParams::Oct(secret.clone()))
    }

    /// The key as JSON, private members and all. Whoever holds this text holds the key.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let written = Written::new(self);
        // Room for all of it at once: growing would leave copies behind.
        let mut json = Zeroizing::new(Vec::with_capacity(written.most_bytes()));
        // Strings with plain names are all there is, so nothing can fail to serialize.
        let _ = serde_json::to_writer(&mut *json, &written);
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *json)).unwrap_or_default())
    }

    /// The public half, with `kid`, `alg` and `use`; `None` for a secret, which has none.
    #[must_use]
    pub fn public(&self) -> Option<Jwk> {
        let key = self.params.public()?.encode();
        Some(Jwk { key, kid: self.kid.clone(), alg: self.alg, key_use: self.key_use })
    }

    /// The secret itself, of an `oct` key.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretKey> {
        match &self.params {
            PrivateParams::Oct(secret) => Some(secret),
            _ => None,
        }
    }

    /// The key's SHA-256 thumbprint, base64url ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)). Of a
    /// private key it is its public half's. Of a secret it is a hash of the secret: publish it only
    /// where nobody could guess the secret (RFC 7638 section 7).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        match &self.params {
            PrivateParams::Oct(secret) => {
                let k = Zeroizing::new(base64url::encode(secret.expose()));
                thumbprint_of(&[("k", &k), ("kty", "oct")])
            }
            _ => self.public().map(|jwk| jwk.thumbprint()).unwrap_or_default(),
        }
    }

    pub(crate) fn params(&self) -> &PrivateParams {
        &self.params
    }

    /// What decides which algorithms the key fits.
    pub(crate) fn key_type(&self) -> KeyType {
        self.params.key_type()
    }

    /// Refuses a key whose `use` or `key_ops` rules out every one of `operations`.
    pub(crate) fn require_allowed(&self, operations: &[Operation]) -> Result<(), KeyError> {
        let is_allowed = |operation: &Operation| {
            self.key_use.is_none_or(|key_use| key_use == operation.key_use())
                && self.key_ops.as_ref().is_none_or(|key_ops| key_ops.allows(*operation))
        };
        match operations.first() {
            Some(first) if !operations.iter().any(is_allowed) => Err(KeyError::NotAllowed(first.name())),
            _ => Ok(()),
        }
    }
}

impl TryFrom<Members> for PrivateJwk {
    type Error = JwkError;

    fn try_from(members: Members) -> Result<Self, JwkError> {
        let params = PrivateParams::read(&members)?;
        let alg: Option<JwkAlg> = members.find("alg").map(str::parse).transpose()?;
        let key_use = members.find("use").map(str::parse::<KeyUse>).transpose()?;
        let key_ops = members.key_ops.as_deref().map(KeyOps::parse).transpose()?;
        let key_use = require_agreement(key_use, key_ops.as_ref(), alg)?;
        if alg.is_some_and(|alg| !params.key_type().fits(alg)) {
            return Err(JwkError::AlgDoesNotFit);
        }
        if let (PrivateParams::Oct(secret), Some(JwkAlg::Signature(alg))) = (&params, alg) {
            secret.require_size_for(alg)?;
        }
        Ok(Self { kid: members.find("kid").map(str::to_owned), alg, key_use, key_ops, params })
    }
}

/// The whole key, ready to be written.
struct Written<'k> {
    jwk: &'k PrivateJwk,
    public: Option<PublicParams>,
    private: Vec<(&'static str, Zeroizing<String>)>,
}

impl<'k> Written<'k> {
    fn new(jwk: &'k PrivateJwk) -> Self {
        let public = jwk.params.public().map(PublicKey::encode);
        Self { jwk, public, private: jwk.params.members() }
    }

    /// At least as many bytes as the text has.
    fn most_bytes(&self) -> usize {
        /// `kty`, `alg`, `use`, every value of `key_ops`, and the punctuation.
        const THE_REST: usize = 512;
        let public = self.public.iter().flat_map(PublicParams::required_members).map(|(_, text)| text.len());
        let private = self.private.iter().map(|(_, text)| text.len());
        let kid = self.jwk.kid.as_ref().map_or(0, |kid| 6 * kid.len()); // every character may be escaped
        public.chain(private).sum::<usize>() + kid + THE_REST
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let jwk = self.jwk;
        let mut map = serializer.serialize_map(None)?;
        match &self.public {
            Some(public) => write_public(&mut map, public)?,
            None => map.serialize_entry("kty", "oct")?,
        }
        for (name, text) in &self.private {
            map.serialize_entry(name, text.as_str())?;
        }
        let alg = self.public.as_ref().and_then(PublicParams::own_alg).or(jwk.alg);
        match &jwk.key_ops {
            // RFC 7517 section 4.3: not both. `use` says nothing that `key_ops` does not, unless that has no
            // operation at all.
            Some(key_ops) => {
                let key_use = jwk.key_use.filter(|_| key_ops.names().is_empty());
                write_common(&mut map, jwk.kid.as_deref(), alg, key_use)?;
                map.serialize_entry("key_ops", &key_ops.names())?;
            }
            None => write_common(&mut map, jwk.kid.as_deref(), alg, jwk.key_use)?,
        }
        map.end()
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateJwk")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("key_use", &self.key_use)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alg, SigningKey};

    #[test]
    fn the_text_fits_the_buffer_that_is_wiped() {
        for alg in Alg::all() {
            let kid = "\u{1}".repeat(1000);
            let jwk = SigningKey::generate(alg, Some(&kid)).unwrap().to_jwk().unwrap();
            let (room, taken) = (Written::new(&jwk).most_bytes(), jwk.to_json().len());
            assert!((taken..taken + 600).contains(&room), "{alg}: {room} for {taken}");
        }
    }
}

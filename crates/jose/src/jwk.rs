//! JSON Web Keys and sets of them ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)): [`Jwk`] is always
//! public, [`PrivateJwk`] never is.

mod alg;
mod curve;
mod document;
mod error;
mod key_type;
mod members;
mod operations;
mod private;
mod public;
mod set;
mod small_order;

use aws_lc_rs::digest;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use alg::JwkAlg;
pub use curve::Curve;
pub use error::JwkError;
pub use operations::KeyUse;
pub use private::PrivateJwk;
pub use public::PublicParams;
pub use set::{JwkSet, PrivateJwkSet};

pub(crate) use curve::Form;
pub(crate) use key_type::KeyType;
pub(crate) use operations::Operation;
pub(crate) use private::{PrivateParams, RsaParams};
pub(crate) use public::{PublicKey, uncompressed};

use self::members::Members;
use self::operations::{KeyOps, require_public_agreement};
use crate::{base64url, json};

/// A public key as JSON, of the types `RSA`, `EC`, `OKP` and `AKP`.
///
/// One that was parsed is sound: its members are base64url of the exact lengths, its point is on its
/// curve, its RSA modulus and exponent are within bounds, and `use`, `key_ops` and `alg` contradict
/// neither each other nor the key's type. A private key and a secret (`oct`) do not parse as one:
/// somebody published by mistake what they should have kept, and whatever it signs proves nothing.
///
/// `x5c`, `x5u` and whatever else the text holds is ignored.
///
/// ```
/// use gatepass_jose::{Alg, Jwk, VerifyingKey};
/// let jwk = Jwk::parse(br#"{"kty":"EC","crv":"P-256","kid":"1",
///     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
///     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#)?;
/// let key = VerifyingKey::from_jwk(&jwk, &[Alg::ES256, Alg::EdDSA])?;
/// assert_eq!(key.alg(), Alg::ES256);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// The key type and its parameters.
    pub key: PublicParams,
    /// Names the key within its set.
    pub kid: Option<String>,
    /// The one algorithm that the key is for.
    pub alg: Option<JwkAlg>,
    /// What the key is for, where `use` says it or `key_ops` amounts to it.
    pub key_use: Option<KeyUse>,
}

impl Jwk {
    /// Parses a public key.
    ///
    /// # Errors
    /// [`JwkError`] for what is not strict JSON, no public key, or not a sound one.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        json::parse::<Members>(json)?.try_into()
    }

    /// The key's SHA-256 thumbprint, base64url ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638); for
    /// `OKP` RFC 8037, for `AKP` RFC 9964).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint_of(&self.key.required_members())
    }

    /// The thumbprint as a URI, for places that want a name of the key which is unique in the world
    /// ([RFC 9278](https://www.rfc-editor.org/rfc/rfc9278)).
    ///
    /// ```
    /// use gatepass_jose::{Alg, SigningKey};
    /// let jwk = SigningKey::generate(Alg::ES256, None)?.public_jwk().unwrap();
    /// let uri = jwk.thumbprint_uri();
    /// assert_eq!(uri, format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{}", jwk.thumbprint()));
    /// # Ok::<_, gatepass_jose::KeyError>(())
    /// ```
    #[must_use]
    pub fn thumbprint_uri(&self) -> String {
        format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{}", self.thumbprint())
    }
}

impl TryFrom<Members> for Jwk {
    type Error = JwkError;

    fn try_from(members: Members) -> Result<Self, JwkError> {
        if let Some(name) = members.private_member() {
            return Err(JwkError::NotPublic(name));
        }
        let key = PublicParams::read(&members)?;
        key.decode()?.require_on_curve()?;
        let alg: Option<JwkAlg> = members.find("alg").map(str::parse).transpose()?;
        let key_use = members.find("use").map(str::parse::<KeyUse>).transpose()?;
        let key_ops = members.key_ops.as_deref().map(KeyOps::parse).transpose()?;
        let key_use = require_public_agreement(key_use, key_ops.as_ref(), alg)?;
        let fits = |alg| key.key_type().is_some_and(|key_type| key_type.fits(alg));
        if alg.is_some_and(|alg| !fits(alg)) {
            return Err(JwkError::AlgDoesNotFit);
        }
        Ok(Self { key, kid: members.find("kid").map(str::to_owned), alg, key_use })
    }
}

/// SHA-256 over a JSON object of `members`, which are in lexicographic order.
fn thumbprint_of(members: &[(&'static str, &str)]) -> String {
    struct Canonical<'a>(&'a [(&'static str, &'a str)]);

    impl Serialize for Canonical<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().copied())
        }
    }

    // Strings are all there is, so nothing can fail to serialize.
    let json = zeroize::Zeroizing::new(serde_json::to_vec(&Canonical(members)).unwrap_or_default());
    base64url::encode(digest::digest(&digest::SHA256, &json).as_ref())
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write_public(&mut map, &self.key)?;
        write_common(&mut map, self.kid.as_deref(), self.key.own_alg().or(self.alg), self.key_use)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

/// Writes `kty` and the members of the key.
fn write_public<M: SerializeMap>(map: &mut M, key: &PublicParams) -> Result<(), M::Error> {
    match key {
        PublicParams::Rsa { n, e } => write_all(map, &[("kty", "RSA"), ("n", n), ("e", e)]),
        PublicParams::Ec { crv, x, y } => write_all(map, &[("kty", "EC"), ("crv", crv), ("x", x), ("y", y)]),
        PublicParams::Okp { crv, x } => write_all(map, &[("kty", "OKP"), ("crv", crv), ("x", x)]),
        PublicParams::Akp { public, .. } => write_all(map, &[("kty", "AKP"), ("pub", public)]),
    }
}

/// Writes the members that every type of key may have.
fn write_common<M: SerializeMap>(
    map: &mut M,
    kid: Option<&str>,
    alg: Option<JwkAlg>,
    key_use: Option<KeyUse>,
) -> Result<(), M::Error> {
    let members = [("kid", kid), ("alg", alg.map(JwkAlg::name)), ("use", key_use.map(KeyUse::name))];
    for (name, value) in members {
        if let Some(value) = value {
            map.serialize_entry(name, value)?;
        }
    }
    Ok(())
}

fn write_all<M: SerializeMap>(map: &mut M, members: &[(&'static str, &str)]) -> Result<(), M::Error> {
    members.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))
}

#[cfg(test)]
mod tests;

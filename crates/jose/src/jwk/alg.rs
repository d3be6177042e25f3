//! The `alg` of a JWK, which may be of a signature or of an encryption.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{JwkError, KeyUse};
use crate::Alg;
use crate::jwe::{ContentEncryption, KeyManagement};

/// The one algorithm that a key is for
/// ([RFC 7517 section 4.4](https://www.rfc-editor.org/rfc/rfc7517#section-4.4)): in JSON the algorithm's
/// name. A name that this library does not know does not parse, so a key that names one is no key here.
///
/// ```
/// use gatepass_jose::{Alg, JwkAlg};
/// assert_eq!("ES256".parse(), Ok(JwkAlg::Signature(Alg::ES256)));
/// assert!("RSA1_5".parse::<JwkAlg>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JwkAlg {
    /// Signing and verifying.
    Signature(Alg),
    /// Wrapping or agreeing on the key of a JWE.
    KeyManagement(KeyManagement),
    /// Encrypting the content of a JWE with this very secret (`dir`).
    Content(ContentEncryption),
}

impl JwkAlg {
    /// The name, as the IANA registry spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature(alg) => alg.name(),
            Self::KeyManagement(alg) => alg.name(),
            Self::Content(enc) => enc.name(),
        }
    }

    /// What a key with this algorithm is for.
    #[must_use]
    pub fn key_use(self) -> KeyUse {
        match self {
            Self::Signature(_) => KeyUse::Sig,
            Self::KeyManagement(_) | Self::Content(_) => KeyUse::Enc,
        }
    }
}

impl From<Alg> for JwkAlg {
    fn from(alg: Alg) -> Self {
        Self::Signature(alg)
    }
}

impl From<KeyManagement> for JwkAlg {
    fn from(alg: KeyManagement) -> Self {
        Self::KeyManagement(alg)
    }
}

impl From<ContentEncryption> for JwkAlg {
    fn from(enc: ContentEncryption) -> Self {
        Self::Content(enc)
    }
}

impl FromStr for JwkAlg {
    type Err = JwkError;

    fn from_str(name: &str) -> Result<Self, JwkError> {
        let signature = name.parse().map(Self::Signature).ok();
        let key_management = || name.parse().map(Self::KeyManagement).ok();
        let content = || name.parse().map(Self::Content).ok();
        signature.or_else(key_management).or_else(content).ok_or(JwkError::UnknownAlg)
    }
}

impl fmt::Display for JwkAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for JwkAlg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for JwkAlg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_of_the_three_tables_is_read_by_its_name() {
        let signature = Alg::all().map(JwkAlg::from);
        let key_management = KeyManagement::all().map(JwkAlg::from);
        let content = ContentEncryption::all().map(JwkAlg::from);
        for alg in signature.chain(key_management).chain(content) {
            assert_eq!(alg.name().parse(), Ok(alg));
            let json = serde_json::to_string(&alg).unwrap();
            assert_eq!(serde_json::from_str::<JwkAlg>(&json).unwrap(), alg);
        }
    }

    #[test]
    fn unknown_names_do_not_parse() {
        for name in ["none", "", "es256", "ES521", "RSA1_5", "A192KW", "deflate"] {
            assert_eq!(name.parse::<JwkAlg>(), Err(JwkError::UnknownAlg), "{name:?}");
        }
    }
}

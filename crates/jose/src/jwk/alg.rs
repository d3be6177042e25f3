//! The `alg` of a JWK, which may be of a signature or of an encryption.

use super::{JwkError, KeyUse};
use crate::Alg;
use crate::alg::named;
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
    /// Every algorithm of the three tables.
    fn all() -> impl Iterator<Item = Self> {
        let signature = Alg::all().map(Self::Signature);
        let key_management = KeyManagement::all().map(Self::KeyManagement);
        signature.chain(key_management).chain(ContentEncryption::all().map(Self::Content))
    }

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

named!(JwkAlg, JwkError, JwkError::UnknownAlg);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_of_the_three_tables_is_read_by_its_name() {
        assert_eq!(JwkAlg::all().count(), 38);
        for alg in JwkAlg::all() {
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

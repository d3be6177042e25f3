//! The signature algorithms, one row each.

mod named;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, PqdsaSigningAlgorithm,
    PqdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding,
};
use pkcs8::ObjectIdentifier;
use thiserror::Error;

use crate::jwk::{Curve, KeyType};

pub(crate) use named::{deserialize_name, named};

/// A JWS signature algorithm ([RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1),
/// RFC 8037, RFC 9864, RFC 9964). `none` is not a variant, so it cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the registry's own
pub enum Alg {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    /// Ed25519 under its older, polymorphic name (RFC 8037).
    EdDSA,
    /// Ed25519 under its fully-specified name (RFC 9864).
    Ed25519,
    /// `ML-DSA-44` (RFC 9964).
    MlDsa44,
    /// `ML-DSA-65` (RFC 9964).
    MlDsa65,
    /// `ML-DSA-87` (RFC 9964).
    MlDsa87,
}

/// What is known of one algorithm.
pub(crate) struct Row {
    pub(crate) alg: Alg,
    pub(crate) name: &'static str,
    pub(crate) family: Family,
}

/// The primitive, with what the key must be.
pub(crate) enum Family {
    /// A secret of at least the hash's size (RFC 7518 section 3.2).
    Hmac { hash: hmac::Algorithm, min_secret: usize },
    /// A modulus of 2048 to 8192 bits (RFC 7518 sections 3.3 and 3.5).
    Rsa { verify: &'static RsaParameters, sign: &'static RsaSignatureEncoding },
    /// One curve (RFC 7518 section 3.4).
    Ecdsa { curve: Curve, verify: &'static EcdsaVerificationAlgorithm, sign: &'static EcdsaSigningAlgorithm },
    /// Ed25519 (RFC 8037 section 3.1).
    Ed25519,
    /// An `AKP` key of this very algorithm (RFC 9964).
    MlDsa(MlDsa),
}

/// One set of parameters of ML-DSA (FIPS 204 section 4).
pub(crate) struct MlDsa {
    /// What a key is called in a DER document (RFC 9881 section 3).
    pub(crate) oid: ObjectIdentifier,
    pub(crate) verify: &'static PqdsaVerificationAlgorithm,
    pub(crate) sign: &'static PqdsaSigningAlgorithm,
}

const fn hs(alg: Alg, name: &'static str, hash: hmac::Algorithm, min_secret: usize) -> Row {
    Row { alg, name, family: Family::Hmac { hash, min_secret } }
}

const fn rsa(
    alg: Alg,
    name: &'static str,
    verify: &'static RsaParameters,
    sign: &'static RsaSignatureEncoding,
) -> Row {
    Row { alg, name, family: Family::Rsa { verify, sign } }
}

const fn ecdsa(
    alg: Alg,
    name: &'static str,
    curve: Curve,
    verify: &'static EcdsaVerificationAlgorithm,
    sign: &'static EcdsaSigningAlgorithm,
) -> Row {
    Row { alg, name, family: Family::Ecdsa { curve, verify, sign } }
}

const fn ml_dsa(
    alg: Alg,
    name: &'static str,
    oid: &'static str,
    verify: &'static PqdsaVerificationAlgorithm,
    sign: &'static PqdsaSigningAlgorithm,
) -> Row {
    let oid = ObjectIdentifier::new_unwrap(oid);
    Row { alg, name, family: Family::MlDsa(MlDsa { oid, verify, sign }) }
}

static TABLE: [Row; 17] = [
    hs(Alg::HS256, "HS256", hmac::HMAC_SHA256, 32),
    hs(Alg::HS384, "HS384", hmac::HMAC_SHA384, 48),
    hs(Alg::HS512, "HS512", hmac::HMAC_SHA512, 64),
    rsa(Alg::RS256, "RS256", &signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256),
    rsa(Alg::RS384, "RS384", &signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384),
    rsa(Alg::RS512, "RS512", &signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512),
    rsa(Alg::PS256, "PS256", &signature::RSA_PSS_2048_8192_SHA256, &signature::RSA_PSS_SHA256),
    rsa(Alg::PS384, "PS384", &signature::RSA_PSS_2048_8192_SHA384, &signature::RSA_PSS_SHA384),
    rsa(Alg::PS512, "PS512", &signature::RSA_PSS_2048_8192_SHA512, &signature::RSA_PSS_SHA512),
    ecdsa(
        Alg::ES256,
        "ES256",
        Curve::P256,
        &signature::ECDSA_P256_SHA256_FIXED,
        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    ),
    ecdsa(
        Alg::ES384,
        "ES384",
        Curve::P384,
        &signature::ECDSA_P384_SHA384_FIXED,
        &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    ),
    ecdsa(
        Alg::ES512,
        "ES512",
        Curve::P521,
        &signature::ECDSA_P521_SHA512_FIXED,
        &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    ),
    Row { alg: Alg::EdDSA, name: "EdDSA", family: Family::Ed25519 },
    Row { alg: Alg::Ed25519, name: "Ed25519", family: Family::Ed25519 },
    ml_dsa(
        Alg::MlDsa44,
        "ML-DSA-44",
        "2.16.840.1.101.3.4.3.17",
        &signature::ML_DSA_44,
        &signature::ML_DSA_44_SIGNING,
    ),
    ml_dsa(
        Alg::MlDsa65,
        "ML-DSA-65",
        "2.16.840.1.101.3.4.3.18",
        &signature::ML_DSA_65,
        &signature::ML_DSA_65_SIGNING,
    ),
    ml_dsa(
        Alg::MlDsa87,
        "ML-DSA-87",
        "2.16.840.1.101.3.4.3.19",
        &signature::ML_DSA_87,
        &signature::ML_DSA_87_SIGNING,
    ),
];

impl Alg {
    /// Every algorithm, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.alg)
    }

    /// The name in the `alg` member, as the IANA registry spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether signing and verifying use the same secret (the `HS` family).
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self.row().family, Family::Hmac { .. })
    }

    /// Whether a key of that type can be used with the algorithm.
    pub(crate) fn fits(self, key_type: KeyType) -> bool {
        match (&self.row().family, key_type) {
            (Family::Hmac { .. }, KeyType::Oct) | (Family::Rsa { .. }, KeyType::Rsa) => true,
            (Family::Ecdsa { curve, .. }, KeyType::OnCurve(own)) => *curve == own,
            (Family::Ed25519, KeyType::OnCurve(own)) => own == Curve::Ed25519,
            (Family::MlDsa(_), KeyType::Akp(own)) => self == own,
            _ => false,
        }
    }

    /// The parameters of an ML-DSA algorithm, and so of its `AKP` keys.
    pub(crate) fn ml_dsa(self) -> Option<&'static MlDsa> {
        match &self.row().family {
            Family::MlDsa(parameters) => Some(parameters),
            _ => None,
        }
    }

    pub(crate) fn row(self) -> &'static Row {
        // The table is in the order of the enum, which a test holds.
        let [first, ..] = &TABLE;
        TABLE.get(self as usize).unwrap_or(first)
    }
}

/// No signature algorithm of this library has that name. `none` is one of those names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a supported JWS algorithm")]
pub struct UnknownAlg;

named!(Alg, UnknownAlg, UnknownAlg);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_stands_in_its_own_row() {
        for row in &TABLE {
            assert_eq!(row.alg.row().name, row.name);
            assert_eq!(row.name.parse(), Ok(row.alg));
            assert_eq!(serde_json::to_value(row.alg).unwrap(), row.name);
            assert_eq!(serde_json::from_value::<Alg>(row.name.into()).unwrap(), row.alg);
        }
    }

    #[test]
    fn none_is_no_algorithm_in_any_spelling() {
        for name in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "ES256K"] {
            assert_eq!(name.parse::<Alg>(), Err(UnknownAlg), "{name:?}");
        }
    }
}

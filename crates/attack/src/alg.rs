//! The signature algorithms by the names that tokens give them, as raw primitives.
//!
//! `gatepass-jose` has a table like this one and keeps its primitives to itself, for good reason: what
//! signs any text under any name is of use to nobody but a forger.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, PqdsaSigningAlgorithm,
    PqdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding,
};

/// What an algorithm does, and with what.
pub(crate) enum Primitive {
    Hmac(hmac::Algorithm),
    Rsa {
        sign: &'static RsaSignatureEncoding,
        verify: &'static RsaParameters,
    },
    Ecdsa {
        sign: &'static EcdsaSigningAlgorithm,
        verify: &'static EcdsaVerificationAlgorithm,
        curve: &'static Curve,
    },
    Ed25519,
    MlDsa {
        sign: &'static PqdsaSigningAlgorithm,
        verify: &'static PqdsaVerificationAlgorithm,
    },
}

/// A curve of RFC 7518 section 6.2.1.1.
#[derive(Debug)]
pub(crate) struct Curve {
    /// Size of a coordinate and of `r` and `s`, in bytes.
    pub(crate) coordinate: usize,
    /// The order of the base point, `n` (FIPS 186-5), big-endian, in hexadecimal digits.
    order: &'static str,
}

impl Curve {
    /// The order of the base point in as many bytes as `r` and `s` have.
    pub(crate) fn order(&self) -> Vec<u8> {
        let digits = self.order.bytes().filter_map(|digit| char::from(digit).to_digit(16));
        let mut nibbles: Vec<u8> = digits.filter_map(|digit| u8::try_from(digit).ok()).collect();
        while nibbles.len() < self.coordinate * 2 {
            nibbles.insert(0, 0);
        }
        nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
    }
}

static P256: Curve =
    Curve { coordinate: 32, order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551" };
static P384: Curve = Curve {
    coordinate: 48,
    order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
};
static P521: Curve = Curve {
    coordinate: 66,
    order: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
};

const fn rsa(sign: &'static RsaSignatureEncoding, verify: &'static RsaParameters) -> Primitive {
    Primitive::Rsa { sign, verify }
}

const fn ecdsa(
    sign: &'static EcdsaSigningAlgorithm,
    verify: &'static EcdsaVerificationAlgorithm,
    curve: &'static Curve,
) -> Primitive {
    Primitive::Ecdsa { sign, verify, curve }
}

static TABLE: [(&str, Primitive); 17] = [
    ("HS256", Primitive::Hmac(hmac::HMAC_SHA256)),
    ("HS384", Primitive::Hmac(hmac::HMAC_SHA384)),
    ("HS512", Primitive::Hmac(hmac::HMAC_SHA512)),
    ("RS256", rsa(&signature::RSA_PKCS1_SHA256, &signature::RSA_PKCS1_2048_8192_SHA256)),
    ("RS384", rsa(&signature::RSA_PKCS1_SHA384, &signature::RSA_PKCS1_2048_8192_SHA384)),
    ("RS512", rsa(&signature::RSA_PKCS1_SHA512, &signature::RSA_PKCS1_2048_8192_SHA512)),
    ("PS256", rsa(&signature::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256)),
    ("PS384", rsa(&signature::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384)),
    ("PS512", rsa(&signature::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512)),
    ("ES256", ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &signature::ECDSA_P256_SHA256_FIXED, &P256)),
    ("ES384", ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, &signature::ECDSA_P384_SHA384_FIXED, &P384)),
    ("ES512", ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, &signature::ECDSA_P521_SHA512_FIXED, &P521)),
    ("EdDSA", Primitive::Ed25519),
    ("Ed25519", Primitive::Ed25519),
    ("ML-DSA-44", Primitive::MlDsa { sign: &signature::ML_DSA_44_SIGNING, verify: &signature::ML_DSA_44 }),
    ("ML-DSA-65", Primitive::MlDsa { sign: &signature::ML_DSA_65_SIGNING, verify: &signature::ML_DSA_65 }),
    ("ML-DSA-87", Primitive::MlDsa { sign: &signature::ML_DSA_87_SIGNING, verify: &signature::ML_DSA_87 }),
];

/// What is known of an algorithm; `None` for a name that this crate cannot sign under.
pub(crate) fn find(alg: &str) -> Option<&'static Primitive> {
    TABLE.iter().find(|(name, _)| *name == alg).map(|(_, primitive)| primitive)
}

/// The names of the other algorithms that a key of `alg` can sign under: the same RSA key, the same secret.
pub(crate) fn siblings(alg: &str) -> impl Iterator<Item = &'static str> {
    let of = |alg: &str| match find(alg) {
        Some(Primitive::Hmac(_)) => 1,
        Some(Primitive::Rsa { .. }) => 2,
        _ => 0,
    };
    let kind = of(alg);
    let own = alg.to_owned();
    TABLE.iter().map(|(name, _)| *name).filter(move |name| kind != 0 && of(name) == kind && *name != own)
}

/// Whether the service's key for `alg` has a public half.
pub(crate) fn is_asymmetric(alg: &str) -> bool {
    !matches!(find(alg), None | Some(Primitive::Hmac(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_fill_their_coordinates() {
        for curve in [&P256, &P384, &P521] {
            assert_eq!(curve.order().len(), curve.coordinate);
        }
        assert_eq!(P256.order().first(), Some(&0xff));
        assert_eq!(P521.order().get(..3), Some(&[0x01, 0xff, 0xff][..]));
    }

    #[test]
    fn siblings_share_a_key() {
        assert_eq!(siblings("HS384").collect::<Vec<_>>(), ["HS256", "HS512"]);
        assert_eq!(siblings("PS512").count(), 5);
        assert_eq!(siblings("ES256").count() + siblings("none").count(), 0);
    }
}

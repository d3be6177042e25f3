//! The curves, one row each.

use std::str::FromStr;

use aws_lc_rs::signature::{self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm};
use pkcs8::ObjectIdentifier;

use crate::key::KeyError;

/// A curve of an `EC` or `OKP` key
/// ([RFC 7518 section 6.2.1.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.1), RFC 8037).
/// `Ed448`, `X448` and `secp256k1` are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the registry's own, without their hyphens
pub enum Curve {
    P256,
    P384,
    P521,
    /// For signatures only.
    Ed25519,
    /// For key agreement only.
    X25519,
}

/// What is known of one curve.
pub(crate) struct CurveRow {
    curve: Curve,
    name: &'static str,
    /// The size of a coordinate and of a private key in bytes.
    pub(crate) size: usize,
    /// Its object identifier in a DER document.
    pub(crate) oid: ObjectIdentifier,
    pub(crate) form: Form,
}

/// How a point is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// Two coordinates, for signatures and for key agreement: an `EC` key.
    Weierstrass { verify: &'static EcdsaVerificationAlgorithm, sign: &'static EcdsaSigningAlgorithm },
    /// One string of bytes, for signatures: an `OKP` key.
    Edwards,
    /// One string of bytes, for key agreement: an `OKP` key.
    Montgomery,
}

static CURVES: [CurveRow; 5] = [
    CurveRow {
        curve: Curve::P256,
        name: "P-256",
        size: 32,
        oid: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        form: Form::Weierstrass {
            verify: &signature::ECDSA_P256_SHA256_FIXED,
            sign: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        },
    },
    CurveRow {
        curve: Curve::P384,
        name: "P-384",
        size: 48,
        oid: ObjectIdentifier::new_unwrap("1.3.132.0.34"),
        form: Form::Weierstrass {
            verify: &signature::ECDSA_P384_SHA384_FIXED,
            sign: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        },
    },
    CurveRow {
        curve: Curve::P521,
        name: "P-521",
        size: 66,
        oid: ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        form: Form::Weierstrass {
            verify: &signature::ECDSA_P521_SHA512_FIXED,
            sign: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        },
    },
    CurveRow {
        curve: Curve::Ed25519,
        name: "Ed25519",
        size: 32,
        oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
        form: Form::Edwards,
    },
    CurveRow {
        curve: Curve::X25519,
        name: "X25519",
        size: 32,
        oid: ObjectIdentifier::new_unwrap("1.3.101.110"),
        form: Form::Montgomery,
    },
];

impl Curve {
    /// Every curve, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        CURVES.iter().map(|row| row.curve)
    }

    /// The value of the member `crv`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The `kty` of a key on this curve.
    pub(crate) fn kty(self) -> &'static str {
        match self.row().form {
            Form::Weierstrass { .. } => "EC",
            Form::Edwards | Form::Montgomery => "OKP",
        }
    }

    pub(crate) fn row(self) -> &'static CurveRow {
        // The table is in the order of the enum, which a test holds.
        let [first, ..] = &CURVES;
        CURVES.get(self as usize).unwrap_or(first)
    }

    /// The curve of that name, if keys of type `kty` have it.
    pub(crate) fn of(kty: &str, name: &str) -> Result<Self, KeyError> {
        name.parse().ok().filter(|curve: &Self| curve.kty() == kty).ok_or(KeyError::UnknownCurve)
    }
}

impl FromStr for Curve {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        CURVES.iter().find(|row| row.name == name).map(|row| row.curve).ok_or(KeyError::UnknownCurve)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_stands_in_its_own_row() {
        for row in &CURVES {
            assert_eq!(row.curve.name(), row.name);
            assert_eq!(row.name.parse(), Ok(row.curve));
            assert_eq!(Curve::of(row.curve.kty(), row.name), Ok(row.curve));
        }
    }

    #[test]
    fn a_curve_belongs_to_one_key_type() {
        for (kty, name) in [("EC", "Ed25519"), ("OKP", "P-256"), ("RSA", "P-256"), ("EC", "secp256k1")] {
            assert_eq!(Curve::of(kty, name), Err(KeyError::UnknownCurve), "{kty} {name}");
        }
    }
}

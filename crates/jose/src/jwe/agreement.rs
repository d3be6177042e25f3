//! ECDH-ES: agreeing on a key with an ephemeral key pair
//! ([RFC 7518 section 4.6](https://www.rfc-editor.org/rfc/rfc7518#section-4.6),
//! [RFC 8037 section 3.2](https://www.rfc-editor.org/rfc/rfc8037#section-3.2)).

use aws_lc_rs::agreement::{self, ParsedPublicKey, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::kdf::{get_sskdf_digest_algorithm, sskdf_digest};
use zeroize::Zeroizing;

use super::alg::CONCAT_KDF_HASH;
use super::content::SecretBytes;
use crate::jwk::{Curve, PublicKey, uncompressed};

/// The agreement on a curve; `None` for a curve of signatures.
fn algorithm(curve: Curve) -> Option<&'static agreement::Algorithm> {
    match curve {
        Curve::P256 => Some(&agreement::ECDH_P256),
        Curve::P384 => Some(&agreement::ECDH_P384),
        Curve::P521 => Some(&agreement::ECDH_P521),
        Curve::X25519 => Some(&agreement::X25519),
        Curve::Ed25519 => None,
    }
}

/// A private key with which to agree.
pub(crate) struct AgreementKey {
    curve: Curve,
    private: PrivateKey,
}

/// Somebody's public key, known to be on its curve.
#[derive(Clone)]
pub(crate) struct Point {
    curve: Curve,
    parsed: ParsedPublicKey,
}

impl AgreementKey {
    pub(crate) fn generate(curve: Curve) -> Result<Self, Unspecified> {
        let private = PrivateKey::generate(algorithm(curve).ok_or(Unspecified)?)?;
        Ok(Self { curve, private })
    }

    /// A private key from `d`, of its exact size.
    pub(crate) fn new(curve: Curve, d: &[u8]) -> Result<Self, Unspecified> {
        let algorithm = algorithm(curve).ok_or(Unspecified)?;
        let private = PrivateKey::from_private_key(algorithm, d).map_err(|_| Unspecified)?;
        Ok(Self { curve, private })
    }

    pub(crate) fn curve(&self) -> Curve {
        self.curve
    }

    /// `d`, as it was given or generated.
    pub(crate) fn to_bytes(&self) -> Result<SecretBytes, Unspecified> {
        let bytes = match self.curve {
            Curve::X25519 => {
                let seed: Curve25519SeedBin<'_> = self.private.as_be_bytes()?;
                seed.as_ref().to_vec()
            }
            _ => {
                let scalar: EcPrivateKeyBin<'_> = self.private.as_be_bytes()?;
                scalar.as_ref().to_vec()
            }
        };
        Ok(Zeroizing::new(bytes))
    }

    pub(crate) fn public(&self) -> Result<PublicKey, Unspecified> {
        let public = self.private.compute_public_key()?;
        if self.curve == Curve::X25519 {
            return Ok(PublicKey::Okp { curve: self.curve, x: public.as_ref().to_vec() });
        }
        // An uncompressed point: 0x04, then x and y of one coordinate's size each (SEC 1).
        let (_, point) = public.as_ref().split_first().ok_or(Unspecified)?;
        let (x, y) = point.split_at_checked(self.curve.row().size).ok_or(Unspecified)?;
        Ok(PublicKey::Ec { curve: self.curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// The raw shared secret Z. Fails for a point of another curve than the key's, and for one of small
    /// order, with which everybody would agree on zeros (RFC 7748 section 6.1).
    pub(crate) fn agree(&self, with: &Point) -> Result<SecretBytes, Unspecified> {
        agreement::agree(&self.private, with.parsed.clone(), Unspecified, |z| Ok(Zeroizing::new(z.to_vec())))
    }
}

impl Point {
    /// The public key as a point, when it is one and lies on its curve.
    pub(crate) fn new(public: &PublicKey) -> Option<Self> {
        let (curve, bytes) = match public {
            PublicKey::Ec { curve, x, y } => (*curve, uncompressed(x, y)),
            PublicKey::Okp { curve, x } => (*curve, x.clone()),
            _ => return None,
        };
        let parsed = UnparsedPublicKey::new(algorithm(curve)?, bytes).try_into().ok()?;
        Some(Self { curve, parsed })
    }

    pub(crate) fn curve(&self) -> Curve {
        self.curve
    }
}

/// `PartyUInfo` and `PartyVInfo`: what a header says in `apu` and `apv`, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) apu: Vec<u8>,
    pub(crate) apv: Vec<u8>,
}

/// The Concat KDF of RFC 7518 section 4.6.2: `len` bytes for `algorithm_id` out of `z`.
pub(crate) fn derive_key(
    z: &[u8],
    algorithm_id: &str,
    parties: &Parties,
    len: usize,
) -> Result<SecretBytes, Unspecified> {
    let bits = u32::try_from(len).ok().and_then(|len| len.checked_mul(8)).ok_or(Unspecified)?;
    let mut other_info = Vec::new();
    for field in [algorithm_id.as_bytes(), &parties.apu, &parties.apv] {
        let len = u32::try_from(field.len()).map_err(|_| Unspecified)?;
        other_info.extend_from_slice(&len.to_be_bytes());
        other_info.extend_from_slice(field);
    }
    other_info.extend_from_slice(&bits.to_be_bytes()); // SuppPubInfo; SuppPrivInfo is empty
    let hash = get_sskdf_digest_algorithm(CONCAT_KDF_HASH).ok_or(Unspecified)?;
    let mut key = Zeroizing::new(vec![0; len]);
    sskdf_digest(hash, z, &other_info, &mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;

    fn curves() -> impl Iterator<Item = Curve> {
        Curve::all().filter(|curve| algorithm(*curve).is_some())
    }

    fn decode(text: &str) -> Vec<u8> {
        base64url::decode(text).unwrap()
    }

    #[test]
    fn every_curve_agrees_with_itself_alone() {
        assert_eq!(curves().count(), 4);
        for curve in curves() {
            let (ours, theirs) =
                (AgreementKey::generate(curve).unwrap(), AgreementKey::generate(curve).unwrap());
            let our_point = Point::new(&ours.public().unwrap()).unwrap();
            let z = ours.agree(&Point::new(&theirs.public().unwrap()).unwrap()).unwrap();
            assert_eq!(z, theirs.agree(&our_point).unwrap(), "{curve:?}");
            assert_eq!(z.len(), curve.row().size, "{curve:?}");
            let again = AgreementKey::new(curve, &ours.to_bytes().unwrap()).unwrap();
            assert!(again.public().unwrap() == ours.public().unwrap(), "{curve:?}");
            for other in curves().filter(|other| *other != curve) {
                assert!(
                    AgreementKey::generate(other).unwrap().agree(&our_point).is_err(),
                    "{curve:?} {other:?}"
                );
            }
        }
        assert!(AgreementKey::generate(Curve::Ed25519).is_err());
        assert!(AgreementKey::new(Curve::Ed25519, &[7; 32]).is_err());
    }

    #[test]
    fn the_derived_key_is_that_of_rfc_7518_appendix_c() {
        let alice = PublicKey::Ec {
            curve: Curve::P256,
            x: decode("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0"),
            y: decode("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"),
        };
        let bob =
            AgreementKey::new(Curve::P256, &decode("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw")).unwrap();
        let z = bob.agree(&Point::new(&alice).unwrap()).unwrap();
        assert_eq!(z[..4], [158, 86, 217, 29]);
        let parties = Parties { apu: b"Alice".to_vec(), apv: b"Bob".to_vec() };
        let key = derive_key(&z, "A128GCM", &parties, 16).unwrap();
        assert_eq!(base64url::encode(&key), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn the_shared_secret_is_that_of_rfc_8037_appendix_a_6() {
        let ephemeral =
            AgreementKey::new(Curve::X25519, &decode("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo")).unwrap();
        let epk =
            PublicKey::Okp { curve: Curve::X25519, x: decode("hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo") };
        assert!(ephemeral.public().unwrap() == epk);
        let bob =
            PublicKey::Okp { curve: Curve::X25519, x: decode("3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08") };
        let z = ephemeral.agree(&Point::new(&bob).unwrap()).unwrap();
        assert_eq!(base64url::encode(&z), "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I");
    }

    #[test]
    fn points_that_are_not_on_their_curve() {
        let x = decode("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0");
        let y = decode("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
        let ec = |curve, x: &[u8], y: &[u8]| PublicKey::Ec { curve, x: x.to_vec(), y: y.to_vec() };
        let cases = [
            ("good", ec(Curve::P256, &x, &y), true),
            ("coordinates_swapped", ec(Curve::P256, &y, &x), false),
            ("other_curve_named", ec(Curve::P384, &x, &y), false),
            ("short_coordinate", ec(Curve::P256, &x[1..], &y), false),
            ("zeros", ec(Curve::P256, &[0; 32], &[0; 32]), false),
            ("infinity", ec(Curve::P256, b"", b""), false),
            ("signature_curve", PublicKey::Okp { curve: Curve::Ed25519, x: x.clone() }, false),
            ("short_x25519", PublicKey::Okp { curve: Curve::X25519, x: x[1..].to_vec() }, false),
        ];
        for (name, public, want) in cases {
            assert_eq!(Point::new(&public).is_some(), want, "{name}");
        }
    }

    #[test]
    fn x25519_points_of_small_order_agree_with_nobody() {
        // The points whose order divides 8, with the spellings of them above the prime (RFC 7748 section 7).
        let small = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        ];
        let private = AgreementKey::generate(Curve::X25519).unwrap();
        for hex in small {
            let x = (0..64).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
            let point = Point::new(&PublicKey::Okp { curve: Curve::X25519, x });
            assert!(point.is_none_or(|point| private.agree(&point).is_err()), "{hex}");
        }
    }
}

//! The DER documents that hold keys: `PrivateKeyInfo` (PKCS#8), `SubjectPublicKeyInfo`, PKCS#1.
//!
//! The crypto library reads and writes most of them by itself. Read here is what it keeps to itself (of
//! which type a document is, the members of an RSA key, an ML-DSA seed) and all of X25519.

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::der::asn1::{BitStringRef, ContextSpecific, OctetStringRef};
use pkcs8::der::{Decode, Encode, Reader as _, SliceReader, TagNumber};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::KeyError;
use crate::Alg;
use crate::jwk::{Curve, KeyType, PublicKey, RsaParams};

/// `id-ecPublicKey`, whose parameter names the curve (RFC 5480 section 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A `PrivateKeyInfo`, taken apart.
pub(super) struct PrivateKeyInfo<'d> {
    pub(super) key_type: KeyType,
    /// What stands in `privateKey`; its form is the key type's.
    pub(super) private_key: &'d [u8],
}

pub(super) fn private_key_info(document: &[u8]) -> Result<PrivateKeyInfo<'_>, KeyError> {
    let info = PrivateKeyInfoRef::from_der(document).map_err(|_| KeyError::Malformed)?;
    Ok(PrivateKeyInfo { key_type: key_type(&info.algorithm)?, private_key: info.private_key.as_bytes() })
}

fn key_type(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<KeyType, KeyError> {
    match algorithm.oid {
        pkcs1::ALGORITHM_OID => Ok(KeyType::Rsa),
        EC_PUBLIC_KEY => {
            let curve = algorithm.parameters_oid().map_err(|_| KeyError::UnknownCurve)?;
            named_curve(curve).map(KeyType::OnCurve)
        }
        oid => {
            let curve = Curve::all().find(|curve| curve.kty() == "OKP" && curve.row().oid == oid);
            let akp = || Alg::all().find(|alg| alg.ml_dsa().is_some_and(|ml_dsa| ml_dsa.oid == oid));
            let found = curve.map(KeyType::OnCurve).or_else(|| akp().map(KeyType::Akp));
            found.ok_or(KeyError::UnsupportedType)
        }
    }
}

fn named_curve(oid: ObjectIdentifier) -> Result<Curve, KeyError> {
    let found = Curve::all().find(|curve| curve.kty() == "EC" && curve.row().oid == oid);
    found.ok_or(KeyError::UnknownCurve)
}

/// The curve that a SEC 1 `ECPrivateKey` names. It may only leave it out inside of a document that names it
/// (RFC 5915 section 3), and a guess would find a key on whichever curve the number fits first.
pub(super) fn ec_private_key_curve(document: &[u8]) -> Result<Curve, KeyError> {
    let parameters = |reader: &mut SliceReader<'_>| {
        u8::decode(reader)?;
        <&OctetStringRef>::decode(reader)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber(0))?;
        ContextSpecific::<BitStringRef<'_>>::decode_explicit(reader, TagNumber(1))?;
        Ok::<_, pkcs8::der::Error>(curve)
    };
    let read = SliceReader::new(document).and_then(|mut reader| {
        let curve = reader.sequence(parameters)?;
        reader.finish().map(|()| curve)
    });
    let curve = read.map_err(|_| KeyError::Malformed)?;
    named_curve(curve.ok_or(KeyError::UnknownCurve)?.value)
}

/// The members of a PKCS#1 `RSAPrivateKey`.
pub(super) fn rsa_private_key(document: &[u8]) -> Result<RsaParams, KeyError> {
    let key = RsaPrivateKeyRef::from_der(document).map_err(|_| KeyError::Malformed)?;
    let secret = |number: pkcs1::UintRef<'_>| Zeroizing::new(number.as_bytes().to_vec());
    Ok(RsaParams {
        public: rsa_public(&key.public_key()),
        d: secret(key.private_exponent),
        p: secret(key.prime1),
        q: secret(key.prime2),
        dp: secret(key.exponent1),
        dq: secret(key.exponent2),
        qi: secret(key.coefficient),
    })
}

/// A PKCS#1 `RSAPublicKey`.
pub(crate) fn rsa_public_key(document: &[u8]) -> Result<PublicKey, KeyError> {
    Ok(rsa_public(&RsaPublicKeyRef::from_der(document).map_err(|_| KeyError::Malformed)?))
}

fn rsa_public(key: &RsaPublicKeyRef<'_>) -> PublicKey {
    PublicKey::Rsa { n: key.modulus.as_bytes().to_vec(), e: key.public_exponent.as_bytes().to_vec() }
}

/// The `CurvePrivateKey` of an `OKP` key: one string in another (RFC 8410 section 7).
pub(super) fn curve_private_key(document: &[u8]) -> Result<&[u8], KeyError> {
    let key = <&OctetStringRef>::from_der(document).map_err(|_| KeyError::Malformed)?;
    Ok(key.as_bytes())
}

/// A `PrivateKeyInfo` around a `CurvePrivateKey`.
pub(super) fn curve_private_key_info(curve: Curve, d: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let malformed = |_| KeyError::Malformed;
    let key = OctetStringRef::new(d).map_err(malformed)?.to_der().map(Zeroizing::new).map_err(malformed)?;
    let algorithm = AlgorithmIdentifierRef { oid: curve.row().oid, parameters: None };
    let key = OctetStringRef::new(&key).map_err(malformed)?;
    PrivateKeyInfoRef::new(algorithm, key).to_der().map(Zeroizing::new).map_err(malformed)
}

/// The seed of an ML-DSA key, the first form of its `privateKey` (RFC 9881 section 6).
pub(super) fn ml_dsa_seed(document: &[u8]) -> Result<&[u8], KeyError> {
    let seed = ContextSpecific::<&OctetStringRef>::decode_implicit;
    let mut reader = SliceReader::new(document).map_err(|_| KeyError::Malformed)?;
    match seed(&mut reader, TagNumber(0)) {
        Ok(Some(seed)) => Ok(seed.value.as_bytes()),
        _ => Err(KeyError::NoSeed),
    }
}

/// The key of a `SubjectPublicKeyInfo` ([RFC 5280 section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
pub(crate) fn subject_public_key(document: &[u8]) -> Result<PublicKey, KeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(document).map_err(|_| KeyError::Malformed)?;
    let bits = info.subject_public_key.as_bytes().ok_or(KeyError::Malformed)?;
    match key_type(&info.algorithm)? {
        KeyType::Rsa => rsa_public_key(bits),
        KeyType::OnCurve(curve) if curve.kty() == "EC" => {
            PublicKey::from_point(curve, bits).ok_or(KeyError::NotUncompressed)
        }
        KeyType::OnCurve(curve) => Ok(PublicKey::Okp { curve, x: bits.to_vec() }),
        KeyType::Akp(alg) => Ok(PublicKey::Akp { alg, public: bits.to_vec() }),
        KeyType::Oct => Err(KeyError::UnsupportedType),
    }
}

/// A `SubjectPublicKeyInfo` around an `OKP` key.
pub(crate) fn curve_public_key_info(curve: Curve, x: &[u8]) -> Result<Vec<u8>, KeyError> {
    let malformed = |_| KeyError::Malformed;
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: curve.row().oid, parameters: None },
        subject_public_key: BitStringRef::from_bytes(x).map_err(malformed)?,
    };
    info.to_der().map_err(malformed)
}

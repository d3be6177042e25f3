//! The two halves of an asymmetric key, as the crypto library holds them.

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPairComponents, KeySize};
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair, RsaKeyPair, RsaPublicKeyComponents,
};
use zeroize::Zeroizing;

use super::{ED25519_SIGNATURE, KeyError, der, rsa};
use crate::Alg;
use crate::alg::Family;
use crate::jwk::{Curve, Form, KeyType, PrivateParams, PublicKey, RsaParams, uncompressed};

/// A key pair whose halves belong together.
pub(crate) enum KeyPair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Curve, Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    X25519(Box<agreement::PrivateKey>),
    MlDsa(Alg, Box<PqdsaKeyPair>),
}

impl KeyPair {
    /// A fresh pair for a signature algorithm; RSA keys have `rsa` bits.
    pub(super) fn generate(alg: Alg, rsa: KeySize) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generation;
        match &alg.row().family {
            Family::Hmac { .. } => Err(KeyError::WrongType(alg)),
            Family::Rsa { .. } => Ok(Self::Rsa(Box::new(RsaKeyPair::generate(rsa).map_err(failed)?))),
            Family::Ecdsa { curve, sign, .. } => {
                Ok(Self::Ecdsa(*curve, Box::new(EcdsaKeyPair::generate(sign).map_err(failed)?)))
            }
            Family::Ed25519 => Ok(Self::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(failed)?))),
            Family::MlDsa(ml_dsa) => {
                Ok(Self::MlDsa(alg, Box::new(PqdsaKeyPair::generate(ml_dsa.sign).map_err(failed)?)))
            }
        }
    }

    /// The pair of a JWK's members.
    ///
    /// # Errors
    /// [`KeyError::HalvesDiffer`] when they are not of one key.
    pub(crate) fn from_params(params: &PrivateParams) -> Result<Self, KeyError> {
        match params {
            PrivateParams::Rsa(rsa) => Self::from_rsa(rsa),
            PrivateParams::OnCurve { public, d } => Self::from_point(public, d),
            PrivateParams::Akp { public: PublicKey::Akp { alg, public }, seed } => {
                let sign = alg.ml_dsa().ok_or(KeyError::WrongType(*alg))?.sign;
                let pair = PqdsaKeyPair::from_seed(sign, seed).map_err(|_| KeyError::Malformed)?;
                require_equal(pair.public_key().as_ref(), public)?;
                Ok(Self::MlDsa(*alg, Box::new(pair)))
            }
            PrivateParams::Akp { .. } => Err(KeyError::Malformed),
            PrivateParams::Oct(_) => Err(KeyError::NoKeyPair),
        }
    }

    fn from_rsa(params: &RsaParams) -> Result<Self, KeyError> {
        let PublicKey::Rsa { n, e } = &params.public else { return Err(KeyError::Malformed) };
        rsa::require_sound(n, e)?;
        let components = KeyPairComponents {
            public_key: RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() },
            d: params.d.as_slice(),
            p: params.p.as_slice(),
            q: params.q.as_slice(),
            dP: params.dp.as_slice(),
            dQ: params.dq.as_slice(),
            qInv: params.qi.as_slice(),
        };
        let pair = RsaKeyPair::from_components(&components).map_err(|_| KeyError::HalvesDiffer)?;
        Ok(Self::Rsa(Box::new(pair)))
    }

    fn from_point(public: &PublicKey, d: &[u8]) -> Result<Self, KeyError> {
        public.require_on_curve()?;
        match public {
            PublicKey::Ec { curve, x, y } => {
                let Form::Weierstrass { sign, .. } = curve.row().form else {
                    return Err(KeyError::UnknownCurve);
                };
                let pair = EcdsaKeyPair::from_private_key_and_public_key(sign, d, &uncompressed(x, y));
                Ok(Self::Ecdsa(*curve, Box::new(pair.map_err(|_| KeyError::HalvesDiffer)?)))
            }
            PublicKey::Okp { curve: Curve::Ed25519, x } => {
                let pair = Ed25519KeyPair::from_seed_and_public_key(d, x);
                Ok(Self::Ed25519(Box::new(pair.map_err(|_| KeyError::HalvesDiffer)?)))
            }
            PublicKey::Okp { curve: Curve::X25519, x } => {
                let private = agreement::PrivateKey::from_private_key(&X25519, d);
                let private = private.map_err(|_| KeyError::Malformed)?;
                let public = private.compute_public_key().map_err(|_| KeyError::Malformed)?;
                require_equal(public.as_ref(), x)?;
                Ok(Self::X25519(Box::new(private)))
            }
            _ => Err(KeyError::UnknownCurve),
        }
    }

    /// The pair of an unencrypted PKCS#8 document ([RFC 5958](https://www.rfc-editor.org/rfc/rfc5958)).
    pub(crate) fn from_pkcs8(document: &[u8]) -> Result<Self, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let info = der::private_key_info(document)?;
        Ok(match info.key_type {
            KeyType::Rsa => Self::from_pkcs1(info.private_key)?,
            KeyType::OnCurve(curve) => match curve.row().form {
                Form::Weierstrass { sign, .. } => {
                    let pair = EcdsaKeyPair::from_pkcs8(sign, document).map_err(malformed)?;
                    Self::Ecdsa(curve, Box::new(pair))
                }
                Form::Edwards => {
                    Self::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8(document).map_err(malformed)?))
                }
                Form::Montgomery => {
                    let d = der::curve_private_key(info.private_key)?;
                    let private = agreement::PrivateKey::from_private_key(&X25519, d).map_err(malformed)?;
                    Self::X25519(Box::new(private))
                }
            },
            KeyType::Akp(alg) => {
                let sign = alg.ml_dsa().ok_or(KeyError::WrongType(alg))?.sign;
                let pair = PqdsaKeyPair::from_pkcs8(sign, document).map_err(malformed)?;
                Self::MlDsa(alg, Box::new(pair))
            }
            KeyType::Oct => return Err(KeyError::UnsupportedType),
        })
    }

    /// The pair of a PKCS#1 `RSAPrivateKey` ([RFC 8017 appendix A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2)).
    pub(crate) fn from_pkcs1(document: &[u8]) -> Result<Self, KeyError> {
        Self::from_rsa(&der::rsa_private_key(document)?)
    }

    /// The pair of a SEC 1 `ECPrivateKey` ([RFC 5915](https://www.rfc-editor.org/rfc/rfc5915)).
    pub(crate) fn from_sec1(document: &[u8]) -> Result<Self, KeyError> {
        let curve = der::ec_private_key_curve(document)?;
        let Form::Weierstrass { sign, .. } = curve.row().form else { return Err(KeyError::UnknownCurve) };
        let pair = EcdsaKeyPair::from_private_key_der(sign, document).map_err(|_| KeyError::Malformed)?;
        Ok(Self::Ecdsa(curve, Box::new(pair)))
    }

    /// The pair as unencrypted PKCS#8.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let document = match self {
            Self::Rsa(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der().map_err(malformed)?;
                document.as_ref().to_vec()
            }
            Self::Ecdsa(_, pair) => pair.to_pkcs8v1().map_err(malformed)?.as_ref().to_vec(),
            Self::Ed25519(pair) => pair.to_pkcs8v1().map_err(malformed)?.as_ref().to_vec(),
            Self::X25519(private) => {
                let d: Curve25519SeedBin<'_> = private.as_be_bytes().map_err(malformed)?;
                return der::curve_private_key_info(Curve::X25519, d.as_ref());
            }
            // The seed is lost where the key came from its expanded form alone.
            Self::MlDsa(_, pair) => pair.to_pkcs8v1().map_err(|_| KeyError::NoSeed)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(document))
    }

    /// The public half; `None` if the library writes a point in a form that it never does.
    pub(crate) fn public(&self) -> Option<PublicKey> {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                Some(PublicKey::Rsa {
                    n: public.modulus().big_endian_without_leading_zero().to_vec(),
                    e: public.exponent().big_endian_without_leading_zero().to_vec(),
                })
            }
            Self::Ecdsa(curve, pair) => PublicKey::from_point(*curve, pair.public_key().as_ref()),
            Self::Ed25519(pair) => {
                Some(PublicKey::Okp { curve: Curve::Ed25519, x: pair.public_key().as_ref().to_vec() })
            }
            Self::X25519(private) => {
                let public = private.compute_public_key().ok()?;
                Some(PublicKey::Okp { curve: Curve::X25519, x: public.as_ref().to_vec() })
            }
            Self::MlDsa(alg, pair) => {
                Some(PublicKey::Akp { alg: *alg, public: pair.public_key().as_ref().to_vec() })
            }
        }
    }

    /// What decides which algorithms the pair fits.
    pub(crate) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ecdsa(curve, _) => KeyType::OnCurve(*curve),
            Self::Ed25519(_) => KeyType::OnCurve(Curve::Ed25519),
            Self::X25519(_) => KeyType::OnCurve(Curve::X25519),
            Self::MlDsa(alg, _) => KeyType::Akp(*alg),
        }
    }

    /// How many bytes a signature has; none where the key is not for signatures.
    pub(super) fn signature_len(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len(),
            Self::Ecdsa(curve, _) => 2 * curve.row().size,
            Self::Ed25519(_) => ED25519_SIGNATURE,
            Self::X25519(_) => 0,
            Self::MlDsa(_, pair) => pair.algorithm().signature_len(),
        }
    }

    /// The members of a JWK.
    pub(crate) fn to_params(&self) -> Result<PrivateParams, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let public = self.public().ok_or(KeyError::Malformed)?;
        match self {
            Self::Rsa(_) => {
                let document = self.to_pkcs8()?;
                der::rsa_private_key(der::private_key_info(&document)?.private_key).map(PrivateParams::Rsa)
            }
            Self::Ecdsa(_, pair) => {
                let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(malformed)?;
                Ok(PrivateParams::OnCurve { public, d: Zeroizing::new(d.as_ref().to_vec()) })
            }
            Self::Ed25519(pair) => {
                let seed = pair.seed().map_err(malformed)?;
                let d: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(malformed)?;
                Ok(PrivateParams::OnCurve { public, d: Zeroizing::new(d.as_ref().to_vec()) })
            }
            Self::X25519(private) => {
                let d: Curve25519SeedBin<'_> = private.as_be_bytes().map_err(malformed)?;
                Ok(PrivateParams::OnCurve { public, d: Zeroizing::new(d.as_ref().to_vec()) })
            }
            Self::MlDsa(..) => {
                let document = self.to_pkcs8()?;
                let seed = der::ml_dsa_seed(der::private_key_info(&document)?.private_key)?;
                Ok(PrivateParams::Akp { public, seed: Zeroizing::new(seed.to_vec()) })
            }
        }
    }
}

fn require_equal(ours: &[u8], theirs: &[u8]) -> Result<(), KeyError> {
    verify_slices_are_equal(ours, theirs).map_err(|_| KeyError::HalvesDiffer)
}

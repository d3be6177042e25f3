//! The public half of a key: as it stands in a JWK, and decoded.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};

use super::curve::Form;
use super::members::Members;
use super::small_order::is_of_small_order;
use super::{Curve, JwkAlg, JwkError, KeyType};
use crate::key::{KeyError, der, rsa};
use crate::{Alg, base64url};

/// `kty` and the public members that go with it, base64url as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // the members are the registry's own (RFC 7518 section 6, RFC 9964)
pub enum PublicParams {
    Rsa {
        n: String,
        e: String,
    },
    Ec {
        crv: String,
        x: String,
        y: String,
    },
    Okp {
        crv: String,
        x: String,
    },
    /// An `AKP` key, whose `alg` is part of the key ([RFC 9964](https://www.rfc-editor.org/rfc/rfc9964)).
    Akp {
        alg: Alg,
        public: String,
    },
}

impl PublicParams {
    pub(super) fn read(members: &Members) -> Result<Self, JwkError> {
        let text = |name| members.text(name).map(str::to_owned);
        match members.text("kty")? {
            "RSA" => Ok(Self::Rsa { n: text("n")?, e: text("e")? }),
            "EC" => Ok(Self::Ec { crv: text("crv")?, x: text("x")?, y: text("y")? }),
            "OKP" => Ok(Self::Okp { crv: text("crv")?, x: text("x")? }),
            "AKP" => {
                let alg = members.text("alg")?.parse().map_err(|_| JwkError::UnknownAlg)?;
                Ok(Self::Akp { alg, public: text("pub")? })
            }
            "oct" => Err(JwkError::NotPublic("k")),
            _ => Err(JwkError::UnknownType),
        }
    }

    /// The required members in lexicographic order: what a thumbprint is taken of
    /// ([RFC 7638 section 3.2](https://www.rfc-editor.org/rfc/rfc7638#section-3.2)).
    pub(super) fn required_members(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Rsa { n, e } => vec![("e", e), ("kty", "RSA"), ("n", n)],
            Self::Ec { crv, x, y } => vec![("crv", crv), ("kty", "EC"), ("x", x), ("y", y)],
            Self::Okp { crv, x } => vec![("crv", crv), ("kty", "OKP"), ("x", x)],
            Self::Akp { alg, public } => vec![("alg", alg.name()), ("kty", "AKP"), ("pub", public)],
        }
    }

    /// Decodes the members and checks every rule that needs no curve arithmetic.
    ///
    /// # Errors
    /// [`KeyError`]: not base64url, a curve of another type, a wrong length, a point of small order, an RSA
    /// key of a refused size.
    pub(crate) fn decode(&self) -> Result<PublicKey, KeyError> {
        let key = match self {
            Self::Rsa { n, e } => PublicKey::Rsa { n: bytes("n", n)?, e: bytes("e", e)? },
            Self::Ec { crv, x, y } => {
                let curve = Curve::of("EC", crv)?;
                let size = curve.row().size;
                let (x, y) = (sized("x", x, size)?, sized("y", y, size)?);
                PublicKey::Ec { curve, x, y }
            }
            Self::Okp { crv, x } => {
                let curve = Curve::of("OKP", crv)?;
                PublicKey::Okp { curve, x: sized("x", x, curve.row().size)? }
            }
            Self::Akp { alg, public } => {
                let ml_dsa = alg.ml_dsa().ok_or(KeyError::WrongType(*alg))?;
                PublicKey::Akp { alg: *alg, public: sized("pub", public, ml_dsa.sign.public_key_len())? }
            }
        };
        match &key {
            PublicKey::Rsa { n, e } => rsa::require_sound(n, e)?,
            PublicKey::Okp { curve, x } if is_of_small_order(*curve, x) => return Err(KeyError::SmallOrder),
            _ => {}
        }
        Ok(key)
    }

    /// The algorithm that is part of the key itself, which an `AKP` key has.
    pub(super) fn own_alg(&self) -> Option<JwkAlg> {
        match self {
            Self::Akp { alg, .. } => Some(JwkAlg::Signature(*alg)),
            _ => None,
        }
    }

    /// What decides which algorithms the key fits; `None` for a curve that is not supported.
    pub(crate) fn key_type(&self) -> Option<KeyType> {
        match self {
            Self::Rsa { .. } => Some(KeyType::Rsa),
            Self::Ec { crv, .. } => Curve::of("EC", crv).ok().map(KeyType::OnCurve),
            Self::Okp { crv, .. } => Curve::of("OKP", crv).ok().map(KeyType::OnCurve),
            Self::Akp { alg, .. } => Some(KeyType::Akp(*alg)),
        }
    }
}

fn bytes(name: &'static str, text: &str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(text).map_err(|_| KeyError::NotBase64Url(name))
}

fn sized(name: &'static str, text: &str, size: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = bytes(name, text)?;
    if bytes.len() == size { Ok(bytes) } else { Err(KeyError::WrongLength { member: name, bytes: size }) }
}

/// The public half of a key, decoded, its sizes checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Okp { curve: Curve, x: Vec<u8> },
    Akp { alg: Alg, public: Vec<u8> },
}

impl PublicKey {
    /// The members of a JWK.
    pub(crate) fn encode(&self) -> PublicParams {
        let text = |bytes: &Vec<u8>| base64url::encode(bytes);
        match self {
            Self::Rsa { n, e } => PublicParams::Rsa { n: text(n), e: text(e) },
            Self::Ec { curve, x, y } => {
                PublicParams::Ec { crv: curve.name().to_owned(), x: text(x), y: text(y) }
            }
            Self::Okp { curve, x } => PublicParams::Okp { crv: curve.name().to_owned(), x: text(x) },
            Self::Akp { alg, public } => PublicParams::Akp { alg: *alg, public: text(public) },
        }
    }

    /// The key at a point in SEC 1's uncompressed form; `None` for any other form or size.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Option<Self> {
        let (x, y) = point.strip_prefix(&[0x04])?.split_at_checked(curve.row().size)?;
        (x.len() == y.len()).then(|| Self::Ec { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// Refuses a point that is not on its curve. For the types without curve arithmetic the sizes are
    /// all there is to check.
    pub(crate) fn require_on_curve(&self) -> Result<(), KeyError> {
        self.parse().map_or(Ok(()), |parsed| parsed.map(drop))
    }

    /// The key as a `SubjectPublicKeyInfo`.
    pub(super) fn to_spki_der(&self) -> Result<Vec<u8>, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let document: PublicKeyX509Der<'_> = match (self, self.parse()) {
            (Self::Rsa { n, e }, _) => RsaPublicKeyComponents { n, e }.as_der().map_err(malformed)?,
            (Self::Okp { curve, x }, None) => return der::curve_public_key_info(*curve, x),
            (_, Some(parsed)) => parsed?.as_der().map_err(malformed)?,
            (_, None) => return Err(KeyError::Malformed),
        };
        Ok(document.as_ref().to_vec())
    }

    /// The key as the crypto library holds it; `None` where it has no such thing.
    fn parse(&self) -> Option<Result<ParsedPublicKey, KeyError>> {
        let parsed = match self {
            Self::Ec { curve, x, y } => match curve.row().form {
                Form::Weierstrass { verify, .. } => ParsedPublicKey::new(verify, uncompressed(x, y)),
                Form::Edwards | Form::Montgomery => return Some(Err(KeyError::UnknownCurve)),
            },
            Self::Okp { curve: Curve::Ed25519, x } => ParsedPublicKey::new(&ED25519, x),
            Self::Akp { alg, public } => match alg.ml_dsa() {
                Some(ml_dsa) => ParsedPublicKey::new(ml_dsa.verify, public),
                None => return Some(Err(KeyError::WrongType(*alg))),
            },
            Self::Rsa { .. } | Self::Okp { .. } => return None,
        };
        Some(parsed.map_err(|_| KeyError::NotOnCurve))
    }
}

/// A point in SEC 1's uncompressed form: `0x04`, then both coordinates.
pub(crate) fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[0x04], x, y].concat()
}

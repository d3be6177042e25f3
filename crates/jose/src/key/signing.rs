use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::{hmac, rsa};
use zeroize::Zeroizing;

use super::{KeyError, KeyPair, SecretKey, VerifyingKey};
use crate::alg::Family;
use crate::header::{HeaderOut, Typ};
use crate::jwk::{Jwk, JwkAlg, KeyUse, Operation, PrivateJwk, PrivateParams, PublicKey};
use crate::{Alg, PemError, base64url};

/// A key that signs, with its algorithm and its `kid`.
pub struct SigningKey {
    alg: Alg,
    kid: Arc<str>,
    /// The encoded headers of the first few types of token that the key signed: all tokens of one type
    /// share theirs.
    headers: [OnceLock<(Typ, Box<str>)>; 4],
    inner: Private,
}

enum Private {
    Secret(Box<hmac::Key>, SecretKey),
    Pair(KeyPair),
}

/// How many bits the modulus of a generated RSA key has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum RsaSize {
    #[default]
    Bits2048,
    Bits3072,
    Bits4096,
}

impl RsaSize {
    /// The size of that many bits.
    ///
    /// ```
    /// use gatepass_jose::RsaSize;
    /// assert_eq!(RsaSize::from_bits(3072), Some(RsaSize::Bits3072));
    /// assert_eq!(RsaSize::from_bits(1024), None);
    /// ```
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::Bits2048),
            3072 => Some(Self::Bits3072),
            4096 => Some(Self::Bits4096),
            _ => None,
        }
    }

    pub(crate) fn key_size(self) -> rsa::KeySize {
        match self {
            Self::Bits2048 => rsa::KeySize::Rsa2048,
            Self::Bits3072 => rsa::KeySize::Rsa3072,
            Self::Bits4096 => rsa::KeySize::Rsa4096,
        }
    }
}

impl SigningKey {
    /// A fresh key. Without a `kid` it is named by its thumbprint (RFC 7638), an HMAC secret by
    /// random bytes. RSA keys have 2048 bits; [`SigningKey::generate_rsa`] makes larger ones.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the system has no randomness to give.
    ///
    /// ```
    /// use gatepass_jose::{Alg, SigningKey};
    /// let key = SigningKey::generate(Alg::ES256, None)?;
    /// assert_eq!(key.public_jwk().map(|jwk| jwk.thumbprint()).as_deref(), Some(key.kid()));
    /// // What it is stored as: `to_jwk` and `to_private_bytes` are the ways out.
    /// let json = key.to_jwk()?.to_json();
    /// assert!(json.contains("\"kty\":\"EC\""));
    /// # Ok::<_, gatepass_jose::KeyError>(())
    /// ```
    pub fn generate(alg: Alg, kid: Option<&str>) -> Result<Self, KeyError> {
        if alg.is_symmetric() {
            let kid = kid.map_or_else(random_kid, |kid| Ok(kid.to_owned()))?;
            return Self::from_secret(alg, &kid, &SecretKey::generate()?);
        }
        Self::from_pair(alg, kid, KeyPair::generate(alg, RsaSize::default().key_size())?)
    }

    /// As [`SigningKey::generate`], for an RSA key of that size.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] when `alg` is not of the RSA families, otherwise as
    /// [`SigningKey::generate`].
    pub fn generate_rsa(alg: Alg, kid: Option<&str>, size: RsaSize) -> Result<Self, KeyError> {
        match alg.row().family {
            Family::Rsa { .. } => Self::from_pair(alg, kid, KeyPair::generate(alg, size.key_size())?),
            _ => Err(KeyError::WrongType(alg)),
        }
    }

    /// A pair that fits `alg`, named by its thumbprint unless it has a name.
    fn from_pair(alg: Alg, kid: Option<&str>, pair: KeyPair) -> Result<Self, KeyError> {
        let kid = match kid {
            Some(kid) => Arc::from(kid),
            None => Arc::from(public_jwk(&pair).ok_or(KeyError::Generation)?.thumbprint()),
        };
        Ok(Self::new(alg, kid, Private::Pair(pair)))
    }

    /// An HMAC key.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or [`KeyError::WrongType`] when `alg` is not of the `HS` family.
    pub fn from_secret(alg: Alg, kid: &str, secret: &SecretKey) -> Result<Self, KeyError> {
        let key = secret.hmac_key(alg)?;
        Ok(Self::new(alg, Arc::from(kid), Private::Secret(Box::new(key), secret.clone())))
    }

    fn new(alg: Alg, kid: Arc<str>, inner: Private) -> Self {
        Self { alg, kid, headers: Default::default(), inner }
    }

    /// The key of a JWK. Its algorithm is the JWK's, or `alg` where the JWK names none, or else the one
    /// that its type and curve decide (`EdDSA` for Ed25519). Without a `kid` its name is empty.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] when `alg`, the JWK's own and the key's type do not agree,
    /// [`KeyError::AmbiguousAlg`] when nothing decides the algorithm, [`KeyError::NotAllowed`] when `use`
    /// or `key_ops` speaks against signing, [`KeyError::SecretTooShort`].
    pub fn from_jwk(jwk: &PrivateJwk, alg: Option<Alg>) -> Result<Self, KeyError> {
        jwk.require_allowed(&[Operation::Sign])?;
        let alg = match (jwk.alg, alg) {
            (Some(JwkAlg::Signature(own)), None) => own,
            (Some(JwkAlg::Signature(own)), Some(asked)) if own == asked => own,
            (Some(JwkAlg::Signature(_)), Some(asked)) => return Err(KeyError::WrongType(asked)),
            (Some(_), _) => return Err(KeyError::NotAllowed(Operation::Sign.name())),
            (None, Some(asked)) => asked,
            (None, None) => jwk.key_type().only_alg().ok_or(KeyError::AmbiguousAlg)?,
        };
        if !alg.fits(jwk.key_type()) {
            return Err(KeyError::WrongType(alg));
        }
        let kid = jwk.kid.as_deref().unwrap_or_default();
        match jwk.params() {
            PrivateParams::Oct(secret) => Self::from_secret(alg, kid, secret),
            params => Self::from_pair(alg, Some(kid), KeyPair::from_params(params)?),
        }
    }

    /// A private key from its PKCS#8 DER document.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it does not parse, [`KeyError::WrongType`] when `alg` takes another
    /// type of key or a secret, and the other variants for keys of a refused size or curve.
    pub fn from_pkcs8_der(alg: Alg, kid: &str, der: &[u8]) -> Result<Self, KeyError> {
        let pair = KeyPair::from_pkcs8(der)?;
        if alg.fits(pair.key_type()) {
            Self::from_pair(alg, Some(kid), pair)
        } else {
            Err(KeyError::WrongType(alg))
        }
    }

    /// The key of a PEM text, as [`PrivateJwk::from_pem`] takes it, for `alg` and under the name `kid`.
    ///
    /// # Errors
    /// [`PemError`]; inside it [`KeyError::WrongType`] when `alg` takes another type of key or a secret.
    pub fn from_pem(alg: Alg, kid: &str, text: &str) -> Result<Self, PemError> {
        let mut jwk = PrivateJwk::from_pem(text)?;
        jwk.kid = Some(kid.to_owned());
        Ok(Self::from_jwk(&jwk, Some(alg))?)
    }

    /// What [`SigningKey::to_private_bytes`] gave, read back.
    ///
    /// # Errors
    /// As [`SigningKey::from_pkcs8_der`] and [`SigningKey::from_secret`].
    pub fn from_private_bytes(alg: Alg, kid: &str, bytes: &[u8]) -> Result<Self, KeyError> {
        if alg.is_symmetric() {
            Self::from_secret(alg, kid, &SecretKey::new(bytes))
        } else {
            Self::from_pkcs8_der(alg, kid, bytes)
        }
    }

    /// The private key as PKCS#8 DER, or the raw secret of an `HS` key. Whoever holds these bytes
    /// can mint tokens: encrypt them before they leave memory.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the library cannot write the key.
    pub fn to_private_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.inner {
            Private::Secret(_, secret) => Ok(Zeroizing::new(secret.expose().to_vec())),
            Private::Pair(pair) => pair.to_pkcs8(),
        }
    }

    /// The private key or secret as a JWK with `kid`, `alg` and `use`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the library cannot write the key.
    pub fn to_jwk(&self) -> Result<PrivateJwk, KeyError> {
        let params = match &self.inner {
            Private::Secret(_, secret) => PrivateParams::Oct(secret.clone()),
            Private::Pair(pair) => pair.to_params()?,
        };
        let mut jwk = PrivateJwk::new(params);
        jwk.kid = self.named();
        jwk.alg = Some(self.alg.into());
        jwk.key_use = Some(KeyUse::Sig);
        Ok(jwk)
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK with `kid`, `alg` and `use`; `None` for a secret, which has none.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Jwk> {
        let Private::Pair(pair) = &self.inner else { return None };
        let mut jwk = public_jwk(pair)?;
        jwk.kid = self.named();
        jwk.alg = Some(self.alg.into());
        jwk.key_use = Some(KeyUse::Sig);
        Some(jwk)
    }

    fn named(&self) -> Option<String> {
        (!self.kid.is_empty()).then(|| self.kid.to_string())
    }

    /// The key that verifies what this one signs.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the library refuses the public half; a generated key never is.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        match (&self.inner, self.public_jwk()) {
            (Private::Secret(_, secret), _) => VerifyingKey::from_secret(self.alg, &self.kid, secret),
            (_, Some(jwk)) => VerifyingKey::from_jwk(&jwk, &[self.alg]),
            (_, None) => Err(KeyError::Malformed),
        }
    }

    /// The encoded protected header of a token of this type.
    pub(crate) fn header(&self, typ: &Typ) -> Cow<'_, str> {
        let header = || HeaderOut { alg: self.alg, typ: typ.name(), kid: &self.kid }.encode();
        for place in &self.headers {
            let (kept, header) = place.get_or_init(|| (typ.clone(), header().into()));
            if kept == typ {
                return Cow::Borrowed(header);
            }
        }
        Cow::Owned(header())
    }

    /// How many bytes a signature has.
    pub(crate) fn signature_len(&self) -> usize {
        match &self.inner {
            Private::Secret(key, _) => key.algorithm().digest_algorithm().output_len(),
            Private::Pair(pair) => pair.signature_len(),
        }
    }

    /// Signs `message`. The signature has the form of RFC 7518: fixed-length `r ‖ s` for ECDSA.
    pub(crate) fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        signature.clear();
        let random = SystemRandom::new();
        match &self.inner {
            Private::Secret(key, _) => signature.extend_from_slice(hmac::sign(key, message).as_ref()),
            Private::Pair(KeyPair::Rsa(pair)) => {
                let Family::Rsa { sign, .. } = self.alg.row().family else { return Err(SigningFailed) };
                signature.resize(self.signature_len(), 0);
                pair.sign(sign, &random, message, signature).map_err(|_| SigningFailed)?;
            }
            Private::Pair(KeyPair::Ecdsa(_, pair)) => {
                signature.extend_from_slice(pair.sign(&random, message).map_err(|_| SigningFailed)?.as_ref());
            }
            Private::Pair(KeyPair::Ed25519(pair)) => {
                signature.extend_from_slice(pair.try_sign(message).map_err(|_| SigningFailed)?.as_ref());
            }
            Private::Pair(KeyPair::MlDsa(_, pair)) => {
                signature.resize(self.signature_len(), 0);
                pair.sign(message, signature).map_err(|_| SigningFailed)?;
            }
            // No signature algorithm fits this curve, so no signing key is made of one.
            Private::Pair(KeyPair::X25519(_)) => return Err(SigningFailed),
        }
        Ok(())
    }
}

/// The crypto library failed to sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SigningFailed;

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn public_jwk(pair: &KeyPair) -> Option<Jwk> {
    let key = pair.public().as_ref().map(PublicKey::encode)?;
    Some(Jwk { key, kid: None, alg: None, key_use: None })
}

fn random_kid() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
    Ok(base64url::encode(&bytes))
}

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaPublicKeyComponents};

use super::{ED25519_SIGNATURE, KeyError, SecretKey};
use crate::alg::Family;
use crate::jwk::{Jwk, JwkAlg, KeyUse, Operation, PrivateJwk, PublicKey, uncompressed};
use crate::{Alg, PemError};

/// A key that verifies, with its algorithm and its `kid`. Cheap to clone.
#[derive(Clone)]
pub struct VerifyingKey {
    alg: Alg,
    kid: Arc<str>,
    inner: Arc<Public>,
}

enum Public {
    Hmac(Box<hmac::Key>),
    Parsed { key: ParsedPublicKey, signature_len: usize },
}

impl VerifyingKey {
    /// Parses a public key. A JWK that names no `alg` gets the first of `allowed` that its type and
    /// curve fit, which is the only one but for RSA and Ed25519.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] when `alg` and the key's type or curve disagree or `alg` is not
    /// `allowed`, [`KeyError::AmbiguousAlg`] when nothing decides the algorithm, [`KeyError::NotAllowed`]
    /// for a key for encryption, and the other variants for a key that is not sound: a point off its
    /// curve, a coordinate of a wrong length, an RSA modulus or exponent out of bounds.
    pub fn from_jwk(jwk: &Jwk, allowed: &[Alg]) -> Result<Self, KeyError> {
        let not_for_signatures = KeyError::NotAllowed(Operation::Verify.name());
        if jwk.key_use == Some(KeyUse::Enc) {
            return Err(not_for_signatures);
        }
        let fits = |alg: &Alg| jwk.key.key_type().is_some_and(|key_type| alg.fits(key_type));
        let alg = match jwk.alg {
            Some(JwkAlg::Signature(alg)) if allowed.contains(&alg) && fits(&alg) => alg,
            Some(JwkAlg::Signature(alg)) => return Err(KeyError::WrongType(alg)),
            Some(_) => return Err(not_for_signatures),
            None => allowed.iter().copied().find(fits).ok_or(KeyError::AmbiguousAlg)?,
        };
        let kid = Arc::from(jwk.kid.as_deref().unwrap_or_default());
        Ok(Self { alg, kid, inner: Arc::new(parse(alg, &jwk.key.decode()?)?) })
    }

    /// The key of a PEM text, as [`Jwk::from_pem`] takes it, for `alg` and under the name `kid`.
    ///
    /// # Errors
    /// [`PemError`]; inside it [`KeyError::WrongType`] when `alg` takes another type of key or a secret.
    ///
    /// ```
    /// use gatepass_jose::{Alg, KeyError, PemError, VerifyingKey};
    /// let text = "-----BEGIN PUBLIC KEY-----
    /// MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    /// -----END PUBLIC KEY-----";
    /// let key = VerifyingKey::from_pem(Alg::EdDSA, "2026-11-a", text)?;
    /// assert_eq!(key.kid(), "2026-11-a");
    ///
    /// // The text of a public key is no HMAC secret, whatever a header may say.
    /// let confused = VerifyingKey::from_pem(Alg::HS256, "2026-11-a", text).err();
    /// assert_eq!(confused, Some(PemError::Key(KeyError::WrongType(Alg::HS256))));
    /// # Ok::<_, PemError>(())
    /// ```
    pub fn from_pem(alg: Alg, kid: &str, text: &str) -> Result<Self, PemError> {
        Ok(Self::from_public(alg, kid, Jwk::from_pem(text)?)?)
    }

    /// The key of a `SubjectPublicKeyInfo`, for `alg` and under the name `kid`.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] when `alg` takes another type of key or a secret, otherwise as
    /// [`Jwk::from_spki_der`].
    pub fn from_spki_der(alg: Alg, kid: &str, document: &[u8]) -> Result<Self, KeyError> {
        Self::from_public(alg, kid, Jwk::from_spki_der(document)?)
    }

    fn from_public(alg: Alg, kid: &str, jwk: Jwk) -> Result<Self, KeyError> {
        Self::from_jwk(&Jwk { kid: Some(kid.to_owned()), alg: Some(alg.into()), ..jwk }, &[alg])
    }

    /// The verifying half of a private key, or a secret that checks what its other holders signed.
    /// Which algorithm it is bound to is decided as by [`VerifyingKey::from_jwk`].
    ///
    /// # Errors
    /// As [`VerifyingKey::from_jwk`] and [`VerifyingKey::from_secret`].
    pub fn from_private_jwk(jwk: &PrivateJwk, allowed: &[Alg]) -> Result<Self, KeyError> {
        let Some(secret) = jwk.secret() else {
            let public = jwk.public().ok_or(KeyError::NoKeyPair)?;
            return Self::from_jwk(&public, allowed);
        };
        jwk.require_allowed(&[Operation::Verify])?;
        let alg = match jwk.alg {
            Some(JwkAlg::Signature(alg)) if allowed.contains(&alg) => alg,
            Some(JwkAlg::Signature(alg)) => return Err(KeyError::WrongType(alg)),
            Some(_) => return Err(KeyError::NotAllowed(Operation::Verify.name())),
            None => allowed.iter().copied().find(|alg| alg.is_symmetric()).ok_or(KeyError::AmbiguousAlg)?,
        };
        Self::from_secret(alg, jwk.kid.as_deref().unwrap_or_default(), secret)
    }

    /// An HMAC key.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or [`KeyError::WrongType`] when `alg` is not of the `HS` family.
    pub fn from_secret(alg: Alg, kid: &str, secret: &SecretKey) -> Result<Self, KeyError> {
        let key = Box::new(secret.hmac_key(alg)?);
        Ok(Self { alg, kid: Arc::from(kid), inner: Arc::new(Public::Hmac(key)) })
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The key's name; empty when its JWK had none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn shared_kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// Whether `signature` is this key's over `message`. Constant time for secrets; a signature of
    /// another length than the algorithm's is refused before any arithmetic.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.inner {
            Public::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Public::Parsed { key, signature_len } => {
                signature.len() == *signature_len && key.verify_sig(message, signature).is_ok()
            }
        }
    }
}

fn parse(alg: Alg, key: &PublicKey) -> Result<Public, KeyError> {
    let (key, signature_len) = match (&alg.row().family, key) {
        (Family::Rsa { verify, .. }, PublicKey::Rsa { n, e }) => {
            let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(verify);
            return Ok(Public::Parsed { key: key.map_err(|_| KeyError::Malformed)?, signature_len: n.len() });
        }
        (Family::Ecdsa { verify, .. }, PublicKey::Ec { x, y, .. }) => {
            (ParsedPublicKey::new(*verify, uncompressed(x, y)), x.len() + y.len())
        }
        (Family::Ed25519, PublicKey::Okp { x, .. }) => (ParsedPublicKey::new(&ED25519, x), ED25519_SIGNATURE),
        (Family::MlDsa(ml_dsa), PublicKey::Akp { public, .. }) => {
            (ParsedPublicKey::new(ml_dsa.verify, public), ml_dsa.sign.signature_len())
        }
        _ => return Err(KeyError::WrongType(alg)),
    };
    let key = key.map_err(|_| KeyError::NotOnCurve)?;
    Ok(Public::Parsed { key, signature_len })
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

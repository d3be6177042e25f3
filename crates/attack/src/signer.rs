//! Raw signing: any bytes, under the algorithm that a forgery asks for.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaKeyPair};
use gatepass_jose::{PrivateJwk, SigningKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::alg::{self, Primitive};

/// A private key or secret. It signs whatever it is given, which is what a forger needs and nobody else.
///
/// Shows only its algorithm in `Debug`.
pub struct Signer {
    alg: String,
    key: Private,
}

enum Private {
    Secret(Zeroizing<Vec<u8>>),
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    MlDsa(Box<PqdsaKeyPair>),
}

/// Why a document is no key that could sign tokens of this service.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The token's algorithm is not one that this crate can sign under.
    #[error("no token can be signed with {0} here")]
    Alg(String),
    /// The key is of another type than the algorithm's.
    #[error("the key does not fit {0}, under which the token is signed")]
    WrongType(String),
}

/// The crypto library failed to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the crypto library could not sign")]
pub(crate) struct SigningFailed;

impl Signer {
    /// A private key or secret out of a JWK, for tokens of `alg`. A secret may be as weak as the service's is.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn from_jwk(jwk: &PrivateJwk, alg: &str) -> Result<Self, SignerError> {
        let wrong = |_| SignerError::WrongType(alg.to_owned());
        if let Some(secret) = jwk.secret() {
            return Self::from_secret(alg, secret.expose());
        }
        let known = alg.parse().map_err(|_| SignerError::Alg(alg.to_owned()))?;
        let key = SigningKey::from_jwk(jwk, Some(known)).map_err(wrong)?;
        Self::from_pkcs8_der(alg, &key.to_private_bytes().map_err(wrong)?)
    }

    /// A secret for tokens of an `HS` algorithm. It may be as weak as the service's is.
    ///
    /// # Errors
    /// [`SignerError::WrongType`] for another algorithm.
    pub fn from_secret(alg: &str, secret: &[u8]) -> Result<Self, SignerError> {
        match alg::find(alg) {
            Some(Primitive::Hmac(_)) => {
                Ok(Self { alg: alg.to_owned(), key: Private::Secret(Zeroizing::new(secret.to_vec())) })
            }
            _ => Err(SignerError::WrongType(alg.to_owned())),
        }
    }

    /// A private key from its PKCS#8 DER document.
    ///
    /// # Errors
    /// [`SignerError::WrongType`] when it is not a key for `alg`, [`SignerError::Alg`] when `alg` is unknown.
    pub fn from_pkcs8_der(alg: &str, der: &[u8]) -> Result<Self, SignerError> {
        let wrong = |_| SignerError::WrongType(alg.to_owned());
        let key = match alg::find(alg).ok_or_else(|| SignerError::Alg(alg.to_owned()))? {
            Primitive::Hmac(_) => return Err(SignerError::WrongType(alg.to_owned())),
            Primitive::Rsa { .. } => Private::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(wrong)?)),
            Primitive::Ecdsa { sign, .. } => {
                Private::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(sign, der).map_err(wrong)?))
            }
            Primitive::Ed25519 => {
                Private::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(wrong)?))
            }
            Primitive::MlDsa { sign, .. } => {
                Private::MlDsa(Box::new(PqdsaKeyPair::from_pkcs8(sign, der).map_err(wrong)?))
            }
        };
        Ok(Self { alg: alg.to_owned(), key })
    }

    /// The algorithm of the key.
    pub(crate) fn alg(&self) -> &str {
        &self.alg
    }

    /// Signs under the key's own algorithm, or another that the same key can be used with.
    pub(crate) fn sign_as(&self, alg: &str, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let random = SystemRandom::new();
        match (&self.key, alg::find(alg)) {
            (Private::Secret(secret), Some(Primitive::Hmac(hash))) => Ok(hmac_of(*hash, secret, message)),
            (Private::Rsa(pair), Some(Primitive::Rsa { sign, .. })) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*sign, &random, message, &mut signature).map_err(|_| SigningFailed)?;
                Ok(signature)
            }
            (Private::Ecdsa(pair), Some(Primitive::Ecdsa { .. })) => {
                Ok(pair.sign(&random, message).map_err(|_| SigningFailed)?.as_ref().to_vec())
            }
            (Private::Ed25519(pair), Some(Primitive::Ed25519)) => {
                Ok(pair.try_sign(message).map_err(|_| SigningFailed)?.as_ref().to_vec())
            }
            (Private::MlDsa(pair), Some(Primitive::MlDsa { sign, .. })) => {
                let mut signature = vec![0; sign.signature_len()];
                let len = pair.sign(message, &mut signature).map_err(|_| SigningFailed)?;
                signature.truncate(len);
                Ok(signature)
            }
            _ => Err(SigningFailed),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// An HMAC under an `HS` algorithm with whatever is taken for a secret; empty for any other name.
pub(crate) fn hmac(alg: &str, secret: &[u8], message: &[u8]) -> Vec<u8> {
    match alg::find(alg) {
        Some(Primitive::Hmac(hash)) => hmac_of(*hash, secret, message),
        _ => Vec::new(),
    }
}

fn hmac_of(hash: hmac::Algorithm, secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Alg;

    use super::*;

    #[test]
    fn a_key_signs_as_the_service_does() {
        let algs = [
            Alg::HS256,
            Alg::RS256,
            Alg::PS512,
            Alg::ES256,
            Alg::ES384,
            Alg::ES512,
            Alg::EdDSA,
            Alg::Ed25519,
            Alg::MlDsa44,
        ];
        for alg in algs {
            let key = SigningKey::generate(alg, Some("1")).unwrap();
            let signer = Signer::from_jwk(&key.to_jwk().unwrap(), alg.name()).unwrap();
            let signature = signer.sign_as(alg.name(), b"text").unwrap();
            assert!(key.verifying_key().unwrap().verifies(b"text", &signature), "{alg}");
        }
    }

    #[test]
    fn a_key_that_does_not_fit_the_token_is_said_not_to() {
        let jwk = |alg| SigningKey::generate(alg, None).unwrap().to_jwk().unwrap();
        let cases = [
            (Alg::ES256, "HS256", SignerError::WrongType("HS256".to_owned())),
            (Alg::HS256, "ES256", SignerError::WrongType("ES256".to_owned())),
            (Alg::RS256, "ES256", SignerError::WrongType("ES256".to_owned())),
            (Alg::ES384, "ES256", SignerError::WrongType("ES256".to_owned())),
            (Alg::ES256, "ES256K", SignerError::Alg("ES256K".to_owned())),
        ];
        for (alg, token, want) in cases {
            assert_eq!(Signer::from_jwk(&jwk(alg), token).err(), Some(want), "{alg} {token}");
        }
    }
}

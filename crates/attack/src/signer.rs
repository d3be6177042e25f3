//! Raw signing: any bytes, under the algorithm that a forgery asks for.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaKeyPair};
use gatepass_jose::{PrivateJwk, SigningKey, base64url};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::alg::{self, Primitive};
use crate::object::Object;
use crate::pem;
use crate::token::Token;

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
    /// Neither a private JWK, a JWK Set with one, nor a PEM.
    #[error("not a private JWK, a set of them, or a private key in PEM: {0}")]
    NotAKey(&'static str),
    /// A set of keys, and none has the token's `kid`.
    #[error("no private key of the set has the `kid` of the token")]
    NotInSet,
    /// The key is of another type than the algorithm's.
    #[error("the key does not fit {0}, under which the token is signed")]
    WrongType(String),
}

/// The crypto library failed to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the crypto library could not sign")]
pub(crate) struct SigningFailed;

impl Signer {
    /// The key that signs tokens like `token`: a private JWK, the one of a set that has the token's `kid`, or
    /// a PKCS#8 key in PEM. What a JWK says about its own use is not looked at, and a secret may be as weak as
    /// the service's is.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn parse(document: &[u8], token: &Token) -> Result<Self, SignerError> {
        let text = std::str::from_utf8(document).map_err(|_| SignerError::NotAKey("it is not text"))?.trim();
        if text.starts_with("-----BEGIN") {
            let der = pem::decode(text, "PRIVATE KEY");
            let der = der.ok_or(SignerError::NotAKey("only PKCS#8 is read: BEGIN PRIVATE KEY"))?;
            return Self::from_pkcs8_der(token.alg(), &Zeroizing::new(der));
        }
        let jwk = Object::parse(text.as_bytes()).ok_or(SignerError::NotAKey("it is neither PEM nor JSON"))?;
        match jwk.raw("keys") {
            Some(keys) => Self::from_jwk(&of_set(keys, token)?, token.alg()),
            None => Self::from_jwk(&jwk, token.alg()),
        }
    }

    fn from_jwk(jwk: &Object, alg: &str) -> Result<Self, SignerError> {
        let wrong = || SignerError::WrongType(alg.to_owned());
        if jwk.text("kty").as_deref() == Some("oct") {
            let secret = jwk.text("k").and_then(|k| base64url::decode(k).ok());
            let secret = Zeroizing::new(secret.ok_or(SignerError::NotAKey("its k is not base64url"))?);
            return Self::from_secret(alg, &secret);
        }
        let known = alg.parse().map_err(|_| SignerError::Alg(alg.to_owned()))?;
        let bare = Zeroizing::new(jwk.without("alg").without("use").without("key_ops").to_string());
        let private = PrivateJwk::parse(bare.as_bytes())
            .map_err(|_| SignerError::NotAKey("it has no private members, or they do not fit each other"))?;
        let key = SigningKey::from_jwk(&private, Some(known)).map_err(|_| wrong())?;
        Self::from_pkcs8_der(alg, &key.to_private_bytes().map_err(|_| wrong())?)
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

/// The key of a set that has the token's `kid`, or the only one.
fn of_set(keys: &str, token: &Token) -> Result<Object, SignerError> {
    let keys: Vec<Object> =
        serde_json::from_str(keys).map_err(|_| SignerError::NotAKey("its keys are no array of objects"))?;
    if let [only] = keys.as_slice() {
        return Ok(only.clone());
    }
    let kid = token.kid();
    keys.into_iter().find(|key| kid.is_some() && key.text("kid") == kid).ok_or(SignerError::NotInSet)
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
    use gatepass_jose::{Alg, Typ, jwt};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_signs_as_the_service_does() {
        for alg in
            [Alg::HS256, Alg::RS256, Alg::PS512, Alg::ES256, Alg::ES384, Alg::ES512, Alg::EdDSA, Alg::Ed25519]
        {
            let key = SigningKey::generate(alg, Some("1")).unwrap();
            let token = jwt::sign(&Typ::ACCESS_TOKEN, &json!({"sub": "ada"}), &key).unwrap();
            let token = Token::parse(&token).unwrap();
            let jwk = key.to_jwk().unwrap().to_json();
            let other = r#"{"kty":"oct","k":"AA","kid":"2"}"#;
            let mut documents = vec![
                ("jwk", jwk.to_string()),
                ("set_of_one", format!("{{\"keys\":[{}]}}", *jwk)),
                ("set_of_two", format!("{{\"keys\":[{other},{}]}}", *jwk)),
            ];
            if !alg.is_symmetric() {
                documents.push(("pem", pem::encode("PRIVATE KEY", &key.to_private_bytes().unwrap())));
            }
            for (name, document) in documents {
                let signer = Signer::parse(document.as_bytes(), &token).unwrap();
                let input = token.draft.signing_input();
                let signature = signer.sign_as(alg.name(), input.as_bytes()).unwrap();
                assert!(key.verifying_key().unwrap().verifies(input.as_bytes(), &signature), "{alg} {name}");
            }
        }
    }

    #[test]
    fn what_is_no_key_of_the_service_is_said_to_be_none() {
        let part = |json: &str| base64url::encode(json.as_bytes());
        let token = format!("{}.{}.AAAA", part(r#"{"alg":"ES256","kid":"1"}"#), part("{}"));
        let token = Token::parse(&token).unwrap();
        let public = SigningKey::generate(Alg::ES256, None).unwrap().public_jwk().unwrap();
        let rsa = SigningKey::generate(Alg::RS256, None).unwrap().to_jwk().unwrap().to_json();
        let wrong_type = SignerError::WrongType("ES256".to_owned());
        let cases = [
            ("secret", r#"{"kty":"oct","k":"AA"}"#.to_owned(), wrong_type.clone()),
            ("rsa", rsa.to_string(), wrong_type),
            (
                "none_of_two",
                format!("{{\"keys\":[{0},{0}]}}", r#"{"kty":"oct","kid":"2"}"#),
                SignerError::NotInSet,
            ),
        ];
        for (name, document, want) in cases {
            assert_eq!(Signer::parse(document.as_bytes(), &token).err(), Some(want), "{name}");
        }
        let public = serde_json::to_string(&public).unwrap();
        for document in [
            "",
            "secret",
            "[]",
            &public,
            "-----BEGIN RSA PRIVATE KEY-----\nAA==\n-----END RSA PRIVATE KEY-----",
        ] {
            let error = Signer::parse(document.as_bytes(), &token).unwrap_err();
            assert!(matches!(error, SignerError::NotAKey(_)), "{document}: {error}");
        }
    }
}

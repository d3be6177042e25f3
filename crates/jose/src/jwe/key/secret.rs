//! Secrets and passwords that both sides hold.

use std::num::NonZeroU32;

use aws_lc_rs::{aead, pbkdf2};
use zeroize::Zeroizing;

use super::JweKeyError;
use crate::jwe::alg::{AesKeyWrap, ContentEncryption, KeyManagement, Method};
use crate::jwe::content::SecretBytes;
use crate::jwe::decrypt::MIN_ITERATIONS;
use crate::key::SecretKey;

/// A secret, bound to the one thing that is done with it.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) secret: SecretBytes,
    pub(crate) purpose: Purpose,
}

#[derive(Clone)]
pub(crate) enum Purpose {
    /// The secret is the content encryption key.
    Content(ContentEncryption),
    AesKeyWrap(AesKeyWrap),
    AesGcmKeyWrap(&'static aead::Algorithm),
    /// A password, and how many iterations are asked for when it encrypts.
    Pbes2 {
        prf: pbkdf2::Algorithm,
        wrap: AesKeyWrap,
        iterations: NonZeroU32,
    },
}

impl Shared {
    /// A secret for `alg`. For `dir` its size must leave no doubt about the content encryption.
    pub(crate) fn new(alg: KeyManagement, secret: &SecretKey) -> Result<Self, JweKeyError> {
        let (purpose, key_len) = match &alg.row().method {
            Method::Direct => return Self::direct(content_encryption_of(secret)?, secret),
            Method::AesKeyWrap(wrap) => (Purpose::AesKeyWrap(*wrap), wrap.key_len),
            Method::AesGcmKeyWrap { cipher, key_len } => (Purpose::AesGcmKeyWrap(cipher), *key_len),
            Method::Pbes2 { .. } => return Self::password(alg, secret),
            Method::RsaOaep(_) | Method::EcdhEs { .. } => return Err(JweKeyError::WrongType(alg)),
        };
        if secret.expose().len() != key_len {
            return Err(JweKeyError::SecretSize { alg: alg.into(), bytes: key_len });
        }
        Ok(Self { secret: copy(secret), purpose })
    }

    /// A secret that encrypts content itself.
    pub(crate) fn direct(enc: ContentEncryption, secret: &SecretKey) -> Result<Self, JweKeyError> {
        if secret.expose().len() != enc.key_len() {
            return Err(JweKeyError::SecretSize { alg: enc.into(), bytes: enc.key_len() });
        }
        Ok(Self { secret: copy(secret), purpose: Purpose::Content(enc) })
    }

    /// A password.
    pub(crate) fn password(alg: KeyManagement, password: &SecretKey) -> Result<Self, JweKeyError> {
        let Method::Pbes2 { prf, wrap, iterations } = &alg.row().method else {
            return Err(JweKeyError::WrongType(alg));
        };
        if password.expose().is_empty() {
            return Err(JweKeyError::EmptyPassword);
        }
        let iterations = NonZeroU32::new(*iterations).unwrap_or(NonZeroU32::MAX);
        Ok(Self { secret: copy(password), purpose: Purpose::Pbes2 { prf: *prf, wrap: *wrap, iterations } })
    }

    /// The same password with another number of iterations.
    pub(crate) fn with_iterations(&self, alg: KeyManagement, wanted: u32) -> Result<Self, JweKeyError> {
        let Purpose::Pbes2 { prf, wrap, .. } = self.purpose else { return Err(JweKeyError::WrongType(alg)) };
        let wanted = NonZeroU32::new(wanted).filter(|wanted| wanted.get() >= MIN_ITERATIONS);
        let iterations = wanted.ok_or(JweKeyError::TooFewIterations)?;
        Ok(Self { secret: self.secret.clone(), purpose: Purpose::Pbes2 { prf, wrap, iterations } })
    }
}

fn copy(secret: &SecretKey) -> SecretBytes {
    Zeroizing::new(secret.expose().to_vec())
}

/// The one content encryption with a key of this size. 32 bytes are the key of two.
fn content_encryption_of(secret: &SecretKey) -> Result<ContentEncryption, JweKeyError> {
    let mut fitting = ContentEncryption::all().filter(|enc| enc.key_len() == secret.expose().len());
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(JweKeyError::AmbiguousAlg),
    }
}

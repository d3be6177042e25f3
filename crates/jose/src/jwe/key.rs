//! Keys that encrypt and keys that decrypt, each bound to one way of managing the key.

mod decryption;
mod encryption;
mod secret;

use thiserror::Error;

pub use decryption::{DecryptionKey, DecryptionKeys};
pub use encryption::EncryptionKey;

pub(crate) use decryption::Decrypting;
pub(crate) use encryption::Encrypting;
pub(crate) use secret::{Purpose, Shared};

use super::alg::KeyManagement;
use super::decrypt::MIN_ITERATIONS;
use crate::jwk::JwkAlg;
use crate::key::KeyError;

/// Why a key was refused for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JweKeyError {
    /// The key is of another type or curve than the algorithm's.
    #[error("the key is of a type or on a curve that {0} does not take")]
    WrongType(KeyManagement),
    /// The JWK's `alg`, `use` or `key_ops` says that it is for something else.
    #[error("the key is for something else: see its \"alg\", \"use\" or \"key_ops\"")]
    OtherPurpose,
    /// The secret is not of the one size that fits.
    #[error("{alg} takes a secret of exactly {bytes} bytes")]
    SecretSize {
        /// The algorithm asked for.
        alg: JwkAlg,
        /// The size in bytes.
        bytes: usize,
    },
    /// Neither the JWK nor the caller says which algorithm the key is for; or it is for `dir` and several
    /// content encryptions have keys of its size.
    #[error("nothing says which algorithm the key is for")]
    AmbiguousAlg,
    /// The password is empty.
    #[error("a password must not be empty")]
    EmptyPassword,
    /// Fewer than [`MIN_ITERATIONS`].
    #[error("a password takes at least {MIN_ITERATIONS} iterations")]
    TooFewIterations,
    /// What the key consists of is not sound.
    #[error("the key is not usable: {0}")]
    Key(#[from] KeyError),
    /// The operating system gave no randomness, or the library failed.
    #[error("the key could not be generated")]
    Generation,
}

/// What the JWK says it is for, and what the caller wants it for, which must be the same.
fn decide(named: Option<JwkAlg>, wanted: Option<KeyManagement>) -> Result<KeyManagement, JweKeyError> {
    let named = match named {
        None => return wanted.ok_or(JweKeyError::AmbiguousAlg),
        Some(JwkAlg::KeyManagement(alg)) => alg,
        Some(JwkAlg::Content(_)) => KeyManagement::Dir,
        Some(JwkAlg::Signature(_)) => return Err(JweKeyError::OtherPurpose),
    };
    if wanted.is_none_or(|wanted| wanted == named) { Ok(named) } else { Err(JweKeyError::OtherPurpose) }
}

//! Keys, parsed once and bound to one algorithm.
//!
//! A secret, a private key and a public key are three types. Nothing turns a public key into a
//! [`SecretKey`], so the classic confusion (verifying an `HS256` token with the text of an RSA
//! public key as the secret) cannot be written down.

pub(crate) mod der;
mod error;
mod pair;
pub(crate) mod rsa;
mod secret;
mod set;
mod signing;
mod verifying;

pub use error::KeyError;
pub use rsa::RsaNumber;
pub use secret::SecretKey;
pub use set::KeySet;
pub use signing::{RsaSize, SigningKey};
pub use verifying::VerifyingKey;

pub(crate) use pair::KeyPair;

/// The bytes of an Ed25519 signature ([RFC 8032 section 5.1.6](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6)).
const ED25519_SIGNATURE: usize = 64;

#[cfg(test)]
mod tests;

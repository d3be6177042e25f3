use std::fmt;

use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use super::KeyError;
use crate::alg::Family;
use crate::{Alg, base64url};

/// The secret of a symmetric algorithm. Wiped when dropped; has no `Display` and shows nothing in `Debug`.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// Takes the secret's raw bytes. Its length is checked where it meets an algorithm.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Reads the text of a secret, as a file shares it between who mints and who verifies: base64url
    /// without padding, white space around it ignored.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is not base64url.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        base64url::decode(text.trim()).map(Self::new).map_err(|_| KeyError::Malformed)
    }

    /// A fresh secret of 64 bytes, enough for every algorithm.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the system has no randomness to give.
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_bytes(64)
    }

    /// A fresh secret of `len` bytes, for the algorithms that take one exact size.
    ///
    /// # Errors
    /// As [`SecretKey::generate`].
    pub fn generate_bytes(len: usize) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(vec![0; len]);
        rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
        Ok(Self(bytes))
    }

    /// The raw bytes, for storing them encrypted.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Refuses a secret shorter than the hash of an `HS` algorithm.
    pub(crate) fn require_size_for(&self, alg: Alg) -> Result<(), KeyError> {
        match alg.row().family {
            Family::Hmac { min_secret, .. } if self.0.len() < min_secret => {
                Err(KeyError::SecretTooShort { alg, min: min_secret })
            }
            _ => Ok(()),
        }
    }

    /// The secret, ready for use with an `HS` algorithm.
    pub(super) fn hmac_key(&self, alg: Alg) -> Result<hmac::Key, KeyError> {
        let Family::Hmac { hash, .. } = alg.row().family else { return Err(KeyError::WrongType(alg)) };
        self.require_size_for(alg)?;
        Ok(hmac::Key::new(hash, &self.0))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

//! In place of the driver where it is not built: where nothing can be loaded at run time, such as in a static binary.

use std::path::Path;

use zeroize::Zeroizing;

use super::TokenError;

#[allow(dead_code)] // what the driver would look for
pub(super) struct Token<'t> {
    pub(super) module: &'t Path,
    pub(super) label: &'t str,
    pub(super) key: &'t str,
}

impl Token<'_> {
    pub(super) fn create_key(&self, _pin: &str) -> Result<(), TokenError> {
        Err(TokenError::NotBuilt)
    }

    pub(super) fn encrypt(
        &self,
        _pin: &str,
        _context: &[u8],
        _plain: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), TokenError> {
        Err(TokenError::NotBuilt)
    }

    pub(super) fn decrypt(
        &self,
        _pin: &str,
        _context: &[u8],
        _nonce: &[u8],
        _encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        Err(TokenError::NotBuilt)
    }
}

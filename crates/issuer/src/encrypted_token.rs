//! Access tokens that only their resource server can read, beside this issuer
//! ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
//!
//! Such a token comes back: to be introspected, revoked, exchanged, or shown at this server's own endpoints, by whoever has
//! it and cannot read it. So its header has the content encryption key for this issuer too, wrapped under a key that is in no store,
//! in a parameter that means nothing to anybody else.

use std::borrow::Cow;

use gatepass_jose::jwe::{Decrypter, DecryptionKey, DecryptionKeys, Encrypter, EncryptionKey};
use gatepass_jose::{ContentEncryption, KeyManagement, Typ};

use crate::config::TokenEncryption;
use crate::issuer::Issuer;
use crate::mint::MintError;

/// The header parameter with this issuer's copy of the content encryption key.
const COPY: &str = "gatepass_copy";
/// How that is wrapped.
const COPY_ALG: KeyManagement = KeyManagement::A256KW;

impl Issuer {
    pub(crate) fn encrypt_token(
        &self,
        token: &str,
        encryption: &TokenEncryption,
    ) -> Result<String, MintError> {
        let own = EncryptionKey::from_secret(COPY_ALG, "", &self.secrets.token_copies)?;
        let encrypter = Encrypter::new(encryption.enc).with_typ(Typ::ACCESS_TOKEN).with_cty("JWT");
        Ok(encrypter.with_copy(COPY, own).encrypt(token.as_bytes(), &encryption.key)?)
    }

    /// The signed token in one that this issuer has encrypted; any other text as it is. What it is worth is for a
    /// verifier to say.
    pub(crate) fn signed_token<'t>(&self, token: &'t str) -> Cow<'t, str> {
        self.open_token(token).map_or(Cow::Borrowed(token), Cow::Owned)
    }

    fn open_token(&self, token: &str) -> Option<String> {
        // Five parts: what is signed has three.
        if token.bytes().filter(|byte| *byte == b'.').count() != 4 {
            return None;
        }
        let own = DecryptionKey::from_secret(COPY_ALG, "", &self.secrets.token_copies).ok()?;
        let encs: Vec<ContentEncryption> = ContentEncryption::all().collect();
        let decrypter = Decrypter::new(DecryptionKeys::new(vec![own]), &encs);
        let inside = decrypter.decrypt_copy(token, COPY).ok()?;
        std::str::from_utf8(&inside).ok().map(str::to_owned)
    }
}

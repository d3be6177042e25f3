//! Access tokens that the issuer has encrypted for the resource server
//! ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).

use gatepass_jose::jwe::{Decrypter, DecryptionKeys, JweKeyError};
use gatepass_jose::{ContentEncryption, JwkError, PrivateJwk, PrivateJwkSet};
use zeroize::Zeroizing;

use crate::config::{IssuerConfig, StartError, TokenKind};

/// What says that a signed token is inside ([RFC 7519 section 5.2](https://www.rfc-editor.org/rfc/rfc7519#section-5.2)).
const NESTED: &str = "JWT";

/// The resource server's private keys, and the terms on which an issuer's tokens are opened with them.
///
#[derive(Clone, Debug)]
pub struct Decryption {
    /// The keys, each for one algorithm. A token's header names one of them, and adds none.
    pub keys: DecryptionKeys,
    /// Whether the issuer's tokens that are not encrypted are refused, as RFC 9068 recommends where encryption was agreed
    /// on.
    pub required: bool,
}

/// A file that has no key to decrypt tokens with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDecryptionKey {
    /// It is no private JWK, and no set of such.
    #[error("it is no JWK with a private key, and no JWK Set of such: {0}")]
    Jwk(JwkError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] JweKeyError),
    /// Its keys are for something else.
    #[error("none of its keys says that it is to decrypt with (\"alg\", such as ECDH-ES or RSA-OAEP-256)")]
    None,
}

impl Decryption {
    /// The keys of a private JWK, or of a JWK Set, which name their algorithms.
    ///
    /// # Errors
    /// [`InvalidDecryptionKey`].
    ///
    /// ```
    /// use gatepass_guard::Decryption;
    /// let jwk = br#"{"kty":"OKP","crv":"X25519","alg":"ECDH-ES","kid":"2026-11",
    ///     "x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
    ///     "d":"XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os"}"#;
    /// assert!(Decryption::parse(jwk, true)?.required);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(json: &[u8], required: bool) -> Result<Self, InvalidDecryptionKey> {
        let set = match PrivateJwk::parse(json) {
            Ok(key) => PrivateJwkSet { keys: vec![key] },
            Err(no_key) => PrivateJwkSet::parse(json).map_err(|_| InvalidDecryptionKey::Jwk(no_key))?,
        };
        let keys = DecryptionKeys::from_jwks(&set)?;
        if keys.keys().is_empty() { Err(InvalidDecryptionKey::None) } else { Ok(Self { keys, required }) }
    }
}

/// Opens the tokens of one issuer.
pub(crate) struct Opener {
    decrypter: Decrypter,
    pub(crate) is_required: bool,
}

impl Opener {
    /// What the configuration asks for, if anything.
    pub(crate) fn new(config: &IssuerConfig) -> Result<Option<Self>, StartError> {
        let Some(Decryption { keys, required }) = &config.decryption else { return Ok(None) };
        if keys.keys().is_empty() || matches!(config.tokens, TokenKind::Opaque(_)) {
            return Err(StartError::Decryption { issuer: config.issuer.clone() });
        }
        let all: Vec<ContentEncryption> = ContentEncryption::all().collect();
        Ok(Some(Self { decrypter: Decrypter::new(keys.clone(), &all), is_required: *required }))
    }

    /// The signed token in `token`. `None` for one that is not for these keys, or was tampered with, or holds anything else:
    /// which of these it is nobody is told.
    pub(crate) fn open(&self, token: &str) -> Option<Zeroizing<String>> {
        let decrypted = self.decrypter.decrypt(token).ok()?;
        if !decrypted.cty().is_some_and(|cty| cty.eq_ignore_ascii_case(NESTED)) {
            return None;
        }
        std::str::from_utf8(decrypted.plaintext()).ok().map(|inside| Zeroizing::new(inside.to_owned()))
    }
}

/// Whether a token is encrypted, by its form: five parts instead of three.
pub(crate) fn is_encrypted(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 4
}

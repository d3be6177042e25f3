//! Nested JWTs: signed, then encrypted
//! ([RFC 7519 section 5.2](https://www.rfc-editor.org/rfc/rfc7519#section-5.2)).

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::alg::ContentEncryption;
use super::decrypt::{DecryptError, Decrypter};
use super::encrypt::{EncryptError, Encrypter};
use super::key::EncryptionKey;
use crate::Timestamp;
use crate::header::Typ;
use crate::jwt::{self, Claims, Rejection, SignError, Verified, Verifier};
use crate::key::SigningKey;

/// The `cty` of a JWE whose content is a JWT.
const JWT: Typ = Typ::new("JWT");

/// Why a nested JWT could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NestError {
    /// The claims could not be signed.
    #[error("the token could not be signed: {0}")]
    Sign(#[from] SignError),
    /// The signed token could not be encrypted.
    #[error("the signed token could not be encrypted: {0}")]
    Encrypt(#[from] EncryptError),
}

/// Signs `claims` as [`jwt::sign`] does, then encrypts the token for one recipient. In this order, so
/// that the signature cannot be cut off and another put on
/// ([RFC 7519 section 11.2](https://www.rfc-editor.org/rfc/rfc7519#section-11.2)).
///
/// # Errors
/// [`NestError`].
pub fn sign_then_encrypt<C: Serialize>(
    typ: &Typ,
    claims: &C,
    signing_key: &SigningKey,
    enc: ContentEncryption,
    encryption_key: &EncryptionKey,
) -> Result<String, NestError> {
    let token = zeroize::Zeroizing::new(jwt::sign(typ, claims, signing_key)?);
    Ok(Encrypter::new(enc).with_cty(JWT.name()).encrypt(token.as_bytes(), encryption_key)?)
}

/// Why a nested JWT was turned away.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NestedRejection {
    /// The outside is no JWE for one of the keys. A token that is only signed ends here.
    #[error("the token was not decrypted: {0}")]
    Decrypt(#[from] DecryptError),
    /// The protected header does not say that there is a JWT inside. A token that is only encrypted ends
    /// here, or at the verifier.
    #[error("the encrypted content is not declared to be a JWT (\"cty\")")]
    NotNested,
    /// The inside is no signed token that the verifier takes: that it is encrypted again is one reason.
    #[error("the token inside was turned away: {0}")]
    Inside(#[from] Rejection),
}

impl NestedRejection {
    /// A short stable name of the check that failed, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decrypt(error) => error.code(),
            Self::NotNested => "not-nested",
            Self::Inside(rejection) => rejection.code(),
        }
    }
}

/// Verifies JWTs that are signed and then encrypted, exactly one inside the other.
///
/// ```
/// use gatepass_jose::jwe::{
///     ContentEncryption, DecryptionKey, DecryptionKeys, Decrypter, KeyManagement, NestedVerifier,
///     sign_then_encrypt,
/// };
/// use gatepass_jose::{
///     Alg, Audience, Issuer, KeySet, RegisteredClaims, SigningKey, Timestamp, Typ, Verifier,
/// };
///
/// let signing_key = SigningKey::generate(Alg::ES256, None)?;
/// let decryption_key = DecryptionKey::generate(KeyManagement::RsaOaep256, None, None)?;
/// let claims = RegisteredClaims {
///     iss: "https://auth.example.com".into(),
///     aud: Audience::new(["https://api.example.com"])?,
///     exp: Timestamp::from_secs(1_700_000_900).into(),
///     nbf: None,
/// };
/// let token = sign_then_encrypt(
///     &Typ::ACCESS_TOKEN,
///     &claims,
///     &signing_key,
///     ContentEncryption::A256GCM,
///     &decryption_key.encryption_key()?,
/// )?;
///
/// let verifier = NestedVerifier::new(
///     Decrypter::new(DecryptionKeys::new(vec![decryption_key]), &[ContentEncryption::A256GCM]),
///     Verifier::new(
///         Issuer::new("https://auth.example.com")?,
///         Audience::new(["https://api.example.com"])?,
///         Typ::ACCESS_TOKEN,
///         KeySet::new(vec![signing_key.verifying_key()?]),
///     ),
/// );
/// let verified = verifier.verify::<RegisteredClaims>(&token, Timestamp::from_secs(1_700_000_000))?;
/// assert_eq!(verified.kid(), signing_key.kid());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NestedVerifier {
    decrypter: Decrypter,
    verifier: Verifier,
}

impl NestedVerifier {
    /// A verifier that asks `decrypter` and then `verifier`.
    #[must_use]
    pub fn new(decrypter: Decrypter, verifier: Verifier) -> Self {
        Self { decrypter, verifier }
    }

    /// Decrypts `token`, verifies the token inside and reads its claims.
    ///
    /// # Errors
    /// [`NestedRejection`], with the first check that failed.
    pub fn verify<C: Claims + DeserializeOwned>(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<C>, NestedRejection> {
        let decrypted = self.decrypter.decrypt(token)?;
        if !decrypted.cty().is_some_and(|cty| JWT.matches(cty)) {
            return Err(NestedRejection::NotNested);
        }
        let inside = std::str::from_utf8(decrypted.plaintext()).map_err(|_| NestedRejection::NotNested)?;
        Ok(self.verifier.verify(inside, now)?)
    }
}

//! Getting the content encryption key to a recipient, and from a message
//! ([RFC 7518 section 4](https://www.rfc-editor.org/rfc/rfc7518#section-4)).

use std::num::NonZeroU32;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::key_wrap::{KeyEncryptionKey, KeyWrap};
use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::agreement::{AgreementKey, Parties, Point, derive_key};
use super::alg::{AesKeyWrap, ContentEncryption};
use super::content::{GCM_IV, GCM_TAG, SecretBytes, open_gcm, random, random_secret, seal_gcm};
use super::decrypt::{Budget, DecryptError};
use super::encrypt::EncryptError;
use super::header::{Header, RecipientHeader};
use super::key::{Decrypting, DecryptionKey, Encrypting, EncryptionKey, Purpose, Shared};
use crate::base64url;
use crate::jwk::Jwk;
use crate::limits::Excerpt;

/// The fewest bytes of `p2s` (RFC 7518 section 4.8.1.1).
const MIN_SALT: usize = 8;
/// The bytes of `p2s` that are written.
const SALT: usize = 16;

impl AesKeyWrap {
    pub(crate) fn wrap(self, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut wrapped = vec![0; key.len() + 8];
        let len = KeyEncryptionKey::new(self.cipher, kek)?.wrap(key, &mut wrapped)?.len();
        wrapped.truncate(len);
        Ok(wrapped)
    }

    pub(crate) fn unwrap(self, kek: &[u8], wrapped: &[u8]) -> Result<SecretBytes, Unspecified> {
        let mut key = Zeroizing::new(vec![0; wrapped.len()]);
        let len = KeyEncryptionKey::new(self.cipher, kek)?.unwrap(wrapped, &mut key)?.len();
        key.truncate(len);
        Ok(key)
    }
}

impl EncryptionKey {
    /// Whether the key decides the content encryption key, so that nobody else can be sent the same one.
    pub(crate) fn is_direct(&self) -> bool {
        match self.inner() {
            Encrypting::Shared(shared) => matches!(shared.purpose, Purpose::Content(_)),
            Encrypting::EcdhEs { wrap, .. } => wrap.is_none(),
            Encrypting::RsaOaep { .. } => false,
        }
    }

    /// The content encryption key that a direct key decides.
    pub(crate) fn content_key(
        &self,
        enc: ContentEncryption,
    ) -> Result<(SecretBytes, RecipientHeader<'_>), EncryptError> {
        let mut header = RecipientHeader::new(self.alg(), self.kid());
        let cek = match self.inner() {
            Encrypting::Shared(Shared { secret, purpose: Purpose::Content(own) }) => {
                if *own != enc {
                    return Err(EncryptError::ContentEncryption { key: *own });
                }
                secret.clone()
            }
            Encrypting::EcdhEs { point, wrap: None } => {
                // RFC 7518 section 4.6.2: the algorithm that the derived key is for is `enc` itself.
                agree(point, self.parties(), enc.name(), enc.key_len(), &mut header)?
            }
            _ => return Err(EncryptError::Failed),
        };
        Ok((cek, header))
    }

    /// Encrypts a content encryption key for this recipient.
    pub(crate) fn wrap_content_key(
        &self,
        cek: &[u8],
    ) -> Result<(RecipientHeader<'_>, Vec<u8>), EncryptError> {
        let mut header = RecipientHeader::new(self.alg(), self.kid());
        let encrypted_key = match self.inner() {
            Encrypting::Shared(shared) => wrap_shared(shared, self.alg().name(), cek, &mut header)?,
            Encrypting::RsaOaep { key, padding } => {
                let mut encrypted_key = vec![0; key.ciphertext_size()];
                let len = key.encrypt(padding, cek, &mut encrypted_key, None)?.len();
                encrypted_key.truncate(len);
                encrypted_key
            }
            Encrypting::EcdhEs { point, wrap: Some(wrap) } => {
                let kek = agree(point, self.parties(), self.alg().name(), wrap.key_len, &mut header)?;
                wrap.wrap(&kek, cek)?
            }
            Encrypting::EcdhEs { wrap: None, .. } => return Err(EncryptError::Failed),
        };
        Ok((header, encrypted_key))
    }
}

fn wrap_shared(
    Shared { secret, purpose }: &Shared,
    alg: &str,
    cek: &[u8],
    header: &mut RecipientHeader<'_>,
) -> Result<Vec<u8>, EncryptError> {
    match purpose {
        Purpose::Content(_) => Err(EncryptError::Failed),
        Purpose::AesKeyWrap(wrap) => Ok(wrap.wrap(secret, cek)?),
        Purpose::AesGcmKeyWrap(cipher) => {
            let sealed = seal_gcm(cipher, secret, b"", cek)?;
            header.iv = Some(base64url::encode(&sealed.iv));
            header.tag = Some(base64url::encode(&sealed.tag));
            Ok(sealed.ciphertext)
        }
        Purpose::Pbes2 { prf, wrap, iterations } => {
            let p2s = random::<SALT>()?;
            header.p2s = Some(base64url::encode(&p2s));
            header.p2c = Some(iterations.get());
            Ok(wrap.wrap(&derive_from_password(*prf, *wrap, alg, &p2s, *iterations, secret), cek)?)
        }
    }
}

/// Agrees on a key with a fresh ephemeral key pair, and names its public half and the parties in the header.
fn agree(
    point: &Point,
    parties: &Parties,
    algorithm_id: &str,
    len: usize,
    header: &mut RecipientHeader<'_>,
) -> Result<SecretBytes, Unspecified> {
    let ephemeral = AgreementKey::generate(point.curve())?;
    let z = ephemeral.agree(point)?;
    header.epk = Some(Jwk { key: ephemeral.public()?.encode(), kid: None, alg: None, key_use: None });
    let written = |info: &Vec<u8>| (!info.is_empty()).then(|| base64url::encode(info));
    header.apu = written(&parties.apu);
    header.apv = written(&parties.apv);
    derive_key(&z, algorithm_id, parties, len)
}

/// The key that wraps, out of a password (RFC 7518 section 4.8.1.1: the salt begins with the `alg`).
fn derive_from_password(
    prf: pbkdf2::Algorithm,
    wrap: AesKeyWrap,
    alg: &str,
    p2s: &[u8],
    iterations: NonZeroU32,
    password: &[u8],
) -> SecretBytes {
    let salt = [alg.as_bytes(), &[0], p2s].concat();
    let mut kek = Zeroizing::new(vec![0; wrap.key_len]);
    pbkdf2::derive(prf, iterations, &salt, password, &mut kek);
    kek
}

impl DecryptionKey {
    /// The content encryption key of a message for this recipient.
    ///
    /// When the key does not unwrap, a random one takes its place, and the content then fails to decrypt
    /// after the same steps as for a changed tag (RFC 7516 section 11.5).
    pub(crate) fn content_key(
        &self,
        header: &Header<'_>,
        encrypted_key: &[u8],
        enc: ContentEncryption,
        budget: &mut Budget,
    ) -> Result<SecretBytes, DecryptError> {
        let alg = self.alg().name();
        let unwrapped = match self.inner() {
            Decrypting::Shared(Shared { secret, purpose: Purpose::Content(own) }) => {
                require_no_encrypted_key(encrypted_key)?;
                if *own != enc {
                    return Err(DecryptError::ContentEncryption { found: Excerpt::of(enc.name()) });
                }
                return Ok(secret.clone());
            }
            Decrypting::EcdhEs { key, wrap: None } => {
                require_no_encrypted_key(encrypted_key)?;
                return agree_with_sender(key, header, enc.name(), enc.key_len());
            }
            Decrypting::EcdhEs { key, wrap: Some(wrap) } => {
                wrap.unwrap(&agree_with_sender(key, header, alg, wrap.key_len)?, encrypted_key)
            }
            Decrypting::RsaOaep { key, padding, .. } => {
                let mut buffer = Zeroizing::new(vec![0; key.min_output_size()]);
                let cek = key.decrypt(padding, encrypted_key, &mut buffer, None);
                cek.map(|cek| Zeroizing::new(cek.to_vec()))
            }
            Decrypting::Shared(shared) => unwrap_shared(shared, alg, header, encrypted_key, budget)?,
        };
        let substitute = random_secret(enc.key_len()).map_err(|_| DecryptError::Randomness)?;
        Ok(unwrapped.ok().filter(|cek| cek.len() == enc.key_len()).unwrap_or(substitute))
    }
}

fn require_no_encrypted_key(encrypted_key: &[u8]) -> Result<(), DecryptError> {
    // RFC 7516 section 5.2 step 10, RFC 7518 sections 4.5 and 4.6.
    if encrypted_key.is_empty() { Ok(()) } else { Err(DecryptError::EncryptedKey) }
}

/// The outer error is one that everybody can see in the header, the inner one only the key's to know.
fn unwrap_shared(
    Shared { secret, purpose }: &Shared,
    alg: &str,
    header: &Header<'_>,
    encrypted_key: &[u8],
    budget: &mut Budget,
) -> Result<Result<SecretBytes, Unspecified>, DecryptError> {
    Ok(match purpose {
        Purpose::Content(_) => Err(Unspecified),
        Purpose::AesKeyWrap(wrap) => wrap.unwrap(secret, encrypted_key),
        Purpose::AesGcmKeyWrap(cipher) => {
            let iv = header.exact_bytes("iv", GCM_IV)?;
            let tag = header.exact_bytes("tag", GCM_TAG)?;
            open_gcm(cipher, secret, b"", &iv, encrypted_key, &tag)
        }
        Purpose::Pbes2 { prf, wrap, .. } => {
            let p2s = header.bytes("p2s")?.filter(|p2s| p2s.len() >= MIN_SALT);
            let p2s = p2s.ok_or(DecryptError::Parameter("p2s"))?;
            let iterations = budget.spend(header.iterations()?)?;
            wrap.unwrap(&derive_from_password(*prf, *wrap, alg, &p2s, iterations, secret), encrypted_key)
        }
    })
}

/// The key that the sender agreed on with this one, by the ephemeral key in the header.
fn agree_with_sender(
    key: &AgreementKey,
    header: &Header<'_>,
    algorithm_id: &str,
    len: usize,
) -> Result<SecretBytes, DecryptError> {
    let public = header.ephemeral_key()?.key.decode().map_err(|_| DecryptError::EphemeralKey)?;
    let point = Point::new(&public).filter(|point| point.curve() == key.curve());
    let z = key.agree(&point.ok_or(DecryptError::EphemeralKey)?).map_err(|_| DecryptError::EphemeralKey)?;
    let parties = Parties {
        apu: header.bytes("apu")?.unwrap_or_default(),
        apv: header.bytes("apv")?.unwrap_or_default(),
    };
    derive_key(&z, algorithm_id, &parties, len).map_err(|_| DecryptError::Decryption)
}

//! Encrypting ([RFC 7516 section 5.1](https://www.rfc-editor.org/rfc/rfc7516#section-5.1)).

use std::collections::BTreeMap;

use aws_lc_rs::error::Unspecified;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::alg::{ContentEncryption, KeyManagement};
use super::compression::{self, DEF};
use super::content::{Sealed, SecretBytes, random_secret};
use super::header::{Copy, Members, ProtectedHeader, REGISTERED, RecipientHeader};
use super::key::EncryptionKey;
use super::serialization::{HeadersOut, JsonOut, MAX_RECIPIENTS, RecipientOut, UnprotectedOut};
use crate::base64url;
use crate::header::Typ;

/// Why something could not be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// A secret for `dir` fits one content encryption, and this is another.
    #[error("the key is for {key} and for no other content encryption")]
    ContentEncryption {
        /// The key's own.
        key: ContentEncryption,
    },
    /// With `dir` and `ECDH-ES` the recipient's key decides the content encryption key, so there can be
    /// no other recipient.
    #[error("a key for dir or ECDH-ES cannot share a message with other recipients")]
    NotAlone,
    /// No recipient, more than 16, or not exactly one for the flattened serialization.
    #[error(
        "the message must have between 1 and {MAX_RECIPIENTS} recipients, and exactly one when it is flattened"
    )]
    Recipients,
    /// The application's header parameters are no JSON object, or one of them has a registered name or
    /// stands in two headers. [RFC 7516 section 4](https://www.rfc-editor.org/rfc/rfc7516#section-4).
    #[error("the unprotected parameters are no object, or one has a registered name or stands there twice")]
    Parameters,
    /// The crypto library failed, or there is no randomness.
    #[error("the message could not be encrypted")]
    Failed,
}

impl From<Unspecified> for EncryptError {
    fn from(_: Unspecified) -> Self {
        Self::Failed
    }
}

/// Encrypts content. The header is made from this and from the key, never from the content.
///
/// ```
/// use gatepass_jose::jwe::{ContentEncryption, EncryptionKey, Encrypter, KeyManagement};
/// use gatepass_jose::SecretKey;
///
/// let key = EncryptionKey::from_secret(KeyManagement::A256KW, "2026-11", &SecretKey::new([7; 32]))?;
/// let message = Encrypter::new(ContentEncryption::A256GCM).encrypt(b"attack at dawn", &key)?;
/// assert_eq!(message.split('.').count(), 5);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encrypter {
    enc: ContentEncryption,
    typ: Option<Typ>,
    cty: Option<String>,
    compresses: bool,
    copy: Option<(&'static str, EncryptionKey)>,
}

impl Encrypter {
    /// An encrypter with this content encryption.
    #[must_use]
    pub fn new(enc: ContentEncryption) -> Self {
        Self { enc, typ: None, cty: None, compresses: false, copy: None }
    }

    /// Sets `typ`: what the whole message is.
    #[must_use]
    pub fn with_typ(mut self, typ: Typ) -> Self {
        self.typ = Some(typ);
        self
    }

    /// Sets `cty`: what the content is. For a signed JWT inside, use
    /// [`sign_then_encrypt`](super::sign_then_encrypt).
    #[must_use]
    pub fn with_cty(mut self, cty: &str) -> Self {
        self.cty = Some(cty.to_owned());
        self
    }

    /// Compresses the content (`zip: DEF`). The length of what comes out then tells something of what is
    /// in it: leave it off where an attacker may add text of his own to a secret
    /// ([RFC 8725 section 3.6](https://www.rfc-editor.org/rfc/rfc8725#section-3.6)). The compressor's own
    /// memory, which has held the content, is not wiped.
    #[must_use]
    pub fn with_compression(mut self) -> Self {
        self.compresses = true;
        self
    }

    /// Wraps the content encryption key for `key` as well, in a parameter of the application's own: who encrypts can read the
    /// message again, by [`Decrypter::decrypt_copy`](super::Decrypter::decrypt_copy), and its recipient need not know. Only in
    /// compact serializations, and only with `A128KW` or `A256KW`, which need nothing beside it.
    ///
    /// ```
    /// use gatepass_jose::jwe::{ContentEncryption, DecryptionKey, DecryptionKeys, Decrypter, Encrypter, KeyManagement};
    /// use gatepass_jose::Curve;
    ///
    /// let theirs = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::P256), None)?;
    /// let ours = DecryptionKey::generate(KeyManagement::A256KW, None, None)?;
    /// let enc = ContentEncryption::A256GCM;
    /// let encrypter = Encrypter::new(enc).with_copy("example_copy", ours.encryption_key()?);
    /// let message = encrypter.encrypt(b"attack at dawn", &theirs.encryption_key()?)?;
    ///
    /// let read = |key| Decrypter::new(DecryptionKeys::new(vec![key]), &[enc]);
    /// assert_eq!(read(theirs).decrypt(&message)?.plaintext(), b"attack at dawn");
    /// assert_eq!(*read(ours).decrypt_copy(&message, "example_copy")?, b"attack at dawn");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_copy(mut self, parameter: &'static str, key: EncryptionKey) -> Self {
        self.copy = Some((parameter, key));
        self
    }

    /// Encrypts for one recipient, as a compact serialization.
    ///
    /// # Errors
    /// [`EncryptError`].
    pub fn encrypt(&self, plaintext: &[u8], key: &EncryptionKey) -> Result<String, EncryptError> {
        let Managed { cek, mut recipients } = Managed::new(self.enc, &[key])?;
        let (header, encrypted_key) = recipients.pop().ok_or(EncryptError::Recipients)?;
        let protected = self.protected(Some(&header), self.copy_of(&cek)?)?;
        let Sealed { iv, ciphertext, tag } = self.seal(&cek, protected.as_bytes(), plaintext)?;
        let mut message = protected;
        for part in [encrypted_key, iv, ciphertext, tag] {
            message.push('.');
            base64url::encode_append(&part, &mut message);
        }
        Ok(message)
    }

    /// Encrypts as a JSON serialization: for several recipients, or with what only JSON has room for.
    #[must_use]
    pub fn json(&self) -> JsonEncrypter<'_> {
        JsonEncrypter { encrypter: self, recipients: Vec::new(), unprotected: Ok(Members::new()), aad: None }
    }

    /// The encoded protected header.
    fn protected(
        &self,
        recipient: Option<&RecipientHeader<'_>>,
        copy: Option<Copy>,
    ) -> Result<String, EncryptError> {
        let header = ProtectedHeader {
            copy,
            recipient,
            enc: self.enc,
            zip: self.compresses.then_some(DEF),
            typ: self.typ.as_ref().map(Typ::name),
            cty: self.cty.as_deref(),
        };
        Ok(base64url::encode(&serde_json::to_vec(&header).map_err(|_| EncryptError::Failed)?))
    }

    /// The content encryption key for whoever encrypts, if that is wanted.
    fn copy_of(&self, cek: &[u8]) -> Result<Option<Copy>, EncryptError> {
        let Some((parameter, key)) = &self.copy else { return Ok(None) };
        let is_alone = matches!(key.alg(), KeyManagement::A128KW | KeyManagement::A256KW);
        if !is_alone || REGISTERED.contains(parameter) {
            return Err(EncryptError::Parameters);
        }
        let (_, wrapped) = key.wrap_content_key(cek)?;
        Ok(Some(BTreeMap::from([(*parameter, base64url::encode(&wrapped))])))
    }

    fn seal(&self, cek: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Sealed, EncryptError> {
        let sealed = if self.compresses {
            self.enc.seal(cek, aad, &compression::compress(plaintext))
        } else {
            self.enc.seal(cek, aad, plaintext)
        };
        Ok(sealed?)
    }
}

/// Encrypts as a JSON serialization ([RFC 7516 section 7.2](https://www.rfc-editor.org/rfc/rfc7516#section-7.2)).
///
/// ```
/// use gatepass_jose::jwe::{ContentEncryption, DecryptionKey, DecryptionKeys, Decrypter, Encrypter, KeyManagement};
///
/// let alice = DecryptionKey::generate(KeyManagement::A128KW, None, Some("alice"))?;
/// let bob = DecryptionKey::generate(KeyManagement::A256GCMKW, None, Some("bob"))?;
/// let (to_alice, to_bob) = (alice.encryption_key()?, bob.encryption_key()?);
/// let message = Encrypter::new(ContentEncryption::A128CbcHs256)
///     .json()
///     .to(&to_alice)
///     .to(&to_bob)
///     .with_aad(b"readable, and not to be changed")
///     .encrypt_general(b"attack at dawn")?;
///
/// let decrypter = Decrypter::new(DecryptionKeys::new(vec![bob]), &[ContentEncryption::A128CbcHs256]);
/// let decrypted = decrypter.decrypt_json(message.as_bytes())?;
/// assert_eq!((decrypted.plaintext(), decrypted.kid()), (&b"attack at dawn"[..], "bob"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JsonEncrypter<'k> {
    encrypter: &'k Encrypter,
    recipients: Vec<(&'k EncryptionKey, Result<Members, EncryptError>)>,
    unprotected: Result<Members, EncryptError>,
    aad: Option<&'k [u8]>,
}

impl<'k> JsonEncrypter<'k> {
    /// Adds a recipient.
    #[must_use]
    pub fn to(mut self, key: &'k EncryptionKey) -> Self {
        self.recipients.push((key, Ok(Members::new())));
        self
    }

    /// Adds a recipient with parameters of the application's own in the recipient's unprotected header:
    /// whatever serializes to a JSON object. Everybody can read and change them.
    #[must_use]
    pub fn to_with(mut self, key: &'k EncryptionKey, parameters: &impl Serialize) -> Self {
        self.recipients.push((key, members_of(parameters)));
        self
    }

    /// Sets parameters of the application's own in the shared unprotected header, as
    /// [`JsonEncrypter::to_with`] does for one recipient.
    #[must_use]
    pub fn with_unprotected(mut self, parameters: &impl Serialize) -> Self {
        self.unprotected = members_of(parameters);
        self
    }

    /// Sets additional authenticated data: readable by everybody, and covered by the tag.
    #[must_use]
    pub fn with_aad(mut self, aad: &'k [u8]) -> Self {
        self.aad = (!aad.is_empty()).then_some(aad);
        self
    }

    /// Encrypts as a general serialization. What each recipient's key needs (`alg`, `kid`, `epk` …) stands
    /// in the recipient's header, which the tag does not cover.
    ///
    /// # Errors
    /// [`EncryptError`].
    pub fn encrypt_general(self, plaintext: &[u8]) -> Result<String, EncryptError> {
        let (added, unprotected) = self.parameters()?;
        let Managed { cek, recipients } = Managed::new(self.encrypter.enc, &self.keys())?;
        let recipients = recipients.into_iter().zip(added).map(|((header, encrypted_key), added)| {
            let header = UnprotectedOut { recipient: Some(header), added };
            RecipientOut { header, encrypted_key: base64url::encode(&encrypted_key) }
        });
        let recipients = Some(recipients.collect());
        let protected = self.encrypter.protected(None, None)?;
        self.write(HeadersOut { protected, unprotected, recipients, recipient: None }, &cek, plaintext)
    }

    /// Encrypts as a flattened serialization, for exactly one recipient. What its key needs is protected.
    ///
    /// # Errors
    /// [`EncryptError`].
    pub fn encrypt_flattened(self, plaintext: &[u8]) -> Result<String, EncryptError> {
        let (added, unprotected) = self.parameters()?;
        let [added] = added.as_slice() else { return Err(EncryptError::Recipients) };
        let Managed { cek, mut recipients } = Managed::new(self.encrypter.enc, &self.keys())?;
        let (header, encrypted_key) = recipients.pop().ok_or(EncryptError::Recipients)?;
        let protected = self.encrypter.protected(Some(&header), None)?;
        let header = UnprotectedOut { recipient: None, added };
        let recipient = Some(RecipientOut { header, encrypted_key: base64url::encode(&encrypted_key) });
        self.write(HeadersOut { protected, unprotected, recipients: None, recipient }, &cek, plaintext)
    }

    fn keys(&self) -> Vec<&'k EncryptionKey> {
        self.recipients.iter().map(|(key, _)| *key).collect()
    }

    /// The parameters added for each recipient, and the shared ones, none of which is in another's way.
    fn parameters(&self) -> Result<(Vec<&Members>, &Members), EncryptError> {
        let shared = self.unprotected.as_ref().map_err(Clone::clone)?;
        let added = self.recipients.iter().map(|(_, added)| added.as_ref().map_err(Clone::clone));
        let added = added.collect::<Result<Vec<_>, _>>()?;
        if added.iter().any(|added| added.keys().any(|name| shared.contains_key(name))) {
            return Err(EncryptError::Parameters);
        }
        Ok((added, shared))
    }

    fn write(&self, headers: HeadersOut<'_>, cek: &[u8], plaintext: &[u8]) -> Result<String, EncryptError> {
        let aad = self.aad.map(base64url::encode);
        // RFC 7516 section 5.1 step 14.
        let authenticated = match &aad {
            None => headers.protected.clone(),
            Some(aad) => format!("{}.{aad}", headers.protected),
        };
        let sealed = self.encrypter.seal(cek, authenticated.as_bytes(), plaintext)?;
        let [iv, ciphertext, tag] =
            [sealed.iv, sealed.ciphertext, sealed.tag].map(|part| base64url::encode(&part));
        serde_json::to_string(&JsonOut { headers, aad, iv, ciphertext, tag })
            .map_err(|_| EncryptError::Failed)
    }
}

/// The content encryption key, and what each recipient needs to come by it.
struct Managed<'k> {
    cek: SecretBytes,
    recipients: Vec<(RecipientHeader<'k>, Vec<u8>)>,
}

impl<'k> Managed<'k> {
    fn new(enc: ContentEncryption, keys: &[&'k EncryptionKey]) -> Result<Self, EncryptError> {
        if keys.is_empty() || keys.len() > MAX_RECIPIENTS {
            return Err(EncryptError::Recipients);
        }
        if let [only] = keys
            && only.is_direct()
        {
            let (cek, header) = only.content_key(enc)?;
            return Ok(Self { cek, recipients: vec![(header, Vec::new())] });
        }
        if keys.iter().any(|key| key.is_direct()) {
            return Err(EncryptError::NotAlone);
        }
        let cek = random_secret(enc.key_len())?;
        let recipients = keys.iter().map(|key| key.wrap_content_key(&cek)).collect::<Result<_, _>>()?;
        Ok(Self { cek, recipients })
    }
}

fn members_of(parameters: &impl Serialize) -> Result<Members, EncryptError> {
    match serde_json::to_value(parameters) {
        Ok(Value::Object(members)) if !members.keys().any(|name| REGISTERED.contains(&name.as_str())) => {
            Ok(members)
        }
        _ => Err(EncryptError::Parameters),
    }
}

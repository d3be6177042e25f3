//! Decrypting ([RFC 7516 section 5.2](https://www.rfc-editor.org/rfc/rfc7516#section-5.2)).

mod error;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde_json::Value;
use zeroize::Zeroizing;

pub use error::DecryptError;

use super::alg::{ContentEncryption, KeyManagement};
use super::compression::{self, InflateError};
use super::content::SecretBytes;
use super::header::{Header, Members};
use super::key::{DecryptionKey, DecryptionKeys};
use super::serialization::{Message, Recipient};
use crate::limits::{Excerpt, Limits};

/// The fewest iterations of PBES2 that are taken, as
/// [RFC 7518 section 4.8.1.2](https://www.rfc-editor.org/rfc/rfc7518#section-4.8.1.2) recommends.
pub const MIN_ITERATIONS: u32 = 1000;

/// The most iterations of PBES2 that are worked off for one message where nothing else is said: above
/// what is recommended for passwords today (600,000 with SHA-256), and about a second of work at most,
/// which SHA-512 takes on an idle core.
pub const DEFAULT_MAX_ITERATIONS: u32 = 1_000_000;

/// For how many recipients of one message a private key is worked with. A message names the key that it
/// means, or else has few recipients that could be meant; it takes nobody any work to write more of them.
const MAX_PRIVATE_KEY_OPERATIONS: u32 = 4;

/// Decrypts messages with keys, content encryptions and limits that are known beforehand. A message's
/// header adds to none of them.
///
/// What it gives is what somebody encrypted **for** one of the keys. With `RSA-OAEP` and `ECDH-ES` that
/// can be anybody who has the public key: to know *who*, sign first and use a [`NestedVerifier`].
///
/// ```
/// use gatepass_jose::jwe::{ContentEncryption, DecryptionKey, DecryptionKeys, Decrypter, Encrypter, KeyManagement};
/// use gatepass_jose::Curve;
///
/// let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::X25519), None)?;
/// let message = Encrypter::new(ContentEncryption::A256GCM).encrypt(b"attack at dawn", &key.encryption_key()?)?;
///
/// let decrypter = Decrypter::new(DecryptionKeys::new(vec![key]), &[ContentEncryption::A256GCM]);
/// let decrypted = decrypter.decrypt(&message)?;
/// assert_eq!(decrypted.plaintext(), b"attack at dawn");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// [`NestedVerifier`]: super::NestedVerifier
#[derive(Debug)]
pub struct Decrypter {
    keys: DecryptionKeys,
    content: Vec<ContentEncryption>,
    limits: Limits,
    max_iterations: u32,
    max_decompressed: Option<usize>,
}

/// What a [`Decrypter`] decrypted. Nothing else can make one.
///
/// ```compile_fail,E0451
/// # use gatepass_jose::jwe::Decrypted;
/// # fn forge(genuine: Decrypted) -> Decrypted {
/// Decrypted { aad: None, ..genuine }
/// # }
/// ```
#[derive(Debug)]
pub struct Decrypted {
    plaintext: Plaintext,
    kid: Arc<str>,
    alg: KeyManagement,
    enc: ContentEncryption,
    typ: Option<String>,
    cty: Option<String>,
    aad: Option<Vec<u8>>,
}

/// Wiped when dropped, and not shown.
struct Plaintext(SecretBytes);

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Decrypted {
    /// The content.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext.0
    }

    /// The content, still wiped when dropped.
    #[must_use]
    pub fn into_plaintext(self) -> Zeroizing<Vec<u8>> {
        self.plaintext.0
    }

    /// The name of the key that decrypted it; empty when the key has none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How the content encryption key was managed.
    #[must_use]
    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// How the content was encrypted.
    #[must_use]
    pub fn enc(&self) -> ContentEncryption {
        self.enc
    }

    /// `typ` of the protected header, which the tag covers. One that is not protected is not shown.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// `cty` of the protected header, as [`Decrypted::typ`].
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.cty.as_deref()
    }

    /// The additional authenticated data of a JSON serialization, which the tag covers too.
    #[must_use]
    pub fn aad(&self) -> Option<&[u8]> {
        self.aad.as_deref()
    }
}

impl Decrypter {
    /// A decrypter with these keys for these content encryptions. With none of either it refuses
    /// everything.
    #[must_use]
    pub fn new(keys: DecryptionKeys, content: &[ContentEncryption]) -> Self {
        Self {
            keys,
            content: content.to_vec(),
            limits: Limits::DEFAULT,
            max_iterations: DEFAULT_MAX_ITERATIONS,
            max_decompressed: None,
        }
    }

    /// Sets other limits on what is looked at.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many iterations of PBES2 one message may ask for, over all of its recipients. It takes
    /// whoever encrypts no work to write a large number, and this side all of it.
    #[must_use]
    pub fn with_max_iterations(mut self, most: u32) -> Self {
        self.max_iterations = most;
        self
    }

    /// Takes compressed content (`zip: DEF`) too, up to this size once decompressed.
    ///
    /// Compression shows through encryption: where an attacker can have text of his choice encrypted
    /// along with a secret, the length tells him when he has guessed it. Leave it off for such content.
    #[must_use]
    pub fn with_decompression(mut self, max_bytes: usize) -> Self {
        self.max_decompressed = Some(max_bytes);
        self
    }

    /// Decrypts a compact serialization.
    ///
    /// # Errors
    /// [`DecryptError`].
    pub fn decrypt(&self, message: &str) -> Result<Decrypted, DecryptError> {
        self.open(Message::parse_compact(message, &self.limits)?)
    }

    /// Decrypts a JSON serialization, general or flattened: for the first of its recipients for whom one
    /// of the keys does. A key that is named by `kid`, or is the only one that can be meant, is tried for
    /// each; with private keys that are four recipients at most, and the others are passed over.
    ///
    /// Parameters may stand in unprotected headers, where everybody can change them, as
    /// [RFC 7516 section 7.2](https://www.rfc-editor.org/rfc/rfc7516#section-7.2) has it. Nothing is lost
    /// by that: they choose no algorithm, and a key only among those that this decrypter has, each of
    /// which is bound to one.
    ///
    /// # Errors
    /// [`DecryptError`]. Where several recipients were tried, that of the first that has a key here.
    pub fn decrypt_json(&self, message: &[u8]) -> Result<Decrypted, DecryptError> {
        self.open(Message::parse_json(message, &self.limits)?)
    }

    /// Decrypts a compact serialization that this side has encrypted itself for somebody else, by the copy of the content
    /// encryption key in `parameter` ([`Encrypter::with_copy`](super::Encrypter::with_copy)). The decrypter has one key, the
    /// copy's.
    ///
    /// # Errors
    /// [`DecryptError`].
    pub fn decrypt_copy(
        &self,
        message: &str,
        parameter: &'static str,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let message = Message::parse_compact(message, &self.limits)?;
        let nothing = Members::new();
        let header = Header::join(&message.protected, &message.unprotected, &nothing)?;
        let enc = self.require_content_encryption(std::slice::from_ref(&header))?;
        if message.iv.len() != enc.iv_len() || message.tag.len() != enc.tag_len() {
            return Err(DecryptError::Decryption);
        }
        if message.protected.contains_key("zip") {
            return Err(DecryptError::Compressed);
        }
        let encrypted_key = header.bytes(parameter)?.ok_or(DecryptError::Parameter(parameter))?;
        let [key] = self.keys.keys() else { return Err(DecryptError::UnknownKey { kid: None }) };
        let copy = Recipient { header: nothing.clone(), encrypted_key };
        open_for(key, &header, &copy, &message, enc, &mut Budget::new(0))
    }

    fn open(&self, message: Message<'_>) -> Result<Decrypted, DecryptError> {
        let recipients = message.recipients.iter();
        let headers = recipients
            .map(|own| Header::join(&message.protected, &message.unprotected, &own.header))
            .collect::<Result<Vec<_>, _>>()?;
        let enc = self.require_content_encryption(&headers)?;
        if message.iv.len() != enc.iv_len() || message.tag.len() != enc.tag_len() {
            // Known to everybody from the message alone; the key has not been touched.
            return Err(DecryptError::Decryption);
        }
        let most = self.require_compression(&message.protected)?;
        let [typ, cty] = [text_of(&message.protected, "typ")?, text_of(&message.protected, "cty")?];
        let (key, plaintext) = self.open_for_any(&message, &headers, enc)?;
        let plaintext = match most {
            None => plaintext,
            Some(limit) => compression::inflate(&plaintext, limit).map_err(|error| match error {
                InflateError::TooLong => DecryptError::DecompressedTooLong { limit },
                InflateError::Malformed => DecryptError::Decompression,
            })?,
        };
        Ok(Decrypted {
            plaintext: Plaintext(plaintext),
            kid: key.shared_kid().clone(),
            alg: key.alg(),
            enc,
            typ,
            cty,
            aad: message.aad,
        })
    }

    /// The `enc` of all recipients, when it is one and the same and accepted.
    fn require_content_encryption(&self, headers: &[Header<'_>]) -> Result<ContentEncryption, DecryptError> {
        let mut names = headers.iter().map(|header| header.required_text("enc"));
        let name = names.next().ok_or(DecryptError::Serialization)??;
        for other in names {
            if other? != name {
                return Err(DecryptError::Parameter("enc")); // RFC 7516 section 7.2.1
            }
        }
        let accepted = self.content.iter().find(|enc| enc.name() == name);
        accepted.copied().ok_or_else(|| DecryptError::ContentEncryption { found: Excerpt::of(name) })
    }

    /// The bound on the decompressed content; `None` when it is not compressed.
    fn require_compression(&self, protected: &Members) -> Result<Option<usize>, DecryptError> {
        match (protected.get("zip"), self.max_decompressed) {
            (None, _) => Ok(None),
            (Some(_), None) => Err(DecryptError::Compressed),
            (Some(zip), Some(_)) if zip != compression::DEF => Err(DecryptError::Parameter("zip")),
            (Some(_), most) => Ok(most),
        }
    }

    /// The content, opened for the first recipient for whom that works.
    fn open_for_any(
        &self,
        message: &Message<'_>,
        headers: &[Header<'_>],
        enc: ContentEncryption,
    ) -> Result<(&DecryptionKey, SecretBytes), DecryptError> {
        let mut budget = Budget::new(self.max_iterations);
        let mut without_key = None;
        let mut with_key = None;
        for (header, recipient) in headers.iter().zip(&message.recipients) {
            let key = match self.find_key(header) {
                Ok(key) => key,
                Err(error) => {
                    without_key.get_or_insert(error);
                    continue;
                }
            };
            if !budget.allows_work_with(key) {
                continue;
            }
            match open_for(key, header, recipient, message, enc, &mut budget) {
                Ok(plaintext) => return Ok((key, plaintext)),
                Err(error) => with_key.get_or_insert(error),
            };
        }
        Err(with_key.or(without_key).unwrap_or(DecryptError::Serialization))
    }

    /// The key that the header names, when the header agrees with it in the algorithm.
    fn find_key(&self, header: &Header<'_>) -> Result<&DecryptionKey, DecryptError> {
        let alg = header.required_text("alg")?;
        let kid = header.text("kid")?;
        let unknown = || DecryptError::UnknownKey { kid: kid.map(Excerpt::of) };
        let key = self.keys.choose(kid, alg).ok_or_else(unknown)?;
        if key.alg().name() != alg {
            return Err(DecryptError::AlgMismatch { key: key.alg(), found: Excerpt::of(alg) });
        }
        Ok(key)
    }
}

/// A parameter of the protected header that is a string where it is there.
fn text_of(protected: &Members, name: &'static str) -> Result<Option<String>, DecryptError> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(DecryptError::Parameter(name));
    protected.get(name).map(text).transpose()
}

/// What is left of the work that one message may ask for.
pub(crate) struct Budget {
    left: u32,
    most: u32,
    private_key_operations: u32,
}

impl Budget {
    fn new(most: u32) -> Self {
        Self { left: most, most, private_key_operations: MAX_PRIVATE_KEY_OPERATIONS }
    }

    /// Takes the operation of a private key out of what is left. A shared secret costs next to nothing, and
    /// a password what [`Budget::spend`] counts.
    fn allows_work_with(&mut self, key: &DecryptionKey) -> bool {
        if key.alg().is_symmetric() {
            return true;
        }
        let left = self.private_key_operations.checked_sub(1);
        self.private_key_operations = left.unwrap_or(0);
        left.is_some()
    }

    /// Takes `iterations` out of what is left.
    pub(crate) fn spend(&mut self, iterations: u64) -> Result<NonZeroU32, DecryptError> {
        let wanted = u32::try_from(iterations).ok().and_then(NonZeroU32::new);
        let wanted = wanted.filter(|wanted| (MIN_ITERATIONS..=self.left).contains(&wanted.get()));
        let wanted = wanted.ok_or(DecryptError::Iterations { most: self.most })?;
        self.left -= wanted.get();
        Ok(wanted)
    }
}

fn open_for(
    key: &DecryptionKey,
    header: &Header<'_>,
    recipient: &Recipient,
    message: &Message<'_>,
    enc: ContentEncryption,
    budget: &mut Budget,
) -> Result<SecretBytes, DecryptError> {
    let cek = key.content_key(header, &recipient.encrypted_key, enc, budget)?;
    let Message { authenticated, iv, ciphertext, tag, .. } = message;
    enc.open(&cek, authenticated.as_bytes(), iv, ciphertext, tag).map_err(|_| DecryptError::Decryption)
}

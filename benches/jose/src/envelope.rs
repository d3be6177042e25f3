//! The keys and messages of the encryption table.

use anyhow::{Context as _, Result, ensure};
use gatepass_bench::sample::{KID, Sample};
use gatepass_jose::jwe::{
    ContentEncryption, Decrypter, DecryptionKey, DecryptionKeys, Encrypter, EncryptionKey, KeyManagement,
};
use gatepass_jose::{Alg, Curve};
use serde_json::Value;

/// How keys are managed in the table; content is always encrypted with A256GCM.
pub const PAIRS: [KeyManagement; 3] =
    [KeyManagement::Dir, KeyManagement::RsaOaep256, KeyManagement::EcdhEsA128KW];

const ENC: ContentEncryption = ContentEncryption::A256GCM;

/// One pair of algorithms with a key, what is encrypted, and messages.
pub struct Envelope {
    /// `alg` and `enc` with a plus sign between them.
    pub alg: String,
    pub private_jwk: Value,
    pub public_jwk: Value,
    pub payloads: Vec<String>,
    pub messages: Vec<String>,
    encrypter: Encrypter,
    key: EncryptionKey,
    decrypter: Decrypter,
}

impl Envelope {
    /// A fresh key, and the claims of the other tables encrypted to it.
    pub fn new(alg: KeyManagement) -> Result<Self> {
        let key = match alg {
            KeyManagement::Dir => DecryptionKey::generate_direct(ENC, Some(KID))?,
            KeyManagement::EcdhEsA128KW => DecryptionKey::generate(alg, Some(Curve::P256), Some(KID))?,
            _ => DecryptionKey::generate(alg, None, Some(KID))?,
        };
        let jwk = key.to_jwk()?;
        let private_jwk = bare(&jwk.to_json())?;
        let public_jwk = match jwk.public() {
            Some(jwk) => bare(&serde_json::to_string(&jwk)?)?,
            None => private_jwk.clone(),
        };
        let claims = Sample::new(Alg::HS256)?.claims;
        let mut envelope = Self {
            alg: format!("{}+{}", alg.name(), ENC.name()),
            private_jwk,
            public_jwk,
            payloads: claims.iter().map(serde_json::to_string).collect::<Result<_, _>>()?,
            messages: Vec::new(),
            encrypter: Encrypter::new(ENC),
            key: key.encryption_key()?,
            decrypter: Decrypter::new(DecryptionKeys::new(vec![key]), &[ENC]),
        };
        let encrypted = (0..envelope.payloads.len()).map(|number| envelope.encrypt(number));
        envelope.messages = encrypted.collect::<Option<_>>().context("nothing was encrypted")?;
        for (message, payload) in envelope.messages.iter().zip(&envelope.payloads) {
            ensure!(envelope.decrypt(message).as_ref() == Some(payload), "{} does not decrypt", envelope.alg);
        }
        Ok(envelope)
    }

    /// Encrypts the payload with that number.
    pub fn encrypt(&self, number: usize) -> Option<String> {
        self.encrypter.encrypt(self.payloads.get(number)?.as_bytes(), &self.key).ok()
    }

    /// What the message says.
    pub fn decrypt(&self, message: &str) -> Option<String> {
        let decrypted = self.decrypter.decrypt(message).ok()?;
        String::from_utf8(decrypted.plaintext().to_vec()).ok()
    }

    /// Why the message does not decrypt.
    pub fn complaint(&self, message: &str) -> Option<String> {
        self.decrypter.decrypt(message).err().map(|error| error.to_string())
    }
}

/// Without the members that say what a key is for: libraries disagree on what they must be.
fn bare(jwk: &str) -> Result<Value> {
    let mut jwk: Value = serde_json::from_str(jwk)?;
    let members = jwk.as_object_mut().context("a JWK is an object")?;
    ["alg", "use", "key_ops"].into_iter().for_each(|name| {
        members.remove(name);
    });
    Ok(jwk)
}

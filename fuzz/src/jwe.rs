//! Compact JWEs: only what was encrypted comes out, and no message asks for work or memory without bound.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use gatepass_jose::jwe::{ContentEncryption, DecryptError, Decrypter, DecryptionKeys};
use gatepass_jose::{Limits, base64url};
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::bounds::bounded;
use crate::keys;
use crate::naive::Json;

/// What was encrypted, each plaintext with its message.
pub const MESSAGES: [(&[u8], &str); 8] = [
    (b"for dir", include_str!("../seeds/jwe/accepted-dir")),
    (b"for A256KW", include_str!("../seeds/jwe/accepted-a256kw")),
    (b"for A128GCMKW", include_str!("../seeds/jwe/accepted-a128gcmkw")),
    (b"for RSA-OAEP-256", include_str!("../seeds/jwe/accepted-rsa-oaep-256")),
    (b"for ECDH-ES", include_str!("../seeds/jwe/accepted-ecdh-es")),
    (b"for ECDH-ES+A128KW", include_str!("../seeds/jwe/accepted-ecdh-es-a128kw")),
    (b"for PBES2-HS256+A128KW", include_str!("../seeds/jwe/accepted-pbes2")),
    (b"compressed compressed compressed", include_str!("../seeds/jwe/accepted-compressed")),
];

/// What compressed content may come to, in bytes.
pub const DECOMPRESSED: usize = 4096;
/// What one message may ask for. A message that gets more is slow enough for the fuzzer to notice.
pub const ITERATIONS: u32 = 2000;

/// Decrypts with every key.
pub static DECRYPTER: LazyLock<Decrypter> = LazyLock::new(|| {
    let content: Vec<_> = ContentEncryption::all().collect();
    Decrypter::new(DecryptionKeys::new(keys::DECRYPTION.clone()), &content)
        .with_max_iterations(ITERATIONS)
        .with_decompression(DECOMPRESSED)
});

/// Takes `data` for a message; or, where it begins with a brace, for a header, a line break and a content
/// that is encrypted with the key `dir`.
pub fn check(data: &[u8]) -> bool {
    if let (Some(b'{'), Some(end)) = (data.first(), data.iter().position(|byte| *byte == b'\n')) {
        return check_encrypted(&data[..end], &data[end + 1..]);
    }
    std::str::from_utf8(data).is_ok_and(check_text)
}

fn check_text(text: &str) -> bool {
    let decrypted = bounded(text.len(), || DECRYPTER.decrypt(text));
    if let Ok(decrypted) = &decrypted {
        assert!(
            MESSAGES.contains(&(decrypted.plaintext(), text)),
            "a message came out that nobody encrypted"
        );
    }
    decrypted.is_ok()
}

fn check_encrypted(header: &[u8], content: &[u8]) -> bool {
    let protected = base64url::encode(header);
    let (ciphertext, tag) = seal(&[0; NONCE_LEN], protected.as_bytes(), content);
    let [iv, ciphertext, tag] = [&[0; NONCE_LEN][..], &ciphertext, &tag].map(base64url::encode);
    let message = format!("{protected}..{iv}.{ciphertext}.{tag}");
    let decrypted = bounded(message.len() + DECOMPRESSED, || DECRYPTER.decrypt(&message));
    let limits = Limits::DEFAULT;
    let fits = message.len() <= limits.token_bytes && protected.len() <= limits.header_bytes;
    let header = Json::parse_strict_object(header, &limits).filter(|header| fits && is_for_dir(header));
    match (&decrypted, header.as_ref().map(|header| header.find("zip"))) {
        (Err(_), None) => {}
        (Ok(decrypted), Some(None)) => assert_eq!(decrypted.plaintext(), content),
        (decrypted, Some(Some(zip))) if *zip == Json::Text("DEF".to_owned()) => {
            check_inflated(decrypted, content)
        }
        (Err(DecryptError::Parameter("zip")), Some(Some(_))) => {}
        (other, _) => panic!("the header says otherwise: {other:?}"),
    }
    decrypted.is_ok()
}

/// What a good header for the key `dir` is.
fn is_for_dir(header: &Json) -> bool {
    header.text("alg") == Some("dir")
        && header.text("enc") == Some("A256GCM")
        && header.is_text_or_absent("kid")
        && header.text("kid").is_none_or(|kid| kid == "dir")
        && header.find("crit").is_none()
        && header.find("b64").is_none()
}

/// The other reader of DEFLATE is lenient about what follows the stream.
pub fn check_inflated(decrypted: &Result<gatepass_jose::jwe::Decrypted, DecryptError>, content: &[u8]) {
    let inflated = decompress_to_vec_with_limit(content, DECOMPRESSED);
    match decrypted {
        Ok(decrypted) => {
            assert!(decrypted.plaintext().len() <= DECOMPRESSED);
            assert_eq!(inflated.ok().as_deref(), Some(decrypted.plaintext()));
        }
        Err(DecryptError::DecompressedTooLong { limit: DECOMPRESSED }) => assert!(inflated.is_err()),
        Err(error) => assert_eq!(*error, DecryptError::Decompression),
    }
}

/// Encrypts with the key `dir`; gives the ciphertext and the tag.
pub fn seal(iv: &[u8; NONCE_LEN], aad: &[u8], content: &[u8]) -> (Vec<u8>, Vec<u8>) {
    static KEY: LazyLock<LessSafeKey> = LazyLock::new(|| {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, keys::dir().expose()).expect("32 bytes"))
    });
    let mut sealed = content.to_vec();
    let nonce = Nonce::assume_unique_for_key(*iv);
    let tag = KEY.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed).expect("short enough");
    (sealed, tag.as_ref().to_vec())
}

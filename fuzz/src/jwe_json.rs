//! JSON-serialized JWEs: whatever decrypts is what was encrypted, whoever else the message is for.

use gatepass_jose::{Limits, base64url};

use crate::bounds::bounded;
use crate::jwe::{DECOMPRESSED, DECRYPTER, check_inflated, seal};
use crate::naive::Json;

/// The plaintext of every message among the seeds.
pub const PLAINTEXT: &[u8] = b"for several recipients";
/// Stands in a document for a tag that is still to be made.
const PLACEHOLDER: &str = "\"*\"";

/// Takes `data` for a document. Where its `tag` is `"*"`, its `ciphertext` is taken for the content and is
/// encrypted with the key `dir`, so that what lies behind the tag is reached.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (document, content) = complete(text)
        .map_or_else(|| (text.to_owned(), None), |(document, content)| (document, Some(content)));
    let decrypted = bounded(document.len() + DECOMPRESSED, || DECRYPTER.decrypt_json(document.as_bytes()));
    let Ok(message) = &decrypted else { return false };
    let read = Json::parse(document.as_bytes()).expect("it was read");
    assert!(read.is_strict(&Limits::DEFAULT));
    let protected = base64url::decode(read.text("protected").unwrap_or_default()).expect("it was read");
    let protected = Json::parse(&protected);
    let zip = protected.as_ref().and_then(|protected| protected.find("zip"));
    match (content, zip) {
        (Some(content), Some(_)) => check_inflated(&decrypted, &content),
        (content, _) => {
            let encrypted = content.as_deref().unwrap_or(PLAINTEXT);
            assert_eq!(message.plaintext(), encrypted, "a content came out that nobody encrypted");
        }
    }
    let aad = read.text("aad").map(|aad| base64url::decode(aad).expect("it was read"));
    assert_eq!(message.aad(), aad.as_deref());
    let typ = protected.as_ref().and_then(|protected| protected.text("typ"));
    assert_eq!(message.typ(), typ, "what is not protected is not shown");
    true
}

/// The document with its content encrypted and the tag in place, and the content.
fn complete(text: &str) -> Option<(String, Vec<u8>)> {
    let document = Json::parse(text.as_bytes())?;
    if document.text("tag") != Some("*") {
        return None;
    }
    let iv = base64url::decode(document.text("iv")?).ok()?.try_into().ok()?;
    let given = document.text("ciphertext")?;
    let content = base64url::decode(given).ok()?;
    let mut aad = document.text("protected").unwrap_or_default().to_owned();
    if let Some(more) = document.text("aad") {
        aad = format!("{aad}.{more}");
    }
    let (ciphertext, tag) = seal(&iv, aad.as_bytes(), &content);
    let quoted = |bytes: &[u8]| format!("\"{}\"", base64url::encode(bytes));
    let completed = text.replacen(PLACEHOLDER, &quoted(&tag), 1);
    let completed = completed.replacen(&format!("\"{given}\""), &quoted(&ciphertext), 1);
    Some((completed, content))
}

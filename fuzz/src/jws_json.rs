//! JSON-serialized JWSs: whatever verifies has the payload that was signed.

use gatepass_jose::{Limits, base64url};

use crate::bounds::bounded;
use crate::jws::{COMPACT, DETACHED, VERIFIER};
use crate::keys;
use crate::naive::Json;

/// Stands in a document for a signature that is still to be made.
const PLACEHOLDER: &str = "\"*\"";

/// Takes `data` for a document. In it each signature `"*"` is replaced by one of the key `hs`, so that what
/// lies behind the signature is reached.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (document, was_signed) = complete(text);
    let read = Json::parse(document.as_bytes());
    let verified = bounded(document.len(), || VERIFIER.verify_json(document.as_bytes()));
    if let Ok(verified) = &verified {
        let read = read.as_ref().expect("it was read");
        check_accepted(read, verified.payload(), was_signed);
    }
    let payload = DETACHED[0].0;
    let detached = bounded(document.len(), || VERIFIER.verify_json_detached(document.as_bytes(), payload));
    if detached.is_ok() {
        assert!(
            read.as_ref()
                .is_some_and(|read| read.find("payload").is_none_or(|payload| *payload == Json::Null))
        );
        assert!(was_signed || document.contains(signature_of(DETACHED[0].1)), "nobody signed it");
    }
    verified.is_ok() || detached.is_ok()
}

fn check_accepted(document: &Json, payload: &[u8], was_signed: bool) {
    assert!(document.is_strict(&Limits::DEFAULT));
    let text = document.text("payload").expect("the payload is attached");
    let decoded = base64url::decode(text);
    assert!(text.as_bytes() == payload || decoded.as_deref() == Ok(payload), "the payload is the document's");
    let general = document.find("signatures").is_some_and(|list| *list != Json::Null);
    assert!(general != document.text("signature").is_some(), "one form or the other");
    let known = COMPACT.into_iter().chain(DETACHED).any(|(known, _)| known == payload);
    assert!(was_signed || known, "a payload came out that nobody signed");
}

/// Signs in the place of every placeholder, and tells whether there was one.
fn complete(text: &str) -> (String, bool) {
    let Some(document) = Json::parse(text.as_bytes()) else { return (text.to_owned(), false) };
    let (mut completed, mut was_signed) = (text.to_owned(), false);
    let entries = match document.find("signatures") {
        Some(Json::Array(entries)) => entries.as_slice(),
        _ => std::slice::from_ref(&document),
    };
    let payload = document.text("payload");
    for entry in entries.iter().filter(|entry| entry.text("signature") == Some("*")) {
        let protected = entry.text("protected").unwrap_or_default();
        let detached = DETACHED[0].0;
        let input = match payload {
            Some(payload) => [protected.as_bytes(), b".", payload.as_bytes()].concat(),
            None => format!("{protected}.{}", base64url::encode(detached)).into_bytes(),
        };
        let signature = format!("\"{}\"", base64url::encode(&keys::hs256(&input)));
        completed = completed.replacen(PLACEHOLDER, &signature, 1);
        was_signed = true;
    }
    (completed, was_signed)
}

/// The last part of a compact text.
fn signature_of(compact: &str) -> &str {
    compact.rsplit('.').next().unwrap_or_default()
}

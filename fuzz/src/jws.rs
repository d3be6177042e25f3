//! Compact and detached JWSs: only the payload that was signed comes out.

use std::sync::LazyLock;

use gatepass_jose::{Limits, base64url, jws};
use serde_json::json;

use crate::bounds::bounded;
use crate::keys;
use crate::naive::Json;

/// What was signed, in the compact form: each payload with its text.
pub const COMPACT: [(&[u8], &str); 4] = [
    (b"signed by hs", include_str!("../seeds/jws/accepted-hs256")),
    (b"signed by ec", include_str!("../seeds/jws/accepted-es256")),
    (b"signed by ed, unencoded", include_str!("../seeds/jws/accepted-unencoded")),
    (b"", include_str!("../seeds/jws/accepted-empty")),
];
/// What was signed and detached.
pub const DETACHED: [(&[u8], &str); 2] = [
    (b"carried by another way", include_str!("../seeds/jws/accepted-detached")),
    (b"carried. unencoded \xff", include_str!("../seeds/jws/accepted-detached-unencoded")),
];

/// Verifies with every key.
pub static VERIFIER: LazyLock<jws::Verifier> = LazyLock::new(|| jws::Verifier::new(keys::verifying()));

/// Takes `data` for a JWS; or, where it begins with a brace, for a header, a line break and a payload, of
/// which JWSs are made that are signed.
pub fn check(data: &[u8]) -> bool {
    if let (Some(b'{'), Some(end)) = (data.first(), data.iter().position(|byte| *byte == b'\n')) {
        return check_signed(&data[..end], &data[end + 1..]);
    }
    std::str::from_utf8(data).is_ok_and(check_text)
}

fn check_text(text: &str) -> bool {
    let verifier = &*VERIFIER;
    let verified = bounded(text.len(), || verifier.verify(text));
    if let Ok(verified) = &verified {
        assert!(COMPACT.contains(&(verified.payload(), text)), "a payload came out that nobody signed");
    }
    let mut accepted = verified.is_ok();
    let payloads = DETACHED.into_iter().chain(COMPACT).map(|(payload, _)| payload);
    for payload in payloads {
        let verified = bounded(text.len() + payload.len(), || verifier.verify_detached(text, payload));
        let was_signed = DETACHED.contains(&(payload, text)) || (payload.is_empty() && text == COMPACT[3].1);
        assert!(verified.is_err() || was_signed, "a payload passed that nobody signed");
        accepted |= verified.is_ok();
    }
    accepted
}

/// Every form of one signature says the same, and what it says follows from the header alone.
fn check_signed(header: &[u8], payload: &[u8]) -> bool {
    let verifier = &*VERIFIER;
    let protected = base64url::encode(header);
    let wanted = naive_header(header).filter(|_| protected.len() <= Limits::DEFAULT.header_bytes);
    let encoded = base64url::encode(payload);
    let signature =
        |signed: &[u8]| base64url::encode(&keys::hs256(&[protected.as_bytes(), b".", signed].concat()));
    let (of_encoded, of_bytes) = (signature(encoded.as_bytes()), signature(payload));
    let wants = |encodes: bool| wanted.as_ref().is_some_and(|wanted| wanted.encodes == encodes);

    for (signature, encodes) in [(&of_encoded, true), (&of_bytes, false)] {
        let both_read_the_same = encoded.as_bytes() == payload;
        let want = wants(encodes) || (both_read_the_same && wants(!encodes));
        let detached = verifier.verify_detached(&format!("{protected}..{signature}"), payload);
        assert_eq!(detached.is_ok(), want, "detached, signed as encodes: {encodes}: {:?}", detached.err());
        let text = if encodes { Some(encoded.as_str()) } else { std::str::from_utf8(payload).ok() };
        let Some(text) = text else { continue };
        // A text that is read otherwise than it was signed is some other payload, which was signed as well.
        let is_dotted = text.contains('.');
        let compact = format!("{protected}.{text}.{signature}");
        let fits = compact.len() <= Limits::DEFAULT.token_bytes;
        let verified = verifier.verify(&compact);
        assert!(verified.is_err() || wanted.is_some());
        if want && fits && !is_dotted {
            assert_eq!(verified.expect("it was signed").payload(), payload);
        }
        let json = json!({ "protected": protected, "payload": text, "signature": signature }).to_string();
        let fits = json.len() <= Limits::DEFAULT.token_bytes;
        let verified = verifier.verify_json(json.as_bytes());
        assert!(verified.is_err() || wanted.is_some());
        if want && fits {
            assert_eq!(verified.expect("it was signed").payload(), payload);
        }
    }
    wanted.is_some()
}

struct Wanted {
    encodes: bool,
}

/// What a header of the key `hs` says, when it is good.
fn naive_header(header: &[u8]) -> Option<Wanted> {
    let header = Json::parse_strict_object(header, &Limits::DEFAULT)?;
    let encodes = match (header.find("crit"), header.find("b64")) {
        (None, None) => true,
        (Some(Json::Array(names)), Some(Json::Bool(encodes)))
            if names.as_slice() == [Json::Text("b64".to_owned())] =>
        {
            *encodes
        }
        _ => return None,
    };
    let is_ours = header.text("alg") == Some("HS256")
        && matches!(header.find("kid"), None | Some(Json::Text(_)))
        && header.text("kid").is_none_or(|kid| kid == "hs")
        && header.is_text_or_absent("typ")
        && header.is_text_or_absent("cty");
    is_ours.then_some(Wanted { encodes })
}

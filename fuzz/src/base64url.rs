//! base64url: one spelling for every value.

use gatepass_jose::{SecretKey, base64url};

use crate::bounds::bounded;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Takes `data` for text and for bytes.
pub fn check(data: &[u8]) -> bool {
    let written = bounded(data.len(), || base64url::encode(data));
    assert_eq!(written, encode_naively(data));
    assert_eq!(base64url::decode(&written).as_deref(), Ok(data), "what was encoded decodes to itself");

    let decoded = bounded(data.len(), || base64url::decode(data));
    if let Ok(bytes) = &decoded {
        assert_eq!(encode_naively(bytes).as_bytes(), data, "only the one spelling is accepted");
    } else {
        assert!(!is_canonical(data), "a canonical text is accepted");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let trimmed = base64url::decode(text.trim());
        let secret = SecretKey::parse(text);
        assert_eq!(secret.ok().map(|secret| secret.expose().to_vec()), trimmed.ok());
    }
    decoded.is_ok()
}

/// Six bits at a time.
fn encode_naively(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}

/// Of the alphabet alone, of a length that whole bytes have, and with no bit set that no byte has.
fn is_canonical(text: &[u8]) -> bool {
    let unused = match text.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    let value = |byte: &u8| ALPHABET.iter().position(|own| own == byte);
    text.iter().all(|byte| value(byte).is_some())
        && text.last().and_then(value).is_none_or(|last| last & unused == 0)
}

//! Textual encodings of DER (RFC 7468), and the base64 in them.

use gatepass_jose::base64url;

/// Lines of 64 characters between the label's two lines, and a newline at the end.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, letter) in encode_base64(der).chars().enumerate() {
        if place > 0 && place.is_multiple_of(64) {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

/// base64 with the standard alphabet and padding (RFC 4648 section 4).
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    let mut text = to_standard_alphabet(&base64url::encode(bytes));
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The bytes of base64 with the standard alphabet and padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    base64url::decode(text.replace('+', "-").replace('/', "_").trim_end_matches('=')).ok()
}

/// base64url spelt with the other alphabet.
pub(crate) fn to_standard_alphabet(text: &str) -> String {
    text.replace('-', "+").replace('_', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_64_characters() {
        let pem = encode("PUBLIC KEY", &[0xff; 48]);
        assert_eq!(
            pem,
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", "/".repeat(64))
        );
        assert_eq!(encode("X", &[0; 49]).lines().count(), 4);
        assert_eq!(decode_base64(&encode_base64(&[0xfb, 0xff])).as_deref(), Some(&[0xfb, 0xff][..]));
    }
}

//! base64url without padding, as every JOSE format writes it
//! ([RFC 7515 section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).
//!
//! Decoding is strict: no padding, no white space, no character of the other alphabet, and no
//! stray bits at the end, so that every value has exactly one spelling.

use base64_simd::{Out, URL_SAFE_NO_PAD};
use thiserror::Error;

/// The text is not base64url, or not its one canonical spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not base64url without padding")]
pub struct NotBase64Url;

/// Encodes `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// How many characters so many bytes take.
pub(crate) fn encoded_len(bytes: usize) -> usize {
    URL_SAFE_NO_PAD.encoded_length(bytes)
}

/// Encodes `bytes` at the end of `text`.
pub(crate) fn encode_append(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

/// Decodes `text`.
///
/// # Errors
/// [`NotBase64Url`] for anything but the canonical spelling.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64Url> {
    let mut bytes = Vec::new();
    decode_into(text.as_ref(), &mut bytes)?;
    Ok(bytes)
}

/// Decodes `text` into `buffer`, replacing what it held and keeping its capacity.
pub(crate) fn decode_into(text: &[u8], buffer: &mut Vec<u8>) -> Result<(), NotBase64Url> {
    let most = text.len() / 4 * 3 + 2;
    buffer.clear();
    buffer.resize(most, 0);
    let len = decode_to_slice(text, buffer)?.len();
    buffer.truncate(len);
    Ok(())
}

/// Decodes `text` into the front of `buffer`; a buffer that is too small is refused like bad text.
pub(crate) fn decode_to_slice<'b>(text: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], NotBase64Url> {
    let len = URL_SAFE_NO_PAD.decoded_length(text).map_err(|_| NotBase64Url)?;
    let target = buffer.get_mut(..len).ok_or(NotBase64Url)?;
    match URL_SAFE_NO_PAD.decode(text, Out::from_slice(target)) {
        Ok(decoded) => Ok(decoded),
        Err(_) => Err(NotBase64Url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_decodes() {
        let cases: [(&str, &str, Option<&[u8]>); 14] = [
            ("empty", "", Some(b"")),
            ("one_byte", "AA", Some(&[0])),
            ("two_bytes", "AAA", Some(&[0, 0])),
            ("both_special_characters", "-_-_", Some(&[0xfb, 0xff, 0xbf])),
            ("stray_bits_after_one_byte", "AB", None),
            ("stray_bits_after_two_bytes", "AAB", None),
            ("one_character", "A", None),
            ("five_characters", "AAAAA", None),
            ("padding", "AA==", None),
            ("standard_alphabet_plus", "+A", None),
            ("standard_alphabet_slash", "/A", None),
            ("inner_space", "AA AA", None),
            ("trailing_newline", "AAAA\n", None),
            ("not_ascii", "AA\u{e9}A", None),
        ];
        for (name, text, want) in cases {
            assert_eq!(decode(text).ok().as_deref(), want, "{name}");
        }
    }

    #[test]
    fn long_texts_are_as_strict_as_short_ones() {
        // The SIMD path takes over at some length: a bad character must be seen at any place.
        let good = "QUJD".repeat(64);
        assert!(decode(&good).is_ok());
        for at in 0..good.len() {
            for bad in ["=", "+", "/", " ", "\n", "\0", "."] {
                let mut text = good.clone();
                text.replace_range(at..=at, bad);
                assert!(decode(&text).is_err(), "{bad:?} at {at}");
            }
        }
    }

    #[test]
    fn decoding_takes_no_more_memory_than_the_text_had() {
        let text = "QUJD".repeat(1000);
        assert!(decode(&text).unwrap().capacity() <= text.len());
    }
}

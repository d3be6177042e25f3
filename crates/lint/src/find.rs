//! Tokens anywhere in a text.

use std::ops::Range;

use gatepass_jose::base64url;

use crate::alg;
use crate::json::Json;

/// The first token at or after `from`: three or five parts of base64url between dots, of which the
/// first decodes to a JOSE header.
///
/// A token whose signature was cut off or replaced, as loggers that redact do, is none.
pub(crate) fn token(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + memchr::memchr(b'e', text.get(at..)?)?;
        at = start + 1;
        // How `{"` and `{` with a blank or line break begin in base64url.
        if !matches!(text.get(at), Some(b'y' | b'w')) || !begins_a_word(text, start) {
            continue;
        }
        let mut parts = Parts { text, at: start };
        let first = parts.next();
        if let Some(end) = first.clone().and_then(|first| token_end(text, first, parts)) {
            return Some(start..end);
        }
        at = first.map_or(at, |first| first.end);
    }
}

/// Where a token that begins with the part `first` ends.
fn token_end(text: &[u8], first: Range<usize>, mut parts: Parts<'_>) -> Option<usize> {
    let header = header(text.get(first)?)?;
    let (_, third) = (parts.next()?, parts.next()?);
    if header.has("enc") {
        let (fourth, fifth) = (parts.next()?, parts.next()?);
        return [third, fourth, fifth.clone()].iter().all(|part| !part.is_empty()).then_some(fifth.end);
    }
    let unsigned = header.text("alg").is_some_and(alg::means_none);
    let goes_on = text.get(third.end) == Some(&b'.');
    match third.is_empty() {
        true if goes_on || !unsigned => None,
        _ => Some(third.end),
    }
}

/// The members of a JOSE header.
fn header(part: &[u8]) -> Option<crate::json::Object> {
    let padding = part.iter().rev().take_while(|b| **b == b'=').count();
    let bytes = base64url::decode(part.get(..part.len() - padding)?).ok()?;
    let Json::Object(header) = Json::parse(&bytes).ok()? else { return None };
    ["alg", "enc", "typ", "kid"].iter().any(|name| header.has(name)).then_some(header)
}

fn of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether the byte at `start` does not continue a word: also after `%3D` of a URL and `\n` of JSON.
fn begins_a_word(text: &[u8], start: usize) -> bool {
    let before = |distance: usize| start.checked_sub(distance).and_then(|at| text.get(at)).copied();
    let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    match before(1) {
        Some(byte) if of_token(byte) => {
            (before(3) == Some(b'%') && is_hex(before(2)) && is_hex(before(1)))
                || (before(2) == Some(b'\\') && matches!(byte, b'n' | b'r' | b't'))
        }
        _ => true,
    }
}

/// Parts between dots, up to whatever is neither.
struct Parts<'t> {
    text: &'t [u8],
    at: usize,
}

impl Iterator for Parts<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..)?;
        let len = rest.iter().take_while(|byte| of_token(**byte)).count();
        let padding = rest.iter().skip(len).take(2).take_while(|byte| **byte == b'=').count();
        let part = self.at..self.at + len + padding;
        // Past the end of the text where no dot follows, so that there is no next part.
        self.at = if self.text.get(part.end) == Some(&b'.') { part.end + 1 } else { usize::MAX };
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl";
    const NONE: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1XzEifQ.";
    const JWE: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXY.Y2lwaGVydGV4dA.dGFn";

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        let cases = [
            ("alone", ES256.to_owned(), vec![ES256]),
            ("in_a_header", format!("Authorization: Bearer {ES256}\r\n"), vec![ES256]),
            ("in_json", format!(r#"{{"token":"{ES256}"}}"#), vec![ES256]),
            ("in_a_url", format!("/x?token={ES256}&a=b"), vec![ES256]),
            ("after_an_escape", format!("Bearer%20{ES256} \\n{ES256}"), vec![ES256, ES256]),
            ("in_a_path", format!("/verify/{ES256}/next"), vec![ES256]),
            ("before_a_full_stop", format!("It was {ES256}."), vec![ES256]),
            ("unsigned", format!("got {NONE} from him"), vec![NONE]),
            ("encrypted", format!("<{JWE}>"), vec![JWE]),
            ("after_a_word_that_looks_like_one", format!("eyes.ey.eyJ.{ES256}"), vec![ES256]),
            ("signature_redacted", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.[redacted]".into(), vec![]),
            ("cut_off", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1XzEifQ...".into(), vec![]),
            ("two_parts", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ".into(), vec![]),
            ("header_is_no_header", "eyJhIjoxfQ.eyJzdWIiOiJ1XzEifQ.c2ln".into(), vec![]),
            ("within_a_word", format!("x{ES256}"), vec![]),
            ("host_names", "ewe.example.com eyes.example.com".into(), vec![]),
        ];
        for (name, text, want) in cases {
            let mut found = Vec::new();
            let mut at = 0;
            while let Some(range) = token(text.as_bytes(), at) {
                at = range.end;
                found.push(&text[range]);
            }
            assert_eq!(found, want, "{name}");
        }
    }
}

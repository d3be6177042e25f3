//! What an input is, by its content.

use std::fmt;
use std::str::FromStr;

use crate::json::Json;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One token, in compact or JSON serialization.
    Token,
    /// One token per line; empty lines and those that begin with `#` are passed over.
    Tokens,
    /// A text with tokens anywhere in it.
    Log,
    /// A JWK Set, or a single JWK.
    Jwks,
    /// Keys and certificates in PEM.
    Pem,
}

const NAMES: [(Kind, &str); 5] = [
    (Kind::Token, "token"),
    (Kind::Tokens, "tokens"),
    (Kind::Log, "log"),
    (Kind::Jwks, "jwks"),
    (Kind::Pem, "pem"),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let row = NAMES.iter().find(|(_, name)| *name == text);
        row.map(|(kind, _)| *kind).ok_or_else(|| "one of token, tokens, log, jwks and pem".to_owned())
    }
}

/// Tells by the beginning of an input what it is; `is_all` says that nothing follows.
pub(crate) fn kind(head: &[u8], is_all: bool) -> Option<Kind> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii();
    if text.is_empty() {
        return None;
    }
    if text.starts_with(b"-----BEGIN ") {
        return Some(Kind::Pem);
    }
    if is_all && text.starts_with(b"{") {
        return Some(json_kind(text));
    }
    if !is_all && !text.contains(&b'\n') && looks_like_token(text) {
        return Some(Kind::Token);
    }
    // The last line may be cut where the head ends.
    let complete = if is_all { text } else { text.rsplitn(2, |b| *b == b'\n').nth(1).unwrap_or_default() };
    let mut lines = complete.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !is_skipped(line));
    let first = lines.next().unwrap_or_default();
    if looks_like_token(first) && lines.all(looks_like_token) {
        let several = !is_all || complete.contains(&b'\n');
        return Some(if several { Kind::Tokens } else { Kind::Token });
    }
    let is_word = is_all && !text.iter().any(u8::is_ascii_whitespace);
    if is_word { None } else { Some(Kind::Log) }
}

fn json_kind(text: &[u8]) -> Kind {
    let Ok(Json::Object(object)) = Json::parse(text) else { return Kind::Log };
    if object.has("keys") || object.has("kty") {
        Kind::Jwks
    } else if is_serialized_token(&object) {
        Kind::Token
    } else {
        Kind::Log
    }
}

/// Whether the object is a JWS or JWE in JSON (RFC 7515 section 7.2, RFC 7516 section 7.2).
pub(crate) fn is_serialized_token(object: &crate::json::Object) -> bool {
    (object.has("payload") && (object.has("signature") || object.has("signatures")))
        || object.has("ciphertext")
}

/// Whether a line of a file of tokens says nothing.
pub(crate) fn is_skipped(line: &[u8]) -> bool {
    line.is_empty() || line.starts_with(b"#")
}

/// A token without the header field and the scheme that it was copied with.
pub(crate) fn without_scheme(line: &[u8]) -> &[u8] {
    without(without(line, b"authorization:"), b"bearer ")
}

fn without<'l>(line: &'l [u8], beginning: &[u8]) -> &'l [u8] {
    match line.split_at_checked(beginning.len()) {
        Some((begins, rest)) if begins.eq_ignore_ascii_case(beginning) => rest.trim_ascii(),
        _ => line,
    }
}

/// Whether somebody who gives this text means it as a token: a broken one, too.
pub(crate) fn looks_like_token(line: &[u8]) -> bool {
    let line = without_scheme(line);
    let dots = line.iter().filter(|b| **b == b'.').count();
    let of_token = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=+/".contains(b);
    let begins_like_one = line.starts_with(b"ey") || line.starts_with(b"ew");
    line.iter().all(of_token) && ((dots > 0 && begins_like_one) || (matches!(dots, 2 | 4) && line.len() > 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart_by_their_content() {
        let token = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
        let cases = [
            ("token", token.to_owned(), Some(Kind::Token)),
            ("token_with_line_end", format!("{token}\r\n"), Some(Kind::Token)),
            ("token_with_scheme", format!("Bearer {token}"), Some(Kind::Token)),
            ("token_with_field", format!("authorization: Bearer {token}"), Some(Kind::Token)),
            ("token_after_a_byte_order_mark", format!("\u{feff}{token}"), Some(Kind::Token)),
            ("broken_token", "eyJhbGciOi.".into(), Some(Kind::Token)),
            ("tokens", format!("{token}\n\n# mine\n{token}\n"), Some(Kind::Tokens)),
            ("log", format!("GET / {token}\n"), Some(Kind::Log)),
            ("json_line", format!("{{\"access_token\":\"{token}\"}}"), Some(Kind::Log)),
            ("json_lines", "{\"a\":1}\n{\"a\":2}\n".into(), Some(Kind::Log)),
            ("set", "{\"keys\":[]}".into(), Some(Kind::Jwks)),
            ("key", " {\"kty\":\"oct\"}".into(), Some(Kind::Jwks)),
            ("flattened", "{\"payload\":\"\",\"signature\":\"\"}".into(), Some(Kind::Token)),
            ("encrypted_json", "{\"ciphertext\":\"\"}".into(), Some(Kind::Token)),
            ("pem", "\n-----BEGIN PUBLIC KEY-----\n".into(), Some(Kind::Pem)),
            ("word", "hello".into(), None),
            ("host", "www.example.com".into(), None),
            ("empty", " \n".into(), None),
        ];
        for (name, text, want) in cases {
            assert_eq!(kind(text.as_bytes(), true), want, "{name}");
        }
        let cut = format!("{token}\n{token}\neyJhbG");
        assert_eq!(kind(cut.as_bytes(), false), Some(Kind::Tokens), "a head of many tokens");
        assert_eq!(kind(token.as_bytes(), false), Some(Kind::Token), "a token longer than the head");
        assert_eq!(kind(b"{\"keys\":[", false), Some(Kind::Log), "too long to be read whole");
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for (kind, name) in NAMES {
            assert_eq!(kind.to_string(), name);
            assert_eq!(name.parse(), Ok(kind));
        }
        assert!("file".parse::<Kind>().is_err());
    }
}

//! Logs: line by line, whatever their format, in bounded memory.

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use gatepass_jose::Timestamp;

use crate::check::{self, claims::is_loopback};
use crate::quote::beginning;
use crate::report::Found;
use crate::rule::*;
use crate::token::{Form, Token};

/// So much of a line is looked at in one piece.
pub(crate) const PIECE: usize = 1 << 20;
/// So far around a token one looks for what it stands in.
const AROUND: usize = 512;

/// Lines, and pieces of lines that are longer than [`PIECE`].
pub(crate) struct Pieces<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What was read behind the present piece and belongs to the next.
    rest: Vec<u8>,
    line: u64,
    column: u64,
    line_goes_on: bool,
}

/// A line or a piece of one.
pub(crate) struct Piece<'b> {
    /// Counted from 1.
    pub(crate) line: u64,
    /// How many characters of the line come before.
    pub(crate) column: u64,
    /// Without the line's end.
    pub(crate) text: &'b [u8],
    /// Whether it is not the first of its line.
    pub(crate) continues: bool,
}

impl<R: BufRead> Pieces<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), rest: Vec::new(), line: 0, column: 0, line_goes_on: false }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// As the reader.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        let continues = self.line_goes_on;
        if continues {
            self.column += characters(&self.buffer);
        } else {
            self.line += 1;
            self.column = 0;
        }
        self.buffer.clear();
        self.buffer.append(&mut self.rest);
        let most = PIECE.saturating_sub(self.buffer.len()) as u64;
        self.reader.by_ref().take(most).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line_goes_on = self.buffer.len() >= PIECE && self.buffer.last() != Some(&b'\n');
        if self.line_goes_on {
            let half = self.buffer.len() / 2;
            let later_half = self.buffer.get(half..).unwrap_or_default();
            // Not within a word: a token must not be cut in two.
            let word_ends = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_.=".contains(byte);
            if let Some(at) = later_half.iter().rposition(word_ends) {
                self.rest = self.buffer.split_off(half + at + 1);
            }
        }
        let text = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok(Some(Piece { line: self.line, column: self.column, text, continues }))
    }
}

/// How many characters the bytes hold, taken as UTF-8.
pub(crate) fn characters(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// That a token stands in a log at all.
pub(crate) fn leak(token: &Token<'_>, now: Timestamp, found: &mut Found<'_>) {
    let is_alive = token.claims().is_some_and(|claims| check::is_alive(claims, now));
    if token.form == Form::Encrypted {
        found.add(&TOKEN_IN_LOG, "", format_args!("the log contains an encrypted token"));
    } else if is_alive && !token.signature().is_empty() {
        found.add(&TOKEN_IN_LOG_ALIVE, "", format_args!("the log contains a token that can still be used"));
    } else {
        found.add(&TOKEN_IN_LOG, "", format_args!("the log contains a token that can no longer be used"));
    }
}

/// GP7xx: what the text around a token says about how it travelled.
pub(crate) fn surroundings(text: &[u8], token: Range<usize>, found: &mut Found<'_>) {
    let len = token.len();
    let before = text.get(token.start.saturating_sub(AROUND)..token.start).unwrap_or_default();
    let after = text.get(token.end..).unwrap_or_default();
    let after = after.get(..AROUND.min(after.len())).unwrap_or_default();
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    if let Some(url) = url_around(&before) {
        found.add(&TOKEN_IN_URL, "", format_args!("the token stands in {}", url.part));
        if url.is_plain_http {
            found.add(&PLAIN_HTTP, "", format_args!("the URL is http without TLS, to another machine"));
        }
    } else if let Some(carrier) = carrier(&before) {
        match carrier {
            Carrier::SetCookie => set_cookie(&after, len, found),
            Carrier::Cookie => {
                found.add(&TOKEN_IN_COOKIE, "", format_args!("the token stands in a Cookie header"));
                too_large(len, found);
            }
            Carrier::Authorization(scheme) => authorization(&scheme, found),
        }
    }
}

/// What a URL says that a token stands in.
struct Url {
    part: &'static str,
    is_plain_http: bool,
}

/// The URL whose text goes directly up to the token.
fn url_around(before: &str) -> Option<Url> {
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | '[' | '`' | ',' | '|');
    let word = before.rsplit(is_end).next()?;
    let (start, has_scheme) = match word.find("://") {
        Some(_) => (word.to_ascii_lowercase(), true),
        None => (word.to_owned(), false),
    };
    let has_query = start.split_once('?').is_some_and(|(path, _)| path.contains('/'));
    if !has_scheme && !has_query && !start.starts_with('/') {
        return None;
    }
    let part = match (start.rfind('#'), start.rfind('?')) {
        (Some(hash), question) if question.is_none_or(|question| hash > question) => "a URL's fragment",
        (_, Some(_)) => "a URL's query",
        _ => "a URL's path",
    };
    let http = start.find("http://").and_then(|at| start.get(at..));
    Some(Url { part, is_plain_http: http.is_some_and(|url| !is_loopback(url)) })
}

enum Carrier {
    SetCookie,
    Cookie,
    /// With what stands between the header's name and the token.
    Authorization(String),
}

/// The header field that the token stands in: the last one that is named before it.
fn carrier(before: &str) -> Option<Carrier> {
    let lower = before.to_ascii_lowercase();
    let cookie = lower.rfind("cookie").filter(|at| is_field(lower.get(at + 6..)));
    let authorization = lower.rfind("authorization").filter(|at| is_field(lower.get(at + 13..)));
    match (cookie, authorization) {
        (Some(cookie), authorization) if authorization < Some(cookie) => {
            let is_set = lower.get(..cookie).is_some_and(|text| text.ends_with("set-"));
            Some(if is_set { Carrier::SetCookie } else { Carrier::Cookie })
        }
        (_, Some(at)) => {
            let between = lower.get(at + 13..).unwrap_or_default();
            let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            let words = between.split(|c| !is_scheme(c)).filter(|word| !word.is_empty());
            let scheme = words.collect::<Vec<_>>().join(" ");
            // Far away: the name belongs to something else.
            (scheme.len() <= 40).then_some(Carrier::Authorization(scheme))
        }
        _ => None,
    }
}

/// Whether what follows a field's name makes it one: a colon or an equals sign, perhaps after a
/// closing quotation mark.
fn is_field(after: Option<&str>) -> bool {
    after
        .is_some_and(|text| text.trim_start_matches(['"', '\'', '\\', ' ', ']']).starts_with([':', '=', ',']))
}

fn set_cookie(after: &str, len: usize, found: &mut Found<'_>) {
    let attributes = after.split(['"', '\r', '\n', ',']).next().unwrap_or_default().to_ascii_lowercase();
    let has = |name: &str| {
        attributes.split(';').any(|part| part.trim().split('=').next().is_some_and(|part| part == name))
    };
    let missing: Vec<&str> = [("httponly", "HttpOnly"), ("secure", "Secure"), ("samesite", "SameSite")]
        .into_iter()
        .filter(|(name, _)| !has(name))
        .map(|(_, shown)| shown)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        found.add(&COOKIE_FLAGS, "", format_args!("the cookie with the token is set without {missing}"));
    }
    too_large(len, found);
}

fn too_large(len: usize, found: &mut Found<'_>) {
    if len > 4096 {
        found.add(&COOKIE_TOO_LARGE, "", format_args!("a token of {len} bytes does not fit into a cookie"));
    }
}

fn authorization(scheme: &str, found: &mut Found<'_>) {
    if matches!(scheme, "bearer" | "dpop") {
        return;
    }
    if scheme.is_empty() {
        return found.add(
            &AUTHORIZATION_SCHEME,
            "",
            format_args!("the Authorization header names no scheme before the token"),
        );
    }
    found.add(
        &AUTHORIZATION_SCHEME,
        "",
        format_args!("before the token stands {}, not Bearer or DPoP", beginning(scheme)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8]) -> Vec<(u64, u64, usize, bool)> {
        let mut pieces = Pieces::new(text);
        let mut seen = Vec::new();
        while let Some(piece) = pieces.next().unwrap() {
            seen.push((piece.line, piece.column, piece.text.len(), piece.continues));
        }
        seen
    }

    #[test]
    fn lines_are_counted_and_long_ones_cut_between_words() {
        assert_eq!(pieces(b""), []);
        assert_eq!(
            pieces(b"a\r\nbc\n\nd"),
            [(1, 0, 1, false), (2, 0, 2, false), (3, 0, 0, false), (4, 0, 1, false)]
        );

        let word = "x".repeat(PIECE - 10);
        let text = format!("ä{word} {}\nlast", "y".repeat(100));
        // The first piece ends behind the blank: a word is not cut.
        let first = 2 + (PIECE - 10) + 1;
        let seen = pieces(text.as_bytes());
        assert_eq!(seen, [(1, 0, first, false), (1, first as u64 - 1, 100, true), (2, 0, 4, false)]);

        let endless = pieces(&vec![b'x'; 3 * PIECE]);
        assert_eq!(endless.len(), 3, "a word without end is cut where it must be");
        assert_eq!(endless[2], (1, 2 * PIECE as u64, PIECE, true));
    }

    #[test]
    fn what_a_token_stands_in_is_told_by_the_text_before() {
        let cases = [
            ("GET /a?t=", Some("a URL's query"), false),
            ("http://api.example.com/a?t=", Some("a URL's query"), true),
            ("http://127.0.0.1:80/a?t=", Some("a URL's query"), false),
            ("\"https://a.b/cb#access_token=", Some("a URL's fragment"), false),
            ("https://a.b/verify/", Some("a URL's path"), false),
            ("Referer: https://a.b/?x=1&t=", Some("a URL's query"), false),
            ("path=/a?t=", Some("a URL's query"), false),
            ("token=", None, false),
            ("see https://a.b/ ", None, false),
        ];
        for (before, part, plain) in cases {
            let url = url_around(before);
            assert_eq!(url.as_ref().map(|url| url.part), part, "{before}");
            assert_eq!(url.is_some_and(|url| url.is_plain_http), plain, "{before}");
        }
    }

    #[test]
    fn the_header_field_is_the_last_one_named() {
        let cases = [
            ("Authorization: Bearer ", "bearer"),
            (r#""authorization":"Bearer "#, "bearer"),
            (r#"\"Authorization\": [\"DPoP "#, "dpop"),
            ("authorization=", ""),
            ("authorization: bearer bearer ", "bearer bearer"),
            ("Cookie: a=b; Authorization: JWT ", "jwt"),
            ("Authorization: Basic x\nCookie: s=", "cookie"),
            ("set-cookie: s=", "set-cookie"),
            (r#""Set-Cookie":["s="#, "set-cookie"),
            ("authorization failed for ", "nothing"),
            ("cookies are fine ", "nothing"),
            ("token ", "nothing"),
        ];
        for (before, want) in cases {
            let said = match carrier(before) {
                Some(Carrier::Authorization(scheme)) => scheme,
                Some(Carrier::Cookie) => "cookie".to_owned(),
                Some(Carrier::SetCookie) => "set-cookie".to_owned(),
                None => "nothing".to_owned(),
            };
            assert_eq!(said, want, "{before}");
        }
    }
}

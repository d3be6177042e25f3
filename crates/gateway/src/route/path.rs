//! The path of a request, checked so that no upstream can read another path out of it than the one the rule
//! was chosen by.
//!
//! Routes are matched on the percent-decoded segments; what goes upstream is the client's own spelling,
//! byte for byte. The two can only part company where servers disagree on what a spelling means: encoded
//! separators, dot segments, doubled slashes, path parameters. Those are refused, for every route, before
//! matching.

use std::borrow::Cow;

/// The path of a request target that means one thing only.
#[derive(Debug)]
pub(crate) struct RequestPath<'r> {
    decoded: Cow<'r, str>,
}

impl<'r> RequestPath<'r> {
    /// Checks the path component of a request target (no query, no fragment).
    pub(crate) fn parse(raw: &'r str) -> Result<Self, PathError> {
        let Some(below_root) = raw.strip_prefix('/') else {
            return Err(PathError::NotAbsolute);
        };
        let mut encoded = false;
        for byte in below_root.bytes() {
            match byte {
                b'%' => encoded = true,
                b'\\' => return Err(PathError::Backslash),
                b';' => return Err(PathError::PathParameter),
                b'#' | b'?' => return Err(PathError::NotAPath),
                0x21..=0x7e => {}
                _ => return Err(PathError::NotPrintable),
            }
        }
        let decoded = if encoded { Cow::Owned(decode(raw)?) } else { Cow::Borrowed(raw) };
        require_plain_segments(&decoded)?;
        Ok(Self { decoded })
    }

    /// The segments, decoded. A trailing slash shows as a last empty segment, and only there can one be
    /// empty.
    pub(crate) fn segments(&self) -> std::str::Split<'_, char> {
        self.decoded.strip_prefix('/').unwrap_or_default().split('/')
    }
}

/// What makes a path ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path must start with a slash")]
    NotAbsolute,
    #[error("the path holds a query or a fragment")]
    NotAPath,
    #[error("the path has an empty segment (`//`)")]
    EmptySegment,
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    #[error("the path has a backslash")]
    Backslash,
    #[error("the path has a path parameter (`;`)")]
    PathParameter,
    #[error("the path has a character that must be percent-encoded")]
    NotPrintable,
    #[error("the path has a `%` that is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("the path encodes a slash, backslash, dot, semicolon or control character")]
    HiddenDelimiter,
    #[error("the path is percent-encoded twice")]
    EncodedTwice,
    #[error("the path does not decode to UTF-8")]
    NotUtf8,
}

/// Percent-decodes a path. No decoded character can be a separator, so the segments stay the same.
fn decode(raw: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let byte = match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
            (Some(high), Some(low)) => high << 4 | low,
            _ => return Err(PathError::BadEscape),
        };
        match byte {
            0..=0x1f | 0x7f | b'/' | b'\\' | b'.' | b';' => return Err(PathError::HiddenDelimiter),
            b'%' => {
                let mut ahead = bytes.clone();
                if ahead.next().and_then(hex).is_some() && ahead.next().and_then(hex).is_some() {
                    return Err(PathError::EncodedTwice);
                }
                decoded.push(byte);
            }
            _ => decoded.push(byte),
        }
    }
    // Also refuses overlong forms such as %c0%af, in which old decoders see a slash.
    String::from_utf8(decoded).map_err(|_| PathError::NotUtf8)
}

fn require_plain_segments(decoded: &str) -> Result<(), PathError> {
    let mut segments = decoded.strip_prefix('/').unwrap_or_default().split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_some() => return Err(PathError::EmptySegment),
            "." | ".." => return Err(PathError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths() {
        let cases = [
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("api", PathError::NotAbsolute),
            ("//", PathError::EmptySegment),
            ("/api//orders", PathError::EmptySegment),
            ("//evil.example/api", PathError::EmptySegment),
            ("/api/.", PathError::DotSegment),
            ("/./api", PathError::DotSegment),
            ("/api/../admin", PathError::DotSegment),
            ("/api/..", PathError::DotSegment),
            ("/api/%2e%2e/admin", PathError::HiddenDelimiter),
            ("/api/.%2E/admin", PathError::HiddenDelimiter),
            ("/api/%2e", PathError::HiddenDelimiter),
            ("/api%2fadmin", PathError::HiddenDelimiter),
            ("/api%2Fadmin", PathError::HiddenDelimiter),
            ("/api%5cadmin", PathError::HiddenDelimiter),
            ("/api/a%00", PathError::HiddenDelimiter),
            ("/api/a%0d%0aX-User-Id:1", PathError::HiddenDelimiter),
            ("/api/a%7f", PathError::HiddenDelimiter),
            ("/api/admin%3bx", PathError::HiddenDelimiter),
            ("/api\\admin", PathError::Backslash),
            ("/api/..;/admin", PathError::PathParameter),
            ("/api/admin;x=1", PathError::PathParameter),
            ("/api#/admin", PathError::NotAPath),
            ("/api?x", PathError::NotAPath),
            ("/api/\u{e9}", PathError::NotPrintable),
            ("/api/a b", PathError::NotPrintable),
            ("/api/a\tb", PathError::NotPrintable),
            ("/api/%", PathError::BadEscape),
            ("/api/%4", PathError::BadEscape),
            ("/api/%zz", PathError::BadEscape),
            ("/api/%u002f", PathError::BadEscape),
            ("/api/%252e%252e/admin", PathError::EncodedTwice),
            ("/api%252fadmin", PathError::EncodedTwice),
            ("/api/%c0%af", PathError::NotUtf8),
            ("/api/%e9", PathError::NotUtf8),
            ("/api/%ed%a0%80", PathError::NotUtf8),
        ];
        for (raw, want) in cases {
            assert_eq!(RequestPath::parse(raw).map(|_| ()), Err(want), "{raw}");
        }
    }

    #[test]
    fn ordinary_paths_decode_to_their_segments() {
        let cases: [(&str, &[&str]); 11] = [
            ("/", &[""]),
            ("/api", &["api"]),
            ("/api/", &["api", ""]),
            ("/api/orders/7", &["api", "orders", "7"]),
            ("/%61pi", &["api"]), // or a rule for /api could be walked around by spelling it so
            ("/a%20b/%C3%A9", &["a b", "\u{e9}"]),
            ("/100%25", &["100%"]),
            ("/a.b/..c/...", &["a.b", "..c", "..."]),
            ("/@me/a:b,c=d&e", &["@me", "a:b,c=d&e"]),
            ("/%40me", &["@me"]),
            ("/{id}", &["{id}"]),
        ];
        for (raw, want) in cases {
            let path = RequestPath::parse(raw).unwrap();
            assert_eq!(path.segments().collect::<Vec<_>>(), want, "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_changes_the_number_of_segments(raw in "/[ -~]{0,60}") {
            if let Ok(path) = RequestPath::parse(&raw) {
                assert_eq!(path.segments().count(), raw.split('/').count() - 1);
            }
        }
    }
}

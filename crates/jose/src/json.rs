//! The checks that JSON parsers leave out: duplicate member names, depth and size.
//!
//! [`require_strict`] looks at the shape of a text in one pass and without allocating; the grammar
//! itself is checked by `serde_json`, which reads the same bytes right after. The split is safe
//! because the scan agrees with every *valid* text, and an invalid one does not survive the parser.

use serde::de::DeserializeOwned;
use thiserror::Error;

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 16;
/// How many members may be open at once, counted over all objects that enclose a place.
const MAX_MEMBERS: usize = 128;
/// How many members a header may have. It is read before anybody has vouched for it, and each name is
/// compared with all before it.
const MAX_HEADER_MEMBERS: usize = 16;

/// Why a JSON text was refused before it was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not UTF-8. [RFC 8259 section 8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1).
    #[error("the JSON text is not UTF-8")]
    NotUtf8,
    /// One object names the same member twice, which two parsers may read in two ways.
    /// [RFC 7519 section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4).
    #[error("a JSON object has two members of the same name")]
    DuplicateMember,
    /// Arrays and objects nest deeper than 16 levels.
    #[error("the JSON text nests too deep")]
    TooDeep,
    /// More than 128 members are open at one place, or 16 in a header.
    #[error("the JSON text has too many members")]
    TooManyMembers,
    /// A header's member is spelt with an escape. No name of a header needs one, and comparing such
    /// names costs more than a signature.
    #[error("a member name of the header is spelt with an escape")]
    EscapedName,
    /// Not JSON, or not of the expected type.
    #[error("the JSON text is malformed or has a member of the wrong type")]
    Malformed,
}

/// Parses `json` strictly: UTF-8, no duplicate member at any depth, bounded depth and size.
///
/// # Errors
/// [`JsonError`]; [`JsonError::Malformed`] where the text does not fit `T`.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, JsonError> {
    let text = require_strict(json)?;
    serde_json::from_str(text).map_err(|_| JsonError::Malformed)
}

/// As [`parse`], for a protected header: an object (`serde` would also fill a struct from an array) of
/// few members with plain names.
///
/// # Errors
/// As [`parse`]; [`JsonError::Malformed`] for any other JSON value.
pub(crate) fn parse_header<T: DeserializeOwned>(json: &[u8]) -> Result<T, JsonError> {
    let text = require_object_with(json, Names { most: MAX_HEADER_MEMBERS, escapes: false })?;
    serde_json::from_str(text).map_err(|_| JsonError::Malformed)
}

/// As [`require_strict`], for a text that must begin an object.
///
/// # Errors
/// As [`require_strict`]; [`JsonError::Malformed`] when the first character opens no object.
pub(crate) fn require_object(json: &[u8]) -> Result<&str, JsonError> {
    require_object_with(json, Names::ANY)
}

fn require_object_with(json: &[u8], names: Names) -> Result<&str, JsonError> {
    let text = require_strict_with(json, names)?;
    let is_space = |c| matches!(c, ' ' | '\t' | '\n' | '\r');
    if text.trim_start_matches(is_space).starts_with('{') { Ok(text) } else { Err(JsonError::Malformed) }
}

/// Returns `json` as text when it is UTF-8 without duplicate members and within the limits.
///
/// # Errors
/// [`JsonError`]; never [`JsonError::Malformed`], which is the parser's to say.
pub(crate) fn require_strict(json: &[u8]) -> Result<&str, JsonError> {
    require_strict_with(json, Names::ANY)
}

fn require_strict_with(json: &[u8], allowed: Names) -> Result<&str, JsonError> {
    let text = std::str::from_utf8(json).map_err(|_| JsonError::NotUtf8)?;
    Scan { text: json, allowed, names: [(0, 0); MAX_MEMBERS], len: 0 }.run()?;
    Ok(text)
}

/// Which member names are let through.
#[derive(Clone, Copy)]
struct Names {
    /// So many open at once, [`MAX_MEMBERS`] at most.
    most: usize,
    /// Whether a name may be spelt with escapes.
    escapes: bool,
}

impl Names {
    const ANY: Self = Self { most: MAX_MEMBERS, escapes: true };
}

struct Scan<'t> {
    text: &'t [u8],
    allowed: Names,
    /// Where the names of the open objects start and end, outermost first.
    names: [(u32, u32); MAX_MEMBERS],
    len: usize,
}

/// An open array or object.
#[derive(Clone, Copy)]
enum Open {
    Array,
    /// An object, and the number of names that were there before its own.
    Object(usize),
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        if u32::try_from(self.text.len()).is_err() {
            return Err(JsonError::TooManyMembers);
        }
        let mut open = [Open::Array; MAX_DEPTH];
        let mut depth = 0_usize;
        let mut name_comes = false;
        let mut at = 0;
        while let Some(&byte) = self.text.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    let end = self.string_end(at);
                    if name_comes {
                        self.add_name(open.get(depth.wrapping_sub(1)), at, end)?;
                        name_comes = false;
                    }
                    at = end + 1;
                }
                b'{' | b'[' => {
                    let slot = open.get_mut(depth).ok_or(JsonError::TooDeep)?;
                    name_comes = byte == b'{';
                    *slot = if name_comes { Open::Object(self.len) } else { Open::Array };
                    depth += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if let Some(Open::Object(before)) = open.get(depth) {
                        self.len = *before;
                    }
                    name_comes = false;
                }
                b',' => name_comes = matches!(open.get(depth.wrapping_sub(1)), Some(Open::Object(_))),
                _ => {}
            }
        }
        Ok(())
    }

    /// The place of the quote that ends the string whose first character is at `at`.
    fn string_end(&self, mut at: usize) -> usize {
        loop {
            match self.text.get(at) {
                Some(b'"') | None => return at,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
    }

    fn add_name(&mut self, object: Option<&Open>, start: usize, end: usize) -> Result<(), JsonError> {
        let Some(Open::Object(before)) = object else { return Ok(()) };
        let name = self.text.get(start..end).unwrap_or_default();
        if self.len >= self.allowed.most {
            return Err(JsonError::TooManyMembers);
        }
        if !self.allowed.escapes && name.contains(&b'\\') {
            return Err(JsonError::EscapedName);
        }
        let siblings = self.names.get(*before..self.len).unwrap_or_default();
        for &(start, end) in siblings {
            let sibling = self.text.get(start as usize..end as usize).unwrap_or_default();
            if same_name(name, sibling) {
                return Err(JsonError::DuplicateMember);
            }
        }
        let slot = self.names.get_mut(self.len).ok_or(JsonError::TooManyMembers)?;
        *slot = (start as u32, end as u32); // the text is shorter than 4 GiB, see `run`
        self.len += 1;
        Ok(())
    }
}

/// Whether two names, as they stand between their quotes, are the same string.
fn same_name(a: &[u8], b: &[u8]) -> bool {
    if !a.contains(&b'\\') && !b.contains(&b'\\') {
        return a == b;
    }
    match (unescape(a), unescape(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false, // not valid JSON: the parser will say so
    }
}

fn unescape(raw: &[u8]) -> Option<String> {
    let raw = std::str::from_utf8(raw).ok()?;
    serde_json::from_str(&format!("\"{raw}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn duplicates_are_refused_at_any_depth_and_in_any_spelling() {
        let cases = [
            ("two_names", r#"{"a":1,"b":2}"#, None),
            ("same_name_in_sibling_objects", r#"[{"a":1},{"a":2}]"#, None),
            ("same_name_in_parent_and_child", r#"{"a":{"a":1}}"#, None),
            ("name_repeated_as_value", r#"{"a":"b","b":"a"}"#, None),
            ("quote_and_braces_in_a_string", r#"{"a":"\"},{\"a\":","b":1}"#, None),
            ("escaped_slash_in_a_name", r#"{"https:\/\/x":1,"b":2}"#, None),
            ("top_level", r#"{"a":1,"a":2}"#, Some(JsonError::DuplicateMember)),
            ("after_a_nested_object", r#"{"a":{"x":1},"a":2}"#, Some(JsonError::DuplicateMember)),
            ("nested", r#"{"a":[{"b":1,"b":2}]}"#, Some(JsonError::DuplicateMember)),
            ("escaped_spelling", r#"{"a":1,"\u0061":2}"#, Some(JsonError::DuplicateMember)),
            ("empty_name", r#"{"":1,"":2}"#, Some(JsonError::DuplicateMember)),
            ("unfinished", r#"{"a":1"#, Some(JsonError::Malformed)),
            ("two_texts", "{}{}", Some(JsonError::Malformed)),
            ("byte_order_mark", "\u{feff}{}", Some(JsonError::Malformed)),
            ("lone_backslash_at_the_end", "{\"a\\", Some(JsonError::Malformed)),
        ];
        for (name, json, want) in cases {
            assert_eq!(parse::<Value>(json.as_bytes()).err(), want, "{name}");
        }
        assert_eq!(parse::<Value>(b"\"\xff\"").err(), Some(JsonError::NotUtf8));
    }

    #[test]
    fn depth_and_members_are_bounded_on_both_sides_of_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse::<Value>(nested(MAX_DEPTH).as_bytes()).err(), None);
        assert_eq!(parse::<Value>(nested(MAX_DEPTH + 1).as_bytes()).err(), Some(JsonError::TooDeep));
        let object = |members: usize| {
            let members: Vec<_> = (0..members).map(|i| format!("\"m{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(parse::<Value>(object(MAX_MEMBERS).as_bytes()).err(), None);
        assert_eq!(parse::<Value>(object(MAX_MEMBERS + 1).as_bytes()).err(), Some(JsonError::TooManyMembers));
    }

    #[test]
    fn a_header_has_few_members_with_plain_names() {
        let header = |members: usize| {
            let members: Vec<_> = (0..members).map(|i| format!("\"m{i}\":{i}")).collect();
            parse_header::<Value>(format!("{{{}}}", members.join(",")).as_bytes()).err()
        };
        assert_eq!(header(MAX_HEADER_MEMBERS), None);
        assert_eq!(header(MAX_HEADER_MEMBERS + 1), Some(JsonError::TooManyMembers));
        assert_eq!(parse_header::<Value>(br#"{"\u0061lg":"none"}"#).err(), Some(JsonError::EscapedName));
        assert_eq!(parse_header::<Value>(br#"{"kid":"\u0061"}"#).err(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
            let _ = parse::<Value>(&bytes);
        }

        #[test]
        fn json_shaped_texts_are_answered_without_panic(text in r#"[\[\]{}:,"\\a-c0-2 ]{0,60}"#) {
            let _ = parse::<Value>(text.as_bytes());
        }
    }
}

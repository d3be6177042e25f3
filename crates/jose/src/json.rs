//! JSON as JOSE needs it: strictly one meaning, within limits.

mod names;
mod strict;
mod write;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use self::strict::{Strict, Terms};
pub(crate) use self::write::{Unwritten, write_object};
use crate::limits::Limits;

/// Why a JSON text was refused.
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
    /// Arrays and objects nest deeper than [`Limits::depth`].
    #[error("the JSON text nests too deep")]
    TooDeep,
    /// An object has more members than [`Limits::members`].
    #[error("a JSON object has too many members")]
    TooManyMembers,
    /// Not JSON, or not of the expected type.
    #[error("the JSON text is malformed or has a member of the wrong type")]
    Malformed,
}

/// Why a JSON text did not become a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no strict JSON.
    Json(JsonError),
    /// It is, but not of the type; what is wrong, in words without any value.
    Type(String),
}

impl From<Unread> for JsonError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Json(error) => error,
            Unread::Type(_) => Self::Malformed,
        }
    }
}

/// Parses `json` strictly within the default [`Limits`]: UTF-8, no member twice at any depth, bounded
/// depth and size.
///
/// # Errors
/// [`JsonError`]; [`JsonError::Malformed`] where the text does not fit `T`.
///
/// ```
/// use gatepass_jose::{JsonError, parse_strict_json};
/// let twice = br#"{"role":"clerk","role":"admin"}"#;
/// let error = parse_strict_json::<serde_json::Value>(twice).unwrap_err();
/// assert_eq!(error, JsonError::DuplicateMember);
/// ```
pub fn parse<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, JsonError> {
    parse_within(json, &Limits::DEFAULT)
}

/// As [`parse`], within other limits.
///
/// # Errors
/// As [`parse`].
pub fn parse_within<'de, T: Deserialize<'de>>(json: &'de [u8], limits: &Limits) -> Result<T, JsonError> {
    Ok(read(text(json)?, limits)?)
}

/// As [`parse_within`], for a text that must be an object: `serde` would also fill a struct from an array.
///
/// # Errors
/// As [`parse`]; [`JsonError::Malformed`] for any other JSON value.
pub(crate) fn parse_object<'de, T: Deserialize<'de>>(
    json: &'de [u8],
    limits: &Limits,
) -> Result<T, JsonError> {
    Ok(read_object(json, limits)?)
}

/// As [`parse_object`], and tells what does not fit the type.
pub(crate) fn read_object<'de, T: Deserialize<'de>>(json: &'de [u8], limits: &Limits) -> Result<T, Unread> {
    let text = text(json).map_err(Unread::Json)?;
    let is_space = |c| matches!(c, ' ' | '\t' | '\n' | '\r');
    if !text.trim_start_matches(is_space).starts_with('{') {
        return Err(Unread::Json(JsonError::Malformed));
    }
    read(text, limits)
}

/// For `#[serde(default, deserialize_with = "gatepass_jose::not_null")]` on an optional member: it may be
/// left out, and `null` is of the wrong type, where `serde` alone takes it for left out.
///
/// # Errors
/// What `T` says of the value.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn text(json: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(json).map_err(|_| JsonError::NotUtf8)
}

fn read<'de, T: Deserialize<'de>>(text: &'de str, limits: &Limits) -> Result<T, Unread> {
    let terms = Terms::new(limits);
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(Strict::new(&mut parser, &terms)).and_then(|value| {
        parser.end()?;
        Ok(value)
    });
    match (terms.broken(), read) {
        // Even where the type made something else of the error.
        (Some(broken), _) => Err(Unread::Json(broken)),
        (None, Ok(value)) => Ok(value),
        (None, Err(error)) if error.is_data() => Err(Unread::Type(problem(&error))),
        (None, Err(_)) => Err(Unread::Json(JsonError::Malformed)),
    }
}

/// Said where nothing more can be said without a value.
const UNEXPECTED: &str = "a claim has an unexpected form";

/// What `serde` says is wrong, without the value that it found: that may be anybody's e-mail address.
fn problem(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = match said.rsplit_once(" at line ") {
        Some((said, _)) if error.line() > 0 => said,
        _ => return UNEXPECTED.to_owned(), // an error from a buffer of `serde`, which may end in any text
    };
    match (said.split_once(": "), said.rsplit_once(", expected ")) {
        (Some((kind @ ("invalid type" | "invalid value" | "invalid length"), _)), Some((_, expected))) => {
            format!("{kind}, expected {expected}")
        }
        (None, _) if said.starts_with("missing field") || said.starts_with("duplicate field") => {
            said.to_owned()
        }
        _ => UNEXPECTED.to_owned(),
    }
}

#[cfg(test)]
mod tests;

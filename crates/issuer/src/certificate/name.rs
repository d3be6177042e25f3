//! Distinguished names, as text ([RFC 4514](https://www.rfc-editor.org/rfc/rfc4514)) and as they stand in certificates.
//!
//! Two are the same if they have the same attributes with the same values in the same order. Values are compared character
//! by character, whatever string type of ASN.1 each is in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use x509_parser::x509::X509Name;

/// The longest text of one, in bytes, and its most parts.
const MAX_TEXT: usize = 1024;
const MAX_PARTS: usize = 32;

/// The attributes that have short names: those of RFC 4514 section 3, and the two that certificates have beside them.
const TYPES: [(&str, &str); 11] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
];

/// The name of a certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Part>);

/// The attributes that stand beside each other: type and value, in the order of their types.
type Part = Vec<(String, String)>;

/// The text is no distinguished name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a subject is written as in RFC 4514, such as CN=batch,O=Example,C=DE")]
pub struct InvalidDistinguishedName;

impl DistinguishedName {
    /// That of a certificate. A value that is no text there is one that no text can equal.
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for part in name.iter() {
            let values = part.iter().map(|attribute| {
                let value = attribute.as_str().unwrap_or("\0");
                (attribute.attr_type().to_id_string(), value.to_owned())
            });
            parts.push(sorted(values.collect()));
        }
        // RFC 4514 section 2.1: the text begins with what stands last.
        parts.reverse();
        Self(parts)
    }
}

impl FromStr for DistinguishedName {
    type Err = InvalidDistinguishedName;

    fn from_str(text: &str) -> Result<Self, InvalidDistinguishedName> {
        if text.len() > MAX_TEXT || text.contains('\0') {
            return Err(InvalidDistinguishedName);
        }
        let parts = split(text, ',').map(|part| split(part, '+').map(attribute).collect::<Result<_, _>>());
        let parts = parts.map(|part| part.map(sorted)).collect::<Result<Vec<_>, _>>()?;
        if parts.len() > MAX_PARTS { Err(InvalidDistinguishedName) } else { Ok(Self(parts)) }
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            for (at, (oid, value)) in part.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { "+" })?;
                let name =
                    TYPES.iter().find(|(_, known)| known == oid).map_or(oid.as_str(), |(name, _)| name);
                write!(f, "{name}={}", Escaped(value))?;
            }
        }
        Ok(())
    }
}

/// A value with its special characters escaped (RFC 4514 section 2.4).
struct Escaped<'v>(&'v str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.chars().count().saturating_sub(1);
        for (at, c) in self.0.chars().enumerate() {
            let is_special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=')
                || (c == ' ' && (at == 0 || at == last))
                || (c == '#' && at == 0);
            write!(f, "{}{c}", if is_special { "\\" } else { "" })?;
        }
        Ok(())
    }
}

impl Serialize for DistinguishedName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DistinguishedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn sorted(mut part: Part) -> Part {
    part.sort();
    part
}

/// The pieces between separators that are not escaped.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c| {
        let is_escaped = escaped;
        escaped = c == '\\' && !is_escaped;
        c == separator && !is_escaped
    })
}

fn attribute(text: &str) -> Result<(String, String), InvalidDistinguishedName> {
    let (name, value) = text.split_once('=').ok_or(InvalidDistinguishedName)?;
    let name = name.trim();
    let known = TYPES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, oid)| *oid);
    let is_oid = name.contains('.') && name.chars().all(|c| c.is_ascii_digit() || c == '.');
    let oid = known.or(is_oid.then_some(name)).ok_or(InvalidDistinguishedName)?;
    Ok((oid.to_owned(), unescaped(value)?))
}

/// A value as it was meant. Spaces around it that are not escaped are not its own.
fn unescaped(value: &str) -> Result<String, InvalidDistinguishedName> {
    let mut bytes = Vec::with_capacity(value.len());
    // As long as it is with the last space that counts.
    let mut kept = 0;
    let mut rest = value.trim_start_matches(' ').bytes();
    while let Some(byte) = rest.next() {
        match (byte, byte == b'\\') {
            (_, true) => {
                bytes.push(escaped(&mut rest)?);
                kept = bytes.len();
            }
            (b'"' | b';' | b'<' | b'>', _) => return Err(InvalidDistinguishedName),
            (byte, _) => {
                bytes.push(byte);
                kept = if byte == b' ' { kept } else { bytes.len() };
            }
        }
    }
    bytes.truncate(kept);
    let text = String::from_utf8(bytes).map_err(|_| InvalidDistinguishedName)?;
    if text.is_empty() || text.contains('\0') { Err(InvalidDistinguishedName) } else { Ok(text) }
}

/// What stands behind a backslash: a special character, or two hexadecimal digits.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Result<u8, InvalidDistinguishedName> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let first = rest.next().ok_or(InvalidDistinguishedName)?;
    match hex(first) {
        None if first.is_ascii_punctuation() || first == b' ' => Ok(first),
        None => Err(InvalidDistinguishedName),
        Some(high) => {
            let low = rest.next().and_then(hex).ok_or(InvalidDistinguishedName)?;
            Ok(high << 4 | low)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_many_spellings_and_one_that_it_is_shown_in() {
        let cases = [
            ("CN=batch,O=Example,C=DE", Some("CN=batch,O=Example,C=DE")),
            ("cn = batch , o=Example,c=DE", Some("CN=batch,O=Example,C=DE")),
            ("2.5.4.3=batch", Some("CN=batch")),
            ("1.2.3=x", Some("1.2.3=x")),
            (r"CN=Smith\, John", Some(r"CN=Smith\, John")),
            (r"CN=Smith\2C John", Some(r"CN=Smith\, John")),
            (r"CN=\20x\20", Some(r"CN=\ x\ ")),
            (r"CN=Lu\C4\8Di\C4\87", Some("CN=Lučić")),
            ("OU=b+CN=a", Some("OU=b+CN=a")),
            ("CN=a+OU=b", Some("OU=b+CN=a")),
            ("CN=a=b", Some(r"CN=a\=b")),
            ("", None),
            ("batch", None),
            ("CN=", None),
            ("CN=a,", None),
            ("NICKNAME=a", None),
            (r"CN=a\", None),
            (r"CN=a\4", None),
            (r"CN=\FF", None),
            (r"CN=a\00", None),
            ("CN=a\0", None),
            ("CN=\"a\"", None),
        ];
        for (text, want) in cases {
            let name = text.parse::<DistinguishedName>();
            match want {
                // The two of one part stand in the order of their numbers, whichever that is.
                Some(want) => {
                    let name = name.unwrap_or_else(|_| panic!("{text}"));
                    assert_eq!(name, want.parse().unwrap(), "{text}");
                    assert_eq!(name.to_string().parse(), Ok(name.clone()), "{text}");
                }
                None => assert_eq!(name, Err(InvalidDistinguishedName), "{text}"),
            }
        }
        let differs = |a: &str, b: &str| {
            assert_ne!(a.parse::<DistinguishedName>().unwrap(), b.parse().unwrap(), "{a} {b}");
        };
        differs("CN=a,O=b", "O=b,CN=a");
        differs("CN=a,O=b", "CN=a+O=b");
        differs("CN=a", "CN=A");
        differs("CN=a", r"CN=a\20");
        differs("CN=a", "OU=a");
        assert!("CN=a,".repeat(300).parse::<DistinguishedName>().is_err());
        assert!(["CN=a"; 33].join(",").parse::<DistinguishedName>().is_err());
    }
}

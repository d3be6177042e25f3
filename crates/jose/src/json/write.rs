//! Writing an object that has one meaning: no member twice, at any depth.
//!
//! The search rides on the one pass that writes. Reading the text again would cost as much as writing it.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::names::Names;
use super::{JsonError, parse_within};
use crate::limits::Limits;

/// What is written here is not hostile: only what could be read in two ways is looked for.
const BOUNDLESS: Limits = Limits { depth: usize::MAX, members: usize::MAX, ..Limits::DEFAULT };

/// Why a value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// It does not serialize, or to something else than an object.
    NoObject,
    /// It serializes to an object that names a member twice, itself or further down.
    DuplicateMember,
}

/// Writes `value` at the end of `json`, which is empty.
///
/// # Errors
/// [`Unwritten`]; `json` then holds a part of it.
pub(crate) fn write_object<T: Serialize>(value: &T, json: Vec<u8>) -> Result<Vec<u8>, Unwritten> {
    let (json, duplicate) = (RefCell::new(json), Cell::new(false));
    let once = Once { json: &json, duplicate: &duplicate, name: 0, open: Vec::new() };
    let written = value.serialize(&mut Serializer::with_formatter(Shared(&json), once));
    let json = json.into_inner();
    match written {
        // Even where the type made something else of the error.
        _ if duplicate.get() => Err(Unwritten::DuplicateMember),
        Ok(()) if json.first() == Some(&b'{') => Ok(json),
        _ => Err(Unwritten::NoObject),
    }
}

/// A text that is written and looked at in turn.
struct Shared<'j>(&'j RefCell<Vec<u8>>);

impl Write for Shared<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.try_borrow_mut().map_err(io::Error::other)?.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks at every name as it stands in the text: one writer gives each name one spelling.
struct Once<'j> {
    json: &'j RefCell<Vec<u8>>,
    duplicate: &'j Cell<bool>,
    /// Where the name begins that is being written.
    name: usize,
    /// The names of the objects that have begun and not ended.
    open: Vec<Names>,
}

impl Once<'_> {
    fn duplicate(&self) -> io::Error {
        self.duplicate.set(true);
        io::Error::other(JsonError::DuplicateMember)
    }
}

impl Formatter for Once<'_> {
    #[inline]
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open.push(Names::default());
        writer.write_all(b"{")
    }

    #[inline]
    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open.pop();
        writer.write_all(b"}")
    }

    #[inline]
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.name = self.json.try_borrow().map_err(io::Error::other)?.len();
        Ok(())
    }

    #[inline]
    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        let json = self.json.try_borrow().map_err(io::Error::other)?;
        let name = json.get(self.name..).unwrap_or_default();
        let is_new = self.open.last_mut().is_none_or(|names| names.is_new(name));
        if is_new { Ok(()) } else { Err(self.duplicate()) }
    }

    /// A text that somebody else wrote.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        match parse_within::<IgnoredAny>(fragment.as_bytes(), &BOUNDLESS) {
            Ok(_) => writer.write_all(fragment.as_bytes()),
            Err(JsonError::DuplicateMember) => Err(self.duplicate()),
            Err(other) => Err(io::Error::other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde_json::json;

    use super::*;

    /// The members in this order, however often a name stands there.
    struct Members<T>(Vec<(Name, T)>);

    impl<T: Serialize> Serialize for Members<T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }

    /// The ways to write a name.
    enum Name {
        Text(&'static str),
        Number(u64),
        /// In two pieces.
        Pieces(&'static str, &'static str),
    }

    impl Serialize for Name {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Text(text) => serializer.serialize_str(text),
                Self::Number(number) => serializer.serialize_u64(*number),
                Self::Pieces(..) => serializer.collect_str(self),
            }
        }
    }

    impl fmt::Display for Name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Self::Pieces(first, second) = self else { return Ok(()) };
            f.write_str(first)?;
            f.write_str(second)
        }
    }

    fn write<T: Serialize>(value: &T) -> Result<String, Unwritten> {
        write_object(value, Vec::new()).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn a_name_is_written_once_however_it_is_spelt() {
        use Name::{Number, Pieces, Text};
        let cases = [
            ("two_names", vec![Text("a"), Text("b")], true),
            ("another_case", vec![Text("a"), Text("A")], true),
            ("twice", vec![Text("a"), Text("b"), Text("a")], false),
            ("empty", vec![Text(""), Text("")], false),
            ("escaped", vec![Text("a\n\"é"), Text("a\n\"é")], false),
            ("in_pieces", vec![Text("abc"), Pieces("ab", "c")], false),
            ("other_pieces", vec![Pieces("a", "bc"), Pieces("ab", "d")], true),
            ("number", vec![Text("1"), Number(1)], false),
            ("other_number", vec![Text("1.0"), Number(1)], true),
        ];
        for (name, names, is_good) in cases {
            let members = Members(names.into_iter().map(|name| (name, 0)).collect());
            let want = if is_good { Ok(()) } else { Err(Unwritten::DuplicateMember) };
            assert_eq!(write(&members).map(drop), want, "{name}");
            assert_eq!(write(&json!({ "x": 1 })).map(drop), Ok(()));
            let nested = BTreeMap::from([("list", vec![members])]);
            assert_eq!(write(&nested).map(drop), want, "{name}, further down");
        }
    }

    #[test]
    fn each_object_has_names_of_its_own() {
        let value = json!({ "a": { "a": [{ "a": 1 }, { "a": 2 }, {}] }, "b": { "a": {} } });
        assert_eq!(write(&value), Ok(value.to_string()));
        let after = Members(vec![(Name::Text("a"), json!({ "b": {} })), (Name::Text("a"), json!(1))]);
        assert_eq!(write(&after), Err(Unwritten::DuplicateMember), "after an object has ended");
        let many = |last: &'static str| {
            let names = (0..40).map(Name::Number).chain([Name::Text(last)]);
            Members(names.map(|name| (name, ())).collect())
        };
        assert!(write(&many("40")).is_ok());
        for twice in ["0", "15", "16", "39"] {
            assert_eq!(write(&many(twice)), Err(Unwritten::DuplicateMember), "{twice}");
        }
    }

    #[test]
    fn what_is_no_object_is_not_written() {
        for value in [json!([{}]), json!("{"), json!(1), json!(null)] {
            assert_eq!(write(&value), Err(Unwritten::NoObject), "{value}");
        }
        assert_eq!(
            write(&BTreeMap::from([(vec![1], 1)])),
            Err(Unwritten::NoObject),
            "a name that is no text"
        );
    }

    #[test]
    fn a_writer_takes_all_at_once() {
        let json = RefCell::new(Vec::new());
        assert_eq!(Shared(&json).write(b"{}").ok(), Some(2));
        assert_eq!(json.into_inner(), b"{}");
    }

    #[test]
    fn what_somebody_else_wrote_is_read() {
        let (json, duplicate) = (RefCell::new(Vec::new()), Cell::new(false));
        let mut once = Once { json: &json, duplicate: &duplicate, name: 0, open: Vec::new() };
        let mut write = |fragment| once.write_raw_fragment(&mut Shared(&json), fragment).is_ok();
        assert!(write(r#"{"a":{"a":1}}"#));
        assert!(!write(r#"{"a"}"#) && !duplicate.get());
        assert!(!write(r#"{"a":1,"\u0061":2}"#) && duplicate.get());
        assert_eq!(json.take(), br#"{"a":{"a":1}}"#);

        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let wide: BTreeMap<_, _> = (0..200).map(|name: u64| (name.to_string(), ())).collect();
        let wide = serde_json::to_string(&wide).unwrap();
        for fragment in [deep, wide] {
            let written = once.write_raw_fragment(&mut Shared(&json), &fragment).is_ok();
            assert!(written, "nobody bounds what one writes oneself: {fragment}");
        }
    }
}

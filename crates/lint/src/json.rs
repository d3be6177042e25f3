//! JSON as it was written: duplicate members kept, in their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Parsing refuses what nests deeper than 128 levels, so walking it is safe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Object),
}

/// The members of an object, duplicates included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(String, Json)>);

impl Json {
    /// Parses a text.
    ///
    /// # Errors
    /// What is wrong with it, in words that do not repeat it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// A number, as seconds or the like.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether it says something: not null, and not an empty text, list or object.
    pub(crate) fn says_something(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Text(text) => !text.trim().is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Object(object) => !object.0.is_empty(),
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => true,
        }
    }

    /// What type it is, with its article.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// How many bytes it takes as compact JSON; numbers with a fraction are estimated.
    pub(crate) fn written_len(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Bool(value) => 5 - usize::from(*value),
            Self::Integer(number) => number.to_string().len(),
            Self::Float(_) => 16,
            Self::Text(text) => text_len(text),
            Self::Array(items) => 1 + items.len().max(1) + items.iter().map(Self::written_len).sum::<usize>(),
            Self::Object(Object(members)) => {
                let members_len =
                    members.iter().map(|(name, value)| text_len(name) + 1 + value.written_len());
                1 + members.len().max(1) + members_len.sum::<usize>()
            }
        }
    }

    /// Calls `visit` with this value and all that it holds, parents first.
    pub(crate) fn walk<'j>(&'j self, path: &mut Path<'j>, visit: &mut impl FnMut(&Path<'j>, &'j Self)) {
        visit(path, self);
        match self {
            Self::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.0.push(Step::Index(index));
                    item.walk(path, visit);
                    path.0.pop();
                }
            }
            Self::Object(Object(members)) => {
                for (name, value) in members {
                    path.0.push(Step::Name(name));
                    value.walk(path, visit);
                    path.0.pop();
                }
            }
            _ => {}
        }
    }
}

fn text_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

impl Object {
    /// The member of that name; the last one of several, as most parsers have it.
    pub(crate) fn find(&self, name: &str) -> Option<&Json> {
        self.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member of that name, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name)?.as_text()
    }

    /// Whether there is such a member, null included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The way to a value: `payload.realm_access.roles[2]`.
pub(crate) struct Path<'j>(Vec<Step<'j>>);

enum Step<'j> {
    Name(&'j str),
    Index(usize),
}

impl<'j> Path<'j> {
    /// The path of a root that is called `name`.
    pub(crate) fn root(name: &'j str) -> Self {
        Self(vec![Step::Name(name)])
    }

    /// The name of the nearest member around the value.
    pub(crate) fn name(&self) -> &'j str {
        let name = |step: &Step<'j>| if let Step::Name(name) = step { Some(*name) } else { None };
        self.0.iter().rev().find_map(name).unwrap_or_default()
    }

    /// The member's name at that depth; the root is at 0.
    pub(crate) fn member(&self, depth: usize) -> Option<&'j str> {
        if let Some(Step::Name(name)) = self.0.get(depth) { Some(name) } else { None }
    }

    /// How many objects and lists are around the value.
    pub(crate) fn depth(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) if place == 0 => f.write_str(name)?,
                Step::Name(name) => fmt::Display::fmt(&Member(name), f)?,
            }
        }
        Ok(())
    }
}

/// A member's name as a step of a path: `.name`, or `["odd name"]`.
pub(crate) struct Member<'n>(pub(crate) &'n str);

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '#');
        if !self.0.is_empty() && self.0.len() <= 40 && self.0.chars().all(plain) {
            write!(f, ".{}", self.0)
        } else {
            write!(f, "[{}]", crate::quote::quoted(self.0))
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_entry()? {
            list.push(member);
        }
        Ok(Json::Object(Object(list)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_kept_and_the_last_is_found() {
        let json = Json::parse(br#"{"a":1,"b":{"a":2},"a":"3"}"#).unwrap();
        let object = json.as_object().unwrap();
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(object.text("a"), Some("3"));
        assert_eq!(object.find("c"), None);
    }

    #[test]
    fn lengths_are_those_of_compact_json() {
        for text in [r#"{"a":[1,-20,true,false,null],"b\"":"x\ny"}"#, "[]", "{}", r#"[[],{"":""}]"#] {
            assert_eq!(Json::parse(text.as_bytes()).unwrap().written_len(), text.len(), "{text}");
        }
    }

    #[test]
    fn paths_lead_to_each_value() {
        let json = Json::parse(br#"{"a":[{"b c":1}],"d":2}"#).unwrap();
        let mut paths = Vec::new();
        json.walk(&mut Path::root("payload"), &mut |path, _| paths.push(path.to_string()));
        assert_eq!(paths, ["payload", "payload.a", "payload.a[0]", "payload.a[0][\"b c\"]", "payload.d"]);
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        for text in ["{\"hunter2\":hunter2}", "\"hunter2", "{\"hunter2\":1e999}", "hunter2"] {
            let error = Json::parse(text.as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Json::parse(&[b'['; 100_000]).is_err());
        assert!(Json::parse(b"\"\xff\"").is_err());
    }
}

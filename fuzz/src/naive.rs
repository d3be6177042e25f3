//! JSON read naively, to hold the strict reader against: a tree with every member in its place, and plain
//! recursion over it.

use std::fmt;

use gatepass_jose::Limits;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value as it stands in the text, members that repeat included.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names are JSON's own
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text as any JSON parser would.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok()
    }

    /// Reads a text that is an object and strict: no member twice, and within `limits`.
    #[must_use]
    pub fn parse_strict_object(text: &[u8], limits: &Limits) -> Option<Self> {
        Self::parse(text).filter(|json| matches!(json, Self::Object(_)) && json.is_strict(limits))
    }

    /// Whether no object has a name twice and nothing is past `limits`.
    #[must_use]
    pub fn is_strict(&self, limits: &Limits) -> bool {
        !self.repeats_a_name() && self.depth() <= limits.depth && self.widest() <= limits.members
    }

    /// Whether any object has two members of one name.
    #[must_use]
    pub fn repeats_a_name(&self) -> bool {
        let repeats_itself = match self {
            Self::Object(members) => members
                .iter()
                .enumerate()
                .any(|(at, (name, _))| members[..at].iter().any(|(other, _)| other == name)),
            _ => false,
        };
        repeats_itself || self.children().any(Self::repeats_a_name)
    }

    /// How many arrays and objects stand in each other.
    #[must_use]
    pub fn depth(&self) -> usize {
        let own = usize::from(matches!(self, Self::Array(_) | Self::Object(_)));
        own + self.children().map(Self::depth).max().unwrap_or(0)
    }

    /// The number of members of the object that has the most.
    #[must_use]
    pub fn widest(&self) -> usize {
        let own = if let Self::Object(members) = self { members.len() } else { 0 };
        self.children().map(Self::widest).fold(own, usize::max)
    }

    /// The first member of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The first member of that name, when it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(Self::Text(text)) = self.find(name) { Some(text) } else { None }
    }

    /// Whether there is no member of that name, or it is a string.
    #[must_use]
    pub fn is_text_or_absent(&self, name: &str) -> bool {
        matches!(self.find(name), None | Some(Self::Text(_)))
    }

    /// The first member of that name, when it is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        if let Some(Self::Number(number)) = self.find(name) { Some(*number) } else { None }
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let (items, members) = match self {
            Self::Array(items) => (items.as_slice(), &[][..]),
            Self::Object(members) => (&[][..], members.as_slice()),
            _ => (&[][..], &[][..]),
        };
        items.iter().chain(members.iter().map(|(_, value)| value))
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
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
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
        Ok(Json::Object(list))
    }
}

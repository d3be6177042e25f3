//! A JSON object as it is spelt: order, duplicates and the text of every value stay, because a forgery
//! means to have them wrong.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Members in their order, each value as raw JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    members: Vec<(String, String)>,
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Object {
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// A member's value as it is spelt; the last one of several.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.members.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// A member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// Puts raw JSON in the place of a member, or at the end where there is none of that name.
    #[must_use]
    pub(crate) fn with(&self, name: &str, raw: impl Into<String>) -> Self {
        let mut changed = self.clone();
        match changed.members.iter_mut().find(|(own, _)| own == name) {
            Some((_, value)) => *value = raw.into(),
            None => changed.members.push((name.to_owned(), raw.into())),
        }
        changed
    }

    /// Takes a member away.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        let members = self.members.iter().filter(|(own, _)| own != name).cloned().collect();
        Self { members }
    }

    /// Puts a member before all others, even if there is one of that name.
    #[must_use]
    pub(crate) fn led_by(&self, name: &str, raw: impl Into<String>) -> Self {
        let mut changed = self.clone();
        changed.members.insert(0, (name.to_owned(), raw.into()));
        changed
    }

    /// Puts a member after all others, even if there is one of that name.
    #[must_use]
    pub(crate) fn and(&self, name: &str, raw: impl Into<String>) -> Self {
        let mut changed = self.clone();
        changed.members.push((name.to_owned(), raw.into()));
        changed
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.members.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}:{value}", quoted(name))?;
        }
        f.write_str("}")
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_stays_as_it_is_spelt() {
        let json = r#"{"b":1e3,"a":[ 1 ],"b":"x\u0041"}"#;
        let object = Object::parse(json.as_bytes()).unwrap();
        assert_eq!(object.to_string(), json);
        assert_eq!(object.text("b").as_deref(), Some("xA"));
        assert_eq!((object.raw("a"), object.raw("c")), (Some("[ 1 ]"), None));
        for json in ["[]", "1", "", r#"{"a":}"#, r#"{"a":1}x"#] {
            assert_eq!(Object::parse(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn members_are_put_and_taken() {
        let object = Object::parse(br#"{"a":1,"b":2}"#).unwrap();
        let cases = [
            (object.with("a", "3"), r#"{"a":3,"b":2}"#),
            (object.with("c", "3"), r#"{"a":1,"b":2,"c":3}"#),
            (object.without("a"), r#"{"b":2}"#),
            (object.led_by("b", "3"), r#"{"b":3,"a":1,"b":2}"#),
            (object.and("a", "1e400"), r#"{"a":1,"b":2,"a":1e400}"#),
        ];
        for (object, want) in cases {
            assert_eq!(object.to_string(), want);
        }
    }
}

//! The pass that a verification does not make: over the whole text, for nothing but member names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Any JSON whose objects name no member twice.
pub(super) struct NoMemberTwice;

impl<'de> Deserialize<'de> for NoMemberTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = NoMemberTwice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NoMemberTwice, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if names.contains(&name) {
                return Err(A::Error::custom("a member twice"));
            }
            names.push(name);
            map.next_value::<NoMemberTwice>()?;
        }
        Ok(NoMemberTwice)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NoMemberTwice, A::Error> {
        while seq.next_element::<NoMemberTwice>()?.is_some() {}
        Ok(NoMemberTwice)
    }

    fn visit_str<E>(self, _: &str) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }

    fn visit_bool<E>(self, _: bool) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }

    fn visit_i64<E>(self, _: i64) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }

    fn visit_u64<E>(self, _: u64) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }

    fn visit_f64<E>(self, _: f64) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }

    fn visit_unit<E>(self) -> Result<NoMemberTwice, E> {
        Ok(NoMemberTwice)
    }
}

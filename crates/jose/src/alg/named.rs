//! Values that have a name each, in the text of a header or a key.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// `Display`, `FromStr`, `Serialize` and `Deserialize` by a type's own `name()` and `all()`; what has none of
/// the names is the error.
macro_rules! named {
    ($type:ty, $error:ty, $unknown:expr) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(name: &str) -> Result<Self, $error> {
                Self::all().find(|one| one.name() == name).ok_or($unknown)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::alg::deserialize_name(deserializer)
            }
        }
    };
}

pub(crate) use named;

/// Reads a name from a string and from nothing else: what `serde` derives for an enum takes the object
/// `{"ES256":null}` for `"ES256"` as well.
pub(crate) fn deserialize_name<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Name(PhantomData))
}

struct Name<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Name<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        name.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use crate::{Alg, ContentEncryption, JwkAlg, KeyManagement, KeyUse};

    /// Whether the JSON texts are read: a name as a string, with an escape in it, and otherwise.
    fn readings<T: DeserializeOwned>(name: &str) -> [bool; 6] {
        let (first, rest) = name.split_at(1);
        [
            format!(r#""{name}""#),
            format!(r#""\u{:04x}{rest}""#, u32::from(first.as_bytes()[0])),
            format!(r#"{{"{name}":null}}"#),
            format!(r#"["{name}"]"#),
            "null".to_owned(),
            "0".to_owned(),
        ]
        .map(|json| serde_json::from_str::<T>(&json).is_ok())
    }

    #[test]
    fn names_are_strings_and_nothing_else() {
        let cases = [
            ("Alg", readings::<Alg>("ES256")),
            ("KeyManagement", readings::<KeyManagement>("ECDH-ES")),
            ("ContentEncryption", readings::<ContentEncryption>("A128GCM")),
            ("JwkAlg", readings::<JwkAlg>("ML-DSA-44")),
            ("KeyUse", readings::<KeyUse>("sig")),
        ];
        for (name, readings) in cases {
            assert_eq!(readings, [true, true, false, false, false, false], "{name}");
        }
        assert_eq!("SIG".parse::<KeyUse>().ok(), None);
    }
}

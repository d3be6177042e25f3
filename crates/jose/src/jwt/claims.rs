//! The registered claims that every verification looks at.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::NumericDate;
use crate::json::not_null;

/// Who mints: the value that `iss` must equal, character for character. Not empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(Arc<str>);

/// For whom: the value or values of `aud`. Never empty, and no value is.
///
/// Reads a string or an array of strings ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)),
/// writes a single value as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Values<String>);

/// `aud` as slices of the payload: an [`Audience`] for claims that are read without allocating.
///
/// A value that the payload spells with escapes is copied; several values take one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorrowedAudience<'p>(Values<Cow<'p, str>>);

/// An issuer or audience that names nobody. It must stop the start-up, never a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an issuer or audience must not be empty")]
pub struct NamesNobody;

/// What an `aud` claim can be asked.
pub trait AudienceClaim: fmt::Debug {
    /// Whether `value` is one of its values, character for character.
    fn contains(&self, value: &str) -> bool;

    /// Its values, for a message.
    fn values(&self) -> Vec<&str>;
}

/// The claims that every verification looks at.
#[derive(Clone, Copy, Debug)]
pub struct Registered<'c> {
    /// `iss`.
    pub issuer: Option<&'c str>,
    /// `aud`.
    pub audience: Option<&'c dyn AudienceClaim>,
    /// `exp`.
    pub expires: Option<NumericDate>,
    /// `nbf`.
    pub not_before: Option<NumericDate>,
}

/// A caller's claims type. Implement it for your own `serde` struct; a payload is parsed once, into
/// that struct, and checked through this view of it.
///
/// ```
/// use gatepass_jose::{BorrowedAudience, Claims, NumericDate, Registered, not_null};
///
/// /// Borrows from the decoded payload, so that reading it allocates nothing.
/// #[derive(serde::Deserialize)]
/// struct Ours<'p> {
///     iss: &'p str,
///     #[serde(borrow)]
///     aud: BorrowedAudience<'p>,
///     exp: NumericDate,
///     #[serde(default, deserialize_with = "not_null")]
///     nbf: Option<NumericDate>,
///     tenant: &'p str,
/// }
///
/// impl Claims for Ours<'_> {
///     fn registered(&self) -> Registered<'_> {
///         Registered {
///             issuer: Some(self.iss),
///             audience: Some(&self.aud),
///             expires: Some(self.exp),
///             not_before: self.nbf,
///         }
///     }
/// }
/// ```
pub trait Claims {
    /// The registered claims of this value. What a value does not have is `None`: a token without
    /// issuer, audience or expiry is refused, one without `nbf` is valid from the beginning. So give
    /// `not_before` wherever a token may have it, or nobody checks it.
    fn registered(&self) -> Registered<'_>;
}

/// Just the registered claims, for a caller who reads the others from the payload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the registry's own
pub struct RegisteredClaims {
    pub iss: String,
    pub aud: Audience,
    pub exp: NumericDate,
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
}

impl Claims for RegisteredClaims {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}

impl Issuer {
    /// Takes the exact value of `iss`.
    ///
    /// # Errors
    /// [`NamesNobody`] for the empty string.
    pub fn new(value: &str) -> Result<Self, NamesNobody> {
        if value.is_empty() { Err(NamesNobody) } else { Ok(Self(Arc::from(value))) }
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Audience {
    /// One or more values.
    ///
    /// # Errors
    /// [`NamesNobody`] when there is none, or one is empty.
    ///
    /// ```
    /// use gatepass_jose::Audience;
    /// assert!(Audience::new(["https://api.example.com"]).is_ok());
    /// assert!(Audience::new::<&str>([]).is_err());
    /// ```
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Result<Self, NamesNobody> {
        Values::new(values.into_iter().map(Into::into)).map(Self)
    }

    /// Whether `value` is one of the values.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    /// Whether the two have a value in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        other.iter().any(|value| self.contains(value))
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.as_slice().iter().map(String::as_str)
    }
}

impl AudienceClaim for Audience {
    fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    fn values(&self) -> Vec<&str> {
        self.iter().collect()
    }
}

impl AudienceClaim for BorrowedAudience<'_> {
    fn contains(&self, value: &str) -> bool {
        self.0.contains(value)
    }

    fn values(&self) -> Vec<&str> {
        self.0.as_slice().iter().map(AsRef::as_ref).collect()
    }
}

/// One value, which most audiences are, or several. A single one is always `One`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Values<S> {
    One(S),
    Many(Vec<S>),
}

impl<S: AsRef<str>> Values<S> {
    fn new(values: impl Iterator<Item = S>) -> Result<Self, NamesNobody> {
        let mut values: Vec<S> = values.collect();
        if values.is_empty() || values.iter().any(|value| value.as_ref().is_empty()) {
            return Err(NamesNobody);
        }
        match (values.len(), values.pop()) {
            (1, Some(only)) => Ok(Self::One(only)),
            (_, last) => {
                values.extend(last);
                Ok(Self::Many(values))
            }
        }
    }

    fn as_slice(&self) -> &[S] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    fn contains(&self, value: &str) -> bool {
        self.as_slice().iter().any(|own| own.as_ref() == value)
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Values::One(single) => serializer.serialize_str(single),
            Values::Many(several) => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Values::<Text<'de>>::deserialize(deserializer).map(|values| {
            Self(match values {
                Values::One(value) => Values::One(value.0.into_owned()),
                Values::Many(values) => {
                    Values::Many(values.into_iter().map(|value| value.0.into_owned()).collect())
                }
            })
        })
    }
}

impl<'de: 'p, 'p> Deserialize<'de> for BorrowedAudience<'p> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Values::<Text<'p>>::deserialize(deserializer).map(|values| {
            Self(match values {
                Values::One(value) => Values::One(value.0),
                Values::Many(values) => Values::Many(values.into_iter().map(|value| value.0).collect()),
            })
        })
    }
}

/// A string that is a slice of the text it was read from, unless it is spelt with escapes there.
#[derive(Clone)]
struct Text<'p>(Cow<'p, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'p, 'p> Deserialize<'de> for Text<'p> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> serde::de::Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.to_owned())))
    }
}

impl<'de: 'p, 'p> Deserialize<'de> for Values<Text<'p>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

struct OneOrMany<'p>(PhantomData<&'p str>);

impl<'de: 'p, 'p> serde::de::Visitor<'de> for OneOrMany<'p> {
    type Value = Values<Text<'p>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings, not empty")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        one(Cow::Borrowed(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        one(Cow::Owned(value.to_owned()))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Values::new(values.into_iter()).map_err(serde::de::Error::custom)
    }
}

fn one<E: serde::de::Error>(value: Cow<'_, str>) -> Result<Values<Text<'_>>, E> {
    if value.is_empty() { Err(E::custom(NamesNobody)) } else { Ok(Values::One(Text(value))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_read_from_json() {
        let cases: [(&str, Option<&[&str]>); 9] = [
            (r#""a""#, Some(&["a"])),
            (r#"["a"]"#, Some(&["a"])),
            (r#"["a","b"]"#, Some(&["a", "b"])),
            (r#""https:\/\/a""#, Some(&["https://a"])),
            (r#""""#, None),
            ("[]", None),
            (r#"["a",""]"#, None),
            (r#"["a",1]"#, None),
            ("null", None),
        ];
        for (json, want) in cases {
            let owned = serde_json::from_str::<Audience>(json).ok();
            let borrowed = serde_json::from_str::<BorrowedAudience<'_>>(json).ok();
            assert_eq!(owned.as_ref().map(AudienceClaim::values).as_deref(), want, "{json}");
            assert_eq!(borrowed.as_ref().map(AudienceClaim::values).as_deref(), want, "{json}");
        }
    }

    #[test]
    fn values_are_compared_whole_and_case_and_all() {
        let (one, two) = (Audience::new(["a"]).unwrap(), Audience::new(["b", "c"]).unwrap());
        let borrowed: BorrowedAudience<'_> = serde_json::from_str(r#"["b","c"]"#).unwrap();
        for (value, in_one, in_two) in [
            ("a", true, false),
            ("b", false, true),
            ("c", false, true),
            ("B", false, false),
            ("", false, false),
        ] {
            assert_eq!((one.contains(value), two.contains(value)), (in_one, in_two), "{value}");
            assert_eq!(AudienceClaim::contains(&borrowed, value), in_two, "{value}");
        }
        assert!(!one.intersects(&two));
        assert!(two.intersects(&Audience::new(["x", "c"]).unwrap()));
    }

    #[test]
    fn a_single_value_is_written_as_a_string_however_it_came() {
        for audience in [Audience::new(["a"]).unwrap(), serde_json::from_str(r#"["a"]"#).unwrap()] {
            assert_eq!(serde_json::to_string(&audience).unwrap(), r#""a""#);
            assert_eq!(audience, Audience::new(["a"]).unwrap());
        }
        assert_eq!(serde_json::to_string(&Audience::new(["a", "b"]).unwrap()).unwrap(), r#"["a","b"]"#);
    }
}

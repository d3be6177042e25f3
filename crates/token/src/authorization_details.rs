//! Rich authorization requests ([RFC 9396](https://www.rfc-editor.org/rfc/rfc9396)).

use gatepass_jose::{JsonError, parse_strict_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The longest text that is read, in bytes: what is granted travels in every access token.
const MAX_LEN: usize = 1500;
/// The most objects in it: more than this nobody reads who is to allow it.
const MAX_OBJECTS: usize = 8;
/// The longest `type`, in characters.
const MAX_TYPE: usize = 128;

/// What is allowed beyond scopes: objects, each of which says in its member `type` what its others mean
/// ([RFC 9396 section 2](https://www.rfc-editor.org/rfc/rfc9396#section-2)). What they mean is between clients and
/// resource servers: two are the same if they are equal, and nothing else is part of anything.
///
/// ```
/// use gatepass_token::AuthorizationDetails;
///
/// let granted = AuthorizationDetails::parse(r#"[{"type":"payment","amount":"5.00"},{"type":"account"}]"#)?;
/// let asked = AuthorizationDetails::parse(r#"[{"amount":"5.00","type":"payment"}]"#)?;
/// let other = AuthorizationDetails::parse(r#"[{"type":"payment","amount":"50.00"}]"#)?;
/// assert!(asked.is_subset(&granted) && !other.is_subset(&granted));
/// # Ok::<_, gatepass_token::InvalidAuthorizationDetails>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthorizationDetails(Vec<Map<String, Value>>);

/// The text does not say what is to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAuthorizationDetails {
    /// There is too much of it.
    #[error("authorization_details has at most {MAX_OBJECTS} objects and {MAX_LEN} bytes")]
    TooLong,
    /// It is not an array of objects.
    #[error("authorization_details is a JSON array of objects: {0}")]
    Json(#[from] JsonError),
    /// An object does not say what it means.
    #[error("each object of authorization_details has a type: 1 to {MAX_TYPE} characters")]
    Type,
}

impl AuthorizationDetails {
    /// Reads what a client asks for.
    ///
    /// # Errors
    /// [`InvalidAuthorizationDetails`].
    pub fn parse(text: &str) -> Result<Self, InvalidAuthorizationDetails> {
        if text.len() > MAX_LEN {
            return Err(InvalidAuthorizationDetails::TooLong);
        }
        let objects: Vec<Map<String, Value>> = parse_strict_json(text.as_bytes())?;
        if objects.len() > MAX_OBJECTS {
            return Err(InvalidAuthorizationDetails::TooLong);
        }
        let details = Self(objects);
        let is_type = |name: &str| {
            (1..=MAX_TYPE).contains(&name.chars().count()) && !name.chars().any(char::is_control)
        };
        if !details.iter().all(|(name, _)| is_type(name)) {
            return Err(InvalidAuthorizationDetails::Type);
        }
        Ok(details)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each object with its `type`; one without a type has an empty one, which nobody is allowed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.0.iter().map(|object| (type_of(object), object))
    }

    /// Whether each of its objects is among those of `granted`.
    #[must_use]
    pub fn is_subset(&self, granted: &Self) -> bool {
        self.0.iter().all(|object| granted.0.contains(object))
    }

    /// The objects of both, each once.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut objects = Vec::new();
        for object in self.0.iter().chain(&other.0) {
            if !objects.contains(object) {
                objects.push(object.clone());
            }
        }
        Self(objects)
    }

    /// Whether all of its objects are of these types.
    #[must_use]
    pub fn are_of(&self, types: &[String]) -> bool {
        self.iter().all(|(name, _)| types.iter().any(|known| known == name))
    }

    /// Those of its objects that are of these types.
    #[must_use]
    pub fn of(&self, types: &[String]) -> Self {
        let is_of = |object: &&Map<String, Value>| types.iter().any(|known| known == type_of(object));
        Self(self.0.iter().filter(is_of).cloned().collect())
    }
}

fn type_of(object: &Map<String, Value>) -> &str {
    object.get("type").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        use InvalidAuthorizationDetails::*;
        let objects = |count: usize| format!("[{}]", vec![r#"{"type":"a"}"#; count].join(","));
        let long = format!(r#"[{{"type":"a","x":"{}"}}]"#, "x".repeat(MAX_LEN));
        let long_type = format!(r#"[{{"type":"{}"}}]"#, "x".repeat(MAX_TYPE + 1));
        let cases = [
            ("one", r#"[{"type":"a"}]"#, Ok(1)),
            ("none", "[]", Ok(0)),
            ("nested", r#"[{"type":"a","locations":["https://a.example"],"x":{"y":[1]}}]"#, Ok(1)),
            ("as_many_as_there_may_be", &objects(MAX_OBJECTS), Ok(MAX_OBJECTS)),
            ("too_many", &objects(MAX_OBJECTS + 1), Err(TooLong)),
            ("too_long", &long, Err(TooLong)),
            ("no_type", r#"[{"typ":"a"}]"#, Err(Type)),
            ("empty_type", r#"[{"type":""}]"#, Err(Type)),
            ("long_type", &long_type, Err(Type)),
            ("type_with_a_line_break", r#"[{"type":"a\nb"}]"#, Err(Type)),
            ("type_number", r#"[{"type":1}]"#, Err(Type)),
        ];
        for (name, text, want) in cases {
            assert_eq!(AuthorizationDetails::parse(text).map(|details| details.0.len()), want, "{name}");
        }
        for text in ["", "{}", r#"{"type":"a"}"#, r#"["a"]"#, "[[]]", "null", r#"[{"type":"a","type":"b"}]"#]
        {
            assert!(matches!(AuthorizationDetails::parse(text), Err(Json(_))), "{text}");
        }
    }

    #[test]
    fn what_is_part_of_what() {
        let parse = |text| AuthorizationDetails::parse(text).unwrap();
        let granted = parse(r#"[{"type":"a","x":1},{"type":"b"}]"#);
        let cases = [
            ("nothing", "[]", true),
            ("one_of_two", r#"[{"type":"b"}]"#, true),
            ("in_another_order", r#"[{"type":"b"},{"x":1,"type":"a"}]"#, true),
            ("twice", r#"[{"type":"b"},{"type":"b"}]"#, true),
            ("another_value", r#"[{"type":"a","x":2}]"#, false),
            ("a_member_less", r#"[{"type":"a"}]"#, false),
            ("a_member_more", r#"[{"type":"b","x":1}]"#, false),
            ("another_type", r#"[{"type":"c"}]"#, false),
        ];
        for (name, text, want) in cases {
            assert_eq!(parse(text).is_subset(&granted), want, "{name}");
        }
        assert_eq!(granted.of(&["b".into(), "c".into()]), parse(r#"[{"type":"b"}]"#));
        assert!(granted.are_of(&["a".into(), "b".into()]) && !granted.are_of(&["b".into()]));
        assert!(AuthorizationDetails::default().are_of(&[]));
    }
}

//! Strict JSON: a text with two meanings, or past a limit, is refused, and no other.

use gatepass_jose::{JsonError, Limits, parse_strict_json, parse_strict_json_within};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::bounds::bounded;
use crate::naive::Json;

/// Limits that a short input can reach.
const NARROW: Limits = Limits { depth: 3, members: 4, ..Limits::DEFAULT };

/// What a caller's type may look like: it borrows, passes over what it does not know, and has an enum, all
/// of which take other ways through the reader.
#[derive(Deserialize)]
#[allow(dead_code)] // only read
struct Typed<'t> {
    #[serde(borrow, default)]
    text: Option<std::borrow::Cow<'t, str>>,
    #[serde(default)]
    number: Option<f64>,
    #[serde(default)]
    list: Vec<Typed<'t>>,
    #[serde(default)]
    choice: Option<Choice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)] // only read
enum Choice {
    Unit,
    Newtype(Vec<u8>),
    Tuple(u8, IgnoredAny),
    Struct { a: IgnoredAny },
}

/// Takes `data` for a JSON text.
pub fn check(data: &[u8]) -> bool {
    let naive = Json::parse(data);
    for limits in [Limits::DEFAULT, NARROW] {
        let read = bounded(data.len(), || parse_strict_json_within::<Value>(data, &limits));
        let want = naive.as_ref().is_some_and(|json| json.is_strict(&limits));
        assert_eq!(read.is_ok(), want, "{read:?}");
        if let (Err(error), Some(json)) = (&read, &naive) {
            let is_true = match error {
                JsonError::DuplicateMember => json.repeats_a_name(),
                JsonError::TooDeep => json.depth() > limits.depth,
                JsonError::TooManyMembers => json.widest() > limits.members,
                _ => false,
            };
            assert!(is_true, "{error} is not what is wrong with the text");
        }
        let ignored = bounded(data.len(), || parse_strict_json_within::<IgnoredAny>(data, &limits));
        assert_eq!(ignored.err(), read.as_ref().err().copied(), "what is ignored is read all the same");
        let typed = bounded(data.len(), || parse_strict_json_within::<Typed<'_>>(data, &limits));
        assert!(typed.is_err() || read.is_ok(), "a caller's type lets nothing through");
    }
    let read = parse_strict_json::<Value>(data).ok();
    assert!(read.is_none() || read == serde_json::from_slice(data).ok(), "one meaning, and everybody's");
    read.is_some()
}

//! The ways of logging in that a client prefers.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most of them, and the longest, in bytes.
const MOST: usize = 8;
const MAX_LEN: usize = 128;

/// Authentication context classes in the order in which a client prefers them, as `acr_values` could name them. What they
/// mean need not be known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct AcrValues(Vec<String>);

/// These cannot be preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("default_acr_values are at most {MOST} names of 1 to {MAX_LEN} printable characters without spaces")]
pub struct InvalidAcrValues;

impl AcrValues {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl TryFrom<Vec<String>> for AcrValues {
    type Error = InvalidAcrValues;

    fn try_from(values: Vec<String>) -> Result<Self, InvalidAcrValues> {
        let is_value = |value: &String| {
            (1..=MAX_LEN).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match values.len() <= MOST && values.iter().all(is_value) {
            true => Ok(Self(values)),
            false => Err(InvalidAcrValues),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_preferred() {
        let long = "x".repeat(MAX_LEN);
        let longer = format!("{long}x");
        let cases = [
            ("none", vec![], true),
            ("one", vec!["urn:gatepass:acr:password"], true),
            ("what_nobody_here_knows", vec!["2", "https://loa.example/high"], true),
            ("as_many_as_there_may_be", vec!["a"; MOST], true),
            ("too_many", vec!["a"; MOST + 1], false),
            ("as_long_as_one_may_be", vec![&*long], true),
            ("too_long", vec![&*longer], false),
            ("empty", vec!["a", ""], false),
            ("two_in_one", vec!["a b"], false),
            ("a_line_break", vec!["a\n"], false),
            ("not_ascii", vec!["größer"], false),
        ];
        for (name, values, want) in cases {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            assert_eq!(AcrValues::try_from(values).is_ok(), want, "{name}");
        }
    }
}

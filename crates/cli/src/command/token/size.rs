//! Whether a token fits where tokens travel: servers and proxies bound header fields, some at 4 kB for one
//! and many at 8 kB for all of them, cookies included.

use serde_json::{Value, json};

use super::anatomy::Anatomy;
use crate::json_text::members;

/// Up to here nobody needs to think about it.
const SMALL: usize = 1024;
/// Past this, gatepass does not issue a token.
const LARGEST: usize = 4096;
/// How many claims are named.
const NAMED: usize = 3;

/// What a token's size goes into.
pub(super) struct Budget {
    bytes: usize,
    claims: Vec<Share>,
    pub(super) largest: Vec<Share>,
}

/// One claim's share of the payload.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) name: String,
    pub(super) bytes: usize,
    /// Of the payload, rounded.
    pub(super) percent: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Small,
    Large,
    TooLarge,
}

impl Budget {
    pub(super) fn of(anatomy: &Anatomy) -> Self {
        let members = anatomy.claims_text().map(members).unwrap_or_default();
        let total = members.iter().map(|member| member.bytes()).sum::<usize>().max(1);
        let share = |name, bytes: usize| Share { name, bytes, percent: (bytes * 100 + total / 2) / total };
        let mut claims: Vec<Share> =
            members.iter().map(|member| share(member.name(), member.bytes())).collect();
        claims.sort_by_key(|share| std::cmp::Reverse(share.bytes));
        let largest = claims.iter().take(NAMED).cloned().collect();
        Self { bytes: anatomy.bytes, claims, largest }
    }

    pub(super) fn verdict(&self) -> Verdict {
        Verdict::of(self.bytes)
    }

    pub(super) fn for_machines(&self) -> Value {
        let claims: Vec<Value> =
            self.claims.iter().map(|share| json!({ "claim": share.name, "bytes": share.bytes })).collect();
        json!({ "bytes": self.bytes, "verdict": self.verdict().name(), "claims": claims })
    }
}

impl Verdict {
    pub(super) fn of(bytes: usize) -> Self {
        match bytes {
            ..=SMALL => Self::Small,
            bytes if bytes <= LARGEST => Self::Large,
            _ => Self::TooLarge,
        }
    }

    pub(super) fn is_good(self) -> bool {
        self == Self::Small
    }

    fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::TooLarge => "too-large",
        }
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Small => "within 1 kB: it fits wherever tokens travel",
            Self::Large => {
                "past 1 kB: every request carries it; look up what is not needed each time instead"
            }
            Self::TooLarge => "past 4 kB: servers and proxies refuse header fields of this size (HTTP 431)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_jose::base64url;

    fn budget(claims: &str) -> Budget {
        let encode = |text: &str| base64url::encode(text.as_bytes());
        Budget::of(&Anatomy::of(&format!("{}.{}.AAAA", encode(r#"{"alg":"ES256"}"#), encode(claims))))
    }

    #[test]
    fn the_largest_claims_come_first() {
        let budget = budget(r#"{"a":1,"roles":["one","two","three"],"bb":22,"c":3}"#);
        let names: Vec<_> = budget.largest.iter().map(|share| share.name.as_str()).collect();
        assert_eq!(names, ["roles", "bb", "a"]);
        assert_eq!(
            budget.claims.iter().map(|share| share.bytes).sum::<usize>(),
            50,
            "all but the braces and one comma"
        );
    }

    #[test]
    fn verdicts_on_both_sides_of_the_limits() {
        let cases = [
            (1024, Verdict::Small),
            (1025, Verdict::Large),
            (4096, Verdict::Large),
            (4097, Verdict::TooLarge),
        ];
        for (bytes, want) in cases {
            assert_eq!(Verdict::of(bytes), want, "{bytes}");
        }
    }
}

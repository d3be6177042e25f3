use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Which claim of a token is meant: one at its top, or a value within one.
///
/// It is parsed from text. What begins with a slash is a JSON Pointer
/// ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) into the payload: `/realm_access/roles` is the member `roles` of the
/// claim `realm_access`, `/groups/0` the first element of an array, and `~1` and `~0` stand for `/` and `~` in a
/// name. Everything else is the name of a claim, character by character: `https://example.com/roles` is no pointer.
///
/// ```
/// use gatepass_guard::{ClaimName, ClaimTest, Rule};
///
/// let roles: ClaimName = "/realm_access/roles".parse()?;
/// let rule = Rule::default()
///     .with_claim(roles, ClaimTest::Contains("clerk".into()))
///     .with_claim("tenant".parse()?, ClaimTest::Present);
/// assert!("/a~2b".parse::<ClaimName>().is_err());
/// # Ok::<(), gatepass_guard::InvalidClaimName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimName {
    /// As it was written.
    text: String,
    /// The name at the top.
    claim: String,
    /// The way from there, unescaped.
    within: Vec<String>,
}

/// Why a text names no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClaimName {
    /// It is empty.
    #[error("a claim has a name")]
    Empty,
    /// It begins with a slash and is no JSON Pointer.
    #[error("in a JSON Pointer (RFC 6901), `~` is followed by 0 or 1: `~0` stands for `~`, and `~1` for `/`")]
    Escape,
}

impl FromStr for ClaimName {
    type Err = InvalidClaimName;

    fn from_str(text: &str) -> Result<Self, InvalidClaimName> {
        let Some(pointer) = text.strip_prefix('/') else {
            return match text {
                "" => Err(InvalidClaimName::Empty),
                name => Ok(Self { text: name.to_owned(), claim: name.to_owned(), within: Vec::new() }),
            };
        };
        let mut path = pointer.split('/').map(unescaped);
        let claim = path.next().unwrap_or(Err(InvalidClaimName::Empty))?;
        Ok(Self { text: text.to_owned(), claim, within: path.collect::<Result<_, _>>()? })
    }
}

impl ClaimName {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, if the claim stands at the top of the token.
    #[must_use]
    pub fn at_top(&self) -> Option<&str> {
        self.within.is_empty().then_some(&*self.claim)
    }

    /// The claim at the top that it is, or is in.
    pub(crate) fn claim(&self) -> &str {
        &self.claim
    }

    /// What it names within the claim at the top. A way that leads through anything but objects and arrays, or out of
    /// an array, names nothing.
    pub(crate) fn find<'v>(&self, claim: &'v Value) -> Option<&'v Value> {
        self.within.iter().try_fold(claim, |value, name| match value {
            Value::Object(members) => members.get(name),
            Value::Array(elements) => elements.get(index(name)?),
            _ => None,
        })
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn unescaped(token: &str) -> Result<String, InvalidClaimName> {
    let mut pieces = token.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (stands_for, rest) = match piece.split_at_checked(1) {
            Some(("0", rest)) => ('~', rest),
            Some(("1", rest)) => ('/', rest),
            _ => return Err(InvalidClaimName::Escape),
        };
        name.push(stands_for);
        name.push_str(rest);
    }
    Ok(name)
}

/// RFC 6901 section 4: digits without a leading zero. `-`, the element after the last, is nothing that could be read.
fn index(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (name == "0" || !name.starts_with('0'))).then(|| name.parse().ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_name_leads_to() {
        let claims = json!({
            "tenant": "acme",
            "realm_access": { "roles": ["clerk", "admin"], "": 1, "0": "member", "deep": { "er": null } },
            "https://example.com/roles": ["viewer"],
            "/odd": "slash",
            "a/b": { "m~n": 2, "~1": 3, "~": 4, "/": 5 },
            "groups": ["a", ["b", { "c": 6 }]],
            "": { "": 7 },
            "\u{e9}": { "\u{1f512}": 8 },
        });
        let cases = [
            ("tenant", Some(json!("acme"))),
            ("/tenant", Some(json!("acme"))),
            ("Tenant", None),
            ("/tenant/", None),
            ("/tenant/0", None),
            ("/realm_access/roles", Some(json!(["clerk", "admin"]))),
            ("realm_access/roles", None),
            ("realm_access.roles", None),
            ("/realm_access/roles/0", Some(json!("clerk"))),
            ("/realm_access/roles/1", Some(json!("admin"))),
            ("/realm_access/roles/2", None),
            ("/realm_access/roles/00", None),
            ("/realm_access/roles/01", None),
            ("/realm_access/roles/+1", None),
            ("/realm_access/roles/-1", None),
            ("/realm_access/roles/-", None),
            ("/realm_access/roles/", None),
            ("/realm_access/roles/\u{661}", None), // a digit of another script
            ("/realm_access/roles/18446744073709551616", None),
            ("/realm_access/roles/clerk", None),
            ("/realm_access/", Some(json!(1))),
            ("/realm_access/0", Some(json!("member"))),
            ("/realm_access/deep/er", Some(Value::Null)),
            ("/realm_access/deep/er/further", None),
            ("https://example.com/roles", Some(json!(["viewer"]))),
            ("/https:~1~1example.com~1roles/0", Some(json!("viewer"))),
            ("/~1odd", Some(json!("slash"))),
            ("/odd", None),
            ("/a~1b/m~0n", Some(json!(2))),
            ("/a~1b/~01", Some(json!(3))), // first `~1`, then `~0` would make a slash of it
            ("/a~1b/~0", Some(json!(4))),
            ("/a~1b/~1", Some(json!(5))),
            ("/a/b", None),
            ("/groups/1/1/c", Some(json!(6))),
            ("/groups/1/c", None),
            ("//", Some(json!(7))),
            ("/\u{e9}/\u{1f512}", Some(json!(8))),
            ("/unheard/of", None),
        ];
        for (text, want) in cases {
            let name: ClaimName = text.parse().unwrap();
            let found = claims.get(name.claim()).and_then(|claim| name.find(claim));
            assert_eq!(found, want.as_ref(), "{text}");
            assert_eq!(name.to_string(), text);
            if text.starts_with('/') {
                assert_eq!(found, claims.pointer(text), "{text} as another reads it");
            }
        }
    }

    #[test]
    fn what_is_no_name() {
        use InvalidClaimName::{Empty, Escape};
        let cases = [
            ("", Empty),
            ("/~", Escape),
            ("/a~", Escape),
            ("/a~2", Escape),
            ("/a/~~0", Escape),
            ("/~\u{e9}", Escape),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<ClaimName>(), Err(want), "{text}");
        }
        // Outside of a pointer nothing is escaped.
        assert_eq!("a~2".parse::<ClaimName>().unwrap().at_top(), Some("a~2"));
        assert_eq!("/a~02".parse::<ClaimName>().unwrap().at_top(), Some("a~2"));
        assert_eq!("/a/b".parse::<ClaimName>().unwrap().at_top(), None);
    }
}

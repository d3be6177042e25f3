//! What a login is to be like: in which way its user authenticates, and how long ago (RFC 9470 section 4).

use gatepass_guard::UserAuthentication;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use zeroize::Zeroize;

use super::SessionError;
use super::seal::digest_text;

/// The longest list of authentication contexts, with a space between two: the cookie of a login that has begun has to
/// hold it.
pub(crate) const MAX_ACR_VALUES: usize = 512;

/// What the issuer is asked for, by the parameters of OpenID Connect that have these names. Whoever makes a link to the
/// login says it, so it opens nothing: a route holds the login that comes of it against its own rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
pub(super) struct Demands {
    acr_values: Option<String>,
    /// In seconds.
    max_age: Option<u32>,
}

impl Demands {
    /// What a rule demands. A clock of the issuer's that is behind would find a login young enough that is too old here, and
    /// ask nobody: so the issuer is asked for a younger one.
    pub(super) fn of(rule: &UserAuthentication) -> Self {
        let max_age = rule.max_age().map(|age| age.saturating_sub(UserAuthentication::CLOCK_SKEW));
        Self {
            acr_values: Some(rule.acr_values().join(" ")).filter(|text| is_acr_values(text)),
            // A login that may be older than a lifetime is every login.
            max_age: max_age.and_then(|age| u32::try_from(age.as_secs()).ok()),
        }
    }

    /// What the query of a link to the login says. RFC 6749 section 3.1: no parameter twice.
    pub(super) fn parse(query: &str) -> Result<Self, SessionError> {
        let mut demands = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_repeated = match &*name {
                "acr_values" if is_acr_values(&value) => {
                    demands.acr_values.replace(value.into_owned()).is_some()
                }
                "max_age" => demands.max_age.replace(seconds(&value)?).is_some(),
                "acr_values" => true,
                _ => false,
            };
            if is_repeated {
                return Err(SessionError::Demands);
            }
        }
        Ok(demands)
    }

    /// The parameters that say it.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let acr_values = self.acr_values.clone().map(|values| ("acr_values", values));
        acr_values.into_iter().chain(self.max_age.map(|age| ("max_age", age.to_string())))
    }

    /// What a browser's cookie has for a moment after such a login.
    pub(super) fn mark(&self) -> String {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(self.parameters()).finish();
        digest_text(&text)
    }
}

/// Whether this can be one of `acr_values`.
pub(crate) fn is_acr(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

fn is_acr_values(text: &str) -> bool {
    text.len() <= MAX_ACR_VALUES && text.split(' ').all(is_acr)
}

fn seconds(text: &str) -> Result<u32, SessionError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(SessionError::Demands)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatepass_guard::Rule;

    use super::*;

    fn demands(acr_values: Option<&str>, max_age: Option<u32>) -> Demands {
        Demands { acr_values: acr_values.map(str::to_owned), max_age }
    }

    #[test]
    fn what_a_link_to_the_login_can_ask_for() {
        let refused = || Err(SessionError::Demands);
        let (longest, long) = ("a".repeat(MAX_ACR_VALUES), "a".repeat(MAX_ACR_VALUES + 1));
        let cases = [
            ("", Ok(demands(None, None))),
            ("return_to=%2F&x=y", Ok(demands(None, None))),
            ("acr_values=urn%3Aa", Ok(demands(Some("urn:a"), None))),
            ("acr_values=urn:a+urn:b&max_age=60", Ok(demands(Some("urn:a urn:b"), Some(60)))),
            ("max_age=0", Ok(demands(None, Some(0)))),
            ("max_age=4294967295", Ok(demands(None, Some(u32::MAX)))),
            (&format!("acr_values={longest}"), Ok(demands(Some(&longest), None))),
            (&format!("acr_values={long}"), refused()),
            ("acr_values=", refused()),
            ("acr_values=+a", refused()),
            ("acr_values=a++b", refused()),
            ("acr_values=a%22", refused()),
            ("acr_values=a%5C", refused()),
            ("acr_values=%C3%A9", refused()),
            ("acr_values=a%0D%0A", refused()),
            ("acr_values=a&acr_values=a", refused()),
            ("max_age=4294967296", refused()),
            ("max_age=", refused()),
            ("max_age=-1", refused()),
            ("max_age=%2B1", refused()),
            ("max_age=1.5", refused()),
            ("max_age=1&max_age=1", refused()),
        ];
        for (query, want) in cases {
            assert_eq!(Demands::parse(query), want, "{query}");
        }
    }

    #[test]
    fn what_a_rule_demands_is_what_the_login_is_asked_for() {
        let of = |rule: Rule| Demands::of(rule.user_authentication());
        let secs = Duration::from_secs;
        assert_eq!(of(Rule::default()), Demands::default());
        for (max_age, asked) in [(0, 0), (1, 0), (60, 0), (61, 1), (600, 540)] {
            assert_eq!(
                of(Rule::default().with_max_age(secs(max_age))),
                demands(None, Some(asked)),
                "{max_age}"
            );
        }
        let both = of(Rule::default().with_acr(["urn:a", "urn:b"]).with_max_age(secs(120)));
        assert_eq!(both, demands(Some("urn:a urn:b"), Some(60)));
        assert_eq!(of(Rule::default().with_max_age(secs(u64::MAX))), Demands::default());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(both.parameters()).finish();
        assert_eq!(
            (query.as_str(), Demands::parse(&query)),
            ("acr_values=urn%3Aa+urn%3Ab&max_age=60", Ok(both))
        );
    }

    #[test]
    fn a_mark_tells_logins_apart() {
        let all = [
            demands(None, None),
            demands(Some("a"), None),
            demands(None, Some(1)),
            demands(Some("a"), Some(1)),
            demands(Some("a max_age=1"), None),
        ];
        for one in &all {
            assert_eq!(all.iter().filter(|other| other.mark() == one.mark()).count(), 1, "{one:?}");
            assert_eq!(one.mark().len(), 43);
        }
    }
}

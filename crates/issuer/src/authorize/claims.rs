//! The claims that a client asks for one by one
//! ([OpenID Connect Core 1.0 section 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter)).

use std::collections::{BTreeMap, BTreeSet};

use gatepass_jose::parse_strict_json;
use gatepass_token::ScopeSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Refusal;
use crate::client::{Client, EMAIL, PROFILE, ROLES};
use crate::id_token::ACR_PASSWORD;
use crate::identity_provider::ACR_FEDERATED;

/// The longest text that is read, in bytes.
const MAX_LEN: usize = 2048;
/// The most claims that are asked for in either place, and the most values of one.
const MAX_CLAIMS: usize = 32;

/// The claims of a user that can be asked for alone, and the scope that they belong to.
const SEPARATE: [(&str, &str); 5] = [
    (NAME, PROFILE),
    (PREFERRED_USERNAME, PROFILE),
    (EMAIL_ADDRESS, EMAIL),
    (EMAIL_VERIFIED, EMAIL),
    (ROLES_CLAIM, ROLES),
];
pub(crate) const NAME: &str = "name";
pub(crate) const PREFERRED_USERNAME: &str = "preferred_username";
pub(crate) const EMAIL_ADDRESS: &str = "email";
pub(crate) const EMAIL_VERIFIED: &str = "email_verified";
pub(crate) const ROLES_CLAIM: &str = "roles";

/// What a client gets of a user beyond its scope: names of claims, in each place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestedClaims {
    /// In the ID token.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub id_token: BTreeSet<String>,
    /// At the userinfo endpoint.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub userinfo: BTreeSet<String>,
}

impl RequestedClaims {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }

    /// Passes over what belongs to a scope that `client` may not ask for.
    pub(crate) fn limit_to(&mut self, client: &Client) {
        let out_of_reach = SEPARATE.into_iter().filter(|(_, scope)| !client.may_ask_for(scope));
        for (name, _) in out_of_reach {
            self.id_token.remove(name);
            self.userinfo.remove(name);
        }
    }

    /// The scope that a user who allows them has allowed: what is asked for in another way is not asked less for.
    pub(crate) fn scope(&self) -> ScopeSet {
        let asked = |name: &str| self.id_token.contains(name) || self.userinfo.contains(name);
        SEPARATE
            .into_iter()
            .filter(|(name, _)| asked(name))
            .filter_map(|(_, scope)| scope.parse().ok())
            .fold(ScopeSet::default(), |all, scope| all.union(&scope))
    }
}

/// The parameter `claims`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// What of it can be given.
    pub(crate) requested: RequestedClaims,
    /// Who it must be that logs in: every `sub` that was given a value.
    pub(crate) subjects: BTreeSet<String>,
    /// The authentication context classes of which the login must have one; empty: any.
    pub(crate) acrs: Vec<&'static str>,
    /// Whether it is asked how the user logged in, as a condition or not.
    pub(crate) acr: bool,
    /// Whether it has to be told when the user logged in.
    pub(crate) auth_time: bool,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    id_token: Option<Claims>,
    #[serde(default)]
    userinfo: Option<Claims>,
}

type Claims = BTreeMap<String, Option<Wanted>>;

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    essential: bool,
    value: Option<Value>,
    values: Option<Vec<Value>>,
}

const ODD: Refusal = Refusal::new(
    "invalid_request",
    "claims is a JSON object of at most 2,048 bytes; its members id_token and userinfo ask for at most 32 claims each",
);

impl ClaimsRequest {
    /// Reads the parameter. Claims that nothing is known for are passed over, as section 5.5.1 asks.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_LEN {
            return Err(ODD);
        }
        let document: Document = parse_strict_json(text.as_bytes()).map_err(|_| ODD)?;
        let [id_token, userinfo] = [document.id_token, document.userinfo].map(Option::unwrap_or_default);
        let is_bounded = |claims: &Claims| {
            claims.len() <= MAX_CLAIMS
                && claims.values().flatten().all(|wanted| wanted.values().count() <= MAX_CLAIMS)
        };
        if ![&id_token, &userinfo].into_iter().all(is_bounded) {
            return Err(ODD);
        }
        let acrs = required_acrs(&id_token)?;
        let mut subjects = BTreeSet::new();
        for wanted in [&id_token, &userinfo].into_iter().filter_map(|claims| claims.get("sub")?.as_ref()) {
            for value in wanted.values() {
                subjects.insert(value.as_str().ok_or(ODD)?.to_owned());
            }
        }
        let separate = |claims: &Claims| {
            let names = SEPARATE.into_iter().map(|(name, _)| name);
            names.filter(|name| claims.contains_key(*name)).map(str::to_owned).collect()
        };
        let requested = RequestedClaims { id_token: separate(&id_token), userinfo: separate(&userinfo) };
        let auth_time = matches!(id_token.get("auth_time"), Some(Some(wanted)) if wanted.essential);
        Ok(Self { requested, subjects, acrs, acr: id_token.contains_key("acr"), auth_time })
    }
}

impl Wanted {
    fn values(&self) -> impl Iterator<Item = &Value> {
        self.value.iter().chain(self.values.iter().flatten())
    }
}

/// An essential `acr` with values is a condition of the login
/// ([section 5.5.1.1](https://openid.net/specs/openid-connect-core-1_0.html#acrSemantics)); any other is a wish.
fn required_acrs(id_token: &Claims) -> Result<Vec<&'static str>, Refusal> {
    let Some(Some(wanted)) = id_token.get("acr") else { return Ok(Vec::new()) };
    if !wanted.essential || wanted.values().next().is_none() {
        return Ok(Vec::new());
    }
    let is_wanted = |acr: &&str| wanted.values().any(|value| value == acr);
    let acrs: Vec<_> = [ACR_PASSWORD, ACR_FEDERATED].into_iter().filter(is_wanted).collect();
    if acrs.is_empty() { Err(Refusal::UNMET_AUTHENTICATION_REQUIREMENTS) } else { Ok(acrs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        let many = |count: usize| {
            let claims: Vec<String> = (0..count).map(|at| format!(r#""c{at}":null"#)).collect();
            format!(r#"{{"userinfo":{{{}}}}}"#, claims.join(","))
        };
        let long = format!(r#"{{"userinfo":{{"{}":null}}}}"#, "x".repeat(MAX_LEN));
        let values = format!(r#"{{"id_token":{{"acr":{{"values":[{}]}}}}}}"#, ["1"; 33].join(","));
        let deep = format!(r#"{{"id_token":{{"a":{{"value":{}1{}}}}}}}"#, "[".repeat(300), "]".repeat(300));
        let acr = |rest: &str| format!(r#"{{"id_token":{{"acr":{{{rest}}}}}}}"#);
        let odd = Some("invalid_request");
        let unmet = Some("unmet_authentication_requirements");
        let cases = [
            ("nothing", "{}".to_owned(), None),
            (
                "nulls",
                r#"{"id_token":null,"userinfo":{"name":null,"email":{"essential":true}}}"#.into(),
                None,
            ),
            ("unknown_members", r#"{"x":[1],"id_token":{"a":{"x":{"y":1}}}}"#.into(), None),
            ("as_many_as_there_may_be", many(32), None),
            ("too_many", many(33), odd),
            ("too_long", long, odd),
            ("too_many_values", values, odd),
            ("too_deep", deep, odd),
            ("no_object", "[]".into(), odd),
            ("text", r#""id_token""#.into(), odd),
            ("a_list", r#"{"id_token":["acr"]}"#.into(), odd),
            ("a_claim_of_text", r#"{"id_token":{"acr":"x"}}"#.into(), odd),
            ("twice", r#"{"id_token":{},"id_token":{}}"#.into(), odd),
            ("a_claim_twice", r#"{"id_token":{"a":null,"a":null}}"#.into(), odd),
            ("cut", r#"{"id_token":{"a""#.into(), odd),
            ("essential_text", r#"{"id_token":{"a":{"essential":"yes"}}}"#.into(), odd),
            ("a_subject_of_number", r#"{"id_token":{"sub":{"value":5}}}"#.into(), odd),
            ("acr", acr(r#""essential":true,"value":"urn:gatepass:acr:password""#), None),
            ("acr_among", acr(r#""essential":true,"values":["x","urn:gatepass:acr:password"]"#), None),
            ("acr_of_a_provider", acr(r#""essential":true,"value":"urn:gatepass:acr:federated""#), None),
            ("acr_any", acr(r#""essential":true"#), None),
            ("acr_wish", acr(r#""values":["x"]"#), None),
            ("acr_unmet", acr(r#""essential":true,"values":["x"]"#), unmet),
            ("acr_unmet_value", acr(r#""essential":true,"value":"x""#), unmet),
        ];
        for (name, text, want) in cases {
            assert_eq!(ClaimsRequest::parse(&text).err().map(|refusal| refusal.error), want, "{name}");
        }
    }

    #[test]
    fn what_comes_of_it() {
        let text = r#"{"id_token":{"preferred_username":{"essential":true},"sub":{"value":"a"},"acr":null},
                       "userinfo":{"sub":{"values":["a","b"]},"email":null}}"#;
        let read = ClaimsRequest::parse(text).unwrap();
        assert_eq!(read.subjects.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.requested.id_token.iter().collect::<Vec<_>>(), [PREFERRED_USERNAME]);
        assert_eq!(read.requested.userinfo.iter().collect::<Vec<_>>(), [EMAIL_ADDRESS]);
        assert_eq!(read.requested.scope().to_string(), "email profile", "allowed as if asked for by scope");
        assert!(read.acr, "asked for, and no condition");
        assert!(ClaimsRequest::parse("{}").unwrap().requested.scope().is_empty());
        let asks =
            |wanted: &str| ClaimsRequest::parse(&format!(r#"{{"id_token":{{"auth_time":{wanted}}}}}"#));
        for (wanted, want) in [("null", false), ("{}", false), (r#"{"essential":true}"#, true)] {
            assert_eq!(asks(wanted).unwrap().auth_time, want, "{wanted}");
            assert!(!asks(wanted).unwrap().acr, "{wanted}");
        }
    }
}

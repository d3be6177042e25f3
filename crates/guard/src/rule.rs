use std::time::Duration;

use gatepass_token::ScopeSet;
use serde_json::Value;

use crate::{Admitted, Denied, Unproven, UserAuthentication};

/// What a route demands of a token beyond being valid.
///
/// The default demands nothing more. Every demand that is made must be met; nothing that is demanded can
/// be switched off by leaving it empty: of no role at all, no token has any.
///
/// ```
/// use gatepass_guard::{ClaimTest, Rule};
///
/// let rule = Rule::default()
///     .with_scope("orders:read orders:write".parse()?) // all of these
///     .with_role(["clerk", "admin"])                   // any of these
///     .with_claim("tenant", ClaimTest::Equals("acme".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    scope: ScopeSet,
    role: Option<Vec<String>>,
    claims: Vec<(String, ClaimTest)>,
    dpop: bool,
    user: UserAuthentication,
}

/// What a claim has to be. A claim that is absent passes no test, and `null` is a value.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimTest {
    /// It is there, whatever it is.
    Present,
    /// It is this value.
    Equals(Value),
    /// It is one of these values.
    OneOf(Vec<Value>),
    /// It is an array, and this is one of its elements.
    Contains(Value),
    /// It is what the request's path has for the parameter of this name: text that is the same character by
    /// character, or a whole number that is written so, without sign `+` and leading zeros.
    ///
    /// With it, `sub` against the `user` of `/users/{user}/orders` opens to each their own. Where nobody says
    /// what the path has, no claim passes.
    Parameter(String),
}

impl Rule {
    /// Demands every one of these scopes, beside those demanded before.
    #[must_use]
    pub fn with_scope(mut self, scope: ScopeSet) -> Self {
        self.scope = self.scope.union(&scope);
        self
    }

    /// Demands at least one of these roles, instead of those demanded before.
    #[must_use]
    pub fn with_role<R: Into<String>>(mut self, any_of: impl IntoIterator<Item = R>) -> Self {
        self.role = Some(any_of.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that a claim pass a test, beside the tests demanded before.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<String>, test: ClaimTest) -> Self {
        self.claims.push((name.into(), test));
        self
    }

    /// Demands that the token be bound to a key, and the sender have proved to hold it (DPoP).
    #[must_use]
    pub fn with_dpop(mut self) -> Self {
        self.dpop = true;
        self
    }

    /// Whether it demands DPoP.
    #[must_use]
    pub fn requires_dpop(&self) -> bool {
        self.dpop
    }

    /// Demands that the user has logged in under one of these authentication contexts, told by the claim `acr`,
    /// instead of those demanded before; the preferred one first
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    ///
    /// A value has no spaces in it, which separate the values on the wire.
    #[must_use]
    pub fn with_acr<A: Into<String>>(mut self, any_of: impl IntoIterator<Item = A>) -> Self {
        self.user.acr_values = Some(any_of.into_iter().map(Into::into).collect());
        self
    }

    /// Demands that the user has logged in no longer ago than this, told by the claim `auth_time`
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)). Seconds count, parts of one do
    /// not. A token that does not tell is refused, and so is one that tells of a time more than a minute ahead.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.user.max_age = Some(Duration::from_secs(max_age.as_secs()));
        self
    }

    /// What it demands of the user's login.
    #[must_use]
    pub fn user_authentication(&self) -> &UserAuthentication {
        &self.user
    }

    /// Whether a claim is compared with a parameter of the path, so that [`check_with`](Self::check_with) has to
    /// be told of those.
    #[must_use]
    pub fn requires_parameters(&self) -> bool {
        self.claims.iter().any(|(_, test)| matches!(test, ClaimTest::Parameter(_)))
    }

    /// Whether a token meets every demand, on a path without parameters.
    ///
    /// # Errors
    /// [`Denied::Unproven`], [`Denied::InsufficientScope`], [`Denied::MissingRole`], [`Denied::WrongClaim`] or
    /// [`Denied::InsufficientUserAuthentication`], in this order: who would not get in after another login, is
    /// not sent to one.
    pub fn check(&self, token: &Admitted) -> Result<(), Denied> {
        self.check_with(token, |_| None::<&str>)
    }

    /// Whether a token meets every demand. `parameter` tells what the request's path has for a name,
    /// percent-decoded once, and is asked only for the names that the rule has.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_with<P: AsRef<str>>(
        &self,
        token: &Admitted,
        parameter: impl Fn(&str) -> Option<P>,
    ) -> Result<(), Denied> {
        if self.dpop && !token.is_dpop_bound() {
            return Err(Unproven::DpopRequired.into());
        }
        if !self.scope.is_subset(&token.scope) {
            return Err(Denied::InsufficientScope { required: self.scope.clone() });
        }
        if let Some(required) = &self.role
            && !required.iter().any(|role| token.roles.contains(role))
        {
            return Err(Denied::MissingRole { required: required.clone() });
        }
        let passes = |(name, test): &(String, ClaimTest)| match test {
            ClaimTest::Parameter(named) => {
                parameter(named).is_some_and(|text| is_told(token, name, text.as_ref()))
            }
            test => test.passes(token.claim(name)),
        };
        if let Some((claim, _)) = self.claims.iter().find(|claim| !passes(claim)) {
            return Err(Denied::WrongClaim { claim: claim.clone() });
        }
        self.user.check(token)
    }
}

impl ClaimTest {
    fn passes(&self, claim: Option<&Value>) -> bool {
        let Some(claim) = claim else { return false };
        match self {
            ClaimTest::Present => true,
            ClaimTest::Equals(value) => claim == value,
            ClaimTest::OneOf(values) => values.contains(claim),
            ClaimTest::Contains(value) => claim.as_array().is_some_and(|elements| elements.contains(value)),
            ClaimTest::Parameter(_) => false, // of a path that nobody has told of
        }
    }
}

/// Whether a claim says the same as a piece of a path.
fn is_told(token: &Admitted, claim: &str, text: &str) -> bool {
    // The one that is asked for most is read already.
    if claim == "sub" {
        return token.sub == text;
    }
    match token.claim(claim) {
        Some(Value::String(claim)) => claim == text,
        Some(Value::Number(claim)) if claim.is_i64() || claim.is_u64() => claim.to_string() == text,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, Audience, Issuer, KeySet, SigningKey, Timestamp, Typ, jwt};
    use gatepass_token::access_verifier;
    use serde_json::json;

    use super::*;
    use std::sync::Arc;

    use crate::WeakAuthentication;
    use crate::believed::{Believed, Profile};
    use crate::clock::Now;
    use crate::sender::Sender;

    const NOW: i64 = 1_763_780_000;

    fn admitted(claims: Value) -> Admitted {
        let now = Timestamp::from_secs(NOW);
        let mut all = json!({
            "iss": "https://auth.example.com", "aud": "api", "sub": "ann", "jti": "t", "client_id": "web",
            "iat": now.as_secs(), "exp": now.as_secs() + 900,
        });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let key = SigningKey::generate(Alg::EdDSA, Some("k")).unwrap();
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &all, &key).unwrap();
        let verifier = access_verifier(
            Issuer::new("https://auth.example.com").unwrap(),
            Audience::new(["api"]).unwrap(),
            KeySet::new(vec![key.verifying_key().unwrap()]),
        );
        let believed =
            Believed::verify(Profile::Rfc9068, &verifier, &token, Now { wall: now, steady: now }).unwrap();
        Admitted::new(Arc::new(believed), Sender::default(), now)
    }

    #[test]
    fn rules_and_a_token_that_meets_them_or_does_not() {
        let token = admitted(json!({
            "scope": "orders:read orders:write",
            "roles": ["clerk"],
            "tenant": "acme",
            "level": 3,
            "groups": ["a", "b"],
            "nothing": null,
        }));
        let scope = |scope: &str| Rule::default().with_scope(scope.parse().unwrap());
        let claim = |name: &str, test: ClaimTest| Rule::default().with_claim(name, test);
        let insufficient = |scope: &str| Err(Denied::InsufficientScope { required: scope.parse().unwrap() });
        let no_role = |roles: &[&str]| {
            Err(Denied::MissingRole { required: roles.iter().map(|&role| role.into()).collect() })
        };
        let wrong = |claim: &str| Err(Denied::WrongClaim { claim: claim.into() });
        let cases = [
            ("no_demand", Rule::default(), Ok(())),
            ("one_scope", scope("orders:read"), Ok(())),
            ("all_scopes", scope("orders:write orders:read"), Ok(())),
            ("one_scope_lacking", scope("orders:read admin"), insufficient("admin orders:read")),
            ("scope_by_prefix", scope("orders"), insufficient("orders")),
            ("scopes_add_up", scope("a").with_scope("b".parse().unwrap()), insufficient("a b")),
            ("any_role", Rule::default().with_role(["admin", "clerk"]), Ok(())),
            ("no_such_role", Rule::default().with_role(["admin"]), no_role(&["admin"])),
            ("of_no_roles", Rule::default().with_role::<&str>([]), no_role(&[])),
            ("claim_equals", claim("tenant", ClaimTest::Equals("acme".into())), Ok(())),
            ("claim_differs", claim("tenant", ClaimTest::Equals("Acme".into())), wrong("tenant")),
            ("number_is_no_text", claim("level", ClaimTest::Equals("3".into())), wrong("level")),
            ("one_of", claim("level", ClaimTest::OneOf(vec![json!(2), json!(3)])), Ok(())),
            ("one_of_none", claim("level", ClaimTest::OneOf(vec![])), wrong("level")),
            ("contains", claim("groups", ClaimTest::Contains("b".into())), Ok(())),
            ("contains_not", claim("groups", ClaimTest::Contains("c".into())), wrong("groups")),
            ("text_contains_nothing", claim("tenant", ClaimTest::Contains("acme".into())), wrong("tenant")),
            ("present", claim("groups", ClaimTest::Present), Ok(())),
            ("present_and_null", claim("nothing", ClaimTest::Present), Ok(())),
            ("absent", claim("unheard_of", ClaimTest::Present), wrong("unheard_of")),
            ("dpop", Rule::default().with_dpop(), Err(Unproven::DpopRequired.into())),
            ("absent_is_not_null", claim("unheard_of", ClaimTest::Equals(Value::Null)), wrong("unheard_of")),
            (
                "every_demand_counts",
                scope("orders:read").with_role(["clerk"]).with_claim("level", ClaimTest::Equals(json!(4))),
                wrong("level"),
            ),
        ];
        for (name, rule, want) in cases {
            assert_eq!(rule.check(&token), want, "{name}");
        }
    }

    #[test]
    fn claims_against_the_parameters_of_a_path() {
        let token = admitted(json!({
            "tenant": "a b/\u{e9}", "number": 42, "negative": -7, "large": u64::MAX, "fraction": 42.0,
            "truth": true, "list": ["ann"], "nothing": null, "empty": "",
        }));
        let cases = [
            ("sub", Some("ann"), true),
            ("sub", Some("Ann"), false),
            ("sub", Some("ann "), false),
            ("sub", Some(""), false),
            ("sub", None, false),
            ("tenant", Some("a b/\u{e9}"), true),
            ("tenant", Some("a b/e\u{301}"), false), // the same to the eye, and another name
            ("tenant", Some("a%20b/\u{e9}"), false),
            ("number", Some("42"), true),
            ("number", Some("042"), false),
            ("number", Some("+42"), false),
            ("number", Some("42.0"), false),
            ("negative", Some("-7"), true),
            ("large", Some("18446744073709551615"), true),
            ("fraction", Some("42.0"), false), // how a fraction is written is nothing to build a rule on
            ("truth", Some("true"), false),
            ("list", Some("ann"), false),
            ("nothing", Some("null"), false),
            ("empty", Some(""), true),
            ("unheard_of", Some(""), false),
        ];
        for (claim, text, passes) in cases {
            let rule = Rule::default().with_claim(claim, ClaimTest::Parameter("user".into()));
            let want = if passes { Ok(()) } else { Err(Denied::WrongClaim { claim: claim.into() }) };
            let parameter = |name: &str| text.filter(|_| name == "user");
            assert_eq!(rule.check_with(&token, parameter), want, "{claim} {text:?}");
            assert!(rule.check(&token).is_err(), "{claim}: a path without parameters");
            assert!(rule.requires_parameters());
        }
    }

    #[test]
    fn how_strongly_and_how_long_ago_the_user_logged_in() {
        use WeakAuthentication::{Context, InTheFuture, NoTime, TooLongAgo};
        let ten_minutes = || Rule::default().with_max_age(Duration::from_millis(600_999));
        let strong = || Rule::default().with_acr(["urn:gold", "urn:silver"]);
        let cases = [
            ("one_of_the_contexts", strong(), json!({ "acr": "urn:silver" }), None),
            ("another_context", strong(), json!({ "acr": "urn:bronze" }), Some(Context)),
            ("no_context", strong(), json!({}), Some(Context)),
            ("contexts_as_a_list", strong(), json!({ "acr": ["urn:gold"] }), Some(Context)),
            ("several_in_one", strong(), json!({ "acr": "urn:gold urn:silver" }), Some(Context)),
            (
                "of_no_contexts",
                Rule::default().with_acr::<&str>([]),
                json!({ "acr": "urn:gold" }),
                Some(Context),
            ),
            ("just_now", ten_minutes(), json!({ "auth_time": NOW }), None),
            ("at_the_bound", ten_minutes(), json!({ "auth_time": NOW - 600 }), None),
            ("past_the_bound", ten_minutes(), json!({ "auth_time": NOW - 601 }), Some(TooLongAgo)),
            ("a_fraction_past", ten_minutes(), json!({ "auth_time": NOW as f64 - 600.5 }), Some(TooLongAgo)),
            ("long_before_anything", ten_minutes(), json!({ "auth_time": i64::MIN }), Some(TooLongAgo)),
            ("not_told", ten_minutes(), json!({}), Some(NoTime)),
            ("as_text", ten_minutes(), json!({ "auth_time": NOW.to_string() }), Some(NoTime)),
            ("null", ten_minutes(), json!({ "auth_time": null }), Some(NoTime)),
            ("a_clock_ahead", ten_minutes(), json!({ "auth_time": NOW + 60 }), None),
            ("in_the_future", ten_minutes(), json!({ "auth_time": NOW + 61 }), Some(InTheFuture)),
            ("never_to_grow_old", ten_minutes(), json!({ "auth_time": u64::MAX }), Some(InTheFuture)),
            ("beyond_numbers", ten_minutes(), json!({ "auth_time": 1e300 }), Some(InTheFuture)),
            (
                "both",
                strong().with_max_age(Duration::from_secs(1)),
                json!({ "acr": "urn:gold", "auth_time": NOW - 2 }),
                Some(TooLongAgo),
            ),
        ];
        for (name, rule, claims, want) in cases {
            let found = match rule.check(&admitted(claims)) {
                Ok(()) => None,
                Err(Denied::InsufficientUserAuthentication { problem, .. }) => Some(problem),
                Err(other) => panic!("{name}: {other}"),
            };
            assert_eq!(found, want, "{name}");
        }
        // Another login would not help who lacks the scope.
        let both = strong().with_scope("a".parse().unwrap()).check(&admitted(json!({})));
        assert!(matches!(both, Err(Denied::InsufficientScope { .. })), "{both:?}");
    }
}

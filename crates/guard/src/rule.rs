use gatepass_token::ScopeSet;
use serde_json::Value;

use crate::{Admitted, Denied, Unproven};

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

    /// Whether a token meets every demand.
    ///
    /// # Errors
    /// [`Denied::Unproven`], [`Denied::InsufficientScope`], [`Denied::MissingRole`] or
    /// [`Denied::WrongClaim`], in this order.
    pub fn check(&self, token: &Admitted) -> Result<(), Denied> {
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
        match self.claims.iter().find(|(name, test)| !test.passes(token.claim(name))) {
            Some((claim, _)) => Err(Denied::WrongClaim { claim: claim.clone() }),
            None => Ok(()),
        }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, Audience, Issuer, KeySet, SigningKey, Timestamp, Typ, jwt};
    use gatepass_token::access_verifier;
    use serde_json::json;

    use super::*;
    use crate::clock::Now;
    use crate::keys::verify;
    use crate::sender::Sender;

    fn admitted(claims: Value) -> Admitted {
        let now = Timestamp::from_secs(1_763_780_000);
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
        let believed = verify(&verifier, &token, Now { wall: now, steady: now }).unwrap();
        Admitted::new(believed, Sender::default())
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
}

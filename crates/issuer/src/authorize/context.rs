//! How a client wants its user to have logged in: authentication context classes.
//!
//! A client asks for them in two ways. An essential claim `acr` is a condition
//! ([OpenID Connect Core 1.0 section 5.5.1.1](https://openid.net/specs/openid-connect-core-1_0.html#acrSemantics)). The parameter
//! `acr_values` is a wish where the client asks no more than who its user is
//! ([section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)): what cannot be had is no error. Where the
//! access token is to open something elsewhere it is a condition too
//! ([RFC 9470 section 5](https://www.rfc-editor.org/rfc/rfc9470#section-5)): most such requests come from a client that was
//! turned away there, and with a token that says no more than the last it would be turned away again, without end.
//! What a client has registered for requests that say nothing of it (`default_acr_values`) is always a wish
//! ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).

use super::{AuthorizationRequest, Refusal};
use crate::client::USER_SCOPES;
use crate::id_token::ACR_PASSWORD;
use crate::identity_provider::ACR_FEDERATED;
use crate::issuer::Issuer;

/// The authentication context classes of which a login is to have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedContexts {
    /// Empty: any.
    any_of: Vec<&'static str>,
    /// Whether nothing else will do.
    essential: bool,
}

impl WantedContexts {
    /// Those of `given` that are wanted: by an essential claim, or else by `acr_values`.
    pub(super) fn of(
        essential: &[&str],
        acr_values: Option<&str>,
        is_condition: bool,
        given: &[&'static str],
    ) -> Result<Self, Refusal> {
        let known = |is_wanted: &dyn Fn(&str) -> bool| {
            given.iter().copied().filter(|acr| is_wanted(acr)).collect::<Vec<_>>()
        };
        let values = || acr_values.unwrap_or_default().split(' ').filter(|value| !value.is_empty());
        let (any_of, essential) = match essential {
            [] if values().next().is_none() => return Ok(Self::default()),
            [] => (known(&|acr| values().any(|value| value == acr)), is_condition),
            essential => (known(&|acr| essential.contains(&acr)), true),
        };
        match any_of.is_empty() && essential {
            true => Err(Refusal::UNMET_AUTHENTICATION_REQUIREMENTS),
            false => Ok(Self { any_of, essential }),
        }
    }

    /// Whether a login of that class is what is wanted.
    #[must_use]
    pub fn contains(&self, acr: &str) -> bool {
        self.any_of.is_empty() || self.any_of.contains(&acr)
    }

    /// Whether a login of that class will do, wanted or not.
    #[must_use]
    pub fn takes(&self, acr: &str) -> bool {
        !self.essential || self.contains(acr)
    }

    /// Whether only what is wanted will do.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        self.essential
    }
}

impl Issuer {
    /// The classes that a login here can have: with a password, or with a provider where there is one.
    #[must_use]
    pub fn acr_values_supported(&self) -> Vec<&'static str> {
        let federated = (!self.identity_providers().is_empty()).then_some(ACR_FEDERATED);
        [ACR_PASSWORD].into_iter().chain(federated).collect()
    }

    /// What `request` wants of the login, with `acr_values` as it came; `elsewhere` says that a resource server was named.
    pub(super) fn wanted_contexts(
        &self,
        request: &AuthorizationRequest,
        acr_values: Option<&str>,
        elsewhere: bool,
    ) -> Result<WantedContexts, Refusal> {
        let opens_something = elsewhere
            || !request.authorization_details.is_empty()
            || request.scope.iter().any(|scope| !USER_SCOPES.contains(&scope));
        let given = self.acr_values_supported();
        if acr_values.is_none() && !request.claims.acr {
            let preferred = request.client.extensions.default_acr_values.iter().collect::<Vec<_>>().join(" ");
            return WantedContexts::of(&[], Some(&preferred), false, &given);
        }
        WantedContexts::of(&request.claims.acrs, acr_values, opens_something, &given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_wish_and_what_a_condition() {
        const BOTH: &[&str] = &[ACR_PASSWORD, ACR_FEDERATED];
        const PASSWORD: &[&str] = &[ACR_PASSWORD];
        let all = format!("{ACR_FEDERATED}  x {ACR_PASSWORD}");
        let all = Some(all.as_str());
        let (essential, one): (&[&str], _) = (&[ACR_FEDERATED], Some(ACR_PASSWORD));
        let unmet = Err("unmet_authentication_requirements");
        let ok =
            |any_of: &[&'static str], essential| Ok(WantedContexts { any_of: any_of.to_vec(), essential });
        let any = || Ok(WantedContexts::default());
        let cases = [
            ("nothing", &[][..], None, true, BOTH, any()),
            ("blanks", &[], Some("  "), true, BOTH, any()),
            ("a_wish", &[], one, false, BOTH, ok(PASSWORD, false)),
            ("a_condition", &[], one, true, BOTH, ok(PASSWORD, true)),
            ("one_of_several", &[], all, true, BOTH, ok(BOTH, true)),
            ("as_far_as_it_is_given", &[], all, true, PASSWORD, ok(PASSWORD, true)),
            ("a_wish_for_what_is_not_given", &[], Some("urn:gold"), false, BOTH, any()),
            ("a_condition_that_is_not_given", &[], Some("urn:gold"), true, BOTH, unmet.clone()),
            ("part_of_a_name", &[], Some("urn:gatepass:acr:pass"), true, BOTH, unmet.clone()),
            ("another_case", &[], Some("URN:GATEPASS:ACR:PASSWORD"), true, BOTH, unmet.clone()),
            ("an_essential_claim", essential, None, false, BOTH, ok(essential_only(), true)),
            ("an_essential_claim_counts_more", essential, one, false, BOTH, ok(essential_only(), true)),
            ("an_essential_claim_that_is_not_given", essential, one, false, PASSWORD, unmet),
        ];
        for (name, essential, values, is_condition, given, want) in cases {
            let found = WantedContexts::of(essential, values, is_condition, given);
            assert_eq!(found.map_err(|refusal| refusal.error), want, "{name}");
        }
    }

    fn essential_only() -> &'static [&'static str] {
        &[ACR_FEDERATED]
    }

    #[test]
    fn what_will_do() {
        let wanted = |essential| WantedContexts { any_of: vec![ACR_FEDERATED], essential };
        let cases = [
            ("anything", WantedContexts::default(), true, true),
            ("a_wish", wanted(false), false, true),
            ("a_condition", wanted(true), false, false),
        ];
        for (name, wanted, contains, takes) in cases {
            assert_eq!(
                (wanted.contains(ACR_PASSWORD), wanted.takes(ACR_PASSWORD)),
                (contains, takes),
                "{name}"
            );
            assert!(wanted.contains(ACR_FEDERATED) && wanted.takes(ACR_FEDERATED), "{name}");
        }
    }
}

//! What users have allowed clients: remembered, shown, and taken back.

use std::collections::BTreeMap;

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};
use gatepass_token::{AuthorizationDetails, ScopeSet};

use crate::id::{ClientId, UserId};
use crate::issuer::Issuer;
use crate::resource::GrantedResources;
use crate::store::StoreError;

/// What one user has allowed one client at one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who allowed it.
    pub user: UserId,
    /// To whom.
    pub client: ClientId,
    /// Where: the audience ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)). `None`: wherever the client's tokens are
    /// good when it names no resource, of consents from before others were remembered.
    pub resource: Option<String>,
    /// What.
    pub scope: ScopeSet,
    /// When they first did.
    pub given_at: Timestamp,
}

/// Everything that one user has allowed one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// To whom.
    pub client: ClientId,
    /// What is remembered, so that it is not asked for again; in the order of the resources.
    pub consents: Vec<Consent>,
    /// What is allowed beyond scopes in sessions that live. It is not remembered.
    pub authorization_details: AuthorizationDetails,
    /// When they first allowed any of it.
    pub given_at: Timestamp,
}

impl Granted {
    fn to(client: ClientId, given_at: Timestamp) -> Self {
        Self {
            client,
            consents: Vec::new(),
            authorization_details: AuthorizationDetails::default(),
            given_at,
        }
    }

    /// What is remembered at any resource.
    #[must_use]
    pub fn scope(&self) -> ScopeSet {
        self.consents.iter().fold(ScopeSet::default(), |all, consent| all.union(&consent.scope))
    }
}

/// What was allowed at each of `resources`, by consents to one client whose tokens are good at `default` when it names no
/// resource; `None` where nothing was at one of them.
pub(crate) fn allowed_at(
    consents: &[Consent],
    resources: &GrantedResources,
    default: Option<&str>,
) -> Option<ScopeSet> {
    let at = |resource: &str| {
        let here = |consent: &&Consent| consent.resource.as_deref().or(default) == Some(resource);
        let scopes = consents.iter().filter(here).map(|consent| consent.scope.clone());
        scopes.reduce(|all, scope| all.union(&scope))
    };
    let mut all = resources.iter().map(at);
    let first = all.next()??;
    all.try_fold(first, |common, scope| Some(common.intersection(&scope?)))
}

impl Issuer {
    /// Remembers that a user allows `client` that scope at each of these resources.
    pub(crate) async fn remember_consent(
        &self,
        user: UserId,
        client: &ClientId,
        scope: &ScopeSet,
        resources: &GrantedResources,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let at = |resource: &str| Consent {
            user,
            client: client.clone(),
            resource: Some(resource.to_owned()),
            scope: scope.clone(),
            given_at: now,
        };
        self.store.give_consents(resources.iter().map(at).collect()).await?;
        let resources = resources.iter().collect::<Vec<_>>().join(" ");
        tracing::info!(
            target: "gatepass::audit", event = "consent-given", sub = %user, client_id = %client, %scope, %resources
        );
        Ok(())
    }

    /// Everything that a user has allowed, in the order of the clients' identifiers. Of sessions, the oldest thousand
    /// that live are looked at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_consents(&self, user: UserId, now: Timestamp) -> Result<Vec<Granted>, StoreError> {
        let mut granted = BTreeMap::new();
        for consent in self.store.list_consents(user).await? {
            let to: &mut Granted = granted
                .entry(consent.client.clone())
                .or_insert_with(|| Granted::to(consent.client.clone(), consent.given_at));
            to.given_at = to.given_at.min(consent.given_at);
            to.consents.push(consent);
        }
        for session in self.store.list_sessions(user, now).await? {
            if session.authorization_details.is_empty() || session.client.is_reserved() {
                continue;
            }
            let to = granted
                .entry(session.client.clone())
                .or_insert_with(|| Granted::to(session.client.clone(), session.created_at));
            to.given_at = to.given_at.min(session.created_at);
            to.authorization_details = to.authorization_details.union(&session.authorization_details);
        }
        Ok(granted.into_values().collect())
    }

    /// Takes back what a user has allowed a client: it must ask again, and the sessions and access tokens
    /// that it has of the user end now. `false` when there was nothing to take back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is taken back then.
    pub async fn withdraw_consent(
        &self,
        user: UserId,
        client: &ClientId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The operator's own apps live without consent, and a login is not a client's.
        if client.is_reserved() {
            return Ok(false);
        }
        let revocation = self.revocation(Kind::Session, "", reason, now);
        let known = self.store.withdraw_consent(user, client, now, revocation).await?;
        self.feed.pump(&*self.store).await?;
        tracing::info!(
            target: "gatepass::audit", event = "consent-withdrawn", sub = %user, client_id = %client, known
        );
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_counts_where_it_was_allowed() {
        let consent = |resource: Option<&str>, scope: &str| Consent {
            user: UserId::from_bytes([1; 16]),
            client: "web".parse().unwrap(),
            resource: resource.map(str::to_owned),
            scope: scope.parse().unwrap(),
            given_at: Timestamp::EPOCH,
        };
        let before = || consent(None, "x y");
        let (at_a, at_b) = (|| consent(Some("a"), "y z"), || consent(Some("b"), "z"));
        let cases = [
            ("nothing", vec![], &["a"][..], None),
            ("there", vec![at_b()], &["b"], Some("z")),
            ("elsewhere", vec![at_b()], &["a"], None),
            ("in_part", vec![at_b()], &["b", "a"], None),
            ("at_each", vec![at_a(), at_b()], &["a", "b"], Some("z")),
            ("at_each_and_the_order_is_no_matter", vec![at_a(), at_b()], &["b", "a"], Some("z")),
            ("nothing_in_common", vec![consent(Some("a"), "y"), at_b()], &["a", "b"], Some("")),
            ("no_scope_at_all", vec![consent(Some("b"), "")], &["b"], Some("")),
            ("from_before", vec![before()], &["a"], Some("x y")),
            ("from_before_elsewhere", vec![before()], &["b"], None),
            ("from_before_and_since", vec![before(), at_a(), at_b()], &["a"], Some("x y z")),
            ("a_longer_name", vec![at_b()], &["b/"], None),
        ];
        for (name, consents, resources, want) in cases {
            let (first, more) = resources.split_first().unwrap();
            let more = more.iter().map(|&more| more.to_owned()).collect();
            let resources = GrantedResources { first: (*first).to_owned(), more };
            let found = allowed_at(&consents, &resources, Some("a"));
            assert_eq!(found.map(|scope| scope.to_string()).as_deref(), want, "{name}");
        }
        let nowhere = allowed_at(&[before()], &GrantedResources::one("a"), None);
        assert_eq!(nowhere, None, "a client without a default");
    }
}

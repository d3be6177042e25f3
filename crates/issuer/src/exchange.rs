//! Token exchange ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)): a service that was sent a token gets one
//! for the next service, for the same subject and never for more.

use std::time::Duration;

use gatepass_jose::{Rejection, Timestamp, Verified};
use gatepass_token::{AccessClaims, Actor, AuthorizationDetails, ScopeSet};
use thiserror::Error;

use crate::binding::Binding;
use crate::client::{Client, ExchangePolicy, USER_SCOPES};
use crate::grant::{TokenError, TokenResponse};
use crate::issuer::Issuer;
use crate::mint::{Grant, LoginClaims, Target};
use crate::sessions::{BearerError, limit_to};

/// A token that was exchanged lives no longer than this, and no longer than what it was exchanged for. It is
/// used at once, and who needs it again exchanges again; a revocation of the one presented, by its `jti`, does
/// not reach it.
const MAX_LIFETIME: Duration = Duration::from_secs(300);
/// More hands than this through which a token may go are no call from service to service, but a loop.
const MAX_ACTORS: usize = 8;

/// What a client wants exchanged ([RFC 8693 section 2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.1)).
#[derive(Clone)]
pub struct TokenExchange {
    /// An access token of this issuer.
    pub subject_token: String,
    /// An access token of this issuer for whoever acts, issued to the client that asks; `None`: that client.
    pub actor_token: Option<String>,
    /// What the new token is to be for: the audience of a resource server.
    pub audience: String,
    /// A part of what the subject token allows; `None`: all of it.
    pub scope: Option<ScopeSet>,
}

impl std::fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { audience, scope, .. } = self;
        f.debug_struct("TokenExchange")
            .field("audience", audience)
            .field("scope", scope)
            .finish_non_exhaustive()
    }
}

/// Why a token is not exchanged, or does not make an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeRefusal {
    /// The token to be exchanged is not taken.
    #[error("the subject token {0}")]
    Subject(Unusable),
    /// The actor's token is not taken.
    #[error("the actor token {0}")]
    Actor(Unusable),
    /// It went through too many hands.
    #[error("the subject token names more than {MAX_ACTORS} actors already")]
    TooManyActors,
}

/// What is wrong with a token that is to be exchanged. Whoever may exchange tokens may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is not an access token that only this issuer can have minted.
    #[error("is not an access token of this issuer under a published key")]
    Invalid,
    /// It has expired; its clock allowance is for those that use it, not for those that renew it.
    #[error("has expired")]
    Expired,
    /// It was taken back.
    #[error("was revoked")]
    Revoked,
    /// It is bound to a key ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)) that the request does not prove; the
    /// new token would be good without that key, or for another.
    #[error("is bound to its sender's key, which the request does not show")]
    Bound,
    /// It is not meant for a resource server that the client stands for, nor was it issued to the client.
    #[error("is not one that this client was meant to be sent")]
    NotTheClients,
}

/// What the client has shown with the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// All of it.
    pub(crate) all: Binding,
    /// What its tokens are to be bound to.
    pub(crate) binding: Binding,
}

impl Issuer {
    /// Exchanges a token. One that is bound to a key is taken with a proof of that key, which binds the new one. The new one speaks for the same subject and belongs to the same session; it has at
    /// most the old one's scope, dies no later, and is stamped so that a revocation which the check here could
    /// not know of yet reaches it.
    pub(crate) fn exchange(
        &self,
        client: &Client,
        exchange: &TokenExchange,
        shown: Shown,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let policy = client.exchange.as_ref().ok_or(TokenError::UnauthorizedClient)?;
        let target = self.exchange_target(policy, &exchange.audience)?;
        let subject =
            self.usable(&exchange.subject_token, shown.all, now).map_err(ExchangeRefusal::Subject)?;
        if !self.is_sent_to(&subject, client, policy) {
            return Err(ExchangeRefusal::Subject(Unusable::NotTheClients).into());
        }
        let actor_token = match &exchange.actor_token {
            Some(token) => Some(self.actor(token, client, shown.all, now).map_err(ExchangeRefusal::Actor)?),
            None => None,
        };
        let actor = match &actor_token {
            Some(actor) => Some(act(&subject, &actor.sub)?),
            None if policy.impersonate => subject.act.clone(),
            None => Some(act(&subject, client.id.as_str())?),
        };
        // What was bound stays bound.
        let tokens = [Some(&subject), actor_token.as_ref()];
        let is_certified =
            |token: &Verified<AccessClaims>| token.cnf.as_ref().is_some_and(|cnf| cnf.x5t_s256.is_some());
        let x5t = match tokens.into_iter().flatten().any(is_certified) {
            true => shown.all.x5t,
            false => shown.binding.x5t,
        };
        let binding = Binding { x5t, ..shown.binding };
        let asked = exchange.scope.as_ref().unwrap_or(&subject.scope);
        if !asked.is_subset(&subject.scope) {
            return Err(TokenError::InvalidScope);
        }
        let grant = Grant {
            subject: subject.sub.clone(),
            client: &client.id,
            scope: for_a_service(&limit_to(asked, target)),
            // What was allowed in detail was allowed to the client that asked.
            authorization_details: AuthorizationDetails::default(),
            roles: subject.roles.clone(),
            session: subject.sid.as_deref().and_then(|sid| sid.parse().ok()),
            login: LoginClaims { acr: subject.acr.clone(), auth_time: subject.auth_time },
            target,
            minted_at,
            not_after: tokens
                .into_iter()
                .flatten()
                .map(|token| token.exp.0)
                .fold(now.saturating_add(MAX_LIFETIME), Timestamp::min),
            actor,
            binding,
        };
        let minted = self.mint(grant, now)?;
        tracing::info!(
            target: "gatepass::audit", event = "token-exchanged", client_id = %client.id, sub = subject.sub,
            jti = subject.jti, audience = exchange.audience, impersonates = policy.impersonate && actor_token.is_none()
        );
        Ok(TokenResponse::of(minted))
    }

    /// A resource server that the client may exchange for; never the issuer's own endpoints.
    fn exchange_target(&self, policy: &ExchangePolicy, audience: &str) -> Result<Target<'_>, TokenError> {
        let allowed = policy.audience.iter().any(|known| known == audience);
        match self.target(Some(audience)) {
            Some(target @ Target::Only(_)) if allowed => Ok(target),
            _ => Err(TokenError::InvalidTarget),
        }
    }

    /// The claims of a token that can be exchanged at all.
    fn usable(
        &self,
        token: &str,
        shown: Binding,
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, Unusable> {
        let verified = self.verify_own(token, now).map_err(|error| match error {
            BearerError::Rejected(Rejection::Expired { .. }) => Unusable::Expired,
            BearerError::Revoked(_) => Unusable::Revoked,
            _ => Unusable::Invalid,
        })?;
        if verified.exp.0 <= now {
            return Err(Unusable::Expired);
        }
        let bound = Binding::of_token(&verified);
        if bound.is_some_and(|bound| shown.shows(&bound)) { Ok(verified) } else { Err(Unusable::Bound) }
    }

    fn actor(
        &self,
        token: &str,
        client: &Client,
        shown: Binding,
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, Unusable> {
        let actor = self.usable(token, shown, now)?;
        // One that acts for somebody itself is no single party.
        let is_own = actor.client_id == client.id.as_str() && actor.act.is_none();
        if is_own { Ok(actor) } else { Err(Unusable::NotTheClients) }
    }

    /// Whether the client came by the token as it was meant to: else any client could make use of whatever
    /// token fell into its hands.
    fn is_sent_to(&self, token: &AccessClaims, client: &Client, policy: &ExchangePolicy) -> bool {
        let default = self.config.resource_servers.iter().next().map(|server| server.audience.as_str());
        let mut own: Box<dyn Iterator<Item = &str>> = match policy.from.as_slice() {
            [] => Box::new(default.into_iter()),
            named => Box::new(named.iter().map(String::as_str)),
        };
        token.client_id == client.id.as_str() || own.any(|audience| token.aud.contains(audience))
    }
}

/// What is said to a service. That a client may read who its user is stays with the client that was told.
fn for_a_service(scope: &ScopeSet) -> ScopeSet {
    let others = scope.iter().filter(|scope| !USER_SCOPES.contains(scope));
    others.filter_map(|scope| scope.parse().ok()).collect()
}

/// `actor`, and behind it everybody through whose hands the token went, the client that it was issued to at
/// first among them, so that a revocation of any one reaches the new token.
fn act(token: &AccessClaims, actor: &str) -> Result<Actor, ExchangeRefusal> {
    let is_known = token.sub == token.client_id || token.actors().any(|known| known == token.client_id);
    let before = match (is_known, &token.act) {
        (true, before) => before.clone(),
        (false, before) => Some(Actor::new(&token.client_id, before.clone())),
    };
    let act = match before {
        Some(before) if before.sub.as_deref() == Some(actor) => before,
        before => Actor::new(actor, before),
    };
    if act.chain().count() > MAX_ACTORS { Err(ExchangeRefusal::TooManyActors) } else { Ok(act) }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Audience;

    use super::*;

    fn token(sub: &str, client_id: &str, act: Option<Actor>) -> AccessClaims {
        AccessClaims {
            iss: "https://auth.example.com".into(),
            sub: sub.into(),
            aud: Audience::new(["https://api.example.com"]).unwrap(),
            exp: Timestamp::from_secs(2).into(),
            iat: Timestamp::from_secs(1).into(),
            nbf: None,
            jti: "j".into(),
            client_id: client_id.into(),
            scope: ScopeSet::default(),
            authorization_details: AuthorizationDetails::default(),
            sid: None,
            roles: Vec::new(),
            acr: None,
            auth_time: None,
            cnf: None,
            act,
        }
    }

    fn chain(names: &[&str]) -> Option<Actor> {
        names.iter().rev().fold(None, |before, name| Some(Actor::new(*name, before)))
    }

    #[test]
    fn everybody_who_had_a_hand_in_it_is_named_once() {
        let cases: [(&str, AccessClaims, &str, &[&str]); 6] = [
            ("a_users_token", token("ann", "web", None), "gateway", &["gateway", "web"]),
            ("a_clients_own", token("batch", "batch", None), "gateway", &["gateway"]),
            (
                "the_next_service",
                token("ann", "gateway", chain(&["gateway", "web"])),
                "orders",
                &["orders", "gateway", "web"],
            ),
            (
                "the_same_service_again",
                token("ann", "gateway", chain(&["gateway", "web"])),
                "gateway",
                &["gateway", "web"],
            ),
            (
                "a_client_behind_another_actor",
                token("ann", "gateway", chain(&["robot", "web"])),
                "orders",
                &["orders", "gateway", "robot", "web"],
            ),
            ("by_its_own_client", token("ann", "web", None), "web", &["web"]),
        ];
        for (name, token, actor, want) in cases {
            assert_eq!(Some(act(&token, actor).unwrap()), chain(want), "{name}");
        }
    }

    #[test]
    fn the_scopes_of_a_login_stay_with_its_client() {
        let scope: ScopeSet = "openid profile offline_access orders:read".parse().unwrap();
        assert_eq!(for_a_service(&scope).to_string(), "orders:read");
    }

    #[test]
    fn a_token_does_not_go_through_hands_without_end() {
        let names: Vec<String> = (0..MAX_ACTORS).map(|at| format!("service-{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (last, before) = names.split_first().unwrap();
        assert!(act(&token("ann", before[0], chain(before)), last).is_ok());
        let full = token("ann", names[0], chain(&names));
        assert_eq!(act(&full, "one-more"), Err(ExchangeRefusal::TooManyActors));
        assert_eq!(act(&full, names[0]).map(|act| act.chain().count()), Ok(MAX_ACTORS));
    }
}

//! The grant of an assertion that an issuer elsewhere signed
//! ([RFC 7523 section 2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1)).

use gatepass_jose::Timestamp;
use gatepass_token::{AuthorizationDetails, ScopeSet};
use zeroize::Zeroizing;

use super::{ClientCredentials, TokenError, TokenResponse, require_grant};
use crate::binding::Binding;
use crate::client::{Client, GrantType};
use crate::client_authentication::AuthenticatedClient;
use crate::issuer::Issuer;
use crate::mint::{Grant, LoginClaims};
use crate::sessions::limit_to;
use crate::subject::SubjectType;
use crate::trusted_issuer::{AssertedSubject, GrantRejection, TrustedIssuer, unverified_issuer};
use crate::user::Username;

/// An assertion and what came with it.
pub(super) struct ShownAssertion {
    pub(super) assertion: Zeroizing<String>,
    pub(super) scope: Option<ScopeSet>,
    pub(super) resource: Option<String>,
    pub(super) binding: Binding,
}

impl Issuer {
    /// A public client will do: what proves something is the assertion.
    pub(super) async fn jwt_bearer(
        &self,
        client: &AuthenticatedClient,
        shown: ShownAssertion,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let client = client.registered().ok_or(TokenError::InvalidClient)?;
        require_grant(client, GrantType::JwtBearer)?;
        let denied = |rejection: GrantRejection| {
            let client_id = &client.id;
            tracing::info!(target: "gatepass::audit", event = "assertion-refused", %client_id, why = %rejection);
            match rejection {
                GrantRejection::Keys(_) => TokenError::AssertionKeys,
                _ => TokenError::Assertion,
            }
        };
        let named = unverified_issuer(&shown.assertion).map_err(denied)?;
        let mut trusted = self.config.trusted_issuers.iter();
        let trusted = trusted.find(|one| one.issuer == named && one.clients.contains(&client.id));
        let trusted = trusted.ok_or_else(|| denied(GrantRejection::Issuer))?;
        let asserted = trusted.verify(&shown.assertion, self.config.issuer.as_str(), now).await;
        let asserted = asserted.map_err(denied)?;
        let scope = Some(scope_within(client, trusted, shown.scope)?);
        let shown = ShownAssertion { scope, ..shown };
        if !self.store.consume_jti(asserted.jti, asserted.forget_after).await? {
            return Err(denied(GrantRejection::Replayed));
        }
        tracing::info!(
            target: "gatepass::audit", event = "assertion-taken", client_id = %client.id, issuer = trusted.issuer
        );
        match asserted.subject {
            AssertedSubject::Client => {
                let ShownAssertion { scope, resource, binding, .. } = shown;
                let asked = ClientCredentials { scope, resource, authorization_details: None, binding };
                self.client_credentials(client, asked, minted_at, now)
            }
            AssertedSubject::User(name) => self.asserted_user(client, &name, shown, minted_at, now).await,
        }
    }

    /// A token that is the user's for this client: no more than either may. No session, and nothing to refresh.
    async fn asserted_user(
        &self,
        client: &Client,
        name: &Username,
        shown: ShownAssertion,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        // Without a session, no revocation of the user would reach a token that says another name.
        if client.extensions.subject_type == SubjectType::Pairwise {
            return Err(TokenError::UnauthorizedClient);
        }
        let user = self.store.find_user_by_name(name).await?.filter(|user| !user.disabled);
        let user = user.ok_or(TokenError::Assertion)?;
        let asked = shown.scope.unwrap_or_default();
        let target = self.client_target(client, shown.resource.as_deref(), &asked)?;
        let grant = Grant {
            subject: user.id.to_string(),
            client: &client.id,
            scope: limit_to(&asked, target).intersection(&self.scope_of(&user.roles, target)),
            authorization_details: AuthorizationDetails::default(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            session: None,
            // The user logged in elsewhere, if at all.
            login: LoginClaims::default(),
            target,
            minted_at,
            not_after: Timestamp::MAX,
            actor: None,
            binding: shown.binding,
        };
        Ok(TokenResponse::of(self.mint(grant, now)?))
    }
}

/// What is asked for, if client and issuer may have it; else all that both may have.
fn scope_within(
    client: &Client,
    trusted: &TrustedIssuer,
    asked: Option<ScopeSet>,
) -> Result<ScopeSet, TokenError> {
    let most =
        trusted.scope.as_ref().map_or_else(|| client.scope.clone(), |most| client.scope.intersection(most));
    match asked {
        None => Ok(most),
        Some(asked) if asked.is_subset(&most) => Ok(asked),
        Some(_) => Err(TokenError::InvalidScope),
    }
}

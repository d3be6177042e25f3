//! Sessions: one login of one user on one device, and the family of its refresh tokens.

use std::borrow::Cow;

use gatepass_jose::Timestamp;
use gatepass_token::{AuthorizationDetails, ScopeSet};

use crate::authorize::RequestedClaims;
use crate::binding::Binding;
use crate::client::OFFLINE_ACCESS;
use crate::id::{ClientId, SessionId, UserId};
use crate::id_token::ACR_PASSWORD;
use crate::identity_provider::{ACR_FEDERATED, ProviderId};
use crate::mint::LoginClaims;

/// A session's one row. A rotation changes it in place; nothing else is ever stored for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid`, and the family of its refresh tokens.
    pub id: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// The client that started it; [`ClientId::sign_on`] for a login at the authorization server's own pages.
    pub client: ClientId,
    /// The login at those pages that it arose from.
    pub login: Option<SessionId>,
    /// What its tokens are limited to; `None`: whatever the user's roles allow at the time.
    pub scope: Option<ScopeSet>,
    /// What is allowed beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The audience that was asked for at the start; `None`: the issuer's default.
    pub resource: Option<String>,
    /// What the device called itself, at most 128 characters.
    pub device: String,
    /// When it was started.
    pub created_at: Timestamp,
    /// When its user showed who they are: here at its start or the login's that it arose from, or to a provider;
    /// `None` where a provider has not said it.
    pub auth_time: Option<Timestamp>,
    /// The generation of the refresh token that is current; 1 at the start.
    pub generation: u32,
    /// When the current generation was made by rotation; `None` before the first rotation.
    pub rotated_at: Option<Timestamp>,
    /// Until when it lives without being used.
    pub idle_expires_at: Timestamp,
    /// Until when it lives at all.
    pub expires_at: Timestamp,
    /// When it was ended, by whomever.
    pub revoked_at: Option<Timestamp>,
    /// Whether the client must prove possession of a key to use the refresh token, or authenticates.
    pub bound: bool,
    /// The keys that its refresh tokens are bound to, where the client is a public one that showed some.
    pub binding: Binding,
    /// What its tokens call the user; `None`: by the user's own identifier.
    pub pairwise_subject: Option<String>,
    /// The claims that its client asked for one by one.
    pub claims: RequestedClaims,
    /// The provider with which its user logged in; `None`: with a password.
    pub provider: Option<ProviderId>,
}

impl Session {
    /// Whether the session can still give tokens at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.idle_expires_at && now < self.expires_at
    }

    /// What its tokens call the user.
    #[must_use]
    pub fn subject(&self) -> String {
        self.pairwise_subject.clone().unwrap_or_else(|| self.user.to_string())
    }

    /// The authentication context class of the login that it arose from.
    #[must_use]
    pub fn acr(&self) -> &'static str {
        match self.provider {
            Some(_) => ACR_FEDERATED,
            None => ACR_PASSWORD,
        }
    }

    /// What its tokens say of the login.
    pub(crate) fn login_claims(&self) -> LoginClaims {
        LoginClaims { acr: Some(Cow::Borrowed(self.acr())), auth_time: self.auth_time.map(Into::into) }
    }

    /// Whether it is a login at the authorization server's own pages, which serves every application.
    #[must_use]
    pub fn is_login(&self) -> bool {
        self.client == ClientId::sign_on()
    }

    /// Whether it goes on when the login that it arose from ends: the user has allowed access in their
    /// absence.
    #[must_use]
    pub fn outlives_login(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.contains(OFFLINE_ACCESS))
    }

    /// When it was last used: its start, or its last rotation.
    #[must_use]
    pub fn last_used_at(&self) -> Timestamp {
        self.rotated_at.unwrap_or(self.created_at)
    }
}

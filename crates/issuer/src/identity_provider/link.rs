//! Which identity at a provider is whose account here.

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};

use super::ProviderId;
use crate::admin::AdminError;
use crate::id::UserId;
use crate::issuer::Issuer;
use crate::store::StoreError;

/// An identity at a provider that is a user here. An identity is one user's, and a user has one at each provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider.
    pub provider: ProviderId,
    /// What it calls the user.
    pub subject: String,
    /// The user.
    pub user: UserId,
    /// Since when.
    pub linked_at: Timestamp,
}

impl Issuer {
    /// The identities that a user can log in with, in the order of the providers' ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        self.store.list_identities(user).await
    }

    /// Links an identity in an operator's name, who answers for its being the user's.
    ///
    /// # Errors
    /// [`AdminError::Unknown`] for an unknown user or provider; [`AdminError::Exists`] when the identity is somebody's, or
    /// the user has another at this provider.
    pub async fn link_identity(&self, link: LinkedIdentity) -> Result<(), AdminError> {
        if self.identity_provider(&link.provider).is_none() {
            return Err(AdminError::Unknown);
        }
        self.store.link_identity(&link).await?;
        tracing::info!(
            target: "gatepass::audit", event = "identity-linked", sub = %link.user, provider = %link.provider, by = "admin"
        );
        Ok(())
    }

    /// Takes a link back, and ends the sessions that began with it. `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is taken back then.
    pub async fn unlink_identity(
        &self,
        user: UserId,
        provider: &ProviderId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let revocation = self.revocation(Kind::Session, "", reason, now);
        let known = self.store.unlink_identity(user, provider, now, revocation).await?;
        self.feed.pump(&*self.store).await?;
        tracing::info!(target: "gatepass::audit", event = "identity-unlinked", sub = %user, %provider, known);
        Ok(known)
    }
}

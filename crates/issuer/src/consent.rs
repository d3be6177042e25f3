//! What users have allowed clients: remembered, shown, and taken back.

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};
use gatepass_token::ScopeSet;

use crate::id::{ClientId, UserId};
use crate::issuer::Issuer;
use crate::store::StoreError;

/// What one user has allowed one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who allowed it.
    pub user: UserId,
    /// To whom.
    pub client: ClientId,
    /// What.
    pub scope: ScopeSet,
    /// When they first did.
    pub given_at: Timestamp,
}

impl Issuer {
    pub(crate) async fn remember_consent(
        &self,
        user: UserId,
        client: &ClientId,
        scope: &ScopeSet,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let consent = Consent { user, client: client.clone(), scope: scope.clone(), given_at: now };
        self.store.give_consent(&consent).await?;
        tracing::info!(
            target: "gatepass::audit", event = "consent-given", sub = %user, client_id = %client, %scope
        );
        Ok(())
    }

    /// Everything that a user has allowed, in the order of the clients' identifiers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_consents(&self, user: UserId) -> Result<Vec<Consent>, StoreError> {
        self.store.list_consents(user).await
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
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The operator's own apps live without consent, and a login is not a client's.
        if client.is_reserved() {
            return Ok(false);
        }
        let revocation = self.revocation(Kind::Session, "", Reason::LOGOUT, now);
        let known = self.store.withdraw_consent(user, client, now, revocation).await?;
        self.feed.pump(&*self.store).await?;
        tracing::info!(
            target: "gatepass::audit", event = "consent-withdrawn", sub = %user, client_id = %client, known
        );
        Ok(known)
    }
}

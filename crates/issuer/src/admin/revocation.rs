//! Taking back what was given.

use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, Kind, Reason};

use super::AdminError;
use crate::id::{ClientId, SessionId};
use crate::issuer::Issuer;
use crate::store::{StoreError, Whose};
use crate::subject::is_pairwise;

/// What came of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The newest place in the log, at which every guard has it.
    pub seq: u64,
    /// Whether something of that name is here. `None` where that is not kept: of single tokens, and of clients that are known
    /// by their document's URL.
    pub known: Option<bool>,
}

impl Issuer {
    /// Takes back whatever `kind` and `id` name. Sessions among it end: a token that is taken back
    /// must not come again with the next refresh. What nobody here has the name of is announced all the same.
    ///
    /// # Errors
    /// [`AdminError`] when the store fails; nothing is taken back then.
    pub async fn revoke(
        &self,
        kind: Kind,
        id: &str,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Revoked, AdminError> {
        Entry::require_id(kind, id)?;
        if kind == Kind::Subject && is_pairwise(id) {
            return Err(AdminError::PairwiseSubject);
        }
        let known = self.is_known(kind, id, now).await?;
        match kind {
            Kind::Key => {
                self.withdraw_key(id, reason.clone(), now).await?;
            }
            Kind::Token => {
                self.store.append_revocation(self.revocation(kind, id, reason.clone(), now)).await?;
            }
            Kind::Session => {
                let revocation = self.revocation(kind, id, reason.clone(), now);
                let ended = match id.parse::<SessionId>() {
                    Ok(session) => self.store.revoke_session(session, now, revocation.clone()).await?,
                    Err(_) => false,
                };
                if !ended {
                    // One that is not kept here any more may have tokens that live.
                    self.store.append_revocation(revocation).await?;
                }
            }
            Kind::Subject | Kind::Client | Kind::All => {
                let sweep = self.feed.sweep(now).await;
                let revocation = self.swept(&sweep, kind, id, reason.clone(), now);
                match whose(kind, id) {
                    Some(whose) => self.store.end_sessions(&whose, now, revocation).await?,
                    None => drop(self.store.append_revocation(revocation).await?),
                }
                self.feed.pump(&*self.store).await?;
                drop(sweep);
            }
        }
        self.feed.pump(&*self.store).await?;
        tracing::warn!(target: "gatepass::audit", event = "revoked", %kind, id, %reason, known);
        Ok(Revoked { seq: self.feed.newest(), known })
    }

    /// Whether a key is called so, one that shares a secret or has retired among them.
    fn knows_key(&self, kid: &str, now: Timestamp) -> bool {
        self.list_keys(now).iter().any(|key| key.kid == kid)
            || self.retired_keys.load().iter().any(|key| key.kid == kid)
            || self.shared.load().has(kid)
    }

    /// Whether something of that name is here; `None` where that is not kept.
    async fn is_known(&self, kind: Kind, id: &str, now: Timestamp) -> Result<Option<bool>, StoreError> {
        let is_client = async |id: ClientId| match id {
            id if id.is_url() => Ok(None),
            id if id.is_reserved() => Ok(Some(true)),
            id => Ok::<_, StoreError>(Some(self.store.find_client(&id).await?.is_some())),
        };
        Ok(match (kind, whose(kind, id)) {
            (Kind::Token, _) => None,
            (Kind::Key, _) => Some(self.knows_key(id, now)),
            (Kind::Session, _) => match id.parse() {
                Ok(session) => Some(self.store.find_session(session).await?.is_some()),
                Err(_) => Some(false),
            },
            (_, Some(Whose::Everybody)) => Some(true),
            (_, Some(Whose::User(user))) => Some(self.store.find_user(user).await?.is_some()),
            (_, Some(Whose::Client(client))) => is_client(client).await?,
            (_, _) => Some(false),
        })
    }
}

/// Whose sessions a revocation of that kind ends; `None` for a name that nobody here has.
fn whose(kind: Kind, id: &str) -> Option<Whose> {
    match kind {
        Kind::All => Some(Whose::Everybody),
        Kind::Client => id.parse().ok().map(Whose::Client),
        // A client that acts for itself is a subject too.
        Kind::Subject => id.parse().map(Whose::User).or_else(|_| id.parse().map(Whose::Client)).ok(),
        Kind::Token | Kind::Session | Kind::Key => None,
    }
}

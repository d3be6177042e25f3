//! One trusted issuer: what its tokens must satisfy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepass_jose::Issuer;
use gatepass_revocation::{TokenRef, View};
use tokio::sync::watch;

use crate::clock::Now;
use crate::denied::Denied;
use crate::introspection::Introspector;
use crate::keys::{Believed, KeyCache};
use crate::secret::SharedSecret;
use crate::status::{IssuerStatus, RevocationStatus};

pub(crate) struct TrustedIssuer {
    pub(crate) issuer: Issuer,
    pub(crate) tokens: Tokens,
    pub(crate) revocations: Revocations,
}

/// What an issuer's tokens are verified with.
pub(crate) enum Tokens {
    Published(Arc<KeyCache>),
    Shared(Box<SharedSecret>),
}

/// How an issuer tells that a token is revoked.
pub(crate) enum Revocations {
    Followed(Followed),
    Asked(Box<Introspector>),
    NotTold,
}

/// A feed that a task follows.
pub(crate) struct Followed {
    pub(crate) view: Arc<View>,
    /// How old the view may be.
    pub(crate) after: std::time::Duration,
    pub(crate) then: Stale,
    pub(crate) connected: Arc<AtomicBool>,
    pub(crate) loaded: watch::Receiver<bool>,
}

/// What happens to a token when the view is older.
pub(crate) enum Stale {
    Allow,
    Deny,
    Ask(Box<Introspector>),
}

impl TrustedIssuer {
    /// Verifies a token, then asks whether it was revoked.
    pub(crate) async fn verify(&self, token: &str, now: Now) -> Result<Believed, Denied> {
        let believed = match &self.tokens {
            Tokens::Published(keys) => keys.verify(token, now).await?,
            Tokens::Shared(secret) => secret.verify(token, now).map_err(Denied::Rejected)?,
        };
        match &self.revocations {
            Revocations::Followed(followed) => followed.require_valid(&believed, token, now).await?,
            Revocations::Asked(introspector) => introspector.require_active(token, now).await?,
            Revocations::NotTold => {}
        }
        Ok(believed)
    }

    /// Waits until there are keys, and the revocations are known.
    pub(crate) async fn ready(&self) {
        if let Tokens::Published(keys) = &self.tokens {
            until(keys.watch()).await;
        }
        if let Revocations::Followed(followed) = &self.revocations {
            until(followed.loaded.clone()).await;
        }
    }

    pub(crate) fn status(&self, now: Now) -> IssuerStatus {
        let (keys, key_set_age) = match &self.tokens {
            Tokens::Published(keys) => (keys.len(), keys.age(now)),
            Tokens::Shared(_) => (1, None),
        };
        let revocation = match &self.revocations {
            Revocations::Followed(followed) => Some(followed.status(now)),
            Revocations::Asked(_) | Revocations::NotTold => None,
        };
        IssuerStatus { issuer: self.issuer.as_str().to_owned(), keys, key_set_age, revocation }
    }
}

impl Followed {
    async fn require_valid(&self, (claims, _): &Believed, token: &str, now: Now) -> Result<(), Denied> {
        self.view.check(&TokenRef {
            jti: &claims.jti,
            sid: claims.sid.as_deref(),
            sub: &claims.sub,
            client_id: &claims.client_id,
            kid: claims.kid(),
            minted_at: claims.minted_at(),
        })?;
        let staleness = self.view.staleness(now.steady);
        if staleness.is_some_and(|staleness| staleness <= self.after) {
            return Ok(());
        }
        match &self.then {
            Stale::Allow => Ok(()),
            Stale::Deny => Err(Denied::Stale(staleness)),
            Stale::Ask(introspector) => introspector.require_active(token, now).await,
        }
    }

    fn status(&self, now: Now) -> RevocationStatus {
        RevocationStatus {
            seq: self.view.seq(),
            entries: self.view.len(),
            memory: self.view.memory(),
            connected: self.connected.load(Ordering::Acquire),
            staleness: self.view.staleness(now.steady),
        }
    }
}

/// Waits for `true`; for ever if nobody is left to say it.
async fn until(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|set| *set).await.is_err() {
        std::future::pending().await
    }
}

//! One trusted issuer: what its tokens must satisfy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepass_jose::{Issuer, SignatureCounts};
use gatepass_revocation::{Kind, Revoked, TokenRef, View};
use tokio::sync::watch;

use crate::admitted::Admitted;
use crate::believed::Believed;
use crate::clock::Now;
use crate::decryption::Opener;
use crate::denied::{Denied, TicketProblem};
use crate::exchange::Exchanger;
use crate::failures::Failures;
use crate::introspection::Introspector;
use crate::keys::KeyCache;
use crate::openid::OpenIdIssuer;
use crate::secret::SharedSecret;
use crate::sender::SenderCheck;
use crate::stale::{StaleAction, StalePolicy};
use crate::status::{IssuerStatus, RevocationStatus};
use crate::status_list::StatusLists;
use crate::ticket::TicketOffice;

pub(crate) struct TrustedIssuer {
    pub(crate) issuer: Issuer,
    pub(crate) tokens: Tokens,
    /// What opens tokens that are encrypted; `None`: nothing.
    pub(crate) opener: Option<Opener>,
    pub(crate) revocations: Revocations,
    pub(crate) senders: SenderCheck,
    pub(crate) failures: Arc<Failures>,
    /// For whoever logs users in there; `None` where it publishes no keys.
    pub(crate) openid: Option<OpenIdIssuer>,
    /// What is asked of the issuer as a client of its.
    pub(crate) exchanger: Option<Exchanger>,
    pub(crate) tickets: Option<TicketOffice>,
}

/// What an issuer's tokens are verified with.
pub(crate) enum Tokens {
    Published(Arc<KeyCache>),
    Shared(Box<SharedSecret>),
    /// With its issuer's own word.
    Opaque(Box<Introspector>),
}

/// How an issuer tells that a token is revoked.
pub(crate) enum Revocations {
    Followed(Followed),
    Asked(Box<Introspector>),
    Listed(Box<StatusLists>),
    NotTold,
}

/// A feed that a task follows.
pub(crate) struct Followed {
    pub(crate) view: Arc<View>,
    /// How long past their end tokens are taken.
    pub(crate) clock_skew: Duration,
    /// What holds when the view is stale, where a route does not say otherwise.
    pub(crate) on_stale: StalePolicy,
    /// Whom to ask then, if anybody.
    pub(crate) introspector: Option<Box<Introspector>>,
    pub(crate) connected: Arc<AtomicBool>,
    pub(crate) loaded: watch::Receiver<bool>,
}

impl TrustedIssuer {
    /// Verifies a token, then asks whether it was revoked.
    pub(crate) async fn verify(
        &self,
        token: &str,
        now: Now,
        on_stale: Option<&StalePolicy>,
    ) -> Result<Arc<Believed>, Denied> {
        let believed = match &self.tokens {
            Tokens::Published(keys) => keys.verify(token, now).await?,
            Tokens::Shared(secret) => secret.verify(token, now).map(Arc::new).map_err(Denied::Rejected)?,
            Tokens::Opaque(introspector) => {
                introspector.believe(token, now).await.inspect_err(|_| self.forget_exchanged(token))?
            }
        };
        let valid = match &self.revocations {
            Revocations::Followed(followed) => followed.require_valid(&believed, token, now, on_stale).await,
            Revocations::Asked(introspector) => introspector.require_active(token, now).await,
            Revocations::Listed(lists) => lists.require_valid(&believed.payload, token, now, on_stale).await,
            Revocations::NotTold => Ok(()),
        };
        valid.inspect_err(|_| self.forget_exchanged(token)).map(|()| believed)
    }

    /// Whether a token that was admitted a moment ago has been revoked meanwhile, as far as that is known here.
    pub(crate) fn require_not_revoked_since(&self, admitted: &Admitted, token: &str) -> Result<(), Denied> {
        match &self.revocations {
            Revocations::Followed(followed) => {
                let revoked = followed.require_not_revoked(admitted.believed());
                revoked.inspect_err(|_| self.forget_exchanged(token))
            }
            Revocations::Asked(_) | Revocations::Listed(_) | Revocations::NotTold => Ok(()),
        }
    }

    /// Nothing that was got for a token goes out again once the token is refused.
    fn forget_exchanged(&self, token: &str) {
        if let Some(exchanger) = &self.exchanger {
            exchanger.forget(token);
        }
    }

    /// Verifies a ticket, and that nothing is known here of a revocation. The issuer is not asked, even where it
    /// would be about a token: it says the rest when the ticket is used up.
    pub(crate) async fn verify_ticket(&self, ticket: &str, now: Now) -> Result<Arc<Believed>, Denied> {
        let Tokens::Published(keys) = &self.tokens else { return Err(TicketProblem::NotTaken.into()) };
        let believed = keys.verify_ticket(ticket, now).await?;
        if let Revocations::Followed(followed) = &self.revocations {
            followed.require_not_revoked(&believed)?;
        }
        Ok(believed)
    }

    /// Whether what a ticket opened may go on: as for a token, but that nobody can be asked about a ticket that
    /// was used.
    pub(crate) fn require_open(
        &self,
        admitted: &Admitted,
        now: Now,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        match &self.revocations {
            Revocations::Followed(followed) => {
                let staleness = followed.staleness(now);
                followed.require_not_revoked(admitted.believed())?;
                let policy = on_stale.unwrap_or(&followed.on_stale);
                let is_fresh = staleness.is_some_and(|staleness| staleness <= policy.after);
                match policy.then {
                    StaleAction::Allow => Ok(()),
                    StaleAction::Deny | StaleAction::Introspect if is_fresh => Ok(()),
                    StaleAction::Deny | StaleAction::Introspect => Err(Denied::Stale(staleness)),
                }
            }
            Revocations::NotTold => Ok(()),
            Revocations::Asked(_) | Revocations::Listed(_) => Err(TicketProblem::NotTaken.into()),
        }
    }

    /// Asks once more whether a token that was verified is revoked, under another policy.
    pub(crate) async fn require_valid(
        &self,
        admitted: &Admitted,
        token: &str,
        now: Now,
        on_stale: &StalePolicy,
    ) -> Result<(), Denied> {
        match &self.revocations {
            Revocations::Followed(followed) => {
                followed.require_valid(admitted.believed(), token, now, Some(on_stale)).await
            }
            Revocations::Listed(lists) => {
                lists.require_valid(admitted.payload(), token, now, Some(on_stale)).await
            }
            Revocations::Asked(_) | Revocations::NotTold => Ok(()),
        }
    }

    /// What is known to be revoked, where a feed tells.
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        match &self.revocations {
            Revocations::Followed(followed) => Some(Arc::clone(&followed.view)),
            Revocations::Asked(_) | Revocations::Listed(_) | Revocations::NotTold => None,
        }
    }

    /// Whether its tokens say nothing by themselves.
    pub(crate) fn takes_opaque_tokens(&self) -> bool {
        matches!(self.tokens, Tokens::Opaque(_))
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
        let (keys, key_set_age, has_keys, signatures) = match &self.tokens {
            Tokens::Published(keys) => {
                (keys.len(), keys.age(now), *keys.watch().borrow(), keys.signature_counts())
            }
            Tokens::Shared(secret) => (secret.len(), None, true, SignatureCounts::default()),
            Tokens::Opaque(_) => (0, None, true, SignatureCounts::default()),
        };
        let revocation = match &self.revocations {
            Revocations::Followed(followed) => Some(followed.status(now)),
            Revocations::Asked(_) | Revocations::Listed(_) | Revocations::NotTold => None,
        };
        IssuerStatus {
            issuer: self.issuer.as_str().to_owned(),
            keys,
            key_set_age,
            has_keys,
            signatures_remembered: signatures.remembered,
            signatures_verified: signatures.verified,
            revocation,
            failures: self.failures.status(now),
        }
    }
}

impl Followed {
    fn require_not_revoked(&self, believed: &Believed) -> Result<(), Denied> {
        let claims = believed.claims();
        self.view.check(&TokenRef {
            jti: &claims.jti,
            sid: claims.sid.as_deref(),
            sub: &claims.sub,
            client_id: &claims.client_id,
            kid: believed.kid().unwrap_or_default(),
            minted_at: claims.minted_at(),
        })?;
        for actor in claims.actors() {
            self.view.check_actor(actor, claims.minted_at())?;
        }
        // Whoever has a secret can sign under any `kid`.
        if let Some(reason) = believed.secret().and_then(|secret| self.view.revoked_key(secret)) {
            return Err(Revoked { kind: Kind::Key, reason }.into());
        }
        Ok(())
    }

    async fn require_valid(
        &self,
        believed: &Believed,
        token: &str,
        now: Now,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        // First: what a view that is complete by now was lacking just before would be missed else.
        let staleness = self.staleness(now);
        self.require_not_revoked(believed)?;
        let policy = on_stale.unwrap_or(&self.on_stale);
        if staleness.is_some_and(|staleness| staleness <= policy.after) {
            return Ok(());
        }
        match (policy.then, &self.introspector) {
            (StaleAction::Allow, _) => Ok(()),
            (StaleAction::Introspect, Some(introspector)) => introspector.require_active(token, now).await,
            (StaleAction::Deny, _) | (StaleAction::Introspect, None) => Err(Denied::Stale(staleness)),
        }
    }

    /// How long ago the view was last known to be complete. `None` if it never was, or if it has forgotten what the
    /// wall clock, set back since, says is in force.
    fn staleness(&self, now: Now) -> Option<Duration> {
        if self.view.lacks_at(now.wall.saturating_sub(self.clock_skew)) {
            return None;
        }
        self.view.staleness(now.steady)
    }

    fn status(&self, now: Now) -> RevocationStatus {
        let staleness = self.staleness(now);
        RevocationStatus {
            seq: self.view.seq(),
            entries: self.view.len(),
            memory: self.view.memory(),
            connected: self.connected.load(Ordering::Acquire),
            is_loaded: *self.loaded.borrow(),
            staleness,
            is_stale: staleness.is_none_or(|staleness| staleness > self.on_stale.after),
            on_stale: self.on_stale,
        }
    }
}

/// Waits for `true`; for ever if nobody is left to say it.
async fn until(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|set| *set).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Timestamp;
    use gatepass_revocation::{Entry, Follower, Kind, Reason, Snapshot};

    use super::*;

    #[test]
    fn a_view_that_forgot_by_a_clock_set_back_since_is_not_fresh() {
        let at = Timestamp::from_secs;
        let revoked = Entry {
            seq: 1,
            kind: Kind::Session,
            id: "s1".into(),
            issued_before: at(1_000),
            forget_after: at(2_000),
            reason: Reason::LOGOUT,
        };
        let view = Arc::new(View::new());
        let mut follower = Follower::new(Arc::clone(&view));
        let snapshot = Snapshot::new("https://auth.example.com", 1, at(1_000), vec![revoked]);
        follower.snapshot(&snapshot, at(1_000));
        let (_, loaded) = watch::channel(true);
        let followed = Followed {
            view: Arc::clone(&view),
            clock_skew: Duration::from_secs(60),
            on_stale: StalePolicy { after: Duration::from_secs(30), then: StaleAction::Deny },
            introspector: None,
            connected: Arc::default(),
            loaded,
        };
        let staleness = |wall| followed.staleness(Now { wall: at(wall), steady: at(1_001) });
        let fresh = Some(Duration::from_secs(1));
        assert_eq!(staleness(1_001), fresh);
        view.forget(at(90_000));
        for (wall, want) in [(90_060, fresh), (2_060, fresh), (2_059, None), (1_001, None)] {
            assert_eq!(staleness(wall), want, "at {wall}");
        }
        assert!(followed.status(Now { wall: at(1_001), steady: at(1_001) }).is_stale);
        follower.snapshot(&snapshot, at(1_001));
        assert_eq!(staleness(1_001), Some(Duration::ZERO));
    }
}

//! The guards that verify tokens, one for each issuer.
//!
//! One each, rather than one for all, so that a reload keeps the guard of every issuer that has not
//! changed: its keys, which the issuer may be unable to give just now, and its view of revocations.

use std::time::Duration;

use futures_util::FutureExt;
use gatepass_guard::{
    Admitted, Challenge, Denied, Guard, GuardedRequest, IssuerConfig, Revocation, StartError, Status,
    WhenStale, bearer_token, credentials, unverified_issuer,
};
use http::HeaderMap;

/// How long a reload waits for the keys and revocations of an issuer that is new.
const PATIENCE: Duration = Duration::from_secs(5);

/// One `[[issuer]]`, checked.
#[derive(Debug)]
pub(crate) struct IssuerSettings {
    pub(crate) config: IssuerConfig,
    /// A hash of all that was configured, secrets included: the same twice if nothing has changed.
    pub(crate) fingerprint: u64,
}

/// Verifies for every issuer that the configuration trusts.
#[derive(Debug)]
pub(crate) struct Guards {
    trusted: Vec<Trusted>,
}

#[derive(Debug, Clone)]
struct Trusted {
    issuer: String,
    fingerprint: u64,
    guard: Guard,
    /// Past this age of the view of revocations, tokens are refused.
    refuses_after: Option<Duration>,
}

impl Guards {
    /// Starts a guard for each issuer, but for those that `old` has one for, with the same settings.
    ///
    /// Waits for nothing at the start, so that the gateway can start before its issuers.
    pub(crate) async fn start(issuers: &[IssuerSettings], old: Option<&Self>) -> Result<Self, StartError> {
        let mut trusted = Vec::with_capacity(issuers.len());
        for settings in issuers {
            trusted.push(match old.and_then(|old| old.find(settings)) {
                Some(kept) => kept.clone(),
                None => Trusted::start(settings, old.is_some()).await?,
            });
        }
        Ok(Self { trusted })
    }

    /// Verifies the access token of a request, whose fields these are, and that its sender may use it.
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        request: &GuardedRequest<'_>,
        takes_dpop: bool,
    ) -> Result<Admitted, Denied> {
        let token = if takes_dpop { credentials(headers)?.token } else { bearer_token(headers)? };
        self.guard_for(token)?.authenticate(request).await
    }

    /// The schemes under which tokens come where proofs can be checked: the same for every issuer.
    pub(crate) fn challenge(&self) -> Challenge {
        self.trusted.first().map(|trusted| trusted.guard.challenge()).unwrap_or_default()
    }

    /// Whether a token that was good when a request came with it would be good now.
    pub(crate) async fn verify_again(&self, admitted: &Admitted, token: &str) -> Result<(), Denied> {
        self.guard_for(token)?.verify_again(admitted, token).await
    }

    /// Whether requests with good tokens would be let through now.
    pub(crate) fn is_ready(&self) -> bool {
        self.trusted.iter().all(Trusted::is_ready)
    }

    /// How it stands with each issuer.
    pub(crate) fn status(&self) -> Status {
        Status { issuers: self.trusted.iter().flat_map(|trusted| trusted.guard.status().issuers).collect() }
    }

    /// The token's own word only chooses among those that are trusted. The one chosen then checks `iss`
    /// like everything else.
    fn guard_for(&self, token: &str) -> Result<&Guard, Denied> {
        if let [only] = self.trusted.as_slice() {
            return Ok(&only.guard);
        }
        let issuer = unverified_issuer(token)?;
        let trusted = self.trusted.iter().find(|trusted| trusted.issuer == issuer);
        trusted
            .map(|trusted| &trusted.guard)
            .ok_or_else(|| Denied::UntrustedIssuer { issuer: issuer.chars().take(200).collect() })
    }

    fn find(&self, settings: &IssuerSettings) -> Option<&Trusted> {
        self.trusted.iter().find(|trusted| trusted.fingerprint == settings.fingerprint)
    }
}

impl Trusted {
    async fn start(settings: &IssuerSettings, wait: bool) -> Result<Self, StartError> {
        let guard = Guard::start([settings.config.clone()]).await?;
        let issuer = settings.config.issuer.clone();
        if wait && tokio::time::timeout(PATIENCE, guard.ready()).await.is_err() {
            tracing::warn!(
                issuer,
                "a new issuer has not given its keys yet; its tokens are refused until then"
            );
        }
        let refuses_after = match &settings.config.revocation {
            Revocation::Feed(feed) if !matches!(feed.on_stale.then, WhenStale::Allow) => {
                Some(feed.on_stale.after)
            }
            _ => None,
        };
        Ok(Self { issuer, fingerprint: settings.fingerprint, guard, refuses_after })
    }

    fn is_ready(&self) -> bool {
        let fresh_enough = |limit: Duration| {
            let status = self.guard.status();
            let mut views = status.issuers.iter().filter_map(|issuer| issuer.revocation.as_ref());
            views.all(|view| view.staleness.is_some_and(|staleness| staleness <= limit))
        };
        self.guard.ready().now_or_never().is_some() && self.refuses_after.is_none_or(fresh_enough)
    }
}

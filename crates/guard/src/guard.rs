use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use gatepass_jose::jwt::unverified_issuer;

use crate::admitted::Admitted;
use crate::background::Background;
use crate::bearer::bearer_token;
use crate::clock::Clock;
use crate::config::{IssuerConfig, StartError};
use crate::denied::Denied;
use crate::http::Http;
use crate::issuer::TrustedIssuer;
use crate::setup::{Means, trust};
use crate::status::Status;

/// Verifies access tokens for a resource server.
///
/// It fetches the keys of the issuers it trusts and follows their revocations in the background;
/// verifying a token is a matter of memory and arithmetic. Only in three cases does it ask an issuer
/// first: a token names a key that is not known (at most one fetch per interval, whatever the load), the
/// configuration demands introspection, or it demands that for a stale view.
///
/// Cloning shares everything. When the last clone is dropped, the background tasks end.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use gatepass_guard::{Feed, Guard, IssuerConfig, OnStale, Revocation, WhenStale};
///
/// let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Allow };
/// let guard = Guard::start([IssuerConfig::new(
///     "https://auth.example.com",
///     ["https://api.example.com"],
///     Revocation::Feed(Feed::new(on_stale)),
/// )])
/// .await?;
/// guard.ready().await;
///
/// # let token = "";
/// let admitted = guard.verify(token).await?;
/// println!("{} may {}", admitted.sub, admitted.scope);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    issuers: Vec<TrustedIssuer>,
    clock: Arc<Clock>,
    background: Background,
}

impl Guard {
    /// Checks the configuration and starts the background tasks, on the Tokio runtime that runs this.
    ///
    /// It does not wait for any issuer, so a service can start while its issuer is down. Tokens are
    /// refused with 503 until there are keys; [`ready`](Self::ready) waits for them.
    ///
    /// # Errors
    /// [`StartError`] for a configuration that leaves open whom to trust, or for what.
    pub async fn start(issuers: impl IntoIterator<Item = IssuerConfig>) -> Result<Self, StartError> {
        let clock = Arc::new(Clock::start());
        let background = Background::new();
        let http = Http::new().map_err(StartError::Http)?;
        let means = Means { http, clock: Arc::clone(&clock), background: background.clone() };
        let mut names = HashSet::new();
        let mut trusted = Vec::new();
        for config in issuers {
            if !names.insert(config.issuer.clone()) {
                return Err(StartError::DuplicateIssuer { issuer: config.issuer });
            }
            trusted.push(trust(&config, &means)?);
        }
        if trusted.is_empty() {
            return Err(StartError::NoIssuer);
        }
        Ok(Guard(Arc::new(Inner { issuers: trusted, clock, background })))
    }

    /// Verifies an access token: signature, algorithm, type, issuer, audience, time, revocation.
    ///
    /// # Errors
    /// [`Denied`] with the first check that failed.
    pub async fn verify(&self, token: &str) -> Result<Admitted, Denied> {
        let now = self.0.clock.now();
        let believed = self.issuer_of(token)?.verify(token, now).await?;
        Ok(Admitted::new(believed))
    }

    /// Verifies the bearer token of a request.
    ///
    /// # Errors
    /// As [`bearer_token`] and [`verify`](Self::verify).
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Admitted, Denied> {
        self.verify(bearer_token(headers)?).await
    }

    /// Waits until every issuer's keys are there and every feed's first snapshot is loaded.
    pub async fn ready(&self) {
        for issuer in &self.0.issuers {
            issuer.ready().await;
        }
    }

    /// How it stands with every issuer.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.0.clock.now();
        Status { issuers: self.0.issuers.iter().map(|issuer| issuer.status(now)).collect() }
    }

    /// Ends the background tasks. Tokens are still verified afterwards, with what is known, which grows
    /// stale.
    pub async fn shutdown(&self) {
        self.0.background.shutdown().await;
    }

    /// Whether the two are clones of one.
    pub(crate) fn is(&self, other: &Guard) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Which issuer's verifier to ask. The token's own word only chooses among those that are trusted;
    /// the one chosen then checks `iss` like everything else.
    fn issuer_of(&self, token: &str) -> Result<&TrustedIssuer, Denied> {
        if let [only] = self.0.issuers.as_slice() {
            return Ok(only);
        }
        let claimed = unverified_issuer(token)?;
        let trusted = self.0.issuers.iter().find(|trusted| trusted.issuer.as_str() == claimed);
        trusted.ok_or_else(|| Denied::UntrustedIssuer { issuer: claimed.chars().take(200).collect() })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers = self.0.issuers.iter().map(|trusted| trusted.issuer.as_str());
        f.debug_list().entries(issuers).finish()
    }
}

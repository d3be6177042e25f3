//! The guards that verify tokens, one for each issuer.
//!
//! One each, rather than one for all, so that a reload keeps the guard of every issuer that has not
//! changed: its keys, which the issuer may be unable to give just now, and its view of revocations.

use std::time::Duration;

use futures_util::future::join_all;
use gatepass_guard::{
    Admitted, AskedFor, Challenge, Denied, Exchange, ExchangeError, ExchangedToken, Guard, GuardedRequest,
    IssuerConfig, IssuerStatus, OpenIdIssuer, Scheme, StaleAction, StalePolicy, StartError, Status,
    TokenKind, credentials, is_opaque, unverified_issuer,
};
use http::{HeaderMap, HeaderValue, Method, header};

use crate::ticket::Presented;

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

/// Why an issuer is not trusted as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTrusted {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{why}")]
    NotReady { why: String },
}

#[derive(Debug, Clone)]
struct Trusted {
    issuer: String,
    fingerprint: u64,
    takes_opaque_tokens: bool,
    guard: Guard,
}

impl Guards {
    /// Starts a guard for each issuer, but for those that `old` has one for, with the same settings.
    ///
    /// Waits for nothing at the start, so that the gateway can start before its issuers.
    ///
    /// # Errors
    /// [`NotTrusted`]. Among others where an issuer that is in service cannot be put to its new settings, since it
    /// gives neither keys nor revocations just now: its tokens are not to be refused for that, nor to be taken
    /// without the revocations that are known.
    pub(crate) async fn start(issuers: &[IssuerSettings], old: Option<&Self>) -> Result<Self, NotTrusted> {
        let start = async |settings: &IssuerSettings| match old.map(|old| old.named(&settings.config.issuer))
        {
            Some(Some(kept)) if kept.fingerprint == settings.fingerprint => Ok(kept.clone()),
            Some(Some(of_before)) => Trusted::succeed(settings, of_before).await,
            Some(None) => Trusted::start(settings, true).await,
            None => Trusted::start(settings, false).await,
        };
        // Side by side: several that do not answer are waited for no longer than one.
        let trusted = join_all(issuers.iter().map(start)).await;
        Ok(Self { trusted: trusted.into_iter().collect::<Result<_, _>>()? })
    }

    /// Verifies the access token of a request, whose fields these are, and that its sender may use it.
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        request: &GuardedRequest<'_>,
        takes_dpop: bool,
    ) -> Result<Admitted, Denied> {
        let credentials = credentials(headers)?;
        if credentials.scheme == Scheme::Dpop && !takes_dpop {
            return Err(Denied::Missing);
        }
        self.guard_for(credentials.token)?.authenticate_with(&credentials, request).await
    }

    /// Verifies an access token that nobody has sent, as an `Authorization` field would have it.
    pub(crate) async fn verify_bearer(&self, authorization: &HeaderValue) -> Result<Admitted, Denied> {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization.clone())]);
        self.verify(&headers, &GuardedRequest::new(&Method::GET, &headers), false).await
    }

    /// An issuer, for a client that logs users in there.
    pub(crate) fn openid(&self, issuer: &str) -> Option<OpenIdIssuer> {
        self.trusted.iter().find(|trusted| trusted.issuer == issuer)?.guard.openid(issuer)
    }

    /// Exchanges the access token of a request, whose fields these are and which was admitted for it.
    pub(crate) async fn exchange(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        wanted: &Exchange,
    ) -> Result<ExchangedToken, ExchangeError> {
        let token = credentials(headers)?.token;
        self.guard_for(token)?.exchange(admitted, token, wanted).await
    }

    /// The schemes under which tokens come where proofs can be checked: the same for every issuer.
    pub(crate) fn challenge(&self) -> Challenge {
        self.trusted.first().map(|trusted| trusted.guard.challenge()).unwrap_or_default()
    }

    /// Whether a token that was good when a request came with it would be good now.
    pub(crate) async fn verify_again(
        &self,
        admitted: &Admitted,
        token: &str,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        self.guard_for(token)?.verify_again(admitted, token, on_stale).await
    }

    /// Verifies a ticket, and that it is for the request that it came with.
    pub(crate) async fn verify_ticket(&self, presented: &Presented) -> Result<Admitted, Denied> {
        let Presented { ticket, method, target } = presented;
        self.guard_for(ticket)?.verify_ticket(ticket, method.as_str(), target).await
    }

    /// Has a ticket used up that was verified.
    pub(crate) async fn consume_ticket(
        &self,
        admitted: &Admitted,
        presented: &Presented,
    ) -> Result<(), Denied> {
        self.guard_named(&admitted.iss)?.consume_ticket(admitted, &presented.ticket).await
    }

    /// Whether what a ticket opened may go on.
    pub(crate) fn verify_opened(
        &self,
        admitted: &Admitted,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        self.guard_named(&admitted.iss)?.verify_opened(admitted, on_stale)
    }

    /// Whether requests with good tokens would be let through now.
    pub(crate) fn is_ready(&self) -> bool {
        self.trusted.iter().all(|trusted| trusted.hindrance().is_none())
    }

    /// What keeps them from being let through, a sentence for each issuer that is concerned.
    pub(crate) fn hindrances(&self) -> Vec<String> {
        self.trusted.iter().filter_map(Trusted::hindrance).collect()
    }

    /// How it stands with each issuer.
    pub(crate) fn status(&self) -> Status {
        Status { issuers: self.trusted.iter().flat_map(|trusted| trusted.guard.status().issuers).collect() }
    }

    /// The token's own word only chooses among those that are trusted. The one chosen then checks `iss`
    /// like everything else. One that says nothing is the one's whose tokens are such, or whose key opens it.
    fn guard_for(&self, token: &str) -> Result<&Guard, Denied> {
        if let [only] = self.trusted.as_slice() {
            return Ok(&only.guard);
        }
        if is_opaque(token)
            && let Some(trusted) = self.trusted.iter().find(|trusted| trusted.takes_opaque_tokens)
        {
            return Ok(&trusted.guard);
        }
        if let Some(trusted) = self.trusted.iter().find(|trusted| trusted.guard.opens(token)) {
            return Ok(&trusted.guard);
        }
        let issuer = unverified_issuer(token)?;
        self.guard_named(issuer.as_ref())
    }

    fn guard_named(&self, issuer: &str) -> Result<&Guard, Denied> {
        self.named(issuer)
            .map(|trusted| &trusted.guard)
            .ok_or_else(|| Denied::UntrustedIssuer { issuer: issuer.chars().take(200).collect() })
    }

    fn named(&self, issuer: &str) -> Option<&Trusted> {
        self.trusted.iter().find(|trusted| trusted.issuer == issuer)
    }
}

impl Trusted {
    async fn start(settings: &IssuerSettings, wait: bool) -> Result<Self, NotTrusted> {
        let trusted = Self::of(settings, Guard::start([settings.config.clone()]).await?);
        if wait && tokio::time::timeout(PATIENCE, trusted.guard.ready()).await.is_err() {
            tracing::warn!(
                issuer = trusted.issuer,
                "a new issuer has not given its keys yet; its tokens are refused until then"
            );
        }
        Ok(trusted)
    }

    /// Puts an issuer to other settings. What its guard has seen revoked and used goes over.
    async fn succeed(settings: &IssuerSettings, old: &Self) -> Result<Self, NotTrusted> {
        let trusted = Self::of(settings, Guard::succeed(&old.guard, [settings.config.clone()]).await?);
        if tokio::time::timeout(PATIENCE, trusted.guard.ready()).await.is_ok() || !old.is_in_service() {
            return Ok(trusted);
        }
        let why = trusted.hindrance().unwrap_or_else(|| format!("{}: it does not answer", trusted.issuer));
        Err(NotTrusted::NotReady { why })
    }

    fn of(settings: &IssuerSettings, guard: Guard) -> Self {
        Self {
            issuer: settings.config.issuer.clone(),
            fingerprint: settings.fingerprint,
            takes_opaque_tokens: matches!(settings.config.tokens, TokenKind::Opaque(_)),
            guard,
        }
    }

    /// Whether anybody's tokens have been let in so far: there are keys, and revocations where they are told.
    fn is_in_service(&self) -> bool {
        let is_loaded = |issuer: &IssuerStatus| issuer.revocation.as_ref().is_none_or(|view| view.is_loaded);
        self.guard.status().issuers.iter().all(|issuer| issuer.has_keys && is_loaded(issuer))
    }

    /// Why good tokens of this issuer would be refused now, if they would.
    fn hindrance(&self) -> Option<String> {
        let status = self.guard.status();
        let issuer = status.issuers.first()?;
        let (asked_for, why) = if !issuer.has_keys {
            (AskedFor::Keys, "its key set has not been fetched yet".to_owned())
        } else {
            let view = issuer.revocation.as_ref()?;
            let is_refused = view.is_stale && view.on_stale.then != StaleAction::Allow;
            let why = match view.staleness {
                _ if !view.is_loaded => "its revocations have not been loaded yet".to_owned(),
                _ if !is_refused => return None,
                None => "its revocations have never been known to be complete".to_owned(),
                Some(staleness) => format!(
                    "its revocations were last known to be complete {:.1} s ago, which is more than {} s",
                    staleness.as_secs_f64(),
                    view.on_stale.after.as_secs_f64()
                ),
            };
            (AskedFor::Feed, why)
        };
        let last = issuer.failures.iter().find(|failed| failed.asked_for == asked_for);
        let last = last.map(|last| format!("; {:.0} s ago: {}", last.age.as_secs_f64(), last.error));
        Some(format!("{}: {why}{}", self.issuer, last.unwrap_or_default()))
    }
}

//! Token Status Lists (`draft-ietf-oauth-status-list`): an issuer says in one signed, compressed list which of
//! its tokens are still valid, and a token names its place in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gatepass_jose::{JsonError, Limits, NumericDate, Timestamp, Typ, jws, not_null, parse_strict_json};
use gatepass_token::{InvalidStatusList, Status, StatusList, StatusListClaim};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;
use url::{Origin, Url};

use crate::clock::{Clock, Now};
use crate::denied::{Denied, NoStatus};
use crate::failures::Failures;
use crate::http::{FetchError, Http};
use crate::introspection::Introspector;
use crate::keys::KeyCache;
use crate::location::{Location, Refused};
use crate::stale::{StaleAction, StalePolicy};
use crate::status::AskedFor;

const TYP: Typ = Typ::new("statuslist+jwt");
/// The longest Status List Token that is read.
const MAX_TOKEN: usize = 2 * 1024 * 1024;
/// The longest list, decompressed: eight million statuses of one bit.
const MAX_LIST: usize = 1024 * 1024;
/// Of more lists, the one that was fetched longest ago is fetched again when it is needed.
const MAX_LISTS: usize = 64;
/// For how long a list is used that says nothing about it.
const DEFAULT_TTL: Duration = Duration::from_secs(300);
const LEAST_TTL: Duration = Duration::from_secs(1);
const GREATEST_TTL: Duration = Duration::from_secs(24 * 3_600);
/// After a failure, a list is asked for again no sooner, whatever the load.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The lists of one issuer, fetched when a token first names one and again when they are due.
pub(crate) struct StatusLists {
    pub(crate) location: Location,
    /// Where lists may be, beside the issuer's own origin.
    pub(crate) origins: Vec<Origin>,
    pub(crate) on_stale: StalePolicy,
    pub(crate) introspector: Option<Box<Introspector>>,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) clock_skew: Duration,
    pub(crate) http: Http,
    pub(crate) clock: Arc<Clock>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) lists: Mutex<HashMap<Box<str>, Arc<Slot>>>,
}

/// One list, by its URI.
#[derive(Default)]
pub(crate) struct Slot {
    newest: ArcSwapOption<Listed>,
    /// One fetch at a time; when the last one failed.
    fetching: tokio::sync::Mutex<Option<Instant>>,
}

struct Listed {
    list: StatusList,
    /// By the steady clock, as is the next.
    fetched_at: Timestamp,
    due_at: Timestamp,
}

/// Why a list could not be had.
#[derive(Debug, thiserror::Error)]
enum StatusListError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the status list is no text")]
    NotText,
    #[error("the status list is refused: {0}")]
    Rejected(#[from] jws::Rejection),
    #[error("the status list cannot be read: {0}")]
    Claims(JsonError),
    #[error(transparent)]
    List(#[from] InvalidStatusList),
    #[error("the status list is that of another URI or issuer")]
    Another,
    #[error("the status list expired at {0}")]
    Expired(Timestamp),
}

/// Where a token's status stands (section 6.2 of the draft), in its claim `status`.
#[derive(Deserialize)]
struct WithStatus {
    status: References,
}

#[derive(Deserialize)]
struct References {
    status_list: Reference,
}

#[derive(Deserialize)]
struct Reference {
    idx: usize,
    uri: String,
}

/// The claims of a Status List Token (section 5.1 of the draft).
#[derive(Deserialize)]
struct ListClaims {
    sub: String,
    #[serde(default, deserialize_with = "not_null")]
    iss: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    ttl: Option<u64>,
    status_list: StatusListClaim,
}

impl StatusLists {
    /// Lets a token pass whose status is `VALID`, by its payload, which is verified.
    pub(crate) async fn require_valid(
        &self,
        payload: &[u8],
        token: &str,
        now: Now,
        on_stale: Option<&StalePolicy>,
    ) -> Result<(), Denied> {
        let WithStatus { status: References { status_list: reference } } =
            serde_json::from_slice(payload).map_err(|_| NoStatus::NotNamed)?;
        let url = self.url(&reference.uri)?;
        let slot = self.slot(&reference.uri);
        let listed = self.newest(&slot, &reference.uri, &url, now).await;
        if let Some(listed) = &listed {
            let status = listed.list.status(reference.idx).map_err(|_| NoStatus::NotListed)?;
            if status != Status::VALID {
                return Err(Denied::Status(status.value()));
            }
        }
        // What is due is renewed before it gets here, if it can be: from its due date on a list is stale.
        let overdue = listed.as_ref().map(|listed| now.steady.since(listed.due_at));
        let policy = on_stale.unwrap_or(&self.on_stale);
        if overdue.is_some_and(|overdue| overdue <= policy.after) {
            return Ok(());
        }
        match (policy.then, &self.introspector) {
            (StaleAction::Allow, _) => Ok(()),
            (StaleAction::Introspect, Some(introspector)) => introspector.require_active(token, now).await,
            (StaleAction::Deny, _) | (StaleAction::Introspect, None) => {
                Err(Denied::Stale(listed.map(|listed| now.steady.since(listed.fetched_at))))
            }
        }
    }

    /// Where to ask for a list: the token's word is taken only for where somebody else said it may be.
    fn url(&self, uri: &str) -> Result<Url, NoStatus> {
        let elsewhere = || NoStatus::Elsewhere { uri: uri.chars().take(200).collect() };
        let url = Url::parse(uri).map_err(|_| elsewhere())?;
        if !self.location.is_own(&url) && !self.origins.contains(&url.origin()) {
            return Err(elsewhere());
        }
        Ok(url)
    }

    fn slot(&self, uri: &str) -> Arc<Slot> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = lists.get(uri) {
            return Arc::clone(slot);
        }
        if lists.len() >= MAX_LISTS {
            let fetched_at = |slot: &Slot| slot.newest.load().as_ref().map(|listed| listed.fetched_at);
            let oldest = lists.iter().min_by_key(|(_, slot)| fetched_at(slot)).map(|(uri, _)| uri.clone());
            oldest.and_then(|uri| lists.remove(&uri));
        }
        Arc::clone(lists.entry(uri.into()).or_default())
    }

    /// The newest list there is; past its due date only where no newer one can be had.
    async fn newest(&self, slot: &Slot, uri: &str, url: &Url, now: Now) -> Option<Arc<Listed>> {
        let fresh = || slot.newest.load_full().filter(|listed| now.steady < listed.due_at);
        if let Some(listed) = fresh() {
            return Some(listed);
        }
        let mut failed_at = slot.fetching.lock().await;
        // Somebody else may have fetched it meanwhile, or failed.
        if fresh().is_some() || failed_at.is_some_and(|at| at.elapsed() < RETRY_AFTER) {
            return slot.newest.load_full();
        }
        match self.fetch(uri, url).await {
            Ok(listed) => {
                *failed_at = None;
                slot.newest.store(Some(Arc::new(listed)));
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                self.failures.note(AskedFor::StatusList, &error);
                warn!(issuer = %self.location.issuer(), %error, "no new status list");
            }
        }
        slot.newest.load_full()
    }

    async fn fetch(&self, uri: &str, url: &Url) -> Result<Listed, StatusListError> {
        let asked_at = self.clock.now();
        let url = self.location.reach(url)?;
        let body = self.http.fetch(&url, "application/statuslist+jwt", MAX_TOKEN).await?;
        let token = String::from_utf8(body).map_err(|_| StatusListError::NotText)?;
        let payload = self.verified_payload(token.trim_ascii_end()).await?;
        let claims: ListClaims = parse_strict_json(&payload).map_err(StatusListError::Claims)?;
        let issuer = self.location.issuer().as_str();
        // Section 8.3 of the draft: else one list of the issuer's would pass for another.
        if claims.sub != uri || claims.iss.is_some_and(|iss| iss != issuer) {
            return Err(StatusListError::Another);
        }
        let mut lifetime = claims.ttl.map_or(DEFAULT_TTL, Duration::from_secs).clamp(LEAST_TTL, GREATEST_TTL);
        if let Some(NumericDate(exp)) = claims.exp {
            let end = exp.saturating_add(self.clock_skew);
            if end <= asked_at.wall {
                return Err(StatusListError::Expired(exp));
            }
            lifetime = lifetime.min(end.since(asked_at.wall));
        }
        Ok(Listed {
            list: StatusList::decode(&claims.status_list, MAX_LIST)?,
            fetched_at: asked_at.steady,
            due_at: asked_at.steady.saturating_add(lifetime),
        })
    }

    /// Verified with the issuer's keys, which are fetched again if there is a new one.
    async fn verified_payload(&self, token: &str) -> Result<Vec<u8>, jws::Rejection> {
        let limits = Limits { token_bytes: MAX_TOKEN, ..Limits::DEFAULT };
        let verify = || {
            let verifier = jws::Verifier::new(self.keys.for_snapshots()).requiring_typ(TYP);
            verifier.with_limits(limits).verify(token).map(jws::Verified::into_payload)
        };
        match verify() {
            Err(jws::Rejection::UnknownKey) if self.keys.refetch_for_unknown_key().await => verify(),
            answer => answer,
        }
    }
}

//! Token Status Lists ([draft-ietf-oauth-status-list](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-status-list-21)): for
//! resource servers that fetch one signed list now and then, where others follow the revocation feed.
//!
//! Every access token gets a place in a list, and the list is worked out from the revocation log whenever it is asked
//! for. What must be known of a token for that is kept until it is dead: in memory, and in the store a few seconds later.
//! After a crash, a place that the store does not know is `INVALID`: the holder of such a token gets the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepass_jose::{Alg, NumericDate, Timestamp, Typ, base64url, jwt};
use gatepass_revocation::TokenRef;
use gatepass_token::{AccessClaims, Status, StatusList, StatusListClaim};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::CLOCK_ALLOWANCE;
use crate::feed::Feed;
use crate::issuer::{Issuer, OpenError};
use crate::secrets::{SecretError, random};
use crate::store::{Store, StoreError};

/// The `typ` of a list, and what follows `application/` in its media type.
const STATUS_LIST: Typ = Typ::new("statuslist+jwt");
/// How many tokens have a place in one list: small enough to work out in milliseconds.
const CAPACITY: usize = 1 << 16;
/// How long a list is given out before it is worked out anew, however many ask.
const REUSE: Duration = Duration::from_millis(500);
/// How many dead tokens' records go from the store in one go.
const FORGOTTEN_AT_ONCE: u32 = 10_000;

/// Where a token's status stands, for its claim `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StatusReference {
    status_list: Reference,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Reference {
    idx: usize,
    uri: String,
}

/// What is kept of a token, for as long as it can be alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRecord {
    /// The list.
    pub list: String,
    /// The place in it.
    pub idx: u32,
    /// What its status hangs on, as the issuer writes it.
    pub token: String,
    /// When it is dead.
    pub forget_after: Timestamp,
}

/// What a token's status hangs on.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    jti: String,
    sid: Option<String>,
    sub: String,
    client_id: String,
    kid: String,
    /// In milliseconds.
    minted_at: i64,
    actors: Vec<String>,
}

/// The lists in memory.
pub(crate) struct StatusLists {
    state: Mutex<State>,
    /// Held while a list is worked out, so that many who ask cost what one costs.
    making: Mutex<()>,
}

struct State {
    /// Where tokens get their places now.
    current: String,
    lists: HashMap<String, List>,
    /// What the store does not have yet.
    unsaved: Vec<StatusRecord>,
}

struct List {
    /// By place. `None` where the token is dead, or nothing is known of it.
    tokens: Vec<Option<Place>>,
    /// What a place says that nothing is known of: this run's are still to be given, those of the last may have been.
    unknown: Status,
    /// When a token of it can be alive at the latest.
    dead_after: Timestamp,
    made: Option<Made>,
}

/// A token in its place.
#[derive(Clone)]
struct Place {
    token: Arc<Listed>,
    forget_after: Timestamp,
}

/// A list as it was given out.
#[derive(Clone)]
struct Made {
    token: Arc<str>,
    at: Timestamp,
}

#[derive(Serialize)]
struct ListClaims<'c> {
    iss: &'c str,
    sub: &'c str,
    iat: NumericDate,
    exp: NumericDate,
    ttl: u64,
    status_list: StatusListClaim,
}

/// Why a list could not be given.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StatusListError {
    /// There is none of that name.
    #[error("there is no such status list")]
    Unknown,
    /// No key signs now.
    #[error("no signing key for ES256")]
    NoKey,
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] jwt::SignError),
}

impl StatusLists {
    /// Those of the last run, and a new one.
    pub(crate) async fn load(store: &dyn Store, now: Timestamp) -> Result<Self, OpenError> {
        let mut lists: HashMap<String, List> = HashMap::new();
        for record in store.list_statuses().await?.into_iter().filter(|record| record.forget_after >= now) {
            let list = lists.entry(record.list).or_insert_with(|| List::new(Status::INVALID));
            let place = usize::try_from(record.idx).unwrap_or(usize::MAX);
            if let (Ok(token), true) = (serde_json::from_str(&record.token), place < CAPACITY) {
                list.put(place, token, record.forget_after);
            }
        }
        let current = fresh_name()?;
        lists.insert(current.clone(), List::new(Status::VALID));
        let state = Mutex::new(State { current, lists, unsaved: Vec::new() });
        Ok(Self { state, making: Mutex::default() })
    }

    /// Gives a token its place.
    pub(crate) fn list(
        &self,
        issuer: &str,
        claims: &AccessClaims,
        kid: &str,
    ) -> Result<StatusReference, SecretError> {
        let mut state = self.lock();
        let is_full = |list: &List| list.tokens.len() >= CAPACITY;
        if state.lists.get(&state.current).is_none_or(is_full) {
            state.current = fresh_name()?;
            let name = state.current.clone();
            state.lists.insert(name, List::new(Status::VALID));
        }
        let State { current, lists, unsaved } = &mut *state;
        let list = lists.entry(current.clone()).or_insert_with(|| List::new(Status::VALID));
        let idx = list.tokens.len();
        let forget_after = claims.exp.0.saturating_add(CLOCK_ALLOWANCE);
        let listed = Listed::of(claims, kid);
        unsaved.push(StatusRecord {
            list: current.clone(),
            idx: u32::try_from(idx).unwrap_or(u32::MAX),
            token: serde_json::to_string(&listed).unwrap_or_default(),
            forget_after,
        });
        list.put(idx, listed, forget_after);
        Ok(StatusReference { status_list: Reference { idx, uri: uri(issuer, current) } })
    }

    /// What the store is to keep from now on.
    fn take_unsaved(&self) -> Vec<StatusRecord> {
        std::mem::take(&mut self.lock().unsaved)
    }

    /// Drops what is dead.
    fn forget(&self, now: Timestamp) {
        let mut state = self.lock();
        let State { current, lists, .. } = &mut *state;
        lists.retain(|name, list| name == current || list.dead_after >= now);
        for place in lists.values_mut().flat_map(|list| &mut list.tokens) {
            *place = place.take().filter(|place| place.forget_after >= now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn new(unknown: Status) -> Self {
        Self { tokens: Vec::new(), unknown, dead_after: Timestamp::EPOCH, made: None }
    }

    fn put(&mut self, idx: usize, token: Listed, forget_after: Timestamp) {
        if self.tokens.len() <= idx {
            self.tokens.resize_with(idx + 1, || None);
        }
        if let Some(place) = self.tokens.get_mut(idx) {
            *place = Some(Place { token: Arc::new(token), forget_after });
        }
        self.dead_after = self.dead_after.max(forget_after);
    }
}

impl Made {
    fn is_recent(&self, now: Timestamp) -> bool {
        self.at <= now && now < self.at.saturating_add(REUSE)
    }
}

impl Listed {
    fn of(claims: &AccessClaims, kid: &str) -> Self {
        Self {
            jti: claims.jti.clone(),
            sid: claims.sid.clone(),
            sub: claims.sub.clone(),
            client_id: claims.client_id.clone(),
            kid: kid.to_owned(),
            minted_at: claims.minted_at().as_millis(),
            actors: claims.actors().map(str::to_owned).collect(),
        }
    }

    fn is_revoked(&self, feed: &Feed) -> bool {
        let token = TokenRef {
            jti: &self.jti,
            sid: self.sid.as_deref(),
            sub: &self.sub,
            client_id: &self.client_id,
            kid: &self.kid,
            minted_at: Timestamp::from_millis(self.minted_at),
        };
        feed.check_token(&token, self.actors.iter().map(String::as_str)).is_err()
    }
}

impl Issuer {
    /// The Status List Token of that name
    /// ([section 5.1 of the draft](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-status-list-21#section-5.1)).
    ///
    /// # Errors
    /// [`StatusListError`].
    pub fn status_list(&self, name: &str, now: Timestamp) -> Result<Arc<str>, StatusListError> {
        let lists = self.statuses.as_ref().ok_or(StatusListError::Unknown)?;
        let ttl = self.config.status_list_ttl.ok_or(StatusListError::Unknown)?;
        let _making = lists.making.lock().unwrap_or_else(PoisonError::into_inner);
        // Tokens are minted while a list is worked out.
        let (tokens, unknown) = match lists.lock().lists.get(name) {
            None => return Err(StatusListError::Unknown),
            Some(List { made: Some(made), .. }) if made.is_recent(now) => return Ok(Arc::clone(&made.token)),
            Some(list) => (list.tokens.clone(), list.unknown),
        };
        let status = |idx: usize| match tokens.get(idx) {
            Some(Some(place)) if place.token.is_revoked(&self.feed) => Status::INVALID,
            Some(Some(_)) => Status::VALID,
            // Dead of age, not given yet, or lost in a crash.
            Some(None) | None => unknown,
        };
        let encoded = StatusList::of_bits((0..CAPACITY).map(|idx| status(idx) != Status::VALID)).encode();
        let issuer = self.config.issuer.as_str();
        let ring = self.ring.load();
        let key = ring.signer(Alg::ES256, now).ok_or(StatusListError::NoKey)?;
        let claims = ListClaims {
            iss: issuer,
            sub: &uri(issuer, name),
            iat: now.into(),
            exp: now.saturating_add(ttl * 2 + CLOCK_ALLOWANCE).into(),
            ttl: ttl.as_secs().max(1),
            status_list: encoded,
        };
        let token: Arc<str> = jwt::sign(&STATUS_LIST, &claims, key)?.into();
        if let Some(list) = lists.lock().lists.get_mut(name) {
            list.made = Some(Made { token: Arc::clone(&token), at: now });
        }
        Ok(token)
    }

    /// Has the store keep what was listed, and forget what is dead.
    pub(crate) async fn maintain_statuses(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(lists) = &self.statuses else { return Ok(()) };
        lists.forget(now);
        let unsaved = lists.take_unsaved();
        if let Err(error) = self.store.keep_statuses(&unsaved).await {
            lists.lock().unsaved.extend(unsaved); // the next time
            return Err(error);
        }
        self.store.forget_statuses(now, FORGOTTEN_AT_ONCE).await
    }
}

fn uri(issuer: &str, name: &str) -> String {
    format!("{}/status-lists/{name}", issuer.trim_end_matches('/'))
}

fn fresh_name() -> Result<String, SecretError> {
    Ok(base64url::encode(&random::<12>()?))
}

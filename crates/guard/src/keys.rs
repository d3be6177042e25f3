//! The published keys of one issuer: fetched, refreshed ahead of their time, fetched again for an unknown
//! `kid`, kept through an outage.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::HeaderValue;
use gatepass_jose::{
    Alg, Audience, JsonError, JwkSet, KeySet, Rejection, SignatureCounts, Timestamp, Verifier,
};
use gatepass_revocation::{Kind, Revoked, View};
use gatepass_token::ticket_verifier;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::Instant;
use tracing::{info, warn};
use url::Url;

use crate::backoff::{Backoff, jittered};
use crate::believed::{Believed, Profile};
use crate::clock::{Clock, Now};
use crate::config::IssuerConfig;
use crate::denied::Denied;
use crate::discovery::{DiscoveryError, discover};
use crate::failures::Failures;
use crate::http::{Document, FetchError, Http};
use crate::location::{Location, Refused};
use crate::recent::Recent;
use crate::status::AskedFor;

/// For how long a set is used that says nothing about it.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
const LEAST_MAX_AGE: Duration = Duration::from_secs(10);
const GREATEST_MAX_AGE: Duration = Duration::from_secs(3600);
/// Tokens whose signature is not verified a second time: a megabyte for each issuer.
const SEEN_TOKENS: usize = 1 << 16;

/// Where the keys come from.
pub(crate) enum Source {
    Discovery,
    JwksUri(Url),
    /// They are given and never change.
    Fixed(JwkSet),
}

/// What a verifier demands beside the keys.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) audience: Audience,
    pub(crate) algs: Vec<Alg>,
    pub(crate) clock_skew: Duration,
    pub(crate) profile: Profile,
}

pub(crate) struct KeyCache {
    location: Location,
    terms: Terms,
    source: Source,
    refetch_interval: Duration,
    /// Where revoked keys are told.
    view: Option<Arc<View>>,
    http: Http,
    clock: Arc<Clock>,
    failures: Arc<Failures>,
    /// What the verifiers before the current one have counted.
    earlier_signatures: std::sync::Mutex<SignatureCounts>,
    current: ArcSwap<Keys>,
    replacing: std::sync::Mutex<()>,
    /// When the issuer last confirmed the set, by the steady clock; [`NEVER`] before that.
    confirmed_at: AtomicI64,
    /// One fetch at a time: whoever wants one meanwhile waits for its outcome.
    fetching: Mutex<Fetching>,
    fetched: watch::Sender<bool>,
    refresh: Notify,
}

const NEVER: i64 = i64::MIN;

/// A set, ready for use. Replaced whole.
struct Keys {
    /// Counts the sets, so that who waited for a fetch sees whether it brought another one.
    generation: u64,
    published: JwkSet,
    /// The published keys that are not revoked and may sign tokens for this audience.
    set: KeySet,
    /// The published keys that are not revoked, of whatever algorithm: what the issuer says of itself it
    /// may sign with another one than it uses for this audience's tokens.
    all: KeySet,
    verifier: Verifier,
    profile: Profile,
    /// What `verifier` has read.
    recent: Recent,
    /// As `verifier`, for tickets.
    tickets: Verifier,
}

#[derive(Default)]
struct Fetching {
    jwks_uri: Option<Url>,
    etag: Option<HeaderValue>,
    /// When the last fetch for an unknown `kid` ended.
    for_unknown_key: Option<Instant>,
}

/// Why a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
enum KeySetError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the issuer's metadata name no key set")]
    NotNamed,
    #[error("the key set at {url} cannot be read: {source}")]
    Malformed { url: Url, source: JsonError },
    #[error("the key set at {url} holds no key that can be used")]
    NoUsableKey { url: Url },
}

impl KeyCache {
    #[allow(clippy::too_many_arguments)] // all that a cache works with, said once, in `setup`
    pub(crate) fn new(
        location: Location,
        terms: Terms,
        source: Source,
        refetch_interval: Duration,
        view: Option<Arc<View>>,
        http: Http,
        clock: Arc<Clock>,
        failures: Arc<Failures>,
    ) -> Self {
        let (published, fetched) = match &source {
            Source::Fixed(set) => (set.clone(), true),
            Source::Discovery | Source::JwksUri(_) => (JwkSet::default(), false),
        };
        let keys = keys(&location, &terms, view.as_deref(), published, 0);
        KeyCache {
            location,
            terms,
            source,
            refetch_interval,
            view,
            http,
            clock,
            failures,
            earlier_signatures: std::sync::Mutex::default(),
            current: ArcSwap::from_pointee(keys),
            replacing: std::sync::Mutex::default(),
            confirmed_at: AtomicI64::new(NEVER),
            fetching: Mutex::default(),
            fetched: watch::Sender::new(fetched),
            refresh: Notify::new(),
        }
    }

    /// How many keys verify tokens.
    pub(crate) fn len(&self) -> usize {
        self.current.load().set.keys().len()
    }

    /// The keys that the issuer's snapshots are verified with.
    pub(crate) fn for_snapshots(&self) -> KeySet {
        self.current.load().all.clone()
    }

    /// The published keys that are not revoked and that may sign with `alg`: one that names no algorithm fits
    /// several.
    pub(crate) fn for_alg(&self, alg: Alg) -> KeySet {
        not_revoked(&self.current.load().published, &[alg], self.view.as_deref())
    }

    /// How long ago the issuer last confirmed the set; `None` for keys that were given and before the
    /// first fetch.
    pub(crate) fn age(&self, now: Now) -> Option<Duration> {
        match self.confirmed_at.load(Ordering::Acquire) {
            NEVER => None,
            at => Some(now.steady.since(Timestamp::from_millis(at))),
        }
    }

    /// How many signatures were known to hold, and how many had to be verified.
    pub(crate) fn signature_counts(&self) -> SignatureCounts {
        let earlier = *self.earlier_signatures.lock().unwrap_or_else(PoisonError::into_inner);
        sum(earlier, self.current.load().signature_counts())
    }

    /// Becomes `true` when there is a set, and stays so.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.fetched.subscribe()
    }

    /// Verifies a token. Waits only where its `kid` is not known and the issuer may be asked again.
    pub(crate) async fn verify(&self, token: &str, now: Now) -> Result<Arc<Believed>, Denied> {
        self.verify_with(Keys::verify, token, now).await
    }

    /// As [`verify`](Self::verify), for a ticket.
    pub(crate) async fn verify_ticket(&self, ticket: &str, now: Now) -> Result<Arc<Believed>, Denied> {
        self.verify_with(Keys::verify_ticket, ticket, now).await
    }

    async fn verify_with(
        &self,
        verify: fn(&Keys, &str, Now) -> Result<Arc<Believed>, Rejection>,
        token: &str,
        now: Now,
    ) -> Result<Arc<Believed>, Denied> {
        let (generation, rejection) = {
            let keys = self.current.load();
            match verify(&keys, token, now) {
                Err(rejection) => (keys.generation, rejection),
                Ok(believed) => return Ok(believed),
            }
        };
        let Rejection::UnknownKey { kid: Some(kid) } = &rejection else {
            return Err(self.denied(rejection));
        };
        if let Some(reason) = self.view.as_ref().and_then(|view| view.revoked_key(kid)) {
            return Err(Revoked { kind: Kind::Key, reason }.into());
        }
        if !self.refetch(generation).await {
            return Err(self.denied(rejection));
        }
        verify(&self.current.load(), token, now).map_err(|rejection| self.denied(rejection))
    }

    fn denied(&self, rejection: Rejection) -> Denied {
        match rejection {
            Rejection::UnknownKey { .. } if !*self.fetched.borrow() => Denied::NoKeys,
            rejection => Denied::Rejected(rejection),
        }
    }

    /// Takes revoked keys out of the set, for good: the view will forget that they are revoked when their
    /// last honest token is dead, but whoever stole one does not stop minting.
    pub(crate) fn withdraw_revoked(&self) {
        let withdrawn = self.replace(|keys| {
            let mut published = keys.published.clone();
            published
                .keys
                .retain(|jwk| !is_revoked(self.view.as_deref(), jwk.kid.as_deref().unwrap_or_default()));
            (published != keys.published).then_some(published)
        });
        if withdrawn {
            self.refresh.notify_one();
        }
    }

    /// Asks for the set because of a `kid` that is not in it, at most once per interval whatever the load.
    /// `true` if there is another set than that of `generation` now.
    async fn refetch(&self, generation: u64) -> bool {
        if matches!(self.source, Source::Fixed(_)) {
            return false;
        }
        let mut fetching = self.fetching.lock().await;
        if self.current.load().generation != generation {
            return true;
        }
        if fetching.for_unknown_key.is_some_and(|at| at.elapsed() < self.refetch_interval) {
            return false;
        }
        if let Err(error) = self.fetch(&mut fetching).await {
            self.failures.note(AskedFor::Keys, &error);
            warn!(issuer = %self.location.issuer(), %error, "no key set for a token's unknown key");
        }
        // Counted from the end, so that those who waited for a slow fetch do not start the next one.
        fetching.for_unknown_key = Some(Instant::now());
        self.current.load().generation != generation
    }

    /// As [`verify`](Self::verify) would, for whoever verifies something else with
    /// [`for_snapshots`](Self::for_snapshots) and does not find a key.
    pub(crate) async fn refetch_for_unknown_key(&self) -> bool {
        let generation = self.current.load().generation;
        self.refetch(generation).await
    }

    /// Keeps the set fresh: fetches it ahead of its expiry, and after a failure again and again.
    pub(crate) async fn keep_fresh(&self) {
        if matches!(self.source, Source::Fixed(_)) {
            return;
        }
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
        loop {
            let wait = match self.refresh().await {
                Ok(max_age) => {
                    backoff.reset();
                    // At 40 to 80 percent of its lifetime: a short outage goes by unnoticed.
                    jittered(max_age.mul_f64(0.8))
                }
                Err(error) => {
                    self.failures.note(AskedFor::Keys, &error);
                    let issuer = self.location.issuer();
                    match self.confirmed_at.load(Ordering::Acquire) {
                        NEVER => {
                            warn!(%issuer, %error, "no key set yet; tokens are refused until there is one")
                        }
                        _ => warn!(%issuer, %error, "no new key set; the last good one stays in use"),
                    }
                    backoff.wait()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.refresh.notified() => {}
            }
        }
    }

    async fn refresh(&self) -> Result<Duration, KeySetError> {
        let mut fetching = self.fetching.lock().await;
        if matches!(self.source, Source::Discovery) {
            let jwks_uri = self.discover().await?;
            if fetching.jwks_uri.replace(jwks_uri.clone()) != Some(jwks_uri) {
                fetching.etag = None;
            }
        }
        self.fetch(&mut fetching).await
    }

    async fn discover(&self) -> Result<Url, KeySetError> {
        discover(&self.http, &self.location).await?.jwks_uri.ok_or(KeySetError::NotNamed)
    }

    /// Fetches the set and puts it in place; answers how long it may be used.
    async fn fetch(&self, fetching: &mut Fetching) -> Result<Duration, KeySetError> {
        let url = match (&self.source, &fetching.jwks_uri) {
            (Source::JwksUri(url), _) => self.location.reach(url)?,
            (_, Some(url)) => url.clone(),
            (_, None) => self.discover().await?,
        };
        let max_age = match self.http.document(&url, fetching.etag.as_ref()).await? {
            Document::NotModified { max_age } => max_age,
            Document::New { body, etag, max_age } => {
                self.take(&body, &url)?;
                fetching.etag = etag;
                max_age
            }
        };
        fetching.jwks_uri = Some(url);
        self.confirmed_at.store(self.clock.now().steady.as_millis(), Ordering::Release);
        self.fetched.send_if_modified(|fetched| !std::mem::replace(fetched, true));
        Ok(max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(LEAST_MAX_AGE, GREATEST_MAX_AGE))
    }

    fn take(&self, body: &[u8], url: &Url) -> Result<(), KeySetError> {
        let malformed = |source| KeySetError::Malformed { url: url.clone(), source };
        let published = JwkSet::parse(body).map_err(malformed)?;
        // An issuer without keys is more likely broken than retired; what it published last stays good.
        if KeySet::from_jwks(&published, &self.terms.algs).is_empty() {
            return Err(KeySetError::NoUsableKey { url: url.clone() });
        }
        self.replace(|keys| (keys.published != published).then_some(published));
        Ok(())
    }

    /// Puts another set in place, if `change` makes one. Changes take turns, so that none undoes another.
    fn replace(&self, change: impl FnOnce(&Keys) -> Option<JwkSet>) -> bool {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load();
        let Some(published) = change(&before) else { return false };
        let keys = keys(&self.location, &self.terms, self.view.as_deref(), published, before.generation + 1);
        info!(issuer = %self.location.issuer(), keys = keys.set.keys().len(), "a new key set is in use");
        let mut earlier = self.earlier_signatures.lock().unwrap_or_else(PoisonError::into_inner);
        *earlier = sum(*earlier, before.signature_counts());
        self.current.store(Arc::new(keys));
        true
    }
}

impl Keys {
    fn verify(&self, token: &str, now: Now) -> Result<Arc<Believed>, Rejection> {
        let spot = self.recent.spot(token);
        if let Some(spot) = &spot
            && let Some(believed) = spot.find()
        {
            let verified = believed.verify_again(&self.verifier, now);
            return verified.inspect_err(|_| spot.forget()).map(|()| believed);
        }
        let believed = Arc::new(Believed::verify(self.profile, &self.verifier, token, now)?);
        if let Some(spot) = spot {
            spot.keep(&believed);
        }
        Ok(believed)
    }

    fn verify_ticket(&self, ticket: &str, now: Now) -> Result<Arc<Believed>, Rejection> {
        Believed::verify(Profile::Rfc9068, &self.tickets, ticket, now).map(Arc::new)
    }

    fn signature_counts(&self) -> SignatureCounts {
        let read_before = SignatureCounts { remembered: self.recent.found(), verified: 0 };
        sum(self.verifier.signature_counts(), read_before)
    }
}

fn sum(left: SignatureCounts, right: SignatureCounts) -> SignatureCounts {
    SignatureCounts {
        remembered: left.remembered + right.remembered,
        verified: left.verified + right.verified,
    }
}

fn keys(location: &Location, terms: &Terms, view: Option<&View>, published: JwkSet, generation: u64) -> Keys {
    let good = |algs: &[Alg]| not_revoked(&published, algs, view);
    let (set, all) = (good(&terms.algs), good(&IssuerConfig::DEFAULT_ALGS));
    let profile = terms.profile;
    let verifier = profile
        .verifier(location.issuer().clone(), terms.audience.clone(), set.clone())
        .with_clock_skew(terms.clock_skew)
        .remembering_signatures(SEEN_TOKENS);
    let tickets = ticket_verifier(location.issuer().clone(), terms.audience.clone(), set.clone())
        .with_clock_skew(terms.clock_skew);
    Keys { generation, published, set, all, verifier, profile, recent: Recent::default(), tickets }
}

fn not_revoked(published: &JwkSet, algs: &[Alg], view: Option<&View>) -> KeySet {
    let set = KeySet::from_jwks(published, algs);
    KeySet::new(set.keys().iter().filter(|key| !is_revoked(view, key.kid())).cloned().collect())
}

fn is_revoked(view: Option<&View>, kid: &str) -> bool {
    view.is_some_and(|view| view.revoked_key(kid).is_some())
}

//! The public keys of an issuer elsewhere: given once, or fetched from where it publishes them.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::{Alg, JwkSet, KeySet, Timestamp};
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use crate::client::{ClientKeys, ENCRYPTION_ALGS, encryption_key};
use crate::remote_document::{Asked, Fetches};

/// The least and the most that fetched keys are believed for, whatever their server says. The most is how long a key
/// that was taken back there is still good here.
const LEAST_FRESH: Duration = Duration::from_secs(60);
const MOST_FRESH: Duration = Duration::from_secs(3600);
/// How long nothing is fetched after a fetch. Whoever names keys that do not exist makes nobody fetch more often.
const PAUSE: Duration = Duration::from_secs(10);
/// More keys than an issuer needs that rotates its own.
const MAX_KEYS: usize = 64;

/// Fetches key sets over the network.
#[async_trait]
pub trait KeySetSource: Send + Sync + 'static {
    /// The JWK Set that is served there.
    ///
    /// # Errors
    /// [`KeySetError`].
    async fn fetch(&self, jwks_uri: &Url) -> Result<FetchedKeys, KeySetError>;
}

/// A key set as it was served.
#[derive(Clone, Debug)]
pub struct FetchedKeys {
    /// The keys.
    pub keys: JwkSet,
    /// For how long its server lets it be kept.
    pub fresh_for: Duration,
}

/// Why there are no keys. For the log: it says what another machine did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("its keys cannot be had: {0}")]
pub struct KeySetError(pub String);

/// The public keys of an issuer elsewhere.
#[derive(Clone, Debug)]
pub enum TrustedKeys {
    /// Given by value. A key that is taken back there has to be taken out here.
    Given(ClientKeys),
    /// Published by that issuer, which rotates them as it likes.
    Published(Arc<PublishedKeys>),
}

impl TrustedKeys {
    /// The keys to verify with what names `kid`.
    pub(super) async fn find(&self, kid: Option<&str>, now: Timestamp) -> Result<Arc<KeySet>, KeySetError> {
        match self {
            Self::Given(keys) => Ok(Arc::new(keys.verifying(&ClientKeys::algs().collect::<Vec<_>>()))),
            Self::Published(keys) => Ok(keys.find(|set| set.verifies(kid), now).await?.verifying),
        }
    }
}

/// Keys that are fetched when they are needed, one request at a time.
pub struct PublishedKeys {
    jwks_uri: Url,
    algs: Vec<Alg>,
    source: Arc<dyn KeySetSource>,
    /// How often its host is asked, where a client names it; such a set can be of keys to encrypt for alone.
    fetches: Option<Arc<Fetches>>,
    /// Whether its client's document is at the same host.
    is_own: bool,
    kept: RwLock<Kept>,
    fetching: Mutex<()>,
}

/// A set as it was published.
#[derive(Clone, Default)]
pub(crate) struct PublishedSet {
    /// The keys for signatures, ready for use.
    pub(crate) verifying: Arc<KeySet>,
    /// All of them.
    pub(crate) jwks: Arc<JwkSet>,
}

impl PublishedSet {
    /// Whether it has the key of that name.
    pub(crate) fn verifies(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.verifying.find(kid).is_some())
    }
}

#[derive(Clone, Default)]
struct Kept {
    keys: PublishedSet,
    fresh_until: Option<Timestamp>,
    /// When they can be asked for again.
    asked_until: Option<Timestamp>,
}

impl Kept {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    fn serves(&self, has: &impl Fn(&PublishedSet) -> bool, now: Timestamp) -> bool {
        self.is_fresh(now) && has(&self.keys)
    }
}

impl fmt::Debug for PublishedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedKeys").field("jwks_uri", &self.jwks_uri.as_str()).finish_non_exhaustive()
    }
}

impl PublishedKeys {
    /// Keys for `algs` that `source` fetches at `jwks_uri`. An RSA key that does not say its algorithm is taken only
    /// where `algs` has one for RSA.
    #[must_use]
    pub fn new(jwks_uri: Url, algs: Vec<Alg>, source: Arc<dyn KeySetSource>) -> Self {
        Self {
            jwks_uri,
            algs,
            source,
            fetches: None,
            is_own: false,
            kept: RwLock::default(),
            fetching: Mutex::default(),
        }
    }

    /// A client's keys, to verify with `algs` and to encrypt for. Its host is asked no oftener than `fetches` allows, apart from
    /// what others say of that host where it `is_own`.
    pub(crate) fn of_client(
        jwks_uri: Url,
        algs: Vec<Alg>,
        source: Arc<dyn KeySetSource>,
        fetches: Arc<Fetches>,
        is_own: bool,
    ) -> Self {
        Self { fetches: Some(fetches), is_own, ..Self::new(jwks_uri, algs, source) }
    }

    /// The set, fetched anew where it is old, or has not what is wanted of it and was not asked for just now.
    pub(crate) async fn find(
        &self,
        has: impl Fn(&PublishedSet) -> bool,
        now: Timestamp,
    ) -> Result<PublishedSet, KeySetError> {
        let kept = self.kept();
        if kept.serves(&has, now) {
            return Ok(kept.keys);
        }
        let _fetching = self.fetching.lock().await;
        // Somebody may have fetched them meanwhile.
        let kept = self.kept();
        if kept.serves(&has, now) {
            return Ok(kept.keys);
        }
        if kept.asked_until.is_some_and(|until| now < until) {
            return kept
                .is_fresh(now)
                .then_some(kept.keys)
                .ok_or_else(|| refused("they were just asked for"));
        }
        // Where this server is too busy to ask, nobody was asked.
        let host = self.jwks_uri.host_str().unwrap_or_default();
        // A set that is merely looked for in vain can be asked for with made-up names of keys.
        let has_gone_stale = kept.fresh_until.is_some() && !kept.is_fresh(now);
        let asked = match has_gone_stale {
            true => Asked::Known(self.jwks_uri.as_str()),
            false if self.is_own => Asked::Own(host),
            false => Asked::Host(host),
        };
        let place = self.fetches.as_ref().map(|fetches| fetches.begin(&asked, now)).transpose();
        let _place = match place {
            Ok(place) => place,
            Err(_) if kept.is_fresh(now) => return Ok(kept.keys),
            Err(error) => return Err(KeySetError(error.0)),
        };
        let asked_until = Some(now.saturating_add(PAUSE));
        let fetched = self.source.fetch(&self.jwks_uri).await.and_then(|fetched| self.usable(fetched));
        let next = match fetched {
            Ok((keys, fresh_for)) => {
                let fresh_for = fresh_for.clamp(LEAST_FRESH, MOST_FRESH);
                Kept { keys, fresh_until: Some(now.saturating_add(fresh_for)), asked_until }
            }
            Err(error) if !kept.is_fresh(now) => {
                self.keep(Kept { asked_until, ..kept });
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(jwks_uri = %self.jwks_uri, %error, "going on with the keys of before");
                Kept { asked_until, ..kept }
            }
        };
        self.keep(next.clone());
        Ok(next.keys)
    }

    fn usable(&self, fetched: FetchedKeys) -> Result<(PublishedSet, Duration), KeySetError> {
        if fetched.keys.keys.len() > MAX_KEYS {
            return Err(refused("there are too many"));
        }
        let keys = KeySet::from_jwks(&fetched.keys, &self.algs);
        let can_encrypt =
            || ENCRYPTION_ALGS.into_iter().any(|alg| encryption_key(&fetched.keys, alg).is_some());
        if keys.is_empty() && !(self.fetches.is_some() && can_encrypt()) {
            return Err(refused("none can be used"));
        }
        Ok((PublishedSet { verifying: Arc::new(keys), jwks: Arc::new(fetched.keys) }, fetched.fresh_for))
    }

    fn kept(&self) -> Kept {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, kept: Kept) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

fn refused(why: &str) -> KeySetError {
    KeySetError(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gatepass_jose::SigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    /// Serves one set, and counts.
    struct Source {
        keys: std::sync::Mutex<Option<JwkSet>>,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl KeySetSource for Source {
        async fn fetch(&self, _: &Url) -> Result<FetchedKeys, KeySetError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let keys = self.keys.lock().unwrap().clone().ok_or_else(|| refused("away"))?;
            Ok(FetchedKeys { keys, fresh_for: Duration::from_secs(300) })
        }
    }

    impl Source {
        fn serve(&self, kids: &[&str]) {
            let public =
                |kid: &&str| SigningKey::generate(Alg::ES256, Some(kid)).unwrap().public_jwk().unwrap();
            *self.keys.lock().unwrap() = Some(JwkSet { keys: kids.iter().map(public).collect() });
        }
    }

    #[tokio::test]
    async fn they_are_fetched_when_they_are_needed_and_not_for_whoever_invents_names() {
        let source = Arc::new(Source { keys: Default::default(), asked: AtomicUsize::new(0) });
        let url = "https://ci.example/jwks".parse().unwrap();
        let keys = PublishedKeys::new(url, vec![Alg::ES256], source.clone());
        // seconds, what is served, the kid, whether there are keys, whether they have it, how often it was fetched
        type Step = (u64, Option<&'static [&'static str]>, &'static str, bool, bool, usize);
        let steps: [Step; 11] = [
            (0, None, "a", false, false, 1),
            (9, Some(&["a"]), "a", false, false, 1),
            (10, Some(&["a"]), "a", true, true, 2),
            (11, Some(&["b"]), "a", true, true, 2),
            (12, Some(&["b"]), "b", true, false, 2),
            (20, Some(&["b"]), "b", true, true, 3),
            (31, None, "invented", true, false, 4),
            (32, None, "invented", true, false, 4),
            (319, None, "b", true, true, 4),
            (320, None, "b", false, false, 5),
            (340, Some(&[]), "b", false, false, 6),
        ];
        for (seconds, served, kid, there, has, asked) in steps {
            match served {
                Some(kids) => source.serve(kids),
                None => *source.keys.lock().unwrap() = None,
            }
            let now = NOW.saturating_add(Duration::from_secs(seconds));
            let found = keys.find(|set| set.verifies(Some(kid)), now).await;
            assert_eq!(found.is_ok(), there, "{seconds}");
            assert_eq!(found.is_ok_and(|keys| keys.verifying.find(kid).is_some()), has, "{seconds}");
            assert_eq!(source.asked.load(Ordering::Relaxed), asked, "{seconds}");
        }
    }

    #[tokio::test]
    async fn many_at_once_fetch_once() {
        let source = Arc::new(Source { keys: Default::default(), asked: AtomicUsize::new(0) });
        source.serve(&["a"]);
        let url = "https://ci.example/jwks".parse().unwrap();
        let keys = PublishedKeys::new(url, vec![Alg::ES256], source.clone());
        let all = futures_join(&keys).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    }

    async fn futures_join(keys: &PublishedKeys) -> [Result<PublishedSet, KeySetError>; 3] {
        let find = |kid: Option<&'static str>| keys.find(move |set| set.verifies(kid), NOW);
        tokio::join!(find(Some("a")), find(None), find(Some("a"))).into()
    }
}

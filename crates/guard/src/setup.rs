//! From an issuer's configuration to a trusted issuer with its tasks at work.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gatepass_jose::{Audience, KeySet};
use gatepass_revocation::View;
use tokio::sync::watch;

use crate::background::Background;
use crate::clock::Clock;
use crate::config::{Feed, Introspection, IssuerConfig, KeySource, Revocation, StartError, WhenStale};
use crate::follow::FeedTask;
use crate::http::Http;
use crate::introspection::Introspector;
use crate::issuer::{Followed, Revocations, Stale, Tokens, TrustedIssuer};
use crate::keys::{KeyCache, Source, Terms};
use crate::location::{Location, Refused, join};
use crate::secret::SharedSecret;

/// What all issuers of a guard share.
pub(crate) struct Means {
    pub(crate) http: Http,
    pub(crate) clock: Arc<Clock>,
    pub(crate) background: Background,
}

/// Checks the configuration and starts the tasks that it asks for.
pub(crate) fn trust(config: &IssuerConfig, means: &Means) -> Result<TrustedIssuer, StartError> {
    let location = Location::new(config)?;
    let setup = Setup { config, means, terms: terms(config)?, location };
    let (tokens, revocations) = match &config.revocation {
        Revocation::Feed(feed) => {
            let view = Arc::new(View::new());
            let tokens = setup.tokens(Some(&view))?;
            let followed = setup.follow(feed, view, &tokens)?;
            (tokens, Revocations::Followed(followed))
        }
        Revocation::Introspect(introspection) => {
            (setup.tokens(None)?, Revocations::Asked(setup.introspector(introspection)?))
        }
        Revocation::None => (setup.tokens(None)?, Revocations::NotTold),
    };
    Ok(TrustedIssuer { issuer: setup.location.issuer().clone(), tokens, revocations })
}

fn terms(config: &IssuerConfig) -> Result<Terms, StartError> {
    let issuer = || config.issuer.clone();
    let audience =
        Audience::new(config.audience.clone()).map_err(|_| StartError::NoAudience { issuer: issuer() })?;
    if config.algs.is_empty() || config.algs.iter().any(|alg| alg.is_symmetric()) {
        return Err(StartError::Algs { issuer: issuer() });
    }
    Ok(Terms { audience, algs: config.algs.clone(), clock_skew: config.clock_skew })
}

struct Setup<'a> {
    config: &'a IssuerConfig,
    means: &'a Means,
    terms: Terms,
    location: Location,
}

impl Setup<'_> {
    fn tokens(&self, view: Option<&Arc<View>>) -> Result<Tokens, StartError> {
        let issuer = || self.config.issuer.clone();
        let source = match &self.config.keys {
            KeySource::Discovery => Source::Discovery,
            KeySource::JwksUri(url) => Source::JwksUri(self.location.reach(url).map_err(insecure)?),
            KeySource::Inline(set) if KeySet::from_jwks(set, &self.terms.algs).is_empty() => {
                return Err(StartError::NoUsableKey { issuer: issuer() });
            }
            KeySource::Inline(set) => Source::Fixed(set.clone()),
            KeySource::Secret { alg, secret } => {
                let (issuer, terms) = (self.location.issuer().clone(), self.terms.clone());
                let shared = SharedSecret::new(*alg, secret.clone(), issuer, terms);
                return match shared {
                    Ok(shared) => Ok(Tokens::Shared(Box::new(shared))),
                    Err(source) => Err(StartError::Secret { issuer: self.config.issuer.clone(), source }),
                };
            }
        };
        Ok(Tokens::Published(self.key_cache(source, view)?))
    }

    fn key_cache(&self, source: Source, view: Option<&Arc<View>>) -> Result<Arc<KeyCache>, StartError> {
        if matches!(source, Source::Discovery) {
            self.location.openid_configuration().map_err(insecure)?;
        }
        let cache = Arc::new(KeyCache::new(
            self.location.clone(),
            self.terms.clone(),
            source,
            self.config.refetch_interval,
            view.cloned(),
            self.means.http.clone(),
            Arc::clone(&self.means.clock),
        ));
        let fresh = Arc::clone(&cache);
        self.means.background.spawn(async move { fresh.keep_fresh().await });
        Ok(cache)
    }

    fn introspector(&self, introspection: &Introspection) -> Result<Box<Introspector>, StartError> {
        match &introspection.endpoint {
            Some(url) => self.location.reach(url),
            None => self.location.openid_configuration(),
        }
        .map_err(insecure)?;
        let (location, http) = (self.location.clone(), self.means.http.clone());
        Ok(Box::new(Introspector::new(introspection.clone(), location, http)))
    }

    fn follow(&self, feed: &Feed, view: Arc<View>, tokens: &Tokens) -> Result<Followed, StartError> {
        let keys = match tokens {
            Tokens::Published(keys) => Arc::clone(keys),
            // The issuer signs its snapshots with a published key even where it signs tokens with a secret.
            Tokens::Shared(_) => self.key_cache(Source::Discovery, Some(&view))?,
        };
        let place = |name| match &feed.url {
            Some(url) => self.location.reach(&join(url, name)),
            None => self.location.below(&format!("revocations/{name}")),
        };
        let then = match &feed.on_stale.then {
            WhenStale::Allow => Stale::Allow,
            WhenStale::Deny => Stale::Deny,
            WhenStale::Introspect(introspection) => Stale::Ask(self.introspector(introspection)?),
        };
        let connected = Arc::new(AtomicBool::new(false));
        let (loaded, is_loaded) = watch::channel(false);
        let task = FeedTask {
            issuer: self.location.issuer().clone(),
            snapshot_url: place("snapshot").map_err(insecure)?,
            stream_url: place("stream").map_err(insecure)?,
            clock_skew: self.config.clock_skew,
            view: Arc::clone(&view),
            keys,
            http: self.means.http.clone(),
            clock: Arc::clone(&self.means.clock),
            connected: Arc::clone(&connected),
            loaded,
        };
        self.means.background.spawn(task.run());
        Ok(Followed { view, after: feed.on_stale.after, then, connected, loaded: is_loaded })
    }
}

fn insecure(refused: Refused) -> StartError {
    StartError::InsecureUrl { url: refused.0 }
}

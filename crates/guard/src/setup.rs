//! From an issuer's configuration to a trusted issuer with its tasks at work.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use gatepass_jose::{Audience, KeySet};
use gatepass_revocation::View;
use tokio::sync::watch;
use url::Url;

use crate::background::Background;
use crate::believed::Profile;
use crate::clock::Clock;
use crate::config::{
    Feed, Introspection, IssuerConfig, KeySource, OnStale, Revocation, StartError, StatusListSource,
    TokenKind, WhenStale,
};
use crate::decryption::Opener;
use crate::exchange::Exchanger;
use crate::failures::Failures;
use crate::follow::{FeedTask, Place};
use crate::http::Http;
use crate::introspection::Introspector;
use crate::issuer::{Followed, Revocations, Tokens, TrustedIssuer};
use crate::keys::{KeyCache, Source, Terms};
use crate::location::{Location, Refused, join};
use crate::opaque::AnswerReader;
use crate::openid::OpenIdIssuer;
use crate::secret::SharedSecret;
use crate::sender::SenderCheck;
use crate::stale::{StaleAction, StalePolicy};
use crate::status_list::StatusLists;
use crate::ticket::TicketOffice;

/// What all issuers of a guard share.
pub(crate) struct Means {
    pub(crate) http: Http,
    pub(crate) clock: Arc<Clock>,
    pub(crate) background: Background,
}

/// Checks the configuration and starts the tasks that it asks for. `old` is the issuer as it was trusted until now.
pub(crate) fn trust(
    config: &IssuerConfig,
    old: Option<&TrustedIssuer>,
    means: &Means,
) -> Result<TrustedIssuer, StartError> {
    let location = Location::new(config)?;
    let failures = Failures::new(Arc::clone(&means.clock));
    let setup = Setup { config, means, terms: terms(config)?, location, failures };
    let (tokens, revocations) = match &config.revocation {
        Revocation::Feed(feed) => {
            let view = old.and_then(TrustedIssuer::view).unwrap_or_default();
            let tokens = setup.tokens(Some(&view))?;
            let followed = setup.follow(feed, view, &tokens)?;
            (tokens, Revocations::Followed(followed))
        }
        Revocation::Introspect(_) if matches!(config.tokens, TokenKind::Opaque(_)) => {
            (setup.tokens(None)?, Revocations::NotTold)
        }
        Revocation::Introspect(introspection) => {
            (setup.tokens(None)?, Revocations::Asked(Box::new(setup.introspector(introspection)?)))
        }
        Revocation::StatusList(source) => {
            let tokens = setup.tokens(None)?;
            let lists = setup.status_lists(source, &tokens)?;
            (tokens, Revocations::Listed(Box::new(lists)))
        }
        Revocation::None => (setup.tokens(None)?, Revocations::NotTold),
    };
    let openid = match &tokens {
        Tokens::Published(keys) => Some(setup.openid(keys)),
        Tokens::Shared(_) | Tokens::Opaque(_) => None,
    };
    Ok(TrustedIssuer {
        issuer: setup.location.issuer().clone(),
        tokens,
        opener: Opener::new(config)?,
        revocations,
        senders: senders(config, old)?,
        exchanger: setup.exchanger()?,
        tickets: setup.ticket_office()?,
        openid,
        failures: setup.failures,
    })
}

fn senders(config: &IssuerConfig, old: Option<&TrustedIssuer>) -> Result<SenderCheck, StartError> {
    let issuer = || config.issuer.clone();
    if config.dpop.algs.is_empty() || config.dpop.algs.iter().any(|alg| alg.is_symmetric()) {
        return Err(StartError::DpopAlgs { issuer: issuer() });
    }
    let old = old.map(|old| &old.senders);
    SenderCheck::new(&config.dpop, old).map_err(|source| StartError::DpopNonce { issuer: issuer(), source })
}

fn terms(config: &IssuerConfig) -> Result<Terms, StartError> {
    let issuer = || config.issuer.clone();
    let audience =
        Audience::new(config.audience.clone()).map_err(|_| StartError::NoAudience { issuer: issuer() })?;
    if config.algs.is_empty() || config.algs.iter().any(|alg| alg.is_symmetric()) {
        return Err(StartError::Algs { issuer: issuer() });
    }
    let profile = match config.tokens {
        TokenKind::Rfc9068 => Profile::Rfc9068,
        TokenKind::Jwt | TokenKind::Opaque(_) => Profile::Jwt,
    };
    Ok(Terms { audience, algs: config.algs.clone(), clock_skew: config.clock_skew, profile })
}

struct Setup<'a> {
    config: &'a IssuerConfig,
    means: &'a Means,
    terms: Terms,
    location: Location,
    failures: Arc<Failures>,
}

impl Setup<'_> {
    fn tokens(&self, view: Option<&Arc<View>>) -> Result<Tokens, StartError> {
        if let TokenKind::Opaque(introspection) = &self.config.tokens {
            let reader = AnswerReader::new(&self.location, &self.terms);
            return Ok(Tokens::Opaque(Box::new(self.introspector(introspection)?.reading(reader))));
        }
        if let KeySource::Secret { alg, secret, previous } = &self.config.keys {
            let issuer = self.location.issuer();
            return match SharedSecret::new(*alg, secret, previous.as_ref(), issuer, &self.terms) {
                Ok(shared) => Ok(Tokens::Shared(Box::new(shared))),
                Err(source) => Err(StartError::Secret { issuer: self.config.issuer.clone(), source }),
            };
        }
        Ok(Tokens::Published(self.key_cache(self.source()?, view)?))
    }

    /// Where the published keys are.
    fn source(&self) -> Result<Source, StartError> {
        match &self.config.keys {
            KeySource::JwksUri(url) => Ok(Source::JwksUri(self.location.reach(url).map_err(insecure)?)),
            KeySource::Inline(set) if KeySet::from_jwks(set, &self.terms.algs).is_empty() => {
                Err(StartError::NoUsableKey { issuer: self.config.issuer.clone() })
            }
            KeySource::Inline(set) => Ok(Source::Fixed(set.clone())),
            KeySource::Discovery | KeySource::Secret { .. } => Ok(Source::Discovery),
        }
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
            Arc::clone(&self.failures),
        ));
        let fresh = Arc::clone(&cache);
        self.means.background.spawn(async move { fresh.keep_fresh().await });
        Ok(cache)
    }

    fn openid(&self, keys: &Arc<KeyCache>) -> OpenIdIssuer {
        OpenIdIssuer::new(
            self.location.clone(),
            Arc::clone(keys),
            self.config.audience.clone(),
            self.config.clock_skew,
            self.means.http.clone(),
            Arc::clone(&self.means.clock),
        )
    }

    fn introspector(&self, introspection: &Introspection) -> Result<Introspector, StartError> {
        match &introspection.endpoint {
            Some(url) => self.location.reach(url),
            None => self.location.openid_configuration(),
        }
        .map_err(insecure)?;
        let (location, http) = (self.location.clone(), self.means.http.clone());
        let failures = Arc::clone(&self.failures);
        Ok(Introspector::new(introspection.clone(), location, http, failures))
    }

    fn exchanger(&self) -> Result<Option<Exchanger>, StartError> {
        let Some(client) = &self.config.client else { return Ok(None) };
        match &client.token_endpoint {
            Some(url) => self.location.reach(url),
            None => self.location.openid_configuration(),
        }
        .map_err(insecure)?;
        let (location, http) = (self.location.clone(), self.means.http.clone());
        Ok(Some(Exchanger::new(client.clone(), location, http, Arc::clone(&self.means.clock))))
    }

    fn ticket_office(&self) -> Result<Option<TicketOffice>, StartError> {
        let Some(client) = &self.config.client else { return Ok(None) };
        let endpoint = self.location.below("tickets/consume").map_err(insecure)?;
        Ok(Some(TicketOffice::new(client.clone(), endpoint, self.means.http.clone())))
    }

    /// What is done when a view or list is stale, and whom to ask then.
    fn on_stale(
        &self,
        on_stale: &OnStale,
        otherwise: Option<&Introspection>,
    ) -> Result<(StalePolicy, Option<Box<Introspector>>), StartError> {
        let (then, introspection) = match &on_stale.then {
            WhenStale::Allow => (StaleAction::Allow, None),
            WhenStale::Deny => (StaleAction::Deny, None),
            WhenStale::Introspect(introspection) => (StaleAction::Introspect, Some(introspection)),
        };
        let introspection = introspection.or(otherwise);
        let introspector = introspection.map(|introspection| self.introspector(introspection)).transpose()?;
        Ok((StalePolicy { after: on_stale.after, then }, introspector.map(Box::new)))
    }

    /// The keys that the issuer signs with what it says of its tokens. They are published ones even where
    /// it signs the tokens themselves with a secret.
    fn published_keys(&self, tokens: &Tokens, view: Option<&Arc<View>>) -> Result<Arc<KeyCache>, StartError> {
        match tokens {
            Tokens::Published(keys) => Ok(Arc::clone(keys)),
            Tokens::Shared(_) | Tokens::Opaque(_) => self.key_cache(self.source()?, view),
        }
    }

    fn status_lists(&self, source: &StatusListSource, tokens: &Tokens) -> Result<StatusLists, StartError> {
        let (on_stale, introspector) = self.on_stale(&source.on_stale, source.introspection.as_ref())?;
        for url in &source.origins {
            self.location.reach(url).map_err(insecure)?;
        }
        Ok(StatusLists {
            location: self.location.clone(),
            origins: source.origins.iter().map(Url::origin).collect(),
            on_stale,
            introspector,
            keys: self.published_keys(tokens, None)?,
            clock_skew: self.config.clock_skew,
            http: self.means.http.clone(),
            clock: Arc::clone(&self.means.clock),
            failures: Arc::clone(&self.failures),
            lists: Mutex::default(),
        })
    }

    /// Where the feed is, first to last choice.
    fn places(&self, feed: &Feed) -> Result<Vec<Place>, Refused> {
        let at = |url: &Url| {
            let [snapshot, stream] = ["snapshot", "stream"].map(|name| self.location.reach(&join(url, name)));
            Ok(Place { snapshot: snapshot?, stream: stream? })
        };
        let own = |name| self.location.below(&format!("revocations/{name}"));
        let first = match &feed.url {
            Some(url) => at(url)?,
            None => Place { snapshot: own("snapshot")?, stream: own("stream")? },
        };
        let fallbacks = feed.fallbacks.iter().map(at);
        [Ok(first)].into_iter().chain(fallbacks).collect()
    }

    fn follow(&self, feed: &Feed, view: Arc<View>, tokens: &Tokens) -> Result<Followed, StartError> {
        let (on_stale, introspector) = self.on_stale(&feed.on_stale, feed.introspection.as_ref())?;
        let connected = Arc::new(AtomicBool::new(false));
        let (loaded, is_loaded) = watch::channel(false);
        let task = FeedTask {
            issuer: self.location.issuer().clone(),
            places: self.places(feed).map_err(insecure)?,
            clock_skew: self.config.clock_skew,
            view: Arc::clone(&view),
            keys: self.published_keys(tokens, Some(&view))?,
            http: self.means.http.clone(),
            clock: Arc::clone(&self.means.clock),
            failures: Arc::clone(&self.failures),
            connected: Arc::clone(&connected),
            loaded,
        };
        self.means.background.spawn(task.run());
        let clock_skew = self.config.clock_skew;
        Ok(Followed { view, clock_skew, on_stale, introspector, connected, loaded: is_loaded })
    }
}

fn insecure(refused: Refused) -> StartError {
    StartError::InsecureUrl { url: refused.into_url() }
}

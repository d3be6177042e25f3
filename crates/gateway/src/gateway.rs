//! The gateway as its owner sees it: start, serve, reload.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use gatepass_guard::Challenge;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use crate::access_log::{AccessLog, Target};
use crate::bff::{self, Bff, BffSettings, BffStartError};
use crate::config::Config;
use crate::guards::{Guards, NotTrusted};
use crate::rate_limit::Limiter;
use crate::resource::Resource;
use crate::route::Route;
use crate::serve::Door;
use crate::stats::route::{RouteLabel, RouteStats};
use crate::stats::{Counters, Stats};
use crate::trace::SpanSink;
use crate::upstream::{Upstream, UpstreamStatus};
use crate::{admin, ext_authz, proxy, serve};

/// A running gateway. Cheap to clone; all clones are the same gateway.
///
/// # Examples
/// ```no_run
/// use gatepass_gateway::{Config, Gateway};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::load("gateway.toml")?;
/// let listener = tokio::net::TcpListener::bind(config.listen()).await?;
/// let gateway = Gateway::start(config).await?;
/// gateway.serve(listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What every connection of a gateway works with.
pub(crate) struct Shared {
    pub(crate) state: ArcSwap<State>,
    pub(crate) counters: Counters,
    /// Who exports spans, if anybody.
    pub(crate) spans: OnceLock<Box<dyn SpanSink>>,
    /// One reload at a time: each builds on the state before.
    reloading: Mutex<()>,
}

/// What a request works with from its start to its end, whatever is loaded meanwhile.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) guards: Guards,
    /// In the order of the configuration's routes. What goes by the same name counts on through a reload.
    pub(crate) route_stats: Vec<Arc<RouteStats>>,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    /// In the order of the configuration's.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// In the order of the configuration's.
    pub(crate) limiters: Vec<Arc<Limiter>>,
    /// What refusals say in `WWW-Authenticate` beside the error, for each of the configuration's resources.
    challenges: Vec<Challenge>,
    /// The same from start to end.
    pub(crate) bff: Option<Arc<Bff>>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The issuers cannot be verified for, as configured.
    #[error(transparent)]
    Issuers(#[from] gatepass_guard::StartError),
    /// The settings of an issuer have changed, and it does not answer under the new ones. Those of before go on.
    #[error("an issuer's new settings cannot be taken over yet, and those of before go on: {why}")]
    IssuerNotReady {
        /// Which issuer, and what it has not given.
        why: String,
    },
    /// The access log cannot be opened.
    #[error("cannot write the access log to {}: {source}", path.display())]
    AccessLog {
        /// The file that was configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Sessions for browsers cannot be kept.
    #[error(transparent)]
    Sessions(#[from] BffStartError),
}

/// Why a configuration was not taken over. The one before goes on.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A listening socket, what is spoken there and how many may speak is not changed while it is in use.
    #[error("`{0}` cannot change while the gateway runs; restart it for that")]
    NeedsRestart(&'static str),
    /// What it asks for cannot be begun.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<NotTrusted> for StartError {
    fn from(error: NotTrusted) -> Self {
        match error {
            NotTrusted::Start(error) => Self::Issuers(error),
            NotTrusted::NotReady { why } => Self::IssuerNotReady { why },
        }
    }
}

impl Gateway {
    /// Starts what works in the background: key sets, revocation views. It does not wait for them; see
    /// [`Gateway::is_ready`].
    ///
    /// # Errors
    /// [`StartError`] if the issuers cannot be verified for, as configured, or the access log not written.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let counters = Counters::default();
        let state = State::start(config, None, &counters).await?;
        let shared = Arc::new(Shared {
            state: ArcSwap::from_pointee(state),
            counters,
            spans: OnceLock::new(),
            reloading: Mutex::new(()),
        });
        tokio::spawn(follow_certificates(Arc::downgrade(&shared)));
        if let Some(bff) = &shared.state.load().bff {
            tokio::spawn(bff::sweep(Arc::downgrade(bff)));
        }
        Ok(Self { shared })
    }

    /// Serves connections until `shutdown`, then lets what is in flight end, for no longer than
    /// `timeouts.drain`.
    ///
    /// # Errors
    /// If the socket fails for good. A connection that cannot be accepted is no such failure.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        serve::serve(listener, &self.shared, Door::Clients, shutdown, move |connection, request| {
            proxy::serve(Arc::clone(&shared), Arc::clone(connection), request)
        })
        .await?;
        if let Some(log) = self.shared.state.load_full().access_log.as_ref() {
            log.flush().await;
        }
        Ok(())
    }

    /// Hands the spans of requests to `sink` from now on, where the configuration has `[tracing]`. Called once;
    /// a second sink is not taken.
    pub fn export_spans(&self, sink: impl SpanSink) {
        if self.shared.spans.set(Box::new(sink)).is_err() {
            tracing::error!("spans are exported already");
        }
    }

    /// Lets go of the access log's file, which whoever rotates logs has given another name, and opens it anew.
    pub fn reopen_access_log(&self) {
        if let Some(log) = &self.shared.state.load().access_log {
            log.reopen();
        }
    }

    /// Serves `/livez`, `/readyz`, `/stats`, `/upstreams` and `/metrics`, for the operator's eyes only.
    ///
    /// # Errors
    /// As [`Gateway::serve`].
    pub async fn serve_admin(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        serve::serve(listener, &self.shared, Door::Operator, shutdown, move |connection, request| {
            admin::serve(Arc::clone(&shared), Arc::clone(connection), request)
        })
        .await
    }

    /// Answers Envoys that ask with `ext_authz` over gRPC, over TLS where clients are served so.
    ///
    /// # Errors
    /// As [`Gateway::serve`].
    pub async fn serve_ext_authz(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        serve::serve(listener, &self.shared, Door::Clients, shutdown, move |connection, request| {
            ext_authz::serve(Arc::clone(&shared), Arc::clone(connection), request)
        })
        .await
    }

    /// Takes over a new configuration whole. Requests in flight end under the old one; not one is refused
    /// or lost for the change.
    ///
    /// What has not changed is kept: the key sets and revocation views of the issuers, each server with its
    /// connections and what is known of its health, and what callers have used of limits that are the same. A
    /// server that is named no more ends what it has and gets nothing new. A new issuer is waited for up to a
    /// moment, so that its tokens are not refused just
    /// because its keys are still on their way. One with other settings than before goes over to them once it has
    /// given keys and revocations under them, with all that was seen revoked and used; if it does not, the
    /// configuration is refused.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let _one_at_a_time = self.shared.reloading.lock().await;
        let old = self.shared.state.load_full();
        require_same(config.listen == old.config.listen, "listen")?;
        require_same(config.admin_listen == old.config.admin_listen, "admin_listen")?;
        require_same(config.ext_authz_listen == old.config.ext_authz_listen, "ext_authz.listen")?;
        require_same(config.tls.is_some() == old.config.tls.is_some(), "tls")?;
        require_same(config.limits.connections == old.config.limits.connections, "limits.connections")?;
        require_same(config.limits.handshakes == old.config.limits.handshakes, "limits.handshakes")?;
        let fingerprint = |bff: Option<&BffSettings>| bff.map(|bff| bff.fingerprint);
        let kept = old.bff.as_ref().map(|bff| &bff.settings);
        require_same(fingerprint(config.bff.as_ref()) == fingerprint(kept), "bff")?;
        require_same(config.tracing_endpoint() == old.config.tracing_endpoint(), "tracing.otlp")?;
        let new = Arc::new(State::start(config, Some(&old), &self.shared.counters).await?);
        self.shared.state.store(Arc::clone(&new));
        old.upstreams.iter().for_each(|upstream| upstream.retire(&new.upstreams));
        Ok(())
    }

    /// Whether tokens of every issuer can be verified, with a view of revocations that is fresh enough.
    pub fn is_ready(&self) -> bool {
        self.shared.state.load().guards.is_ready()
    }

    /// How it stands with the servers behind, in the order of the configuration.
    pub fn upstreams(&self) -> Vec<UpstreamStatus> {
        self.shared.upstreams()
    }

    /// What has been counted since the start, reloads included.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        self.counters.read(&self.state.load().route_stats)
    }

    pub(crate) fn upstreams(&self) -> Vec<UpstreamStatus> {
        self.state.load().upstreams.iter().map(|upstream| upstream.status()).collect()
    }
}

impl State {
    async fn start(mut config: Config, old: Option<&Self>, counters: &Counters) -> Result<Self, StartError> {
        if let (Some(new), Some(old)) = (&config.tls, old.and_then(|old| old.config.tls.as_ref()))
            && new == old
        {
            config.tls = Some(Arc::clone(old));
        }
        let guards = Guards::start(&config.issuers, old.map(|old| &old.guards)).await?;
        let bff = match (old, config.bff.take()) {
            (Some(old), _) => old.bff.clone(),
            (None, None) => None,
            (None, Some(settings)) => Some(Arc::new(Bff::start(settings)?)),
        };
        // What can fail comes first: from here on, servers that stay are told of their new terms.
        let access_log = open_access_log(&config, old, counters)?;
        let kept = old.map(|old| old.upstreams.as_slice()).unwrap_or_default();
        let upstreams = config.upstreams.iter().map(|settings| {
            let old = kept.iter().find(|upstream| upstream.name() == settings.name);
            Upstream::start(settings.clone(), old)
        });
        let kept = old.map(|old| old.limiters.as_slice()).unwrap_or_default();
        let limiters = config.rate_limits.iter().map(|settings| {
            match kept.iter().find(|limiter| limiter.settings() == settings) {
                Some(limiter) => Arc::clone(limiter),
                None => Arc::new(Limiter::new(settings.clone())),
            }
        });
        let limiters = limiters.collect();
        let named = |resource: &Resource| resource.named_in(guards.challenge());
        let challenges = config.resources.iter().map(named).collect();
        Ok(Self {
            upstreams: upstreams.collect(),
            limiters,
            challenges,
            bff,
            guards,
            route_stats: route_stats(&config.routes.labels, old),
            access_log,
            config,
        })
    }

    /// A route by its index, and where it leads.
    pub(crate) fn route(&self, index: usize) -> Option<(&Route, &Upstream)> {
        let route = self.config.routes.routes.get(index)?;
        self.upstreams.get(route.upstream).map(|upstream| (route, &**upstream))
    }

    /// What a refusal says beside the error on the routes of a resource: see [`Route::resource`].
    pub(crate) fn challenge(&self, resource: usize) -> Challenge {
        self.challenges.get(resource).cloned().unwrap_or_default()
    }

    /// Whether connections from this address are a proxy's, whose word on its own client counts.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// Looks at the files of certificates for as long as the gateway is there.
async fn follow_certificates(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(gatepass_tls::CHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let state = shared.state.load();
        let tls = state.config.tls.clone();
        let upstreams: Vec<_> =
            state.upstreams.iter().filter_map(|upstream| upstream.tls().cloned()).collect();
        drop((state, shared));
        let refresh = move || {
            tls.iter().for_each(|tls| tls.refresh());
            upstreams.iter().for_each(|tls| tls.refresh());
        };
        if tokio::task::spawn_blocking(refresh).await.is_err() {
            return; // the runtime is going
        }
    }
}

/// Counters for each route, those of before where there were any.
fn route_stats(labels: &[RouteLabel], old: Option<&State>) -> Vec<Arc<RouteStats>> {
    let old = old.map(|old| old.route_stats.as_slice()).unwrap_or_default();
    let mut known: HashMap<RouteLabel, Arc<RouteStats>> =
        old.iter().map(|stats| (stats.label.clone(), Arc::clone(stats))).collect();
    let stats = |label: &RouteLabel| {
        let new = || Arc::new(RouteStats::new(label.clone()));
        Arc::clone(known.entry(label.clone()).or_insert_with(new))
    };
    labels.iter().map(stats).collect()
}

fn open_access_log(
    config: &Config,
    old: Option<&State>,
    counters: &Counters,
) -> Result<Option<Arc<AccessLog>>, StartError> {
    let Some(settings) = &config.access_log else { return Ok(None) };
    if let Some(kept) = old.and_then(|old| old.access_log.as_ref()).filter(|log| log.settings() == settings) {
        return Ok(Some(Arc::clone(kept)));
    }
    let log = AccessLog::open(settings.clone(), Arc::clone(&counters.log_lines_dropped));
    log.map(|log| Some(Arc::new(log))).map_err(|source| StartError::AccessLog {
        path: match &settings.target {
            Target::Stdout => PathBuf::from("standard output"),
            Target::File(path) => path.clone(),
        },
        source,
    })
}

fn require_same(same: bool, key: &'static str) -> Result<(), ReloadError> {
    if same { Ok(()) } else { Err(ReloadError::NeedsRestart(key)) }
}

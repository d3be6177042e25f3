//! Where the server listens: one address for everybody, and perhaps one where clients are asked for certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use gatepass_server::Limits;
use gatepass_tls::{Asked, Pair, ServerFiles, ServerTls};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::bind;
use crate::config::ServerConfig;
use crate::data::{DataDir, Running};

/// All that the server listens on.
pub(super) struct Doors {
    pub(super) main: Door,
    pub(super) certificates: Option<Door>,
}

/// A socket, and what is spoken there.
pub(super) struct Door {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerTls>>,
}

impl Doors {
    /// Binds the sockets and reads the files of certificates.
    pub(super) async fn open(config: &ServerConfig) -> anyhow::Result<Self> {
        let tls = config.tls.as_ref();
        let load = |pair: &Pair, asked| {
            let loaded = ServerTls::load(ServerFiles { pair: pair.clone(), asked });
            loaded.map(Arc::new).context("`[tls]`")
        };
        let main = tls.map(|tls| load(&tls.pair, Asked::Nobodys)).transpose()?;
        let certificates = match tls.and_then(|tls| Some((tls, tls.client_certificates?))) {
            Some((tls, address)) => {
                let secure = load(&tls.pair, Asked::Anybodys)?;
                Some(Door::open(address, "client_certificates.listen", Some(secure)).await?)
            }
            None => None,
        };
        Ok(Self { main: Door::open(config.listen, "listen", main).await?, certificates })
    }

    /// Leaves word for the command line on this machine.
    pub(super) fn announce(&self, data: &DataDir) -> anyhow::Result<()> {
        self.main.announce(data)
    }

    /// Reads the files of certificates again, now and then and at each SIGHUP, until `stop`.
    pub(super) fn follow(
        &self,
        mut hangups: Signal,
        data: DataDir,
        stop: CancellationToken,
    ) -> JoinHandle<()> {
        let Some(main) = self.main.tls.clone() else {
            return tokio::spawn(async {});
        };
        let url = self.main.url();
        let others = self.certificates.as_ref().and_then(|door| door.tls.clone());
        let all: Arc<[Arc<ServerTls>]> = [main].into_iter().chain(others).collect();
        let mut ticks = tokio::time::interval(gatepass_tls::CHECK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let follow = async move {
            loop {
                tokio::select! {
                    _ = hangups.recv() => {}
                    _ = ticks.tick() => {}
                }
                let (all, data, url) = (Arc::clone(&all), data.clone(), url.clone());
                if tokio::task::spawn_blocking(move || refresh(&all, &data, url)).await.is_err() {
                    return; // the runtime is going
                }
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled_owned(follow).await.unwrap_or_default() })
    }
}

/// Takes over files that have changed, and says so to whoever knows the server by its certificate.
fn refresh(all: &[Arc<ServerTls>], data: &DataDir, url: String) {
    let Some(main) = all.first() else { return };
    let before = main.certificate();
    all.iter().for_each(|tls| tls.refresh());
    let after = main.certificate();
    if before != after
        && let Err(error) = data.announce(&Running::here(url, Some(&after)))
    {
        tracing::warn!("the command line will not know the new certificate: {error:#}");
    }
}

impl Door {
    async fn open(address: SocketAddr, option: &str, tls: Option<Arc<ServerTls>>) -> anyhow::Result<Self> {
        let listener = bind(address, option).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls })
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    fn announce(&self, data: &DataDir) -> anyhow::Result<()> {
        let certificate = self.tls.as_ref().map(|tls| tls.certificate());
        data.announce(&Running::here(self.url(), certificate.as_deref()))
    }

    pub(super) async fn serve(self, router: Router, stop: CancellationToken) {
        let (limits, stopped) = (Limits::default(), stop.cancelled_owned());
        match self.tls {
            None => gatepass_server::serve(self.listener, router, limits, stopped).await,
            Some(tls) => gatepass_server::serve_tls(self.listener, tls, router, limits, stopped).await,
        }
    }
}

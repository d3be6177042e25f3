//! `gatepass serve`: the authorization server alone.

use std::path::Path;

use anyhow::{Context as _, bail};
use gatepass_server::Limits;
use tokio::net::TcpListener;

use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::data::Running;
use crate::{print, process};

pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let config = ServerConfig::load(path)?;
    let listener = bind(config.listen, "listen").await?;
    let backend = Backend::open(&config, "").await?;
    require_fit(&backend).await?;
    let stop = process::shutdown_on_signal()?;
    let address = listener.local_addr()?;
    backend.data.announce(&Running { server: format!("http://{address}"), pid: std::process::id() })?;
    print::line(format!("authorization server {} listens on http://{address}", backend.issuer.name()));
    let maintenance = backend.maintain(stop.clone())?;
    let router = gatepass_server::router(backend.issuer.clone(), config.http);
    gatepass_server::serve(listener, router, Limits::default(), stop.cancelled_owned()).await;
    maintenance.await?;
    backend.close().await
}

/// A client that can do nothing here is told of now, and not when its users want to log in.
async fn require_fit(backend: &Backend) -> anyhow::Result<()> {
    let unfit = backend.issuer.unfit_clients().await?;
    let lines: Vec<String> = unfit.iter().map(|(id, why)| format!("client {id}: {why}")).collect();
    if !lines.is_empty() {
        let cure =
            "take `profile.fapi2` out, or disable them (gatepass client disable) and register them anew";
        bail!("{}; {cure}", lines.join("; "));
    }
    Ok(())
}

/// Binds a socket, and says what to do where that fails.
pub(crate) async fn bind(address: std::net::SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with `{option}`"))
}

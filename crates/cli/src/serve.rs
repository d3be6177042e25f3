//! `gatepass serve`: the authorization server alone.

mod door;

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use self::door::Doors;
use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::{print, process};

pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let config = ServerConfig::load(path)?;
    let doors = Doors::open(&config).await?;
    let backend = Backend::open(&config, "").await?;
    require_fit(&backend).await?;
    let stop = process::shutdown_on_signal()?;
    let following = doors.follow(backend.data.clone(), stop.clone())?;
    doors.announce(&backend.data)?;
    print::line(format!("authorization server {} listens on {}", backend.issuer.name(), doors.main.url()));
    if let Some(door) = &doors.certificates {
        print::line(format!("clients with certificates come in at {}", door.url()));
    }
    let maintenance = backend.maintain(stop.clone());
    let router = gatepass_server::router(backend.issuer.clone(), config.http);
    let Doors { main, certificates } = doors;
    let certificates = async {
        if let Some(door) = certificates {
            door.serve(router.clone(), stop.clone()).await;
        }
    };
    tokio::join!(main.serve(router.clone(), stop.clone()), certificates);
    following.await?;
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

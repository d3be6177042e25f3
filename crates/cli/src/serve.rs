//! `gatepass serve`: the authorization server alone.

mod door;

use std::path::Path;

use anyhow::Context as _;
use tokio::net::TcpListener;

use self::door::Doors;
use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::{print, process};

pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let config = ServerConfig::load(path)?;
    let hangups = process::hangups()?;
    let doors = Doors::open(&config).await?;
    let backend = Backend::open_to_serve(&config).await?;
    let stop = process::shutdown_on_signal()?;
    let following = doors.follow(hangups, backend.data.clone(), stop.clone());
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

/// Binds a socket, and says what to do where that fails.
pub(crate) async fn bind(address: std::net::SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with `{option}`"))
}

//! `gatepass serve`: the authorization server alone.

mod door;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatepass_issuer::Issuer;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use self::door::Doors;
use crate::backend::Backend;
use crate::config::ServerConfig;
use crate::{print, process};

pub(crate) async fn run(path: &Path) -> anyhow::Result<()> {
    let config = ServerConfig::load(path)?;
    let (hangups, for_secrets) = (process::hangups()?, process::hangups()?);
    let doors = Doors::open(&config).await?;
    let backend = Backend::open_to_serve(&config).await?;
    let stop = process::shutdown_on_signal()?;
    tokio::spawn(follow_secrets(for_secrets, Arc::clone(&backend.issuer), path.to_owned(), stop.clone()));
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

/// Takes over the secrets of resource servers at each SIGHUP, until `stop`; a bad file is refused and those before go on.
async fn follow_secrets(mut hangups: Signal, issuer: Arc<Issuer>, path: PathBuf, stop: CancellationToken) {
    while stop.run_until_cancelled(hangups.recv()).await.flatten().is_some() {
        match take_over_secrets(&issuer, &path) {
            Ok(()) => tracing::info!(
                path = %path.display(),
                "secrets of resource servers read again; what else has changed counts from the next start"
            ),
            Err(error) => tracing::error!("configuration refused, the one before goes on: {error:#}"),
        }
    }
}

fn take_over_secrets(issuer: &Issuer, path: &Path) -> anyhow::Result<()> {
    Ok(issuer.replace_shared_secrets(&ServerConfig::load(path)?.issuer.resource_servers)?)
}

/// Binds a socket, and says what to do where that fails.
pub(crate) async fn bind(address: std::net::SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with `{option}`"))
}

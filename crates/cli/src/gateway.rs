//! `gatepass gateway`: the gateway alone.

use std::path::{Path, PathBuf};

use gatepass_gateway::{Config, Gateway};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::serve::bind;
use crate::{print, process};

pub(crate) async fn run(path: &Path, check: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    if check {
        print::line(format!("{} is good", path.display()));
        return Ok(());
    }
    let stop = process::shutdown_on_signal()?;
    let listener = bind(config.listen(), "listen").await?;
    let admin = match config.admin_listen() {
        Some(address) => Some(bind(address, "admin_listen").await?),
        None => None,
    };
    let address = listener.local_addr()?;
    let gateway = Gateway::start(config).await?;
    print::line(format!("gateway listens on http://{address}"));
    tokio::spawn(reload_on_hangup(gateway.clone(), path.to_owned(), stop.clone())?);
    let admin = async {
        match admin {
            Some(listener) => gateway.serve_admin(listener, stop.cancelled()).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(gateway.serve(listener, stop.cancelled()), admin)?;
    Ok(())
}

/// Loads the file again at each SIGHUP; a bad one is refused and the one before goes on.
fn reload_on_hangup(
    gateway: Gateway,
    path: PathBuf,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while stop.run_until_cancelled(hangup.recv()).await.flatten().is_some() {
            match Config::load(&path) {
                Ok(config) => match gateway.reload(config).await {
                    Ok(()) => tracing::info!(path = %path.display(), "configuration loaded again"),
                    Err(error) => tracing::error!(%error, "configuration refused, the one before goes on"),
                },
                Err(error) => tracing::error!(%error, "configuration refused, the one before goes on"),
            }
        }
    })
}

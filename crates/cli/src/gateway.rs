//! `gatepass gateway`: the gateway alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_gateway::{Config, Gateway, Proposal};
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use crate::args::{self, GatewayCommand, Import};
use crate::complaint::Complaint;
use crate::otlp::Otlp;
use crate::serve::bind;
use crate::{print, process};

/// How long the gateway waits for its issuers before it serves without them: they may be down.
const START_LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: args::Gateway) -> anyhow::Result<()> {
    match args {
        args::Gateway { command: Some(GatewayCommand::Import(import)), .. } => propose(import),
        args::Gateway { config: Some(config), check, .. } => serve(&config, check).await,
        args::Gateway { config: None, .. } => Err(Complaint::unusable("no configuration was given").into()),
    }
}

/// `gatepass gateway import`: what of a file an OpenAPI document suggests.
fn propose(import: Import) -> anyhow::Result<()> {
    let proposal =
        Proposal::from_openapi(&import.document.read_text()?, import.upstream).map_err(|error| {
            Complaint::refused(format!("nothing can be proposed from {}", import.document)).at(error)
        })?;
    print::line(proposal.to_string().trim_end());
    Ok(())
}

async fn serve(path: &Path, check: bool) -> anyhow::Result<()> {
    let config = Config::load(path)?;
    if check {
        print::line(format!("{} is good", path.display()));
        return Ok(());
    }
    let stop = process::shutdown_on_signal()?;
    let hangups = process::hangups()?;
    let listener = bind(config.listen(), "listen").await?;
    let admin = bind_where(config.admin_listen(), "admin_listen").await?;
    let ext_authz = bind_where(config.ext_authz_listen(), "ext_authz.listen").await?;
    let (scheme, address) = (config.scheme(), listener.local_addr()?);
    let otlp = config.tracing_endpoint().map(Otlp::start).transpose()?;
    let logs_to_stdout = config.logs_to_stdout();
    let gateway = Gateway::start(config).await?;
    if let Some(otlp) = &otlp {
        gateway.export_spans(otlp.clone());
    }
    if !is_ready_within(&gateway, START_LIMIT).await {
        tracing::warn!(
            "serving before every issuer's keys and revocations are there: tokens are refused until then"
        );
    }
    // Who reads the access log there expects nothing but its lines.
    let listens = format!("gateway listens on {scheme}://{address}");
    if logs_to_stdout {
        tracing::info!("{listens}")
    } else {
        print::line(listens)
    }
    tokio::spawn(reload_on_hangup(hangups, gateway.clone(), path.to_owned(), stop.clone()));
    let admin = async {
        match admin {
            Some(listener) => gateway.serve_admin(listener, stop.cancelled()).await,
            None => Ok(()),
        }
    };
    let ext_authz = async {
        match ext_authz {
            Some(listener) => gateway.serve_ext_authz(listener, stop.cancelled()).await,
            None => Ok(()),
        }
    };
    let served = tokio::try_join!(gateway.serve(listener, stop.cancelled()), admin, ext_authz);
    if let Some(otlp) = otlp {
        otlp.finish().await;
    }
    served?;
    Ok(())
}

/// A socket for what is served only where it is asked for.
async fn bind_where(address: Option<SocketAddr>, key: &str) -> anyhow::Result<Option<TcpListener>> {
    match address {
        Some(address) => bind(address, key).await.map(Some),
        None => Ok(None),
    }
}

/// Waits until tokens of every issuer can be verified, for no longer than `limit`.
pub(crate) async fn is_ready_within(gateway: &Gateway, limit: Duration) -> bool {
    let ready = async {
        while !gateway.is_ready() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(limit, ready).await.is_ok()
}

/// Opens the access log and loads the file again at each SIGHUP; a bad file is refused and the one before goes
/// on.
async fn reload_on_hangup(mut hangups: Signal, gateway: Gateway, path: PathBuf, stop: CancellationToken) {
    while stop.run_until_cancelled(hangups.recv()).await.flatten().is_some() {
        gateway.reopen_access_log();
        match reload(&gateway, &path).await {
            Ok(()) => tracing::info!(path = %path.display(), "configuration loaded again"),
            Err(error) => tracing::error!("configuration refused, the one before goes on: {error:#}"),
        }
    }
}

async fn reload(gateway: &Gateway, path: &Path) -> anyhow::Result<()> {
    Ok(gateway.reload(Config::load(path)?).await?)
}

//! Signals.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by Ctrl-C or SIGTERM.
pub(crate) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    shutdown_on([SignalKind::interrupt(), SignalKind::terminate()])
}

/// The same, also cancelled when the terminal goes (SIGHUP): for what a person watches, and has no file to load again.
pub(crate) fn shutdown_with_terminal() -> anyhow::Result<CancellationToken> {
    shutdown_on([SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()])
}

fn shutdown_on<const N: usize>(kinds: [SignalKind; N]) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in kinds {
        let (mut signals, stop) = (signal(kind)?, token.clone());
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                tracing::info!("stopping");
                stop.cancel();
            }
        });
    }
    Ok(token)
}

/// SIGHUPs from now on. Unhandled they kill, so whoever loads files again asks for them before anybody knows its process.
pub(crate) fn hangups() -> anyhow::Result<Signal> {
    Ok(signal(SignalKind::hangup())?)
}

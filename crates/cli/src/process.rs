//! Signals.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by Ctrl-C or SIGTERM.
pub(crate) fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    shutdown_on([SignalKind::interrupt(), SignalKind::terminate()])
}

/// The same, also cancelled when the terminal goes (SIGHUP): for what a person watches, and has no file to load again. Not where
/// that signal is ignored from the start, as after `nohup`.
pub(crate) fn shutdown_with_terminal() -> anyhow::Result<CancellationToken> {
    let always = [SignalKind::interrupt(), SignalKind::terminate()];
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let hangup = (!ignores_hangups(&status)).then(SignalKind::hangup);
    shutdown_on(always.into_iter().chain(hangup))
}

/// What `/proc/self/status` says (proc(5)): a mask in hexadecimal, whose lowest bit is for SIGHUP.
fn ignores_hangups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn shutdown_on(kinds: impl IntoIterator<Item = SignalKind>) -> anyhow::Result<CancellationToken> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_hangups_are_ignored() {
        let cases = [
            ("Name:\tgatepass\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n", true),
            ("SigIgn:\t0000000000001000\n", false),
            ("SigCgt:\t0000000000000001\n", false),
            ("SigIgn:\tx\n", false),
            ("", false),
        ];
        for (status, want) in cases {
            assert_eq!(ignores_hangups(status), want, "{status}");
        }
    }
}

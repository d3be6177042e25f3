//! `cargo xtask bench`: the tables, in a workspace of their own so that a normal build does not pay for the peers in it.

use crate::{run, tools};

/// The sections that compare with what others wrote in other languages.
const WITH_PEERS: [&str; 4] = ["tokens", "encryption", "servers", "behaviour"];

/// Installs these where their tables are asked for, then builds and runs the benches.
///
/// # Errors
/// The benches do not build or do not run. What cannot be installed is only missing in its table.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let mut cargo = run::cargo();
    let manifest = run::root().join("benches/Cargo.toml");
    cargo.args(["run", "--release", "--manifest-path"]).arg(manifest).arg("--").args(arguments);
    let mut sections = arguments.iter().filter(|argument| *argument != "--quick").peekable();
    if sections.peek().is_none() || sections.any(|section| WITH_PEERS.contains(&section.as_str())) {
        tools::tell_peers(&mut cargo);
    }
    run::command(&mut cargo)
}

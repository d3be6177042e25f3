//! `cargo xtask mutants`: breaks `crates/jose` in every small way, one at a time, and looks whether a test notices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run;

/// The version that is installed, below `target` and only by this command.
const VERSION: &str = "27.1.0";
/// What it ends with when every mutant was caught, when some survive, and when some never end.
const GOT_TO_ITS_END: [i32; 3] = [0, 2, 3];

/// Runs `cargo-mutants` and prints the score. What is left out, and why, stands in `.cargo/mutants.toml`.
///
/// # Errors
/// The tool cannot be installed or does not get to an end, or a mutant survives.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let program = install()?;
    let output = run::target().join("mutants");
    fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
    let mut mutants = Command::new(program);
    mutants.arg("mutants").arg("--dir").arg(run::root()).args(["--package", "gatepass-jose", "--output"]);
    mutants.arg(&output).args(arguments);
    // What one mutant was caught by must not help with the next.
    mutants.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
    // It works in a copy, whose builds must not meet those of the tree.
    mutants.env_remove("CARGO_TARGET_DIR");
    let status = mutants.status().with_context(|| format!("cannot start `{}`", run::shown(&mutants)))?;
    if !status.code().is_some_and(|code| GOT_TO_ITS_END.contains(&code)) {
        bail!("`{}` ended with {status}", run::shown(&mutants));
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return Ok(());
    }
    let score = Score::read(&output.join("mutants.out/outcomes.json"))?;
    println!("\n{score}");
    if score.missed > 0 {
        bail!("{} mutants survive: {}", score.missed, output.join("mutants.out/missed.txt").display());
    }
    Ok(())
}

fn install() -> Result<PathBuf> {
    let folder = run::target().join("tools");
    let program = folder.join("bin/cargo-mutants");
    let installed = run::quietly(Command::new(&program).arg("--version"));
    if !installed.is_ok_and(|said| said.split_whitespace().any(|word| word == VERSION)) {
        let mut cargo = run::cargo();
        cargo.args(["install", "--locked", "--version", VERSION, "--root"]).arg(&folder).arg("cargo-mutants");
        run::command(&mut cargo)?;
    }
    Ok(program)
}

/// How many mutants came to which end.
#[derive(Debug, Deserialize)]
struct Score {
    caught: u64,
    missed: u64,
    timeout: u64,
    unviable: u64,
}

impl Score {
    fn read(report: &Path) -> Result<Self> {
        let text = fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", report.display()))
    }
}

impl std::fmt::Display for Score {
    /// A mutant that never ends was noticed; one that does not compile says nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let noticed = self.caught + self.timeout;
        let all = noticed + self.missed;
        let Self { missed, timeout, unviable, .. } = self;
        let percent = noticed as f64 * 100.0 / all.max(1) as f64;
        write!(f, "{noticed} of {all} mutants are caught ({percent:.1} %): ")?;
        write!(f, "{timeout} of them by never ending; {missed} survive, {unviable} do not compile")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_counts_what_compiles() {
        let report = r#"{"outcomes":[],"total_mutants":12,"missed":1,"caught":8,"timeout":1,"unviable":2}"#;
        let score: Score = serde_json::from_str(report).unwrap();
        let want =
            "9 of 10 mutants are caught (90.0 %): 1 of them by never ending; 1 survive, 2 do not compile";
        assert_eq!(score.to_string(), want);
    }
}

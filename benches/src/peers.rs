//! The other programs of this folder, built when they are asked for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The path of a program of this folder, built like this one.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--manifest-path", manifest, "--bin", name])
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{name} does not build");
    Ok(own.with_file_name(name))
}

/// What the program that counts allocations has counted: lines of a subject, an operation, a number.
pub(crate) struct Counted(Vec<(String, String, f64)>);

impl Counted {
    /// Runs it for one section.
    pub(crate) fn ask(section: &str) -> Result<Self> {
        let output = Command::new(build("allocations")?).arg(section).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line = |line: &str| {
            let mut words = line.split(' ');
            let (subject, operation, count) = (words.next()?, words.next()?, words.next()?);
            Some((subject.to_owned(), operation.to_owned(), count.parse().ok()?))
        };
        Ok(Self(std::str::from_utf8(&output.stdout)?.lines().filter_map(line).collect()))
    }

    pub(crate) fn of(&self, subject: &str, operation: &str) -> Option<f64> {
        let of = |line: &&(String, String, f64)| line.0 == subject && line.1 == operation;
        self.0.iter().find(of).map(|(.., count)| *count)
    }
}

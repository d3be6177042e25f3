//! The other programs of this workspace, built when they are asked for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The path of a program of this workspace, built like this one.
pub fn build(package: &str, name: &str) -> Result<PathBuf> {
    let status = cargo(package, &[name]).status().context("cannot run cargo")?;
    ensure!(status.success(), "{name} does not build");
    beside(name)
}

/// As [`build`] for some programs of a package that may lack what it is built with: the complaint
/// becomes the error, and nothing is shown.
pub fn try_build<const N: usize>(package: &str, names: [&str; N]) -> Result<[PathBuf; N]> {
    let output = cargo(package, &names).output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let complaint = said.lines().find(|line| line.starts_with("error"));
    ensure!(output.status.success(), "{}", complaint.unwrap_or("cargo does not say why"));
    let paths = names.into_iter().map(beside).collect::<Result<Vec<_>>>()?;
    <[PathBuf; N]>::try_from(paths).ok().context("one path for each program")
}

fn cargo(package: &str, names: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    cargo.args(["build", "--release", "--quiet", "--manifest-path", manifest, "--package", package]);
    names.iter().for_each(|name| {
        cargo.args(["--bin", name]);
    });
    cargo
}

fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// What a program that counts allocations has counted: lines of a subject, an operation, a number.
pub struct Counted(Vec<(String, String, f64)>);

impl Counted {
    /// Builds it and runs it.
    pub fn ask(package: &str, name: &str) -> Result<Self> {
        let output = Command::new(build(package, name)?).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line = |line: &str| {
            let mut words = line.split(' ');
            let (subject, operation, count) = (words.next()?, words.next()?, words.next()?);
            Some((subject.to_owned(), operation.to_owned(), count.parse().ok()?))
        };
        Ok(Self(std::str::from_utf8(&output.stdout)?.lines().filter_map(line).collect()))
    }

    /// How many of one operation.
    pub fn of(&self, subject: &str, operation: &str) -> Option<f64> {
        let of = |line: &&(String, String, f64)| line.0 == subject && line.1 == operation;
        self.0.iter().find(of).map(|(.., count)| *count)
    }
}

//! The dependency graph as cargo resolved it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run;

/// Every package of the workspace's graph.
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
    /// Names of what a normal build compiles, on any platform.
    pub(super) built: BTreeSet<String>,
}

/// The members of `cargo metadata` that the rules read.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
}

/// Asks cargo.
///
/// # Errors
/// Cargo refuses, for example because `Cargo.lock` is not up to date.
pub(super) fn read() -> Result<Graph> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let text = run::quietly(run::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("reading what `cargo metadata` printed")?;
    Ok(Graph { packages: metadata.packages, built: built()? })
}

/// From `cargo tree`: the lock and the metadata also hold optional dependencies that no feature in use turns on.
fn built() -> Result<BTreeSet<String>> {
    let mut tree = run::cargo();
    tree.args(["tree", "--locked", "--workspace", "--edges", "normal,build", "--target", "all"]);
    tree.args(["--prefix", "none", "--format", "{p}"]);
    let lines = run::quietly(&mut tree)?;
    Ok(lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

//! The house rules that a compiler does not know.

mod arrows;
mod licences;
mod metadata;
mod requirements;
mod sources;

use anyhow::{Result, bail};

use crate::run;

/// Reads the manifests, the dependency graph, the sources and what the documentation says of tests, and lists every rule that is broken.
///
/// # Errors
/// A rule is broken, or something could not be read.
pub(crate) fn run() -> Result<()> {
    let root = run::root();
    let mut findings = arrows::check(&root)?;
    let graph = metadata::read()?;
    findings.extend(licences::check(&graph));
    findings.extend(requirements::check(&root)?);
    findings.extend(sources::check(&root)?);
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        eprintln!("    {finding}");
    }
    bail!("{} house rule{} broken", findings.len(), if findings.len() == 1 { " is" } else { "s are" });
}

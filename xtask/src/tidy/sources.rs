//! What must not be left lying in a source file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const FOLDERS: &[&str] = &["benches", "crates", "examples", "fuzz", "tests", "web", "xtask"];
const NOT_OURS: &[&str] = &["node_modules", "target", ".git"];

/// Spelt in two parts, so that this file does not find itself.
const LEFTOVERS: &[&str] = &[concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!(")];
const IGNORED_WITHOUT_REASON: &str = concat!("#[ign", "ore]");

/// Reads every source file below the project's folders.
///
/// # Errors
/// A folder or file cannot be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for folder in FOLDERS.iter().map(|name| root.join(name)).filter(|folder| folder.is_dir()) {
        for file in files(&folder)? {
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            let is_npm_lock = file.file_name().is_some_and(|name| name == "package-lock.json");
            if !is_npm_lock && file.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {shown}"))?;
            let lines = text.lines().enumerate();
            let complaint = if is_npm_lock { npm_lock_complaint } else { rust_complaint };
            findings.extend(
                lines.filter_map(|(number, line)| {
                    Some(format!("{shown}:{}: {}", number + 1, complaint(line)?))
                }),
            );
        }
    }
    Ok(findings)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let is_ours = !NOT_OURS.iter().any(|name| entry.file_name() == *name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && is_ours => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

fn rust_complaint(line: &str) -> Option<String> {
    if let Some(leftover) = LEFTOVERS.iter().find(|leftover| line.contains(*leftover)) {
        return Some(format!("`{}…)` is left", leftover));
    }
    line.contains(IGNORED_WITHOUT_REASON).then(|| {
        format!("an ignored test says why: `{} = \"…\"]`", IGNORED_WITHOUT_REASON.trim_end_matches(']'))
    })
}

/// A lock that names one registry's address works for nobody behind another; the hashes in it are what pins.
fn npm_lock_complaint(line: &str) -> Option<String> {
    line.trim_start().starts_with("\"resolved\"").then(|| {
        "names a registry; write the lock with `npm config set omit-lockfile-registry-resolved true`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found() {
        let cases = [
            (format!("    {}\"later\")", LEFTOVERS[0]), true),
            (format!("    let x = {}y);", LEFTOVERS[2]), true),
            (IGNORED_WITHOUT_REASON.to_owned(), true),
            (IGNORED_WITHOUT_REASON.replace(']', " = \"needs a second machine\"]"), false),
            ("    // a todo list is a feature".to_owned(), false),
        ];
        for (line, want) in cases {
            assert_eq!(rust_complaint(&line).is_some(), want, "{line}");
        }
    }
}

//! Arrows between the rooms go one way. `ARCHITECTURE.md` tells why; this table is what is enforced.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

/// One crate, the crates of ours it may know, and what of others must not be in it.
struct Room {
    folder: &'static str,
    knows: &'static [&'static str],
    without: &'static [&'static str],
}

const NETWORK: &[&str] =
    &["axum", "http", "hyper", "hyper-util", "reqwest", "rusqlite", "tower", "tower-http"];
const EVERYTHING_OUTSIDE: &[&str] = &[
    "async-trait",
    "axum",
    "http",
    "hyper",
    "hyper-util",
    "reqwest",
    "rusqlite",
    "tokio",
    "tower",
    "tracing",
];

const ROOMS: &[Room] = &[
    Room { folder: "crates/jose", knows: &[], without: EVERYTHING_OUTSIDE },
    Room { folder: "crates/token", knows: &["jose"], without: EVERYTHING_OUTSIDE },
    Room { folder: "crates/revocation", knows: &["jose"], without: EVERYTHING_OUTSIDE },
    // Of neither half: both listen, and neither asks the other how.
    Room {
        folder: "crates/net",
        knows: &[],
        without: &["axum", "hyper", "hyper-util", "reqwest", "rusqlite", "tower", "tower-http"],
    },
    Room { folder: "crates/tls", knows: &[], without: NETWORK },
    Room {
        folder: "crates/guard",
        knows: &["jose", "token", "revocation"],
        without: &["rusqlite", "argon2"],
    },
    Room { folder: "crates/issuer", knows: &["jose", "token", "revocation"], without: NETWORK },
    Room {
        folder: "crates/store",
        knows: &["jose", "issuer", "revocation"],
        without: &["axum", "http", "hyper", "hyper-util", "reqwest", "argon2"],
    },
    Room {
        folder: "crates/server",
        knows: &["jose", "token", "revocation", "issuer", "net", "tls"],
        // With `reqwest` for what the issuer tells clients of its own accord, and what strangers say of themselves.
        without: &["rusqlite", "argon2"],
    },
    // With `rusqlite` for the sessions of browsers, which are its own and no issuer's.
    Room { folder: "crates/gateway", knows: &["guard", "net", "tls"], without: &["argon2"] },
    Room {
        folder: "crates/attack",
        knows: &["jose"],
        without: &["rusqlite", "argon2", "hyper", "hyper-util", "tower", "tower-http"],
    },
    Room { folder: "crates/lint", knows: &["jose"], without: EVERYTHING_OUTSIDE },
    Room { folder: "examples/orders", knows: &["guard"], without: &["rusqlite", "argon2"] },
    Room {
        folder: "crates/cli",
        knows: &[
            "jose",
            "token",
            "revocation",
            "guard",
            "issuer",
            "store",
            "server",
            "gateway",
            "attack",
            "lint",
            "orders",
            "tls",
        ],
        without: &[],
    },
    // The end-to-end tests are a stranger to the product: they know the binary and nothing behind it.
    Room { folder: "tests", knows: &[], without: &[] },
    Room { folder: "xtask", knows: &[], without: &[] },
];

/// The halves that never import each other, not even in a test of one crate.
const ISSUING: &[&str] = &["issuer", "store", "server"];
const VERIFYING: &[&str] = &["guard", "gateway"];

/// Holds every manifest of the workspace against the table.
///
/// # Errors
/// A manifest cannot be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let workspace = manifest(&root.join("Cargo.toml"))?;
    let members = workspace.get("workspace").and_then(|table| table.get("members")).and_then(Value::as_array);
    for member in members.into_iter().flatten().filter_map(Value::as_str) {
        match ROOMS.iter().find(|room| room.folder == member) {
            Some(room) => {
                findings.extend(room_findings(room, &manifest(&root.join(member).join("Cargo.toml"))?))
            }
            None => findings.push(format!(
                "{member}: a room that is not on the plan; say in xtask/src/tidy/arrows.rs what it may know"
            )),
        }
    }
    Ok(findings)
}

fn manifest(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not TOML", path.display()))
}

fn room_findings(room: &Room, manifest: &Table) -> Vec<String> {
    let name = room.folder.rsplit('/').next().unwrap_or(room.folder);
    let mut findings = Vec::new();
    for package in dependencies(manifest, &["dependencies", "build-dependencies"]) {
        if room.without.contains(&package.as_str()) {
            findings.push(format!("{}/Cargo.toml: `{package}` does not belong in this room", room.folder));
        }
        if let Some(ours) = ours(&package)
            && !room.knows.contains(&ours)
        {
            findings.push(format!(
                "{}/Cargo.toml: an arrow turned: `{name}` must not know `{ours}`",
                room.folder
            ));
        }
    }
    for package in dependencies(manifest, &["dev-dependencies"]) {
        let across = ours(&package).filter(|other| {
            (ISSUING.contains(&name) && VERIFYING.contains(other))
                || (VERIFYING.contains(&name) && ISSUING.contains(other))
        });
        if let Some(other) = across {
            findings.push(format!(
                "{}/Cargo.toml: the tests of `{name}` import `{other}`; the issuing and the verifying half meet in tests/",
                room.folder
            ));
        }
    }
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        findings.push(format!("{}/Cargo.toml: `[lints] workspace = true` is missing", room.folder));
    }
    findings
}

/// Package names in the given sections, those of `[target.…]` included, renamed ones by their real name.
fn dependencies(manifest: &Table, sections: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    tables
        .flat_map(|table| sections.iter().filter_map(|section| table.get(*section)?.as_table()))
        .flatten()
        .map(|(name, value)| value.get("package").and_then(Value::as_str).unwrap_or(name).to_owned())
        .collect()
}

/// The short name of one of our crates.
fn ours(package: &str) -> Option<&str> {
    if package == "gatepass" { Some("cli") } else { package.strip_prefix("gatepass-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(folder: &str, text: &str) -> Vec<String> {
        let room = ROOMS.iter().find(|room| room.folder == folder).unwrap();
        room_findings(room, &format!("{text}\n[lints]\nworkspace = true").parse().unwrap())
    }

    #[test]
    fn an_arrow_that_turns_is_found() {
        let cases = [
            ("crates/token", "[dependencies]\ngatepass-jose.workspace = true", 0),
            ("crates/jose", "[dependencies]\ngatepass-token.workspace = true", 1),
            ("crates/jose", "[dependencies]\ntokio.workspace = true", 1),
            ("crates/issuer", "[dependencies]\ngatepass-store.workspace = true", 1),
            ("crates/issuer", "[dependencies]\nfriend = { package = \"gatepass-guard\", path = \"x\" }", 1),
            ("crates/issuer", "[target.'cfg(unix)'.dependencies]\ngatepass-guard.workspace = true", 1),
            ("crates/gateway", "[build-dependencies]\ngatepass-issuer.workspace = true", 1),
            ("crates/server", "[dev-dependencies]\ngatepass-store.workspace = true", 0),
            ("crates/server", "[dev-dependencies]\ngatepass-guard.workspace = true", 1),
            ("crates/guard", "[dev-dependencies]\ngatepass-server.workspace = true", 1),
            ("crates/guard", "[dev-dependencies]\ngatepass-jose.workspace = true", 0),
            ("tests", "[dependencies]\ngatepass-issuer.workspace = true", 1),
        ];
        for (folder, text, want) in cases {
            let findings = findings(folder, text);
            assert_eq!(findings.len(), want, "{folder}: {text}: {findings:?}");
        }
    }

    #[test]
    fn the_table_itself_has_no_circle() {
        for (place, room) in ROOMS.iter().enumerate() {
            for known in room.knows {
                let below =
                    ROOMS.iter().position(|other| other.folder.ends_with(&format!("/{known}"))).unwrap();
                assert!(below < place, "{} knows {known}, which stands below it", room.folder);
            }
        }
    }
}

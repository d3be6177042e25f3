//! Which crates and which licences may be in the graph.

use super::metadata::{Graph, Package};

/// One cryptographic library does JOSE and TLS; these would be a second one.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "ring"];

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Banned crates in what a normal build compiles, and licences that nobody agreed to anywhere in the graph.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let banned = graph
        .packages
        .iter()
        .filter(|package| graph.built.contains(&package.name) && BANNED.contains(&package.name.as_str()));
    let banned =
        banned.map(|package| format!("{}: banned; `cargo tree -i {0}` says who brings it", package.name));
    banned.chain(graph.packages.iter().filter_map(licence_finding)).collect()
}

fn licence_finding(package: &Package) -> Option<String> {
    let Package { name, version, license, .. } = package;
    match license {
        Some(expression) if is_allowed(expression) => None,
        Some(expression) => Some(format!("{name} {version}: its licence `{expression}` is not on the list")),
        None => Some(format!("{name} {version}: says no licence in its manifest")),
    }
}

/// An SPDX expression; the `/` of old manifests means `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Expression { words: &words };
    reader.any() && reader.words.is_empty()
}

struct Expression<'e> {
    words: &'e [&'e str],
}

impl<'e> Expression<'e> {
    /// `OR` binds weakest. Both sides are always read, so that a malformed rest is seen.
    fn any(&mut self) -> bool {
        let mut allowed = self.all();
        while self.take("OR") {
            allowed |= self.all();
        }
        allowed
    }

    fn all(&mut self) -> bool {
        let mut allowed = self.one();
        while self.take("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            return self.any() & self.take(")");
        }
        let Some(name) = self.next() else {
            return false;
        };
        if self.take("WITH") {
            let exception = self.next().unwrap_or_default();
            return ALLOWED.contains(&format!("{name} WITH {exception}").as_str());
        }
        ALLOWED.contains(&name)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.next();
        }
        found
    }

    fn next(&mut self) -> Option<&'e str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_expression_is_read_as_spdx_reads_it() {
        let cases = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only", false),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT OR Apache-2.0 AND GPL-3.0-only", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
            ("Apache-2.0 WITH something-else", false),
            ("MIT MIT", false),
            ("(MIT", false),
            ("", false),
        ];
        for (expression, want) in cases {
            assert_eq!(is_allowed(expression), want, "{expression}");
        }
    }
}

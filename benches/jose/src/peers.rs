//! The other libraries: which there are, what they need, and which of them are here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use gatepass_bench::program;

use crate::remote::{Invocation, Remote};

/// A library that is compared with, as a program of its own.
struct Peer {
    name: &'static str,
    source: Source,
    /// What is missing when it cannot be had.
    needs: &'static str,
}

enum Source {
    /// A package of this workspace, and what its program is told.
    Rust { library: &'static str, argument: Option<&'static str> },
    /// A script beside `package.json`.
    Node { script: &'static str },
    /// A script beside `requirements.txt`.
    Python { script: &'static str },
}

const fn rust(name: &'static str, library: &'static str, needs: &'static str) -> Peer {
    Peer { name, source: Source::Rust { library, argument: None }, needs }
}

const JOSE4RS: &str = "jose4rs 0.6";
const JOSE4RS_STRUCT: &str = "jose4rs 0.6, a struct";
const JSONWEBTOKEN: &str = "jsonwebtoken 11";

/// Those who call the same primitives as we: what they add to them can be told.
pub(crate) const ON_AWS_LC: [&str; 3] = [JOSE4RS, JOSE4RS_STRUCT, JSONWEBTOKEN];
/// Those of them that end with a struct.
pub(crate) const WITH_A_STRUCT: [&str; 2] = [JOSE4RS_STRUCT, JSONWEBTOKEN];

const NODE: &str = "Node 20 or newer with npm; `cargo xtask bench` installs the packages below target/bench";
const CLANG: &str = "cmake, git, a C++ compiler and libclang (Debian: cmake git g++ clang libclang-dev)";
const PYTHON: &str = "Python 3 with venv; `cargo xtask bench` installs the packages below target/bench";

const PEERS: [Peer; 10] = [
    rust(JOSE4RS, "jose4rs", "a C compiler"),
    Peer {
        name: JOSE4RS_STRUCT,
        source: Source::Rust { library: "jose4rs", argument: Some("struct") },
        needs: "a C compiler",
    },
    rust("biscuit 0.8", "biscuit", "a C compiler"),
    rust(JSONWEBTOKEN, "jsonwebtoken", "a C compiler"),
    rust("jwt-simple 0.15", "jwt-simple", CLANG),
    rust("josekit 0.10", "josekit", "OpenSSL's development files (Debian: libssl-dev pkg-config)"),
    rust("jwt-compact 0.8", "jwt-compact", "nothing but Rust"),
    Peer { name: "fast-jwt 6, Node", source: Source::Node { script: "fast-jwt.mjs" }, needs: NODE },
    Peer { name: "jose 6, Node", source: Source::Node { script: "jose.mjs" }, needs: NODE },
    Peer { name: "PyJWT 2, Python", source: Source::Python { script: "pyjwt.py" }, needs: PYTHON },
];

/// A peer that is here, not yet started.
pub(crate) struct Found {
    name: &'static str,
    timed: Invocation,
    counted: Option<Invocation>,
}

/// A peer that sits the exam.
pub(crate) struct Sitting {
    pub(crate) name: &'static str,
    pub(crate) timed: Remote,
    /// The same library in a program that counts allocations.
    pub(crate) counted: Option<Remote>,
}

/// Builds or finds all of them; what is missing gets a line that says so.
pub(crate) fn find() -> Vec<Found> {
    let mut found = Vec::new();
    for peer in PEERS {
        eprintln!("  preparing {} ...", peer.name);
        match peer.source.prepare() {
            Ok((timed, counted)) => found.push(Found { name: peer.name, timed, counted }),
            Err(error) => println!("  {} is left out: {error:#}. It needs {}.", peer.name, peer.needs),
        }
    }
    found
}

impl Found {
    /// Starts its programs.
    pub(crate) fn sit(&self, exam: &str) -> Result<Sitting> {
        let start = |invocation| Remote::start(invocation, exam).context(self.name);
        let counted = self.counted.as_ref().map(start).transpose()?;
        Ok(Sitting { name: self.name, timed: start(&self.timed)?, counted })
    }
}

impl Source {
    /// How to start it, and the program that counts where there is one.
    fn prepare(&self) -> Result<(Invocation, Option<Invocation>)> {
        match self {
            Self::Rust { library, argument } => {
                let package = format!("gatepass-bench-{library}");
                let names = [format!("peer-{library}"), format!("peer-{library}-allocations")];
                let [timed, counted] = program::try_build(&package, names.each_ref().map(String::as_str))?;
                let arguments: Vec<_> = argument.iter().map(OsString::from).collect();
                let invocation = |program| Invocation { program, arguments: arguments.clone() };
                Ok((invocation(timed), Some(invocation(counted))))
            }
            Self::Node { script } => {
                // Node looks for packages beside the script.
                let folder = folder_of("GATEPASS_BENCH_NODE")?;
                for name in ["sit.mjs", script] {
                    let source = sources().join("node").join(name);
                    fs::copy(&source, folder.join(name))
                        .with_context(|| format!("cannot copy {}", source.display()))?;
                }
                Ok((Invocation { program: "node".into(), arguments: vec![folder.join(script).into()] }, None))
            }
            Self::Python { script } => {
                let program = folder_of("GATEPASS_BENCH_PYTHON")?;
                let arguments = vec![sources().join("python").join(script).into()];
                Ok((Invocation { program, arguments }, None))
            }
        }
    }
}

fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

fn folder_of(variable: &str) -> Result<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).with_context(|| format!("{variable} is not set"))
}

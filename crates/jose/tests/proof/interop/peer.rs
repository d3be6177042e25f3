//! A peer: somebody else's library behind one question and one answer, JSON both. `tests/python/jose_joserfc.py`
//! says which questions there are.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

pub trait Peer {
    /// The answer, which holds `error` where the library refused.
    fn ask(&mut self, request: &Value) -> Value;
}

/// A library in a process of its own, which lives for all the questions of a test.
pub struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// A script of `tests/python`; `None` where there is no Python with the libraries.
    pub fn python(script: &str) -> Option<Self> {
        let python = tool("GATEPASS_TEST_PYTHON", "venv/bin/python")?;
        Some(Self::start(&python, &workspace().join("tests/python").join(script)))
    }

    /// A script of `tests/node`; `None` where its packages are not installed.
    pub fn node(script: &str) -> Option<Self> {
        // Node looks for packages beside the script.
        let beside = tool("GATEPASS_TEST_NODE", "node")?.join(script);
        std::fs::copy(workspace().join("tests/node").join(script), &beside).unwrap();
        Some(Self::start(Path::new("node"), &beside))
    }

    fn start(interpreter: &Path, script: &Path) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", interpreter.display()));
        let (requests, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, requests, answers }
    }
}

impl Peer for Process {
    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the peer reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the peer answered {line:?}: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The place that `variable` names, else the one where `cargo xtask tools` installs.
fn tool(variable: &str, place: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let promised = named.is_some() || std::env::var_os("CI").is_some();
    let path = named.unwrap_or_else(|| target().join("tests").join(place));
    if path.exists() {
        return Some(path);
    }
    assert!(!promised, "nothing at {}; `cargo xtask tools` installs it", path.display());
    println!("SKIPPED: nothing at {}; `cargo xtask tools` installs it", path.display());
    None
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |folder| workspace().join(folder))
}

//! Commands that need no server: what they say on which stream, and how they end.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatepass_e2e::place;
use serde_json::Value;

/// A folder for one test, gone when it ends.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("writing a file of a test");
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs a command line in this folder; its words have no spaces in them.
    pub(crate) fn gatepass(&self, line: &str) -> Ran {
        self.fed(line, b"")
    }

    /// As [`gatepass`](Self::gatepass), with something on standard input.
    pub(crate) fn fed(&self, line: &str, input: impl AsRef<[u8]>) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        run(self.0.path(), place::gatepass().as_os_str(), &words, input.as_ref())
    }

    /// As [`gatepass`](Self::gatepass), on a thread of its own: the test's own servers go on meanwhile.
    pub(crate) async fn gatepass_beside(&self, line: String) -> Ran {
        let folder = self.0.path().to_owned();
        let run = move || {
            let words: Vec<&str> = line.split_whitespace().collect();
            run(&folder, place::gatepass().as_os_str(), &words, b"")
        };
        tokio::task::spawn_blocking(run).await.expect("the thread of a command")
    }

    /// Runs the `openssl` of this machine; `None` where there is none.
    pub(crate) fn openssl(&self, line: &str) -> Option<Ran> {
        Command::new("openssl").arg("version").output().ok()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(run(self.0.path(), OsStr::new("openssl"), &words, b""))
    }
}

fn run(folder: &Path, program: &OsStr, words: &[&str], input: &[u8]) -> Ran {
    let line = format!("{} {}", program.to_string_lossy(), words.join(" "));
    let mut child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    // A command that has no use for its input may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("the end of a command");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "$ {line}\n{err}");
    Ran { line, code: output.status.code(), bytes: output.stdout, out, err }
}

/// What a command did.
pub(crate) struct Ran {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        self
    }

    /// The answer of a command that worked, without the line ending.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        self.ends(0).out.trim_end().to_owned()
    }

    /// The answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.shown()))
    }

    /// Checks that nothing was answered, and that the complaint has all these words in it.
    #[track_caller]
    pub(crate) fn complains(self, code: i32, words: &[&str]) {
        let ran = self.ends(code);
        assert!(ran.out.is_empty(), "an error goes to standard error alone\n{}", ran.shown());
        for word in words {
            assert!(ran.err.contains(word), "{word:?} is not said\n{}", ran.shown());
        }
    }

    pub(crate) fn shown(&self) -> String {
        let Self { line, code, out, err, .. } = self;
        format!("  $ {line}\n  ended with {code:?}\n  stdout: {out}\n  stderr: {err}")
    }
}

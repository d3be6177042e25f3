//! `gatepass user|client|role|key|revoke …`, as somebody types it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::place;

/// What a command said.
pub struct Said {
    line: String,
    output: Output,
}

/// Runs a command to its end; `where_` comes last: `["--dir", …]`.
pub async fn run(words: &[&str], where_: &[&str]) -> Said {
    run_with(&[], words, where_).await
}

/// The same, with variables in its environment.
pub async fn run_with(environment: &[(&str, &str)], words: &[&str], where_: &[&str]) -> Said {
    let mut command = Command::new(place::gatepass());
    command.args(words).args(where_).envs(environment.iter().copied()).stdin(Stdio::null());
    let line = format!("gatepass {}", [words, where_].concat().join(" "));
    // On a thread of its own: the test's own servers go on meanwhile.
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("the thread of a command");
    Said { output: output.unwrap_or_else(|error| panic!("cannot start {line}: {error}")), line }
}

/// Runs a command that prints JSON and may end with an error, and gives both what it printed and what it complained of.
pub async fn output(words: &[&str], where_: &[&str]) -> (Value, String) {
    let said = run(words, where_).await;
    let complaint = String::from_utf8_lossy(&said.output.stderr).into_owned();
    let answer = serde_json::from_slice(&said.output.stdout);
    (answer.unwrap_or_else(|error| panic!("not JSON: {error}\n{}", said.shown())), complaint)
}

impl Said {
    /// Checks that it worked, and gives its answer.
    #[track_caller]
    pub fn worked(&self) -> String {
        assert!(self.output.status.success(), "the command failed\n{}", self.shown());
        String::from_utf8(self.output.stdout.clone()).expect("an answer in UTF-8")
    }

    /// Checks that it worked, and reads the answer of `--json`.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.worked();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.shown()))
    }

    /// Checks that it failed with an error and no panic, and gives what it said about it.
    #[track_caller]
    pub fn failed(&self) -> String {
        let code = self.output.status.code();
        let complaint = String::from_utf8_lossy(&self.output.stderr).into_owned();
        assert!(
            matches!(code, Some(1 | 2)),
            "the command ended with {code:?}, not with an error\n{}",
            self.shown()
        );
        assert!(!complaint.contains("panicked") && !complaint.is_empty(), "{}", self.shown());
        assert!(self.output.stdout.is_empty(), "an error goes to standard error alone\n{}", self.shown());
        complaint
    }

    /// Checks that it answered, and ended with 1 all the same; gives why.
    #[track_caller]
    pub fn refused(&self) -> String {
        let Output { status, stdout, stderr } = &self.output;
        assert!(status.code() == Some(1) && !stdout.is_empty(), "{}", self.shown());
        String::from_utf8_lossy(stderr).into_owned()
    }

    fn shown(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Output { status, stdout, stderr } = &self.output;
        format!("  $ {}\n  {status}\n  stdout: {}\n  stderr: {}", self.line, text(stdout), text(stderr))
    }
}

/// A file with a password in it.
pub fn password_file(folder: &Path, password: &str) -> String {
    let file = folder.join(format!("password-{}", place::free_address().port()));
    std::fs::write(&file, format!("{password}\n")).expect("writing a password file");
    file.to_str().expect("a temporary path in UTF-8").to_owned()
}

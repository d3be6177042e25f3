//! A program that a test started, with what it printed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// A running program. It does not outlive the test, and the end of its log is shown where the test fails.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it prints on either stream goes to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file =
            File::create(log).unwrap_or_else(|error| panic!("cannot create {}: {error}", log.display()));
        let both = file.try_clone().expect("a second handle of the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(both)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_path_buf() }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// `kill -9`: the process gets no chance to do anything.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill -9 of a child");
        self.child.wait().expect("the end of a killed child");
    }

    /// Sends a signal by its name: `TERM`, `INT`, `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "kill -{name} {} ({}) failed",
            self.id(),
            self.name
        );
    }

    /// Sends a signal that asks it to end, and waits until it has.
    pub async fn stop(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        let what = format!("{} to end after SIG{signal}", self.name);
        wait::until(&what, Duration::from_secs(20), async || self.ended()).await
    }

    /// Resident memory in kibibytes.
    pub fn resident_kib(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the status of a running child");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS in a process status");
        line.trim().trim_end_matches(" kB").parse().expect("VmRSS is a number of kB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the last {} lines of {} ---\n{}\n---", tail.len(), self.name, tail.join("\n"));
        }
    }
}

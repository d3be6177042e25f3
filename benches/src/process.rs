//! Programs that are started here, watched from outside and stopped by their own process id.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gatepass_bench::place::{Place, in_place};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// How long a program may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running program. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
    pid: Pid,
}

/// The memory that a program holds, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    resident: u64,
    /// What is not backed by a file, such as the program itself.
    pub(crate) own: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MB resident ({:.1} without mapped files)",
            self.resident as f64 / 1e6,
            self.own as f64 / 1e6
        )
    }
}

impl Process {
    /// Starts a program; what it says on standard error goes to `log`.
    pub(crate) fn start(command: &mut Command, place: Place, log: &Path) -> Result<Self> {
        let log = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = in_place(place, || command.spawn().with_context(|| format!("cannot start {command:?}")))?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        Ok(Self { child, pid })
    }

    /// The CPU time of all its threads: the sum of `utime` and `stime` of `/proc/PID/stat`, but to the nanosecond.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        Ok(clock_gettime(ClockId::pid_cpu_clock_id(self.pid)?)?.into())
    }

    /// The memory that it holds now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let kib: u64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse()?;
            anyhow::Ok(kib * 1024)
        };
        Ok(Memory { resident: bytes("VmRSS")?, own: bytes("RssAnon")? })
    }

    /// Fails when the program has ended.
    pub(crate) fn require_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the program ended with {status}"),
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGTERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("a program does not end when asked to")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill(); // it may have ended by itself just now
            let _ = self.child.wait();
        }
    }
}

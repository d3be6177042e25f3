//! Programs that are started here, watched from outside and stopped by their own process id.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
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
    own: u64,
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

/// Where a program may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the last core alone: what is measured.
    Measured,
    /// On all cores but the last, where there are several: whatever the measured one talks to.
    Beside,
    /// Wherever the system likes.
    Anywhere,
}

/// The cores that this program was given when it started, whatever its threads are confined to since.
static GIVEN: LazyLock<nix::Result<CpuSet>> = LazyLock::new(|| sched_getaffinity(Pid::from_raw(0)));

impl Place {
    /// How many cores there are.
    pub(crate) fn len(self) -> Result<usize> {
        Ok(self.cores()?.len())
    }

    fn cores(self) -> Result<Vec<usize>> {
        let given = (*GIVEN)?;
        let mut cores: Vec<usize> =
            (0..CpuSet::count()).filter(|core| given.is_set(*core).unwrap_or(false)).collect();
        match self {
            Self::Anywhere => {}
            Self::Measured => cores = cores.split_off(cores.len().saturating_sub(1)),
            Self::Beside => cores.truncate(cores.len().saturating_sub(1).max(1)),
        }
        Ok(cores)
    }

    fn set(self) -> Result<CpuSet> {
        let mut set = CpuSet::new();
        self.cores()?.into_iter().try_for_each(|core| set.set(core))?;
        Ok(set)
    }
}

/// Runs `work` with this thread, and every program it starts, in `place`.
pub(crate) fn in_place<T>(place: Place, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let here = Pid::from_raw(0);
    let before = sched_getaffinity(here)?;
    sched_setaffinity(here, &place.set()?)?;
    let done = work();
    sched_setaffinity(here, &before)?;
    done
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

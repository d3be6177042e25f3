//! Programs that are started here, watched from outside and stopped by their own process id.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use gatepass_bench::place::{Place, in_place, move_to};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// How long a program may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running program. Dropping it ends it, unless somebody else has started it.
pub(crate) struct Process {
    child: Option<Child>,
    pid: Pid,
}

/// The memory that a program holds, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
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
        Ok(Self { child: Some(child), pid })
    }

    /// Watches a program that somebody else has started, and confines it to `place`.
    pub(crate) fn adopt(pid: i32, place: Place) -> Result<Self> {
        let process = Self { child: None, pid: Pid::from_raw(pid) };
        for pid in process.family() {
            move_to(place, pid).with_context(|| format!("cannot move process {pid} to its core"))?;
        }
        Ok(process)
    }

    /// The CPU time of all its threads and of the programs that it has started: the sum of `utime` and `stime` of
    /// `/proc/PID/stat`, but to the nanosecond.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let of = |pid| Ok(Duration::from(clock_gettime(ClockId::pid_cpu_clock_id(pid)?)?));
        self.family().into_iter().map(of).sum()
    }

    /// The memory that it and the programs that it has started hold now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        self.family().into_iter().try_fold(Memory::default(), |sum, pid| {
            let one = memory_of(pid)?;
            Ok(Memory { resident: sum.resident + one.resident, own: sum.own + one.own })
        })
    }

    /// Itself and all that come of it.
    fn family(&self) -> Vec<Pid> {
        let mut family = vec![self.pid];
        let mut next = 0;
        while let Some(pid) = family.get(next) {
            family.extend(children(*pid));
            next += 1;
        }
        family
    }

    /// Fails when the program has ended.
    pub(crate) fn require_running(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(how) => bail!("the program ended{how}"),
        }
    }

    /// How it ended, if it has.
    fn ended(&mut self) -> Result<Option<String>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.map(|status| format!(" with {status}"))),
            None => Ok(kill(self.pid, None).is_err().then(String::new)),
        }
    }

    /// Asks it to end, and waits until it has. What somebody else has started goes on.
    pub(crate) fn stop(mut self) -> Result<()> {
        if self.child.is_none() {
            return Ok(());
        }
        kill(self.pid, Signal::SIGTERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if self.ended()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("a program does not end when asked to")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child
            && !matches!(child.try_wait(), Ok(Some(_)))
        {
            let _ = child.kill(); // it may have ended by itself just now
            let _ = child.wait();
        }
    }
}

fn memory_of(pid: Pid) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kib: u64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse()?;
        anyhow::Ok(kib * 1024)
    };
    Ok(Memory { resident: bytes("VmRSS")?, own: bytes("RssAnon")? })
}

/// The processes that the threads of one have started.
fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let numbers =
        |text: String| text.split(' ').filter_map(|pid| pid.trim().parse().ok()).collect::<Vec<_>>();
    tasks.map(of_task).flat_map(numbers).map(Pid::from_raw).collect()
}

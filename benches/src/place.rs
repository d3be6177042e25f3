//! Which cores a program runs on.

use std::fs;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Where a program may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
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
    pub fn count(self) -> Result<usize> {
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

/// Confines a program that runs already, with all its threads, to `place`.
pub fn move_to(place: Place, pid: Pid) -> Result<()> {
    let set = place.set()?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = task?.file_name();
        let thread = name.to_string_lossy().parse().context("a thread without a number")?;
        sched_setaffinity(Pid::from_raw(thread), &set)?;
    }
    Ok(())
}

/// Runs `work` with this thread, and every program it starts, in `place`.
pub fn in_place<T>(place: Place, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let here = Pid::from_raw(0);
    let before = sched_getaffinity(here)?;
    sched_setaffinity(here, &place.set()?)?;
    let done = work();
    sched_setaffinity(here, &before)?;
    done
}

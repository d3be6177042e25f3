//! What is measured of a piece of work.

use std::time::Duration;

use anyhow::Result;
use nix::time::{ClockId, clock_gettime};

/// Does the work and tells what it used.
pub type Meter = fn(&mut dyn FnMut()) -> Result<u64>;

/// The meter of programs that are timed: this thread's CPU time in nanoseconds.
pub fn cpu_time(work: &mut dyn FnMut()) -> Result<u64> {
    let before = thread_cpu_time()?;
    work();
    Ok(u64::try_from(thread_cpu_time()?.saturating_sub(before).as_nanos())?)
}

/// The CPU time that this thread has used: a thread that had to wait for a core is not slower for it.
pub fn thread_cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

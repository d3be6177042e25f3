//! What the primitive itself takes on the core on which a process is measured.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use gatepass_bench::place::{Place, in_place};
use gatepass_bench::rounds::{Effort, interleave, timed};
use gatepass_bench::sample::Sample;
use gatepass_jose::Alg;

/// Nanoseconds of a raw verification.
pub(crate) struct Raw {
    /// While the other cores are idle.
    pub(crate) alone: f64,
    /// While they are busy.
    pub(crate) beside: f64,
}

/// Raw verification, while the other cores are idle, and while they are as busy as a client makes
/// them: cores that share a physical one slow each other down, and nothing else tells.
pub(crate) fn verification(alg: Alg, effort: Effort) -> Result<Raw> {
    let sample = Sample::new(alg)?;
    let verify = |call: usize| sample.raw_verifier.verifies(&sample.raw[call % sample.raw.len()]);
    let measure = || {
        let effort = Effort { slice: effort.slice / 20, ..effort };
        let mut contestants = [timed(|call| verify(call).into())];
        in_place(Place::Measured, || Ok(interleave(effort, &mut contestants)?.median(0)))
    };
    let alone = measure()?;
    let done = AtomicBool::new(false);
    let be_busy = || {
        let calls = || (0..).take_while(|call| verify(*call) && !done.load(Ordering::Relaxed));
        in_place(Place::Beside, || Ok(calls().count()))
    };
    let beside = std::thread::scope(|scope| {
        for _ in 0..Place::Beside.count()? {
            scope.spawn(be_busy);
        }
        let beside = measure();
        done.store(true, Ordering::Relaxed);
        beside
    })?;
    Ok(Raw { alone, beside })
}

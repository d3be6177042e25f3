//! Interleaved rounds: every contestant runs a little in every round, so that whatever else the
//! machine does meets all of them alike.

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// How long is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Odd, so that the median is one of them.
    pub(crate) rounds: usize,
    /// What one contestant runs in one round.
    pub(crate) slice: Duration,
}

/// Something that is done over and over; the argument counts the calls.
pub(crate) type Contestant<'c> = Box<dyn FnMut(usize) -> u64 + 'c>;

/// What was measured of each contestant.
pub(crate) struct Measured {
    /// Nanoseconds per call, one value per round, in the order of the rounds.
    rounds: Vec<Vec<f64>>,
}

/// Runs all contestants in turn. What counts is this thread's CPU time, so that a round in which
/// the thread had to wait for a core is not a slow round.
pub(crate) fn interleave(effort: Effort, contestants: &mut [Contestant<'_>]) -> anyhow::Result<Measured> {
    let calls =
        contestants.iter_mut().map(|run| calls_in(effort.slice, run)).collect::<Result<Vec<_>, _>>()?;
    let mut rounds = vec![Vec::with_capacity(effort.rounds); contestants.len()];
    for round in 0..effort.rounds {
        for turn in 0..contestants.len() {
            let at = (turn + round) % contestants.len(); // nobody always runs after the same one
            if let (Some(run), Some(calls), Some(times)) =
                (contestants.get_mut(at), calls.get(at), rounds.get_mut(at))
            {
                times.push(cpu_time_of(*calls, run)?.as_nanos() as f64 / *calls as f64);
            }
        }
    }
    Ok(Measured { rounds })
}

/// How often a contestant runs in about `slice`; warms it up as well.
fn calls_in(slice: Duration, run: &mut Contestant<'_>) -> anyhow::Result<usize> {
    let mut calls = 1;
    loop {
        let took = cpu_time_of(calls, run)?;
        if took >= slice / 4 {
            return Ok(((calls as f64 * slice.as_secs_f64() / took.as_secs_f64()) as usize).max(1));
        }
        calls *= 2;
    }
}

fn cpu_time_of(calls: usize, run: &mut Contestant<'_>) -> anyhow::Result<Duration> {
    let before = thread_cpu_time()?;
    for call in 0..calls {
        black_box(run(black_box(call)));
    }
    Ok(thread_cpu_time()?.saturating_sub(before))
}

/// The CPU time that this thread has used.
pub(crate) fn thread_cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}

impl Measured {
    /// The median of one contestant, in nanoseconds.
    pub(crate) fn median(&self, contestant: usize) -> f64 {
        median(self.rounds.get(contestant).cloned().unwrap_or_default())
    }

    /// The median of how much more one contestant took than another in the same round.
    pub(crate) fn over(&self, contestant: usize, base: usize) -> f64 {
        let (Some(own), Some(base)) = (self.rounds.get(contestant), self.rounds.get(base)) else {
            return f64::NAN;
        };
        median(own.iter().zip(base).map(|(own, base)| own - base).collect())
    }

    /// The median of how many times as much as another one contestant took in the same round.
    pub(crate) fn ratio(&self, contestant: usize, base: usize) -> f64 {
        let (Some(own), Some(base)) = (self.rounds.get(contestant), self.rounds.get(base)) else {
            return f64::NAN;
        };
        median(own.iter().zip(base).map(|(own, base)| own / base).collect())
    }
}

/// The middle of some values; not a number when there is none.
pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `part` of all values are.
pub(crate) fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
}

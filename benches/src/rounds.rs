//! Interleaved rounds: every contestant runs a little in every round, so that whatever else the
//! machine does meets all of them alike.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
pub use gatepass_bench_exam::thread_cpu_time;

/// How long is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Odd, so that the median is one of them.
    pub rounds: usize,
    /// What one contestant runs in one round.
    pub slice: Duration,
}

/// Something that is done over and over.
pub trait Contestant {
    /// Does it `calls` times in a row and tells the CPU time that this took.
    fn run(&mut self, calls: usize) -> Result<Duration>;
}

/// A contestant that is a closure; its argument counts the calls of a run.
pub fn timed<'c>(call: impl FnMut(usize) -> u64 + 'c) -> Box<dyn Contestant + 'c> {
    Box::new(Timed(call))
}

struct Timed<F>(F);

impl<F: FnMut(usize) -> u64> Contestant for Timed<F> {
    fn run(&mut self, calls: usize) -> Result<Duration> {
        let before = thread_cpu_time()?;
        for call in 0..calls {
            black_box((self.0)(black_box(call)));
        }
        Ok(thread_cpu_time()?.saturating_sub(before))
    }
}

/// What was measured of each contestant.
pub struct Measured {
    /// Nanoseconds per call, one value per round, in the order of the rounds.
    rounds: Vec<Vec<f64>>,
}

/// Runs all contestants in turn. What counts is their CPU time, so that a round in which one had to
/// wait for a core is not a slow round. Before every measurement comes a little of the same that is
/// not measured: what ran before has left nothing in the caches.
pub fn interleave(effort: Effort, contestants: &mut [Box<dyn Contestant + '_>]) -> Result<Measured> {
    let calls = contestants.iter_mut().map(|contestant| calls_in(effort.slice, contestant.as_mut()));
    let calls = calls.collect::<Result<Vec<_>>>()?;
    let mut rounds = vec![Vec::with_capacity(effort.rounds); contestants.len()];
    for round in 0..effort.rounds {
        for turn in 0..contestants.len() {
            let at = (turn + round) % contestants.len(); // nobody always runs after the same one
            if let (Some(contestant), Some(calls), Some(times)) =
                (contestants.get_mut(at), calls.get(at), rounds.get_mut(at))
            {
                contestant.run(calls.div_ceil(8))?;
                times.push(contestant.run(*calls)?.as_nanos() as f64 / *calls as f64);
            }
        }
    }
    Ok(Measured { rounds })
}

/// How often a contestant runs in about `slice`; warms it up as well.
fn calls_in(slice: Duration, contestant: &mut (dyn Contestant + '_)) -> Result<usize> {
    let mut calls = 1;
    loop {
        let took = contestant.run(calls)?;
        if took >= slice / 4 {
            return Ok(((calls as f64 * slice.as_secs_f64() / took.as_secs_f64()) as usize).max(1));
        }
        calls *= 2;
    }
}

impl Measured {
    /// The median of one contestant, in nanoseconds.
    pub fn median(&self, contestant: usize) -> f64 {
        median(self.rounds.get(contestant).cloned().unwrap_or_default())
    }

    /// The median of how much more one contestant took than another in the same round.
    pub fn over(&self, contestant: usize, base: usize) -> f64 {
        let (Some(own), Some(base)) = (self.rounds.get(contestant), self.rounds.get(base)) else {
            return f64::NAN;
        };
        median(own.iter().zip(base).map(|(own, base)| own - base).collect())
    }

    /// The median of how many times as much as another one contestant took in the same round.
    pub fn ratio(&self, contestant: usize, base: usize) -> f64 {
        let (Some(own), Some(base)) = (self.rounds.get(contestant), self.rounds.get(base)) else {
            return f64::NAN;
        };
        median(own.iter().zip(base).map(|(own, base)| own / base).collect())
    }
}

/// The middle of some values; not a number when there is none.
pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `part` of all values are.
pub fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * part).round() as usize).copied().unwrap_or(f64::NAN)
}

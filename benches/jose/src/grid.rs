//! A contest per algorithm, and the table of all of them.

use anyhow::{Context as _, Result};
use gatepass_bench::rounds::{Contestant, Effort, interleave};
use gatepass_bench::table::Table;
use gatepass_bench_exam::{Answer, Operation};

use crate::peers::Sitting;
use crate::remote::{Asked, Remote};

/// What was measured of one contestant with one algorithm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) nanos: f64,
    /// More than the first contestant.
    pub(crate) over: f64,
    /// Times the first contestant.
    pub(crate) ratio: f64,
    pub(crate) allocations: Option<f64>,
}

/// Contestants by algorithms.
pub(crate) struct Grid {
    algs: Vec<String>,
    rows: Vec<(&'static str, Vec<Option<Cell>>)>,
}

/// A contestant of this program.
pub(crate) struct Own<'c> {
    pub(crate) name: &'static str,
    pub(crate) contestant: Box<dyn Contestant + 'c>,
    pub(crate) allocations: Option<f64>,
}

/// An operation with one algorithm, and how to tell whether a peer did it well.
pub(crate) struct Contest<'c> {
    pub(crate) operation: Operation,
    pub(crate) alg: &'c str,
    /// What is wrong with a token that a peer has made.
    pub(crate) complaint: &'c dyn Fn(&str) -> Option<String>,
}

/// A bad token that a peer took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) peer: &'static str,
    pub(crate) bad: String,
}

impl Grid {
    pub(crate) fn new(algs: impl IntoIterator<Item = String>) -> Self {
        Self { algs: algs.into_iter().collect(), rows: Vec::new() }
    }

    /// Runs all contestants interleaved; the first one is what the others are compared with. Returns
    /// which bad tokens were taken.
    pub(crate) fn hold(
        &mut self,
        contest: &Contest<'_>,
        own: Vec<Own<'_>>,
        peers: &mut [Sitting],
        effort: Effort,
    ) -> Result<Vec<Taken>> {
        let (mut names, mut allocations, mut contestants) = (Vec::new(), Vec::new(), Vec::new());
        for own in own {
            names.push(own.name);
            allocations.push(own.allocations);
            contestants.push(own.contestant);
        }
        let mut taken = Vec::new();
        for peer in peers {
            let Some(bad) = contest.attempt(peer)? else { continue };
            taken.extend(bad.into_iter().map(|bad| Taken { peer: peer.name, bad }));
            names.push(peer.name);
            allocations.push(peer.counted.as_mut().map(|counted| contest.count(counted)).transpose()?);
            contestants.push(Box::new(Asked {
                remote: &mut peer.timed,
                operation: contest.operation,
                alg: contest.alg,
            }));
        }
        let measured = interleave(effort, &mut contestants)?;
        for (at, (name, allocations)) in names.into_iter().zip(allocations).enumerate() {
            let (over, ratio) = (measured.over(at, 0), measured.ratio(at, 0));
            self.set(name, contest.alg, Cell { nanos: measured.median(at), over, ratio, allocations });
        }
        Ok(taken)
    }

    fn set(&mut self, name: &'static str, alg: &str, cell: Cell) {
        let at = self.rows.iter().position(|(row, _)| *row == name).unwrap_or_else(|| {
            self.rows.push((name, vec![None; self.algs.len()]));
            self.rows.len() - 1
        });
        let column = self.algs.iter().position(|own| own == alg);
        if let Some(place) = column.and_then(|column| self.rows.get_mut(at)?.1.get_mut(column)) {
            *place = Some(cell);
        }
    }

    pub(crate) fn algs(&self) -> impl Iterator<Item = &str> {
        self.algs.iter().map(String::as_str)
    }

    pub(crate) fn cell(&self, name: &str, alg: &str) -> Option<Cell> {
        self.column(alg).find(|(row, _)| *row == name).map(|(_, cell)| cell)
    }

    /// All who took part with an algorithm.
    pub(crate) fn column(&self, alg: &str) -> impl Iterator<Item = (&'static str, Cell)> {
        let column = self.algs.iter().position(|own| own == alg);
        self.rows.iter().filter_map(move |(name, cells)| Some((*name, (*cells.get(column?)?)?)))
    }

    /// Prints one thing of every cell.
    pub(crate) fn print(&self, corner: &str, show: impl Fn(Cell) -> String) {
        let headings: Vec<_> = [corner].into_iter().chain(self.algs()).collect();
        let mut table = Table::new(&headings);
        for (name, cells) in &self.rows {
            let shown = cells.iter().map(|cell| cell.map_or_else(|| "–".to_owned(), &show));
            table.row([(*name).to_owned()].into_iter().chain(shown));
        }
        table.print();
    }
}

impl Contest<'_> {
    /// Which bad tokens the peer takes; `None` when it does not take part.
    fn attempt(&self, peer: &mut Sitting) -> Result<Option<Vec<String>>> {
        let (operation, alg) = (self.operation, self.alg);
        let why = match peer.timed.attempt(operation, alg).context(peer.name)? {
            Answer::Takes { bad } => return Ok(Some(bad)),
            Answer::Unsupported => return Ok(None),
            Answer::Made { token } => match (self.complaint)(&token) {
                None => return Ok(Some(Vec::new())),
                Some(complaint) => format!("what it makes is refused: {complaint}"),
            },
            Answer::Failed { why } => why,
            Answer::Used { .. } => "it answers another question".to_owned(),
        };
        println!("  {} is left out of {alg} ({operation:?}): {why}", peer.name);
        Ok(None)
    }

    /// Allocations of one call, on average over as many as there are tokens.
    fn count(&self, counted: &mut Remote) -> Result<f64> {
        const CALLS: usize = 16;
        counted.attempt(self.operation, self.alg)?;
        Ok(counted.measure(self.operation, self.alg, CALLS)? as f64 / CALLS as f64)
    }
}

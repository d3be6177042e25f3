//! What has to hold of a server under load for minutes, and whether it did.

use anyhow::{Result, ensure};
use gatepass_bench::rounds::median;

use super::KINDS;

/// Memory may be so many times what it was after the warm-up, and this many bytes more: an allocator keeps what a burst needed.
const MEMORY: (f64, u64) = (1.10, 2_000_000);
/// What a session may take on the disk, and what the log beside the database may.
const BYTES_PER_SESSION: u64 = 400;
const LOG: u64 = 16_000_000;
/// A p99 late in the run may be so many times what it was early, and this many milliseconds more. Where others used the
/// machine late and the server got less of its core than early, it may be longer by as much.
const P99: (f64, f64) = (2.0, 5.0);

/// What was seen at the end of a stretch.
pub(super) struct Stretch {
    /// In milliseconds, in the order of [`KINDS`].
    pub(super) p99: [f64; 4],
    /// The part of its core that the server had.
    pub(super) core: f64,
    /// In bytes, both.
    pub(super) memory: u64,
    pub(super) disk: u64,
    /// Sessions that were ever started, and rows in their table.
    pub(super) sessions: usize,
    pub(super) rows: usize,
}

#[derive(Default)]
pub(super) struct Verdict {
    stretches: Vec<Stretch>,
}

impl Verdict {
    pub(super) fn add(&mut self, stretch: Stretch) {
        self.stretches.push(stretch);
    }

    /// Prints what held.
    ///
    /// # Errors
    /// Names all that did not.
    pub(super) fn print(&self) -> Result<()> {
        let findings = [self.memory(), self.disk(), self.rows()].into_iter().chain(self.p99s());
        let mut broken = Vec::new();
        for (holds, finding) in findings {
            println!("  {} {finding}", if holds { "holds:" } else { "BROKEN:" });
            if !holds {
                broken.push(finding);
            }
        }
        println!();
        ensure!(broken.is_empty(), "the server does not stay as it is under load: {}", broken.join("; "));
        Ok(())
    }

    /// What comes after the first fifth of the run, which is warm-up.
    fn warm(&self) -> &[Stretch] {
        self.stretches.get(self.stretches.len().div_ceil(5) - 1..).unwrap_or_default()
    }

    fn memory(&self) -> (bool, String) {
        let base = self.warm().first().map_or(0, |stretch| stretch.memory);
        let most = self.warm().iter().map(|stretch| stretch.memory).max().unwrap_or(0);
        let (factor, more) = MEMORY;
        let limit = base as f64 * factor + more as f64;
        let [base, shown, limit_shown] = [base as f64, most as f64, limit].map(|bytes| bytes / 1e6);
        let finding = format!(
            "memory {base:.1} MB after the warm-up, {shown:.1} at most later (limit {limit_shown:.1})"
        );
        (most as f64 <= limit, finding)
    }

    fn disk(&self) -> (bool, String) {
        let of = |stretch: Option<&Stretch>| {
            stretch.map_or((0, 0), |stretch| (stretch.disk, stretch.sessions as u64))
        };
        let ((first, before), (last, after)) = (of(self.stretches.first()), of(self.stretches.last()));
        let (grown, sessions) = (last.saturating_sub(first), after - before);
        let limit = sessions * BYTES_PER_SESSION + LOG;
        let finding = format!(
            "disk grown by {:.1} MB with {sessions} sessions (limit {:.1}: {BYTES_PER_SESSION} B each and {:.0} MB of log)",
            grown as f64 / 1e6,
            limit as f64 / 1e6,
            LOG as f64 / 1e6
        );
        (grown <= limit, finding)
    }

    fn rows(&self) -> (bool, String) {
        let alike = self.stretches.iter().all(|stretch| stretch.rows == stretch.sessions);
        let (sessions, rows) =
            self.stretches.last().map_or((0, 0), |stretch| (stretch.sessions, stretch.rows));
        (alike, format!("{rows} rows for {sessions} sessions ever started, alike in every stretch: {alike}"))
    }

    fn p99s(&self) -> impl Iterator<Item = (bool, String)> {
        let third = self.warm().len().div_ceil(3);
        let early = self.warm().get(..third).unwrap_or_default();
        let late = self.warm().get(self.warm().len() - third..).unwrap_or_default();
        let core = |stretches: &[Stretch]| median(stretches.iter().map(|stretch| stretch.core).collect());
        let less = (core(early) / core(late)).max(1.0);
        KINDS.iter().enumerate().map(move |(number, kind)| {
            let of = |stretches: &[Stretch]| {
                median(stretches.iter().filter_map(|stretch| stretch.p99.get(number).copied()).collect())
            };
            let ((factor, more), early, late) = (P99, of(early), of(late));
            let limit = early * factor * less + more;
            (late <= limit, format!("p99 of {kind} {early:.1} ms early, {late:.1} late (limit {limit:.1})"))
        })
    }
}

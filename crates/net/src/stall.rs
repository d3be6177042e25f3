//! Noticing that the other side has stopped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// What a body may bring in a second without trying anybody's patience: less than the slowest of networks.
pub const LEAST_RATE: u64 = 1_000;

/// A limit on how long one side may go without a byte. Costs nothing while bytes flow: the timer starts
/// with the first wait.
#[derive(Debug)]
pub struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when nothing has moved.
    waiting: Option<Instant>,
    patience: Option<Patience>,
}

/// How long the other side may be waited for in all. What it sends gives time back, up to what there was at first:
/// else a byte now and then would hold its place for ever.
#[derive(Debug)]
struct Patience {
    whole: Duration,
    left: Duration,
}

impl Stall {
    /// Waits for `limit` at a time, however often.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, timer: None, waiting: None, patience: None }
    }

    /// Waits for so long in all, and a second more for every [`LEAST_RATE`] bytes that are told of with
    /// [`received`](Self::received).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(Patience::new(patience));
        self
    }

    /// Something moved.
    pub fn moved(&mut self) {
        if let (Some(since), Some(patience)) = (self.waiting.take(), &mut self.patience) {
            patience.waited(since.elapsed());
        }
    }

    /// So many bytes came.
    pub fn received(&mut self, bytes: usize) {
        if let Some(patience) = &mut self.patience {
            patience.received(bytes);
        }
    }

    /// Nothing moved just now; ready once that has been so for the whole limit, or patience is at its end.
    pub fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.patience.as_ref().map_or(self.limit, |patience| patience.left.min(self.limit));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            timer.as_mut().reset(now + limit);
        }
        timer.as_mut().poll(cx)
    }
}

impl Patience {
    fn new(whole: Duration) -> Self {
        Self { whole, left: whole }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn received(&mut self, bytes: usize) {
        let millis = (bytes as u64).saturating_mul(1_000) / LEAST_RATE;
        self.left = self.left.saturating_add(Duration::from_millis(millis)).min(self.whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drips_comes_to_an_end_and_who_is_slow_does_not() {
        // How many pieces come, of so many bytes after so many milliseconds each, within a patience of a minute.
        let cases = [
            ("a_byte_a_minute", 1, 59_000, Some(1)),
            ("a_byte_a_second", 1, 1_000, Some(60)),
            ("half_of_what_it_should_be", 500, 1_000, Some(119)),
            ("just_enough", 1_000, 1_000, None),
            ("long_pauses_and_then_much", 100_000, 50_000, None),
            ("a_pause_over_all_there_is", 100_000, 61_000, Some(0)),
            ("a_flood_saves_up_nothing", usize::MAX, 61_000, Some(0)),
        ];
        for (name, bytes, pause, want) in cases {
            let (mut patience, pause) =
                (Patience::new(Duration::from_secs(60)), Duration::from_millis(pause));
            let ends = (0..1_000).find(|_| {
                let is_over = pause > patience.left;
                patience.waited(pause);
                patience.received(bytes);
                is_over
            });
            assert_eq!(ends, want, "{name}");
        }
    }
}

//! Which server gets the next request.
//!
//! The one with the fewest requests in flight, among those that are in good standing and have room; ties go
//! in turn. If all that could be asked are ejected, the one whose last failure is the oldest is tried before
//! its time, one request at once: an upstream is given up only by what its health checks say.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::health::Standing;
use super::place::Place;
use super::queue::Queue;
use super::server::Server;

/// Why there is no server for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Those that could take it have as many as they may.
    Full,
    /// All are ejected, and being tried.
    Ejected,
    /// All fail their checks.
    Down,
}

/// The servers of one upstream, and whose turn it is.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) servers: Vec<Arc<Server>>,
    pub(super) queue: Option<Arc<Queue>>,
    turn: AtomicUsize,
}

/// A server as a request finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    standing: Standing,
    load: usize,
}

/// What comes of looking at all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The index of one in good standing.
    Take(usize),
    /// The index of one that is tried for want of another.
    Try(usize),
    None(NoPlace),
}

impl Balance {
    pub(super) fn new(servers: Vec<Arc<Server>>, queue: Option<Arc<Queue>>) -> Self {
        Self { servers, queue, turn: AtomicUsize::new(0) }
    }

    /// The turn of one request, whatever becomes of it.
    pub(super) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// A place at a server that is not one of `tried`. Waits for one where the upstream lets requests wait.
    pub(super) async fn place(&self, turn: usize, tried: &[Arc<Server>]) -> Result<Place, NoPlace> {
        let Some(queue) = &self.queue else { return self.find(turn, tried) };
        if queue.waiting() == 0 {
            match self.find(turn, tried) {
                Err(NoPlace::Full) => {}
                found => return found,
            }
        }
        queue.wait(|| self.find(turn, tried)).await
    }

    fn find(&self, turn: usize, tried: &[Arc<Server>]) -> Result<Place, NoPlace> {
        let limit = self.queue.as_ref().map_or(usize::MAX, |queue| queue.limits.requests);
        let mut busy = Vec::new();
        loop {
            let candidates = self.servers.iter().enumerate().map(|(index, server)| {
                let untried = !tried.iter().any(|tried| Arc::ptr_eq(tried, server));
                untried.then(|| Candidate {
                    standing: server.standing(),
                    load: if busy.contains(&index) { limit } else { server.load.load(Ordering::SeqCst) },
                })
            });
            let (index, anyway) = match choose(candidates, turn, limit) {
                Choice::Take(index) => (index, false),
                Choice::Try(index) => (index, true),
                Choice::None(reason) => return Err(reason),
            };
            let server = self.servers.get(index);
            match server.and_then(|server| Place::take(server, self.queue.as_ref(), limit, anyway)) {
                Some(place) => return Ok(place),
                None if anyway => busy.push(index),
                // Somebody else was faster, and has changed what there is to see.
                None => {}
            }
        }
    }
}

/// Chooses among those that are `Some`; `turn` says where ties begin.
fn choose(candidates: impl ExactSizeIterator<Item = Option<Candidate>>, turn: usize, limit: usize) -> Choice {
    let count = candidates.len().max(1);
    let first = turn % count;
    let (mut best, mut resort) = (None, None);
    let (mut full, mut ejected) = (false, false);
    for (index, candidate) in candidates.enumerate() {
        let Some(Candidate { standing, load }) = candidate else { continue };
        let distance = (index + count - first) % count;
        match standing {
            Standing::Good if load >= limit => full = true,
            Standing::Good => best = best.max(Some(Reverse((load, distance, index)))),
            Standing::Ejected { last_failure } => {
                ejected = true;
                if load < limit {
                    resort = resort.max(Some(Reverse((last_failure, distance, index))));
                }
            }
            Standing::Down => {}
        }
    }
    match (best, resort) {
        (Some(Reverse((.., index))), _) => Choice::Take(index),
        _ if full => Choice::None(NoPlace::Full),
        (None, Some(Reverse((.., index)))) => Choice::Try(index),
        (None, None) if ejected => Choice::None(NoPlace::Ejected),
        (None, None) => Choice::None(NoPlace::Down),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    type Candidates<'c> = &'c [Option<Candidate>];

    fn good(load: usize) -> Option<Candidate> {
        Some(Candidate { standing: Standing::Good, load })
    }

    fn choose_of(candidates: Candidates<'_>, turn: usize) -> Choice {
        choose(candidates.iter().copied(), turn, 10)
    }

    #[test]
    fn the_least_loaded_is_taken_and_ties_go_in_turn() {
        let cases: [(&str, Candidates<'_>, [usize; 4]); 5] = [
            ("one", &[good(3)], [0, 0, 0, 0]),
            ("ties", &[good(1), good(1), good(1)], [0, 1, 2, 0]),
            ("the_least", &[good(2), good(0), good(1)], [1, 1, 1, 1]),
            ("ties_of_the_least", &[good(0), good(5), good(0)], [0, 2, 2, 0]),
            ("what_was_tried_is_none", &[None, good(9), None], [1, 1, 1, 1]),
        ];
        for (name, candidates, want) in cases {
            for (turn, want) in want.into_iter().enumerate() {
                assert_eq!(choose_of(candidates, turn), Choice::Take(want), "{name}, turn {turn}");
            }
        }
        assert_eq!(choose_of(&[good(1), good(1)], usize::MAX), Choice::Take(1));
    }

    #[test]
    fn what_is_left_when_none_is_good() {
        let now = Instant::now();
        let ejected = |secs, load| {
            let last_failure = Some(now + Duration::from_secs(secs));
            Some(Candidate { standing: Standing::Ejected { last_failure }, load })
        };
        let down = Some(Candidate { standing: Standing::Down, load: 0 });
        let cases: [(&str, Candidates<'_>, Choice); 10] = [
            ("a_good_one_before_all", &[ejected(0, 0), good(9), down], Choice::Take(1)),
            ("least_recently_failed", &[ejected(2, 0), ejected(1, 5), down], Choice::Try(1)),
            ("the_only_one", &[ejected(2, 0)], Choice::Try(0)),
            ("a_full_one_is_waited_for", &[ejected(2, 0), good(10)], Choice::None(NoPlace::Full)),
            ("all_full", &[good(10), good(11)], Choice::None(NoPlace::Full)),
            ("ejected_and_full", &[ejected(2, 10), down], Choice::None(NoPlace::Ejected)),
            ("down", &[down, down], Choice::None(NoPlace::Down)),
            ("down_and_tried", &[down, None], Choice::None(NoPlace::Down)),
            ("all_tried", &[None, None], Choice::None(NoPlace::Down)),
            ("no_servers", &[], Choice::None(NoPlace::Down)),
        ];
        for (name, candidates, want) in cases {
            assert_eq!(choose_of(candidates, 0), want, "{name}");
        }
    }
}

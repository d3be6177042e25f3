use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

/// Requests at the same time seldom want the same lock.
const SHARDS: usize = 16;

/// The proofs that were used and could be shown again
/// ([RFC 9449 section 11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1)).
///
/// Of each proof eight bytes are kept, a keyed hash of its `jti` and its key. Two that collide, once in 2^44
/// with a million in memory, cost an honest client a repetition; they let nobody in. What is kept is bounded
/// in number, and forgotten once the proof would be refused for its age.
pub(super) struct Replays {
    shards: [Mutex<Shard>; SHARDS],
    capacity: usize,
    window: i64,
    hash: RandomState,
}

/// What of a proof is remembered, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used<'p> {
    pub(super) jkt: &'p str,
    pub(super) jti: &'p str,
    pub(super) forget_after: Timestamp,
}

/// Why a proof does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRemembered {
    /// It was used before, or nothing is known any more of the time that it is from.
    Replayed,
    /// There is no room for it.
    Full,
}

#[derive(Default)]
struct Shard {
    /// A window's worth of proofs each; there are never more than three.
    spans: Vec<Span>,
    /// Proofs that were to be forgotten before this are not known any more. It is past what a clock that
    /// goes forward lets through.
    forgotten_to: Option<Timestamp>,
}

/// The proofs whose `forget_after` lies in one window of time.
struct Span {
    number: i64,
    seen: HashSet<u64>,
}

impl Replays {
    /// The memory that goes on after `old`: that one itself, or where other terms hold from now on a new one, to which
    /// no proof is new that was made by now.
    pub(super) fn after(old: Option<&Arc<Self>>, capacity: usize, window: Duration) -> Arc<Self> {
        let new = Self::new(capacity, window);
        let Some(old) = old else { return Arc::new(new) };
        if (old.capacity, old.window) == (new.capacity, new.window) {
            return Arc::clone(old);
        }
        for shard in &new.shards {
            let known_to = old.newest().map(|newest| newest.saturating_add(window));
            shard.lock().unwrap_or_else(PoisonError::into_inner).forgotten_to = known_to;
        }
        Arc::new(new)
    }

    fn new(capacity: usize, window: Duration) -> Self {
        Replays {
            shards: std::array::from_fn(|_| Mutex::default()),
            capacity: capacity.div_ceil(SHARDS),
            window: i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1),
            hash: RandomState::new(),
        }
    }

    /// Before when all used proofs were to be forgotten.
    fn newest(&self) -> Option<Timestamp> {
        let newest = self.shards.iter().filter_map(|shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let span = shard.spans.iter().map(|span| span.number).max()?;
            Some(Timestamp::from_millis(span.saturating_add(1).saturating_mul(self.window)))
        });
        newest.max()
    }

    /// Takes a proof that is used for the first time.
    pub(super) fn remember(&self, proof: Used<'_>, now: Timestamp) -> Result<(), NotRemembered> {
        let fingerprint = self.hash.hash_one((proof.jkt, proof.jti));
        let number = self.span_of(proof.forget_after);
        // The remainder is below the number of shards; were it not, nothing would be let in.
        let shard = self.shards.get(fingerprint as usize % SHARDS).ok_or(NotRemembered::Full)?;
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        self.forget(&mut shard, now);
        if shard.forgotten_to.is_some_and(|to| proof.forget_after < to)
            || shard.spans.iter().any(|span| span.seen.contains(&fingerprint))
        {
            return Err(NotRemembered::Replayed);
        }
        if shard.spans.iter().map(|span| span.seen.len()).sum::<usize>() >= self.capacity {
            return Err(NotRemembered::Full);
        }
        match shard.spans.iter_mut().find(|span| span.number == number) {
            Some(span) => {
                span.seen.insert(fingerprint);
            }
            None => shard.spans.push(Span { number, seen: HashSet::from([fingerprint]) }),
        }
        Ok(())
    }

    fn forget(&self, shard: &mut Shard, now: Timestamp) {
        let current = self.span_of(now);
        if shard.spans.iter().all(|span| span.number >= current) {
            return;
        }
        shard.spans.retain(|span| span.number >= current);
        let forgotten_to = Timestamp::from_millis(current.saturating_mul(self.window));
        shard.forgotten_to = shard.forgotten_to.max(Some(forgotten_to));
    }

    fn span_of(&self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);
    const NOW: Timestamp = Timestamp::from_secs(1_763_780_030);

    fn proof<'p>(jkt: &'p str, jti: &'p str, iat: Timestamp) -> Used<'p> {
        Used { jkt, jti, forget_after: iat.saturating_add(WINDOW) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(NOW.as_secs() + seconds)
    }

    #[test]
    fn a_proof_is_used_once_as_long_as_it_could_be_shown_again() {
        // iat, then when it is shown again: from the earliest to the latest moment that `iat` allows.
        for iat in [-59, 0, 60] {
            for again in [0, 1, 30, 59 + iat] {
                let replays = Replays::new(100, WINDOW);
                let proof = proof("k", "j", at(iat));
                assert_eq!(replays.remember(proof, NOW), Ok(()));
                let answer = replays.remember(proof, at(again.min(59 + iat)));
                assert_eq!(answer, Err(NotRemembered::Replayed), "made {iat}, again {again}");
            }
        }
    }

    #[test]
    fn proofs_differ_by_key_and_by_jti() {
        let replays = Replays::new(100, WINDOW);
        let cases = [
            ("first", "k", "j", 0, Ok(())),
            ("another_jti", "k", "i", 0, Ok(())),
            ("another_key", "l", "j", 0, Ok(())),
            ("parts_that_join_to_the_same", "kj", "", 0, Ok(())),
            ("again", "k", "j", 0, Err(NotRemembered::Replayed)),
            ("the_same_jti_made_later", "k", "j", 30, Err(NotRemembered::Replayed)),
        ];
        for (name, jkt, jti, iat, want) in cases {
            assert_eq!(replays.remember(proof(jkt, jti, at(iat)), NOW), want, "{name}");
        }
    }

    #[test]
    fn what_is_forgotten_makes_room_and_does_not_come_back() {
        let replays = Replays::new(SHARDS, WINDOW);
        let fill = |from: i64| {
            let is_new =
                |n: &i32| replays.remember(proof("k", &format!("{from} {n}"), at(from)), at(from)).is_ok();
            (0..10_000).filter(is_new).count()
        };
        assert_eq!(fill(0), SHARDS, "one for each shard");
        assert_eq!(replays.remember(proof("k", "j", NOW), NOW), Err(NotRemembered::Full));
        assert_eq!(fill(180), SHARDS, "three windows later there is room again");
        // The clock was set back: what was forgotten could be shown again, and is refused unseen.
        assert_eq!(replays.remember(proof("k", "0 0", NOW), NOW), Err(NotRemembered::Replayed));
    }

    #[test]
    fn what_was_used_before_other_terms_held_is_used() {
        for (capacity, window) in [(100, WINDOW), (200, WINDOW), (100, 2 * WINDOW), (100, WINDOW / 2)] {
            let old = Replays::after(None, 100, WINDOW);
            assert_eq!(old.remember(proof("k", "j", NOW), NOW), Ok(()));
            let new = Replays::after(Some(&old), capacity, window);
            let again = Used { jkt: "k", jti: "j", forget_after: NOW.saturating_add(window) };
            assert_eq!(new.remember(again, NOW), Err(NotRemembered::Replayed), "{capacity} {window:?}");
            let later = NOW.saturating_add(4 * WINDOW);
            let other = Used { jkt: "k", jti: "i", forget_after: later.saturating_add(window) };
            assert_eq!(new.remember(other, later), Ok(()), "{capacity} {window:?}");
        }
    }

    #[test]
    fn of_many_that_come_at_once_one_is_first() {
        let replays = Arc::new(Replays::new(1_000, WINDOW));
        for round in 0..50 {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let replays = Arc::clone(&replays);
                    std::thread::spawn(move || {
                        replays.remember(proof("k", &format!("{round}"), NOW), NOW).is_ok()
                    })
                })
                .collect();
            let first = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|first| *first);
            assert_eq!(first.count(), 1);
        }
    }
}

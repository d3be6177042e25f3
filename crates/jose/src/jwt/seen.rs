//! Tokens whose signature has been verified before.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

/// So many places share one spot of the table, and the oldest of them gives way.
const WAYS: usize = 8;

/// Remembers that a signature held, and nothing else of a token: 17 bytes each, no claim, no expiry.
///
/// A token is kept as the 128 bits of a keyed pseudo-random function over all of its characters. The key
/// is random, never leaves memory and is this table's own, so nobody can look for a token that shares the
/// bits of another: a forgery has to meet those of one of `n` tokens by chance, which happens to one
/// request in `2^128 / n`.
///
/// What is found again skips the arithmetic of the signature. Everything else about the token is checked
/// anew each time, so nothing that is here outlives `exp`, and the table goes with the keys that it
/// belongs to.
pub(super) struct SeenSignatures {
    capacity: usize,
    /// Made when the first signature is to be remembered.
    table: OnceLock<Option<Table>>,
    found: AtomicU64,
    verified: AtomicU64,
}

/// How many signatures a [`Verifier`](crate::Verifier) that remembers them was spared, and how many it was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignatureCounts {
    /// It knew that they hold.
    pub remembered: u64,
    /// It had to do the arithmetic, whether they held or not.
    pub verified: u64,
}

struct Table {
    key: [u8; 16],
    spots: Box<[Spot]>,
}

#[derive(Default)]
struct Spot {
    places: [Place; WAYS],
    next: AtomicU64,
}

/// The two halves of what stands for a token; zeros where there is none yet.
///
/// They are written one after the other, and a reader may meet halves of two tokens. It takes both to be
/// guessed all the same, so that is as good as a place with neither.
#[derive(Default)]
struct Place {
    low: AtomicU64,
    high: AtomicU64,
}

/// What stands for one token, and the spot where it is looked for.
pub(super) struct Fingerprint<'t> {
    low: u64,
    high: u64,
    spot: &'t Spot,
}

impl SeenSignatures {
    /// A table for about so many tokens.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, table: OnceLock::new(), found: AtomicU64::new(0), verified: AtomicU64::new(0) }
    }

    /// Counts a signature that was known, or that had to be verified.
    pub(super) fn count(&self, known: bool) {
        let counter = if known { &self.found } else { &self.verified };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How often each was the case.
    pub(super) fn counts(&self) -> SignatureCounts {
        SignatureCounts {
            remembered: self.found.load(Ordering::Relaxed),
            verified: self.verified.load(Ordering::Relaxed),
        }
    }

    /// The token's fingerprint; `None` where nothing can be remembered.
    pub(super) fn fingerprint(&self, token: &str) -> Option<Fingerprint<'_>> {
        let table = self.table.get_or_init(|| Table::new(self.capacity)).as_ref()?;
        let mut hasher = SipHasher24::new_with_key(&table.key);
        std::hash::Hasher::write(&mut hasher, token.as_bytes());
        let bits = hasher.finish128();
        let spot = table.spots.get(bits.h1 as usize % table.spots.len())?;
        Some(Fingerprint { low: bits.h1, high: bits.h2, spot })
    }
}

impl Fingerprint<'_> {
    /// Whether the signature of this very token held before.
    pub(super) fn is_known(&self) -> bool {
        self.spot.places.iter().any(|place| {
            place.low.load(Ordering::Relaxed) == self.low && place.high.load(Ordering::Relaxed) == self.high
        })
    }

    /// Remembers that its signature holds, in the place of the oldest of its spot.
    pub(super) fn remember(&self) {
        let at = self.spot.next.fetch_add(1, Ordering::Relaxed) as usize % WAYS;
        if let Some(place) = self.spot.places.get(at) {
            place.low.store(self.low, Ordering::Relaxed);
            place.high.store(self.high, Ordering::Relaxed);
        }
    }
}

impl Table {
    /// Empty; `None` when the system has no randomness to give, and nothing is remembered then.
    fn new(capacity: usize) -> Option<Self> {
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        let spots = capacity.div_ceil(WAYS).max(1);
        Some(Self { key, spots: (0..spots).map(|_| Spot::default()).collect() })
    }
}

impl fmt::Debug for SeenSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenSignatures")
            .field("capacity", &self.capacity)
            .field("is_made", &self.table.get().is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(seen: &SeenSignatures, token: &str) -> bool {
        seen.fingerprint(token).unwrap().is_known()
    }

    #[test]
    fn only_what_was_remembered_is_known() {
        let seen = SeenSignatures::new(64);
        assert!(!knows(&seen, "a.b.c"));
        seen.fingerprint("a.b.c").unwrap().remember();
        assert!(knows(&seen, "a.b.c"));
        for other in ["a.b.d", "a.b.", "a.b.c ", "A.b.c", ""] {
            assert!(!knows(&seen, other), "{other:?}");
        }
        assert!(!knows(&SeenSignatures::new(64), "a.b.c"), "another table has another key");
    }

    #[test]
    fn half_of_a_fingerprint_is_none() {
        let seen = SeenSignatures::new(64);
        let known = seen.fingerprint("a.b.c").unwrap();
        known.remember();
        let Fingerprint { low, high, spot } = known;
        for (low, high, want) in [(low, high, true), (!low, high, false), (low, !high, false)] {
            assert_eq!(Fingerprint { low, high, spot }.is_known(), want);
        }
    }

    #[test]
    fn the_table_does_not_grow_and_the_newest_stay() {
        let seen = SeenSignatures::new(WAYS);
        for number in 0..1000 {
            seen.fingerprint(&number.to_string()).unwrap().remember();
        }
        let known: Vec<_> = (0..1000).filter(|number| knows(&seen, &number.to_string())).collect();
        assert_eq!(known, (1000 - WAYS..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_fresh_table_knows_nothing_and_none_is_made_before_it_is_needed() {
        let seen = SeenSignatures::new(1 << 16);
        assert!(seen.table.get().is_none());
        assert!(!(0..1000).any(|number| knows(&seen, &number.to_string())));
    }
}

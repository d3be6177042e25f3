//! An open-addressing table that one writer fills while any number of readers look things up.
//!
//! In front of the slots stands a filter, 16 bits per slot: every id sets three bits of one word. A lookup
//! reads that word, and in more than 99 of 100 cases an id that is not in the table ends there. The filter
//! of a million entries takes three megabytes, so it stays in the processor's cache while the slots need
//! not.
//!
//! A slot is filled once, before its tag makes it visible, and is never used for another id afterwards:
//! what a reader finds under a tag always belongs to that tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::slot::{Revocation, Slot};

/// Slots that share a word of the filter.
const SLOTS_PER_WORD: usize = 4;

/// An id by its keyed hashes. The first places it and turns away nearly every id that is not in the table;
/// the second, of which 24 bits count, is only computed when the first has found a match. So two ids are
/// taken for each other once in 2^88 comparisons.
#[derive(Clone, Copy)]
pub(super) struct Hash<'a> {
    /// Not 0, which marks a free slot.
    tag: u64,
    seed: u64,
    id: &'a str,
}

impl<'a> Hash<'a> {
    #[inline]
    pub(super) fn new(seed: u64, id: &'a str) -> Self {
        Hash { tag: xxh3_64_with_seed(id.as_bytes(), seed).max(1), seed, id }
    }

    /// Six bits that choose one of 64 shards.
    #[inline]
    pub(super) fn shard(self) -> usize {
        (self.tag >> 18 & 0x3f) as usize
    }

    /// The 24 bits of the second hash.
    fn check(self) -> u32 {
        (xxh3_64_with_seed(self.id.as_bytes(), !self.seed) >> 40) as u32
    }
}

/// The word of the filter that belongs to `tag`, by the 40 highest bits.
#[inline]
fn filter_word(tag: u64, words: usize) -> usize {
    ((u128::from(tag) * words as u128) >> 64) as usize
}

/// The three bits that `tag` sets in its word, by the 18 lowest bits.
#[inline]
fn filter_bits(tag: u64) -> u64 {
    1 << (tag & 63) | 1 << (tag >> 6 & 63) | 1 << (tag >> 12 & 63)
}

/// Cloning shares the content.
#[derive(Clone, Default)]
pub(super) struct Table {
    filter: Arc<[AtomicU64]>,
    body: Arc<Body>,
}

#[derive(Default)]
struct Body {
    slots: Box<[Slot]>,
    /// Slots that are not free; the writer's own.
    used: AtomicUsize,
    /// Slots in force; written by the writer, read by whoever reports.
    live: AtomicUsize,
}

impl Table {
    /// A table that takes `entries` and a quarter more without growing, filled to 64 % by `entries`.
    pub(super) fn with_room_for(entries: usize) -> Self {
        let words = (entries.saturating_mul(25) / 16).div_ceil(SLOTS_PER_WORD).max(1);
        Table {
            filter: (0..words).map(|_| AtomicU64::new(0)).collect(),
            body: Arc::new(Body {
                slots: (0..words * SLOTS_PER_WORD).map(|_| Slot::vacant()).collect(),
                used: AtomicUsize::new(0),
                live: AtomicUsize::new(0),
            }),
        }
    }

    pub(super) fn live(&self) -> usize {
        self.body.live.load(Ordering::Relaxed)
    }

    /// The memory that its slots and its filter take.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.filter) + size_of::<Body>() + size_of_val(&*self.body.slots)
    }

    /// Whether `more` new ids fit. Past 80 % lookups would have to walk far.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        (self.body.used.load(Ordering::Relaxed) + more) * 5 <= self.body.slots.len() * 4
    }

    /// Whether it is far larger than what is in it.
    pub(super) fn is_sparse(&self) -> bool {
        self.filter.len() > 1 && self.live() * 10 < self.body.slots.len() * 3
    }

    #[inline]
    pub(super) fn find(&self, hash: Hash<'_>) -> Option<&Slot> {
        let word = filter_word(hash.tag, self.filter.len());
        let bits = filter_bits(hash.tag);
        // Pairs with the release in `place`: who sees the bits sees the slot behind them.
        if self.filter.get(word)?.load(Ordering::Acquire) & bits != bits {
            return None;
        }
        self.body.find(hash, word * SLOTS_PER_WORD)
    }

    /// Adds an id that is not in the table yet. One writer at a time, and only while it
    /// [has room](Self::has_room_for).
    pub(super) fn insert(&self, hash: Hash<'_>, revocation: Revocation) {
        self.place(hash.tag, hash.check(), revocation);
    }

    fn place(&self, tag: u64, check: u32, revocation: Revocation) {
        let word = filter_word(tag, self.filter.len());
        let free = self.body.slots_from(word * SLOTS_PER_WORD).find(|slot| slot.tag() == 0);
        if let (Some(filter), Some(slot)) = (self.filter.get(word), free) {
            slot.fill(tag, check, revocation);
            filter.fetch_or(filter_bits(tag), Ordering::Release);
            self.body.used.fetch_add(1, Ordering::Relaxed);
            self.body.live.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets every entry that `is_over` says is. Readers are not disturbed, and slots are not reused:
    /// the next table has them back. One writer at a time.
    pub(super) fn forget(&self, is_over: impl Fn(Revocation) -> bool) {
        for slot in &self.body.slots {
            if !slot.is_vacant() && is_over(slot.revocation()) {
                slot.clear();
                self.body.live.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The entries of this table in a new one with room for `more`.
    pub(super) fn resized(&self, more: usize) -> Self {
        let table = Table::with_room_for(self.live() + more);
        for slot in self.body.slots.iter().filter(|slot| !slot.is_vacant()) {
            table.place(slot.tag(), slot.check(), slot.revocation());
        }
        table
    }
}

impl Body {
    /// All slots, beginning with the one at `first`.
    fn slots_from(&self, first: usize) -> impl Iterator<Item = &Slot> {
        let (before, from) = self.slots.split_at_checked(first).unwrap_or((&self.slots, &[]));
        from.iter().chain(before)
    }

    /// Rarely called for an id that is not there; kept out of the way of the code that checks the filter.
    #[inline(never)]
    fn find(&self, hash: Hash<'_>, first: usize) -> Option<&Slot> {
        self.slots_from(first)
            .take_while(|slot| slot.tag() != 0)
            .filter(|slot| slot.tag() == hash.tag)
            // An id that was forgotten and revoked again has a slot of each.
            .find(|slot| !slot.is_vacant() && slot.check() == hash.check())
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Timestamp;

    use super::super::slot::ForgetAfter;
    use super::*;

    fn until(secs: i64) -> Revocation {
        Revocation {
            issued_before: Timestamp::MAX,
            forget_after: ForgetAfter::from(Timestamp::from_secs(secs)),
            reason: 0,
        }
    }

    #[test]
    fn a_full_table_still_finds_everything_and_nothing_else() {
        let table = Table::with_room_for(1000);
        let mut inserted = 0;
        while table.has_room_for(1) {
            table.insert(Hash::new(1, &format!("in-{inserted}")), until(inserted));
            inserted += 1;
        }
        assert!(inserted >= 1250, "room for a quarter more, but only {inserted} went in");
        for n in 0..inserted {
            let slot = table.find(Hash::new(1, &format!("in-{n}")));
            assert_eq!(slot.map(Slot::revocation), Some(until(n)));
            assert!(table.find(Hash::new(1, &format!("out-{n}"))).is_none());
        }
    }

    #[test]
    fn the_filter_stops_all_but_one_in_a_hundred() {
        let table = Table::with_room_for(10_000);
        for n in 0.. {
            if !table.has_room_for(1) {
                break;
            }
            table.insert(Hash::new(5, &n.to_string()), until(0));
        }
        let passes = |n: &i32| {
            let id = format!("out-{n}");
            let hash = Hash::new(5, &id);
            let word = filter_word(hash.tag, table.filter.len());
            let bits = filter_bits(hash.tag);
            table.filter[word].load(Ordering::Relaxed) & bits == bits
        };
        let passed = (0..100_000).filter(passes).count();
        assert!(passed < 1_000, "{passed} of 100,000 passed a full table's filter");
    }

    #[test]
    fn an_id_with_the_tag_of_another_is_told_apart() {
        let table = Table::with_room_for(10);
        let revoked = Hash::new(5, "revoked");
        table.insert(revoked, until(1));
        let alike = Hash { id: "alike", ..revoked };
        assert!(table.find(revoked).is_some() && table.find(alike).is_none());
        table.insert(alike, until(2));
        assert_eq!(table.find(alike).map(Slot::revocation), Some(until(2)));
        assert_eq!(table.find(revoked).map(Slot::revocation), Some(until(1)));
    }

    #[test]
    fn forgotten_entries_are_gone_and_do_not_hide_others() {
        let table = Table::with_room_for(1000);
        for n in 0..1000 {
            table.insert(Hash::new(9, &n.to_string()), until(n));
        }
        table.forget(|revocation| revocation.forget_after.is_over(Timestamp::from_secs(700)));
        let bigger = table.resized(5000);
        for table in [&table, &bigger] {
            assert_eq!(table.live(), 300);
            for n in 0..1000 {
                let found = table.find(Hash::new(9, &n.to_string())).is_some();
                assert_eq!(found, n >= 700, "{n}");
            }
        }
        assert!(bigger.has_room_for(5000) && bigger.is_sparse() && !table.has_room_for(1000));

        table.insert(Hash::new(9, "5"), until(800));
        assert_eq!(table.find(Hash::new(9, "5")).map(Slot::revocation), Some(until(800)), "revoked again");
    }
}

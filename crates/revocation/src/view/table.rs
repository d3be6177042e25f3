//! An open-addressing table that one writer fills while any number of readers look things up.
//!
//! Slots come in groups of eight with one control word each, a byte per slot: free, forgotten, or taken
//! with seven bits of the id's hash. A lookup reads the control word and almost never more: the words of
//! a million entries take little over a megabyte, so they stay in the processor's cache while the slots
//! need not.
//!
//! A slot is filled once, before its control byte makes it visible, and is never used for another id
//! afterwards: what a reader finds under a tag always belongs to that tag.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::slot::{Revocation, Slot};

const LANES: usize = 8;
const FREE: u64 = 0x00;
const FORGOTTEN: u64 = 0x01;
const TAKEN: u64 = 0x80;
const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The keyed 128-bit hash of an id, cut into what the table needs. It compares the tag in full and the
/// rest in passing, so two ids are taken for each other once in more than 2^64 comparisons.
#[derive(Clone, Copy)]
pub(super) struct Hash {
    tag: u64,
    /// 24 bits: the group where the search begins.
    home: u32,
    /// The control byte of a slot taken by this id.
    control: u64,
    /// 6 bits: one of 64 shards.
    pub(super) shard: usize,
}

impl Hash {
    pub(super) fn new(seed: u64, id: &str) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_128_with_seed(id.as_bytes(), seed);
        let rest = (hash >> 64) as u64;
        Hash {
            tag: hash as u64,
            home: (rest >> 40) as u32,
            control: TAKEN | (rest & 0x7f),
            shard: (rest >> 7 & 0x3f) as usize,
        }
    }
}

/// All of `groups` groups, beginning with the one that `home` points at.
fn groups_from(home: u32, groups: usize) -> impl Iterator<Item = usize> {
    let first = (u64::from(home) * groups as u64 >> 24) as usize;
    (first..groups).chain(0..first)
}

#[derive(Default)]
pub(super) struct Table {
    control: Box<[AtomicU64]>,
    slots: Box<[Slot]>,
    /// Slots that are not free; the writer's own.
    used: AtomicUsize,
    /// Slots that are taken; written by the writer, read by whoever reports.
    live: AtomicUsize,
}

impl Table {
    /// A table that takes `entries` and a quarter more without growing, filled to 68 % by `entries`.
    pub(super) fn with_room_for(entries: usize) -> Self {
        let groups = (entries.saturating_mul(25) / 17).div_ceil(LANES).max(1);
        Table {
            control: (0..groups).map(|_| AtomicU64::new(0)).collect(),
            slots: (0..groups * LANES).map(|_| Slot::default()).collect(),
            used: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// The memory that its slots and control bytes take.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * (size_of::<Slot>() + 1)
    }

    /// Whether `more` new ids fit. Past 85 % lookups would have to walk.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        (self.used.load(Ordering::Relaxed) + more) * 20 <= self.slots.len() * 17
    }

    /// Whether it is far larger than what is in it.
    pub(super) fn is_sparse(&self) -> bool {
        self.slots.len() > LANES && self.live() * 10 < self.slots.len() * 3
    }

    pub(super) fn find(&self, hash: Hash) -> Option<&Slot> {
        for group in groups_from(hash.home, self.control.len()) {
            // Pairs with the release in `place`: who sees the control byte sees the slot behind it.
            let control = self.control.get(group)?.load(Ordering::Acquire);
            let mut candidates = lanes_equal(control, hash.control);
            while candidates != 0 {
                let lane = candidates.trailing_zeros() as usize / 8;
                let slot = self.slots.get(group * LANES + lane)?;
                if slot.tag() == hash.tag {
                    return Some(slot);
                }
                candidates &= candidates - 1;
            }
            if lanes_equal(control, FREE) != 0 {
                return None;
            }
        }
        None
    }

    /// Adds an id that is not in the table yet. One writer at a time, and only while it
    /// [has room](Self::has_room_for).
    pub(super) fn insert(&self, hash: Hash, revocation: Revocation) {
        self.place(hash.tag, hash.home, hash.control, revocation);
    }

    fn place(&self, tag: u64, home: u32, byte: u64, revocation: Revocation) {
        for group in groups_from(home, self.control.len()) {
            let Some(word) = self.control.get(group) else { return };
            let free = lanes_equal(word.load(Ordering::Relaxed), FREE);
            if free == 0 {
                continue;
            }
            // The lowest match is exact; see `lanes_equal`.
            let lane = free.trailing_zeros() as usize / 8;
            let Some(slot) = self.slots.get(group * LANES + lane) else { return };
            slot.fill(tag, home, revocation);
            word.fetch_or(byte << (lane * 8), Ordering::Release);
            self.used.fetch_add(1, Ordering::Relaxed);
            self.live.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }

    /// Forgets every entry that `is_over` says is. Readers are not disturbed, and slots are not reused:
    /// the next table has them back. One writer at a time.
    pub(super) fn forget(&self, is_over: impl Fn(Revocation) -> bool) {
        for (word, slots) in self.control.iter().zip(self.slots.chunks(LANES)) {
            let before = word.load(Ordering::Relaxed);
            let mut after = before;
            for (shift, slot) in (0..64).step_by(8).zip(slots) {
                if before >> shift & TAKEN != 0 && is_over(slot.revocation()) {
                    after = after & !(0xff << shift) | FORGOTTEN << shift;
                    self.live.fetch_sub(1, Ordering::Relaxed);
                }
            }
            if after != before {
                word.store(after, Ordering::Release);
            }
        }
    }

    /// The entries of this table in a new one with room for `more`.
    pub(super) fn resized(&self, more: usize) -> Self {
        let table = Table::with_room_for(self.live() + more);
        for (word, slots) in self.control.iter().zip(self.slots.chunks(LANES)) {
            let control = word.load(Ordering::Relaxed);
            for (shift, slot) in (0..64).step_by(8).zip(slots) {
                let byte = control >> shift & 0xff;
                if byte & TAKEN != 0 {
                    table.place(slot.tag(), slot.home(), byte, slot.revocation());
                }
            }
        }
        table
    }
}

/// The high bit of every byte of `word` that equals `byte`. A byte just above a match may be reported as
/// well although it differs in its lowest bit: the lowest match is always exact, and so is "none".
fn lanes_equal(word: u64, byte: u64) -> u64 {
    let difference = word ^ (LOW_BITS * byte);
    difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
    }

    #[test]
    fn lanes_equal_finds_the_lowest_match_exactly() {
        for word in [0, 1, 0x80_00_01_00, 0x0101_0101_0101_0100, u64::MAX, 0x00ff_0000_0000_00ff] {
            for byte in [0x00, 0x01, 0x80, 0xff_u64] {
                let exact: HashSet<usize> =
                    (0..8).filter(|lane| word >> (lane * 8) & 0xff == byte).collect();
                let found = lanes_equal(word, byte);
                let lowest = (found != 0).then(|| found.trailing_zeros() as usize / 8);
                assert_eq!(lowest, exact.into_iter().min(), "{byte:#x} in {word:#x}");
            }
        }
    }
}

//! The names that one object has had.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

/// Names are kept by their hashes alone. Two names with one hash pass for the same and the text is
/// refused: never the other way round, and by chance once in more objects than will ever be read.
#[derive(Default)]
pub(super) struct Names {
    few: [u64; Self::FEW],
    more: HashSet<u64>,
    len: usize,
}

impl Names {
    /// So many names need no allocation.
    const FEW: usize = 16;

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Writes a name down, unless it is there already.
    #[inline]
    pub(super) fn is_new(&mut self, name: &[u8]) -> bool {
        let hash = xxh3_64(name);
        let few = self.few.get(..self.len).unwrap_or(&self.few);
        if few.contains(&hash) || self.more.contains(&hash) {
            return false;
        }
        match self.few.get_mut(self.len) {
            Some(slot) => *slot = hash,
            None => {
                self.more.insert(hash);
            }
        }
        self.len += 1;
        true
    }
}

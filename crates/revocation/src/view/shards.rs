use std::sync::Arc;

use super::slot::{Revocation, Slot};
use super::table::{Hash, Table};

const SHARDS: usize = 64;

/// The entries of one kind, spread over tables that grow one at a time: neither the pause of the writer
/// nor the memory held twice while it copies is ever that of a million entries.
///
/// Cloning shares the tables; what is inserted into one is in all clones.
#[derive(Clone, Default)]
pub(super) struct Shards(Arc<[Table]>);

impl Shards {
    /// There are no tables: nothing was ever revoked, or all of it is forgotten.
    pub(super) fn is_unused(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|table| table.live()).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|table| table.bytes()).sum()
    }

    #[inline]
    pub(super) fn find(&self, hash: Hash<'_>) -> Option<&Slot> {
        self.0.get(hash.shard())?.find(hash)
    }

    /// Whether one more of its kind fits in without another table.
    pub(super) fn has_room_for(&self, hash: Hash<'_>) -> bool {
        self.0.get(hash.shard()).is_some_and(|table| table.has_room_for(1))
    }

    /// Records a revocation; `Some` is what has to be published instead of `self` when the table in
    /// question had to grow for it.
    #[must_use]
    pub(super) fn raise(&self, hash: Hash<'_>, revocation: Revocation) -> Option<Shards> {
        if let Some(slot) = self.find(hash) {
            slot.raise(revocation);
            return None;
        }
        match self.0.get(hash.shard()) {
            Some(table) if table.has_room_for(1) => {
                table.insert(hash, revocation);
                None
            }
            _ => {
                let mut tables = self.tables();
                if let Some(table) = tables.get_mut(hash.shard()) {
                    *table = table.resized(1);
                    table.insert(hash, revocation);
                }
                Some(Shards(tables.into()))
            }
        }
    }

    /// The same with room for `more` entries, if it has not got it.
    #[must_use]
    pub(super) fn with_room_for(&self, more: usize) -> Shards {
        // Hashes do not fill the shards to the same height; a sixteenth on top covers all but freaks.
        let each = (more + more / 16).div_ceil(SHARDS);
        let resize = |table: Table| match table.has_room_for(each) {
            true => table,
            false => table.resized(each),
        };
        Shards(self.tables().into_iter().map(resize).collect())
    }

    /// Drops what `is_over` says is over; `Some` is what has to be published instead of `self` to give
    /// its memory back.
    #[must_use]
    pub(super) fn forget(&self, is_over: impl Fn(Revocation) -> bool) -> Option<Shards> {
        for table in self.0.iter() {
            table.forget(&is_over);
        }
        if self.len() == 0 {
            return (!self.is_unused()).then(Shards::default);
        }
        if !self.0.iter().any(|table| table.is_sparse()) {
            return None;
        }
        let shrink = |table: &Table| match table.is_sparse() {
            true => table.resized(0),
            false => table.clone(),
        };
        Some(Shards(self.0.iter().map(shrink).collect()))
    }

    fn tables(&self) -> Vec<Table> {
        match self.is_unused() {
            true => vec![Table::default(); SHARDS],
            false => self.0.to_vec(),
        }
    }
}

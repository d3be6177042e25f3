//! The table `revocation`: the ordered log.

use gatepass_issuer::store::NewRevocation;
use gatepass_jose::Timestamp;
use gatepass_revocation::Entry;
use rusqlite::{Connection, OptionalExtension, params};

use super::failure::Failure;
use super::row::Columns;

/// How many entries one step of [`forget`] goes through.
const STEP: u32 = 1000;

pub(super) fn append(connection: &Connection, new: NewRevocation) -> Result<Entry, Failure> {
    connection
        .prepare_cached(
            "INSERT INTO revocation (kind, id, issued_before, forget_after, reason)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            new.kind.name(),
            new.id,
            new.issued_before.as_millis(),
            new.forget_after.as_millis(),
            new.reason.as_str()
        ])?;
    let seq = u64::try_from(connection.last_insert_rowid())
        .map_err(|error| Failure::unstorable("the revocation", error))?;
    Ok(new.at(seq))
}

pub(super) fn append_all(connection: &Connection, new: &[NewRevocation]) -> Result<(), Failure> {
    new.iter().try_for_each(|new| append(connection, new.clone()).map(drop))
}

pub(super) fn after(connection: &Connection, seq: u64, limit: u32) -> Result<Vec<Entry>, Failure> {
    let read = |row: &rusqlite::Row<'_>| {
        let mut columns = Columns::of("revocation", row);
        Ok(Entry {
            seq: columns.value()?,
            kind: columns.parsed()?,
            id: columns.value()?,
            issued_before: columns.instant()?,
            forget_after: columns.instant()?,
            reason: columns.parsed()?,
        })
    };
    // Past what fits there is nothing.
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT seq, kind, id, issued_before, forget_after, reason FROM revocation
             WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?
        .query_and_then(params![seq, limit], read)?
        .collect()
}

/// The greatest place ever used, also when its entry was forgotten.
pub(super) fn last(connection: &Connection) -> Result<u64, Failure> {
    let last = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'revocation'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// A stretch of the log, found by a reader, and whether it has something to forget.
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) stale: bool,
}

/// The stretch that follows `from`; `None` at the log's end.
pub(super) fn next_stretch(
    connection: &Connection,
    from: i64,
    now: Timestamp,
) -> Result<Option<Stretch>, Failure> {
    let stretch = connection
        .prepare_cached(
            "SELECT max(seq), max(forget_after < ?2)
             FROM (SELECT seq, forget_after FROM revocation WHERE seq > ?1 ORDER BY seq LIMIT ?3)",
        )?
        .query_row(params![from, now.as_millis(), STEP], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match stretch {
        (Some(to), Some(stale)) => Some(Stretch { from, to, stale }),
        _ => None,
    })
}

pub(super) fn forget(
    connection: &Connection,
    stretch: &Stretch,
    now: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM revocation WHERE seq > ?1 AND seq <= ?2 AND forget_after < ?3")?
        .execute(params![stretch.from, stretch.to, now.as_millis()])?;
    Ok(())
}

//! The table `revocation`: the ordered log.

use gatepass_issuer::id::UserId;
use gatepass_issuer::store::NewRevocation;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Entry, Kind};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::session;

/// A user's entry comes with one for each pairwise subject that tokens call the user by. It is here so that no way of
/// taking back can forget it.
pub(super) fn append(connection: &Connection, new: NewRevocation) -> Result<Entry, Failure> {
    let user = match new.kind {
        Kind::Subject => new.id.parse::<UserId>().ok(),
        _ => None,
    };
    if let Some(user) = user {
        for id in session::pairwise_subjects(connection, user)? {
            insert(connection, &NewRevocation { id, ..new.clone() })?;
        }
    }
    let seq = insert(connection, &new)?;
    Ok(new.at(seq))
}

fn insert(connection: &Connection, new: &NewRevocation) -> Result<u64, Failure> {
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
    u64::try_from(connection.last_insert_rowid())
        .map_err(|error| Failure::unstorable("the revocation", error))
}

pub(super) fn append_all(connection: &Connection, new: &[NewRevocation]) -> Result<(), Failure> {
    new.iter().try_for_each(|new| append(connection, new.clone()).map(drop))
}

pub(super) fn after(connection: &Connection, seq: u64, limit: u32) -> Result<Vec<Entry>, Failure> {
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("revocation", row);
        Ok(Entry {
            seq: columns.checked(|seq: i64| u64::try_from(seq))?,
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
    let mut statement =
        connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'revocation'")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(0) };
    Columns::of("sqlite_sequence", row).checked(|seq: i64| u64::try_from(seq))
}

/// Removes at most `limit` entries whose `forget_after` is before `now`; returns how many.
pub(super) fn forget(connection: &Connection, now: Timestamp, limit: u32) -> Result<usize, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM revocation WHERE seq IN
               (SELECT seq FROM revocation WHERE forget_after < ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_millis(), limit])?;
    Ok(removed)
}

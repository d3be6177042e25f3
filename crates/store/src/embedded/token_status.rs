//! The table `token_status`: which tokens have a place in a status list.

use gatepass_issuer::StatusRecord;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;

pub(super) fn keep(group: &Group<'_>, records: &[StatusRecord]) -> Result<(), Failure> {
    group.atomically(|connection| {
        let mut put = connection.prepare_cached(
            "INSERT OR REPLACE INTO token_status (list, idx, token, forget_after) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for record in records {
            put.execute(params![record.list, record.idx, record.token, record.forget_after.as_millis()])?;
        }
        Ok(())
    })
}

pub(super) fn list(connection: &Connection) -> Result<Vec<StatusRecord>, Failure> {
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("token_status", row);
        Ok(StatusRecord {
            list: columns.value()?,
            idx: columns.value()?,
            token: columns.value()?,
            forget_after: columns.instant()?,
        })
    };
    let sql = "SELECT list, idx, token, forget_after FROM token_status ORDER BY list, idx";
    connection.prepare_cached(sql)?.query_and_then([], read)?.collect()
}

/// Removes at most `limit` whose `forget_after` is before `now`.
pub(super) fn forget(connection: &Connection, now: Timestamp, limit: u32) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "DELETE FROM token_status WHERE (list, idx) IN
               (SELECT list, idx FROM token_status WHERE forget_after < ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_millis(), limit])?;
    Ok(())
}

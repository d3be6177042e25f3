//! The table `ticket`: those that were used.

use gatepass_jose::Timestamp;
use rusqlite::{Connection, params};

use super::failure::Failure;

/// `false`, with nothing changed, when it was used before.
pub(super) fn consume(
    connection: &Connection,
    jti: [u8; 16],
    forget_after: Timestamp,
) -> Result<bool, Failure> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO ticket (jti, forget_after) VALUES (?1, ?2) ON CONFLICT (jti) DO NOTHING",
        )?
        .execute(params![jti, forget_after.as_millis()])?;
    Ok(inserted == 1)
}

/// Removes at most `limit` whose `forget_after` is before `now`; returns how many.
pub(super) fn forget(connection: &Connection, now: Timestamp, limit: u32) -> Result<usize, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM ticket WHERE jti IN (SELECT jti FROM ticket WHERE forget_after < ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_millis(), limit])?;
    Ok(removed)
}

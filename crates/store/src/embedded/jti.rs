//! The table `jti`: signed texts that were shown.

use gatepass_issuer::JtiDigest;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, params};

use super::failure::Failure;

/// `false`, with nothing changed, when it was shown before.
pub(super) fn consume(
    connection: &Connection,
    JtiDigest(digest): JtiDigest,
    forget_after: Timestamp,
) -> Result<bool, Failure> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO jti (digest, forget_after) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
        )?
        .execute(params![digest, forget_after.as_millis()])?;
    Ok(inserted == 1)
}

/// Removes at most `limit` whose `forget_after` is before `now`; returns how many.
pub(super) fn forget(connection: &Connection, now: Timestamp, limit: u32) -> Result<usize, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM jti WHERE digest IN (SELECT digest FROM jti WHERE forget_after < ?1 LIMIT ?2)",
        )?
        .execute(params![now.as_millis(), limit])?;
    Ok(removed)
}

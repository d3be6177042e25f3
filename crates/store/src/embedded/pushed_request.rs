//! The table `pushed_request`: authorization requests that clients left here, until they are used.

use gatepass_issuer::{PushedRequest, RequestUriDigest};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;

fn read(row: &Row<'_>) -> Result<PushedRequest, Failure> {
    let mut columns = Columns::of("pushed_request", row);
    Ok(PushedRequest {
        digest: RequestUriDigest(columns.value()?),
        client: columns.parsed()?,
        query: columns.value()?,
        expires_at: columns.instant()?,
    })
}

pub(super) fn keep(connection: &Connection, request: &PushedRequest) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO pushed_request (digest, client, query, expires_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            request.digest.0,
            request.client.as_str(),
            request.query,
            request.expires_at.as_millis()
        ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    RequestUriDigest(digest): RequestUriDigest,
) -> Result<Option<PushedRequest>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT digest, client, query, expires_at FROM pushed_request WHERE digest = ?1")?;
    let mut rows = statement.query([digest])?;
    rows.next()?.map(read).transpose()
}

/// `false` when there is none.
pub(super) fn consume(
    connection: &Connection,
    RequestUriDigest(digest): RequestUriDigest,
) -> Result<bool, Failure> {
    let removed =
        connection.prepare_cached("DELETE FROM pushed_request WHERE digest = ?1")?.execute([digest])?;
    Ok(removed == 1)
}

/// Removes at most `limit` that expired before `before`; returns how many.
pub(super) fn forget(connection: &Connection, before: Timestamp, limit: u32) -> Result<u32, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM pushed_request WHERE digest IN
               (SELECT digest FROM pushed_request WHERE expires_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.as_millis(), limit])?;
    Ok(u32::try_from(removed).unwrap_or(limit))
}

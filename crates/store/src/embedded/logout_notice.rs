//! The table `logout_notice`: filled by a trigger whenever a session ends.

use gatepass_issuer::LogoutNotice;
use gatepass_issuer::id::{SessionId, UserId};
use gatepass_issuer::session::Session;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;

/// How many for one client are given out at once: one that answers slowly must not hold up the others.
const PER_CLIENT: u32 = 8;

/// Keeps a notice for a session that goes on although its login has ended, if its client wants to know.
pub(super) fn keep(connection: &Connection, session: &Session, now: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO logout_notice (session, user, client, due_at)
             SELECT ?1, ?2, id, ?4 FROM client WHERE id = ?3 AND backchannel_logout_uri IS NOT NULL",
        )?
        .execute(params![
            session.id.as_bytes(),
            session.user.as_bytes(),
            session.client.as_str(),
            now.as_millis()
        ])?;
    Ok(())
}

/// Of what ended at once the newest sessions first, which are the likeliest to be in use.
pub(super) fn due(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<LogoutNotice>, Failure> {
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("logout_notice", row);
        Ok(LogoutNotice {
            id: columns.checked(|id: i64| u64::try_from(id))?,
            session: SessionId::from_bytes(columns.value()?),
            user: UserId::from_bytes(columns.value()?),
            client: columns.parsed()?,
            attempts: columns.value()?,
        })
    };
    connection
        .prepare_cached(
            "SELECT id, session, user, client, attempts FROM
               (SELECT *, row_number() OVER (PARTITION BY client ORDER BY due_at, session DESC) AS turn
                FROM logout_notice WHERE due_at <= ?1)
             WHERE turn <= ?2 ORDER BY due_at, session DESC LIMIT ?3",
        )?
        .query_and_then(params![now.as_millis(), PER_CLIENT, limit], read)?
        .collect()
}

/// Removes a notice, or puts it off until `next`.
pub(super) fn settle(connection: &Connection, id: u64, next: Option<Timestamp>) -> Result<(), Failure> {
    let id = i64::try_from(id).unwrap_or(i64::MAX);
    match next {
        Some(next) => connection
            .prepare_cached("UPDATE logout_notice SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1")?
            .execute([id, next.as_millis()])?,
        None => connection.prepare_cached("DELETE FROM logout_notice WHERE id = ?1")?.execute([id])?,
    };
    Ok(())
}

//! The table `consent`: what users have allowed clients.

use gatepass_issuer::consent::Consent;
use gatepass_issuer::id::{ClientId, UserId};
use gatepass_issuer::store::NewRevocation;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::session;
use super::writer::Group;

fn read(row: &Row<'_>) -> Result<Consent, Failure> {
    let mut columns = Columns::of("consent", row);
    Ok(Consent {
        user: UserId::from_bytes(columns.value()?),
        client: columns.parsed()?,
        scope: columns.parsed()?,
        given_at: columns.instant()?,
    })
}

pub(super) fn find(
    connection: &Connection,
    user: UserId,
    client: &ClientId,
) -> Result<Option<Consent>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT user, client, scope, given_at FROM consent WHERE user = ?1 AND client = ?2",
    )?;
    let mut rows = statement.query(params![user.as_bytes(), client.as_str()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn list(connection: &Connection, user: UserId) -> Result<Vec<Consent>, Failure> {
    connection
        .prepare_cached("SELECT user, client, scope, given_at FROM consent WHERE user = ?1 ORDER BY client")?
        .query_and_then([user.as_bytes()], read)?
        .collect()
}

/// Joins what was allowed before. The writer is alone, so nothing comes between reading and writing.
pub(super) fn give(group: &Group<'_>, new: Consent) -> Result<(), Failure> {
    let consent = match find(group, new.user, &new.client)? {
        Some(before) => Consent { scope: before.scope.union(&new.scope), ..before },
        None => new,
    };
    group
        .prepare_cached(
            "INSERT OR REPLACE INTO consent (user, client, scope, given_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            consent.user.as_bytes(),
            consent.client.as_str(),
            consent.scope.to_string(),
            consent.given_at.as_millis()
        ])?;
    Ok(())
}

/// Returns whether there was a consent, or a session without one.
pub(super) fn withdraw(
    group: &Group<'_>,
    user: UserId,
    client: &ClientId,
    now: Timestamp,
    revocation: &NewRevocation,
) -> Result<bool, Failure> {
    group.atomically(|connection| {
        let removed = connection
            .prepare_cached("DELETE FROM consent WHERE user = ?1 AND client = ?2")?
            .execute(params![user.as_bytes(), client.as_str()])?;
        // What was allowed and not fetched yet is gone with it, or it would be fetched afterwards.
        for table in ["code", "device_authorization"] {
            connection
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE user = ?1 AND client = ?2 AND used_at IS NULL"
                ))?
                .execute(params![user.as_bytes(), client.as_str()])?;
        }
        let ended = session::end_of_client(connection, user, client, now, revocation)?;
        Ok(removed == 1 || ended)
    })
}

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

const COLUMNS: &str = "user, client, resource, scope, given_at";

fn read(row: &Row<'_>) -> Result<Consent, Failure> {
    let mut columns = Columns::of("consent", row);
    Ok(Consent {
        user: UserId::from_bytes(columns.value()?),
        client: columns.parsed()?,
        resource: Some(columns.value()?).filter(|resource: &String| !resource.is_empty()),
        scope: columns.parsed()?,
        given_at: columns.instant()?,
    })
}

pub(super) fn of_client(
    connection: &Connection,
    user: UserId,
    client: &ClientId,
) -> Result<Vec<Consent>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM consent WHERE user = ?1 AND client = ?2 ORDER BY resource");
    connection
        .prepare_cached(&sql)?
        .query_and_then(params![user.as_bytes(), client.as_str()], read)?
        .collect()
}

pub(super) fn list(connection: &Connection, user: UserId) -> Result<Vec<Consent>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM consent WHERE user = ?1 ORDER BY client, resource");
    connection.prepare_cached(&sql)?.query_and_then([user.as_bytes()], read)?.collect()
}

/// Each joins what was allowed there before. The writer is alone, so nothing comes between reading and writing.
pub(super) fn give(group: &Group<'_>, new: Vec<Consent>) -> Result<(), Failure> {
    group.atomically(|connection| new.into_iter().try_for_each(|new| join(connection, new)))
}

fn join(connection: &Connection, new: Consent) -> Result<(), Failure> {
    let before = of_client(connection, new.user, &new.client)?;
    let consent = match before.into_iter().find(|before| before.resource == new.resource) {
        Some(before) => Consent { scope: before.scope.union(&new.scope), ..before },
        None => new,
    };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO consent (user, client, resource, scope, given_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            consent.user.as_bytes(),
            consent.client.as_str(),
            consent.resource.as_deref().unwrap_or_default(),
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
        Ok(removed > 0 || ended)
    })
}

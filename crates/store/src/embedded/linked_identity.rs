//! The table `linked_identity`: which identity at a provider is whose account.

use gatepass_issuer::id::UserId;
use gatepass_issuer::store::NewRevocation;
use gatepass_issuer::user::User;
use gatepass_issuer::{LinkedIdentity, ProviderId};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;
use super::{session, user};

fn read(row: &Row<'_>) -> Result<LinkedIdentity, Failure> {
    let mut columns = Columns::of("linked_identity", row);
    Ok(LinkedIdentity {
        provider: columns.parsed()?,
        subject: columns.value()?,
        user: UserId::from_bytes(columns.value()?),
        linked_at: columns.instant()?,
    })
}

pub(super) fn find_user(
    connection: &Connection,
    provider: &ProviderId,
    subject: &str,
) -> Result<Option<User>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT provider, subject, user, linked_at FROM linked_identity WHERE provider = ?1 AND subject = ?2",
    )?;
    let mut rows = statement.query([provider.as_str(), subject])?;
    match rows.next()?.map(read).transpose()? {
        Some(link) => user::find(connection, link.user),
        None => Ok(None),
    }
}

pub(super) fn list(connection: &Connection, user: UserId) -> Result<Vec<LinkedIdentity>, Failure> {
    connection
        .prepare_cached(
            "SELECT provider, subject, user, linked_at FROM linked_identity WHERE user = ?1 ORDER BY provider",
        )?
        .query_and_then([user.as_bytes()], read)?
        .collect()
}

/// `None` when there is no such user; `false`, with nothing changed, when the identity or the user's place is taken.
pub(super) fn link(group: &Group<'_>, link: &LinkedIdentity) -> Result<Option<bool>, Failure> {
    match user::find(group, link.user)? {
        Some(_) => keep(group, link).map(Some),
        None => Ok(None),
    }
}

/// `false`, with nothing changed, when name, address or identity are taken.
pub(super) fn create_linked(group: &Group<'_>, new: &User, link: &LinkedIdentity) -> Result<bool, Failure> {
    // Looked at first: what comes between nothing can change, the writer is alone.
    if find_user(group, &link.provider, &link.subject)?.is_some() {
        return Ok(false);
    }
    group.atomically(|connection| Ok(user::insert(connection, new)? && keep(connection, link)?))
}

fn keep(connection: &Connection, link: &LinkedIdentity) -> Result<bool, Failure> {
    let kept = connection
        .prepare_cached(
            "INSERT INTO linked_identity (provider, subject, user, linked_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            link.provider.as_str(),
            link.subject,
            link.user.as_bytes(),
            link.linked_at.as_millis()
        ])?;
    Ok(kept == 1)
}

/// Returns whether there was a link.
pub(super) fn unlink(
    group: &Group<'_>,
    user: UserId,
    provider: &ProviderId,
    now: Timestamp,
    revocation: &NewRevocation,
) -> Result<bool, Failure> {
    group.atomically(|connection| {
        let removed = connection
            .prepare_cached("DELETE FROM linked_identity WHERE user = ?1 AND provider = ?2")?
            .execute(params![user.as_bytes(), provider.as_str()])?;
        if removed == 1 {
            session::end_of_provider(connection, user, provider, now, revocation)?;
        }
        Ok(removed == 1)
    })
}

//! The table `session`: one row for each, overwritten in place by a rotation.

use gatepass_issuer::id::{SessionId, UserId};
use gatepass_issuer::rotation::{Decision, Presented, Refusal, Rotation, decide};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{EndSessions, NewRevocation, Rotated};
use gatepass_issuer::user::User;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, params};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;
use super::{revocation, user};

/// At most so many sessions of one user are listed.
const LISTED: u32 = 1000;

/// `rotated_at` where the session was never rotated: as wide as any instant, so that the first
/// rotation makes the row no longer.
const NEVER: i64 = -140_737_488_355_327;

/// What is taken off a generation, so that it is four bytes wide from the first on.
const GENERATION_OFFSET: i64 = 1 << 31;

/// What [`read`] reads, of a session `s`.
macro_rules! columns {
    () => {
        "s.id, s.user, s.client, s.scope, s.resource, s.device, s.created_at, s.generation, s.rotated_at,
         s.idle_expires_at, s.expires_at, s.revoked_at, s.bound"
    };
}

fn read(columns: &mut Columns<'_>) -> Result<Session, Failure> {
    Ok(Session {
        id: SessionId::from_bytes(columns.value()?),
        user: UserId::from_bytes(columns.value()?),
        client: columns.parsed()?,
        scope: columns.parsed_if_any()?,
        resource: columns.value()?,
        device: columns.value()?,
        created_at: columns.instant()?,
        generation: generation(columns)?,
        rotated_at: rotated_at(columns)?,
        idle_expires_at: columns.instant()?,
        expires_at: columns.instant()?,
        revoked_at: columns.instant_if_any()?,
        bound: columns.value()?,
    })
}

fn generation(columns: &mut Columns<'_>) -> Result<u32, Failure> {
    let problem = columns.damaged("it is no generation");
    let stored: i64 = columns.value()?;
    stored.checked_add(GENERATION_OFFSET).and_then(|generation| u32::try_from(generation).ok()).ok_or(problem)
}

fn rotated_at(columns: &mut Columns<'_>) -> Result<Option<Timestamp>, Failure> {
    let stored: i64 = columns.value()?;
    Ok((stored != NEVER).then_some(Timestamp::from_millis(stored)))
}

fn stored_generation(generation: u32) -> i64 {
    i64::from(generation) - GENERATION_OFFSET
}

pub(super) fn start(group: &Group<'_>, session: &Session) -> Result<(), Failure> {
    group
        .prepare_cached(
            "INSERT INTO session (id, user, client, scope, resource, device, created_at, generation,
                                  rotated_at, idle_expires_at, expires_at, revoked_at, bound)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            session.id.as_bytes(),
            session.user.as_bytes(),
            session.client.as_str(),
            session.scope.as_ref().map(ToString::to_string),
            session.resource,
            session.device,
            session.created_at.as_millis(),
            stored_generation(session.generation),
            session.rotated_at.map_or(NEVER, Timestamp::as_millis),
            session.idle_expires_at.as_millis(),
            session.expires_at.as_millis(),
            session.revoked_at.map(Timestamp::as_millis),
            session.bound
        ])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, id: SessionId) -> Result<Option<Session>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM session s WHERE s.id = ?1");
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(|row| read(&mut Columns::of("session", row))).transpose()
}

/// In the order of their ids, which is that of their start.
pub(super) fn list_live(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Session>, Failure> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM session s WHERE s.user = ?1 AND s.revoked_at IS NULL
          AND s.idle_expires_at > ?2 AND s.expires_at > ?2 ORDER BY s.id LIMIT ?3"
    );
    connection
        .prepare_cached(sql)?
        .query_and_then(params![user.as_bytes(), now.as_millis(), LISTED], |row| {
            read(&mut Columns::of("session", row))
        })?
        .collect()
}

/// Does what [`decide`] says. The writer is alone and in a transaction, so nothing comes between
/// reading and writing.
pub(super) fn rotate(
    group: &Group<'_>,
    id: SessionId,
    presented: &Presented,
    on_replay: NewRevocation,
) -> Result<Rotated, Failure> {
    let Some((mut session, user)) = find_with_user(group, id)? else {
        return Ok(Rotated::Refused(Refusal::Unknown));
    };
    match decide(&session, presented) {
        Decision::Refuse(refusal) => Ok(Rotated::Refused(refusal)),
        Decision::Repeat => Ok(Rotated::Repeated(session, user)),
        Decision::Rotate(rotation) => {
            advance(group, &mut session, rotation)?;
            Ok(Rotated::Rotated(session, user))
        }
        Decision::Revoke => group.atomically(|connection| {
            mark_revoked(connection, id, presented.now)?;
            revocation::append(connection, on_replay)?;
            session.revoked_at = Some(presented.now);
            Ok(Rotated::Revoked(session))
        }),
    }
}

fn find_with_user(connection: &Connection, id: SessionId) -> Result<Option<(Session, User)>, Failure> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        ", ",
        user::columns!(),
        " FROM session s LEFT JOIN user u ON u.id = s.user WHERE s.id = ?1"
    );
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut columns = Columns::of("session", row);
    Ok(Some((read(&mut columns)?, user::read(&mut columns)?)))
}

/// The compare-and-swap.
fn advance(connection: &Connection, session: &mut Session, rotation: Rotation) -> Result<(), Failure> {
    let Rotation { generation, rotated_at, idle_expires_at } = rotation;
    let changed = connection
        .prepare_cached(
            "UPDATE session SET generation = ?3, rotated_at = ?4, idle_expires_at = ?5
             WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL",
        )?
        .execute(params![
            session.id.as_bytes(),
            stored_generation(session.generation),
            stored_generation(generation),
            rotated_at.as_millis(),
            idle_expires_at.as_millis()
        ])?;
    if changed != 1 {
        return Err(Failure::Interfered);
    }
    session.generation = generation;
    session.rotated_at = Some(rotated_at);
    session.idle_expires_at = idle_expires_at;
    Ok(())
}

/// `false` when there is no such session or it was revoked before.
fn mark_revoked(connection: &Connection, id: SessionId, at: Timestamp) -> Result<bool, Failure> {
    let marked = connection
        .prepare_cached("UPDATE session SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![id.as_bytes(), at.as_millis()])?;
    Ok(marked == 1)
}

pub(super) fn revoke(
    group: &Group<'_>,
    id: SessionId,
    now: Timestamp,
    revocation: NewRevocation,
) -> Result<bool, Failure> {
    group.atomically(|connection| {
        let marked = mark_revoked(connection, id, now)?;
        if marked {
            revocation::append(connection, revocation)?;
        }
        Ok(marked)
    })
}

/// Marks the user's live sessions revoked.
pub(super) fn end_all(connection: &Connection, user: UserId, end: EndSessions) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE session SET revoked_at = ?2
             WHERE user = ?1 AND revoked_at IS NULL AND idle_expires_at > ?2 AND expires_at > ?2
               AND id IS NOT ?3",
        )?
        .execute(params![
            user.as_bytes(),
            end.at.as_millis(),
            end.except.as_ref().map(SessionId::as_bytes)
        ])?;
    Ok(())
}

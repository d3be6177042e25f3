//! The table `session`: one row for each, overwritten in place by a rotation.

use gatepass_issuer::certificate::X5t;
use gatepass_issuer::id::{ClientId, SessionId, UserId};
use gatepass_issuer::rotation::{Decision, Presented, Refusal, Rotation, decide};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{EndSessions, NewRevocation, Rotated, Whose};
use gatepass_issuer::user::User;
use gatepass_issuer::{Binding, Jkt, ProviderId};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;
use super::{logout_notice, revocation, user};

/// At most so many sessions of one user are listed.
const LISTED: u32 = 1000;

/// `rotated_at` where the session was never rotated: as wide as any instant, so that the first
/// rotation makes the row no longer.
const NEVER: i64 = -140_737_488_355_327;

/// What is taken off a generation, so that it is four bytes wide from the first on.
const GENERATION_OFFSET: i64 = 1 << 31;

/// What [`read`] reads.
macro_rules! columns {
    () => {
        "id, user, client, login, scope, resource, device, created_at, generation, rotated_at, idle_expires_at,
         expires_at, revoked_at, bound, jkt, x5t, authorization_details, pairwise_subject, claims,
         provider, auth_time, more_resources"
    };
}

/// What can be ended at an instant: what is live, and what arose from a login, expired or not. Without a refresh token a
/// session lives as long as its access token, and its application keeps one of its own for longer, which is to hear of
/// the end.
macro_rules! can_end {
    ($at:literal) => {
        concat!(
            "revoked_at IS NULL AND (login IS NOT NULL OR idle_expires_at > ",
            $at,
            " AND expires_at > ",
            $at,
            ")"
        )
    };
}

/// Ends what can be ended at `?1`; conditions may follow.
macro_rules! end_all {
    () => {
        concat!("UPDATE session SET revoked_at = ?1 WHERE ", can_end!("?1"))
    };
}

/// What ended before `?2` and is asked for no more. Of a client that is told of logouts, a session that merely expired is
/// kept as long as its login lives, with whose end its client is told; but no longer than one login can live, as a new login takes
/// over what the one before had, and not with 32 newer ones of the same login: an application that logs in anew every
/// quarter of an hour has long forgotten it.
macro_rules! is_over {
    () => {
        "(coalesce(revoked_at < ?2, 0) OR (idle_expires_at < ?2 OR expires_at < ?2) AND NOT (
            revoked_at IS NULL AND login IS NOT NULL AND EXISTS (
                SELECT 1 FROM session AS living JOIN client ON client.id = session.client
                WHERE living.id = session.login AND living.revoked_at IS NULL
                  AND living.idle_expires_at >= ?2 AND living.expires_at >= ?2
                  AND session.expires_at >= ?2 - (living.expires_at - living.created_at)
                  AND (backchannel_logout_uri IS NOT NULL OR frontchannel_logout_uri IS NOT NULL)
                  AND NOT EXISTS (
                    SELECT 1 FROM session AS newer
                    WHERE newer.user = session.user AND newer.login = session.login
                      AND newer.client = session.client AND newer.id > session.id LIMIT 1 OFFSET 31))))"
    };
}

fn read(row: &Row<'_>) -> Result<Session, Failure> {
    let columns = &mut Columns::of("session", row);
    Ok(Session {
        id: SessionId::from_bytes(columns.value()?),
        user: UserId::from_bytes(columns.value()?),
        client: columns.parsed()?,
        login: columns.value::<Option<[u8; 16]>>()?.map(SessionId::from_bytes),
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
        binding: Binding {
            jkt: columns.value::<Option<[u8; 32]>>()?.map(Jkt),
            x5t: columns.value::<Option<[u8; 32]>>()?.map(X5t),
        },
        authorization_details: columns.read(|json| serde_json::from_str(json))?,
        pairwise_subject: columns.value()?,
        claims: columns.read(|json| serde_json::from_str(json))?,
        provider: columns.parsed_if_any()?,
        auth_time: columns.instant_if_any()?,
        more_resources: more_resources(columns)?,
    })
}

/// The column `more_resources` of this table and others.
pub(super) fn more_resources(columns: &mut Columns<'_>) -> Result<Vec<String>, Failure> {
    Ok(columns.read_if_any(|json| serde_json::from_str(json))?.unwrap_or_default())
}

/// What [`more_resources`] reads.
pub(super) fn stored_resources(more: &[String]) -> Result<Option<String>, Failure> {
    let json = (!more.is_empty()).then(|| serde_json::to_string(more)).transpose();
    json.map_err(|error| Failure::unstorable("the resources", error))
}

fn generation(columns: &mut Columns<'_>) -> Result<u32, Failure> {
    columns.checked(|stored: i64| u32::try_from(stored.saturating_add(GENERATION_OFFSET)))
}

fn rotated_at(columns: &mut Columns<'_>) -> Result<Option<Timestamp>, Failure> {
    let stored: i64 = columns.value()?;
    Ok((stored != NEVER).then_some(Timestamp::from_millis(stored)))
}

fn stored_generation(generation: u32) -> i64 {
    i64::from(generation) - GENERATION_OFFSET
}

/// Returns the session's user; `None`, with nothing kept, when there is none or they are disabled.
pub(super) fn start(group: &Group<'_>, session: &Session) -> Result<Option<User>, Failure> {
    let Some(user) = user::find(group, session.user)?.filter(|user| !user.disabled) else {
        return Ok(None);
    };
    let unstorable = |error| Failure::unstorable("the session", error);
    group
        .prepare_cached(
            "INSERT INTO session (id, user, client, scope, resource, device, created_at, generation,
                                  rotated_at, idle_expires_at, expires_at, revoked_at, bound, login, jkt,
                                  authorization_details, x5t, pairwise_subject, claims, provider, auth_time,
                                  more_resources)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
                     ?21, ?22)",
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
            session.bound,
            session.login.as_ref().map(SessionId::as_bytes),
            session.binding.jkt.map(|Jkt(jkt)| jkt),
            serde_json::to_string(&session.authorization_details).map_err(unstorable)?,
            session.binding.x5t.map(|X5t(x5t)| x5t),
            session.pairwise_subject,
            serde_json::to_string(&session.claims).map_err(unstorable)?,
            session.provider.as_ref().map(ProviderId::as_str),
            session.auth_time.map(Timestamp::as_millis),
            stored_resources(&session.more_resources)?
        ])?;
    Ok(Some(user))
}

pub(super) fn find(connection: &Connection, id: SessionId) -> Result<Option<Session>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM session WHERE id = ?1");
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(read).transpose()
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
        " FROM session WHERE user = ?1 AND revoked_at IS NULL
          AND idle_expires_at > ?2 AND expires_at > ?2 ORDER BY id LIMIT ?3"
    );
    connection
        .prepare_cached(sql)?
        .query_and_then(params![user.as_bytes(), now.as_millis(), LISTED], read)?
        .collect()
}

/// Those of a user that can be ended.
fn endable_of_user(connection: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM session WHERE user = ?1 AND ", can_end!("?2"));
    connection.prepare_cached(sql)?.query_and_then(params![user.as_bytes(), now.as_millis()], read)?.collect()
}

/// What arose from a login and was not ended, expired or not: the newest first. It is looked for among its user's, so
/// that there is no index on logins to keep.
pub(super) fn list_of_login(
    connection: &Connection,
    user: UserId,
    login: SessionId,
) -> Result<Vec<Session>, Failure> {
    of_login(connection, user, login, LISTED)
}

fn of_login(
    connection: &Connection,
    user: UserId,
    login: SessionId,
    limit: u32,
) -> Result<Vec<Session>, Failure> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM session WHERE user = ?1 AND login = ?2 AND revoked_at IS NULL ORDER BY id DESC LIMIT ?3"
    );
    connection
        .prepare_cached(sql)?
        .query_and_then(params![user.as_bytes(), login.as_bytes(), limit], read)?
        .collect()
}

/// What else a user is called in tokens: by all of their sessions, because what an ended one gave may live.
pub(super) fn pairwise_subjects(connection: &Connection, user: UserId) -> Result<Vec<String>, Failure> {
    connection
        .prepare_cached(
            "SELECT DISTINCT pairwise_subject FROM session WHERE user = ?1 AND pairwise_subject IS NOT NULL",
        )?
        .query_and_then([user.as_bytes()], |row| Columns::of("session", row).value())?
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
    let Some(mut session) = find(group, id)? else {
        return Ok(Rotated::Refused(Refusal::Unknown));
    };
    match decide(&session, presented) {
        Decision::Refuse(refusal) => Ok(Rotated::Refused(refusal)),
        Decision::Repeat => {
            let user = owner(group, &session)?;
            Ok(Rotated::Repeated(session, user))
        }
        Decision::Rotate(rotation) => {
            let user = owner(group, &session)?;
            advance(group, &mut session, rotation)?;
            Ok(Rotated::Rotated(session, user))
        }
        Decision::Extend(idle_expires_at) => {
            let user = owner(group, &session)?;
            extend(group, id, idle_expires_at)?;
            session.idle_expires_at = idle_expires_at;
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

// Not joined to the session's row: SQLite plans a join anew whenever its parameters change, which
// takes longer than both look-ups.
fn owner(connection: &Connection, session: &Session) -> Result<User, Failure> {
    user::find(connection, session.user)?.ok_or_else(|| Failure::damaged("session", "user", "names nobody"))
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
        let Some(session) = find(connection, id)? else { return Ok(false) };
        if !mark_revoked(connection, id, now)? {
            return Ok(false);
        }
        if session.is_login() {
            let others = of_login(connection, session.user, id, u32::MAX)?;
            let (outlive, dependent): (Vec<_>, Vec<_>) =
                others.iter().partition(|other| other.outlives_login());
            end_each(connection, dependent.into_iter(), now, &revocation)?;
            outlive.into_iter().try_for_each(|session| logout_notice::keep(connection, session, now))?;
        }
        revocation::append(connection, revocation)?;
        Ok(true)
    })
}

fn end_each<'s>(
    connection: &Connection,
    mut sessions: impl Iterator<Item = &'s Session>,
    now: Timestamp,
    revocation: &NewRevocation,
) -> Result<(), Failure> {
    sessions.try_for_each(|session| {
        mark_revoked(connection, session.id, now)?;
        if has_tokens(session, revocation, now) {
            revocation::append(connection, revocation.of_session(session.id))?;
        }
        Ok(())
    })
}

/// Whether a token of a session that ends at `now` may be alive somewhere. None is minted after the session has expired, and
/// one that is minted just before is dead after as long as the revocation is kept, which is made for what is minted now.
fn has_tokens(session: &Session, revocation: &NewRevocation, now: Timestamp) -> bool {
    let longest = revocation.forget_after.since(now);
    now < session.idle_expires_at.min(session.expires_at).saturating_add(longest)
}

/// Ends a user's sessions of one client, each with its revocation; returns whether there were any.
pub(super) fn end_of_client(
    connection: &Connection,
    user: UserId,
    client: &ClientId,
    now: Timestamp,
    revocation: &NewRevocation,
) -> Result<bool, Failure> {
    let mut sessions = endable_of_user(connection, user, now)?;
    sessions.retain(|session| session.client == *client);
    end_each(connection, sessions.iter(), now, revocation)?;
    Ok(!sessions.is_empty())
}

/// Ends a user's sessions that began with a provider, each with its revocation.
pub(super) fn end_of_provider(
    connection: &Connection,
    user: UserId,
    provider: &ProviderId,
    now: Timestamp,
    revocation: &NewRevocation,
) -> Result<(), Failure> {
    let mut sessions = endable_of_user(connection, user, now)?;
    sessions.retain(|session| session.provider.as_ref() == Some(provider));
    end_each(connection, sessions.iter(), now, revocation)
}

/// Starts a login in the place of another of the same user, whose sessions it takes over.
pub(super) fn start_login(
    group: &Group<'_>,
    login: &Session,
    previous: Option<SessionId>,
) -> Result<Option<User>, Failure> {
    group.atomically(|connection| {
        let Some(user) = start(group, login)? else { return Ok(None) };
        let previous = previous.map(|id| find(connection, id)).transpose()?.flatten();
        if let Some(previous) = previous.filter(|previous| previous.user == login.user && previous.is_login())
        {
            mark_revoked(connection, previous.id, login.created_at)?;
            connection
                .prepare_cached("UPDATE session SET login = ?3 WHERE user = ?1 AND login = ?2")?
                .execute([login.user.as_bytes(), previous.id.as_bytes(), login.id.as_bytes()])?;
        }
        Ok(Some(user))
    })
}

pub(super) fn extend(connection: &Connection, id: SessionId, idle: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE session SET idle_expires_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute(params![id.as_bytes(), idle.as_millis()])?;
    Ok(())
}

/// Marks a user's sessions revoked, save one.
pub(super) fn end_of_user(connection: &Connection, user: UserId, end: EndSessions) -> Result<(), Failure> {
    let sql = concat!(end_all!(), " AND user = ?2 AND id IS NOT ?3");
    let except = end.except.as_ref().map(SessionId::as_bytes);
    connection.prepare_cached(sql)?.execute(params![end.at.as_millis(), user.as_bytes(), except])?;
    Ok(())
}

/// Marks the sessions of `whose` revoked.
pub(super) fn end(
    group: &Group<'_>,
    whose: &Whose,
    at: Timestamp,
    revocation: NewRevocation,
) -> Result<(), Failure> {
    group.atomically(|connection| {
        match whose {
            Whose::User(user) => end_of_user(connection, *user, EndSessions { at, except: None })?,
            Whose::Client(client) => {
                let sql = concat!(end_all!(), " AND client = ?2");
                connection.prepare_cached(sql)?.execute(params![at.as_millis(), client.as_str()])?;
            }
            Whose::Everybody => {
                connection.prepare_cached(end_all!())?.execute([at.as_millis()])?;
            }
        }
        revocation::append(connection, revocation).map(drop)
    })
}

/// A stretch of the table in the order of ids, found by a reader.
pub(super) struct Stretch {
    pub(super) to: SessionId,
    pub(super) rows: u32,
    /// The sessions in it that are over.
    pub(super) over: Vec<SessionId>,
}

/// The next `rows` rows after `from`; `None` at the table's end.
pub(super) fn next_stretch(
    connection: &Connection,
    from: Option<SessionId>,
    rows: u32,
    before: Timestamp,
) -> Result<Option<Stretch>, Failure> {
    let sql = concat!("SELECT id, ", is_over!(), " FROM session WHERE id > ?1 ORDER BY id LIMIT ?3");
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params![after(&from), before.as_millis(), rows])?;
    let (mut last, mut rows, mut over) = (None, 0, Vec::new());
    while let Some(row) = found.next()? {
        let (id, is_over) = (SessionId::from_bytes(row.get(0)?), row.get(1)?);
        if is_over {
            over.push(id);
        }
        (last, rows) = (Some(id), rows + 1);
    }
    Ok(last.map(|to| Stretch { to, rows, over }))
}

/// Removes sessions that a reader found to be over at `before`, where they have not been extended since. What was not kept for
/// its client then is not now.
pub(super) fn forget(connection: &Connection, over: &[SessionId], before: Timestamp) -> Result<u32, Failure> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM session WHERE id = ?1
         AND (coalesce(revoked_at < ?2, 0) OR idle_expires_at < ?2 OR expires_at < ?2)",
    )?;
    let mut removed = 0;
    for id in over {
        removed += u32::from(statement.execute(params![id.as_bytes(), before.as_millis()])? == 1);
    }
    Ok(removed)
}

/// What to compare ids with to get those after `id`, or all: nothing sorts before the empty blob.
fn after(id: &Option<SessionId>) -> &[u8] {
    id.as_ref().map_or(&[], |id| id.as_bytes())
}

//! The table `device_authorization`: what devices ask for, and what users make of it.

use gatepass_issuer::GrantedResources;
use gatepass_issuer::code::PresentedCode;
use gatepass_issuer::device::{
    Allowed, DeviceAnswer, DeviceAuthorization, DeviceCodeDigest, DeviceDecision, DeviceRefusal, DeviceState,
    UserCodeDigest, decide,
};
use gatepass_issuer::id::{SessionId, UserId};
use gatepass_issuer::store::{NewRevocation, RedeemedDevice};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::session;
use super::writer::Group;

const COLUMNS: &str =
    "digest, user_code, client, scope, authorization_details, resource, more_resources, expires_at, denied,
                       used_at, session, user, login";

fn read(row: &Row<'_>) -> Result<DeviceAuthorization, Failure> {
    let columns = &mut Columns::of("device_authorization", row);
    Ok(DeviceAuthorization {
        digest: DeviceCodeDigest(columns.value()?),
        user_code: UserCodeDigest(columns.value()?),
        client: columns.parsed()?,
        scope: columns.parsed()?,
        authorization_details: columns.read(|json| serde_json::from_str(json))?,
        resources: GrantedResources { first: columns.value()?, more: session::more_resources(columns)? },
        expires_at: columns.instant()?,
        state: state(columns)?,
    })
}

fn state(columns: &mut Columns<'_>) -> Result<DeviceState, Failure> {
    let denied = columns.value()?;
    let used_at = columns.instant_if_any()?;
    let session = columns.value::<Option<[u8; 16]>>()?.map(SessionId::from_bytes);
    if columns.is_null() {
        return Ok(if denied { DeviceState::Denied } else { DeviceState::Pending });
    }
    let allowed = Allowed {
        user: UserId::from_bytes(columns.value()?),
        login: SessionId::from_bytes(columns.value()?),
    };
    Ok(if used_at.is_some() { DeviceState::Used(session) } else { DeviceState::Allowed(allowed) })
}

/// `false`, with nothing kept, when the user code is another's.
pub(super) fn keep(connection: &Connection, asked: &DeviceAuthorization) -> Result<bool, Failure> {
    let unstorable = |error| Failure::unstorable("the device's request", error);
    let kept = connection
        .prepare_cached(
            "INSERT INTO device_authorization (digest, user_code, client, scope, resource, expires_at,
                                               authorization_details, more_resources)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (user_code) DO NOTHING",
        )?
        .execute(params![
            asked.digest.0,
            asked.user_code.0,
            asked.client.as_str(),
            asked.scope.to_string(),
            asked.resources.first,
            asked.expires_at.as_millis(),
            serde_json::to_string(&asked.authorization_details).map_err(unstorable)?,
            session::stored_resources(&asked.resources.more)?
        ])?;
    Ok(kept == 1)
}

pub(super) fn find(
    connection: &Connection,
    DeviceCodeDigest(digest): DeviceCodeDigest,
) -> Result<Option<DeviceAuthorization>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM device_authorization WHERE digest = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([digest])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn find_by_user_code(
    connection: &Connection,
    UserCodeDigest(digest): UserCodeDigest,
) -> Result<Option<DeviceAuthorization>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM device_authorization WHERE user_code = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([digest])?;
    rows.next()?.map(read).transpose()
}

/// `false`, with nothing changed, when there is none that waits for an answer.
pub(super) fn answer(
    connection: &Connection,
    UserCodeDigest(digest): UserCodeDigest,
    answer: &DeviceAnswer,
    now: Timestamp,
) -> Result<bool, Failure> {
    let allowed = match answer {
        DeviceAnswer::Allow(allowed) => Some(allowed),
        DeviceAnswer::Deny => None,
    };
    let changed = connection
        .prepare_cached(
            "UPDATE device_authorization SET denied = ?2, user = ?3, login = ?4
             WHERE user_code = ?1 AND denied = 0 AND user IS NULL AND expires_at > ?5",
        )?
        .execute(params![
            digest,
            allowed.is_none(),
            allowed.map(|allowed| allowed.user.as_bytes()),
            allowed.map(|allowed| allowed.login.as_bytes()),
            now.as_millis()
        ])?;
    Ok(changed == 1)
}

/// Does what [`decide`] says. The writer is alone and in a transaction, so nothing comes between reading
/// and writing.
pub(super) fn redeem(
    group: &Group<'_>,
    digest: DeviceCodeDigest,
    presented: &PresentedCode,
    on_replay: &NewRevocation,
) -> Result<RedeemedDevice, Failure> {
    let Some(asked) = find(group, digest)? else { return Ok(RedeemedDevice::Unknown) };
    let login = match &asked.state {
        DeviceState::Allowed(allowed) => session::find(group, allowed.login)?,
        _ => None,
    };
    match decide(&asked, login.as_ref(), presented) {
        DeviceDecision::Give(started) => group.atomically(|_| {
            let user = session::start(group, &started)?;
            let given = user.as_ref().map(|_| started.id);
            use_up(group, digest, presented.now, given)?;
            Ok(match user {
                Some(user) => RedeemedDevice::Given(started, Box::new(user)),
                None => RedeemedDevice::Refused(DeviceRefusal::LoginEnded),
            })
        }),
        DeviceDecision::Refuse(refusal) => Ok(RedeemedDevice::Refused(refusal)),
        DeviceDecision::Replay(given) => {
            if let Some(given) = given {
                session::revoke(group, given, presented.now, on_replay.of_session(given))?;
            }
            Ok(RedeemedDevice::Replayed(given))
        }
    }
}

fn use_up(
    connection: &Connection,
    digest: DeviceCodeDigest,
    now: Timestamp,
    given: Option<SessionId>,
) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE device_authorization SET used_at = ?2, session = ?3 WHERE digest = ?1")?
        .execute(params![digest.0, now.as_millis(), given.as_ref().map(SessionId::as_bytes)])?;
    Ok(())
}

/// Removes at most `limit` that expired before `before`; returns how many.
pub(super) fn forget(connection: &Connection, before: Timestamp, limit: u32) -> Result<u32, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM device_authorization WHERE digest IN
               (SELECT digest FROM device_authorization WHERE expires_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.as_millis(), limit])?;
    Ok(u32::try_from(removed).unwrap_or(limit))
}

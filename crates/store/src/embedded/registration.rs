//! The tables `initial_access_token` and `registration`: who may register clients, and the clients that did.

use gatepass_issuer::client::Client;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::registration::{InitialAccessToken, Registration, RegistrationTokenDigest};
use gatepass_issuer::store::{NewRevocation, Registering, RegistrationRotation};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::client;
use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;

const TOKEN_COLUMNS: &str = "digest, id, policy, uses_left, expires_at, created_at";

/// There are few; a list is never longer.
const MOST_LISTED: u32 = 1000;

fn read_token(row: &Row<'_>) -> Result<InitialAccessToken, Failure> {
    let mut columns = Columns::of("initial_access_token", row);
    Ok(InitialAccessToken {
        digest: RegistrationTokenDigest(columns.value()?),
        id: columns.value()?,
        policy: columns.read(|json| serde_json::from_str(json))?,
        uses_left: columns.value()?,
        expires_at: columns.instant()?,
        created_at: columns.instant()?,
    })
}

fn read(row: &Row<'_>) -> Result<Registration, Failure> {
    let mut columns = Columns::of("registration", row);
    Ok(Registration {
        client: columns.parsed()?,
        digest: RegistrationTokenDigest(columns.value()?),
        policy: columns.read(|json| serde_json::from_str(json))?,
    })
}

pub(super) fn keep_token(connection: &Connection, token: &InitialAccessToken) -> Result<(), Failure> {
    let policy = serde_json::to_string(&token.policy);
    connection
        .prepare_cached(
            "INSERT INTO initial_access_token (digest, id, policy, uses_left, expires_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            token.digest.0,
            token.id,
            policy.map_err(|error| Failure::unstorable("the policy", error))?,
            token.uses_left,
            token.expires_at.as_millis(),
            token.created_at.as_millis()
        ])?;
    Ok(())
}

pub(super) fn find_token(
    connection: &Connection,
    RegistrationTokenDigest(digest): RegistrationTokenDigest,
) -> Result<Option<InitialAccessToken>, Failure> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM initial_access_token WHERE digest = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([digest])?;
    rows.next()?.map(read_token).transpose()
}

pub(super) fn list_tokens(connection: &Connection) -> Result<Vec<InitialAccessToken>, Failure> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM initial_access_token ORDER BY id LIMIT {MOST_LISTED}");
    connection.prepare_cached(&sql)?.query_and_then([], read_token)?.collect()
}

/// `false` when there is none.
pub(super) fn remove_token(connection: &Connection, id: &str) -> Result<bool, Failure> {
    let removed =
        connection.prepare_cached("DELETE FROM initial_access_token WHERE id = ?1")?.execute([id])?;
    Ok(removed == 1)
}

/// Removes what expired before `before`.
pub(super) fn forget_tokens(connection: &Connection, before: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM initial_access_token WHERE expires_at < ?1")?
        .execute([before.as_millis()])?;
    Ok(())
}

/// Uses the token once, and keeps the client with its registration. The writer is alone and in a transaction, so
/// nothing comes between the question and the change.
pub(super) fn register(
    group: &Group<'_>,
    RegistrationTokenDigest(token): RegistrationTokenDigest,
    client: &Client,
    registration: &Registration,
    now: Timestamp,
) -> Result<Registering, Failure> {
    let policy = serde_json::to_string(&registration.policy);
    let policy = policy.map_err(|error| Failure::unstorable("the policy", error))?;
    group.atomically(|connection| {
        let usable = connection
            .prepare_cached(
                "SELECT 1 FROM initial_access_token WHERE digest = ?1 AND uses_left > 0 AND expires_at > ?2",
            )?
            .query_row(params![token, now.as_millis()], |_| Ok(()))
            .optional()?;
        if usable.is_none() {
            return Ok(Registering::UsedUp);
        }
        if !client::create(group, client)? {
            return Ok(Registering::Exists);
        }
        connection
            .prepare_cached("UPDATE initial_access_token SET uses_left = uses_left - 1 WHERE digest = ?1")?
            .execute([token])?;
        connection
            .prepare_cached("INSERT INTO registration (client, digest, policy) VALUES (?1, ?2, ?3)")?
            .execute(params![client.id.as_str(), registration.digest.0, policy])?;
        Ok(Registering::Done)
    })
}

pub(super) fn find(connection: &Connection, client: &ClientId) -> Result<Option<Registration>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT client, digest, policy FROM registration WHERE client = ?1")?;
    let mut rows = statement.query([client.as_str()])?;
    rows.next()?.map(read).transpose()
}

/// Changes the client and rotates its token. `false`, with nothing changed, when `rotation.old` is not what is kept, or the
/// client has been disabled.
pub(super) fn change(
    group: &Group<'_>,
    client: &Client,
    revocations: &[NewRevocation],
    rotation: RegistrationRotation,
) -> Result<bool, Failure> {
    let RegistrationRotation { old, new } = rotation;
    group.atomically(|connection| {
        let rotated = connection
            .prepare_cached(
                "UPDATE registration SET digest = ?3 WHERE client = ?1 AND digest = ?2
                 AND NOT (SELECT disabled FROM client WHERE id = ?1)",
            )?
            .execute(params![client.id.as_str(), old.0, new.0])?;
        // A registration without a client there is not: both go at once.
        Ok(rotated == 1 && client::replace(group, client, revocations)?)
    })
}

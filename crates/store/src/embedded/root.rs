//! The table `root`, and everything else that is sealed.

use gatepass_issuer::client::SealedSecret;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::{Reseal, Sealed, SecretError};
use rusqlite::{Connection, OptionalExtension as _};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;
use super::{signing_key, stream};

pub(super) fn find(connection: &Connection) -> Result<Option<Vec<u8>>, Failure> {
    let mut statement = connection.prepare_cached("SELECT sealed FROM root")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

/// Every column that holds something sealed is to be gone through here.
pub(super) fn reseal(group: &Group<'_>, roots: &[u8], reseal: &Reseal) -> Result<(), Failure> {
    group.changes_clients();
    group.replaces_secrets();
    group.atomically(|connection| {
        connection
            .prepare_cached("INSERT OR REPLACE INTO root (id, sealed) VALUES (1, ?1)")?
            .execute([roots])?;
        signing_keys(connection, reseal)?;
        client_secrets(connection, reseal)?;
        stream_authorizations(connection, reseal)
    })
}

fn signing_keys(connection: &Connection, reseal: &Reseal) -> Result<(), Failure> {
    let mut put = connection.prepare_cached("UPDATE signing_key SET sealed = ?2 WHERE kid = ?1")?;
    for key in signing_key::list(connection)? {
        let sealed = reseal.reseal(Sealed::SigningKey(&key)).map_err(does_not_open("signing_key"))?;
        put.execute(rusqlite::params![key.kid, sealed])?;
    }
    Ok(())
}

fn client_secrets(connection: &Connection, reseal: &Reseal) -> Result<(), Failure> {
    let sql = "SELECT id, sealed_secret FROM client WHERE sealed_secret IS NOT NULL";
    let clients: Vec<(ClientId, SealedSecret)> = connection
        .prepare_cached(sql)?
        .query_and_then([], |row| {
            let mut columns = Columns::of("client", row);
            Ok::<_, Failure>((columns.parsed()?, SealedSecret(columns.value()?)))
        })?
        .collect::<Result<_, _>>()?;
    let mut put = connection.prepare_cached("UPDATE client SET sealed_secret = ?2 WHERE id = ?1")?;
    for (id, sealed) in &clients {
        let sealed = reseal.reseal(Sealed::ClientSecret(id, sealed)).map_err(does_not_open("client"))?;
        put.execute(rusqlite::params![id.as_str(), sealed])?;
    }
    Ok(())
}

fn stream_authorizations(connection: &Connection, reseal: &Reseal) -> Result<(), Failure> {
    let mut put = connection.prepare_cached("UPDATE stream SET authorization = ?2 WHERE id = ?1")?;
    for stream in stream::list(connection)? {
        let Some(sealed) = &stream.authorization else { continue };
        let sealed = Sealed::StreamAuthorization(stream.id, sealed);
        let sealed = reseal.reseal(sealed).map_err(does_not_open("stream"))?;
        put.execute(rusqlite::params![stream.id.as_bytes(), sealed])?;
    }
    Ok(())
}

fn does_not_open(table: &'static str) -> impl Fn(SecretError) -> Failure {
    move |_| Failure::damaged(table, "sealed", "does not open")
}

//! The table `stream`: receivers of shared signals.

use gatepass_issuer::client::SealedSecret;
use gatepass_issuer::id::{ClientId, StreamId};
use gatepass_issuer::signals::Stream;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;

fn read(row: &Row<'_>) -> Result<Stream, Failure> {
    let mut columns = Columns::of("stream", row);
    Ok(Stream {
        id: StreamId::from_bytes(columns.value()?),
        client: columns.parsed()?,
        config: columns.read(|json| serde_json::from_str(json))?,
        authorization: columns.value::<Option<Vec<u8>>>()?.map(SealedSecret),
        taken_up_to: columns.checked(|seq: i64| u64::try_from(seq))?,
    })
}

pub(super) fn put(connection: &Connection, stream: &Stream) -> Result<(), Failure> {
    let config =
        serde_json::to_string(&stream.config).map_err(|error| Failure::unstorable("the stream", error))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO stream (id, client, config, authorization, taken_up_to)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            stream.id.as_bytes(),
            stream.client.as_str(),
            config,
            stream.authorization.as_ref().map(|sealed| sealed.0.as_slice()),
            i64::try_from(stream.taken_up_to).unwrap_or(i64::MAX)
        ])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, client: &ClientId) -> Result<Option<Stream>, Failure> {
    let sql = "SELECT id, client, config, authorization, taken_up_to FROM stream WHERE client = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([client.as_str()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Stream>, Failure> {
    let sql = "SELECT id, client, config, authorization, taken_up_to FROM stream ORDER BY id";
    connection.prepare_cached(sql)?.query_and_then([], read)?.collect()
}

pub(super) fn remove(connection: &Connection, id: StreamId) -> Result<(), Failure> {
    connection.prepare_cached("DELETE FROM stream WHERE id = ?1")?.execute([id.as_bytes()])?;
    Ok(())
}

/// Moves a stream on, and never back.
pub(super) fn advance(connection: &Connection, id: StreamId, taken_up_to: u64) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE stream SET taken_up_to = ?2 WHERE id = ?1 AND taken_up_to < ?2")?
        .execute(params![id.as_bytes(), i64::try_from(taken_up_to).unwrap_or(i64::MAX)])?;
    Ok(())
}

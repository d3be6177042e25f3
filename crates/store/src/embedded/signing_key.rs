//! The tables `signing_key` and `retired_key`.

use std::time::Duration;

use gatepass_issuer::RetiredKey;
use gatepass_issuer::keys::{KeyRecord, KeyTerms};
use gatepass_issuer::store::NewRevocation;
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::revocation;
use super::row::Columns;
use super::writer::Group;

pub(super) fn list(connection: &Connection) -> Result<Vec<KeyRecord>, Failure> {
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("signing_key", row);
        Ok(KeyRecord {
            kid: columns.value()?,
            alg: columns.parsed()?,
            sealed: columns.value()?,
            published_at: columns.instant()?,
            signs_from: columns.instant_if_any()?,
            signed_until: columns.instant_if_any()?,
            terms: KeyTerms { publish_ahead: columns.duration()?, verify_for: columns.duration()? },
        })
    };
    connection
        .prepare_cached(
            "SELECT kid, alg, sealed, published_at, signs_from, signed_until, publish_ahead, verify_for
             FROM signing_key ORDER BY published_at, kid",
        )?
        .query_and_then([], read)?
        .collect()
}

pub(super) fn save(
    group: &Group<'_>,
    keys: &[KeyRecord],
    retired: &[String],
    revocations: &[NewRevocation],
) -> Result<(), Failure> {
    group.atomically(|connection| {
        let mut put = connection.prepare_cached(
            "INSERT OR REPLACE INTO signing_key (kid, alg, sealed, published_at, signs_from, signed_until,
                 publish_ahead, verify_for)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for key in keys {
            put.execute(params![
                key.kid,
                key.alg.name(),
                key.sealed,
                key.published_at.as_millis(),
                key.signs_from.map(Timestamp::as_millis),
                key.signed_until.map(Timestamp::as_millis),
                millis(key.terms.publish_ahead),
                millis(key.terms.verify_for)
            ])?;
        }
        let mut remove = connection.prepare_cached("DELETE FROM signing_key WHERE kid = ?1")?;
        for kid in retired {
            remove.execute([kid])?;
        }
        revocation::append_all(connection, revocations)
    })
}

pub(super) fn list_retired(connection: &Connection) -> Result<Vec<RetiredKey>, Failure> {
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("retired_key", row);
        Ok(RetiredKey {
            kid: columns.value()?,
            alg: columns.parsed()?,
            jwk: columns.read(|json| serde_json::from_str(json))?,
            forget_after: columns.instant()?,
        })
    };
    connection
        .prepare_cached("SELECT kid, alg, jwk, forget_after FROM retired_key ORDER BY forget_after, kid")?
        .query_and_then([], read)?
        .collect()
}

/// In the place of all that there are.
pub(super) fn put_retired(group: &Group<'_>, keys: &[RetiredKey]) -> Result<(), Failure> {
    group.atomically(|connection| {
        connection.prepare_cached("DELETE FROM retired_key")?.execute([])?;
        let sql = "INSERT INTO retired_key (kid, alg, jwk, forget_after) VALUES (?1, ?2, ?3, ?4)";
        let mut put = connection.prepare_cached(sql)?;
        for key in keys {
            let jwk = serde_json::to_string(&key.jwk)
                .map_err(|error| Failure::unstorable("the retired key", error))?;
            put.execute(params![key.kid, key.alg.name(), jwk, key.forget_after.as_millis()])?;
        }
        Ok(())
    })
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

//! The table `client`.

use gatepass_issuer::client::{
    Client, ClientLogout, Credential, NotificationUri, SealedSecret, SecretDigest,
};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::store::{NewRevocation, Whose};
use gatepass_jose::Timestamp;
use rusqlite::{CachedStatement, Connection, Row, params};

use super::failure::Failure;
use super::revocation;
use super::row::Columns;
use super::session;
use super::writer::Group;

const COLUMNS: &str = "id, name, secret, grants, scope, audience, disabled, created_at, redirect_uris,
                       post_logout_redirect_uris, trusted, require_pkce, exchange, sealed_secret, jwks,
                       certificate, require_pushed, extensions, backchannel_logout_uri,
                       frontchannel_logout_uri";

fn read(row: &Row<'_>) -> Result<Client, Failure> {
    let mut columns = Columns::of("client", row);
    let (id, name) = (columns.parsed()?, columns.value()?);
    let secret = columns.value::<Option<[u8; 32]>>()?.map(SecretDigest);
    Ok(Client {
        id,
        name,
        grants: columns.read(|json| serde_json::from_str(json))?,
        scope: columns.parsed()?,
        audience: columns.read(|json| serde_json::from_str(json))?,
        disabled: columns.value()?,
        created_at: columns.instant()?,
        redirect_uris: columns.read(|json| serde_json::from_str(json))?,
        post_logout_redirect_uris: columns.read(|json| serde_json::from_str(json))?,
        trusted: columns.value()?,
        require_pkce: columns.value()?,
        exchange: columns.read_if_any(|json| serde_json::from_str(json))?,
        credential: credential(secret, &mut columns)?,
        require_pushed: columns.value()?,
        extensions: columns.read(|json| serde_json::from_str(json))?,
        logout: ClientLogout {
            backchannel: columns.parsed_if_any()?,
            frontchannel: columns.parsed_if_any()?,
        },
    })
}

fn credential(secret: Option<SecretDigest>, columns: &mut Columns<'_>) -> Result<Credential, Failure> {
    let sealed = columns.value()?;
    let keys = columns.read_if_any(|json| serde_json::from_str(json))?;
    let certificate = columns.read_if_any(|json| serde_json::from_str(json))?;
    match (secret, sealed, keys, certificate) {
        (None, None, None, None) => Ok(Credential::None),
        (Some(digest), None, None, None) => Ok(Credential::Secret(digest)),
        (None, Some(sealed), None, None) => Ok(Credential::SharedSecret(SealedSecret(sealed))),
        (None, None, Some(keys), None) => Ok(Credential::Keys(keys)),
        (None, None, None, Some(certificate)) => Ok(Credential::Certificate(certificate)),
        _ => Err(Failure::damaged("client", "secret", "is beside another credential")),
    }
}

fn write(mut statement: CachedStatement<'_>, client: &Client) -> Result<bool, Failure> {
    let Client { id, name, credential, grants, scope, audience, disabled, created_at, .. } = client;
    let Client { redirect_uris, post_logout_redirect_uris, trusted, require_pkce, exchange, .. } = client;
    let json = |error| Failure::unstorable("the client", error);
    let (secret, sealed, keys, certificate) = match credential {
        Credential::None => (None, None, None, None),
        Credential::Secret(SecretDigest(digest)) => (Some(digest), None, None, None),
        Credential::SharedSecret(SealedSecret(sealed)) => (None, Some(sealed), None, None),
        Credential::Keys(keys) => (None, None, Some(keys), None),
        Credential::Certificate(certificate) => (None, None, None, Some(certificate)),
    };
    let rows = statement.execute(params![
        id.as_str(),
        name,
        secret,
        serde_json::to_string(grants).map_err(json)?,
        scope.to_string(),
        serde_json::to_string(audience).map_err(json)?,
        disabled,
        created_at.as_millis(),
        serde_json::to_string(redirect_uris).map_err(json)?,
        serde_json::to_string(post_logout_redirect_uris).map_err(json)?,
        trusted,
        require_pkce,
        exchange.as_ref().map(serde_json::to_string).transpose().map_err(json)?,
        sealed,
        keys.map(serde_json::to_string).transpose().map_err(json)?,
        certificate.map(serde_json::to_string).transpose().map_err(json)?,
        client.require_pushed,
        serde_json::to_string(&client.extensions).map_err(json)?,
        client.logout.backchannel.as_ref().map(NotificationUri::as_str),
        client.logout.frontchannel.as_ref().map(NotificationUri::as_str)
    ])?;
    Ok(rows == 1)
}

/// `false`, with nothing changed, when the id is taken.
pub(super) fn create(group: &Group<'_>, client: &Client) -> Result<bool, Failure> {
    let sql = format!(
        "INSERT INTO client ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                 ?15, ?16, ?17, ?18, ?19, ?20)
         ON CONFLICT (id) DO NOTHING"
    );
    group.changes_clients();
    write(group.prepare_cached(&sql)?, client)
}

/// `false`, with nothing changed, when there is no such client.
pub(super) fn replace(
    group: &Group<'_>,
    client: &Client,
    revocations: &[NewRevocation],
) -> Result<bool, Failure> {
    let sql = "UPDATE client SET name = ?2, secret = ?3, grants = ?4, scope = ?5, audience = ?6,
               disabled = ?7, created_at = ?8, redirect_uris = ?9, post_logout_redirect_uris = ?10,
               trusted = ?11, require_pkce = ?12, exchange = ?13, sealed_secret = ?14, jwks = ?15,
               certificate = ?16, require_pushed = ?17, extensions = ?18, backchannel_logout_uri = ?19,
               frontchannel_logout_uri = ?20 WHERE id = ?1";
    group.changes_clients();
    group.atomically(|connection| {
        let known = write(connection.prepare_cached(sql)?, client)?;
        if known {
            revocation::append_all(connection, revocations)?;
        }
        Ok(known)
    })
}

/// Removes a client and what hangs on it, ends its live sessions at `at`, and appends `revocation`. `false`, with
/// nothing changed, when there is no such client.
pub(super) fn remove(
    group: &Group<'_>,
    id: &ClientId,
    at: Timestamp,
    revocation: NewRevocation,
) -> Result<bool, Failure> {
    group.changes_clients();
    group.atomically(|connection| {
        let removed =
            connection.prepare_cached("DELETE FROM client WHERE id = ?1")?.execute([id.as_str()])?;
        if removed == 0 {
            return Ok(false);
        }
        connection.prepare_cached("DELETE FROM registration WHERE client = ?1")?.execute([id.as_str()])?;
        connection.prepare_cached("DELETE FROM consent WHERE client = ?1")?.execute([id.as_str()])?;
        session::end(group, &Whose::Client(id.clone()), at, revocation)?;
        Ok(true)
    })
}

pub(super) fn find(connection: &Connection, id: &ClientId) -> Result<Option<Client>, Failure> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM client WHERE id = ?1"))?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn list(
    connection: &Connection,
    after: Option<&ClientId>,
    limit: u32,
) -> Result<Vec<Client>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM client WHERE id > ?1 ORDER BY id LIMIT ?2");
    let after = after.map_or("", ClientId::as_str); // no id is empty
    connection.prepare_cached(&sql)?.query_and_then(params![after, limit], read)?.collect()
}

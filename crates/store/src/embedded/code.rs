//! The table `code`: authorization codes, each used at most once.

use gatepass_issuer::code::{
    AuthorizationCode, CodeChallenge, CodeDigest, CodeRefusal, Decision, PresentedCode, decide,
};
use gatepass_issuer::id::{SessionId, UserId};
use gatepass_issuer::store::{NewRevocation, Redeemed};
use gatepass_issuer::{GrantedResources, Jkt};
use gatepass_jose::Timestamp;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::session;
use super::writer::Group;

fn read(row: &Row<'_>) -> Result<AuthorizationCode, Failure> {
    let columns = &mut Columns::of("code", row);
    Ok(AuthorizationCode {
        digest: CodeDigest(columns.value()?),
        client: columns.parsed()?,
        redirect_uri: columns.value()?,
        challenge: challenge(columns)?,
        user: UserId::from_bytes(columns.value()?),
        login: SessionId::from_bytes(columns.value()?),
        scope: columns.parsed()?,
        resources: GrantedResources { first: columns.value()?, more: session::more_resources(columns)? },
        nonce: columns.value()?,
        expires_at: columns.instant()?,
        used_at: columns.instant_if_any()?,
        session: columns.value::<Option<[u8; 16]>>()?.map(SessionId::from_bytes),
        jkt: columns.value::<Option<[u8; 32]>>()?.map(Jkt),
        authorization_details: columns.read(|json| serde_json::from_str(json))?,
        claims: columns.read(|json| serde_json::from_str(json))?,
    })
}

fn challenge(columns: &mut Columns<'_>) -> Result<Option<CodeChallenge>, Failure> {
    columns.checked(|text: Option<String>| {
        text.map(|text| CodeChallenge::parse(&text, Some("S256"))).transpose()
    })
}

pub(super) fn keep(connection: &Connection, code: &AuthorizationCode) -> Result<(), Failure> {
    let unstorable = |error| Failure::unstorable("the code", error);
    connection
        .prepare_cached(
            "INSERT INTO code (digest, client, redirect_uri, challenge, user, login, scope, resource,
                               more_resources, nonce, expires_at, used_at, session, jkt, authorization_details, claims)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            code.digest.0,
            code.client.as_str(),
            code.redirect_uri,
            code.challenge.as_ref().map(ToString::to_string),
            code.user.as_bytes(),
            code.login.as_bytes(),
            code.scope.to_string(),
            code.resources.first,
            session::stored_resources(&code.resources.more)?,
            code.nonce,
            code.expires_at.as_millis(),
            code.used_at.map(Timestamp::as_millis),
            code.session.as_ref().map(SessionId::as_bytes),
            code.jkt.map(|Jkt(jkt)| jkt),
            serde_json::to_string(&code.authorization_details).map_err(unstorable)?,
            serde_json::to_string(&code.claims).map_err(unstorable)?
        ])?;
    Ok(())
}

/// Does what [`decide`] says. The writer is alone and in a transaction, so nothing comes between reading
/// and writing.
pub(super) fn redeem(
    group: &Group<'_>,
    digest: CodeDigest,
    presented: &PresentedCode,
    on_replay: &NewRevocation,
) -> Result<Redeemed, Failure> {
    let Some(mut code) = find(group, digest)? else { return Ok(Redeemed::Unknown) };
    let login = session::find(group, code.login)?;
    match decide(&code, login.as_ref(), presented) {
        Decision::Give(started) => group.atomically(|_| {
            let user = session::start(group, &started)?;
            let given = user.as_ref().map(|_| started.id);
            use_up(group, digest, presented.now, given)?;
            let Some(user) = user else { return Ok(Redeemed::Refused(CodeRefusal::LoginEnded)) };
            (code.used_at, code.session) = (Some(presented.now), given);
            Ok(Redeemed::Given(Box::new(code), started, Box::new(user)))
        }),
        Decision::Burn(refusal) => {
            use_up(group, digest, presented.now, None)?;
            Ok(Redeemed::Refused(refusal))
        }
        Decision::Replay => {
            if let Some(given) = code.session {
                session::revoke(group, given, presented.now, on_replay.of_session(given))?;
            }
            Ok(Redeemed::Replayed(code.session))
        }
    }
}

fn find(connection: &Connection, digest: CodeDigest) -> Result<Option<AuthorizationCode>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT digest, client, redirect_uri, challenge, user, login, scope, resource, more_resources,
                nonce, expires_at, used_at, session, jkt, authorization_details, claims
         FROM code WHERE digest = ?1",
    )?;
    let mut rows = statement.query([digest.0])?;
    rows.next()?.map(read).transpose()
}

fn use_up(
    connection: &Connection,
    digest: CodeDigest,
    now: Timestamp,
    given: Option<SessionId>,
) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE code SET used_at = ?2, session = ?3 WHERE digest = ?1")?
        .execute(params![digest.0, now.as_millis(), given.as_ref().map(SessionId::as_bytes)])?;
    Ok(())
}

/// Removes at most `limit` codes that expired before `before`; returns how many.
pub(super) fn forget(connection: &Connection, before: Timestamp, limit: u32) -> Result<u32, Failure> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM code WHERE digest IN (SELECT digest FROM code WHERE expires_at < ?1 LIMIT ?2)",
        )?
        .execute(params![before.as_millis(), limit])?;
    Ok(u32::try_from(removed).unwrap_or(limit))
}

//! The tables `user` and `user_role`.

use gatepass_issuer::id::UserId;
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::store::{EndSessions, HolderRevocation, NewRevocation, UserChange};
use gatepass_issuer::user::{DisplayName, RoleName, User, Username};
use gatepass_issuer::{Email, EmailAddress};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::writer::Group;
use super::{revocation, session};

/// What [`read`] reads, of a user `u`.
macro_rules! columns {
    () => {
        "u.id, u.username, u.password, u.disabled, u.created_at, u.email, u.email_verified,
         u.name, (SELECT group_concat(role, ' ') FROM user_role WHERE user = u.id)"
    };
}

fn read(row: &Row<'_>) -> Result<User, Failure> {
    let columns = &mut Columns::of("user", row);
    Ok(User {
        id: UserId::from_bytes(columns.value()?),
        username: columns.parsed()?,
        password: PasswordHash::from_phc(&columns.value::<String>()?),
        disabled: columns.value()?,
        created_at: columns.instant()?,
        email: email(columns)?,
        name: columns.parsed_if_any()?,
        roles: roles(columns)?,
    })
}

fn email(columns: &mut Columns<'_>) -> Result<Option<Email>, Failure> {
    let address = columns.parsed_if_any()?;
    let verified = columns.value()?;
    Ok(address.map(|address| Email { address, verified }))
}

/// SQLite promises no order of what it concatenates.
fn roles(columns: &mut Columns<'_>) -> Result<Vec<RoleName>, Failure> {
    if columns.is_null() {
        return Ok(Vec::new());
    }
    let parse = |text: &str| text.split(' ').map(str::parse).collect::<Result<Vec<RoleName>, _>>();
    let mut roles = columns.read(parse)?;
    roles.sort_unstable();
    Ok(roles)
}

/// `false`, with nothing changed, when the folded name or the verified address is taken.
pub(super) fn create(group: &Group<'_>, user: &User) -> Result<bool, Failure> {
    group.atomically(|connection| insert(connection, user))
}

/// The same, in somebody else's step.
pub(super) fn insert(connection: &Connection, user: &User) -> Result<bool, Failure> {
    let User { id, username, name, password, email, roles, disabled, created_at } = user;
    let created = connection
        .prepare_cached(
            "INSERT INTO user (id, username, folded, password, disabled, created_at, email, email_verified, name)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            id.as_bytes(),
            username.as_str(),
            username.folded(),
            password.as_phc(),
            disabled,
            created_at.as_millis(),
            email.as_ref().map(|email| email.address.as_str()),
            email.as_ref().is_some_and(|email| email.verified),
            name.as_ref().map(DisplayName::as_str)
        ])?;
    if created == 1 {
        give_roles(connection, *id, roles)?;
    }
    Ok(created == 1)
}

fn give_roles(connection: &Connection, user: UserId, roles: &[RoleName]) -> Result<(), Failure> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO user_role (user, role) VALUES (?1, ?2)")?;
    for role in roles {
        insert.execute(params![user.as_bytes(), role.as_str()])?;
    }
    Ok(())
}

pub(super) fn find(connection: &Connection, id: UserId) -> Result<Option<User>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM user u WHERE u.id = ?1");
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn find_by_name(connection: &Connection, name: &Username) -> Result<Option<User>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM user u WHERE u.folded = ?1");
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([name.folded()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn find_by_email(connection: &Connection, email: &EmailAddress) -> Result<Option<User>, Failure> {
    let sql =
        concat!("SELECT ", columns!(), " FROM user u WHERE lower(u.email) = ?1 AND u.email_verified = 1");
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([email.folded()])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn list(connection: &Connection, after: Option<UserId>, limit: u32) -> Result<Vec<User>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM user u WHERE u.id > ?1 ORDER BY u.id LIMIT ?2");
    let after = after.as_ref().map_or(&[][..], |id| id.as_bytes()); // nothing sorts before the empty blob
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_and_then(params![after, limit], read)?.collect()
}

/// What became of a change of a user.
pub(super) enum Changed {
    To(Box<User>),
    /// Nothing has changed: there is no such user.
    Unknown,
    /// Nothing has changed: another has the address.
    Taken,
}

pub(super) fn change(
    group: &Group<'_>,
    id: UserId,
    change: &UserChange,
    end_sessions: Option<EndSessions>,
    revocations: &[NewRevocation],
) -> Result<Changed, Failure> {
    if is_taken(group, id, change)? {
        return Ok(Changed::Taken);
    }
    group.atomically(|connection| {
        let known = connection
            .prepare_cached(
                "UPDATE user SET password = coalesce(?2, password), disabled = coalesce(?3, disabled)
                 WHERE id = ?1 AND password = coalesce(?4, password)",
            )?
            .execute(params![
                id.as_bytes(),
                change.password.as_ref().map(PasswordHash::as_phc),
                change.disabled,
                change.expected_password.as_ref().map(PasswordHash::as_phc)
            ])?;
        if known == 0 {
            return Ok(Changed::Unknown);
        }
        if let Some(email) = &change.email {
            set_email(connection, id, email.as_ref())?;
        }
        if let Some(name) = &change.name {
            connection
                .prepare_cached("UPDATE user SET name = ?2 WHERE id = ?1")?
                .execute(params![id.as_bytes(), name.as_ref().map(DisplayName::as_str)])?;
        }
        if let Some(roles) = &change.roles {
            connection.prepare_cached("DELETE FROM user_role WHERE user = ?1")?.execute([id.as_bytes()])?;
            give_roles(connection, id, roles)?;
        }
        if let Some(end) = end_sessions {
            session::end_of_user(connection, id, end)?;
        }
        revocation::append_all(connection, revocations)?;
        Ok(find(connection, id)?.map_or(Changed::Unknown, |user| Changed::To(Box::new(user))))
    })
}

/// Whether somebody else has verified the address that a user is to have. The writer is alone: it stays so.
fn is_taken(connection: &Connection, id: UserId, change: &UserChange) -> Result<bool, Failure> {
    match &change.email {
        Some(Some(email)) if email.verified => {
            Ok(find_by_email(connection, &email.address)?.is_some_and(|other| other.id != id))
        }
        _ => Ok(false),
    }
}

fn set_email(connection: &Connection, id: UserId, email: Option<&Email>) -> Result<(), Failure> {
    connection.prepare_cached("UPDATE user SET email = ?2, email_verified = ?3 WHERE id = ?1")?.execute(
        params![
            id.as_bytes(),
            email.map(|email| email.address.as_str()),
            email.is_some_and(|email| email.verified)
        ],
    )?;
    Ok(())
}

/// `false`, with nothing changed, when something else than `old` is kept.
pub(super) fn upgrade_password(
    group: &Group<'_>,
    id: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, Failure> {
    group.atomically(|connection| {
        let changed = connection
            .prepare_cached("UPDATE user SET password = ?3 WHERE id = ?1 AND password = ?2")?
            .execute(params![id.as_bytes(), old.as_phc(), new.as_phc()])?;
        Ok(changed == 1)
    })
}

pub(super) fn sample_passwords(connection: &Connection, count: u32) -> Result<Vec<PasswordHash>, Failure> {
    let mut statement = connection.prepare_cached("SELECT password FROM user ORDER BY random() LIMIT ?1")?;
    let mut read = |row: &Row<'_>| Ok(PasswordHash::from_phc(&Columns::of("user", row).value::<String>()?));
    statement.query_and_then([count], &mut read)?.collect()
}

/// Appends a revocation for everybody who holds `role`.
pub(super) fn revoke_holders(
    connection: &Connection,
    role: &RoleName,
    revocation: &HolderRevocation,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT user FROM user_role WHERE role = ?1")?;
    let mut rows = statement.query([role.as_str()])?;
    while let Some(row) = rows.next()? {
        let user = UserId::from_bytes(Columns::of("user_role", row).value()?);
        revocation::append(connection, revocation.of(user))?;
    }
    Ok(())
}

//! The table `role`.

use gatepass_issuer::store::HolderRevocation;
use gatepass_issuer::user::{Role, RoleName};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::Columns;
use super::user;
use super::writer::Group;

pub(super) fn list(connection: &Connection) -> Result<Vec<Role>, Failure> {
    let mut statement = connection.prepare_cached("SELECT name, scope FROM role ORDER BY name")?;
    let read = |row: &Row<'_>| {
        let mut columns = Columns::of("role", row);
        Ok(Role { name: columns.parsed()?, scope: columns.parsed()? })
    };
    statement.query_and_then([], read)?.collect()
}

pub(super) fn put(group: &Group<'_>, role: &Role, for_holder: &HolderRevocation) -> Result<(), Failure> {
    group.atomically(|connection| {
        connection
            .prepare_cached(
                "INSERT INTO role (name, scope) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET scope = excluded.scope",
            )?
            .execute(params![role.name.as_str(), role.scope.to_string()])?;
        user::revoke_holders(connection, &role.name, for_holder)
    })
}

/// `false`, with nothing changed, when there is no such role.
pub(super) fn remove(
    group: &Group<'_>,
    name: &RoleName,
    for_holder: &HolderRevocation,
) -> Result<bool, Failure> {
    group.atomically(|connection| {
        let removed =
            connection.prepare_cached("DELETE FROM role WHERE name = ?1")?.execute([name.as_str()])?;
        if removed == 0 {
            return Ok(false);
        }
        user::revoke_holders(connection, name, for_holder)?;
        connection.prepare_cached("DELETE FROM user_role WHERE role = ?1")?.execute([name.as_str()])?;
        Ok(true)
    })
}

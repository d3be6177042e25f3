//! The file's schema: is it ours, is it known, bring it up to date.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::OpenError;

/// `gate`, in the file's header: what `file` and SQLite's own tools tell a database's owner by.
const APPLICATION_ID: i32 = 0x6761_7465;

/// Version `n` of the schema is what the first `n` of these make of an empty file. The file's
/// `user_version` says how many it has seen.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
    include_str!("schema/10.sql"),
    include_str!("schema/11.sql"),
    include_str!("schema/12.sql"),
    include_str!("schema/13.sql"),
    include_str!("schema/14.sql"),
    include_str!("schema/15.sql"),
    include_str!("schema/16.sql"),
    include_str!("schema/17.sql"),
    include_str!("schema/18.sql"),
    include_str!("schema/19.sql"),
    include_str!("schema/20.sql"),
    include_str!("schema/21.sql"),
    include_str!("schema/22.sql"),
    include_str!("schema/23.sql"),
    include_str!("schema/24.sql"),
];

/// Opens a file that is empty or ours, with the schema that this version knows.
pub(super) fn open(file: &Path) -> Result<Connection, OpenError> {
    let mut connection =
        open_any(file, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(OpenError::engine(file))?;
    let version = require_ours(&connection, file)?;
    require_wal(&connection, file)?;
    prepare(&connection).map_err(OpenError::engine(file))?;
    migrate(&mut connection, version).map_err(OpenError::engine(file))?;
    Ok(connection)
}

/// One more connection to a file that [`open`] has brought up to date.
pub(super) fn connect(file: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = open_any(file, access)?;
    prepare(&connection)?;
    Ok(connection)
}

fn open_any(file: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Without `SQLITE_OPEN_URI`, because a directory's name may have a question mark; without a
    // mutex, because each connection stays on one thread.
    Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// The schema's version, 0 for an empty file. Nothing is written before this has said yes.
fn require_ours(connection: &Connection, file: &Path) -> Result<usize, OpenError> {
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let read = || {
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((header("application_id")?, header("user_version")?, tables))
    };
    let (application, version, tables): (i32, i32, i64) = match read() {
        Err(error) if rusqlite::Error::sqlite_error_code(&error) == Some(ErrorCode::NotADatabase) => {
            return Err(OpenError::NotOurs { file: file.to_owned() });
        }
        read => read.map_err(OpenError::engine(file))?,
    };
    match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Ok(0),
        (APPLICATION_ID, Ok(found)) if found <= MIGRATIONS.len() => Ok(found),
        (APPLICATION_ID, Ok(found)) => {
            Err(OpenError::TooNew { file: file.to_owned(), found, known: MIGRATIONS.len() })
        }
        _ => Err(OpenError::NotOurs { file: file.to_owned() }),
    }
}

/// Without a write-ahead log a reader would stop the writer.
fn require_wal(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
        .map_err(OpenError::engine(file))?;
    if mode == "wal" {
        return Ok(());
    }
    let problem = format!("its file system allows no write-ahead log (the journal mode stays `{mode}`)");
    Err(OpenError::Engine { file: file.to_owned(), problem })
}

/// What makes a commit durable; it holds for one connection.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64); // more than there are
    connection.pragma_update(None, "trusted_schema", false)?;
    // What was sealed under an old key is overwritten with the row that takes its place, which costs no page more.
    connection.pragma_update(None, "secure_delete", "fast")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Where `fsync` does not reach the disk's own cache (macOS); elsewhere they mean nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)
}

fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    for (before, statements) in MIGRATIONS.iter().enumerate().skip(from) {
        // Header fields are part of the transaction: a crash leaves one version or the other.
        let transaction = connection.transaction()?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(before + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

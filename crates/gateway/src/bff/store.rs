//! Where sessions survive a restart: one SQLite file. It keeps what it is given and knows no rule.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepass_guard::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Mutex;

use super::seal::SessionId;

/// For another gateway that writes to the same file.
const PATIENCE: Duration = Duration::from_secs(5);
/// `gpse`, in the file's header: what tells it from other databases.
const APPLICATION_ID: i32 = 0x6770_7365;
const VERSION: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE session (
        id        BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the name in the cookie
        subject   BLOB    NOT NULL,             -- a keyed hash
        sealed    BLOB    NOT NULL,
        last_used INTEGER NOT NULL,             -- seconds since 1970-01-01T00:00:00Z
        ends      INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_by_subject ON session (subject, last_used);
";

/// Why sessions are not kept, or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionStoreError {
    /// The file is somebody else's, or of a later version.
    #[error("{} is no store of sessions that this version knows", path.display())]
    NotOurs {
        /// The file that was configured.
        path: PathBuf,
    },
    /// The file cannot be used.
    #[error("cannot keep sessions in {}: {problem}", path.display())]
    Engine {
        /// The file that was configured.
        path: PathBuf,
        /// What is wrong, in words.
        problem: String,
    },
}

/// What the store has of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) subject: [u8; 32],
    pub(super) sealed: Vec<u8>,
    pub(super) last_used: i64,
    pub(super) ends: i64,
}

/// Whatever is written is on disk when the call returns.
pub(super) struct Store {
    path: PathBuf,
    /// One at a time, each on a thread that may block.
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, SessionStoreError> {
        let failed = |problem: String| SessionStoreError::Engine { path: path.to_owned(), problem };
        // SQLite gives its other files the permissions of this one.
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        made.map_err(|error| failed(error.to_string()))?;
        let connection = match connect(path) {
            Ok(Some(connection)) => connection,
            Ok(None) => return Err(SessionStoreError::NotOurs { path: path.to_owned() }),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                return Err(SessionStoreError::NotOurs { path: path.to_owned() });
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        Ok(Self { path: path.to_owned(), connection: Arc::new(Mutex::new(connection)) })
    }

    pub(super) async fn find(&self, id: SessionId) -> Result<Option<Row>, SessionStoreError> {
        self.run(move |connection| {
            let text = "SELECT subject, sealed, last_used, ends FROM session WHERE id = ?1";
            connection
                .prepare_cached(text)?
                .query_row([id.0], |row| {
                    Ok(Row {
                        subject: row.get(0)?,
                        sealed: row.get(1)?,
                        last_used: row.get(2)?,
                        ends: row.get(3)?,
                    })
                })
                .optional()
        })
        .await
    }

    /// Keeps a new session. Of those of its subject, the ones that were not used for the longest time end, so that
    /// there are no more than `most`; their names are returned.
    pub(super) async fn begin(
        &self,
        id: SessionId,
        row: Row,
        most: u32,
    ) -> Result<Vec<SessionId>, SessionStoreError> {
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            let surplus = {
                let text = "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE subject = ?1
                            ORDER BY last_used DESC LIMIT -1 OFFSET ?2) RETURNING id";
                let mut statement = transaction.prepare_cached(text)?;
                let rows =
                    statement.query_map(params![row.subject, most.saturating_sub(1)], |row| row.get(0))?;
                rows.map(|id| id.map(SessionId)).collect::<rusqlite::Result<_>>()?
            };
            transaction.execute(
                "INSERT INTO session (id, subject, sealed, last_used, ends) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id.0, row.subject, row.sealed, row.last_used, row.ends],
            )?;
            transaction.commit()?;
            Ok(surplus)
        })
        .await
    }

    /// Puts other tokens into a session. `false` if it has ended meanwhile.
    pub(super) async fn update(
        &self,
        id: SessionId,
        sealed: Vec<u8>,
        now: Timestamp,
    ) -> Result<bool, SessionStoreError> {
        self.run(move |connection| {
            let text = "UPDATE session SET sealed = ?2, last_used = max(last_used, ?3) WHERE id = ?1";
            connection
                .prepare_cached(text)?
                .execute(params![id.0, sealed, now.as_secs()])
                .map(|rows| rows == 1)
        })
        .await
    }

    /// Notes that a session was used.
    pub(super) async fn touch(&self, id: SessionId, now: Timestamp) -> Result<(), SessionStoreError> {
        self.run(move |connection| {
            let text = "UPDATE session SET last_used = max(last_used, ?2) WHERE id = ?1";
            connection.prepare_cached(text)?.execute(params![id.0, now.as_secs()]).map(drop)
        })
        .await
    }

    pub(super) async fn end(&self, id: SessionId) -> Result<(), SessionStoreError> {
        self.run(move |connection| {
            connection.prepare_cached("DELETE FROM session WHERE id = ?1")?.execute([id.0]).map(drop)
        })
        .await
    }

    /// Takes out what has ended by itself; how many there were.
    pub(super) async fn sweep(&self, idle: Duration, now: Timestamp) -> Result<usize, SessionStoreError> {
        self.run(move |connection| {
            let idle_since = now.saturating_sub(idle).as_secs();
            let text = "DELETE FROM session WHERE ends <= ?1 OR last_used <= ?2";
            connection.execute(text, params![now.as_secs(), idle_since])
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SessionStoreError> {
        let failed = |problem: String| SessionStoreError::Engine { path: self.path.clone(), problem };
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&mut connection)).await;
        done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}

/// `None` for a file that is not ours.
fn connect(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let is_empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    match (header("application_id")?, header("user_version")?) {
        (0, 0) if is_empty => {}
        (APPLICATION_ID, VERSION) => {}
        _ => return Ok(None),
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?; // where `fsync` does not reach the disk's own cache
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Of two gateways that begin at once, one made it for both.
    if header("user_version")? == 0 {
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(Some(connection))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn row(subject: u8, last_used: i64) -> Row {
        Row { subject: [subject; 32], sealed: vec![7; 100], last_used, ends: 1_000 }
    }

    #[tokio::test]
    async fn sessions_are_there_until_they_end_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let store = Store::open(&path).unwrap();
        let [one, two, three] = [1, 2, 3].map(|n| SessionId([n; 32]));
        for id in [one, two, three] {
            assert_eq!(store.begin(id, row(1, 10), 9).await.unwrap(), []);
        }
        assert!(store.update(one, vec![8], at(20)).await.unwrap());
        store.touch(two, at(5)).await.unwrap();
        store.end(three).await.unwrap();
        assert!(!store.update(three, vec![8], at(20)).await.unwrap(), "what has ended stays so");
        for name in ["sessions.db", "sessions.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        // As another process finds it, while this one has not closed it.
        let store = Store::open(&path).unwrap();
        let want = Row { sealed: vec![8], last_used: 20, ..row(1, 10) };
        assert_eq!(store.find(one).await.unwrap(), Some(want));
        assert_eq!(store.find(two).await.unwrap(), Some(row(1, 10)), "time does not go back");
        assert_eq!(store.find(three).await.unwrap(), None);
        assert_eq!(store.sweep(Duration::from_secs(15), at(25)).await.unwrap(), 1, "two was idle");
        assert_eq!(store.sweep(Duration::from_secs(9_999), at(999)).await.unwrap(), 0);
        assert_eq!(store.sweep(Duration::from_secs(9_999), at(1_000)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_subject_has_so_many_sessions_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("s")).unwrap();
        let id = |n| SessionId([n; 32]);
        for n in 1..=3 {
            assert_eq!(store.begin(id(n), row(1, i64::from(n)), 3).await.unwrap(), []);
        }
        store.touch(id(1), at(50)).await.unwrap();
        assert_eq!(store.begin(id(9), row(2, 1), 3).await.unwrap(), [], "another's");
        assert_eq!(store.begin(id(4), row(1, 60), 3).await.unwrap(), [id(2)]);
        assert_eq!(store.find(id(2)).await.unwrap(), None);
    }

    #[test]
    fn a_file_of_somebody_elses_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE a (b); PRAGMA user_version = 1")
            .unwrap();
        assert!(matches!(Store::open(&path), Err(SessionStoreError::NotOurs { .. })));
        std::fs::write(&path, [b'x'; 4096]).unwrap();
        assert!(matches!(Store::open(&path), Err(SessionStoreError::NotOurs { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 4096]);
    }
}

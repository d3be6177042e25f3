//! A copy of the store while it is in use.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::Progress;
use rusqlite::{MAIN_DB, OpenFlags};
use thiserror::Error;

use super::{Embedded, schema};

/// Why there is no backup.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The target could not be made; it must not exist.
    #[error("cannot create {}: {source}", .path.display())]
    Create {
        /// The target.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The copy could not be made; there is nothing at the target.
    #[error("the backup failed: {0}")]
    Copy(String),
}

impl Embedded {
    /// Copies the store as it is at one moment to the file `to`, which must not exist yet and is made
    /// readable for its owner alone. Operations go on meanwhile.
    ///
    /// To restore it, put it as `gatepass.db` into a directory of its own.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn backup_to(&self, to: impl Into<PathBuf>) -> Result<(), BackupError> {
        let (from, to) = (self.file.clone(), to.into());
        let copy = move || copy(&from, &to);
        match tokio::task::spawn_blocking(copy).await {
            Ok(copied) => copied,
            Err(stopped) => Err(BackupError::Copy(stopped.to_string())),
        }
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    create.map_err(|source| BackupError::Create { path: to.to_owned(), source })?;
    let copied = schema::connect(from, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| connection.backup(MAIN_DB, to, None::<fn(Progress)>));
    copied.map_err(|error| {
        drop(fs::remove_file(to)); // half a copy is worse than none
        BackupError::Copy(error.to_string())
    })
}

//! The embedded engine: one SQLite file in a directory of its own.

mod backup;
mod checkpoint;
mod client;
mod clients;
mod code;
mod consent;
mod device_authorization;
mod directory;
mod failure;
mod jti;
mod linked_identity;
mod logout_notice;
mod pushed_request;
mod queue;
mod readers;
mod registration;
mod revocation;
mod role;
mod root;
mod row;
mod schema;
mod session;
mod signing_key;
mod store;
mod stream;
mod sweep;
mod ticket;
mod token_status;
mod user;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use gatepass_issuer::store::StoreError;
use rusqlite::OpenFlags;
use thiserror::Error;

pub use self::backup::BackupError;
use self::checkpoint::Checkpoints;
use self::clients::Clients;
use self::directory::Claim;
use self::failure::Failure;
use self::readers::Readers;
use self::sweep::Sweep;
use self::writer::Writer;

/// The store's file in its directory.
const FILE: &str = "gatepass.db";

/// How many threads read: two, so that a long read does not hold up a short one.
const READERS: usize = 2;

/// The embedded store: one file, no server, safe against power loss. See the [crate] for what
/// it promises and how.
///
/// `forget_sessions` goes through at most 20,000 rows in one call and goes on from there in the next,
/// round and round; so in a store with more sessions than that, a call may return less than its limit
/// although there is more to forget. `put_role` and `remove_role` hold up other writers for a few
/// microseconds per holder of the role.
///
/// ```
/// use gatepass_issuer::store::Store;
/// use gatepass_store::Embedded;
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let store = std::sync::Arc::new(Embedded::open(dir.path())?);
/// assert_eq!(store.last_revocation().await?, 0);
/// store.close().await?;
/// # Ok(()) }
/// ```
pub struct Embedded {
    file: PathBuf,
    writer: Writer,
    readers: Readers,
    clients: Arc<Clients>,
    sweep: Sweep,
    checkpoints: Mutex<Option<JoinHandle<()>>>,
    claim: Mutex<Option<Claim>>,
}

/// Why a data directory could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("{dir} is in use by {}; stop that first, or take another directory",
        .by.map_or("another process".into(), |pid| format!("process {pid}")), dir = .dir.display())]
    AlreadyOpen {
        /// The directory.
        dir: PathBuf,
        /// The process, where it is known.
        by: Option<u32>,
    },
    /// The file is no database, or another program's.
    #[error("{} is not a store of gatepass; it was left as it is", .file.display())]
    NotOurs {
        /// The file.
        file: PathBuf,
    },
    /// A later version of gatepass has changed the file.
    #[error("{} has schema {found} and this version of gatepass knows up to {known}; use the newer one",
        .file.display())]
    TooNew {
        /// The file.
        file: PathBuf,
        /// The schema it has.
        found: usize,
        /// The newest schema known.
        known: usize,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("cannot open {}: {problem}", .file.display())]
    Engine {
        /// The file.
        file: PathBuf,
        /// What it said.
        problem: String,
    },
}

impl OpenError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    fn engine(file: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |error| Self::Engine { file: file.to_owned(), problem: error.to_string() }
    }
}

impl Embedded {
    /// Opens the store in `dir`, and makes both where there is nothing yet.
    ///
    /// Waits for the disk, a few milliseconds; so it is called before anything is served. Recovers
    /// what a crash left behind.
    ///
    /// # Errors
    /// See [`OpenError`]. A file that is not a store, or of a later version, is left as it is.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let claim = directory::claim(dir)?;
        let file = dir.join(FILE);
        directory::make_private(&file).map_err(OpenError::io("open", &file))?;
        let mut writing = schema::open(&file)?;
        directory::sync(dir).map_err(OpenError::io("sync", dir))?;

        let connect = |access| schema::connect(&file, access).map_err(OpenError::engine(&file));
        let copying = connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let reading =
            (0..READERS).map(|_| connect(OpenFlags::SQLITE_OPEN_READ_ONLY)).collect::<Result<Vec<_>, _>>()?;

        let threads = OpenError::io("start the threads for", &file);
        let clients = Arc::<Clients>::default();
        let start = || {
            let (checkpoints, thread) = Checkpoints::start(&mut writing, copying)?;
            Ok((Readers::start(reading)?, Writer::start(writing, checkpoints, Arc::clone(&clients))?, thread))
        };
        let (readers, writer, thread) = start().map_err(threads)?;
        Ok(Self {
            file,
            writer,
            readers,
            clients,
            sweep: Sweep::default(),
            checkpoints: Mutex::new(Some(thread)),
            claim: Mutex::new(Some(claim)),
        })
    }

    /// Takes no more operations, finishes those that were asked for, writes everything into the one
    /// file, and lets go of the directory. Operations that come later fail; closing twice is nothing.
    ///
    /// Dropping the store does the same, but waits for the disk on the thread it is on and tells
    /// nobody of an error.
    ///
    /// # Errors
    /// When the file could not be closed in order. Nothing that was acknowledged is lost by it.
    pub async fn close(self: Arc<Self>) -> Result<(), StoreError> {
        let stop = move || self.stop();
        match tokio::task::spawn_blocking(stop).await {
            Ok(stopped) => Ok(stopped?),
            Err(_) => Err(Failure::Closed.into()),
        }
    }

    fn stop(&self) -> Result<(), Failure> {
        // Readers first: only a connection that may write puts the log into the file and removes it,
        // and only the last one does. The thread for checkpoints ends with the writer.
        self.readers.stop();
        let closed = self.writer.stop();
        if let Some(thread) = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(thread.join());
        }
        drop(self.claim.lock().unwrap_or_else(PoisonError::into_inner).take());
        closed
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

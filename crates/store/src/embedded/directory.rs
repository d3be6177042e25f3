//! The data directory: made for nobody else to read, and claimed by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::OpenError;

const LOCK: &str = "gatepass.lock";

/// A directory that no other process can claim as long as this lives. The lock is the operating
/// system's, so it goes with the process however that ends.
pub(super) struct Claim {
    lock: File,
}

/// Not left to the closing of the file: a process that is just being started has a copy of it for a moment.
impl Drop for Claim {
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, "the lock of the data directory goes when its file is closed");
        }
    }
}

/// Makes the directory where there is none, and claims it.
pub(super) fn claim(dir: &Path) -> Result<Claim, OpenError> {
    create_dir(dir).map_err(OpenError::io("create the directory", dir))?;
    let path = dir.join(LOCK);
    let mut lock = private_file(&path).map_err(OpenError::io("open", &path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::AlreadyOpen { dir: dir.to_owned(), by: holder(&mut lock) });
        }
        Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
    }
    sign(&mut lock).map_err(OpenError::io("write", &path))?;
    Ok(Claim { lock })
}

/// Makes the file where there is none, readable for its owner alone; also one that was there, because
/// a copy brought back from a backup may have come with a mode of its own.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let file = private_file(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Writes down that files were made in `dir`; without it a power cut may take them away again.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match fs::canonicalize(dir)?.parent() {
        Some(parent) => sync(parent),
        None => Ok(()),
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Leaves the process id in the lock file, for the message that the next one gets.
fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.parse().ok()
}

//! Files that keys are written to.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::complaint::Complaint;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    Owner,
    Everybody,
}

/// Writes a file that was not there before: a key that is overwritten is a key that is lost.
pub(super) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Complaint> {
    let cannot = |error: std::io::Error| {
        let complaint = Complaint::unusable(format!("cannot write {}", path.display()));
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            complaint
                .at("it is there already, and a key is never overwritten")
                .try_this("another name, or remove it first")
        } else {
            complaint.at(error)
        }
    };
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(cannot)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path); // half a key is of no use, and in the way of the next attempt
    }
    written.map_err(cannot)
}

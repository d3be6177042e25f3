//! Copying the write-ahead log back into the file, so that commits do not wait for it.
//!
//! A commit appends the pages it changed to the log and flushes only that. Some time they have to get
//! into the file, and the log to begin anew. SQLite would do it inside every commit that finds the log
//! long, and everybody in that group would wait for thousands of pages.
//!
//! Here a thread of its own copies whenever the log has grown by [`STEP`] pages. It cannot catch up
//! with a writer that never rests, and the log begins anew only when all of it was copied; so past
//! [`LIMIT`] pages the writer copies the little that the thread has left, between two groups. Where the thread is in the middle of
//! a copy and gets no processor time to end it, the writer waits for it from [`MOST`] pages on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tracing::warn;

/// Pages of 4 KiB: each copy ends in a flush of the file, so there should not be many.
const STEP: i32 = 1000;

/// About how long the log gets, in pages, under any load (unless a reader, such as a backup, holds on
/// to an old state of the store: what it sees cannot be overwritten).
const LIMIT: i32 = 8 * STEP + STEP / 2;

/// From here on the writer waits for a copy that the thread has begun, so that the log does not grow with a machine's load.
const MOST: i32 = 2 * LIMIT;

/// How often it looks after a group, and how long it waits before each look.
const PATIENCE: u32 = 100;
const LOOK: Duration = Duration::from_millis(2);

/// The writer's side.
pub(super) struct Checkpoints {
    /// The log's length after the last commit.
    pages: Arc<AtomicI32>,
    wake: SyncSender<()>,
    seen: i32,
    next_by_thread: i32,
    next_by_writer: i32,
}

impl Checkpoints {
    /// Starts the thread, which ends when the returned value is dropped. `writer` is the connection
    /// that commits, `own` the thread's.
    pub(super) fn start(writer: &mut Connection, own: Connection) -> io::Result<(Self, JoinHandle<()>)> {
        // A connection that never looked into the file does not know that there is a log to copy.
        own.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(io::Error::other)?;
        let pages = Arc::new(AtomicI32::new(0));
        let length = Arc::clone(&pages);
        // In the place of SQLite's own hook, which would copy inside the commit.
        let measure = move |_: &mut Wal, pages| {
            length.store(pages, Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(measure)).map_err(io::Error::other)?;
        let (wake, woken) = sync_channel(1);
        let thread =
            thread::Builder::new().name("store-checkpoint".into()).spawn(move || work(&own, &woken))?;
        let checkpoints = Self { pages, wake, seen: 0, next_by_thread: STEP, next_by_writer: LIMIT };
        Ok((checkpoints, thread))
    }

    /// Called by the writer between two groups.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.seen {
            (self.next_by_thread, self.next_by_writer) = (STEP, LIMIT); // the log began anew
        }
        self.seen = pages;
        if pages >= self.next_by_writer {
            // Until it has its turn the thread is not woken, so the turn comes.
            let looks = if pages >= MOST { PATIENCE } else { 0 };
            if copy(connection) || (0..looks).any(|_| copy_soon(connection)) {
                self.next_by_writer = pages.saturating_add(STEP);
            }
        } else if pages >= self.next_by_thread {
            self.next_by_thread = pages.saturating_add(STEP);
            let _ = self.wake.try_send(()); // full: it is about to run anyway
        }
    }
}

fn copy_soon(connection: &Connection) -> bool {
    thread::sleep(LOOK);
    copy(connection)
}

fn work(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        copy(connection);
    }
}

/// Copies all of the log into the file and empties it, so that neither has what was there before the last commit. Waits for
/// readers; a backup that goes on for longer keeps the old pages until it has ended and the log was copied.
pub(super) fn leave_nothing_behind(connection: &Connection) {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
        Ok(_) => {}
        Err(error) => {
            warn!(%error, "what was sealed under the old key stays in the store's files until the next copy")
        }
    }
}

/// Copies what no reader still needs to be in the log alone; waits for nobody. `false` when the other
/// side is at it.
fn copy(connection: &Connection) -> bool {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
        Ok(_) => {}
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return false,
        Err(error) => warn!(%error, "the write-ahead log could not be copied into the file; it grows"),
    }
    true
}

//! The one thread that writes: takes what is queued, commits it as one group, then answers.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, iter};

use rusqlite::Connection;
use tokio::sync::mpsc;
use tracing::error;

use super::checkpoint::{self, Checkpoints};
use super::clients::Clients;
use super::failure::Failure;
use super::queue::{Queue, Reply};

/// How many operations wait before callers do.
const QUEUE: usize = 1024;

/// How many operations are committed together at most: what keeps the first of them from waiting
/// long for the last.
const GROUP: usize = 512;

/// From here on it pays to wait for company.
const SLOW_FLUSH: Duration = Duration::from_millis(1);

/// The way to the thread.
pub(super) struct Writer {
    queue: Queue<Box<dyn Job>>,
    thread: Mutex<Option<JoinHandle<rusqlite::Result<()>>>>,
}

impl Writer {
    /// Starts the thread, which tells `clients` of their changes.
    pub(super) fn start(
        connection: Connection,
        checkpoints: Checkpoints,
        clients: Arc<Clients>,
    ) -> io::Result<Self> {
        let (queue, jobs) = Queue::bounded(QUEUE);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(connection, jobs, checkpoints, &clients))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in the next group. What it returns comes back when it is durable; an error of its
    /// own comes back alone.
    ///
    /// `work` must be one statement that writes, or write inside [`Group::atomically`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Group<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let ask = |reply| -> Box<dyn Job> { Box::new(Operation { work: Some(work), result: None, reply }) };
        self.queue.ask(ask).await
    }

    /// Takes no more, does what is queued, closes the file and waits for the thread's end.
    pub(super) fn stop(&self) -> Result<(), Failure> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        Ok(thread.join().map_err(|_| Failure::Closed)??)
    }
}

/// The transaction that a group of operations shares.
pub(super) struct Group<'c> {
    connection: &'c Connection,
    /// Part of an operation could not be undone, so nothing of the group may be committed.
    spoiled: Cell<bool>,
    /// Whether there is something to forget of what is known of clients.
    changed_clients: Cell<bool>,
    /// Whether what the log and the file had until now must not be left in either.
    replaces_secrets: Cell<bool>,
}

impl Group<'_> {
    /// Runs `work` so that all its statements take effect, or none.
    pub(super) fn atomically<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.control("SAVEPOINT operation")?;
        let result = work(self.connection);
        if result.is_err() {
            self.control("ROLLBACK TO operation")?;
        }
        self.control("RELEASE operation")?;
        result
    }

    /// To be called by whatever writes to the table `client`.
    pub(super) fn changes_clients(&self) {
        self.changed_clients.set(true);
    }

    /// To be called by whatever seals anew what an old key opens.
    pub(super) fn replaces_secrets(&self) {
        self.replaces_secrets.set(true);
    }

    fn control(&self, sql: &str) -> Result<(), Failure> {
        let done = control(self.connection, sql);
        self.spoiled.set(self.spoiled.get() || done.is_err());
        Ok(done?)
    }

    /// Whether the group cannot be committed any more: after some errors (a full disk among them)
    /// SQLite gives up the whole transaction by itself.
    fn is_lost(&self) -> bool {
        self.spoiled.get() || self.connection.is_autocommit()
    }
}

impl Deref for Group<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

/// An operation on its way through a group, whatever it returns.
trait Job: Send {
    fn run(&mut self, group: &Group<'_>);
    /// Sends the result, or `failure` in its place.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Operation<T, W> {
    work: Option<W>,
    result: Option<Result<T, Failure>>,
    reply: Reply<T>,
}

impl<T, W> Job for Operation<T, W>
where
    T: Send,
    W: FnOnce(&Group<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, group: &Group<'_>) {
        self.result = self.work.take().map(|work| work(group));
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let result = match (failure, self.result) {
            (None, Some(result)) => result,
            (failure, _) => Err(Failure::NotCommitted(failure.unwrap_or("it was not run").to_owned())),
        };
        drop(self.reply.send(result)); // a caller who went away needs no answer
    }
}

fn work(
    connection: Connection,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    mut checkpoints: Checkpoints,
    clients: &Clients,
) -> rusqlite::Result<()> {
    let mut group = Vec::with_capacity(GROUP);
    let mut pace = Pace::default();
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        pace.gather(&mut jobs, &mut group);
        let began = Instant::now();
        let failure = commit(&connection, &mut group, clients).err().map(|failure| failure.to_string());
        pace = Pace { flush: began.elapsed(), callers: group.len() + jobs.len() };
        if let Some(failure) = &failure {
            error!(operations = group.len(), %failure, "a group was not committed");
        }
        for job in group.drain(..) {
            job.answer(failure.as_deref());
        }
        checkpoints.after_commit(&connection);
    }
    connection.close().map_err(|(_, error)| error)
}

/// What the last group tells about the next.
///
/// On a slow disk callers who come back at once would find the next group just gone, and two groups
/// of half the size would take turns for good, each caller waiting for both. So where a flush is slow,
/// the thread waits for those whom it has just answered: as long as they keep coming, and not longer
/// than half a flush. A lone caller is never waited for, and on a fast disk nobody is.
#[derive(Default)]
struct Pace {
    /// How long the last commit took.
    flush: Duration,
    /// How many it answered, and how many had queued meanwhile.
    callers: usize,
}

impl Pace {
    fn gather(&self, jobs: &mut mpsc::Receiver<Box<dyn Job>>, group: &mut Vec<Box<dyn Job>>) {
        if self.flush < SLOW_FLUSH {
            return;
        }
        let expected = self.callers.min(GROUP);
        let flush = self.flush.min(8 * SLOW_FLUSH); // one that was very slow says little of the next
        let deadline = Instant::now() + flush / 2;
        while group.len() < expected && Instant::now() < deadline {
            let before = group.len();
            thread::sleep(flush / 32);
            group.extend(iter::from_fn(|| jobs.try_recv().ok()).take(GROUP.saturating_sub(before)));
            if group.len() == before {
                return; // they do not come back
            }
        }
    }
}

/// Runs the group in one transaction. After an error nothing of it is in the store.
fn commit(connection: &Connection, group: &mut [Box<dyn Job>], clients: &Clients) -> Result<(), Failure> {
    control(connection, "BEGIN IMMEDIATE")?;
    let transaction = Group {
        connection,
        spoiled: Cell::new(false),
        changed_clients: Cell::new(false),
        replaces_secrets: Cell::new(false),
    };
    let lost = group.iter_mut().any(|job| {
        job.run(&transaction);
        transaction.is_lost()
    });
    let result = if lost { Err(Failure::Lost) } else { control(connection, "COMMIT").map_err(Failure::from) };
    // Whatever became of it: an error does not always say what is on disk.
    if transaction.changed_clients.get() {
        clients.forget();
    }
    if !connection.is_autocommit() {
        control(connection, "ROLLBACK")?;
    }
    if result.is_ok() && transaction.replaces_secrets.get() {
        checkpoint::leave_nothing_behind(connection);
    }
    result
}

fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;

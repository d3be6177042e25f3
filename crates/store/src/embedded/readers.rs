//! Threads that read, each with a connection of its own, behind one queue.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::queue::{Queue, Reply};

/// How many reads wait before callers do.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&Connection) + Send>;

pub(super) struct Readers {
    queue: Queue<Job>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(connections: impl IntoIterator<Item = Connection>) -> io::Result<Self> {
        let (queue, jobs) = Queue::bounded(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new().name("store-reader".into());
            threads.push(thread.spawn(move || work(&connection, &jobs))?);
        }
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    /// Runs `work`, one statement that reads: it sees one moment of the store, with everything in it
    /// that was answered before.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let ask = |reply: Reply<T>| -> Job {
            Box::new(move |connection| {
                if !reply.is_closed() {
                    drop(reply.send(work(connection))); // a caller who went away needs no answer
                }
            })
        };
        self.queue.ask(ask).await
    }

    /// Takes no more, does what is queued, and waits for the threads' end.
    pub(super) fn stop(&self) {
        self.queue.close();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(thread.join()); // one that panicked has ended too
        }
    }
}

fn work(connection: &Connection, jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One idle thread waits for the queue, the others for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        job(connection);
    }
}

//! The access log: a JSON object for each request, in a line of its own.
//!
//! Requests do not wait for it. They leave what is to be written in a queue of bounded length, and a thread
//! of its own puts it into words and writes. What finds the queue full, or cannot be written, is counted and
//! lost: a full disk stops no request.

mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::record::Record;

/// Requests whose lines are still to be written; a few megabytes.
const QUEUE: usize = 8 * 1024;
/// Lines are written together when there are many.
const BATCH: usize = 64 * 1024;
/// How long the gateway waits at its end for the last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// `[access_log]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessLogSettings {
    pub(crate) target: Target,
    /// Tokens' `sub`, `client_id`, `sid` and `jti` are told.
    pub(crate) identity: bool,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    File(PathBuf),
}

/// The end of the queue that requests see. When the last one is dropped, the thread writes what is left
/// and ends.
#[derive(Debug)]
pub(crate) struct AccessLog {
    settings: AccessLogSettings,
    queue: SyncSender<Message>,
    reopen: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Box<Record>),
    /// There is something else to do.
    Wake,
    /// Everything before has been written.
    Flush(oneshot::Sender<()>),
}

impl AccessLog {
    /// Opens the log. Lines that are lost are counted in `dropped`.
    pub(crate) fn open(settings: AccessLogSettings, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let reopen = Arc::<AtomicBool>::default();
        let writer = Writer {
            output: settings.target.open()?,
            target: settings.target.clone(),
            identity: settings.identity,
            reopen: Arc::clone(&reopen),
            dropped: Arc::clone(&dropped),
            is_failing: false,
        };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&messages))?;
        Ok(Self { settings, queue, reopen, dropped })
    }

    pub(crate) fn settings(&self) -> &AccessLogSettings {
        &self.settings
    }

    pub(crate) fn write(&self, record: Box<Record>) {
        if self.queue.try_send(Message::Line(record)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets go of the file, which has another name by now, and opens a new one under the old name.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // With a full queue the thread is awake.
        let _ = self.queue.try_send(Message::Wake);
    }

    /// Waits until everything before is written, for no longer than a few seconds.
    pub(crate) async fn flush(&self) {
        let queue = self.queue.clone();
        let (done, is_done) = oneshot::channel();
        let flushed = async {
            // It may have to wait for a place.
            let sent = tokio::task::spawn_blocking(move || queue.send(Message::Flush(done))).await;
            if matches!(sent, Ok(Ok(()))) {
                let _ = is_done.await;
            }
        };
        if tokio::time::timeout(FLUSH_LIMIT, flushed).await.is_err() {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }
}

impl Target {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        match self {
            Self::Stdout => Ok(Box::new(io::stdout())),
            Self::File(path) => Ok(Box::new(open_file(path)?)),
        }
    }
}

/// It tells who did what, so it is not for everybody to read.
fn open_file(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

struct Writer {
    output: Box<dyn Write + Send>,
    target: Target,
    identity: bool,
    reopen: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    /// The last write failed, perhaps within a line.
    is_failing: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut buffer = Vec::with_capacity(BATCH);
        while let Ok(first) = messages.recv() {
            let (mut lines, mut flushes) = (0, Vec::new());
            let mut message = Some(first);
            while let Some(taken) = message {
                match taken {
                    Message::Line(record) => {
                        lines += u64::from(line::append(&record, self.identity, &mut buffer))
                    }
                    Message::Wake => {}
                    Message::Flush(done) => flushes.push(done),
                }
                message = if buffer.len() < BATCH { messages.try_recv().ok() } else { None };
            }
            self.write(&buffer, lines);
            buffer.clear();
            if self.reopen.swap(false, Ordering::AcqRel) {
                self.open_again();
            }
            for done in flushes {
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, buffer: &[u8], lines: u64) {
        if buffer.is_empty() {
            return;
        }
        // What was begun when the last write failed is not to spoil the next line.
        let separator: &[u8] = if self.is_failing { b"\n" } else { b"" };
        let written = self.output.write_all(separator).and_then(|()| self.output.write_all(buffer));
        match written.and_then(|()| self.output.flush()) {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "the access log cannot be written; requests go on without it");
                }
            }
        }
    }

    fn open_again(&mut self) {
        match self.target.open() {
            Ok(output) => (self.output, self.is_failing) = (output, false),
            Err(error) => {
                tracing::error!(%error, "the access log cannot be opened again; it goes on in the old file");
            }
        }
    }
}

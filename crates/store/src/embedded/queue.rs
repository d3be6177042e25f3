//! The bounded queue before a thread: who finds it full waits, so memory stays bounded.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;

/// The senders' side. It can be closed while others hold it.
pub(super) struct Queue<J>(Mutex<Option<mpsc::Sender<J>>>);

/// Where a job leaves its result.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

impl<J> Queue<J> {
    pub(super) fn bounded(capacity: usize) -> (Self, mpsc::Receiver<J>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(Mutex::new(Some(sender))), receiver)
    }

    /// Queues the job that `job` makes of a reply, and waits for what it replies.
    pub(super) async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> J) -> Result<T, Failure> {
        let sender = self.sender().clone().ok_or(Failure::Closed)?;
        let (reply, answer) = oneshot::channel();
        sender.send(job(reply)).await.map_err(|_| Failure::Closed)?;
        drop(sender); // or closing would wait for this caller to be polled again
        answer.await.map_err(|_| Failure::Closed)?
    }

    /// Takes no more; what is queued is still done.
    pub(super) fn close(&self) {
        drop(self.sender().take());
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<J>>> {
        // Whole at any moment: it is only ever cloned or taken.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

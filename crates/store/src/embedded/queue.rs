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

#[cfg(test)]
impl<J> Queue<J> {
    pub(super) fn queued(&self) -> usize {
        self.sender().as_ref().map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    pub(super) fn is_open(&self) -> bool {
        self.sender().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn who_finds_it_full_waits_until_there_is_room() {
        let (queue, mut jobs) = Queue::bounded(1);
        let mut now = Context::from_waker(Waker::noop());
        let mut first = pin!(queue.ask(|reply: Reply<u8>| reply));
        let mut second = pin!(queue.ask(|reply: Reply<u8>| reply));
        assert!(first.as_mut().poll(&mut now).is_pending());
        assert!(second.as_mut().poll(&mut now).is_pending());
        assert_eq!(jobs.len(), 1, "the second is not in the queue");

        assert!(jobs.recv().await.unwrap().send(Ok(1)).is_ok());
        assert!(second.as_mut().poll(&mut now).is_pending());
        assert!(jobs.recv().await.unwrap().send(Ok(2)).is_ok());
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (1, 2));
    }

    #[tokio::test]
    async fn a_thread_that_is_gone_is_an_error() {
        let (queue, jobs) = Queue::<Reply<()>>::bounded(1);
        drop(jobs);
        assert!(matches!(queue.ask(|reply| reply).await, Err(Failure::Closed)));
    }
}

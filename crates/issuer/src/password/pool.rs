//! Threads that hash, and a queue that refuses what they cannot do in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use super::{HashPolicy, Hasher};

/// Every thread is busy and the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are waiting to be checked")]
pub struct Overloaded {
    /// When it is worth trying again.
    pub retry_after: Duration,
}

/// How long a thread without work keeps its memory.
const KEEP_MEMORY: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Threads that do nothing but hash. Each has its own 19 MiB, so that memory does not grow with load,
/// and gives them back when nobody has logged in for a while. They run at a lower priority, so that a
/// flood of logins does not slow down everything else.
pub(crate) struct HashPool {
    jobs: SyncSender<Job>,
    computed: Arc<AtomicU64>,
}

impl HashPool {
    pub(crate) fn start(policy: HashPolicy) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(policy.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let computed = Arc::default();
        for worker in 0..policy.workers.max(1) {
            let queue = Arc::clone(&queue);
            let mut hasher = Hasher::new(policy, Arc::clone(&computed))?;
            std::thread::Builder::new().name(format!("password-{worker}")).spawn(move || {
                lower_priority();
                loop {
                    match next(&queue) {
                        // A bug in one hash must not cost a thread. Whoever waited for it is told that it was not done.
                        Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| job(&mut hasher)))),
                        Err(RecvTimeoutError::Timeout) => hasher.give_memory_back(),
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        }
        Ok(Self { jobs, computed })
    }

    /// How many hashes its threads have computed.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Runs `work` on a thread of the pool.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let overloaded = Overloaded { retry_after: Duration::from_secs(2) };
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            if !done.is_closed() {
                let _ = done.send(work(hasher)); // nobody waits any more: the answer is not needed
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => result.await.map_err(|_| overloaded),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(overloaded),
        }
    }
}

/// Waits for a job, for no longer than a thread keeps its memory for nothing.
fn next(queue: &Mutex<Receiver<Job>>) -> Result<Job, RecvTimeoutError> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(KEEP_MEMORY)
}

/// On Linux a thread's nice value is its own. Where it cannot be set, hashing competes as an equal.
fn lower_priority() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> HashPolicy {
        HashPolicy { memory_kib: 64, passes: 1, workers: 1, queue: 2 }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Arc::new(HashPool::start(policy()).unwrap());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, busy) = oneshot::channel();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move |_| {
                    let _ = started.send(());
                    let _ = held.recv();
                })
                .await
            }
        });
        busy.await.unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(pool.run(|_| ()))).collect();
        for job in &mut waiting {
            assert!(futures_poll(job.as_mut()).is_none());
        }
        assert!(pool.run(|_| ()).await.is_err());
        release.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        for job in waiting {
            assert!(job.await.is_ok());
        }
    }

    /// Polls once.
    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_no_thread() {
        let pool = HashPool::start(policy()).unwrap();
        assert!(pool.run(|_| panic!("on purpose")).await.map(|(): ()| ()).is_err());
        assert!(pool.run(|_| ()).await.is_ok());
    }
}

//! Requests that wait for a server with room: a few, for a moment, in the order they came.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};

use super::balance::NoPlace;
use crate::config::UpstreamLimits;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) limits: UpstreamLimits,
    waiting: AtomicUsize,
    /// Held by the first of those who wait, who alone looks for a place.
    first: Mutex<()>,
    freed: Notify,
}

impl Queue {
    pub(super) fn new(limits: UpstreamLimits) -> Self {
        Self { limits, waiting: AtomicUsize::new(0), first: Mutex::new(()), freed: Notify::new() }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// A place has become free.
    pub(super) fn freed(&self) {
        if self.waiting() > 0 {
            self.freed.notify_one();
        }
    }

    /// Waits until `find` finds something, or has another reason not to than that all is full.
    ///
    /// # Errors
    /// [`NoPlace::Full`] if too many wait already, or it has taken too long.
    pub(super) async fn wait<T>(&self, find: impl Fn() -> Result<T, NoPlace>) -> Result<T, NoPlace> {
        let _waiter = Waiter::join(self).ok_or(NoPlace::Full)?;
        let found = async {
            let _first = self.first.lock().await;
            loop {
                let mut freed = pin!(self.freed.notified());
                // What becomes free while it is looked for is heard of.
                freed.as_mut().enable();
                match find() {
                    Err(NoPlace::Full) => freed.await,
                    found => return found,
                }
            }
        };
        tokio::time::timeout(self.limits.wait, found).await.unwrap_or(Err(NoPlace::Full))
    }
}

/// One that waits, until it is dropped.
struct Waiter<'q>(&'q Queue);

impl<'q> Waiter<'q> {
    /// Those who are turned away are never counted: whoever sees none waiting need not wait.
    fn join(queue: &'q Queue) -> Option<Self> {
        let joined = |waiting| (waiting < queue.limits.waiting).then_some(waiting + 1);
        queue.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, joined).ok()?;
        Some(Self(queue))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, PoisonError};
    use std::time::Duration;

    use tokio::task::{JoinHandle, yield_now};

    use super::*;

    /// A queue for places that the test frees one by one, and who got them.
    struct Fixture {
        queue: Arc<Queue>,
        free: Arc<AtomicUsize>,
        served: Arc<std::sync::Mutex<Vec<usize>>>,
    }

    impl Fixture {
        fn new(waiting: usize, wait: Duration) -> Self {
            let limits = UpstreamLimits { requests: 1, waiting, wait };
            Self { queue: Arc::new(Queue::new(limits)), free: Arc::default(), served: Arc::default() }
        }

        /// One more that waits.
        async fn join(&self, name: usize) -> JoinHandle<Result<(), NoPlace>> {
            let (queue, free, served) =
                (Arc::clone(&self.queue), Arc::clone(&self.free), Arc::clone(&self.served));
            let task = tokio::spawn(async move {
                let take =
                    || free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1));
                let found = queue.wait(|| take().map(|_| ()).map_err(|_| NoPlace::Full)).await;
                if found.is_ok() {
                    served.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                }
                found
            });
            yield_now().await;
            task
        }

        fn free_one(&self) {
            self.free.fetch_add(1, Ordering::SeqCst);
            self.queue.freed();
        }
    }

    #[tokio::test]
    async fn places_go_to_those_who_wait_in_the_order_they_came() {
        let fixture = Fixture::new(5, Duration::from_secs(60));
        let mut tasks = Vec::new();
        for name in 0..5 {
            tasks.push(fixture.join(name).await);
        }
        assert_eq!(fixture.queue.waiting(), 5);
        assert_eq!(fixture.join(5).await.await.unwrap(), Err(NoPlace::Full), "that is one too many");
        // The first goes away, and leaves its turn to the next.
        tasks.remove(0).abort();
        // Two at once, told or not.
        fixture.free.fetch_add(1, Ordering::SeqCst);
        fixture.free_one();
        fixture.free_one();
        fixture.free_one();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(*fixture.served.lock().unwrap(), [1, 2, 3, 4]);
        assert_eq!(fixture.queue.waiting(), 0);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_or_for_what_does_not_come() {
        let fixture = Fixture::new(5, Duration::from_millis(1));
        assert_eq!(fixture.join(0).await.await.unwrap(), Err(NoPlace::Full));
        let down = fixture.queue.wait(|| Err::<(), _>(NoPlace::Down)).await;
        assert_eq!(down, Err(NoPlace::Down));
        assert_eq!(fixture.queue.waiting(), 0);
    }
}

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The tasks of a guard. They end when the last clone of this is dropped, or earlier when told to.
#[derive(Clone)]
pub(crate) struct Background {
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: Arc<DropGuard>,
}

impl Background {
    pub(crate) fn new() -> Self {
        let stop = CancellationToken::new();
        let stop_on_drop = Arc::new(stop.clone().drop_guard());
        Background { tasks: TaskTracker::new(), stop, _stop_on_drop: stop_on_drop }
    }

    /// Runs a task, which must not hold a clone of this.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Ends all tasks and waits until they have ended.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

//! Responses that the client of an HTTP/2 connection does not take.
//!
//! A client may leave a stream without a window for as long as it likes and answer pings all the same. Its connection
//! moves then, and the engine does not ask for the body at all, so neither could notice. Somebody else looks at such
//! bodies once a second, in a task that a connection has only while it sends any.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::response::Sending;
use crate::client::ClientConnection;
use crate::serve::CONCURRENT_STREAMS;

/// Between two looks, unless the limit is shorter than that.
const INTERVAL: Duration = Duration::from_secs(1);

/// Since when there has been something to take and nobody took it. It is not so while the server is waited for.
#[derive(Debug, Default)]
pub(super) struct Untaken(Option<Instant>);

impl Untaken {
    /// Nobody has asked for anything yet.
    pub(super) fn begin(&mut self) {
        self.0 = Some(Instant::now());
    }

    /// The engine asked, and this was the answer.
    pub(super) fn polled<T>(&mut self, answer: &Poll<T>) {
        self.0 = answer.is_ready().then(Instant::now);
    }

    pub(super) fn so_long(&self) -> Option<Duration> {
        self.0.map(|since| since.elapsed())
    }
}

/// The bodies that a connection is sending.
#[derive(Debug, Default)]
pub(crate) struct Overseen(Mutex<Bodies>);

#[derive(Debug, Default)]
struct Bodies {
    sending: Vec<Weak<Mutex<Sending>>>,
    /// Somebody looks after them.
    looked_after: bool,
}

impl Overseen {
    /// Adds a body. True if there has to be a task from now on that [`looks`](Self::look) at them.
    fn add(&self, body: &Arc<Mutex<Sending>>) -> bool {
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have been sent since the last look: there are no more streams at a time than this.
        if bodies.sending.len() >= 2 * CONCURRENT_STREAMS as usize {
            bodies.sending.retain(|body| body.strong_count() > 0);
        }
        bodies.sending.push(Arc::downgrade(body));
        !std::mem::replace(&mut bodies.looked_after, true)
    }

    /// Ends those that were not taken for so long. False once there is none left to look at.
    fn look(&self, limit: Duration) -> bool {
        let mut bodies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody who is asked here has to wake anybody: each look asks again.
        let mut cx = Context::from_waker(Waker::noop());
        bodies.sending.retain(|body| {
            let Some(body) = body.upgrade() else { return false };
            body.lock().unwrap_or_else(PoisonError::into_inner).end_untaken(limit, &mut cx);
            true
        });
        bodies.looked_after = !bodies.sending.is_empty();
        bodies.looked_after
    }
}

/// Has a body looked at for as long as the connection sends it.
pub(super) fn oversee(connection: &Arc<ClientConnection>, body: &Arc<Mutex<Sending>>, limit: Duration) {
    if connection.overseen.add(body) {
        tokio::spawn(look_after(Arc::downgrade(connection), limit));
    }
}

async fn look_after(connection: Weak<ClientConnection>, limit: Duration) {
    let interval = INTERVAL.min(limit / 2);
    loop {
        tokio::time::sleep(interval).await;
        let Some(connection) = connection.upgrade() else { return };
        if !connection.overseen.look(limit) {
            return;
        }
    }
}

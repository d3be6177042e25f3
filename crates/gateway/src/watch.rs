//! Asking again whether a token is good, for as long as what it opened goes on.
//!
//! A request is admitted in a moment; a WebSocket, an event stream or a download lasts. So that nothing
//! outlives the token that opened it, the guard is asked again once a second, which it answers from memory.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gatepass_guard::{Admitted, Denied, StalePolicy};
use http::HeaderValue;
use tokio::time::{Instant, Sleep};

use crate::gateway::Shared;

/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// The token that opened a stream. Costs nothing until it is polled, which what ends at once never does.
pub(crate) struct Watch {
    opened: Arc<Opened>,
    timer: Option<Pin<Box<Sleep>>>,
    asking: Option<BoxFuture<'static, Option<Denied>>>,
}

/// What the watches of one request share.
struct Opened {
    shared: Arc<Shared>,
    /// As the client sent it: a reference to those bytes, no copy. `None` where a ticket opened the stream.
    authorization: Option<HeaderValue>,
    admitted: Admitted,
    /// What its route says.
    on_stale: Option<Arc<StalePolicy>>,
    /// What any of them has found: where both directions are watched, one that ends tears the other away
    /// from its server, and is to end it for the same reason.
    ended: OnceLock<Denied>,
}

impl Watch {
    pub(crate) fn new(
        shared: Arc<Shared>,
        authorization: Option<HeaderValue>,
        admitted: Admitted,
        on_stale: Option<Arc<StalePolicy>>,
    ) -> Self {
        let ended = OnceLock::new();
        let opened = Opened { shared, authorization, admitted, on_stale, ended };
        Self { opened: Arc::new(opened), timer: None, asking: None }
    }

    /// Ready with the reason once the token is good no longer. What is configured by then decides: a token
    /// of an issuer that is trusted no more ends its streams, too.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Denied> {
        loop {
            if let Some(denied) = self.opened.ended.get() {
                return Poll::Ready(denied.clone());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(INTERVAL)));
            if let Some(asking) = &mut self.asking {
                let denied = ready!(asking.as_mut().poll(cx));
                self.asking = None;
                timer.as_mut().reset(Instant::now() + INTERVAL);
                if let Some(denied) = denied {
                    self.opened.end(denied);
                    continue;
                }
            }
            ready!(timer.as_mut().poll(cx));
            let opened = Arc::clone(&self.opened);
            self.asking = Some(async move { opened.ask().await.err() }.boxed());
        }
    }
}

impl Opened {
    async fn ask(&self) -> Result<(), Denied> {
        let (guards, on_stale) = (&self.shared.state.load_full().guards, self.on_stale.as_deref());
        let Some(authorization) = &self.authorization else {
            return guards.verify_opened(&self.admitted, on_stale);
        };
        let token = authorization.to_str().ok().and_then(|value| value.split_once(' '));
        let (_, token) = token.ok_or(Denied::Missing)?;
        guards.verify_again(&self.admitted, token.trim_matches(' '), on_stale).await
    }

    fn end(&self, denied: Denied) {
        if self.ended.set(denied.clone()).is_ok() {
            self.shared.counters.refusals.count_ended(&denied);
            denied.audit("a stream that it opened", Some(&self.admitted));
        }
    }
}

/// The same token's, with a timer of its own. What one finds, the other knows.
impl Clone for Watch {
    fn clone(&self) -> Self {
        Self { opened: Arc::clone(&self.opened), timer: None, asking: None }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.opened.admitted.sub)
    }
}

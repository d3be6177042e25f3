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
    shared: Arc<Shared>,
    /// As the client sent it: a reference to those bytes, no copy. `None` where a ticket opened the stream.
    authorization: Option<HeaderValue>,
    admitted: Admitted,
    /// What its route says.
    on_stale: Option<Arc<StalePolicy>>,
    timer: Option<Pin<Box<Sleep>>>,
    asking: Option<BoxFuture<'static, Option<Denied>>>,
    /// What any of its clones has found: where both directions are watched, one that ends tears the other away
    /// from its server, and is to end it for the same reason.
    ended: Arc<OnceLock<Denied>>,
}

impl Watch {
    pub(crate) fn new(
        shared: Arc<Shared>,
        authorization: Option<HeaderValue>,
        admitted: Admitted,
        on_stale: Option<Arc<StalePolicy>>,
    ) -> Self {
        let ended = Arc::default();
        Self { shared, authorization, admitted, on_stale, timer: None, asking: None, ended }
    }

    /// Ready with the reason once the token is good no longer. What is configured by then decides: a token
    /// of an issuer that is trusted no more ends its streams, too.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Denied> {
        loop {
            if let Some(denied) = self.ended.get() {
                return Poll::Ready(denied.clone());
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(INTERVAL)));
            if let Some(asking) = &mut self.asking {
                let denied = ready!(asking.as_mut().poll(cx));
                self.asking = None;
                timer.as_mut().reset(Instant::now() + INTERVAL);
                if let Some(denied) = denied {
                    if self.ended.set(denied.clone()).is_ok() {
                        self.shared.counters.count_ended();
                        denied.audit("a stream that it opened", Some(&self.admitted));
                    }
                    continue;
                }
            }
            ready!(timer.as_mut().poll(cx));
            let Self { authorization, admitted, on_stale, .. } = self.clone();
            let shared = Arc::clone(&self.shared);
            let ask = async move { ask(&shared, authorization.as_ref(), &admitted, on_stale).await.err() };
            self.asking = Some(ask.boxed());
        }
    }
}

async fn ask(
    shared: &Shared,
    authorization: Option<&HeaderValue>,
    admitted: &Admitted,
    on_stale: Option<Arc<StalePolicy>>,
) -> Result<(), Denied> {
    let Some(authorization) = authorization else {
        return shared.state.load_full().guards.verify_opened(admitted, on_stale.as_deref());
    };
    let token = authorization.to_str().ok().and_then(|value| value.split_once(' '));
    let (_, token) = token.ok_or(Denied::Missing)?;
    shared.state.load_full().guards.verify_again(admitted, token.trim_matches(' '), on_stale.as_deref()).await
}

/// The same token's, with a timer of its own. What one finds, the other knows.
impl Clone for Watch {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            authorization: self.authorization.clone(),
            admitted: self.admitted.clone(),
            on_stale: self.on_stale.clone(),
            timer: None,
            asking: None,
            ended: Arc::clone(&self.ended),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.admitted.sub)
    }
}

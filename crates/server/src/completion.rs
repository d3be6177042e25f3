//! How long an answer may take, and what becomes of a change whose client has gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::runtime::Handle;
use tracing::{Instrument, Span};

use crate::problem::Problem;
use crate::server::Server;

/// Answers within the configured time, and carries every change through to its end.
///
/// A connection that breaks takes its request's future with it. Dropped between the moment a
/// revocation is durable and the moment the feed is told, that would leave guards admitting what is
/// revoked. So whatever may change something goes on when it is dropped, in a task of its own.
pub(crate) async fn carry_through(server: &Server, request: Request, next: Next) -> Response {
    let limit = server.config.request_timeout;
    let answered = match request.method().is_safe() {
        true => tokio::time::timeout(limit, next.run(request)).await,
        false => tokio::time::timeout(limit, Carried::new(next.run(request))).await,
    };
    answered.unwrap_or_else(|_| {
        let detail = "the answer took too long; what was asked for may have been done";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
    })
}

/// Work that is not lost with whoever waits for it. A task of its own from the start would cost every request two
/// changes of threads.
struct Carried<F: Future<Output: Send> + Send + 'static> {
    /// `None` when it has ended, well or in a panic.
    work: Option<Pin<Box<F>>>,
    span: Span,
}

impl<F: Future<Output: Send> + Send + 'static> Carried<F> {
    fn new(work: F) -> Self {
        Self { work: Some(Box::pin(work)), span: Span::current() }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Carried<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Carried<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(work.instrument(self.span.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_goes_on() {
        let (asked, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = {
            let (asked, done) = (Arc::clone(&asked), Arc::clone(&done));
            async move {
                asked.notified().await;
                done.notify_one();
            }
        };
        let mut carried = Box::pin(Carried::new(work));
        assert!(futures_util::poll!(carried.as_mut()).is_pending());
        drop(carried);
        asked.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    async fn what_has_ended_is_not_done_again() {
        let count = Arc::new(AtomicUsize::new(0));
        let work = |panics: bool| {
            let count = Arc::clone(&count);
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                assert!(!panics, "as a fault would");
            }
        };
        Carried::new(work(false)).await;
        let mut faulty = Box::pin(Carried::new(work(true)));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(catch_unwind(AssertUnwindSafe(|| faulty.as_mut().poll(&mut context))).is_err());
        drop(faulty);
        tokio::task::yield_now().await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}

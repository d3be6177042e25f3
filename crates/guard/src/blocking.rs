//! A guard for programs without an async runtime.
//!
//! ```no_run
//! use std::time::Duration;
//! use gatepass_guard::{Feed, IssuerConfig, OnStale, Revocation, WhenStale, blocking::Guard};
//!
//! let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Deny };
//! let guard = Guard::start([IssuerConfig::new(
//!     "https://auth.example.com",
//!     ["https://api.example.com"],
//!     Revocation::Feed(Feed::new(on_stale)),
//! )])?;
//! guard.ready();
//! # let token = "";
//! let admitted = guard.verify(token)?;
//! println!("{} may {}", admitted.sub, admitted.scope);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Runtime};

use crate::{Admitted, Challenge, Denied, GuardedRequest, IssuerConfig, StartError, Status};

/// Verifies access tokens for a resource server, on the thread that asks.
///
/// Like [`gatepass_guard::Guard`](crate::Guard), with a thread of its own for what happens in the background.
/// Verifying a token is a matter of memory and arithmetic on the caller's thread, which waits for that other
/// thread only where an issuer has to be asked first.
///
/// Cloning shares everything. When the last clone is dropped, the thread ends.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    guard: crate::Guard,
    /// Taken when this is dropped, and only then.
    runtime: Option<Runtime>,
}

impl Guard {
    /// Checks the configuration and starts the background thread. It waits for no issuer; see
    /// [`ready`](Self::ready).
    ///
    /// # Errors
    /// [`StartError`] for a configuration that leaves open whom to trust, or for what, and when no thread can
    /// be started.
    pub fn start(issuers: impl IntoIterator<Item = IssuerConfig>) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("gatepass-guard")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let guard = wait_for(&runtime, crate::Guard::start(issuers))?;
        Ok(Guard(Arc::new(Inner { guard, runtime: Some(runtime) })))
    }

    /// As [`Guard::verify`](crate::Guard::verify).
    ///
    /// # Errors
    /// [`Denied`] with the first check that failed.
    pub fn verify(&self, token: &str) -> Result<Admitted, Denied> {
        self.wait_for(self.0.guard.verify(token))
    }

    /// As [`Guard::authenticate`](crate::Guard::authenticate).
    ///
    /// # Errors
    /// [`Denied`] with the first check that failed.
    pub fn authenticate(&self, request: &GuardedRequest<'_>) -> Result<Admitted, Denied> {
        self.wait_for(self.0.guard.authenticate(request))
    }

    /// Waits until every issuer's keys are there and every feed's first snapshot is loaded.
    pub fn ready(&self) {
        self.wait_for(self.0.guard.ready());
    }

    /// How it stands with every issuer.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.guard.status()
    }

    /// As [`Guard::challenge`](crate::Guard::challenge).
    #[must_use]
    pub fn challenge(&self) -> Challenge {
        self.0.guard.challenge()
    }

    fn wait_for<F: Future>(&self, future: F) -> F::Output {
        match &self.0.runtime {
            Some(runtime) => wait_for(runtime, future),
            // Never: the runtime is there as long as anybody can ask. Without one, what needs none still ends.
            None => park_until_done(future),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which must not happen inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.guard.fmt(f)
    }
}

/// Runs a future on this thread, with the timers and sockets of `runtime`.
fn wait_for<F: Future>(runtime: &Runtime, future: F) -> F::Output {
    let _context = runtime.enter();
    park_until_done(future)
}

/// The runtime's own way to wait panics on a thread that belongs to another runtime. Waiting there is a
/// mistake as well, but not one to die of.
fn park_until_done<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

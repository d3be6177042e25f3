//! The present. Everything else in this crate is told what time it is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use gatepass_jose::Timestamp;

/// Tells the time. Each request asks once and does everything at that instant.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        #[allow(clippy::disallowed_methods)] // the server is the driver that reads the clock, here alone
        Self::new(|| SystemTime::now().into())
    }

    /// A clock that asks `now`, for tests that move through time.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(..)")
    }
}

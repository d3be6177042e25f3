//! The one place of this crate that reads the wall clock, for those who read of a request later. What is
//! measured is measured with `Instant`.

use std::time::SystemTime;

/// The present.
pub(crate) fn now() -> SystemTime {
    #[allow(clippy::disallowed_methods)] // the edge: whatever happens to a request happens about now
    SystemTime::now()
}

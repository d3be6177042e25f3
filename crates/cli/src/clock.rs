//! The one place of the binary that reads the clock.

use std::time::SystemTime;

use gatepass_jose::Timestamp;

/// The present.
pub(crate) fn now() -> Timestamp {
    #[allow(clippy::disallowed_methods)] // the edge: everything below is told the time
    SystemTime::now().into()
}

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use gatepass_jose::Timestamp;

/// The one place where this crate reads the time.
///
/// Two clocks, because two questions are asked. A token's `exp` is compared with the wall clock, which
/// may be set. How stale a view is must never look better than it is, so it is measured with a clock that
/// only goes forward, and that also counts the time in which the machine was suspended and its monotonic
/// clock stood still.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Timestamp,
    /// How far the wall clock was ahead of the monotonic one when last it jumped, in milliseconds.
    offset: AtomicI64,
    /// The sum of all jumps ahead so far.
    jumped: AtomicI64,
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// What the calendar says.
    pub(crate) wall: Timestamp,
    /// Never earlier than a reading before; its distance to one is at least the time that passed.
    pub(crate) steady: Timestamp,
}

/// The clocks drift apart by less than this between two readings, unless one of them jumped.
const JUMP_MILLIS: i64 = 1_000;

impl Clock {
    pub(crate) fn start() -> Self {
        Clock {
            started: Instant::now(),
            started_at: wall(),
            offset: AtomicI64::new(0),
            jumped: AtomicI64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = wall();
        let monotonic = self.started_at.saturating_add(self.started.elapsed());
        let offset = wall.as_millis().saturating_sub(monotonic.as_millis());
        let jumped = self.count_jump(offset);
        Now { wall, steady: Timestamp::from_millis(monotonic.as_millis().saturating_add(jumped)) }
    }

    /// A wall clock that jumped ahead may mean that the machine slept; one set back means nothing.
    fn count_jump(&self, offset: i64) -> i64 {
        let before = self.offset.load(Ordering::Relaxed);
        let ahead = offset.saturating_sub(before);
        if ahead.abs() > JUMP_MILLIS
            && self.offset.compare_exchange(before, offset, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.jumped.fetch_add(ahead.max(0), Ordering::AcqRel);
        }
        self.jumped.load(Ordering::Acquire)
    }
}

#[allow(clippy::disallowed_methods)] // this is the driver at the edge: `now` begins here
fn wall() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_jumps_ahead_count_and_each_once() {
        let clock = Clock::start();
        let readings = [
            ("together", 0, 0),
            ("drift", 900, 0),
            ("ten_seconds_asleep", 10_000, 10_000),
            ("awake_again", 10_400, 10_000),
            ("set_back_an_hour", -3_590_000, 10_000),
            ("asleep_once_more", -3_585_000, 15_000),
            ("set_right", 10_000, 3_610_000),
        ];
        for (name, offset, jumped) in readings {
            assert_eq!(clock.count_jump(offset), jumped, "{name}");
        }
    }

    #[test]
    fn the_steady_clock_never_goes_back() {
        let clock = Clock::start();
        let mut last = clock.now().steady;
        for _ in 0..1_000 {
            let now = clock.now().steady;
            assert!(now >= last);
            last = now;
        }
    }
}

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How long to wait before the next try: twice as long after every failure, up to a limit, and at random
/// between half of it and all of it, so that a thousand guards do not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        Backoff { first, last, next: first }
    }

    /// The wait after one more failure.
    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.last);
        jittered(wait)
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Between half of `duration` and all of it.
pub(crate) fn jittered(duration: Duration) -> Duration {
    // The keys of a new hash state are random; that is enough to spread out retries.
    let random = RandomState::new().hash_one(0) >> 32;
    duration / 2 + (duration / 2).mul_f64(random as f64 / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_success() {
        let millis = Duration::from_millis;
        let mut backoff = Backoff::new(millis(100), millis(5_000));
        for limit in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let wait = backoff.wait();
            assert!(wait >= millis(limit / 2) && wait <= millis(limit), "{wait:?} of {limit} ms");
        }
        backoff.reset();
        assert!(backoff.wait() <= millis(100));
    }
}

//! A guard's two clocks, as `gatepass-guard` reads them: the wall clock, which may be set, and the steady one.

use gatepass_jose::Timestamp;

use super::HEALED;
use super::world::Chance;

/// A jump of the wall clock by more than this is taken for a sleep.
const JUMP: i64 = 1_000;
/// No wall clock is further off than this.
const OFF: i64 = 60_000;

pub(super) struct Clock {
    /// How far the steady clock, which only goes forward, is ahead of the true time.
    steady: i64,
    /// How far the wall clock is ahead of the true time.
    wall: i64,
    /// By so many thousandths the steady clock is quick or, below zero, slow.
    pace: i64,
}

impl Clock {
    pub(super) fn new(chance: &mut Chance) -> Self {
        Clock { steady: chance.pick(-1_000_000..1_000_000), wall: 0, pace: chance.pick(-2..3) }
    }

    /// Somebody's hand on the wall clock, now and then; in the end it is right. `true` if it was set.
    pub(super) fn step(&mut self, chance: &mut Chance, now: i64) -> bool {
        let before = self.wall;
        if now >= HEALED {
            self.set(0);
        } else if chance.once_in(400) {
            self.set(chance.pick(-OFF..OFF));
        }
        self.wall != before
    }

    fn set(&mut self, wall: i64) {
        let ahead = wall - self.wall;
        self.wall = wall;
        if ahead > JUMP {
            // The machine may have slept for so long.
            self.steady += ahead;
        }
    }

    pub(super) fn steady(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.steady + now * self.pace / 1_000)
    }

    pub(super) fn wall(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(now + self.wall)
    }

    /// What a span of so long may be taken for less by, because the clock is slow.
    pub(super) fn lost(&self, span: i64) -> i64 {
        if self.pace < 0 { span * -self.pace / 1_000 + 1 } else { 0 }
    }
}

//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A stream of numbers from a seed (SplitMix64). `GATEPASS_SEED` repeats an earlier run's.
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Takes the seed from the environment or makes one, and says which in the test's output.
    pub fn new() -> Self {
        let given = std::env::var("GATEPASS_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("GATEPASS_SEED is a number"),
            None => RandomState::new().hash_one(std::process::id()),
        };
        eprintln!("GATEPASS_SEED={seed}");
        Self { state: seed }
    }

    /// A number of the range, every one about as likely as another.
    pub fn pick(&mut self, range: Range<u64>) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        range.start + (mixed ^ (mixed >> 31)) % (range.end - range.start)
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

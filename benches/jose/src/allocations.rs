//! Counts what our side of the tables allocates, and prints lines of an algorithm, an operation and a number.
//!
//! A program of its own: counting costs time, which must not be in anybody's measurement.

use anyhow::Result;
use gatepass_bench_jose::{Ours, ours};

/// As many calls as there are tokens.
const CALLS: usize = 16;

fn main() -> Result<()> {
    let all = Ours::new()?;
    for sample in &all.signatures {
        count(sample.alg.name(), "borrowed", ours::borrowed(sample));
        count(sample.alg.name(), "owned", ours::owned(sample));
        count(sample.alg.name(), "sign", ours::sign(sample));
    }
    for envelope in &all.envelopes {
        count(&envelope.alg, "decrypt", ours::decrypt(envelope));
        count(&envelope.alg, "encrypt", ours::encrypt(envelope));
    }
    Ok(())
}

fn count(alg: &str, operation: &str, mut run: impl FnMut(usize) -> u64) {
    run(0); // buffers that are kept are there, and the header is known
    let counted = allocation_counter::measure(|| {
        (0..CALLS).for_each(|call| {
            std::hint::black_box(run(call));
        });
    });
    println!("{alg} {operation} {}", counted.count_total as f64 / CALLS as f64);
}

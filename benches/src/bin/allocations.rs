//! Counts the bytes of a revocation view, and prints lines of a subject, an operation and a number.
//!
//! A program of its own: counting costs time, which must not be in anybody's measurement.

use anyhow::Result;
use gatepass_bench::revoked::{ENTRIES, Mix, entry, snapshot};
use gatepass_revocation::View;

fn main() -> Result<()> {
    for (name, mix) in [("tokens", Mix::Tokens), ("every-kind", Mix::EveryKind)] {
        let snapshot = snapshot(mix);
        let view = View::new();
        let counted = allocation_counter::measure(|| view.load(&snapshot));
        println!("view {name} {:.2}", counted.bytes_current as f64 / view.len() as f64);
    }
    let view = View::new();
    let (mut held, mut most) = (0, 0.0_f64);
    for number in 0..ENTRIES {
        let entry = entry(Mix::Tokens, number);
        let counted = allocation_counter::measure(|| view.apply(&entry));
        held += counted.bytes_current;
        if number > ENTRIES / 2 {
            let peak = held - counted.bytes_current + i64::try_from(counted.bytes_max)?;
            most = most.max(peak.max(held) as f64 / view_len(number));
        }
    }
    println!("view one-by-one {most:.2}");
    Ok(())
}

fn view_len(number: u64) -> f64 {
    (number + 1) as f64
}

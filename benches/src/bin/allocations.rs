//! Counts what is allocated, and prints lines of a subject, an operation and a number.
//!
//! A program of its own: counting costs time, which must not be in anybody's measurement.

use anyhow::{Result, bail};
use gatepass_bench::claims::BorrowedClaims;
use gatepass_bench::revoked::{ENTRIES, Mix, entry, snapshot};
use gatepass_bench::sample::{ALGS, NOW, Sample};
use gatepass_jose::{Scratch, Typ, jwt};
use gatepass_revocation::View;
use gatepass_token::AccessClaims;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tokens") => tokens(),
        Some("view") => view(),
        _ => bail!("give `tokens` or `view`"),
    }
}

/// Allocations per operation.
fn tokens() -> Result<()> {
    for alg in ALGS {
        let sample = Sample::new(alg)?;
        let mut scratch = Scratch::default();
        let count = |operation: &str, run: &mut dyn FnMut(usize)| {
            run(0); // buffers that are kept are there, and the header is known
            let counted = allocation_counter::measure(|| (0..sample.tokens.len()).for_each(&mut *run));
            println!("{alg} {operation} {}", counted.count_total as f64 / sample.tokens.len() as f64);
        };
        count("borrowed", &mut |at| {
            let verified =
                sample.verifier.verify_in::<BorrowedClaims<'_>>(&sample.tokens[at], NOW, &mut scratch);
            drop(std::hint::black_box(verified));
        });
        count("owned", &mut |at| {
            drop(std::hint::black_box(sample.verifier.verify::<AccessClaims>(&sample.tokens[at], NOW)));
        });
        count("sign", &mut |at| {
            drop(std::hint::black_box(jwt::sign(&Typ::ACCESS_TOKEN, &sample.claims[at], &sample.signer)));
        });
    }
    Ok(())
}

/// Bytes per entry.
fn view() -> Result<()> {
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

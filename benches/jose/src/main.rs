//! `cargo xtask bench [tokens] [hostile] [tricks] [encryption] [--quick]`: what verifying, signing,
//! encrypting and decrypting take, here and in other libraries, in one interleaved run.

mod encryptions;
mod grid;
mod hostile;
mod paper;
mod peers;
mod remote;
mod signatures;
mod targets;
mod tricks;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use gatepass_bench::place::{Place, in_place};
use gatepass_bench::program::Counted;
use gatepass_bench::rounds::Effort;
use gatepass_bench_jose::Ours;

use crate::peers::Sitting;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The tables, in the order in which they are made.
const SECTIONS: [&str; 4] = ["tokens", "tricks", "hostile", "encryption"];

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: impl Iterator<Item = String>) -> Result<()> {
    let (mut chosen, mut quick) = (Vec::new(), false);
    for arg in args {
        match arg.as_str() {
            "--quick" => quick = true,
            section if SECTIONS.contains(&section) => chosen.push(arg),
            other => bail!("{other} is not measured; give any of {} and --quick", SECTIONS.join(", ")),
        }
    }
    let is_chosen = |section: &str| chosen.is_empty() || chosen.iter().any(|name| name == section);
    let chosen = SECTIONS.into_iter().filter(|section| is_chosen(section)).collect::<Vec<_>>();
    let (rounds, millis) = if quick { (7, 2) } else { (51, 4) };
    measure(&chosen, Effort { rounds, slice: Duration::from_millis(millis) })
}

fn measure(sections: &[&str], effort: Effort) -> Result<()> {
    let ours = Ours::new()?;
    let compares = sections.iter().any(|section| ["tokens", "encryption"].contains(section));
    // Built wherever there is room, run where everybody else runs.
    let others = match compares {
        true => Some((Counted::ask("gatepass-bench-jose", "tokens-allocations")?, peers::find())),
        false => None,
    };
    in_place(Place::Measured, || {
        let exam = paper::exam(&ours)?;
        let mut sitting = Vec::new();
        for found in others.iter().flat_map(|(_, found)| found) {
            sitting.push(found.sit(&exam)?);
        }
        for section in sections {
            let counted = others.as_ref().map(|(counted, _)| counted);
            print(section, &ours, counted, &mut sitting, effort)?;
        }
        Ok(())
    })
}

fn print(
    section: &str,
    ours: &Ours,
    counted: Option<&Counted>,
    peers: &mut [Sitting],
    effort: Effort,
) -> Result<()> {
    match (section, counted) {
        ("tokens", Some(counted)) => signatures::run(ours, counted, peers, effort),
        ("encryption", Some(counted)) => encryptions::run(ours, counted, peers, effort),
        ("tricks", _) => tricks::run(ours, effort),
        _ => hostile::run(&ours.signatures, effort),
    }
}

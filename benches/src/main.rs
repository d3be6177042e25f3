//! `cargo xtask bench [tokens] [revocation] [server] [gateway] [latency] [--quick]`: prints what
//! gatepass costs on this machine, as ratios to what cannot be avoided.
//!
//! Absolute figures drift from machine to machine and from hour to hour: contestants run in
//! interleaved rounds, what counts is CPU time where one process can be told from the others, and
//! the figure to quote is the ratio.

mod gatepass;
mod gateway;
mod latency;
mod load;
mod peers;
mod process;
mod proxies;
mod raw;
mod revocation;
mod rounds;
mod server;
mod table;
mod tokens;

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::{Place, in_place};
use crate::rounds::Effort;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The parts of the program, in the order in which they run.
const SECTIONS: [&str; 5] = ["tokens", "revocation", "server", "gateway", "latency"];

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
    print_machine();
    for section in SECTIONS {
        if chosen.is_empty() || chosen.iter().any(|name| name == section) {
            measure(section, quick)?;
        }
    }
    Ok(())
}

fn measure(section: &str, quick: bool) -> Result<()> {
    let effort = |rounds, millis| Effort { rounds, slice: Duration::from_millis(millis) };
    let in_process = if quick { effort(7, 2) } else { effort(51, 4) };
    let over_http = if quick { effort(3, 300) } else { effort(7, 1000) };
    match section {
        "tokens" => tokens::run(in_process),
        "revocation" => revocation::run(in_process),
        "server" => beside(server::run(over_http)),
        "gateway" => beside(gateway::run(over_http)),
        _ => runtime()?.block_on(latency::run()),
    }
}

/// Runs a client out of the way of what it measures.
fn beside(work: impl Future<Output = Result<()>>) -> Result<()> {
    in_place(Place::Beside, || runtime()?.block_on(work))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn print_machine() {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\t: unknown");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("gatepass on {} with {cores} cores", model.trim_start_matches(['\t', ' ', ':']));
    println!("busy before this began: load average {}\n", load.split(' ').next().unwrap_or("unknown"));
}

//! `cargo xtask bench [tokens] [tricks] [hostile] [encryption] [revocation] [seen] [server] [servers]
//! [behaviour] [gateway] [latency] [fanout] [soak] [--quick]`: prints what gatepass costs on this machine, as ratios to what cannot be
//! avoided.
//!
//! Absolute figures drift from machine to machine and from hour to hour: contestants run in
//! interleaved rounds, what counts is CPU time where one process can be told from the others, and
//! the figure to quote is the ratio.

mod behaviour;
mod fanout;
mod gatepass;
mod gateway;
mod latency;
mod load;
mod operation;
mod process;
mod proxies;
mod raw;
mod revocation;
mod seen;
mod server;
mod servers;

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use gatepass_bench::place::{Place, in_place};
use gatepass_bench::program;
use gatepass_bench::rounds::Effort;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The tables of the program in `jose`, which builds other libraries to compare with.
const OF_JOSE: [&str; 4] = ["tokens", "tricks", "hostile", "encryption"];
/// The tables of this program, in the order in which they are made, after those.
const SECTIONS: [&str; 8] =
    ["revocation", "seen", "server", "servers", "behaviour", "gateway", "latency", "fanout"];
/// Ten minutes long, and made when it is asked for.
const SOAK: &str = "soak";

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
            section if OF_JOSE.contains(&section) || SECTIONS.contains(&section) => chosen.push(arg),
            SOAK => chosen.push(arg),
            other => {
                let known = [OF_JOSE.as_slice(), SECTIONS.as_slice(), &[SOAK]].concat().join(", ");
                bail!("{other} is not measured; give any of {known} and --quick")
            }
        }
    }
    let is_chosen = |section: &&str| chosen.is_empty() || chosen.iter().any(|name| name == section);
    print_machine();
    let of_jose: Vec<_> = OF_JOSE.into_iter().filter(is_chosen).collect();
    if !of_jose.is_empty() {
        let mut program = Command::new(program::build("gatepass-bench-jose", "tokens")?);
        let status = program.args(of_jose).args(quick.then_some("--quick")).status()?;
        ensure!(status.success(), "the token tables could not be made");
    }
    SECTIONS.into_iter().filter(is_chosen).try_for_each(|section| measure(section, quick))?;
    if chosen.iter().any(|section| section == SOAK) { measure(SOAK, quick) } else { Ok(()) }
}

fn measure(section: &str, quick: bool) -> Result<()> {
    let effort = |rounds, millis| Effort { rounds, slice: Duration::from_millis(millis) };
    let in_process = if quick { effort(7, 2) } else { effort(51, 4) };
    let over_http = if quick { effort(3, 300) } else { effort(7, 1000) };
    match section {
        "revocation" => revocation::run(in_process),
        "seen" => seen::run(in_process),
        "server" => run_in(Place::Beside, server::run(over_http)),
        "servers" => run_in(Place::Beside, servers::run(over_http)),
        "behaviour" => run_in(Place::Beside, behaviour::run()),
        "gateway" => run_in(Place::Measured, gateway::run(over_http)),
        SOAK => run_in(
            Place::Beside,
            server::soak::run(if quick { effort(3, 20_000) } else { effort(10, 60_000) }),
        ),
        "latency" => runtime()?.block_on(latency::run()),
        _ => {
            let (alone, seconds) = if quick { (10, 2) } else { (200, 10) };
            let extent = fanout::Extent { alone, flood: Duration::from_secs(seconds) };
            runtime()?.block_on(fanout::run(extent))
        }
    }
}

/// Runs a client in its place.
fn run_in(place: Place, work: impl Future<Output = Result<()>>) -> Result<()> {
    in_place(place, || runtime()?.block_on(work))
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

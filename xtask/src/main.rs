//! The project's tasks: `cargo xtask test` runs every check and test there is, installing first what they need.

mod run;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test    every check and test of the project, installing first what they need
cargo xtask tidy    the house rules alone: arrows between crates, banned crates, licences, leftovers
cargo xtask tools   what the tests need from outside: a Python environment, npm packages, nginx
cargo xtask bench   the benchmark tables, for this machine; arguments after it go to the benches";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match (task.as_deref(), rest.as_slice()) {
        (Some("test"), []) => return test::run(),
        (Some("tidy"), []) => tidy::run(),
        (Some("tools"), []) => tools::install().map(|_| ()),
        (Some("bench"), rest) => bench(rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The benches have a workspace of their own, so that a normal build does not pay for the peers in it.
fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let manifest = run::root().join("benches/Cargo.toml");
    let mut cargo = run::cargo();
    cargo.args(["run", "--release", "--manifest-path"]).arg(manifest).arg("--").args(arguments);
    run::command(&mut cargo)
}

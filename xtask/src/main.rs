//! The project's tasks: `cargo xtask test` runs every check and test there is, installing first what they need.

mod bench;
mod fuzz;
mod mutants;
mod run;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test    every check and test of the project, installing first what they need
cargo xtask tidy    the house rules alone: arrows between crates, banned crates, licences, leftovers
cargo xtask tools   what the tests need from outside: a Python environment, npm packages, nginx,
                    HAProxy, Caddy, Apache, Envoy, a C++ compiler
cargo xtask fuzz    the fuzz targets: [TARGET…] [--seconds N], or TARGET --input FILE to repeat one finding
cargo xtask mutants mutation testing of crates/jose; arguments after it go to cargo-mutants
cargo xtask bench   the benchmark tables, for this machine; arguments after it go to the benches";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match (task.as_deref(), rest.as_slice()) {
        (Some("test"), []) => return test::run(),
        (Some("tidy"), []) => tidy::run(),
        (Some("tools"), []) => tools::install().map(|_| ()),
        (Some("fuzz"), rest) => fuzz::run(rest),
        (Some("mutants"), rest) => mutants::run(rest),
        (Some("bench"), rest) => bench::run(rest),
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

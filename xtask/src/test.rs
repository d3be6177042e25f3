//! `cargo xtask test`: the steps in the order in which a mistake is cheapest to hear of, stopping at the first that fails.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{fuzz, run, tidy, tools};

/// Runs every step and ends with the line `N passed, N failed`, where a step that is no test run counts as one.
pub(crate) fn run() -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let outcome = steps(&mut tally);
    if let Err(error) = &outcome {
        eprintln!("\nerror: {error:#}");
        tally.failed = tally.failed.max(1);
    }
    println!("\nall in {:.0} s", start.elapsed().as_secs_f64());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if outcome.is_ok() && tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn steps(tally: &mut Tally) -> Result<()> {
    let tools = step(tally, "tools", tools::install)?;
    step(tally, "house rules", tidy::run)?;
    step(tally, "format", || run::command(run::cargo().args(["fmt", "--all", "--check"])))?;
    step(tally, "clippy", || {
        run::command(run::cargo().args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    // The same selection as the test run's, so that nothing is built twice with different features.
    step(tally, "build", || {
        run::command(run::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))
    })?;

    let before = announce("tests");
    let mut cargo = run::cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    if std::env::var_os("GATEPASS_BIN").is_none() {
        cargo.env("GATEPASS_BIN", run::target().join("debug/gatepass"));
    }
    tools.tell(&mut cargo);
    if !has_vectors() {
        println!("    SKIPPED: the published test vectors; GATEPASS_VECTORS names the folder that has them");
    }
    let ran = counted(&mut cargo)?;
    tally.passed += ran.passed;
    tally.failed += ran.failed;
    if ran.failed > 0 {
        bail!("tests: {} failed, named above under `failures:`", ran.failed);
    }
    finished("tests", before);

    // A few seconds for each target, on what earlier runs on this machine have found.
    step(tally, "fuzz targets", fuzz::every_target)
}

/// Whether the vectors are there that others published, where the tests of the library read them.
fn has_vectors() -> bool {
    std::env::var_os("GATEPASS_VECTORS").is_some() || run::root().join("../shared/vectors").is_dir()
}

fn step<T>(tally: &mut Tally, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = announce(name);
    match work() {
        Ok(value) => {
            tally.passed += 1;
            finished(name, before);
            Ok(value)
        }
        Err(error) => {
            tally.failed += 1;
            Err(error.context(format!("step `{name}` failed after {:.1} s", before.elapsed().as_secs_f64())))
        }
    }
}

fn announce(name: &str) -> Instant {
    println!("\n==> {name}");
    Instant::now()
}

fn finished(name: &str, since: Instant) {
    println!("    {name}: {:.1} s", since.elapsed().as_secs_f64());
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// Runs a test command, shows its output as it comes and adds up what its runners say at their ends.
///
/// # Errors
/// The command cannot be started, or failed without any test saying so: a build error, a crashed runner.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", run::shown(command)))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("reading the test runner's output")?;
            let line = String::from_utf8_lossy(&line);
            if let Some(one) = parse_result(&line) {
                tally.passed += one.passed;
                tally.failed += one.failed;
            }
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}").context("writing the test runner's output")?;
        }
    }
    let status = child.wait().context("waiting for the test runner")?;
    if !status.success() && tally.failed == 0 {
        bail!(
            "`{}` ended with {status}: a test did not compile, or its process was ended",
            run::shown(command)
        );
    }
    Ok(tally)
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count =
        |word: &str| counts.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok());
    Some(Tally { passed: count("passed")?, failed: count("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runners_last_line_is_counted_and_no_other_is() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s",
                Some(Tally { passed: 12, failed: 0 }),
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.0s",
                Some(Tally { passed: 3, failed: 2 }),
            ),
            ("test story::a_person_logs_in ... ok", None),
            ("running 3 tests", None),
            ("", None),
        ];
        for (line, want) in cases {
            assert_eq!(parse_result(line), want, "{line}");
        }
    }
}

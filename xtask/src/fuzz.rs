//! `cargo xtask fuzz`: coverage-guided fuzzing of the targets in `fuzz/`, with libFuzzer, a stable compiler and no plugin.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::{run, tools};

/// How long each target runs where nothing else is said.
pub(crate) const SECONDS: u64 = 60;
/// How long it runs among the tests, which are to be quick: what earlier runs found is walked through first.
const SECONDS_IN_TESTS: u64 = 12;

/// Counters on every edge and hooks on every comparison, as libFuzzer reads them. No sanitizer: those want a nightly
/// compiler, and there is no `unsafe` here for them to watch over.
const RUSTFLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];

/// An input that takes longer or more memory than this is a finding like one that panics. No input needs a hundredth of
/// either; how much a call may allocate for its input, the targets themselves look at.
const LIMITS: &[&str] = &["-max_len=8192", "-timeout=10", "-rss_limit_mb=512", "-malloc_limit_mb=256"];

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    /// Every target when it names none.
    targets: Vec<String>,
    seconds: u64,
    /// One input to run once, instead of fuzzing.
    input: Option<PathBuf>,
}

/// `cargo xtask fuzz [TARGET…] [--seconds N] [--input FILE]`.
///
/// # Errors
/// The targets cannot be built, or an input was found for which one fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Order { targets, seconds, input } = Order::parse(arguments)?;
    let known = targets_of(&run::root().join("fuzz/Cargo.toml"))?;
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("there is no target `{unknown}`; there are {}", known.join(", "));
    }
    let targets = if targets.is_empty() { known } else { targets };
    tools::require_cpp_compiler()?;
    let programs = build(&targets)?;
    match (input, programs.as_slice()) {
        (None, _) => fuzz(&programs, &Walk { seconds, seed: None }),
        (Some(input), [only]) => {
            run::command(Command::new(&only.path).arg(&input).env("RUST_BACKTRACE", "1"))?;
            println!("    {} holds for {}", only.target, input.display());
            Ok(())
        }
        (Some(_), _) => bail!("--input is for one target: name it"),
    }
}

/// Their form, the seeds, and every target for [`SECONDS_IN_TESTS`].
///
/// # Errors
/// As [`run`]; a seed is no longer accepted or refused as it was.
pub(crate) fn every_target() -> Result<()> {
    let manifest = run::root().join("fuzz/Cargo.toml");
    run::command(run::cargo().args(["fmt", "--check", "--manifest-path"]).arg(&manifest))?;
    let mut seeds = run::cargo();
    seeds.args(["test", "--quiet", "--locked", "--manifest-path"]).arg(&manifest);
    // Where the workspace's tests were built, so that both share what they depend on.
    run::command(seeds.arg("--target-dir").arg(run::target()))?;
    tools::require_cpp_compiler()?;
    fuzz(&build(&targets_of(&manifest)?)?, &Walk { seconds: SECONDS_IN_TESTS, seed: Some(1) })
}

/// How the targets are walked through.
struct Walk {
    seconds: u64,
    /// Where their chances begin, so that what is found once is found again; anywhere where nothing is said.
    seed: Option<u32>,
}

impl Order {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut order = Self { targets: Vec::new(), seconds: SECONDS, input: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--seconds" => {
                    let seconds = value()?;
                    order.seconds =
                        seconds.parse().with_context(|| format!("{seconds} is no number of seconds"))?;
                }
                "--input" => order.input = Some(PathBuf::from(value()?)),
                flag if flag.starts_with('-') => bail!("there is no option `{flag}`"),
                target => order.targets.push(target.to_owned()),
            }
        }
        Ok(order)
    }
}

/// The names of the binaries in the manifest.
fn targets_of(manifest: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: Table = text.parse().with_context(|| format!("{} is not TOML", manifest.display()))?;
    let binaries = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    Ok(binaries.filter_map(|binary| Some(binary.get("name")?.as_str()?.to_owned())).collect())
}

/// A target, built.
struct Program {
    target: String,
    path: PathBuf,
}

fn build(targets: &[String]) -> Result<Vec<Program>> {
    let root = run::root();
    let folder = run::target().join("fuzz/build");
    let host = host()?;
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(root.join("fuzz/Cargo.toml"));
    // Named, so that build scripts and macros are compiled without the flags.
    cargo.args(["--target", &host, "--target-dir"]).arg(&folder);
    for target in targets {
        cargo.args(["--bin", target]);
    }
    cargo.env("RUSTFLAGS", RUSTFLAGS.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    run::command(&mut cargo)?;
    let folder = folder.join(host).join("release");
    let program = |target: &String| Program { target: target.clone(), path: folder.join(target) };
    Ok(targets.iter().map(program).collect())
}

fn host() -> Result<String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let said = run::quietly(rustc.arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// Runs them all, as many at a time as there are cores, and prints a line for each.
fn fuzz(programs: &[Program], walk: &Walk) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(programs.iter());
    println!("    {:12} {:>12} {:>8} {:>9} {:>7}", "target", "executions", "/s", "coverage", "corpus");
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores.min(programs.len()) {
            scope.spawn(|| {
                while let Some(program) = next(&waiting) {
                    match fuzz_one(program, walk) {
                        Ok(found) => println!("    {:12} {found}", program.target),
                        Err(error) => add(&failures, format!("{}: {error:#}", program.target)),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} of {} fuzz targets failed\n\n{}", failures.len(), programs.len(), failures.join("\n\n"))
}

fn next<'p>(waiting: &Mutex<std::slice::Iter<'p, Program>>) -> Option<&'p Program> {
    waiting.lock().ok()?.next()
}

fn add(failures: &Mutex<Vec<String>>, failure: String) {
    if let Ok(mut failures) = failures.lock() {
        failures.push(failure);
    }
}

/// Fuzzes one target. What it finds worth keeping stays in `target/fuzz/corpus` for the next run.
fn fuzz_one(program: &Program, walk: &Walk) -> Result<Found> {
    let Program { target, path } = program;
    let (root, folder) = (run::root(), run::target().join("fuzz"));
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    let log = folder.join(format!("{target}.log"));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(path);
    command.args(LIMITS).arg(format!("-max_total_time={}", walk.seconds)).arg("-print_final_stats=1");
    command.args(walk.seed.map(|seed| format!("-seed={seed}")));
    command.arg(format!("-dict={}", root.join("fuzz/jose.dict").display()));
    // The prefix is a text to which the name is added.
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(&corpus).arg(root.join("fuzz/seeds").join(target));
    command.env("RUST_BACKTRACE", "1").stdout(output.try_clone()?).stderr(output);
    let status = command.status().with_context(|| format!("cannot start {}", path.display()))?;
    let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let said = String::from_utf8_lossy(&said);
    match Found::read(&said) {
        Some(found) if status.success() => Ok(found),
        _ => bail!("{}", failure(target, &said, &log)),
    }
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    executions: u64,
    per_second: u64,
    /// Edges of the program that any input took.
    coverage: u64,
    /// Inputs that are kept because each took an edge that no other did, or took it more often.
    corpus: u64,
}

impl Found {
    /// Reads libFuzzer's last words.
    fn read(log: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        };
        let stat = |name: &str| log.lines().rev().find_map(|line| number(line.strip_prefix(name)?));
        let last = log.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: "))?;
        let after = |word: &str| number(last.split_once(word)?.1);
        Some(Self {
            executions: stat("stat::number_of_executed_units:")?,
            per_second: stat("stat::average_exec_per_sec:")?,
            coverage: after(" cov: ")?,
            corpus: after(" corp: ")?,
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { executions, per_second, coverage, corpus } = self;
        write!(f, "{executions:>12} {per_second:>8} {coverage:>9} {corpus:>7}")
    }
}

/// What went wrong, where the input is and how to run it again.
fn failure(target: &str, log: &str, path: &Path) -> String {
    let panic = log.lines().skip_while(|line| !line.contains("panicked at ")).take(2);
    let mut said: Vec<&str> = panic.collect();
    if said.is_empty() {
        said.extend(log.lines().find(|line| line.contains("ERROR: libFuzzer: ")));
    }
    let input = log.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, input)| input);
    let repeat = match input {
        Some(input) => format!("input:  {input}\nrepeat: cargo xtask fuzz {target} --input {input}"),
        None => "no input was written: it did not start, or was ended from outside".to_owned(),
    };
    format!("{}\n{repeat}\nlog:    {}", said.join("\n"), path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line() {
        let order = |targets: &[&str], seconds, input: Option<&str>| Order {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            seconds,
            input: input.map(PathBuf::from),
        };
        let cases = [
            ("", Some(order(&[], SECONDS, None))),
            ("jwt jwe", Some(order(&["jwt", "jwe"], SECONDS, None))),
            ("jwt --seconds 3600", Some(order(&["jwt"], 3600, None))),
            ("jwt --input crash-1", Some(order(&["jwt"], SECONDS, Some("crash-1")))),
            ("--seconds", None),
            ("--seconds soon", None),
            ("--jobs 2", None),
        ];
        for (line, want) in cases {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Order::parse(&arguments).ok(), want, "{line}");
        }
    }

    #[test]
    fn the_fuzzers_last_words_are_read() {
        let log = "\
#2\tINITED cov: 10 ft: 10 corp: 1/1b exec/s: 0 rss: 33Mb
#4194304\tpulse  cov: 310 ft: 1210 corp: 140/5Kb lim: 8192 exec/s: 699050 rss: 90Mb
#4563271\tDONE   cov: 316 ft: 1216 corp: 142/5413b lim: 8192 exec/s: 652 rss: 91Mb
Done 4563271 runs in 7 second(s)
stat::number_of_executed_units: 4563271
stat::average_exec_per_sec:     651895
stat::new_units_added:          9
";
        let want = Found { executions: 4_563_271, per_second: 651_895, coverage: 316, corpus: 142 };
        assert_eq!(Found::read(log), Some(want));
        assert_eq!(Found::read("error while loading shared libraries"), None);
    }

    #[test]
    fn a_failure_says_where_the_input_is() {
        let log = "\
thread '<unnamed>' (7) panicked at src/jwt.rs:45:5:
a token was believed that nobody signed
==7== ERROR: libFuzzer: deadly signal
artifact_prefix='/x/jwt/'; Test unit written to /x/jwt/crash-1
";
        let said = failure("jwt", log, Path::new("/x/jwt.log"));
        assert!(said.contains("\na token was believed that nobody signed\n"), "{said}");
        assert!(said.contains("cargo xtask fuzz jwt --input /x/jwt/crash-1"), "{said}");
    }
}

//! The gatepass binary: reads arguments and configuration, wires the rooms together, prints.
//!
//! Standard output is the answer, standard error the talk; `--json` is the stable form.

mod api;
mod args;
mod backend;
mod clock;
mod command;
mod complaint;
mod config;
mod data;
mod demo;
mod fetch;
mod gateway;
mod input;
mod json_text;
mod key_file;
mod master_key;
mod moment;
mod otlp;
mod print;
mod process;
mod serve;
mod top;
mod up;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::args::{Args, Command};
use crate::complaint::{Complaint, Outcome};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    take_small_pages();
    let args = Args::parse();
    // What `up` says is for a person at a terminal; the servers' log is for whoever operates them.
    let quiet = !matches!(args.command, Command::Serve(_) | Command::Gateway(_));
    let default = if quiet { "warn" } else { "warn,gatepass=info" };
    let filter = match log_filter(std::env::var("GATEPASS_LOG").ok().as_deref(), default) {
        Ok(filter) => filter,
        Err(complaint) => {
            let complaint = complaint.into();
            print::error(&complaint);
            return complaint::exit_code(&complaint);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true)
        .init();
    match run(args) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            print::error(&error);
            complaint::exit_code(&error)
        }
    }
}

/// What goes to the log: what `asked` says, or `default` where it says nothing.
fn log_filter(asked: Option<&str>, default: &str) -> Result<EnvFilter, Complaint> {
    let asked = asked.filter(|asked| !asked.is_empty()).unwrap_or(default);
    let complain = |why: String| {
        Complaint::unusable(format!("GATEPASS_LOG \"{}\" says nothing of the log", asked.escape_debug()))
            .at(why)
            .try_this("GATEPASS_LOG=debug, or warn,gatepass::audit=info")
    };
    if let Some(word) = asked.split(',').map(str::trim).find(|word| is_no_level(word)) {
        return Err(complain(format!("{} is no level", word.escape_debug())));
    }
    EnvFilter::try_new(asked).map_err(|error| complain(error.to_string()))
}

/// A word alone that is no level would be taken for the name of a program part, and silence all the others.
fn is_no_level(word: &str) -> bool {
    let is_alone = word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_alone && !word.is_empty() && word != "gatepass" && word.parse::<LevelFilter>().is_err()
}

/// With huge pages, which the allocator asks Linux for, an idle server has 17 MB of memory of its own; without them it has
/// 7, and nothing takes longer.
fn take_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true); // refused: then it takes more memory
}

#[tokio::main]
async fn run(args: Args) -> anyhow::Result<Outcome> {
    let done = match args.command {
        Command::Jwk(command) => return command::jwk::run(command),
        Command::Lint(lint) => return command::lint::run(&lint),
        Command::Token(command) => return command::token::run(command).await,
        Command::Attack(attack) => return command::attack::run(*attack).await,
        Command::Up(up) => up::run(up).await,
        Command::Serve(file) => serve::run(&file.config).await,
        Command::Gateway(gateway) => gateway::run(gateway).await,
        Command::Top(top) => top::run(&top).await,
        Command::Demo(demo) => demo::run(demo).await,
        Command::User { target, command } => command::user::run(&target, command).await,
        Command::Client { target, command } => command::client::run(&target, *command).await,
        Command::Role { target, command } => command::role::run(&target, command).await,
        Command::Key { target, command } => command::key::run(&target, command).await,
        Command::Revoke { target, revocation } => command::revoke::run(&target, revocation).await,
    };
    done.map(|()| Outcome::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_what_is_asked_for_or_the_command_ends() {
        let cases = [
            (None, Some("warn")),
            (Some(""), Some("warn")),
            (Some("debug"), Some("debug")),
            (Some("warn,gatepass::audit=info"), Some("gatepass::audit=info,warn")),
            (Some("gatepass=loud"), None),
            (Some("gatepass"), Some("gatepass=trace")),
            (Some("verbose"), None),
            (Some("warn, loud"), None),
            (Some("hyper=debug,ERROR"), Some("hyper=debug,error")),
        ];
        for (asked, want) in cases {
            let filter = log_filter(asked, "warn").ok().map(|filter| filter.to_string());
            assert_eq!(filter.as_deref(), want, "{asked:?}");
        }
    }
}

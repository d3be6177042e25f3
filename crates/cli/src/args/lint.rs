//! `gatepass lint …`

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};
use gatepass_lint::{Kind, Severity};

use crate::input::Input;
use crate::moment::Moment;

#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["inputs", "token_file", "explain", "list"])))]
pub(crate) struct Lint {
    /// Files with tokens, keys or log lines, `-` for standard input, or a token, which then stands in the
    /// shell's history
    #[arg(value_name = "FILE|TOKEN")]
    pub(crate) inputs: Vec<String>,
    /// A file that holds a token, which keeps it out of the shell's history
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<Input>,
    /// What the inputs are, where their content shall not decide: token, tokens (one per line), log, jwks
    /// or pem
    #[arg(long = "as", value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// A JWK Set to hold the tokens against
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<Input>,
    /// More words to try as HMAC secrets, one per line
    #[arg(long, value_name = "FILE")]
    pub(crate) wordlist: Option<PathBuf>,
    /// Print the HMAC secrets that were guessed
    #[arg(long)]
    pub(crate) show_secret: bool,
    /// The instant that dates are compared with, as RFC 3339 or seconds since 1970; the present where left out
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<Moment>,
    /// From what severity on the exit code is 1: error, warning or note
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(crate) fail_on: Severity,
    /// A rule to say nothing of, by id or name, any number of times
    #[arg(long, value_name = "RULE")]
    pub(crate) ignore: Vec<String>,
    /// How many findings of each rule are shown; the others are counted
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the answer as SARIF 2.1.0, for code scanning
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
    /// Explain a rule, by id or name, or all of them
    #[arg(long, value_name = "RULE|all", conflicts_with_all = ["inputs", "token_file", "list", "sarif"])]
    pub(crate) explain: Option<String>,
    /// List the rules
    #[arg(long, conflicts_with_all = ["inputs", "token_file", "sarif"])]
    pub(crate) list: bool,
}

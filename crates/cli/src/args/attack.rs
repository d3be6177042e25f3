//! `gatepass attack …`

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};
use gatepass_attack::{AcceptedStatus, Class};

use crate::input::Input;

#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("good_token").args(["token", "token_file"])))]
pub(crate) struct Attack {
    /// A URL of a service that you run, which a good token opens
    #[arg(value_name = "URL", required_unless_present = "list", requires = "good_token")]
    pub(crate) url: Option<String>,
    /// A file with a token that the service accepts, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<Input>,
    /// The token itself, which then stands in the shell's history
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// The service's JWK Set, for what an attacker does with public keys: a file, or a URL
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwks: Option<String>,
    /// The key that signs the service's TEST tokens, for tokens in which nothing but the claims is wrong: a JWK,
    /// JWK Set, PEM or DER, or a secret in base64url
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<Input>,
    /// A file with a second good token of the same key
    #[arg(long, value_name = "FILE")]
    pub(crate) second_token_file: Option<Input>,
    /// A file with a token of the same issuer for another audience
    #[arg(long, value_name = "FILE")]
    pub(crate) other_token_file: Option<Input>,
    /// The method of the requests
    #[arg(long, default_value = "GET")]
    pub(crate) method: String,
    /// A header field, any number of times; `{token}` stands for the token, which else goes into
    /// `authorization: Bearer {token}`
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A cookie, any number of times; `{token}` stands for the token
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) cookie: Vec<String>,
    /// The status codes that mean that a token was accepted
    #[arg(long, default_value = "2xx", value_name = "CODES")]
    pub(crate) accept_status: AcceptedStatus,
    /// A class to try alone, any number of times; --list names them all
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub(crate) only: Vec<&'static Class>,
    /// A host other than this machine that you run and want to be attacked, as it stands in the URL
    #[arg(long, value_name = "HOST")]
    pub(crate) i_own_this_host: Vec<String>,
    /// A folder for the forged tokens that were not refused
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// The most requests per second
    #[arg(long, default_value_t = 100, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// Show every class, what it would mean and what it needs
    #[arg(long)]
    pub(crate) list: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn class(id: &str) -> Result<&'static Class, String> {
    Class::find(id)
        .ok_or_else(|| "there is no such class; `gatepass attack --list` names them all".to_owned())
}

//! `gatepass jwk …`: keys without a server.

mod convert;
mod facts;
mod generate;
mod new_file;
mod public;
mod show;
mod thumbprint;

use crate::args::Jwk;
use crate::complaint::Outcome;

pub(crate) fn run(command: Jwk) -> anyhow::Result<Outcome> {
    match command {
        Jwk::Generate(generate) => generate::run(&generate),
        Jwk::Convert(convert) => convert::run(&convert),
        Jwk::Public(public) => public::run(&public),
        Jwk::Thumbprint(thumbprint) => thumbprint::run(&thumbprint),
        Jwk::Show(show) => show::run(&show),
    }
}

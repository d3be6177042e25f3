//! `gatepass token …`: tokens without a server.

mod anatomy;
mod checks;
mod claims;
mod compact;
mod decrypt;
mod encrypt;
mod inspect;
mod keyring;
mod sign;
mod size;
mod verify;

use crate::args::Token;
use crate::complaint::Outcome;

pub(crate) async fn run(command: Token) -> anyhow::Result<Outcome> {
    match command {
        Token::Inspect(inspect) => inspect::run(&inspect),
        Token::Verify(verify) => verify::run(&verify).await,
        Token::Sign(sign) => sign::run(&sign),
        Token::Encrypt(encrypt) => encrypt::run(&encrypt),
        Token::Decrypt(decrypt) => decrypt::run(&decrypt).await,
    }
}

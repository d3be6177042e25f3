//! npm `oidc-provider`, the best of the servers to compare with, asked for the same.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use gatepass_bench::place::Place;

use super::sessions::Refreshing;
use super::{CONNECTIONS, Operation, Server};
use crate::gatepass::{Installation, audience, first_success, form, free_address, member};
use crate::load::{Connection, Cycle, get};
use crate::process::Process;

pub(super) const NAME: &str = "oidc-provider";
const SCRIPT: &str = "oidc-provider.mjs";
const TOKEN: &str = "/token";

/// The running provider, with its refresh tokens.
pub(super) struct Peer {
    pub(super) process: Process,
    address: SocketAddr,
    refresh_tokens: Vec<String>,
}

/// Starts it where `cargo xtask bench` has installed it; a line says so where it has not.
pub(super) async fn start(installation: &Installation) -> Result<Option<Peer>> {
    let Some(folder) = std::env::var_os("GATEPASS_BENCH_NODE").map(PathBuf::from) else {
        println!(
            "  {NAME} is left out. It needs Node 20 or newer with npm, and `cargo xtask bench` to install it."
        );
        return Ok(None);
    };
    // Node looks for packages beside the script.
    let script = folder.join(SCRIPT);
    fs::copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers")).join(SCRIPT), &script)
        .with_context(|| format!("cannot copy {SCRIPT}"))?;
    let (address, (id, secret)) = (free_address()?, installation.client());
    let tokens = installation.path("refresh-tokens");
    let resources = ["ES256", "EdDSA", "RS256"].map(|alg| {
        let theirs = if alg == "EdDSA" { "Ed25519" } else { alg };
        format!("{} {theirs}", audience(alg))
    });
    let mut command = Command::new("node");
    command.arg(script).args([&address.port().to_string(), id, secret, &tokens, &CONNECTIONS.to_string()]);
    let log = installation.dir.path().join("oidc-provider.log");
    let mut process = Process::start(command.args(resources), Place::Measured, &log)?;
    first_success(&mut process, address, "/jwks", &log).await?;
    let refresh_tokens = fs::read_to_string(tokens)?.lines().map(str::to_owned).collect();
    Ok(Some(Peer { process, address, refresh_tokens }))
}

impl Peer {
    pub(super) async fn operations(&self, installation: &Installation) -> Result<Vec<Operation<'_>>> {
        let (process, address) = (&self.process, self.address);
        let server = Server { process, address };
        let named = |name: &str, callers| Operation::new(server, format!("{NAME}: {name}"), "", callers);
        let new = |name: &str, requests| named(name, Cycle::shared(requests, CONNECTIONS, 200));
        let mut operations = vec![
            new("JWK Set", vec![get(address, "/jwks", &[])]),
            new("discovery", vec![get(address, "/.well-known/openid-configuration", &[])]),
        ];
        for alg in ["ES256", "EdDSA", "RS256"] {
            let request = installation.token_request_at(address, TOKEN, &audience(alg), "orders:read");
            operations.push(new(&format!("client credentials, {alg}"), vec![request]));
        }
        // It knows nothing of the JWTs that it has signed; what it introspects is opaque.
        let opaque = installation.form(address, TOKEN, "grant_type=client_credentials");
        let mut connection = Connection::open(address).await?;
        let mut introspections = Vec::new();
        for _ in 0..1000 {
            let token = member(connection.exchange(&opaque).await?.body, "access_token")?;
            introspections.push(installation.introspection_request(address, "/token/introspection", &token));
        }
        operations.push(new("introspection, 1,000 opaque tokens in turn", introspections));
        let refreshing = self.refresh_tokens.iter().map(|token| {
            let authorization = installation.authorization();
            Refreshing::first(token, move |token| {
                let body = format!("grant_type=refresh_token&refresh_token={token}");
                form(address, TOKEN, &authorization, &body)
            })
        });
        operations.push(named("refresh, in memory", refreshing.collect()));
        Ok(operations)
    }
}

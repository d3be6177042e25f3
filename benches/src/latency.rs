//! From the answer of the admin call to the first refusal at the gateway.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::quantile;
use gatepass_bench::table::{Table, section};
use serde_json::json;

use crate::gatepass::{Hashing, Installation, audience, binary, jti};
use crate::gateway;
use crate::load::{Connection, get, post};

const REVOCATIONS: usize = 200;
/// Between revocations that are each alone.
const PAUSE: Duration = Duration::from_millis(10);
/// Past this a revocation counts as lost.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn run() -> Result<()> {
    section(
        "Revocation latency",
        &format!(
            "`gatepass serve` and `gatepass gateway`, one gateway, on whichever cores. {REVOCATIONS} times: a token that the gateway has
             just let through is revoked by an admin call; from that call's answer on the gateway is asked without pause, with one
             connection, until it refuses. Counted is the time from the answer of the admin call to the end of the first refusal.
             alone: {} ms after the one before. in a row: as soon as the one before is refused.",
            PAUSE.as_millis(),
        ),
    );
    let binary = binary()?;
    let installation = Installation::create(&binary, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Anywhere).await?;
    let (backend, upstream) = gateway::start_backend(&installation, Place::Anywhere).await?;
    let (gateway, through) = gateway::start(&binary, &installation, upstream, Place::Anywhere).await?;
    let tokens = installation.tokens(&audience("ES256"), "orders:read", 2 * REVOCATIONS).await?;
    let mut calls = Calls {
        server: installation.address,
        to_server: Connection::open(installation.address).await?,
        admin: installation.tokens(&installation.issuer(), "gatepass:admin", 1).await?.concat(),
        gateway: through,
        to_gateway: Connection::open(through).await?,
    };
    let mut table = Table::new(&["", "p50 ms", "p99 ms", "most ms", "let through", "target"]);
    for (name, pause, tokens) in
        [("alone", PAUSE, tokens.get(..REVOCATIONS)), ("in a row", Duration::ZERO, tokens.get(REVOCATIONS..))]
    {
        let (mut times, mut let_through) = (Vec::new(), 0);
        for token in tokens.unwrap_or_default() {
            tokio::time::sleep(pause).await;
            let (time, allowed) = calls.revoke(token).await?;
            times.push(time.as_secs_f64() * 1000.0);
            let_through += allowed;
        }
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| format!("{:.2}", quantile(times.clone(), part)));
        table.row([name.into(), p50, p99, most, let_through.to_string(), "p99 ≤ 10 ms".into()]);
    }
    table.print();
    for process in [gateway, backend, server] {
        process.stop()?;
    }
    Ok(())
}

/// The two ends of a revocation.
struct Calls {
    server: SocketAddr,
    to_server: Connection,
    admin: String,
    gateway: SocketAddr,
    to_gateway: Connection,
}

impl Calls {
    /// How long one revocation took to arrive, and how often the token was let through until then.
    async fn revoke(&mut self, token: &str) -> Result<(Duration, usize)> {
        let request = get(self.gateway, "/orders", &[("authorization", &format!("Bearer {token}"))]);
        ensure!(self.to_gateway.exchange(&request).await?.status == 200, "a good token is refused");
        let body = json!({ "kind": "token", "id": jti(token)?, "reason": "admin" }).to_string();
        let bearer = format!("Bearer {}", self.admin);
        let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer =
            self.to_server.exchange(&post(self.server, "/admin/v1/revocations", &fields, &body)).await?;
        if !(200..300).contains(&answer.status) {
            bail!("the revocation is answered {}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        let answered = Instant::now();
        let mut allowed = 0;
        loop {
            match self.to_gateway.exchange(&request).await?.status {
                401 => return Ok((answered.elapsed(), allowed)),
                200 if answered.elapsed() < LIMIT => allowed += 1,
                status => bail!("{:?} after the revocation the gateway answers {status}", answered.elapsed()),
            }
        }
    }
}

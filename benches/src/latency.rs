//! From the answer of the admin call to the first refusal at the gateway.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::gatepass::{Hashing, Installation, audience, binary, jti};
use crate::gateway;
use crate::load::{Connection, get, post};
use crate::process::Place;
use crate::rounds::quantile;
use crate::table::{Table, section};

const REVOCATIONS: usize = 200;
/// Past this a revocation counts as lost.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn run() -> Result<()> {
    section(
        "Revocation latency",
        &format!(
            "`gatepass serve` and `gatepass gateway`, one gateway, on whichever cores. {REVOCATIONS} times: a token that the gateway has
             just let through is revoked by an admin call; from that call's answer on the gateway is asked without pause, with one
             connection, until it refuses. Counted is the time from the answer of the admin call to the end of the first refusal."
        ),
    );
    let binary = binary()?;
    let installation = Installation::create(&binary, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Anywhere).await?;
    let (backend, upstream) = gateway::start_backend(&installation, Place::Anywhere).await?;
    let (gateway, through) = gateway::start(&binary, &installation, upstream, Place::Anywhere).await?;
    let admin = installation.tokens(&installation.issuer(), "gatepass:admin", 1).await?.concat();
    let tokens = installation.tokens(&audience("ES256"), "orders:read", REVOCATIONS).await?;
    let mut to_server = Connection::open(installation.address).await?;
    let mut to_gateway = Connection::open(through).await?;
    let (mut times, mut let_through) = (Vec::new(), 0);
    for token in &tokens {
        let (time, allowed) =
            revoke(&mut to_server, installation.address, &admin, &mut to_gateway, through, token).await?;
        times.push(time.as_secs_f64() * 1000.0);
        let_through += allowed;
    }
    let mut table = Table::new(&["", "p50 ms", "p99 ms", "most ms", "target"]);
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| format!("{:.2}", quantile(times.clone(), part)));
    table.row(["admin answer to first refusal".to_owned(), p50, p99, most, "p99 ≤ 10 ms".to_owned()]);
    table.print();
    println!("  Requests that were let through after the answer: {let_through} in {REVOCATIONS} revocations.\n");
    for process in [gateway, backend, server] {
        process.stop()?;
    }
    Ok(())
}

/// How long one revocation took to arrive, and how often the token was let through until then.
async fn revoke(
    to_server: &mut Connection,
    server: SocketAddr,
    admin: &str,
    to_gateway: &mut Connection,
    gateway: SocketAddr,
    token: &str,
) -> Result<(Duration, usize)> {
    let request = get(gateway, "/orders", &[("authorization", &format!("Bearer {token}"))]);
    ensure!(to_gateway.exchange(&request).await?.status == 200, "a good token is refused");
    let body = json!({ "kind": "token", "id": jti(token)?, "reason": "admin" }).to_string();
    let fields = [("authorization", format!("Bearer {admin}")), ("content-type", "application/json".to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = to_server.exchange(&post(server, "/admin/v1/revocations", &fields, &body)).await?;
    ensure!(
        (200..300).contains(&answer.status),
        "the revocation is answered {}: {}",
        answer.status,
        String::from_utf8_lossy(answer.body)
    );
    let answered = Instant::now();
    let mut allowed = 0;
    loop {
        let answer = to_gateway.exchange(&request).await?;
        if answer.status == 401 {
            return Ok((answered.elapsed(), allowed));
        }
        ensure!(answer.status == 200, "the gateway answers {}", answer.status);
        ensure!(answered.elapsed() < LIMIT, "a revocation does not arrive");
        allowed += 1;
    }
}

//! What a verifier does with an access token that its client has revoked (RFC 7009): ours hears of it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatepass_bench::place::Place;

use crate::gatepass::{Hashing, Installation, audience, binary};
use crate::gateway;
use crate::load::{Connection, get};

/// Past this it counts as not refused.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn print() -> Result<()> {
    let binary = binary()?;
    let installation = Installation::create(&binary, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Anywhere).await?;
    let (backend, upstream) = gateway::start_backend(&installation, Place::Anywhere).await?;
    let (gateway, through) = gateway::start(&binary, &installation, upstream, Place::Anywhere).await?;
    let token = installation.tokens(&audience("ES256"), "orders:read", 1).await?.concat();
    let request = get(through, "/orders", &[("authorization", &format!("Bearer {token}"))]);
    let mut connection = Connection::open(through).await?;
    ensure!(connection.exchange(&request).await?.status == 200, "a good token is refused");
    let address = installation.address;
    let revocation = installation.form(address, "/oauth/revoke", &format!("token={token}"));
    let status = Connection::open(address).await?.exchange(&revocation).await?.status;
    ensure!(status == 200, "revocation: status {status}");
    let revoked = Instant::now();
    let mut refused = false;
    while !refused && revoked.elapsed() < LIMIT {
        refused = connection.exchange(&request).await?.status == 401;
    }
    let how = if refused {
        format!("{:.1} ms", revoked.elapsed().as_secs_f64() * 1000.0)
    } else {
        "not within 5 s".to_owned()
    };
    println!(
        "  From the answer of gatepass to a revocation until `gatepass gateway` refuses the token: {how}.\n"
    );
    [gateway, backend, server].into_iter().try_for_each(crate::process::Process::stop)
}

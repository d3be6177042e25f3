//! The authorization server as a process of its own.

pub(crate) mod flood;
pub(crate) mod sessions;
pub(crate) mod soak;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::{Effort, median};
use gatepass_bench::table::{Table, micros, section};
use gatepass_jose::Alg;
use serde_json::json;

use crate::gatepass::{Hashing, Installation, PASSWORD, USER, audience, binary};
use crate::load::{Connection, Cycle, get, post};
use crate::operation::{Operation, Server};
use crate::process::Memory;
use crate::raw;

/// Connections of the table.
const CONNECTIONS: usize = 16;

pub(crate) async fn run(effort: Effort) -> Result<()> {
    let binary = binary()?;
    section(
        "Authorization server",
        &format!(
            "`gatepass serve` on the last core alone; the client on the others, where there are any. Loopback, kept connections,
             {CONNECTIONS} unless said otherwise; medians of {} interleaved rounds of {} ms. CPU is the time of all threads of the
             server's process per answer, in user and kernel together. Rates are of a client that shares the machine.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let raw = raw::verification(Alg::ES256, effort)?;
    println!(
        "  How busy cores slow each other down here: raw ES256 verification takes {} µs beside idle ones, {} µs beside busy ones.",
        micros(raw.alone),
        micros(raw.beside)
    );
    print_start(&binary, effort).await?;
    print_operations(&binary, effort).await?;
    sessions::print_refreshes(&binary, effort).await?;
    sessions::print_many_sessions(&binary, effort).await?;
    flood::print(&binary, effort).await
}

async fn print_start(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let mut starts = Vec::new();
    let mut idle = Memory::default();
    for _ in 0..effort.rounds {
        let (process, took) = installation.start(Place::Measured).await?;
        starts.push(took.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(200)).await;
        idle = process.memory()?;
        process.stop()?;
    }
    let size = fs::metadata(binary)?.len();
    println!("  Binary: {:.1} MB.", size as f64 / 1e6);
    println!(
        "  Start to the first 200 (JWK Set), a store with one user: median {:.1} ms of {} starts (target ≤ 20 ms).",
        median(starts.clone()),
        starts.len()
    );
    println!("  Idle memory: {idle} (target ≤ 12 MB).\n");
    Ok(())
}

async fn print_operations(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let (process, _) = installation.start(Place::Measured).await?;
    let server = Server { process: &process, address: installation.address };
    print_table(operations(&installation, server).await?, effort).await?;
    process.stop()
}

/// Measures all operations in every round.
async fn print_table(mut operations: Vec<Operation<'_>>, effort: Effort) -> Result<()> {
    for _ in 0..effort.rounds {
        for operation in &mut operations {
            operation.measure(effort.slice).await.with_context(|| operation.name.clone())?;
        }
    }
    let mut table = Table::new(&["operation", "CPU µs", "per second", "p50 ms", "p99 ms", "target"]);
    operations.into_iter().for_each(|operation| table.row(operation.row()));
    table.print();
    Ok(())
}

async fn operations<'s>(installation: &Installation, server: Server<'s>) -> Result<Vec<Operation<'s>>> {
    let address = installation.address;
    let new = |name: &str, target, requests| {
        Operation::new(server, name, target, Cycle::shared(requests, CONNECTIONS, 200))
    };
    let introspect = |token: &String| installation.introspection_request(address, "/oauth/introspect", token);
    let tokens = installation.tokens(&audience("ES256"), "orders:read", 5000).await?;
    let mut operations = vec![
        new("JWK Set", "≤ 12 µs", vec![get(address, "/.well-known/jwks.json", &[])]),
        new("discovery", "≤ 12 µs", vec![get(address, "/.well-known/openid-configuration", &[])]),
    ];
    for (alg, target) in [("ES256", "≤ 60 µs"), ("EdDSA", "≤ 60 µs"), ("RS256", "≤ RSA + 60 µs")] {
        let request = installation.token_request(&audience(alg), "orders:read");
        operations.push(new(&format!("client credentials, {alg}"), target, vec![request]));
    }
    let one = tokens.iter().take(1).map(introspect).collect();
    operations.push(new("introspection, one token", "≤ 20 µs", one));
    let many = tokens.iter().map(introspect).collect();
    operations.push(new("introspection, 5,000 tokens in turn", "≤ 100 µs", many));
    let mut connection = Connection::open(address).await?;
    let mut refreshing = Vec::new();
    for _ in 0..CONNECTIONS {
        refreshing.push(sessions::log_in(&mut connection, address).await?);
    }
    operations.push(Operation::new(server, "refresh, durable", "≤ 120 µs", refreshing));
    operations.push(new("password login", "hash + ≤ 200 µs", vec![login_request(address, "cookie")]));
    Ok(operations)
}

/// A login whose refresh token travels in `carrier`: `cookie` or `body`.
fn login_request(address: SocketAddr, carrier: &str) -> Vec<u8> {
    let body = json!({ "username": USER, "password": PASSWORD, "refresh_token": carrier }).to_string();
    post(address, "/session/login", &[("content-type", "application/json")], &body)
}

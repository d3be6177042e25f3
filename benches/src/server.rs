//! The authorization server as a process of its own.

mod flood;
mod sessions;

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
use crate::load::{Caller, Clients, Cycle, Load, get, post};
use crate::process::{Memory, Process};
use crate::raw;

/// Connections of the table.
const CONNECTIONS: usize = 16;
/// What runs before it is looked at, so that connections are open and memory is warm.
const WARM_UP: Duration = Duration::from_millis(100);

/// Something that is asked of the server in every round.
struct Operation {
    name: String,
    callers: Vec<Box<dyn Caller>>,
    target: &'static str,
    /// CPU time in microseconds per answer, of every round.
    cpu: Vec<f64>,
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Operation {
    fn new(name: impl Into<String>, target: &'static str, callers: Vec<Box<dyn Caller>>) -> Self {
        let (cpu, rates, p50, p99) = Default::default();
        Self { name: name.into(), callers, target, cpu, rates, p50, p99 }
    }

    fn record(&mut self, cpu: Duration, load: &Load) {
        self.cpu.push(cpu.as_secs_f64() * 1e6 / load.answers());
        self.rates.push(load.per_second());
        self.p50.push(load.latency(0.5) / 1000.0);
        self.p99.push(load.latency(0.99) / 1000.0);
    }

    fn row(self) -> [String; 6] {
        [
            self.name,
            format!("{:.1}", median(self.cpu)),
            format!("{:.0}", median(self.rates)),
            format!("{:.2}", median(self.p50)),
            format!("{:.2}", median(self.p99)),
            self.target.to_owned(),
        ]
    }
}

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
    let (server, _) = installation.start(Place::Measured).await?;
    print_table(&server, installation.address, operations(&installation).await?, effort).await?;
    server.stop()
}

/// Measures all operations in every round.
async fn print_table(
    server: &Process,
    address: SocketAddr,
    mut operations: Vec<Operation>,
    effort: Effort,
) -> Result<()> {
    for _ in 0..effort.rounds {
        for operation in &mut operations {
            measure(server, address, operation, effort.slice).await?;
        }
    }
    let mut table = Table::new(&["operation", "CPU µs", "per second", "p50 ms", "p99 ms", "target"]);
    operations.into_iter().for_each(|operation| table.row(operation.row()));
    table.print();
    Ok(())
}

/// Runs one operation for a while; the CPU time of connecting is left out.
async fn measure(
    server: &Process,
    address: SocketAddr,
    operation: &mut Operation,
    slice: Duration,
) -> Result<()> {
    let mut clients = Clients::connect(address, std::mem::take(&mut operation.callers)).await?;
    clients.run(WARM_UP).await.with_context(|| operation.name.clone())?;
    let before = server.cpu_time()?;
    let load = clients.run(slice).await.with_context(|| operation.name.clone())?;
    operation.record(server.cpu_time()? - before, &load);
    operation.callers = clients.disconnect();
    Ok(())
}

async fn operations(installation: &Installation) -> Result<Vec<Operation>> {
    let address = installation.address;
    let cycle = |requests| Cycle::shared(requests, CONNECTIONS, 200);
    let jwks = get(address, "/.well-known/jwks.json", &[]);
    let fields = installation.form_fields();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let introspect = |token: &String| post(address, "/oauth/introspect", &fields, &format!("token={token}"));
    let tokens = installation.tokens(&audience("ES256"), "orders:read", 5000).await?;
    let mut operations = vec![
        Operation::new("JWK Set", "≤ 12 µs", cycle(vec![jwks])),
        Operation::new(
            "discovery",
            "≤ 12 µs",
            cycle(vec![get(address, "/.well-known/openid-configuration", &[])]),
        ),
    ];
    for (alg, target) in [("ES256", "≤ 60 µs"), ("EdDSA", "≤ 60 µs"), ("RS256", "≤ RSA + 60 µs")] {
        let request = installation.token_request(&audience(alg), "orders:read");
        operations.push(Operation::new(format!("client credentials, {alg}"), target, cycle(vec![request])));
    }
    let one = tokens.iter().take(1).map(introspect).collect();
    operations.push(Operation::new("introspection, one token", "≤ 20 µs", cycle(one)));
    let many = tokens.iter().map(introspect).collect();
    operations.push(Operation::new("introspection, 5,000 tokens in turn", "≤ 100 µs", cycle(many)));
    operations.push(Operation::new(
        "password login",
        "hash + ≤ 200 µs",
        cycle(vec![login_request(address, "cookie")]),
    ));
    Ok(operations)
}

/// A login whose refresh token travels in `carrier`: `cookie` or `body`.
fn login_request(address: SocketAddr, carrier: &str) -> Vec<u8> {
    let body = json!({ "username": USER, "password": PASSWORD, "refresh_token": carrier }).to_string();
    post(address, "/session/login", &[("content-type", "application/json")], &body)
}

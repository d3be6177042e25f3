//! The authorization server as a process of its own.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::gatepass::{Hashing, Installation, PASSWORD, USER, audience, binary};
use crate::load::{Answer, Caller, Clients, Connection, Cycle, Load, get, post};
use crate::process::{Place, Process};
use crate::rounds::{Effort, median};
use crate::table::{Table, section};

/// Connections of the table.
const CONNECTIONS: usize = 16;
/// Connections that log in to be in the way.
const FLOOD: usize = 128;
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
    print_start(&binary, effort).await?;
    print_operations(&binary, effort).await?;
    print_refreshes(&binary, effort).await?;
    print_flood(&binary, effort).await
}

async fn print_start(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let mut starts = Vec::new();
    let mut idle = 0;
    for _ in 0..effort.rounds {
        let (process, took) = installation.start(Place::Measured).await?;
        starts.push(took.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(200)).await;
        idle = process.resident()?;
        process.stop()?;
    }
    let size = fs::metadata(binary)?.len();
    println!("  Binary: {:.1} MB.", size as f64 / 1e6);
    println!(
        "  Start to the first 200 (JWK Set), a store with one user: median {:.1} ms of {} starts (target ≤ 20 ms).",
        median(starts.clone()),
        starts.len()
    );
    println!("  Idle memory: {:.1} MB resident (target ≤ 12 MB).\n", idle as f64 / 1e6);
    Ok(())
}

async fn print_operations(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let mut operations = operations(&installation).await?;
    for _ in 0..effort.rounds {
        for operation in &mut operations {
            measure(&server, installation.address, operation, effort.slice).await?;
        }
    }
    let mut table = Table::new(&["operation", "CPU µs", "per second", "p50 ms", "p99 ms", "target"]);
    for operation in operations {
        table.row(operation.row());
    }
    table.print();
    server.stop()
}

/// Runs one operation for a while; the CPU time of connecting is left out.
async fn measure(server: &Process, address: SocketAddr, operation: &mut Operation, slice: Duration) -> Result<()> {
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
    operations.push(Operation::new("password login", "hash + ≤ 200 µs", cycle(vec![login_request(address, "cookie")])));
    Ok(operations)
}

/// Refreshes one session, with each token that the refresh before it has brought.
struct Refreshing {
    address: SocketAddr,
    request: Vec<u8>,
}

impl Refreshing {
    fn next(&mut self, answer: &[u8]) -> Result<()> {
        let body = json!({ "refresh_token": refresh_token(answer)? }).to_string();
        self.request = post(self.address, "/session/refresh", &[("content-type", "application/json")], &body);
        Ok(())
    }
}

impl Caller for Refreshing {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answered(&mut self, answer: Answer<'_>) -> Result<()> {
        match answer.status {
            200 => self.next(answer.body),
            status => bail!("refresh: status {status}: {}", String::from_utf8_lossy(answer.body)),
        }
    }
}

/// The refresh token of an answer, found without reading the JSON: the client shares the machine.
fn refresh_token(answer: &[u8]) -> Result<&str> {
    const NAME: &str = "\"refresh_token\":\"";
    let answer = std::str::from_utf8(answer)?;
    let (_, from) = answer.split_once(NAME).context("no refresh token in the answer")?;
    Ok(from.split_once('"').context("no end of the refresh token")?.0)
}

/// A login whose refresh token travels in `carrier`: `cookie` or `body`.
fn login_request(address: SocketAddr, carrier: &str) -> Vec<u8> {
    let body = json!({ "username": USER, "password": PASSWORD, "refresh_token": carrier }).to_string();
    post(address, "/session/login", &[("content-type", "application/json")], &body)
}

async fn log_in(connection: &mut Connection, address: SocketAddr) -> Result<Box<dyn Caller>> {
    let answer = connection.exchange(&login_request(address, "body")).await?;
    if answer.status != 200 {
        bail!("login: status {}: {}", answer.status, String::from_utf8_lossy(answer.body));
    }
    let mut caller = Refreshing { address, request: Vec::new() };
    caller.next(answer.body)?;
    Ok(Box::new(caller))
}

async fn print_refreshes(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let flush = flush_time(installation.dir.path())?;
    println!("  Durable refreshes; flushing 4 kB to this disk takes {:.2} ms (median of 51).", flush * 1000.0);
    println!("  Every connection has a session of its own and presents the newest token; the answer comes when the rotation is on disk.\n");
    let mut operations = Vec::new();
    for (connections, target) in [(1, ""), (16, "≤ 120 µs, ≥ 3,000/s"), (256, "≤ 120 µs, ≥ 8,000/s")] {
        let mut connection = Connection::open(installation.address).await?;
        let mut callers = Vec::new();
        for _ in 0..connections {
            callers.push(log_in(&mut connection, installation.address).await?);
        }
        operations.push(Operation::new(format!("refresh, {connections} connections"), target, callers));
    }
    for _ in 0..effort.rounds {
        for operation in &mut operations {
            measure(&server, installation.address, operation, effort.slice).await?;
        }
    }
    let mut table = Table::new(&["operation", "CPU µs", "per second", "p50 ms", "p99 ms", "target"]);
    for operation in operations {
        table.row(operation.row());
    }
    table.print();
    print_many_sessions(&installation, server, effort).await
}

/// How long a write of a page takes until it is on disk, in seconds.
fn flush_time(dir: &Path) -> Result<f64> {
    let path = dir.join("flush");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..51 {
        let before = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(before.elapsed().as_secs_f64());
    }
    fs::remove_file(path)?;
    Ok(median(times))
}

/// Starts again with as many sessions as could be made in a while.
async fn print_many_sessions(installation: &Installation, server: Process, effort: Effort) -> Result<()> {
    let before = disk_usage(installation.dir.path())?;
    let callers = Cycle::shared(vec![login_request(installation.address, "body")], 256, 200);
    let mut clients = Clients::connect(installation.address, callers).await?;
    let load = clients.run(effort.slice * 10).await?;
    drop(clients);
    server.stop()?;
    let bytes = disk_usage(installation.dir.path())?.saturating_sub(before);
    let mut starts = Vec::new();
    let mut idle = 0;
    for _ in 0..5 {
        let (process, took) = installation.start(Place::Measured).await?;
        starts.push(took.as_secs_f64() * 1000.0);
        idle = process.resident()?;
        process.stop()?;
    }
    println!(
        "  With {:.0} sessions more (made at {:.0} logins a second with a cheap hash): start {:.1} ms, memory after it {:.1} MB,\n  \
         {:.0} bytes on disk per session (target ≤ 400).\n",
        load.answers(),
        load.per_second(),
        median(starts),
        idle as f64 / 1e6,
        bytes as f64 / load.answers(),
    );
    Ok(())
}

fn disk_usage(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("gatepass.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Logs in without end, and takes a refusal for an answer.
struct Flooding {
    request: Vec<u8>,
    refused: Rc<Cell<usize>>,
}

impl Caller for Flooding {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answered(&mut self, answer: Answer<'_>) -> Result<()> {
        match answer.status {
            200 => Ok(()),
            429 | 503 => {
                self.refused.set(self.refused.get() + 1);
                Ok(())
            }
            status => bail!("login: status {status}: {}", String::from_utf8_lossy(answer.body)),
        }
    }
}

/// What logins in great number do to everybody else.
async fn print_flood(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let address = installation.address;
    let idle = server.resident()?;
    let mut refreshing = Vec::new();
    for _ in 0..4 {
        refreshing.push(log_in(&mut Connection::open(address).await?, address).await?);
    }
    let refused = Rc::new(Cell::new(0));
    let flood = |_| Box::new(Flooding { request: login_request(address, "cookie"), refused: refused.clone() }) as Box<dyn Caller>;
    let mut flood = Clients::connect(address, (0..FLOOD).map(flood).collect()).await?;
    let mut refreshing = Clients::connect(address, refreshing).await?;
    let jwks = Cycle::shared(vec![get(address, "/.well-known/jwks.json", &[])], 4, 200);
    let mut jwks = Clients::connect(address, jwks).await?;
    let duration = effort.slice * 4;
    let (flood, refreshing, jwks) =
        tokio::try_join!(flood.run(duration), refreshing.run(duration), jwks.run(duration))?;
    println!("  {FLOOD} connections log in as fast as they can; beside them 4 refresh and 4 read the JWK Set without pause.\n");
    let mut table = Table::new(&["under the flood", "per second", "p50 ms", "p99 ms", "target"]);
    let target = "p99 < 20 ms".to_owned();
    for (name, load, target) in [("refresh", &refreshing, target.clone()), ("JWK Set", &jwks, target)] {
        let [p50, p99] = [0.5, 0.99].map(|part| format!("{:.2}", load.latency(part) / 1000.0));
        table.row([name.to_owned(), format!("{:.0}", load.per_second()), p50, p99, target]);
    }
    table.print();
    println!(
        "  Logins: {:.0} answered, {} of them refused; memory {:.1} MB before and {:.1} MB after.\n",
        flood.answers(),
        refused.get(),
        idle as f64 / 1e6,
        server.resident()? as f64 / 1e6,
    );
    server.stop()
}

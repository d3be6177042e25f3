//! The gateway as a process of its own, against the direct call and other proxies.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gatepass_bench::place::Place;
use gatepass_bench::program;
use gatepass_bench::rounds::{Effort, median};
use gatepass_bench::table::{Table, micros, section};
use gatepass_jose::{Alg, base64url};

use crate::gatepass::{Hashing, Installation, audience, binary, first_success, free_address};
use crate::load::{Caller, Clients, Cycle, get};
use crate::process::Process;
use crate::proxies;
use crate::raw;

/// Connections of the table.
const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_millis(100);
/// The row that the gateway's other rows are compared with.
const PUBLIC: &str = "gateway, public route";

/// The gateway's configuration, in front of one upstream.
pub(crate) fn config(listen: SocketAddr, issuer: &str, upstream: SocketAddr) -> String {
    let audiences = [audience("ES256"), audience("RS256")];
    format!(
        "listen = \"{listen}\"\n\n\
         [[issuer]]\nurl = \"{issuer}\"\naudience = {audiences:?}\nrevocation = \"feed\"\n\
         on_stale = {{ after = \"30s\", then = \"deny\" }}\n\n\
         [[upstream]]\nname = \"backend\"\nservers = [\"http://{upstream}\"]\n\n\
         [[route]]\npath = \"/public\"\nupstream = \"backend\"\npublic = true\n\n\
         [[route]]\npath = \"/orders\"\nupstream = \"backend\"\nrequire = {{ scope = [\"orders:read\"] }}\n\
         forward = {{ sub = \"X-User-Id\" }}\n"
    )
}

/// Starts a gateway and waits until it has its keys.
pub(crate) async fn start(
    binary: &Path,
    installation: &Installation,
    upstream: SocketAddr,
    place: Place,
) -> Result<(Process, SocketAddr)> {
    let listen = free_address()?;
    let file = installation.path("gateway.toml");
    fs::write(&file, config(listen, &installation.issuer(), upstream))?;
    let mut command = Command::new(binary);
    command.args(["gateway", "--config", &file]);
    let log = installation.dir.path().join("gateway.log");
    let mut process = Process::start(&mut command, place, &log)?;
    first_success(&mut process, listen, "/public", &log).await?;
    Ok((process, listen))
}

/// The answering end of every row.
pub(crate) async fn start_backend(
    installation: &Installation,
    place: Place,
) -> Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(program::build("gatepass-bench", "peer")?);
    command.args(["backend", &address.to_string()]);
    let log = installation.dir.path().join("backend.log");
    let mut process = Process::start(&mut command, place, &log)?;
    first_success(&mut process, address, "/", &log).await?;
    Ok((process, address))
}

/// A row: what is asked, of whom, and whose CPU time counts.
struct Row<'p> {
    name: String,
    process: &'p Process,
    address: SocketAddr,
    callers: Vec<Box<dyn Caller>>,
    single: Vec<Box<dyn Caller>>,
    cpu: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl<'p> Row<'p> {
    fn new(
        name: impl Into<String>,
        process: &'p Process,
        address: SocketAddr,
        requests: Vec<Vec<u8>>,
        status: u16,
    ) -> Self {
        let single = Cycle::shared(requests.clone(), 1, status);
        let callers = Cycle::shared(requests, CONNECTIONS, status);
        let (cpu, p50, p99) = Default::default();
        Self { name: name.into(), process, address, callers, single, cpu, p50, p99 }
    }

    async fn measure(&mut self, slice: Duration) -> Result<()> {
        let mut clients = Clients::connect(self.address, std::mem::take(&mut self.callers)).await?;
        clients.run(WARM_UP).await?;
        let before = self.process.cpu_time()?;
        let load = clients.run(slice).await?;
        let used = self.process.cpu_time()? - before;
        self.callers = clients.disconnect();
        self.cpu.push(used.as_secs_f64() * 1e6 / load.answers());

        let mut one = Clients::connect(self.address, std::mem::take(&mut self.single)).await?;
        one.run(WARM_UP / 2).await?;
        let load = one.run(slice / 4).await?;
        self.single = one.disconnect();
        self.p50.push(load.latency(0.5));
        self.p99.push(load.latency(0.99));
        Ok(())
    }
}

pub(crate) async fn run(effort: Effort) -> Result<()> {
    let binary = binary()?;
    section(
        "Gateway",
        &format!(
            "All processes on one core, so that no core that shares a physical one with it is busy: the CPU time of each is then
             its own. Backend: a fixed answer of 27 bytes. Loopback, {CONNECTIONS} kept connections; medians of {} interleaved
             rounds of {} ms. CPU: the time of all threads of the process in question (for the direct call: the backend) per
             answer, in user and kernel together. Latency: with one connection, through client, gateway and backend in turn.
             Tokens come from the authorization server by client credentials; revocation = \"feed\"; a scope is required and sub forwarded.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let [rs256, es256] =
        [raw::verification(Alg::RS256, effort)?.alone, raw::verification(Alg::ES256, effort)?.alone];
    let installation = Installation::create(&binary, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let (backend, direct) = start_backend(&installation, Place::Measured).await?;
    let (gateway, through) = start(&binary, &installation, direct, Place::Measured).await?;
    let proxies = proxies::start_all(installation.dir.path(), direct).await?;
    let resident = gateway.memory()?;

    let count = if effort.rounds > 5 { 10_000 } else { 2_000 };
    let mut rows = vec![Row::new("direct call", &backend, direct, vec![get(direct, "/public", &[])], 200)];
    for proxy in &proxies {
        let request = get(proxy.address, "/public", &[]);
        rows.push(Row::new(proxy.name, &proxy.process, proxy.address, vec![request], 200));
    }
    rows.push(Row::new(PUBLIC, &gateway, through, vec![get(through, "/public", &[])], 200));
    for alg in ["RS256", "ES256"] {
        let tokens = installation.tokens(&audience(alg), "orders:read", count).await?;
        let with = |token: &String| get(through, "/orders", &[("authorization", &format!("Bearer {token}"))]);
        let one: Vec<_> = tokens.iter().take(1).map(with).collect();
        let all = tokens.iter().map(with).collect();
        if alg == "RS256" {
            let bearer = tokens.first().map(|token| format!("Bearer {token}")).unwrap_or_default();
            let request = get(through, "/public", &[("authorization", &bearer)]);
            rows.push(Row::new(
                "gateway, public route, a token along",
                &gateway,
                through,
                vec![request],
                200,
            ));
        }
        let forged = tokens.iter().take(500).map(|token| forge(token)).collect::<Result<Vec<_>>>()?;
        rows.push(Row::new(format!("gateway, {alg}, one token"), &gateway, through, one, 200));
        rows.push(Row::new(format!("gateway, {alg}, {count} tokens in turn"), &gateway, through, all, 200));
        let forged = forged.iter().map(with).collect();
        rows.push(Row::new(format!("gateway, {alg}, bad signature: 401"), &gateway, through, forged, 401));
    }
    rows.push(Row::new("gateway, no token: 401", &gateway, through, vec![get(through, "/orders", &[])], 401));
    let malformed = get(through, "/orders", &[("authorization", "Bearer a.b.c")]);
    rows.push(Row::new("gateway, malformed token: 401", &gateway, through, vec![malformed], 401));
    for _ in 0..effort.rounds {
        for row in &mut rows {
            row.measure(effort.slice).await.with_context(|| row.name.clone())?;
        }
    }
    print(rows);
    println!("  Raw verification on this core: RS256 {} µs, ES256 {} µs.", micros(rs256), micros(es256));
    println!("  Targets: public route ≤ 1.1 × bare hyper; token seen before ≤ public route + 1.5 µs;");
    println!("  first sight ≤ public route + raw verification + 3 µs; no token ≤ HAProxy's 401.");
    println!(
        "  Memory of the gateway: {resident} when started, {} after this\n  (target ≤ 12 MB + 300 B per cached token).\n",
        gateway.memory()?
    );
    let proxies = proxies.into_iter().map(|proxy| proxy.process);
    proxies.chain([gateway, backend, server]).try_for_each(Process::stop)
}

fn print(rows: Vec<Row<'_>>) {
    let cpu_of =
        |name| rows.iter().find(|row| row.name == name).map_or(f64::NAN, |row| median(row.cpu.clone()));
    let (bare, pass) = (cpu_of(proxies::HYPER), cpu_of(PUBLIC));
    let public_at = rows.iter().position(|row| row.name == PUBLIC).unwrap_or(0);
    let mut table = Table::new(&["", "CPU µs", "× bare hyper", "public route +", "p50 µs", "p99 µs"]);
    for (number, row) in rows.into_iter().enumerate() {
        let cpu = median(row.cpu);
        let ratio = if number > 0 { format!("{:.2}", cpu / bare) } else { String::new() };
        let over = if number > public_at { format!("{:+.1}", cpu - pass) } else { String::new() };
        table.row([
            row.name,
            format!("{cpu:.1}"),
            ratio,
            over,
            format!("{:.0}", median(row.p50)),
            format!("{:.0}", median(row.p99)),
        ]);
    }
    table.print();
}

/// The token with one bit of its signature turned over.
fn forge(token: &str) -> Result<String> {
    let (input, signature) = token.rsplit_once('.').context("a token without signature")?;
    let mut signature = base64url::decode(signature)?;
    if let Some(byte) = signature.last_mut() {
        *byte ^= 1;
    }
    Ok(format!("{input}.{}", base64url::encode(&signature)))
}

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
use crate::proxies::{self, Trust};
use crate::raw;

/// Connections of the table.
const CONNECTIONS: usize = 32;
const WARM_UP: Duration = Duration::from_millis(100);
/// A path that everybody may ask for.
const PUBLIC: &str = "/public";
const DIRECT: &str = "direct call";
const GATEWAY: &str = "gateway";

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

/// Somebody in front of the backend.
struct Contestant<'p> {
    name: &'static str,
    process: &'p Process,
    address: SocketAddr,
    authenticates: bool,
}

/// A row: what is asked, of whom, and whose CPU time counts.
struct Row<'p> {
    name: String,
    process: &'p Process,
    address: SocketAddr,
    /// The row of the same process that lets everybody through; `None` where this is one.
    pass: Option<usize>,
    callers: Vec<Box<dyn Caller>>,
    single: Vec<Box<dyn Caller>>,
    cpu: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl<'p> Row<'p> {
    fn new(
        who: &Contestant<'p>,
        what: &str,
        pass: Option<usize>,
        requests: Vec<Vec<u8>>,
        status: u16,
    ) -> Self {
        let name = if what.is_empty() { who.name.to_owned() } else { format!("{}, {what}", who.name) };
        let single = Cycle::shared(requests.clone(), 1, status);
        let callers = Cycle::shared(requests, CONNECTIONS, status);
        let (process, address) = (who.process, who.address);
        let (cpu, p50, p99) = Default::default();
        Self { name, process, address, pass, callers, single, cpu, p50, p99 }
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

/// Tokens of one algorithm.
struct Tokens {
    alg: &'static str,
    good: Vec<String>,
    forged: Vec<String>,
}

impl Tokens {
    async fn minted(installation: &Installation, alg: &'static str, count: usize) -> Result<Self> {
        let good = installation.tokens(&audience(alg), "orders:read", count).await?;
        let forged = good.iter().take(500).map(|token| forge(token)).collect::<Result<_>>()?;
        Ok(Self { alg, good, forged })
    }
}

/// What is asked of everybody; of those who authenticate more than of those who only pass on.
fn rows<'p>(contestants: &[Contestant<'p>], tokens: &[Tokens]) -> Vec<Row<'p>> {
    let mut rows = Vec::new();
    for who in contestants {
        let ask = |path, credentials: Option<&str>| {
            let bearer = credentials.map(|token| format!("Bearer {token}"));
            let fields: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
            get(who.address, path, &fields)
        };
        let asks =
            |tokens: &[String]| tokens.iter().map(|token| ask(proxies::GUARDED, Some(token))).collect();
        let pass = rows.len();
        rows.push(Row::new(who, "", None, vec![ask(PUBLIC, None)], 200));
        if !who.authenticates {
            continue;
        }
        if let Some(token) = tokens.iter().flat_map(|of| of.good.first()).next() {
            let request = ask(PUBLIC, Some(token));
            rows.push(Row::new(who, "a token that nobody looks at", Some(pass), vec![request], 200));
        }
        for Tokens { alg, good, forged } in tokens {
            let one = asks(good.get(..1).unwrap_or_default());
            let in_turn = format!("{alg}, {} tokens in turn", good.len());
            rows.push(Row::new(who, &format!("{alg}, one token"), Some(pass), one, 200));
            rows.push(Row::new(who, &in_turn, Some(pass), asks(good), 200));
            rows.push(Row::new(who, &format!("{alg}, bad signature: 401"), Some(pass), asks(forged), 401));
        }
        rows.push(Row::new(who, "no token: 401", Some(pass), vec![ask(proxies::GUARDED, None)], 401));
        let malformed = ask(proxies::GUARDED, Some("a.b.c"));
        rows.push(Row::new(who, "malformed token: 401", Some(pass), vec![malformed], 401));
    }
    rows
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
             Tokens come from the authorization server by client credentials. Everybody who can checks signature, iss, aud, exp and
             nbf and forwards sub as a header field; the gateway follows the revocations and demands a scope besides.",
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
    let trust = Trust {
        issuer: installation.issuer(),
        audiences: vec![audience("ES256"), audience("RS256")],
        keys: installation.published_keys().await?,
    };
    let proxies = proxies::start_all(installation.dir.path(), direct, &trust).await?;
    let resident = gateway.memory()?;

    let count = if effort.rounds > 5 { 10_000 } else { 2_000 };
    let tokens = [
        Tokens::minted(&installation, "RS256", count).await?,
        Tokens::minted(&installation, "ES256", count).await?,
    ];
    let alone = |name, process, address| Contestant { name, process, address, authenticates: false };
    let mut contestants = vec![alone(DIRECT, &backend, direct)];
    contestants.extend(proxies.iter().map(|proxy| Contestant {
        authenticates: proxy.authenticates,
        ..alone(proxy.name, &proxy.process, proxy.address)
    }));
    contestants.push(Contestant { authenticates: true, ..alone(GATEWAY, &gateway, through) });
    let mut rows = rows(&contestants, &tokens);
    for _ in 0..effort.rounds {
        for row in &mut rows {
            row.measure(effort.slice).await.with_context(|| row.name.clone())?;
        }
    }
    print(&rows);
    println!("  Raw verification on this core: RS256 {} µs, ES256 {} µs.", micros(rs256), micros(es256));
    println!(
        "  Targets: passing ≤ 1.1 × bare hyper; token seen before ≤ passing + 1.5 µs and ≤ 0.5 × the best of"
    );
    println!("  the others; first sight ≤ passing + raw verification + 3 µs; no token ≤ HAProxy's 401.");
    println!(
        "  Memory of the gateway: {resident} when started, {} after this\n  (target ≤ 12 MB + 300 B per cached token).\n",
        gateway.memory()?
    );
    let proxies = proxies.into_iter().map(|proxy| proxy.process);
    proxies.chain([gateway, backend, server]).try_for_each(Process::stop)
}

fn print(rows: &[Row<'_>]) {
    let cpus: Vec<f64> = rows.iter().map(|row| median(row.cpu.clone())).collect();
    let bare = rows.iter().position(|row| row.name == proxies::HYPER);
    let cpu_of = |row: Option<usize>| row.and_then(|row| cpus.get(row)).copied().unwrap_or(f64::NAN);
    let mut table = Table::new(&["", "CPU µs", "× bare hyper", "passing +", "p50 µs", "p99 µs"]);
    for (row, cpu) in rows.iter().zip(&cpus) {
        let over = row.pass.map(|_| format!("{:+.1}", cpu - cpu_of(row.pass))).unwrap_or_default();
        table.row([
            row.name.clone(),
            format!("{cpu:.1}"),
            format!("{:.2}", cpu / cpu_of(bare)),
            over,
            format!("{:.0}", median(row.p50.clone())),
            format!("{:.0}", median(row.p99.clone())),
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

//! One feed and many guards: how long a revocation takes to reach all of them, and how many a second they can take.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, try_join_all};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::quantile;
use gatepass_bench::table::{Table, section};
use gatepass_guard::{Feed, Guard, IssuerConfig, OnStale, Revocation, WhenStale};
use serde_json::json;

use crate::gatepass::{Hashing, Installation, audience, binary, jti};
use crate::load::{Connection, post};
use crate::process::Process;

const FLEETS: [usize; 3] = [1, 10, 200];
/// Between revocations that are each alone.
const PAUSE: Duration = Duration::from_millis(10);
/// As many revocations a second as a company that locks everybody out asks for.
const RATE: u32 = 1_000;
const CALLERS: u32 = 16;
/// Past this a revocation counts as lost.
const LIMIT: Duration = Duration::from_secs(10);

/// How much is asked of the fleets.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Revocations that are each alone.
    pub(crate) alone: usize,
    /// How long they come in a flood.
    pub(crate) flood: Duration,
}

pub(crate) async fn run(extent: Extent) -> Result<()> {
    section(
        "Revocation at many guards",
        &format!(
            "`gatepass serve` and guards that follow it over HTTP, all of them in this program on one thread, on whichever cores.
             alone: {} times, a token that every guard has just let through is revoked by an admin call; from that call's answer on
             each guard is asked in turn until it refuses. `one`: over all guards; `the last`: until none lets it through.
             flood: {RATE} revocations a second for {} s from {CALLERS} connections. The CPU time is the server's, the flushes to
             disk and the admin calls included; `caught up` is the time from the last answer until every guard has them all.",
            extent.alone,
            extent.flood.as_secs(),
        ),
    );
    let installation = Installation::create(&binary()?, Hashing::Cheap)?;
    let (server, _) = installation.start(Place::Anywhere).await?;
    let admin = installation.tokens(&installation.issuer(), "gatepass:admin", 1).await?.concat();
    let mut alone = Table::new(&["guards", "one: p50 ms", "p99 ms", "the last: p50 ms", "p99 ms", "target"]);
    let mut flood = Table::new(&[
        "guards",
        "revocations/s",
        "deliveries/s",
        "server CPU, cores",
        "µs per delivery",
        "most stale ms",
        "caught up ms",
    ]);
    for size in FLEETS {
        let fleet = Fleet::start(&installation, size).await?;
        let tokens = installation.tokens(&audience("ES256"), "orders:read", extent.alone).await?;
        alone.row(fleet.alone(&Admin::new(&installation, &admin), &tokens).await?);
        flood.row(fleet.flood(&Admin::new(&installation, &admin), &server, extent.flood).await?);
        fleet.stop().await;
    }
    alone.print();
    flood.print();
    server.stop()
}

/// Who revokes.
#[derive(Clone)]
struct Admin {
    server: SocketAddr,
    bearer: String,
}

impl Admin {
    fn new(installation: &Installation, token: &str) -> Self {
        Self { server: installation.address, bearer: format!("Bearer {token}") }
    }

    async fn revoke(&self, connection: &mut Connection, kind: &str, id: &str) -> Result<()> {
        let body = json!({ "kind": kind, "id": id, "reason": "admin" }).to_string();
        let fields = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        let answer = connection.exchange(&post(self.server, "/admin/v1/revocations", &fields, &body)).await?;
        let said = String::from_utf8_lossy(answer.body);
        ensure!((200..300).contains(&answer.status), "the revocation is answered {}: {said}", answer.status);
        Ok(())
    }

    /// Revokes at an even pace until it is time, from one of several connections; says how many.
    async fn keep_revoking(&self, caller: u32, for_: Duration) -> Result<usize> {
        let mut connection = Connection::open(self.server).await?;
        let mut turns = tokio::time::interval(Duration::from_secs(1) * CALLERS / RATE);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < for_ {
            turns.tick().await;
            self.revoke(&mut connection, "token", &format!("flood-{caller}-{done}")).await?;
            done += 1;
        }
        Ok(done)
    }
}

struct Fleet(Vec<Guard>);

impl Fleet {
    async fn start(installation: &Installation, size: usize) -> Result<Self> {
        let config = || {
            let feed = Feed::new(OnStale { after: Duration::from_secs(3_600), then: WhenStale::Deny });
            IssuerConfig::new(installation.issuer(), [audience("ES256")], Revocation::Feed(feed))
        };
        let guards = try_join_all((0..size).map(|_| Guard::start([config()]))).await?;
        let ready = join_all(guards.iter().map(Guard::ready));
        tokio::time::timeout(LIMIT, ready).await.context("the guards are not ready")?;
        Ok(Self(guards))
    }

    async fn alone(&self, admin: &Admin, tokens: &[String]) -> Result<[String; 6]> {
        let mut connection = Connection::open(admin.server).await?;
        let (mut each, mut last) = (Vec::new(), Vec::new());
        for token in tokens {
            for guard in &self.0 {
                guard.verify(token).await.context("a good token is refused")?;
            }
            tokio::time::sleep(PAUSE).await;
            admin.revoke(&mut connection, "token", &jti(token)?).await?;
            let answered = Instant::now();
            let mut unaware: Vec<&Guard> = self.0.iter().collect();
            while !unaware.is_empty() {
                let mut still = Vec::new();
                for guard in unaware {
                    match guard.verify(token).await {
                        Ok(_) => still.push(guard),
                        Err(_) => each.push(answered.elapsed().as_secs_f64() * 1e3),
                    }
                }
                unaware = still;
                ensure!(answered.elapsed() < LIMIT, "{} guards never heard of a revocation", unaware.len());
                // Their streams are read on this thread, too.
                tokio::task::yield_now().await;
            }
            last.push(answered.elapsed().as_secs_f64() * 1e3);
        }
        let of = |times: &[f64], part| format!("{:.2}", quantile(times.to_vec(), part));
        Ok([
            self.0.len().to_string(),
            of(&each, 0.5),
            of(&each, 0.99),
            of(&last, 0.5),
            of(&last, 0.99),
            "p99 ≤ 10 ms".into(),
        ])
    }

    async fn flood(&self, admin: &Admin, server: &Process, for_: Duration) -> Result<[String; 7]> {
        let (cpu, begun) = (server.cpu_time()?, Instant::now());
        let before = self.least_seq();
        let callers = try_join_all((0..CALLERS).map(|caller| admin.keep_revoking(caller, for_)));
        let (done, stalest) = tokio::select! {
            done = callers => (done?.into_iter().sum::<usize>(), self.stalest()),
            never = self.watch() => match never? {},
        };
        let answered = Instant::now();
        let took = answered - begun;
        while self.least_seq() < before + done as u64 {
            ensure!(answered.elapsed() < LIMIT, "a guard never heard of {done} revocations");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let caught_up = answered.elapsed();
        let (cpu, all) = (server.cpu_time()? - cpu, begun.elapsed());
        let deliveries = (done * self.0.len()) as f64;
        Ok([
            self.0.len().to_string(),
            format!("{:.0}", done as f64 / took.as_secs_f64()),
            format!("{:.0}", deliveries / all.as_secs_f64()),
            format!("{:.2}", cpu.as_secs_f64() / all.as_secs_f64()),
            format!("{:.2}", cpu.as_secs_f64() * 1e6 / deliveries),
            format!("{:.0}", stalest.as_secs_f64() * 1e3),
            format!("{:.1}", caught_up.as_secs_f64() * 1e3),
        ])
    }

    /// Fails when a guard has lost its stream, which a flood must not cause.
    async fn watch(&self) -> Result<std::convert::Infallible> {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let views = self.views();
            ensure!(views.iter().all(|view| view.connected), "the flood cut a guard off");
        }
    }

    fn views(&self) -> Vec<gatepass_guard::RevocationStatus> {
        let issuers = self.0.iter().flat_map(|guard| guard.status().issuers);
        issuers.filter_map(|issuer| issuer.revocation).collect()
    }

    fn least_seq(&self) -> u64 {
        self.views().iter().map(|view| view.seq).min().unwrap_or_default()
    }

    fn stalest(&self) -> Duration {
        self.views().iter().map(|view| view.staleness.unwrap_or(Duration::MAX)).max().unwrap_or_default()
    }

    async fn stop(self) {
        join_all(self.0.iter().map(Guard::shutdown)).await;
    }
}

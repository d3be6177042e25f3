//! Everything at once, for minutes: do memory, latency and the database stay where they are?

mod revoking;
mod verdict;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::Effort;
use gatepass_bench::table::{Table, section};

use self::revoking::Revoking;
use self::verdict::{Stretch, Verdict};
use super::login_request;
use super::sessions::{disk_usage, log_in};
use crate::gatepass::{Hashing, Installation, audience, binary};
use crate::load::{Clients, Connection, Cycle, Load};

/// A session that nobody uses for so long ends, and access tokens expire, so that there come to be no more of them.
const LIFETIMES: &str =
    "\n[access_token]\nlifetime = \"1m\"\n\n[refresh_token]\nidle = \"1m\"\nabsolute = \"1d\"\n";
/// Sessions that are refreshed without pause.
const REFRESHED: usize = 16;
/// What each kind of load is called, in the order of its columns.
const KINDS: [&str; 4] = ["logins", "refreshes", "credentials", "introspections"];

/// Logins, refreshes, client credentials, introspection and revocation beside each other, in as many stretches as the effort
/// has rounds.
///
/// # Errors
/// An answer that should not have come, or something that did not stay where it was.
pub(crate) async fn run(effort: Effort) -> Result<()> {
    section(
        "Mixed load",
        &format!(
            "`gatepass serve` on the last core alone with its default cost of a password; 2 connections log in, {REFRESHED} refresh a
             session each, 8 are given tokens by client credentials, 8 introspect, all of them without pause; one revokes a token every
             {} ms, which has to be active before and inactive after. {} stretches of {} s. Sessions end after a minute without use, and
             access tokens live for one. The first unexpected answer ends it. Memory: what is not mapped from files. Disk: the database
             with its log. Rows: of the table of sessions, against the sessions that were ever started.",
            revoking::PAUSE.as_millis(),
            effort.rounds,
            effort.slice.as_secs(),
        ),
    );
    let installation = Installation::create(&binary()?, Hashing::Default)?;
    installation.configure(LIFETIMES)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let address = installation.address;
    let mut connection = Connection::open(address).await?;
    let mut sessions = Vec::new();
    for _ in 0..REFRESHED {
        sessions.push(log_in(&mut connection, address).await?);
    }
    let audience = audience("ES256");
    let tokens = installation.tokens(&audience, "orders:read", 1000).await?;
    let introspect = |token: &String| installation.introspection_request(address, "/oauth/introspect", token);
    let introspections = tokens.iter().map(introspect).collect();
    let credentials = vec![installation.token_request(&audience, "orders:read")];
    let mut refreshing = Clients::connect(address, sessions).await?;
    let logins = Cycle::shared(vec![login_request(address, "cookie")], 2, 200);
    let mut logins = Clients::connect(address, logins).await?;
    let mut credentials = Clients::connect(address, Cycle::shared(credentials, 8, 200)).await?;
    let mut introspections = Clients::connect(address, Cycle::shared(introspections, 8, 200)).await?;
    let mut revoking = Revoking::connect(&installation, &audience).await?;

    let mut table = Table::new(&[
        "after s",
        "logins/s",
        "p99 ms",
        "refreshes/s",
        "p99 ms",
        "credentials/s",
        "p99 ms",
        "introspections/s",
        "p99 ms",
        "revocations",
        "core %",
        "memory MB",
        "disk MB",
        "sessions",
        "rows",
    ]);
    let mut verdict = Verdict::default();
    let mut started = REFRESHED;
    for number in 1..=effort.rounds {
        let (began, before) = (Instant::now(), server.cpu_time()?);
        let (logins, refreshes, credentials, introspections, revocations) = tokio::try_join!(
            logins.run(effort.slice),
            refreshing.run(effort.slice),
            credentials.run(effort.slice),
            introspections.run(effort.slice),
            revoking.run(effort.slice),
        )?;
        started += logins.latencies.len();
        let loads = [logins, refreshes, credentials, introspections];
        let stretch = Stretch {
            p99: loads.each_ref().map(|load| load.latency(0.99) / 1000.0),
            core: (server.cpu_time()? - before).as_secs_f64() / began.elapsed().as_secs_f64(),
            memory: server.memory()?.own,
            disk: disk_usage(installation.dir.path())?,
            sessions: started,
            rows: rows(installation.dir.path())?,
        };
        let mut row = vec![(effort.slice * u32::try_from(number)?).as_secs().to_string()];
        row.extend(loads.iter().zip(stretch.p99).flat_map(rate_and_latency));
        row.extend([revocations.to_string(), format!("{:.0}", 100.0 * stretch.core)]);
        row.extend([stretch.memory, stretch.disk].map(|bytes| format!("{:.1}", bytes as f64 / 1e6)));
        row.extend([stretch.sessions, stretch.rows].map(|count| count.to_string()));
        table.row(row);
        verdict.add(stretch);
    }
    table.print();
    server.stop()?;
    verdict.print()
}

fn rate_and_latency((load, p99): (&Load, f64)) -> [String; 2] {
    [format!("{:.0}", load.per_second()), format!("{p99:.1}")]
}

/// How many rows the table of sessions has, read beside the running server. Python has SQLite built in; here it would have to
/// be compiled for one question.
fn rows(dir: &Path) -> Result<usize> {
    const QUESTION: &str = "import sqlite3, sys, pathlib\n\
        store = sqlite3.connect(pathlib.Path(sys.argv[1]).as_uri() + '?mode=ro', uri=True)\n\
        print(store.execute('SELECT count(*) FROM session').fetchone()[0])";
    let output = Command::new("python3").args(["-c", QUESTION]).arg(dir.join("gatepass.db")).output();
    let output = output.context("python3 counts the rows of the table of sessions")?;
    ensure!(
        output.status.success(),
        "the rows cannot be counted: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(std::str::from_utf8(&output.stdout)?.trim().parse()?)
}

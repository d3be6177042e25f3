//! Everything at once, for minutes: does memory stay where it is?

use anyhow::Result;
use gatepass_bench::place::Place;
use gatepass_bench::rounds::Effort;
use gatepass_bench::table::{Table, section};

use super::login_request;
use super::sessions::{disk_usage, log_in};
use crate::gatepass::{Hashing, Installation, audience, binary};
use crate::load::{Clients, Connection, Cycle, Load};

/// A session that nobody uses for so long ends, so that there come to be no more of them.
const LIFETIMES: &str = "\n[refresh_token]\nidle = \"1m\"\nabsolute = \"1d\"\n";

/// Logins, refreshes, client credentials and introspection beside each other, in as many stretches as the effort has rounds.
pub(crate) async fn run(effort: Effort) -> Result<()> {
    section(
        "Mixed load",
        &format!(
            "`gatepass serve` on the last core alone with its default cost of a password; 2 connections log in, 16 refresh a session
             each, 8 are given tokens by client credentials, 8 introspect; all of them without pause, in {} stretches of {} s.
             Sessions end after a minute without use. Disk: the database with its log.",
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
    for _ in 0..16 {
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

    let mut table = Table::new(&[
        "after s",
        "logins/s",
        "refreshes/s",
        "p99 ms",
        "credentials/s",
        "p99 ms",
        "introspections/s",
        "p99 ms",
        "memory MB",
        "disk MB",
    ]);
    for stretch in 1..=effort.rounds {
        let (logins, refreshes, credentials, introspections) = tokio::try_join!(
            logins.run(effort.slice),
            refreshing.run(effort.slice),
            credentials.run(effort.slice),
            introspections.run(effort.slice),
        )?;
        let mut row = vec![
            (effort.slice * u32::try_from(stretch)?).as_secs().to_string(),
            format!("{:.0}", logins.per_second()),
        ];
        row.extend([refreshes, credentials, introspections].iter().flat_map(rate_and_latency));
        row.push(format!("{:.1}", server.memory()?.own as f64 / 1e6));
        row.push(format!("{:.1}", disk_usage(installation.dir.path())? as f64 / 1e6));
        table.row(row);
    }
    table.print();
    server.stop()
}

fn rate_and_latency(load: &Load) -> [String; 2] {
    [format!("{:.0}", load.per_second()), format!("{:.1}", load.latency(0.99) / 1000.0)]
}

//! What a session and its rotations leave on the disk, and what a flood of logins does to everybody else.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;
use gatepass_bench::rounds::Effort;

use super::contender::Contender;
use super::{CONNECTIONS, refreshing, table};
use crate::load::{Caller, Clients, Cycle, Load};
use crate::server::flood::Flooding;

/// Connections that log in to be in the way, and those of each other kind beside them.
const FLOOD: usize = 64;
const BESIDE: usize = 4;

/// Bytes are counted while the server is stopped, so that none is still on its way; one that is not ours to stop is counted as
/// it runs.
pub(super) async fn print_bytes(contenders: &mut [Contender], effort: Effort) -> Result<()> {
    let (mut rotations, mut sessions) =
        (vec!["bytes on disk added per rotation".to_owned()], vec!["bytes on disk per session".to_owned()]);
    for contender in &mut *contenders {
        if contender.sheet.store.is_empty() {
            rotations.push("in memory".to_owned());
            sessions.push("in memory".to_owned());
            continue;
        }
        contender.start().await?;
        let tokens = contender.refresh_tokens(CONNECTIONS).await?;
        let callers =
            |contender: &Contender| tokens.iter().map(|token| refreshing(contender, token)).collect();
        rotations.push(growth(contender, effort, callers).await?);
        let logins = |contender: &Contender| {
            let login = contender.sheet.login.iter().map(|login| login.plain(contender.address())).collect();
            Cycle::shared(login, CONNECTIONS, 200)
        };
        sessions.push(match contender.sheet.login {
            Some(_) => growth(contender, effort, logins).await?,
            None => "–".to_owned(),
        });
        contender.stop()?;
    }
    let mut table = table("", contenders);
    table.row(rotations);
    table.row(sessions);
    table.print();
    Ok(())
}

/// What each answer adds to the store, with how many were counted.
async fn growth(
    contender: &mut Contender,
    effort: Effort,
    callers: impl Fn(&Contender) -> Vec<Box<dyn Caller>>,
) -> Result<String> {
    let before = at_rest(contender).await?;
    let mut clients = Clients::connect(contender.address(), callers(contender)).await?;
    let load = clients.run(effort.slice * 10).await?;
    drop(clients);
    let after = at_rest(contender).await?;
    let bytes = (after as f64 - before as f64) / load.answers();
    Ok(format!("{bytes:.0} (of {:.0})", load.answers()))
}

/// What the store takes while nothing is written to it; the server runs before and after.
async fn at_rest(contender: &mut Contender) -> Result<u64> {
    if !contender.is_ours_to_start() {
        return Ok(contender.sheet.disk_usage());
    }
    contender.stop()?;
    let bytes = contender.sheet.disk_usage();
    contender.start().await?;
    Ok(bytes)
}

pub(super) async fn print_floods(contenders: &mut [Contender], effort: Effort) -> Result<()> {
    println!(
        "  {FLOOD} connections log in as fast as they can; beside them {BESIDE} refresh and {BESIDE} read the JWK Set without pause.\n"
    );
    let names = [
        "refreshes per second",
        "refresh p99, ms",
        "JWK Set p99, ms",
        "logins per second",
        "of all logins refused",
        "memory after it, MB",
    ];
    let mut rows: Vec<Vec<String>> = names.iter().map(|name| vec![(*name).to_owned()]).collect();
    for contender in &mut *contenders {
        let cells = match flood(contender, effort).await {
            Ok(cells) => cells,
            Err(error) => {
                println!("  {} under the flood: {error:#}.", contender.sheet.name);
                names.map(|_| "–".to_owned())
            }
        };
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        contender.stop()?;
    }
    let mut table = table("under the flood", contenders);
    rows.into_iter().for_each(|row| table.row(row));
    table.print();
    Ok(())
}

async fn flood(contender: &mut Contender, effort: Effort) -> Result<[String; 6]> {
    let Some(login) = contender.sheet.login.clone() else {
        return Ok([const { "–" }; 6].map(str::to_owned));
    };
    contender.start().await?;
    let tokens = contender.refresh_tokens(BESIDE).await?;
    let address = contender.address();
    let refused = Rc::new(Cell::new(0));
    let flooding = |_| Box::new(Flooding::new(login.plain(address), refused.clone())) as Box<dyn Caller>;
    let mut logins = Clients::connect(address, (0..FLOOD).map(flooding).collect()).await?;
    let refreshes = tokens.iter().map(|token| refreshing(contender, token)).collect();
    let mut refreshes = Clients::connect(address, refreshes).await?;
    let jwk_set = Cycle::shared(vec![contender.get(&contender.sheet.jwk_set)], BESIDE, 200);
    let mut jwk_set = Clients::connect(address, jwk_set).await?;
    let duration = effort.slice * 4;
    let (logins, refreshes, jwk_set) =
        tokio::try_join!(logins.run(duration), refreshes.run(duration), jwk_set.run(duration))?;
    let p99 = |load: &Load| format!("{:.1}", load.latency(0.99) / 1000.0);
    let taken = logins.answers() - refused.get() as f64;
    Ok([
        format!("{:.0}", refreshes.per_second()),
        p99(&refreshes),
        p99(&jwk_set),
        format!("{:.0}", taken / logins.elapsed.as_secs_f64()),
        format!("{:.0} %", 100.0 * refused.get() as f64 / logins.answers()),
        format!("{:.0}", contender.process()?.memory()?.resident as f64 / 1e6),
    ])
}

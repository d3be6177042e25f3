//! `gatepass serve` and authorization servers that others wrote, asked for the same, in one run.

pub(crate) mod contender;
mod costs;
mod pages;
pub(crate) mod sheet;

use std::time::Duration;

use anyhow::{Context as _, Result};
use gatepass_bench::rounds::{Effort, median};
use gatepass_bench::table::{Table, section};

use self::contender::Contender;
use crate::gatepass::member;
use crate::load::{Caller, Connection, Cycle};
use crate::operation::{Operation, Server};
use crate::server::sessions::Refreshing;

/// Connections of the table.
const CONNECTIONS: usize = 16;
/// How many different access tokens are introspected.
const TOKENS: usize = 1000;
/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);
/// A start that takes so long says enough once.
const LONG_START: Duration = Duration::from_secs(2);

/// What all of them are asked for. What one cannot be asked for is a gap in its column.
const QUESTIONS: [&str; 8] = [
    "JWK Set",
    "discovery",
    "client credentials, ES256",
    "client credentials, EdDSA",
    "client credentials, RS256",
    "introspection, 1,000 tokens in turn",
    "refresh with rotation",
    "password login",
];

pub(crate) async fn run(effort: Effort) -> Result<()> {
    section(
        "Authorization servers",
        &format!(
            "Each server on the last core alone, all of them the same one; the client on the others, where there are any. Loopback,
             {CONNECTIONS} kept connections; medians of {} interleaved rounds of {} ms. CPU is the time of all threads of the server's
             processes per answer, in user and kernel together. Rates are of a client that shares the machine. (n×): so many times
             ours. Whoever gets faster as it runs is asked for a while before. Refresh tokens are for one use, everywhere; a refresh
             is authenticated by the client's secret.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let mut contenders = contender::all().await?;
    print_starts(&mut contenders, effort).await?;
    print_operations(&mut contenders, effort).await?;
    contenders.iter_mut().try_for_each(Contender::stop)?;
    costs::print_bytes(&mut contenders, effort).await?;
    costs::print_floods(&mut contenders, effort).await
}

/// A table with a column for each server.
pub(crate) fn table(title: &str, contenders: &[Contender]) -> Table {
    let mut headings = vec![title];
    headings.extend(contenders.iter().map(|contender| contender.sheet.name.as_str()));
    Table::new(&headings)
}

/// Starts all of them and leaves them running.
async fn print_starts(contenders: &mut [Contender], effort: Effort) -> Result<()> {
    let names =
        ["start to the first 200, ms", "idle memory, MB resident", "idle memory, MB without mapped files"];
    let [mut starts, mut resident, mut own] = names.map(|name| vec![name.to_owned()]);
    for contender in &mut *contenders {
        let start = median_start(contender, effort).await.with_context(|| contender.sheet.name.clone())?;
        starts.push(if contender.is_ours_to_start() { format!("{start:.0}") } else { "–".to_owned() });
    }
    tokio::time::sleep(REST).await;
    for contender in &*contenders {
        let memory = contender.process()?.memory()?;
        resident.push(format!("{:.1}", memory.resident as f64 / 1e6));
        own.push(format!("{:.1}", memory.own as f64 / 1e6));
    }
    let mut table = table("", contenders);
    [starts, resident, own].into_iter().for_each(|row| table.row(row));
    table.print();
    Ok(())
}

/// Leaves it running; how long it took to answer, in milliseconds. A start that takes seconds is not repeated.
async fn median_start(contender: &mut Contender, effort: Effort) -> Result<f64> {
    let mut times = vec![contender.start().await?];
    while times.len() < effort.rounds
        && contender.is_ours_to_start()
        && times.iter().all(|time| *time < LONG_START)
    {
        contender.stop()?;
        times.push(contender.start().await?);
    }
    Ok(median(times.iter().map(|time| time.as_secs_f64() * 1000.0).collect()))
}

async fn print_operations(contenders: &mut [Contender], effort: Effort) -> Result<()> {
    let mut callers = Vec::new();
    for contender in &mut *contenders {
        callers.push(callers_of(contender).await.with_context(|| contender.sheet.name.clone())?);
    }
    let contenders = &*contenders;
    let mut grid: Vec<Vec<Option<Operation<'_>>>> = Vec::new();
    for (contender, callers) in contenders.iter().zip(callers) {
        let server = Server { process: contender.process()?, address: contender.address() };
        let operation = |(question, callers): (&str, Option<_>)| {
            Some(Operation::new(server, format!("{}: {question}", contender.sheet.name), "", callers?))
        };
        grid.push(QUESTIONS.into_iter().zip(callers).map(operation).collect());
    }
    for (contender, column) in contenders.iter().zip(&mut grid) {
        let warm_up =
            effort.slice.min(Duration::from_secs(1)) * u32::try_from(contender.sheet.warm_up_seconds)?;
        for operation in column.iter_mut().flatten() {
            operation.warm_up(warm_up).await.with_context(|| operation.name.clone())?;
        }
    }
    for _ in 0..effort.rounds {
        for question in 0..QUESTIONS.len() {
            for operation in grid.iter_mut().filter_map(|column| column.get_mut(question)?.as_mut()) {
                operation.measure(effort.slice).await.with_context(|| operation.name.clone())?;
            }
        }
    }
    print_grid("CPU µs per answer", contenders, &grid, |operation| operation.cpu());
    print_grid("answers per second", contenders, &grid, |operation| operation.rate());
    let hash = |contender: &Contender| {
        contender.sheet.hash.as_ref().map(|hash| format!("{}: {hash}", contender.sheet.name))
    };
    println!(
        "  Passwords are kept as each does by default. {}.\n",
        contenders.iter().filter_map(hash).collect::<Vec<_>>().join("; ")
    );
    Ok(())
}

/// One figure of every operation, with its ratio to ours, which is the first column's.
fn print_grid(
    title: &str,
    contenders: &[Contender],
    grid: &[Vec<Option<Operation<'_>>>],
    figure: impl Fn(&Operation<'_>) -> f64,
) {
    let mut table = table(title, contenders);
    for (number, question) in QUESTIONS.iter().enumerate() {
        let figures: Vec<_> = grid.iter().map(|column| column.get(number)?.as_ref().map(&figure)).collect();
        let ours = figures.first().copied().flatten().unwrap_or(f64::NAN);
        let cell = |(place, figure): (usize, Option<f64>)| match figure {
            None => "–".to_owned(),
            Some(figure) if place == 0 => short(figure),
            Some(figure) => format!("{} ({}×)", short(figure), times(figure / ours)),
        };
        table.row([(*question).to_owned()].into_iter().chain(figures.into_iter().enumerate().map(cell)));
    }
    table.print();
}

fn short(figure: f64) -> String {
    if figure < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}

fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 1.0 => format!("{ratio:.2}"),
        ratio if ratio < 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    }
}

/// Who asks each question, in the order of [`QUESTIONS`].
async fn callers_of(contender: &mut Contender) -> Result<Vec<Option<Vec<Box<dyn Caller>>>>> {
    let refresh_tokens = contender.refresh_tokens(CONNECTIONS).await?;
    let (sheet, address) = (&contender.sheet, contender.address());
    let shared = |requests| Cycle::shared(requests, CONNECTIONS, 200);
    let mut callers = vec![
        Some(shared(vec![contender.get(&sheet.jwk_set)])),
        Some(shared(vec![contender.get(&sheet.discovery)])),
    ];
    for alg in ["ES256", "EdDSA", "RS256"] {
        callers.push(sheet.client_credentials.get(alg).map(|request| shared(vec![request.plain(address)])));
    }
    let asks = sheet.introspectable.as_ref().or(sheet.client_credentials.get("ES256"));
    callers.push(match (asks, &sheet.introspection) {
        (Some(asks), Some(introspection)) => {
            let tokens = access_tokens(contender, &asks.plain(address)).await?;
            Some(shared(tokens.iter().map(|token| introspection.with(address, token)).collect()))
        }
        _ => None,
    });
    callers.push(Some(refresh_tokens.iter().map(|token| refreshing(contender, token)).collect()));
    callers.push(sheet.login.as_ref().map(|login| shared(vec![login.plain(address)])));
    Ok(callers)
}

/// Refreshes a session with each token that the refresh before it has brought.
fn refreshing(contender: &Contender, token: &str) -> Box<dyn Caller> {
    let (refresh, address) = (contender.sheet.refresh.clone(), contender.address());
    Refreshing::first(token, move |token| refresh.with(address, token))
}

async fn access_tokens(contender: &Contender, request: &[u8]) -> Result<Vec<String>> {
    let mut connection = Connection::open(contender.address()).await?;
    let mut tokens = Vec::with_capacity(TOKENS);
    while tokens.len() < TOKENS {
        tokens.push(member(connection.exchange(request).await?.body, "access_token")?);
    }
    Ok(tokens)
}

//! Sessions: refreshed by many at once, and there in great number.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::{Effort, median};
use serde_json::json;

use super::{login_request, print_table};
use crate::gatepass::{Hashing, Installation};
use crate::load::{Answer, Caller, Clients, Connection, Cycle, post};
use crate::operation::{Operation, Server};
use crate::process::Memory;

/// Refreshes one session, with each token that the refresh before it has brought.
pub(crate) struct Refreshing<F> {
    request: Vec<u8>,
    /// The request that shows a refresh token.
    showing: F,
}

impl<F: Fn(&str) -> Vec<u8> + 'static> Refreshing<F> {
    pub(crate) fn first(token: &str, showing: F) -> Box<dyn Caller> {
        Box::new(Self { request: showing(token), showing })
    }
}

impl<F: Fn(&str) -> Vec<u8>> Caller for Refreshing<F> {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answered(&mut self, answer: Answer<'_>) -> Result<()> {
        match answer.status {
            200 => self.request = (self.showing)(refresh_token(answer.body)?),
            status => bail!("refresh: status {status}: {}", String::from_utf8_lossy(answer.body)),
        }
        Ok(())
    }
}

/// The refresh token of an answer, found without reading the JSON: the client shares the machine.
fn refresh_token(answer: &[u8]) -> Result<&str> {
    const NAME: &str = "\"refresh_token\":\"";
    let answer = std::str::from_utf8(answer)?;
    let (_, from) = answer.split_once(NAME).context("no refresh token in the answer")?;
    Ok(from.split_once('"').context("no end of the refresh token")?.0)
}

/// Starts a session of its own.
pub(super) async fn log_in(connection: &mut Connection, address: SocketAddr) -> Result<Box<dyn Caller>> {
    let answer = connection.exchange(&login_request(address, "body")).await?;
    if answer.status != 200 {
        bail!("login: status {}: {}", answer.status, String::from_utf8_lossy(answer.body));
    }
    Ok(Refreshing::first(refresh_token(answer.body)?, move |token| {
        let body = json!({ "refresh_token": token }).to_string();
        post(address, "/session/refresh", &[("content-type", "application/json")], &body)
    }))
}

pub(super) async fn print_refreshes(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Cheap)?;
    let (process, _) = installation.start(Place::Measured).await?;
    let server = Server { process: &process, address: installation.address };
    let flush = flush_time(installation.dir.path())?;
    println!(
        "  Durable refreshes; flushing 4 kB to this disk takes {:.2} ms (median of 51).",
        flush * 1000.0
    );
    println!(
        "  Every connection has a session of its own and presents the newest token; the answer comes when the rotation is on disk.\n"
    );
    let mut operations = Vec::new();
    for (connections, target) in [(1, ""), (16, "≤ 120 µs, ≥ 3,000/s"), (256, "≤ 120 µs, ≥ 8,000/s")]
    {
        let mut connection = Connection::open(installation.address).await?;
        let mut callers = Vec::new();
        for _ in 0..connections {
            callers.push(log_in(&mut connection, installation.address).await?);
        }
        let name = format!("refresh, {connections} connections");
        operations.push(Operation::new(server, name, target, callers));
    }
    let logins = Cycle::shared(vec![login_request(installation.address, "body")], 16, 200);
    let name = "login with next to no hash, 16 connections";
    operations.push(Operation::new(server, name, "≤ 200 µs", logins));
    print_table(operations, effort).await?;
    process.stop()
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
pub(super) async fn print_many_sessions(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Cheap)?;
    let empty = disk_usage(installation.dir.path())?;
    let (server, _) = installation.start(Place::Measured).await?;
    let callers = Cycle::shared(vec![login_request(installation.address, "body")], 256, 200);
    let mut clients = Clients::connect(installation.address, callers).await?;
    let load = clients.run(effort.slice * 10).await?;
    drop(clients);
    server.stop()?;
    let bytes = disk_usage(installation.dir.path())?.saturating_sub(empty);
    let mut starts = Vec::new();
    let mut resident = Memory::default();
    for _ in 0..5 {
        let (process, took) = installation.start(Place::Measured).await?;
        starts.push(took.as_secs_f64() * 1000.0);
        resident = process.memory()?;
        process.stop()?;
    }
    println!(
        "  With {:.0} sessions (made at {:.0} logins a second with a cheap hash): start {:.1} ms, then {resident},\n  \
         {:.0} bytes on disk per session (target ≤ 400).\n",
        load.answers(),
        load.per_second(),
        median(starts),
        bytes as f64 / load.answers(),
    );
    Ok(())
}

/// What the database takes, its log included.
pub(super) fn disk_usage(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("gatepass.db") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

//! What a flood of logins does to everybody else.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, bail};
use gatepass_bench::place::Place;
use gatepass_bench::rounds::Effort;
use gatepass_bench::table::Table;

use super::login_request;
use super::sessions::log_in;
use crate::gatepass::{Hashing, Installation};
use crate::load::{Answer, Caller, Clients, Connection, Cycle, get};

/// Connections that log in to be in the way.
const FLOOD: usize = 128;

/// Logs in without end, and takes a refusal for an answer.
pub(crate) struct Flooding {
    request: Vec<u8>,
    refused: Rc<Cell<usize>>,
}

impl Flooding {
    /// Counts the refusals.
    pub(crate) fn new(request: Vec<u8>, refused: Rc<Cell<usize>>) -> Self {
        Self { request, refused }
    }
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

pub(super) async fn print(binary: &Path, effort: Effort) -> Result<()> {
    let installation = Installation::create(binary, Hashing::Default)?;
    let (server, _) = installation.start(Place::Measured).await?;
    let address = installation.address;
    let idle = server.memory()?;
    let mut refreshing = Vec::new();
    for _ in 0..4 {
        refreshing.push(log_in(&mut Connection::open(address).await?, address).await?);
    }
    let refused = Rc::new(Cell::new(0));
    let flood =
        |_| Box::new(Flooding::new(login_request(address, "cookie"), refused.clone())) as Box<dyn Caller>;
    let mut flood = Clients::connect(address, (0..FLOOD).map(flood).collect()).await?;
    let mut refreshing = Clients::connect(address, refreshing).await?;
    let jwks = Cycle::shared(vec![get(address, "/.well-known/jwks.json", &[])], 4, 200);
    let mut jwks = Clients::connect(address, jwks).await?;
    let duration = effort.slice * 4;
    let (flood, refreshing, jwks) =
        tokio::try_join!(flood.run(duration), refreshing.run(duration), jwks.run(duration))?;
    println!(
        "  {FLOOD} connections log in as fast as they can; beside them 4 refresh and 4 read the JWK Set without pause.\n"
    );
    let mut table = Table::new(&["under the flood", "per second", "p50 ms", "p99 ms", "target"]);
    let target = "p99 < 20 ms".to_owned();
    for (name, load, target) in [("refresh", &refreshing, target.clone()), ("JWK Set", &jwks, target)] {
        let [p50, p99] = [0.5, 0.99].map(|part| format!("{:.2}", load.latency(part) / 1000.0));
        table.row([name.to_owned(), format!("{:.0}", load.per_second()), p50, p99, target]);
    }
    table.print();
    println!(
        "  Logins: {:.0} answered, {} of them refused; memory {idle} before, {} after.\n",
        flood.answers(),
        refused.get(),
        server.memory()?,
    );
    server.stop()
}

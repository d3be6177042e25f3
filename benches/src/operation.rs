//! What is asked of a server over and over, and what that costs it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use gatepass_bench::rounds::median;

use crate::load::{Caller, Clients, Load};
use crate::process::Process;

/// What runs before it is looked at, so that connections are open and memory is warm.
const WARM_UP: Duration = Duration::from_millis(100);

/// A server that is measured.
#[derive(Clone, Copy)]
pub(crate) struct Server<'s> {
    pub(crate) process: &'s Process,
    pub(crate) address: SocketAddr,
}

/// Something that is asked of a server in every round.
pub(crate) struct Operation<'s> {
    pub(crate) name: String,
    server: Server<'s>,
    callers: Vec<Box<dyn Caller>>,
    target: &'static str,
    /// CPU time in microseconds per answer, of every round.
    cpu: Vec<f64>,
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl<'s> Operation<'s> {
    pub(crate) fn new(
        server: Server<'s>,
        name: impl Into<String>,
        target: &'static str,
        callers: Vec<Box<dyn Caller>>,
    ) -> Self {
        let (cpu, rates, p50, p99) = Default::default();
        Self { name: name.into(), server, callers, target, cpu, rates, p50, p99 }
    }

    /// Runs for a while; the CPU time of connecting is left out.
    pub(crate) async fn measure(&mut self, slice: Duration) -> Result<()> {
        let Server { process, address } = self.server;
        let mut clients = Clients::connect(address, std::mem::take(&mut self.callers)).await?;
        clients.run(WARM_UP).await?;
        let before = process.cpu_time()?;
        let load = clients.run(slice).await?;
        self.record(process.cpu_time()? - before, &load);
        self.callers = clients.disconnect();
        Ok(())
    }

    /// Runs for a while without being looked at, for programs that become faster as they run.
    pub(crate) async fn warm_up(&mut self, duration: Duration) -> Result<()> {
        let callers = std::mem::take(&mut self.callers);
        let mut clients = Clients::connect(self.server.address, callers).await?;
        clients.run(duration).await?;
        self.callers = clients.disconnect();
        Ok(())
    }

    /// The median of what an answer took of CPU time, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        median(self.cpu.clone())
    }

    /// The median of the answers in a second.
    pub(crate) fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    fn record(&mut self, cpu: Duration, load: &Load) {
        self.cpu.push(cpu.as_secs_f64() * 1e6 / load.answers());
        self.rates.push(load.per_second());
        self.p50.push(load.latency(0.5) / 1000.0);
        self.p99.push(load.latency(0.99) / 1000.0);
    }

    pub(crate) fn row(self) -> [String; 6] {
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

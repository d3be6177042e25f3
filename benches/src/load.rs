//! A client for HTTP/1.1 that keeps its connections and does as little as it can: it shares the
//! machine with what is measured.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::stream::{FuturesUnordered, TryStreamExt as _};
use gatepass_bench::rounds::quantile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most header fields that an answer may have.
const MAX_FIELDS: usize = 64;

/// One kept connection.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The body of an answer that came in chunks.
    joined: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    /// The status line and the fields.
    head: &'c [u8],
    pub(crate) body: &'c [u8],
}

impl<'c> Answer<'c> {
    /// The values of the fields of that name.
    pub(crate) fn fields(&self, name: &'static str) -> impl Iterator<Item = &'c str> {
        let lines = std::str::from_utf8(self.head).unwrap_or_default().lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .filter_map(move |(field, value)| field.eq_ignore_ascii_case(name).then_some(value.trim()))
    }
}

/// What the head of an answer says of its body.
struct Frame {
    status: u16,
    body_at: usize,
    /// Not known where the body comes in chunks.
    length: Option<usize>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(8192), joined: Vec::new() })
    }

    /// Opens it anew where the server has closed it while nothing was asked.
    async fn revive(&mut self) -> Result<()> {
        match self.stream.try_read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            _ => {
                *self = Self::open(self.address).await?;
                Ok(())
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            let Some(Frame { status, body_at, length }) = frame(&self.buffer)? else { continue };
            let rest = self.buffer.get(body_at..).unwrap_or_default();
            let whole = match length {
                Some(length) => rest.len() >= length,
                None => join(rest, &mut self.joined)?,
            };
            if whole {
                let (head, rest) = self.buffer.split_at(body_at);
                let body = if length.is_some() { rest } else { &self.joined };
                return Ok(Answer { status, head, body });
            }
        }
    }
}

/// Understands a head once it is whole.
fn frame(bytes: &[u8]) -> Result<Option<Frame>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(body_at) = head.parse(bytes)? else { return Ok(None) };
    let status = head.code.context("an answer without status")?;
    let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let length = match (field("content-length"), field("transfer-encoding")) {
        (Some(length), _) => Some(std::str::from_utf8(length.value)?.trim().parse()?),
        (None, Some(_)) => None,
        (None, None) if matches!(status, 204 | 304) => Some(0),
        (None, None) => bail!("an answer of status {status} without a length"),
    };
    Ok(Some(Frame { status, body_at, length }))
}

/// Puts chunks together; says whether the last one has come.
fn join(mut chunks: &[u8], joined: &mut Vec<u8>) -> Result<bool> {
    joined.clear();
    loop {
        let httparse::Status::Complete((begin, size)) =
            httparse::parse_chunk_size(chunks).map_err(|_| anyhow::anyhow!("a chunk without a size"))?
        else {
            return Ok(false);
        };
        let end = begin + usize::try_from(size)?;
        // Each chunk ends with a line break of its own.
        let (Some(chunk), Some(rest)) = (chunks.get(begin..end), chunks.get(end + 2..)) else {
            return Ok(false);
        };
        if size == 0 {
            return Ok(true);
        }
        joined.extend_from_slice(chunk);
        chunks = rest;
    }
}

/// A request without body.
pub(crate) fn get(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    request("GET", address, path, fields, "")
}

/// A request with a body of that type.
pub(crate) fn post(address: SocketAddr, path: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    request("POST", address, path, fields, body)
}

fn request(method: &str, address: SocketAddr, path: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
    // Some servers take nobody without a name.
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: gatepass-bench\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// What one connection asks, over and over.
pub(crate) trait Caller {
    /// The next request.
    fn request(&mut self) -> &[u8];

    /// Looks at its answer.
    ///
    /// # Errors
    /// An answer that should not have come.
    fn answered(&mut self, answer: Answer<'_>) -> Result<()>;
}

/// Asks for one thing after the other, and expects one status.
pub(crate) struct Cycle {
    requests: std::rc::Rc<[Vec<u8>]>,
    next: usize,
    step: usize,
    expected: u16,
}

impl Cycle {
    /// Several callers that share `requests` so that each is sent in its turn.
    pub(crate) fn shared(requests: Vec<Vec<u8>>, callers: usize, expected: u16) -> Vec<Box<dyn Caller>> {
        let requests: std::rc::Rc<[Vec<u8>]> = requests.into();
        let caller = |next| Self { requests: requests.clone(), next, step: callers, expected };
        (0..callers).map(|next| Box::new(caller(next)) as Box<dyn Caller>).collect()
    }
}

impl Caller for Cycle {
    fn request(&mut self) -> &[u8] {
        let at = self.next % self.requests.len();
        self.next += self.step;
        self.requests.get(at).map_or(&[], Vec::as_slice)
    }

    fn answered(&mut self, answer: Answer<'_>) -> Result<()> {
        if answer.status == self.expected {
            return Ok(());
        }
        let body = String::from_utf8_lossy(answer.body);
        bail!("status {} instead of {}: {body}", answer.status, self.expected)
    }
}

/// What a stretch of load came to.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) elapsed: Duration,
    /// How long each answer took, in seconds.
    pub(crate) latencies: Vec<f64>,
}

impl Load {
    pub(crate) fn answers(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers() / self.elapsed.as_secs_f64()
    }

    /// The latency that `part` of all answers were below, in microseconds.
    pub(crate) fn latency(&self, part: f64) -> f64 {
        quantile(self.latencies.clone(), part) * 1e6
    }
}

/// Connections to one place, each with its caller.
pub(crate) struct Clients {
    clients: Vec<(Connection, Box<dyn Caller>)>,
}

impl Clients {
    pub(crate) async fn connect(address: SocketAddr, callers: Vec<Box<dyn Caller>>) -> Result<Self> {
        let mut clients = Vec::with_capacity(callers.len());
        for caller in callers {
            clients.push((Connection::open(address).await?, caller));
        }
        Ok(Self { clients })
    }

    /// Ends the connections and keeps the callers.
    pub(crate) fn disconnect(self) -> Vec<Box<dyn Caller>> {
        self.clients.into_iter().map(|(_, caller)| caller).collect()
    }

    /// Every connection asks as fast as it is answered, for so long.
    pub(crate) async fn run(&mut self, duration: Duration) -> Result<Load> {
        let start = Instant::now();
        let until = start + duration;
        let running: FuturesUnordered<_> = self
            .clients
            .iter_mut()
            .map(|(connection, caller)| keep_asking(connection, caller.as_mut(), until))
            .collect();
        let latencies = running.try_concat().await?;
        Ok(Load { elapsed: start.elapsed(), latencies })
    }
}

async fn keep_asking(
    connection: &mut Connection,
    caller: &mut dyn Caller,
    until: Instant,
) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    connection.revive().await?;
    let mut asked = Instant::now();
    while asked < until {
        let answer = connection.exchange(caller.request()).await?;
        caller.answered(answer)?;
        let answered = Instant::now();
        latencies.push((answered - asked).as_secs_f64());
        asked = answered;
    }
    Ok(latencies)
}

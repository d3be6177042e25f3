//! `gatepass user import`

use std::io::{BufRead, Read as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::{Api, Refused};
use crate::args::Target;
use crate::command::show;
use crate::input::Input;

/// So many users are created at a time: the store makes many durable in one go.
const AT_ONCE: usize = 32;
/// As much as a request may hold.
const MAX_LINE: u64 = 64 * 1024;
/// How long a server that is busy hashing is waited for, for one line.
const PATIENCE: u32 = 60;

/// What became of a line.
enum Line {
    Created,
    Existed,
    Refused(String),
}

/// Creates a user of each line. Lines that are refused are named, and the others go on.
pub(super) async fn run(api: &Api, target: &Target, file: &Input, skip_existing: bool) -> anyhow::Result<()> {
    let lines = stream::iter(Lines { from: file.open()?, number: 0 });
    let mut ends = lines
        .map(async |line| {
            let (number, line) = line.with_context(|| format!("{file} cannot be read to its end"))?;
            let end = match line {
                Some(line) => create(api, &line).await?,
                None => Line::Refused(format!("it is longer than {MAX_LINE} bytes, or no text")),
            };
            anyhow::Ok((number, end))
        })
        .buffered(AT_ONCE);
    let (mut created, mut existed, mut refused) = (0_u64, 0_u64, 0_u64);
    while let Some(end) = ends.next().await {
        match end? {
            (_, Line::Created) => created += 1,
            (_, Line::Existed) if skip_existing => existed += 1,
            (number, end) => {
                refused += 1;
                let why = if let Line::Refused(why) = end { why } else { "it exists already".to_owned() };
                anstream::eprintln!("line {number}: {why}");
            }
        }
    }
    show(target, &json!({ "created": created, "existed": existed, "refused": refused }));
    match refused {
        0 => Ok(()),
        _ => bail!("{refused} lines were refused; the others are done"),
    }
}

async fn create(api: &Api, line: &str) -> anyhow::Result<Line> {
    for _ in 0..PATIENCE {
        let Refused { status, code, said } = match api.post_text("/users", line.to_owned()).await? {
            Ok(_) => return Ok(Line::Created),
            Err(refused) => refused,
        };
        match status.as_u16() {
            503 => tokio::time::sleep(Duration::from_secs(1)).await,
            401 | 403 => bail!("{said} ({status}, {code})"),
            409 if code == "exists" => return Ok(Line::Existed),
            _ => return Ok(Line::Refused(said)),
        }
    }
    bail!("the server has had no time for more users for {PATIENCE} seconds")
}

/// The lines that hold something, each with its number; `None` for one that is no line of JSON.
struct Lines {
    from: Box<dyn BufRead + Send>,
    number: u64,
}

impl Iterator for Lines {
    type Item = std::io::Result<(u64, Option<Zeroizing<String>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            let mut line = Zeroizing::new(Vec::new());
            match (&mut self.from).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(len) if len as u64 == MAX_LINE && !line.ends_with(b"\n") => {
                    return Some(self.skip_rest().map(|()| (self.number, None)));
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let text = std::str::from_utf8(&line).ok().map(|text| Zeroizing::new(text.to_owned()));
                    return Some(Ok((self.number, text)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Lines {
    /// Passes over what is left of a line, without keeping it.
    fn skip_rest(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.from.fill_buf()?;
            let (len, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.from.consume(len);
            if ended {
                return Ok(());
            }
        }
    }
}

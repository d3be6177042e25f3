//! What honest clients and thieves meet at `gatepass serve` and at authorization servers that others wrote.

mod gateway;
mod probes;

use anyhow::Result;
use gatepass_bench::table::section;

use crate::servers::contender::{self, Contender};

/// What every server is shown.
#[derive(Clone, Copy)]
enum Probe {
    /// One refresh token, by so many clients at once.
    AtOnce(usize),
    /// A refresh token again, because the answer was lost.
    Retry,
    /// A refresh token of long ago, by a thief.
    Replay,
    /// `kill -9` while sessions are refreshed.
    Kill,
    /// An access token is taken back (RFC 7009).
    Revocation,
}

const PROBES: [(&str, Probe); 7] = [
    ("2 refreshes of one token at once", Probe::AtOnce(2)),
    ("16 at once", Probe::AtOnce(16)),
    ("64 at once", Probe::AtOnce(64)),
    ("again after a lost answer", Probe::Retry),
    ("a thief shows an old generation", Probe::Replay),
    ("sessions after kill -9 under load", Probe::Kill),
    ("an access token is revoked", Probe::Revocation),
];

pub(crate) async fn run() -> Result<()> {
    section(
        "Behaviour",
        "Asked over HTTP alone, of each server as it comes, but that refresh tokens are for one use. At once: so many connections show
         the same refresh token together; one session each time. A lost answer: the same token again a moment later. An old generation:
         the first token again 7 s after the second was used, longer than any allowance seen for retries. kill -9: three times after 16
         sessions were refreshed without pause for 2 s; the clients then show what they hold. Revoked: an access token by RFC 7009, then asked
         about by introspection, and at whoever verifies it offline.",
    );
    let mut contenders = contender::all().await?;
    let mut rows: Vec<Vec<String>> = PROBES.iter().map(|(name, _)| vec![(*name).to_owned()]).collect();
    for contender in &mut contenders {
        contender.start().await?;
        for (row, (name, probe)) in rows.iter_mut().zip(PROBES) {
            row.push(shown(contender, name, probe).await);
        }
        contender.stop()?;
    }
    let width = PROBES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (number, contender) in contenders.iter().enumerate() {
        println!("  {}", contender.sheet.name);
        for row in &rows {
            if let (Some(name), Some(shown)) = (row.first(), row.get(number + 1)) {
                println!("    {name:<width$}  {shown}");
            }
        }
        println!();
    }
    gateway::print().await?;
    println!(
        "  Not asked, because servers have no common way over HTTP: a role that is taken away, and keys that are rotated while\n  \
         verifiers refetch them only when their copy is old. Ours are held by tests.\n"
    );
    Ok(())
}

/// What a server did, in a few words.
async fn shown(contender: &mut Contender, name: &str, probe: Probe) -> String {
    let done = match probe {
        Probe::AtOnce(count) => probes::at_once(contender, count).await,
        Probe::Retry => probes::retry(contender).await,
        Probe::Replay => probes::replay(contender).await,
        Probe::Kill => probes::kill(contender).await,
        Probe::Revocation => probes::revocation(contender).await,
    };
    done.unwrap_or_else(|error| {
        println!("  {}, {name}: {error:#}.", contender.sheet.name);
        "could not be asked".to_owned()
    })
}

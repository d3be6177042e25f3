//! `kill -9` at random points of parallel writing: what was acknowledged is there.
//!
//! The test starts its own binary again as the process that writes, which says on its standard output
//! what has been answered, and kills it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatepass_issuer::id::SessionId;
use gatepass_issuer::store::{Rotated, Store};
use gatepass_store::Embedded;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::embedded::require_sound;
use crate::suite::sample::*;

const ROUNDS: u64 = 20;
const DIR: &str = "GATEPASS_TEST_STORE";

/// What the writing process said, over all rounds.
#[derive(Default)]
struct Acknowledged {
    generations: HashMap<SessionId, u32>,
    /// The places of the log's entries and what they are of.
    log: HashMap<u64, String>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["session", id, generation] => {
                self.generations.insert(id.parse().unwrap(), generation.parse().unwrap());
            }
            ["entry", seq, id] => {
                let before = self.log.insert(seq.parse().unwrap(), id.to_owned());
                assert_eq!(before, None, "place {seq} was used twice");
            }
            _ => {} // the test harness talks too
        }
    }

    async fn require_kept(&self, store: &dyn Store, round: u64) {
        for (id, acknowledged) in &self.generations {
            let session = store.find_session(*id).await.unwrap();
            let generation = session.map(|session| session.generation).unwrap_or_default();
            // One rotation may have been done and not yet said.
            let kept = (*acknowledged..=acknowledged + 1).contains(&generation);
            assert!(kept, "round {round}: {id} is at {generation}, acknowledged {acknowledged}");
        }
        let log = log(store).await;
        for (seq, id) in &self.log {
            let entry = log.iter().find(|entry| entry.seq == *seq);
            assert_eq!(entry.map(|entry| &entry.id), Some(id), "round {round}: entry {seq}");
        }
        assert!(log.iter().map(|entry| entry.seq).eq(1..=log.len() as u64), "the log has a gap");
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        // So many answers are waited for; what is under way then is what the kill hits.
        let answers = RandomState::new().build_hasher().finish() % 600;
        kill_after(answers, dir.path(), &mut acknowledged);
        let store = Arc::new(Embedded::open(dir.path()).unwrap());
        acknowledged.require_kept(&*store, round).await;
        store.close().await.unwrap();
        require_sound(&dir);
    }
    let rotated = acknowledged.generations.values().any(|generation| *generation > 10);
    assert!(rotated && acknowledged.log.len() > 10, "there was something to lose");
}

fn kill_after(answers: u64, dir: &Path, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..answers {
        acknowledged.note(&lines.next().unwrap().unwrap());
    }
    child.kill().unwrap();
    // What it had said before it died is in the pipe, in whole lines.
    lines.map_while(Result::ok).for_each(|line| acknowledged.note(&line));
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by `nothing_acknowledged_is_lost_by_a_kill`, and killed by it"]
async fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store: Arc<dyn Store> = Arc::new(Embedded::open(dir).unwrap());
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let mut session = started(&*store, &format!("{} {caller}", std::process::id())).await;
            say(format!("session {} 1", session.id));
            loop {
                let token = presented(session.generation, at(1));
                let answer = store.rotate_session(session.id, &token, revocation("x")).await.unwrap();
                let Rotated::Rotated(now, _) = answer else { panic!("{answer:?}") };
                session = now;
                say(format!("session {} {}", session.id, session.generation));
                if session.generation % 8 == caller % 8 {
                    let entry = store.append_revocation(revocation(&session.id.to_string())).await.unwrap();
                    say(format!("entry {} {}", entry.seq, entry.id));
                }
            }
        });
    }
    callers.join_all().await;
}

/// One line in one write, so that lines do not mix and the last one is whole.
fn say(line: String) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

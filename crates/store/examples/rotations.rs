//! How many refresh tokens the embedded store rotates in a second, each durable before its answer.
//!
//! `cargo run --release -p gatepass-store --example rotations -- [DIR [SECONDS [SESSIONS]]]`
//!
//! Fills a store in DIR (a temporary directory if left out, on the same disk as `/tmp`) with SESSIONS
//! sessions (100,000), then lets 1, 16, 64 and 256 callers rotate random ones for SECONDS (5) each.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepass_issuer::Binding;
use gatepass_issuer::id::{ClientId, SessionId, UserId};
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::rotation::{Presented, RefreshPolicy, Renewal};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{NewRevocation, Rotated, Store};
use gatepass_issuer::user::User;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};
use gatepass_store::Embedded;
use tokio::task::JoinSet;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
const USERS: usize = 1000;

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let temporary = tempfile::tempdir()?;
    let dir = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let sessions = arguments.next().map_or(Ok(100_000), |text| text.parse())?;

    let store = Arc::new(Embedded::open(&dir)?);
    let began = Instant::now();
    let mut all = fill(&store, sessions).await?;
    let started = sessions as f64 / began.elapsed().as_secs_f64();
    println!("{sessions} sessions started, {started:.0}/s with 256 callers");
    println!("| callers | rotations/s | p50 | p99 | worst | log |\n|---|---|---|---|---|---|");
    for callers in [1, 16, 64, 256] {
        all = measure(&store, &dir, all, callers, Duration::from_secs(seconds)).await?;
    }
    store.close().await?;
    let bytes = std::fs::metadata(dir.join("gatepass.db"))?.len();
    println!("{} bytes per session in the file", bytes / sessions as u64);
    Ok(())
}

/// Sessions with their generations.
type Sessions = Vec<(SessionId, u32)>;

async fn fill(store: &Arc<Embedded>, sessions: usize) -> Result<Sessions, Failed> {
    let mut users = Vec::with_capacity(USERS);
    for n in 0..USERS {
        let user = user(n)?;
        store.create_user(&user).await?;
        users.push(user.id);
    }
    let mut callers = JoinSet::new();
    for caller in 0..256 {
        let (store, users) = (Arc::clone(store), users.clone());
        callers.spawn(async move {
            let mut share = Sessions::new();
            for n in (caller..sessions).step_by(256) {
                let user = users.get(n % USERS).copied().ok_or("no such user")?;
                let session = session(n, user);
                store.start_session(&session).await?;
                share.push((session.id, 1));
            }
            Ok::<_, Failed>(share)
        });
    }
    let shares = callers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(shares.concat())
}

async fn measure(
    store: &Arc<Embedded>,
    dir: &Path,
    sessions: Sessions,
    callers: usize,
    during: Duration,
) -> Result<Sessions, Failed> {
    let mut running = JoinSet::new();
    let began = Instant::now();
    // Each session has one caller, so that every call rotates.
    for share in sessions.chunks(sessions.len().div_ceil(callers)) {
        let mut share = share.to_vec();
        let store = Arc::clone(store);
        running.spawn(async move {
            let mut took = Vec::new();
            let mut random = share.len();
            while began.elapsed() < during {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (random >> 33) % share.len();
                let (id, generation) = share.get_mut(at).ok_or("no such session")?;
                let asked = Instant::now();
                let rotated = store.rotate_session(*id, &presented(*generation), on_replay(*id)).await?;
                took.push(asked.elapsed());
                let Rotated::Rotated(session, _) = rotated else { return Err("not rotated".into()) };
                *generation = session.generation;
            }
            Ok::<_, Failed>((share, took))
        });
    }
    let (mut sessions, mut took) = (Sessions::new(), Vec::new());
    for done in running.join_all().await {
        let (mut share, mut times) = done?;
        sessions.append(&mut share);
        took.append(&mut times);
    }
    let elapsed = began.elapsed();
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    let log = std::fs::metadata(dir.join("gatepass.db-wal"))?.len() / (1 << 20);
    println!(
        "| {callers} | {:.0} | {:.2?} | {:.2?} | {:.2?} | {log} MiB |",
        took.len() as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        took.last().copied().unwrap_or_default(),
    );
    Ok(sessions)
}

fn user(n: usize) -> Result<User, Failed> {
    Ok(User {
        id: UserId::new(NOW, random(n)),
        username: format!("user-{n}@example.com").parse()?,
        name: None,
        password: PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"),
        email: None,
        roles: vec!["clerk".parse()?],
        disabled: false,
        created_at: NOW,
    })
}

fn session(n: usize, user: UserId) -> Session {
    let now = NOW.saturating_add(Duration::from_millis(n as u64));
    let policy = RefreshPolicy::default();
    Session {
        id: SessionId::new(now, random(n)),
        user,
        client: ClientId::first_party(),
        login: None,
        scope: None,
        authorization_details: Default::default(),
        resource: None,
        more_resources: Vec::new(),
        device: "Firefox 145 on Debian".into(),
        created_at: now,
        auth_time: Some(now),
        generation: 1,
        rotated_at: None,
        idle_expires_at: now.saturating_add(policy.idle),
        expires_at: now.saturating_add(policy.absolute),
        revoked_at: None,
        bound: false,
        binding: Binding::default(),
        pairwise_subject: None,
        claims: Default::default(),
        provider: None,
    }
}

fn presented(generation: u32) -> Presented {
    Presented {
        generation,
        client: ClientId::first_party(),
        scope: None,
        authorization_details: None,
        resource: None,
        binding: Binding::default(),
        renewal: Renewal::Rotate,
        now: NOW,
        policy: RefreshPolicy::default(),
    }
}

fn on_replay(id: SessionId) -> NewRevocation {
    NewRevocation {
        kind: Kind::Session,
        id: id.to_string(),
        issued_before: NOW,
        forget_after: NOW,
        reason: Reason::REUSE,
    }
}

/// Ten bytes that are another for every `n`.
fn random(n: usize) -> [u8; 10] {
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut bytes = [0; 10];
    for (to, from) in bytes.iter_mut().zip(mixed) {
        *to = from;
    }
    bytes
}

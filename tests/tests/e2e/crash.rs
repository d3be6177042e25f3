//! `kill -9` a hundred times under load: nothing that was acknowledged is lost, and no honest client is logged out.
//!
//! Every client is honest in the one way that matters: it goes on with the last refresh token that an answer gave it, and where
//! an answer was lost it asks again with the same token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepass_e2e::chance::Chance;
use gatepass_e2e::measure::report;
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Session, Up, http, send, try_send};
use reqwest::Client;
use serde_json::json;
use tokio::sync::Mutex;

const KILLS: u64 = 100;
const SESSIONS_AT_FIRST: usize = 200;
const SESSIONS_IN_ALL: usize = 1_000;
const CLIENTS: usize = 12;
const PEOPLE: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_under_load_lose_nothing_and_log_nobody_out() {
    let start = Instant::now();
    let mut chance = Chance::new();
    let mut up = Up::start().await;
    create_people(&up).await;
    let world = Arc::new(World::new(&up));
    while world.sessions.lock().await.len() < SESSIONS_AT_FIRST {
        world.log_in().await;
    }

    let mut ended = Vec::new();
    for kill in 0..KILLS {
        ended.extend(end_one(&up, &world).await);
        world.stop.store(false, Ordering::Relaxed);
        let goal =
            SESSIONS_AT_FIRST + (SESSIONS_IN_ALL - SESSIONS_AT_FIRST) * (kill as usize + 1) / KILLS as usize;
        let clients = (0..CLIENTS).map(|number| tokio::spawn(Arc::clone(&world).work(number, goal)));
        let clients: Vec<_> = clients.collect();
        tokio::time::sleep(Duration::from_micros(chance.pick(500..250_000))).await;
        up.kill();
        world.stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.expect("a client met an answer that no honest client should get");
        }
        up.start_again().await;
        world.settle().await;
    }

    while world.sessions.lock().await.len() < SESSIONS_IN_ALL {
        world.log_in().await;
    }
    let sessions = world.sessions.lock().await.clone();
    for session in &sessions {
        // Panics where somebody was logged out.
        world.refresh(session).await;
    }
    let counted = sessions.len();
    for session in &ended {
        send(up.refresh_request(session)).await.expect(401);
    }
    report(&format!(
        "{KILLS} kills in {:.0} s: {counted} sessions alive, {} ended ones stay ended, {} rotations and {} logins acknowledged, \
         {} answers lost",
        start.elapsed().as_secs_f64(),
        ended.len(),
        world.rotations.load(Ordering::Relaxed),
        world.logins.load(Ordering::Relaxed),
        world.lost.load(Ordering::Relaxed),
    ));
}

async fn create_people(up: &Up) {
    let admin = Admin::login(up).await;
    for number in 0..PEOPLE {
        admin.create_user(&person(number), &[]).await;
    }
}

fn person(number: usize) -> String {
    format!("person-{}", number % PEOPLE)
}

/// Logs one session out, which is acknowledged and must survive the kill that follows.
async fn end_one(up: &Up, world: &World) -> Option<Session> {
    let session = up.native_login(ADMIN).await;
    let next = world.exchange(&session).await?;
    send(next.present(up.client.post(world.url("/session/logout")))).await.expect(204);
    Some(next)
}

/// All sessions of all clients, each in its own lock: a session belongs to one client at a time.
struct World {
    client: Client,
    issuer: String,
    sessions: Mutex<Vec<Arc<Mutex<Held>>>>,
    stop: AtomicBool,
    rotations: AtomicU64,
    logins: AtomicU64,
    lost: AtomicU64,
}

/// What a client holds, and whether an answer to it was lost.
struct Held {
    session: Session,
    uncertain: bool,
}

impl World {
    fn new(up: &Up) -> Self {
        Self {
            client: http::client(),
            issuer: up.issuer().to_owned(),
            sessions: Mutex::default(),
            stop: AtomicBool::new(false),
            rotations: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Refreshes one session after another, with a login now and then, until the kill.
    async fn work(self: Arc<Self>, number: usize, goal: usize) {
        let mut turn = number;
        while !self.stop.load(Ordering::Relaxed) {
            let sessions = self.sessions.lock().await;
            let chosen = Arc::clone(&sessions[turn % sessions.len()]);
            let more = sessions.len() < goal;
            drop(sessions);
            self.refresh(&chosen).await;
            if more && turn.is_multiple_of(5) {
                self.log_in().await;
            }
            turn += CLIENTS + 1;
        }
    }

    /// Two tabs refresh at once; each that has an answer has the same.
    async fn refresh(&self, held: &Mutex<Held>) {
        let mut held = held.lock().await;
        let tabs = join_all([self.exchange(&held.session), self.exchange(&held.session)]).await;
        let mut next: Vec<Session> = tabs.into_iter().flatten().collect();
        held.uncertain = next.is_empty();
        if let Some(one) = next.pop() {
            assert!(
                next.iter().all(|other| other.refresh == one.refresh),
                "two successors of one generation"
            );
            held.session = one;
        }
    }

    /// One refresh: `None` where the answer was lost.
    async fn exchange(&self, session: &Session) -> Option<Session> {
        let request = session.present(self.client.post(self.url("/session/refresh")));
        match try_send(request).await {
            Ok(answer) if answer.status == 503 => None,
            Ok(answer) => {
                self.rotations.fetch_add(1, Ordering::Relaxed);
                Some(session.next(&answer.expect(200)))
            }
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// A login whose session counts from the moment its answer is there.
    async fn log_in(&self) {
        let number = self.logins.load(Ordering::Relaxed) as usize;
        let body = json!({"username": person(number), "password": PASSWORD, "refresh_token": "body"});
        match try_send(self.client.post(self.url("/session/login")).json(&body)).await {
            Ok(answer) if answer.status == 503 || answer.status == 429 => {}
            Ok(answer) => {
                let session = Session::from_body(&answer.expect(200));
                self.logins.fetch_add(1, Ordering::Relaxed);
                self.sessions.lock().await.push(Arc::new(Mutex::new(Held { session, uncertain: false })));
            }
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Every client whose answer was lost asks again with what it holds, as it would within the leeway.
    async fn settle(&self) {
        let sessions = self.sessions.lock().await.clone();
        for held in sessions {
            if held.lock().await.uncertain {
                self.refresh(&held).await;
            }
        }
    }
}

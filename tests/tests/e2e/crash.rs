//! `kill -9` a hundred times under load: nothing that was acknowledged is lost, and no honest client is logged out.
//!
//! Every client is honest in the one way that matters: it goes on with the last refresh token that an answer gave it, and where
//! an answer was lost it asks again with the same token.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use gatepass_e2e::chance::Chance;
use gatepass_e2e::http::Answer;
use gatepass_e2e::measure::report;
use gatepass_e2e::up::PASSWORD;
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

    for kill in 0..KILLS {
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
        assert!(!session.lock().await.uncertain, "a server that nobody kills answers");
    }
    let counted = sessions.len();
    let ended = world.ended.lock().await;
    assert!(ended.len() >= 10, "only {} logouts were acknowledged: the test proves little", ended.len());
    for session in ended.iter() {
        send(up.refresh_request(session)).await.expect(401);
        up.refused("the token of a session whose logout was acknowledged", &session.access_token).await;
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

#[tokio::test]
async fn what_an_administrator_was_told_is_done_survives_a_kill_in_the_next_moment() {
    let mut up = Up::start().await;
    for round in 0..10 {
        let admin = Admin::login(&up).await;
        let (name, client) = (format!("person-{round}"), format!("client-{round}"));
        let id = admin.create_user(&name, &[]).await;
        let before = up.native_login(&name).await;
        let (client_id, secret) = admin.create_client(&client, "orders:read").await;
        let mut keys = None;
        if round == 5 {
            keys = Some(admin.rotate_keys().await.expect(200).json());
        }
        // The last acknowledged change is another in each round; the kill follows its answer at once.
        match round % 3 {
            0 => drop(admin.change_user(&id, json!({"roles": ["admin"]})).await),
            1 => drop(admin.change_user(&id, json!({"disabled": true})).await),
            _ => drop(admin.revoke("session", &before.id).await.expect(201)),
        }
        up.kill();
        up.start_again().await;

        up.refused("a token that was taken back before the kill", &before.access_token).await;
        super::oauth::client_token(&up, &client_id, &secret).await;
        let login = send(up.login_request(&name, PASSWORD)).await;
        match round % 3 {
            0 => {
                let session = up.refresh(&before).await;
                up.call("/api/admin", &session.access_token).await.expect(200);
            }
            1 => drop(login.expect(401)),
            _ => drop(login.expect(200)),
        }
        if let Some(keys) = keys {
            let admin = Admin::login(&up).await;
            let now = send(admin.request(reqwest::Method::GET, "/keys")).await.expect(200).json();
            assert_eq!(now, keys, "the rotation that was acknowledged");
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the leeway of refresh tokens goes by this clock")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
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

/// All sessions of all clients, each in its own lock: a session belongs to one client at a time.
struct World {
    client: Client,
    issuer: String,
    /// Where the server's logs are.
    folder: PathBuf,
    sessions: Mutex<Vec<Arc<Mutex<Held>>>>,
    /// Sessions whose logout was acknowledged.
    ended: Mutex<Vec<Session>>,
    stop: AtomicBool,
    rotations: AtomicU64,
    logins: AtomicU64,
    lost: AtomicU64,
}

/// What a client holds, and whether an answer to it was lost.
struct Held {
    session: Session,
    uncertain: bool,
    /// When the client got it, by the clock that the server goes by: a machine that stands still stops every other.
    since: SystemTime,
}

impl World {
    fn new(up: &Up) -> Self {
        Self {
            client: http::client(),
            issuer: up.issuer().to_owned(),
            folder: up.folder().to_owned(),
            sessions: Mutex::default(),
            ended: Mutex::default(),
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
            if turn.is_multiple_of(11) {
                self.log_in_and_out().await;
            }
            turn += CLIENTS + 1;
        }
    }

    /// Two tabs refresh at once; each that has an answer has the same.
    async fn refresh(&self, held: &Mutex<Held>) {
        let mut held = held.lock().await;
        let tabs = join_all([self.exchange(&held.session), self.exchange(&held.session)]).await;
        let answers: Vec<Answer> = tabs.into_iter().flatten().collect();
        // Both together: the first of the two may have ended what the other is refused for.
        let said: Vec<_> = answers.iter().map(|answer| String::from_utf8_lossy(&answer.body)).collect();
        assert!(
            answers.iter().all(|answer| answer.status == 200),
            "somebody was logged out, {:?} after their last answer, uncertain {}: {said:?}\n{}",
            held.since.elapsed(),
            held.uncertain,
            self.refusals(),
        );
        let mut next: Vec<Session> = answers.iter().map(|answer| held.session.next(answer)).collect();
        held.uncertain = next.is_empty();
        if let Some(one) = next.pop() {
            assert!(
                next.iter().all(|other| other.refresh == one.refresh),
                "two successors of one generation"
            );
            held.session = one;
            held.since = wall_clock();
        }
    }

    /// What the server has said of tokens that it refused, in all its lives.
    fn refusals(&self) -> String {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let logs =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        let text: Vec<_> = logs.filter_map(|log| fs::read_to_string(log).ok()).collect();
        let of_refusals = |line: &&str| line.contains("refresh-") || line.contains("newer than the store");
        text.iter().flat_map(|text| text.lines()).filter(of_refusals).collect::<Vec<_>>().join("\n")
    }

    /// One refresh: `None` where the answer was lost.
    async fn exchange(&self, session: &Session) -> Option<Answer> {
        let request = session.present(self.client.post(self.url("/session/refresh")));
        match try_send(request).await {
            Ok(answer) if answer.status == 503 => None,
            Ok(answer) => {
                self.rotations.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// A login whose session counts from the moment its answer is there.
    async fn log_in(&self) {
        if let Some(session) = self.new_session().await {
            self.sessions.lock().await.push(Arc::new(Mutex::new(Held {
                session,
                uncertain: false,
                since: wall_clock(),
            })));
        }
    }

    /// A session that ends at once. It must stay ended from the moment that the logout is acknowledged.
    async fn log_in_and_out(&self) {
        let Some(session) = self.new_session().await else { return };
        let logout = session.present(self.client.post(self.url("/session/logout")));
        if let Ok(answer) = try_send(logout).await {
            answer.expect(204);
            self.ended.lock().await.push(session);
        }
    }

    /// `None` where the answer was lost, or too much was asked of the server.
    async fn new_session(&self) -> Option<Session> {
        let number = self.logins.load(Ordering::Relaxed) as usize;
        let body = json!({"username": person(number), "password": PASSWORD, "refresh_token": "body"});
        match try_send(self.client.post(self.url("/session/login")).json(&body)).await {
            Ok(answer) if answer.status == 503 => None,
            Ok(answer) => {
                self.logins.fetch_add(1, Ordering::Relaxed);
                Some(Session::from_body(&answer.expect(200)))
            }
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                None
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

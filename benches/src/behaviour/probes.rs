//! One thing each that is shown to a server, and what it did in words.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use serde_json::Value;

use crate::gatepass::member;
use crate::load::Connection;
use crate::servers::contender::Contender;
use crate::servers::sheet::Request;

/// How long a thief waits with what he took: longer than what servers allow for retries, where they do.
const AFTER: Duration = Duration::from_secs(7);
const KILLS: usize = 3;
/// Sessions that are refreshed while the server is killed.
const SESSIONS: usize = 16;
/// How long they are refreshed before that.
const UNDER_LOAD: Duration = Duration::from_secs(2);

/// Shows refresh tokens; needs no more of a server than its address, so that it can be killed meanwhile.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    refresh: Request,
}

/// What a refresh brought: the tokens, or nothing where it was refused.
struct Refreshed(Option<Tokens>);

#[derive(Clone)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Client {
    fn of(contender: &Contender) -> Self {
        Self { address: contender.address(), refresh: contender.sheet.refresh.clone() }
    }

    async fn show(&self, token: &str) -> Result<Refreshed> {
        let mut connection = Connection::open(self.address).await?;
        self.show_on(&mut connection, token).await
    }

    async fn show_on(&self, connection: &mut Connection, token: &str) -> Result<Refreshed> {
        let answer = connection.exchange(&self.refresh.with(self.address, token)).await?;
        if answer.status != 200 {
            return Ok(Refreshed(None));
        }
        let access = member(answer.body, "access_token")?;
        Ok(Refreshed(Some(Tokens { access, refresh: member(answer.body, "refresh_token")? })))
    }

    /// A refresh that nothing speaks against.
    async fn refresh(&self, token: &str) -> Result<Tokens> {
        self.show(token).await?.0.context("an honest refresh is refused")
    }

    async fn is_alive(&self, token: &str) -> Result<bool> {
        Ok(self.show(token).await?.0.is_some())
    }
}

pub(super) async fn at_once(contender: &mut Contender, count: usize) -> Result<String> {
    let token = contender.refresh_token().await?;
    let client = Client::of(contender);
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(Connection::open(client.address).await?);
    }
    let answers = join_all(connections.iter_mut().map(|connection| client.show_on(connection, &token))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let taken: Vec<Tokens> = answers.into_iter().filter_map(|answer| answer.0).collect();
    let successors: BTreeSet<_> = taken.iter().map(|tokens| tokens.refresh.as_str()).collect();
    let mut alive = 0;
    for successor in &successors {
        alive += usize::from(client.is_alive(successor).await?);
    }
    let session = if alive > 0 { "session goes on" } else { "session over" };
    let successors = match successors.len() {
        1 => "one successor".to_owned(),
        count => format!("{count} successors, {alive} of them good"),
    };
    Ok(format!("{} of {count} taken, {successors}, {session}", taken.len()))
}

pub(super) async fn retry(contender: &mut Contender) -> Result<String> {
    let token = contender.refresh_token().await?;
    let client = Client::of(contender);
    let lost = client.refresh(&token).await?;
    Ok(match client.show(&token).await?.0 {
        None if client.is_alive(&lost.refresh).await? => "refused: the client is logged out".to_owned(),
        None => "refused, and the session ended: the client is logged out".to_owned(),
        Some(again) if again.refresh == lost.refresh => "the same successor".to_owned(),
        Some(again) if client.is_alive(&again.refresh).await? => {
            "another successor, which is good".to_owned()
        }
        Some(_) => "another successor, which is refused".to_owned(),
    })
}

pub(super) async fn replay(contender: &mut Contender) -> Result<String> {
    let stolen = contender.refresh_token().await?;
    let client = Client::of(contender);
    let second = client.refresh(&stolen).await?;
    let third = client.refresh(&second.refresh).await?;
    tokio::time::sleep(AFTER).await;
    let taken = if client.is_alive(&stolen).await? { "taken" } else { "refused" };
    let known = known(contender, &third.access).await?;
    let session =
        if client.is_alive(&third.refresh).await? { "the session goes on" } else { "the session is over" };
    Ok(format!("{taken}; {session}; of its access token {known}"))
}

pub(super) async fn kill(contender: &mut Contender) -> Result<String> {
    if !contender.is_ours_to_start() {
        return Ok("not asked: it is not ours to start".to_owned());
    }
    let (mut alive, mut refreshes) = (0, 0);
    for _ in 0..KILLS {
        let tokens = contender.refresh_tokens(SESSIONS).await?;
        let client = Client::of(contender);
        let holding = join_all(tokens.into_iter().map(|token| keep_refreshing(client.clone(), token)));
        let killed = async {
            tokio::time::sleep(UNDER_LOAD).await;
            contender.kill();
        };
        let (held, ()) = tokio::join!(holding, killed);
        contender.start().await?;
        for (token, answered) in held {
            alive += usize::from(client.is_alive(&token).await?);
            refreshes += answered;
        }
    }
    let memory = if contender.sheet.store.is_empty() { " (it keeps them in memory)" } else { "" };
    Ok(format!("{alive} of {} live, {refreshes} refreshes answered before{memory}", KILLS * SESSIONS))
}

/// Refreshes until no answer comes; what the client holds then, and how many answers came.
async fn keep_refreshing(client: Client, mut token: String) -> (String, usize) {
    let until = Instant::now() + 10 * UNDER_LOAD;
    let mut answered = 0;
    let Ok(mut connection) = Connection::open(client.address).await else { return (token, answered) };
    while Instant::now() < until
        && let Ok(Refreshed(Some(tokens))) = client.show_on(&mut connection, &token).await
    {
        token = tokens.refresh;
        answered += 1;
    }
    (token, answered)
}

pub(super) async fn revocation(contender: &mut Contender) -> Result<String> {
    let Some(revocation) = contender.sheet.revocation.clone() else { return Ok("it has no way".to_owned()) };
    let token = contender.refresh_token().await?;
    let tokens = Client::of(contender).refresh(&token).await?;
    let mut connection = Connection::open(contender.address()).await?;
    let status = connection.exchange(&revocation.with(contender.address(), &tokens.access)).await?.status;
    let known = known(contender, &tokens.access).await?;
    let offline = match tokens.access.split('.').count() {
        3 if contender.is_gatepass() => "guards refuse it, see below",
        3 => "a JWT: verifiers take it until it expires",
        _ => "not a JWT",
    };
    Ok(format!("answered {status}; {known}; {offline}"))
}

/// What introspection says of a token.
async fn known(contender: &Contender, token: &str) -> Result<String> {
    let Some(introspection) = &contender.sheet.introspection else {
        return Ok("nothing is known".to_owned());
    };
    let mut connection = Connection::open(contender.address()).await?;
    let answer = connection.exchange(&introspection.with(contender.address(), token)).await?;
    if answer.status != 200 {
        return Ok(format!("introspection answers {}", answer.status));
    }
    let value: Value = serde_json::from_slice(answer.body)?;
    let active = if value["active"] == true { "active" } else { "inactive" };
    Ok(format!("introspection says {active}"))
}

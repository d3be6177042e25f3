//! Tickets: what a guard finds out about them by itself, and what they open.

use std::time::Duration;

use gatepass_guard::{Denied, Kind, Reason, Rejection, Revoked, TicketProblem, WhenStale};
use gatepass_jose::{Typ, jwt};
use serde_json::Value;

use crate::issuer::{Issuer, eventually, guard, inline, new_key, now};

/// The claims of a ticket for `GET /export?year=2026`.
fn claims(issuer: &Issuer) -> Value {
    let mut claims = issuer.claims();
    claims["htm"] = "GET".into();
    claims["htu"] = "/export?year=2026".into();
    claims["until"] = claims["exp"].clone();
    claims["exp"] = (now().as_secs() + 60).into();
    claims
}

fn sign(issuer: &Issuer, claims: &Value) -> String {
    jwt::sign(&Typ::new("ticket+jwt"), claims, issuer.keys.lock().unwrap().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_ticket_is_for_one_request_and_no_access_token() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let with = |name: &str, value: Value| {
        let mut claims = claims(&issuer);
        claims[name] = value;
        sign(&issuer, &claims)
    };
    let good = sign(&issuer, &claims(&issuer));
    let stranger = jwt::sign(&Typ::new("ticket+jwt"), &claims(&issuer), &new_key("k1")).unwrap();
    let is_type = |denied: &Denied| matches!(denied, Denied::Rejected(Rejection::Typ { .. }));
    let is_rejected = |denied: &Denied| matches!(denied, Denied::Rejected(_));
    let is_another = |denied: &Denied| *denied == Denied::Ticket(TicketProblem::AnotherRequest);
    let is_bound = |denied: &Denied| *denied == Denied::Ticket(TicketProblem::NotTaken);
    let bound = with("cnf", serde_json::json!({ "jkt": "x" }));
    type Check<'c> = &'c dyn Fn(&Denied) -> bool;
    let cases: [(&str, &str, &str, &str, Check<'_>); 10] = [
        ("another_method", &good, "HEAD", "/export?year=2026", &is_another),
        ("another_query", &good, "GET", "/export?year=2025", &is_another),
        ("no_query", &good, "GET", "/export", &is_another),
        ("without_a_request", &with("htm", Value::Null), "GET", "/export?year=2026", &is_another),
        ("an_access_token", &issuer.token(), "GET", "/export?year=2026", &is_type),
        ("anothers_audience", &with("aud", "https://b".into()), "GET", "/export?year=2026", &is_rejected),
        ("expired", &with("exp", (now().as_secs() - 70).into()), "GET", "/export?year=2026", &is_rejected),
        ("by_another_key", &stranger, "GET", "/export?year=2026", &is_rejected),
        ("no_token_at_all", "x", "GET", "/export?year=2026", &is_rejected),
        ("bound_to_a_key", &bound, "GET", "/export?year=2026", &is_bound),
    ];
    for (name, ticket, method, target, check) in cases {
        let denied = guard.verify_ticket(ticket, method, target).await.unwrap_err();
        assert!(check(&denied), "{name}: {denied}");
        assert_eq!(denied.status(), 401, "{name}");
    }
    let admitted = guard.verify_ticket(&good, "GET", "/export?year=2026").await.unwrap();
    assert_eq!(admitted.sub, "ann");
    let as_token = guard.verify(&good).await.unwrap_err();
    assert!(is_type(&as_token), "{as_token}");
    let nobody = guard.consume_ticket(&admitted, &good).await;
    assert_eq!(nobody, Err(Denied::Ticket(TicketProblem::NotTaken)), "without a client nothing is used up");
}

#[tokio::test]
async fn what_a_ticket_opened_ends_with_its_session_or_the_token_behind_it() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(Duration::from_secs(3600), WhenStale::Allow)]).await;
    let open = async |claims: Value| {
        guard.verify_ticket(&sign(&issuer, &claims), "GET", "/export?year=2026").await.unwrap()
    };
    let mut late = claims(&issuer);
    late["exp"] = (now().as_secs() - 30).into(); // within what clocks may differ
    let opened = open(late).await;
    assert_eq!(guard.verify_opened(&opened, None), Ok(()), "the ticket's own end means nothing");
    let mut over = claims(&issuer);
    over["until"] = (now().as_secs() - 1).into();
    assert_eq!(guard.verify_opened(&open(over).await, None), Err(Denied::Ticket(TicketProblem::Ended)));

    issuer.revoke(Kind::Session, "s1", Reason::LOGOUT);
    let revoked = Err(Denied::Revoked(Revoked { kind: Kind::Session, reason: Reason::LOGOUT }));
    eventually("what it opened ends", async || guard.verify_opened(&opened, None) == revoked).await;
    let mut early = claims(&issuer);
    early["jti"] = opened.jti.clone().into();
    early["iat"] = opened.iat.0.as_secs().into();
    let again = guard.verify_ticket(&sign(&issuer, &early), "GET", "/export?year=2026").await;
    assert_eq!(again.map(drop), revoked, "and a ticket of that session opens nothing any more");
}

#[tokio::test]
async fn a_revoked_actor_takes_the_token_with_it() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(Duration::from_secs(3600), WhenStale::Allow)]).await;
    let act = serde_json::json!({ "sub": "orders", "act": { "sub": "gateway" } });
    let (delegated, own) = (issuer.token_with("act", act), issuer.token());
    assert!(guard.verify(&delegated).await.is_ok());
    issuer.revoke(Kind::Client, "gateway", Reason::ADMIN);
    let revoked = Some(Denied::Revoked(Revoked { kind: Kind::Client, reason: Reason::ADMIN }));
    eventually("the actor's revocation counts", async || guard.verify(&delegated).await.err() == revoked)
        .await;
    assert!(guard.verify(&own).await.is_ok());
}

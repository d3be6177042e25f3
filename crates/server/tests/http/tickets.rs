//! Tickets: minted for one request, used once.

use std::time::Duration;

use gatepass_jose::base64url;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::dpop::{Key, log_in_with};
use crate::fixture::{API, Answer, Fixture, ISSUER, forged};

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

fn download() -> Value {
    json!({ "method": "GET", "path": "/export?year=2026" })
}

async fn ticket(fixture: &Fixture, token: &str) -> String {
    let answer = fixture.post("/tickets").bearer(token).json(&download()).send().await;
    answer.expect(StatusCode::OK).json()["ticket"].as_str().unwrap().to_owned()
}

async fn consume(fixture: &Fixture, ticket: &str) -> Answer {
    let call = fixture.post("/tickets/consume").basic("batch", &fixture.secret);
    call.form(&format!("ticket={ticket}")).send().await
}

#[tokio::test]
async fn a_ticket_says_which_request_it_is_for_and_on_whose_behalf() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let wanted = json!({ "method": "GET", "path": "/export?year=2026", "ttl": 120, "scope": "orders:read" });
    let answer = fixture.post("/tickets").bearer(&session.access).json(&wanted).send().await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["expires_in"], 120);
    let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
    assert_eq!(part(&ticket, 0)["typ"], "ticket+jwt");
    let (claims, token) = (part(&ticket, 1), part(&session.access, 1));
    for same in ["iss", "sub", "sid", "roles", "client_id"] {
        assert_eq!(claims[same], token[same], "{same}");
    }
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(API), &json!("orders:read")));
    assert_eq!((&claims["htm"], &claims["htu"]), (&json!("GET"), &json!("/export?year=2026")));
    assert_eq!(claims["until"], token["exp"], "what it opens lasts as long as the token");
    assert_ne!(claims["jti"], token["jti"]);
}

#[tokio::test]
async fn a_ticket_lives_no_longer_than_the_token_it_was_minted_for() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let exp = part(&session.access, 1)["exp"].as_i64().unwrap();
    fixture.pass(Duration::from_secs((exp - fixture.now().as_secs()) as u64 - 5));
    assert_eq!(part(&ticket(&fixture, &session.access).await, 1)["exp"], exp);
}

#[tokio::test]
async fn for_whom_and_for_what_there_is_no_ticket() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let ended = fixture.log_in("alice").await;
    fixture.post("/session/logout").cookie(&ended.refresh).send().await.expect(StatusCode::NO_CONTENT);
    let own = ticket(&fixture, &session.access).await;
    let get = |path: &str| json!({ "method": "GET", "path": path });
    let with = |name: &str, value: Value| crate::fixture::with(download(), name, value);
    let cases = [
        ("no_token", None, download(), (401, "token-missing")),
        ("no_such_token", Some("nonsense"), download(), (401, "invalid-token")),
        ("a_refresh_token", Some(&*session.refresh), download(), (401, "invalid-token")),
        ("a_ticket", Some(&*own), download(), (401, "invalid-token")),
        ("a_revoked_token", Some(&*ended.access), download(), (401, "revoked")),
        (
            "more_scope",
            Some(&*session.access),
            with("scope", json!("gatepass:admin")),
            (400, "invalid-scope"),
        ),
        ("too_long", Some(&*session.access), with("ttl", json!(301)), (400, "invalid-request")),
        ("no_time", Some(&*session.access), with("ttl", json!(0)), (400, "invalid-request")),
        ("method", Some(&*session.access), with("method", json!("get")), (400, "invalid-request")),
        ("another_host", Some(&*session.access), get("https://x.example/"), (400, "invalid-request")),
        ("no_slash", Some(&*session.access), get("export"), (400, "invalid-request")),
        ("a_ticket_in_it", Some(&*session.access), get("/a?ticket=x"), (400, "invalid-request")),
        ("unknown_member", Some(&*session.access), with("url", json!("/")), (400, "invalid-request")),
    ];
    for (name, token, body, want) in cases {
        let call = fixture.post("/tickets").json(&body);
        let call = match token {
            Some(token) => call.bearer(token),
            None => call,
        };
        assert_eq!(call.send().await.problem(), (want.0, want.1.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn a_ticket_is_used_up_once() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let ticket = ticket(&fixture, &session.access).await;
    let racing = (0..16).map(|_| consume(&fixture, &ticket));
    let answers = futures_util::future::join_all(racing).await;
    let passed = answers.iter().filter(|answer| answer.status == StatusCode::NO_CONTENT).count();
    assert_eq!(passed, 1);
    let refused = answers.iter().filter(|answer| answer.status != StatusCode::NO_CONTENT);
    for answer in refused {
        assert_eq!(answer.oauth_error(), (400, "invalid_grant".to_owned()));
    }
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(consume(&fixture, &ticket).await.status, 400);
    fixture.pass(Duration::from_secs(600));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(consume(&fixture, &ticket).await.status, 400, "forgotten, and dead");
}

#[tokio::test]
async fn a_client_that_registered_itself_uses_up_no_ticket_until_an_operator_makes_it_a_gateway() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let session = fixture.log_in("alice").await;
    for (policy, given, want) in [(json!([]), json!([API]), 204), (json!([API]), json!([API]), 400)] {
        let machine = json!({ "grant_types": ["client_credentials"] });
        let policy = crate::fixture::with(machine.clone(), "audience", policy);
        let call = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&policy);
        let token = call.send().await.expect(StatusCode::CREATED).json()["token"].clone();
        let call = fixture.post("/oauth/register").bearer(token.as_str().unwrap()).json(&machine);
        let made = call.send().await.expect(StatusCode::CREATED).json();
        let [id, secret] = ["client_id", "client_secret"].map(|name| made[name].as_str().unwrap());
        let ticket = ticket(&fixture, &session.access).await;
        let consume_itself = async || {
            fixture.post("/tickets/consume").basic(id, secret).form(&format!("ticket={ticket}")).send().await
        };
        assert_eq!(consume_itself().await.oauth_error(), (400, "unauthorized_client".to_owned()));
        let call = fixture.call(Method::PATCH, &format!("/admin/v1/clients/{id}")).bearer(&admin);
        call.json(&json!({ "audience": given })).send().await.expect(StatusCode::OK);
        assert_eq!(consume_itself().await.status.as_u16(), want, "{policy}");
        let gateways = if want == 204 { 400 } else { 204 };
        assert_eq!(consume(&fixture, &ticket).await.status.as_u16(), gateways, "{policy}: once");
    }
}

#[tokio::test]
async fn what_is_not_used_up() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let good = ticket(&fixture, &session.access).await;
    let forged = forged(&good);
    for (name, text) in [("no_ticket", "x"), ("forged", &*forged), ("an_access_token", &*session.access)] {
        assert_eq!(consume(&fixture, text).await.oauth_error(), (400, "invalid_grant".to_owned()), "{name}");
    }
    let call = || fixture.post("/tickets/consume").form(&format!("ticket={good}"));
    assert_eq!(call().send().await.oauth_error().0, 401, "nobody");
    assert_eq!(call().basic("batch", "wrong").send().await.oauth_error().0, 401, "wrong secret");
    let public = fixture.post("/tickets/consume").form(&format!("ticket={good}&client_id=web"));
    assert_eq!(public.send().await.oauth_error(), (400, "unauthorized_client".to_owned()));

    // It opens nothing here, and introspection does not take it for a token.
    assert_eq!(fixture.get("/session/list").bearer(&good).send().await.status, 401);
    assert_eq!(fixture.introspected(&good).await, json!({ "active": false }));
    assert_eq!(part(&good, 1)["iss"], ISSUER);

    fixture.post("/session/logout").cookie(&session.refresh).send().await.expect(StatusCode::NO_CONTENT);
    let ended = consume(&fixture, &good).await;
    assert_eq!(ended.oauth_error(), (400, "invalid_grant".to_owned()), "it dies with its session");
}

#[tokio::test]
async fn a_bound_token_gets_a_ticket_with_a_proof_of_its_key() {
    const TICKETS: (&str, &str) = ("POST", "/tickets");
    let fixture = Fixture::new().await;
    let (key, thief) = (Key::new(), Key::new());
    let token = log_in_with(&fixture, &key).await;
    let plain = fixture.log_in("alice").await.access;
    let ask = |token: &str, proof: &str| {
        let call =
            fixture.post("/tickets").json(&download()).header("authorization", &format!("DPoP {token}"));
        call.header("dpop", proof)
    };
    let proof = key.proof_with(&fixture, TICKETS, &token);
    let ticket = ask(&token, &proof).send().await.expect(StatusCode::OK).json();
    let ticket = ticket["ticket"].as_str().unwrap();
    assert!(part(ticket, 1).get("cnf").is_none(), "a link can carry no proof");
    consume(&fixture, ticket).await.expect(StatusCode::NO_CONTENT);
    let cases = [
        ("the_same_proof", ask(&token, &proof), "invalid-dpop-proof"),
        ("another_key", ask(&token, &thief.proof_with(&fixture, TICKETS, &token)), "invalid-dpop-proof"),
        ("another_token", ask(&token, &key.proof_with(&fixture, TICKETS, &plain)), "invalid-dpop-proof"),
        ("no_proof_at_all", fixture.post("/tickets").json(&download()).bearer(&token), "invalid-token"),
        ("a_token_of_no_key", ask(&plain, &key.proof_with(&fixture, TICKETS, &plain)), "invalid-token"),
    ];
    for (name, call, want) in cases {
        assert_eq!(call.send().await.problem(), (401, want.to_owned()), "{name}");
    }
}

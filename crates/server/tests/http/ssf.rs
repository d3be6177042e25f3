//! Shared signals: a receiver's stream, and what it hears.

use std::time::Duration;

use gatepass_issuer::SubjectType;
use gatepass_issuer::admin::{ChangeUser, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_issuer::password::Password;
use gatepass_issuer::signals::Taken;
use gatepass_revocation::{Kind, Reason};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, claims, exchange, register, request};
use crate::fixture::{Fixture, ISSUER};

const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CREDENTIAL_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
const TOKEN_CLAIMS_CHANGE: &str = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/// Registers a receiver and gives its access token.
async fn receiver(fixture: &Fixture, id: &str, scope: &str) -> String {
    receiver_with(fixture, id, scope, ClientExtensions::default()).await
}

async fn receiver_with(fixture: &Fixture, id: &str, scope: &str, extensions: ClientExtensions) -> String {
    let new = NewClient {
        id: Some(id.parse().unwrap()),
        name: id.to_owned(),
        credential: NewCredential::Secret,
        grants: vec![GrantType::ClientCredentials],
        scope: scope.parse().unwrap(),
        audience: vec![ISSUER.to_owned()],
        sign_on: SignOnClient::default(),
        exchange: None,
        extensions,
    };
    let (_, secret) = fixture.issuer.create_client(new, fixture.now()).await.unwrap();
    let call = fixture.post("/oauth/token").basic(id, secret.unwrap().expose());
    let answer = call.form("grant_type=client_credentials").send().await.expect(StatusCode::OK).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn create(fixture: &Fixture, token: &str, body: &Value) -> Value {
    let call = fixture.post("/ssf/stream").bearer(token).json(body);
    call.send().await.expect(StatusCode::CREATED).json()
}

/// What a receiver gets that asks and does not wait, with the claims of each event.
async fn poll(fixture: &Fixture, token: &str, mut body: Value) -> Vec<(String, Value)> {
    body["returnImmediately"] = json!(true);
    let answer = fixture.post("/ssf/poll").bearer(token).json(&body).send().await.expect(StatusCode::OK);
    let sets = answer.json()["sets"].as_object().unwrap().clone();
    sets.into_iter().map(|(jti, set)| (jti, claims(set.as_str().unwrap()))).collect()
}

#[tokio::test]
async fn a_stream_is_made_read_changed_and_removed() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let none = fixture.get("/ssf/stream").bearer(&token).send().await.expect(StatusCode::OK);
    assert_eq!(none.json(), json!([]));
    let push = json!({
        "delivery": {
            "method": "urn:ietf:rfc:8935", "endpoint_url": "https://siem.example.com/events",
            "authorization_header": "Bearer secret-of-the-receiver",
        },
        "events_requested": [SESSION_REVOKED, "urn:example:unknown"],
        "description": "ours", "iss": "passed over",
    });
    let made = create(&fixture, &token, &push).await;
    assert_eq!((&made["iss"], &made["aud"]), (&json!(ISSUER), &json!("siem")));
    assert_eq!(made["events_delivered"], json!([SESSION_REVOKED]));
    assert_eq!(made["events_supported"].as_array().unwrap().len(), 3);
    assert!(!made.to_string().contains("secret-of-the-receiver"), "{made}");
    let id = made["stream_id"].as_str().unwrap();
    let of = |method, path: &str| fixture.call(method, path).bearer(&token);
    let path = format!("/ssf/stream?stream_id={id}");
    assert_eq!(of(Method::GET, &path).send().await.expect(StatusCode::OK).json(), made);
    let again = fixture.post("/ssf/stream").bearer(&token).json(&push).send().await;
    assert_eq!(again.problem(), (409, "exists".to_owned()));

    let change =
        json!({ "stream_id": id, "delivery": { "method": "urn:ietf:rfc:8936" }, "description": null });
    let changed = of(Method::PATCH, "/ssf/stream").json(&change).send().await.expect(StatusCode::OK).json();
    assert_eq!(changed["delivery"]["endpoint_url"], format!("{ISSUER}/ssf/poll"));
    assert_eq!(changed["events_requested"], push["events_requested"], "what is left out stays");
    assert!(changed.get("description").is_none());
    let change = json!({ "stream_id": id });
    let replaced = of(Method::PUT, "/ssf/stream").json(&change).send().await.expect(StatusCode::OK).json();
    assert_eq!(replaced["events_delivered"].as_array().unwrap().len(), 3);

    let paused = json!({ "stream_id": id, "status": "paused", "reason": "holiday" });
    of(Method::POST, "/ssf/status").json(&paused).send().await.expect(StatusCode::OK);
    let status = of(Method::GET, &format!("/ssf/status?stream_id={id}")).send().await;
    assert_eq!(status.expect(StatusCode::OK).json(), paused);
    assert_eq!(of(Method::DELETE, &path).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(of(Method::GET, &path).send().await.problem(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn what_is_the_transmitters_to_say_comes_back_as_it_is() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let made = create(&fixture, &token, &json!({ "events_requested": [SESSION_REVOKED] })).await;
    let (supported, delivered) = (&made["events_supported"], &made["events_delivered"]);
    let backwards: Vec<Value> = supported.as_array().unwrap().iter().rev().cloned().collect();
    let poll = |url: String| json!({ "method": "urn:ietf:rfc:8936", "endpoint_url": url });
    let cases = [
        ("iss", json!(ISSUER), true),
        ("iss", json!("https://other.example"), false),
        ("aud", json!("siem"), true),
        ("aud", json!(["siem"]), true),
        ("aud", json!("other"), false),
        ("aud", json!(["siem", "other"]), false),
        ("events_supported", json!(backwards), true),
        ("events_supported", json!([SESSION_REVOKED]), false),
        ("events_delivered", delivered.clone(), true),
        ("events_delivered", supported.clone(), false),
        ("delivery", poll(format!("{ISSUER}/ssf/poll")), true),
        ("delivery", poll("https://other.example/poll".into()), false),
    ];
    for method in [Method::PATCH, Method::PUT] {
        for (member, value, want) in &cases {
            let mut change = json!({ "stream_id": made["stream_id"], "events_requested": [SESSION_REVOKED] });
            change[*member] = value.clone();
            let call = fixture.call(method.clone(), "/ssf/stream").bearer(&token).json(&change);
            assert_eq!(call.send().await.status.as_u16(), if *want { 200 } else { 400 }, "{method} {change}");
        }
        // All of what was read comes back.
        let call = fixture.call(method.clone(), "/ssf/stream").bearer(&token).json(&made);
        assert_eq!(call.send().await.expect(StatusCode::OK).json(), made, "{method}");
    }
}

#[tokio::test]
async fn who_may_have_a_stream_and_what_is_refused() {
    let fixture = Fixture::new().await;
    let manages = receiver(&fixture, "siem", "ssf.manage ssf.read").await;
    let reads = receiver(&fixture, "reader", "ssf.read").await;
    let other = receiver(&fixture, "other", "ssf.manage").await;
    let made = create(&fixture, &manages, &json!({})).await;
    let path = format!("/ssf/stream?stream_id={}", made["stream_id"].as_str().unwrap());
    let cases = [
        ("nobody", fixture.post("/ssf/stream"), 401),
        ("a user", fixture.post("/ssf/stream").bearer(&fixture.admin().await), 403),
        (
            "a client for a resource server",
            fixture.post("/ssf/stream").bearer(&fixture.batch_token().await),
            401,
        ),
        ("who only reads", fixture.post("/ssf/stream").bearer(&reads), 403),
    ];
    for (name, call, status) in cases {
        assert_eq!(call.json(&json!({})).send().await.status, status, "{name}");
    }
    let strangers = fixture.call(Method::DELETE, &path).bearer(&other).send().await;
    assert_eq!(strangers.status, StatusCode::NOT_FOUND, "another's stream is none");
    for (name, delivery) in [
        ("plain http", json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "http://siem.example.com/" })),
        (
            "a cloud's metadata",
            json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "http://169.254.169.254/" }),
        ),
        ("no endpoint", json!({ "method": "urn:ietf:rfc:8935" })),
        (
            "another method",
            json!({ "method": "carrier pigeon", "endpoint_url": "https://siem.example.com/" }),
        ),
        (
            "a header that ends",
            json!({ "method": "urn:ietf:rfc:8936", "authorization_header": "x\r\nHost: evil.example" }),
        ),
    ] {
        let call = fixture.post("/ssf/stream").bearer(&other).json(&json!({ "delivery": delivery }));
        assert_eq!(call.send().await.status, StatusCode::BAD_REQUEST, "{name}");
    }
}

#[tokio::test]
async fn a_receiver_hears_of_sessions_credentials_and_roles_until_it_has_taken_them() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let before = fixture.log_in("alice").await;
    fixture.post("/session/logout").bearer(&before.access).header("sec-fetch-site", "none").send().await;
    create(&fixture, &token, &json!({})).await;
    assert!(poll(&fixture, &token, json!({})).await.is_empty(), "what was before is not told");

    let session = fixture.log_in("alice").await;
    let sub = fixture.alice.to_string();
    let end = session.session.parse().unwrap();
    fixture.issuer.end_session(end, Reason::LOGOUT, fixture.now()).await.unwrap();
    let roles = ChangeUser { roles: Some(vec!["auditor".parse().unwrap()]), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, roles, fixture.now()).await.unwrap();
    let password = Password::new("another violet harbour 72").unwrap();
    let password = ChangeUser { password: Some(password), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, password, fixture.now()).await.unwrap();

    let heard = poll(&fixture, &token, json!({})).await;
    let user = json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub });
    let complex = json!({
        "format": "complex", "user": user, "session": { "format": "opaque", "id": session.session }
    });
    let want = [
        (SESSION_REVOKED, &complex),
        (TOKEN_CLAIMS_CHANGE, &user),
        (CREDENTIAL_CHANGE, &user),
        (SESSION_REVOKED, &user),
    ];
    assert_eq!(heard.len(), want.len(), "{heard:?}");
    for ((jti, claims), (event, subject)) in heard.iter().zip(want) {
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("siem")));
        assert_eq!((&claims["jti"], &claims["sub_id"]), (&json!(jti), subject), "{event}");
        assert_eq!(claims["events"].as_object().unwrap().keys().collect::<Vec<_>>(), [event]);
        assert_eq!(claims["events"][event]["event_timestamp"], fixture.now().as_secs());
        assert!(claims.get("sub").is_none() && claims.get("exp").is_none());
    }
    assert_eq!(heard[0].1["events"][SESSION_REVOKED]["initiating_entity"], "user");
    let changed = &heard[2].1["events"][CREDENTIAL_CHANGE];
    assert!(changed.get("initiating_entity").is_none(), "a password may be changed by its user or reset");
    assert_eq!(heard[1].1["events"][TOKEN_CLAIMS_CHANGE]["claims"], json!({ "roles": ["auditor"] }));
    assert_eq!(heard[2].1["events"][CREDENTIAL_CHANGE]["credential_type"], "password");

    // Out of order, unknown, and one that the receiver could not read.
    let acks = json!({
        "ack": [heard[2].0, "nonsense", format!("{}9", heard[0].0)], "maxEvents": 1,
        "setErrs": { heard[1].0.clone(): { "err": "invalid_key", "description": "?" } },
    });
    let left = poll(&fixture, &token, acks).await;
    assert_eq!(left.iter().map(|(jti, _)| jti).collect::<Vec<_>>(), [&heard[0].0], "one of two");
    let left = poll(&fixture, &token, json!({ "ack": [heard[0].0] })).await;
    assert_eq!(left.iter().map(|(jti, _)| jti).collect::<Vec<_>>(), [&heard[3].0]);
    assert!(poll(&fixture, &token, json!({ "ack": [heard[3].0] })).await.is_empty());
    let nothing = json!({ "maxEvents": 0, "ack": [] });
    assert!(poll(&fixture, &token, nothing).await.is_empty());
}

#[tokio::test]
async fn a_receiver_that_waits_is_answered_when_something_happens() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    create(&fixture, &token, &json!({})).await;
    let end = async || {
        let session = fixture.log_in("alice").await.session;
        fixture.issuer.end_session(session.parse().unwrap(), Reason::ADMIN, fixture.now()).await.unwrap();
        session
    };
    end().await;
    let known = poll(&fixture, &token, json!({})).await.remove(0).0;
    let waiting = fixture.post("/ssf/poll").bearer(&token).json(&json!({ "ack": [known] })).send();
    let waiting = tokio::spawn(waiting);
    // What it has taken is gone: from here on it waits.
    while !waiting.is_finished() && !poll(&fixture, &token, json!({})).await.is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.issuer.revoke(Kind::Token, "concerns-no-receiver", Reason::ADMIN, fixture.now()).await.unwrap();
    let session = end().await;
    let answer = waiting.await.unwrap().expect(StatusCode::OK).json();
    let sets = answer["sets"].as_object().unwrap();
    let heard: Vec<Value> = sets.values().map(|set| claims(set.as_str().unwrap())).collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["sub_id"]["session"]["id"], session, "one who waits to the end is told of nothing");
}

#[tokio::test]
async fn a_receiver_that_nothing_comes_for_is_answered_before_its_request_is_too_old() {
    let short = Duration::from_secs(2);
    for (name, http) in [
        ("it waits", HttpConfig { request_timeout: short, ..HttpConfig::default() }),
        ("too many wait", HttpConfig { max_streams: 0, ..HttpConfig::default() }),
    ] {
        let fixture = Fixture::with(http, |_| {}).await;
        let token = receiver(&fixture, "siem", "ssf.manage").await;
        create(&fixture, &token, &json!({})).await;
        let waiting = fixture.post("/ssf/poll").bearer(&token).json(&json!({})).send();
        // Nobody waits as long as a request may take by default.
        let answer = tokio::time::timeout(Duration::from_secs(12), waiting).await.expect(name);
        assert_eq!(answer.expect(StatusCode::OK).json(), json!({ "sets": {} }), "{name}");
    }
}

#[tokio::test]
async fn a_receiver_that_was_away_for_a_day_finds_what_happened() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let id = create(&fixture, &token, &json!({})).await["stream_id"].clone();
    let session = fixture.log_in("alice").await.session.parse().unwrap();
    fixture.issuer.end_session(session, Reason::ADMIN, fixture.now()).await.unwrap();
    for hours in [1, 22] {
        fixture.pass(Duration::from_secs(hours * 3600));
        fixture.issuer.maintain(fixture.now()).await.unwrap();
    }
    let stream = fixture.issuer.find_stream(&"siem".parse().unwrap(), None).await.unwrap();
    let late = fixture.issuer.poll(&stream, &Default::default(), fixture.now()).await.unwrap();
    assert_eq!(late.sets.len(), 1);
    assert_eq!(json!(stream.id), id);
    // A view of the guards holds it no longer: what it concerned is dead.
    let snapshot = claims(&fixture.issuer.snapshot(fixture.now()).unwrap());
    assert_eq!(snapshot["entries"].as_array().map(Vec::len), Some(0), "{snapshot}");
}

#[tokio::test]
async fn a_verification_event_brings_the_receivers_state_back() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let id = create(&fixture, &token, &json!({})).await["stream_id"].clone();
    let body = json!({ "stream_id": id, "state": "s&<é>" });
    let asked = fixture.post("/ssf/verify").bearer(&token).json(&body).send().await;
    assert_eq!(asked.status, StatusCode::NO_CONTENT);
    let heard = poll(&fixture, &token, json!({})).await;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].1["events"][VERIFICATION], json!({ "state": "s&<é>" }));
    assert_eq!(heard[0].1["sub_id"], json!({ "format": "opaque", "id": id }));
    assert!(poll(&fixture, &token, json!({ "ack": [heard[0].0] })).await.is_empty());
    for _ in 0..8 {
        fixture.post("/ssf/verify").bearer(&token).json(&body).send().await.expect(StatusCode::NO_CONTENT);
    }
    let too_many = fixture.post("/ssf/verify").bearer(&token).json(&body).send().await;
    assert_eq!(too_many.problem(), (429, "throttled".to_owned()));
}

#[tokio::test]
async fn what_is_pushed_waits_in_order_for_a_receiver_that_is_away() {
    let fixture = Fixture::new().await;
    let token = receiver(&fixture, "siem", "ssf.manage").await;
    let delivery = json!({
        "method": "urn:ietf:rfc:8935", "endpoint_url": "https://siem.example.com/events",
        "authorization_header": "Bearer x",
    });
    let id = create(&fixture, &token, &json!({ "delivery": delivery })).await["stream_id"].clone();
    for _ in 0..3 {
        let session = fixture.log_in("alice").await.session.parse().unwrap();
        fixture.issuer.end_session(session, Reason::ADMIN, fixture.now()).await.unwrap();
    }
    let due = async || fixture.issuer.due_signals(fixture.now()).await.unwrap();
    let first = due().await.remove(0);
    assert_eq!(first.sets.len(), 3);
    assert_eq!(first.authorization.as_ref().unwrap().expose(), b"Bearer x");
    fixture.issuer.settle_signal(first.stream, &first.sets[0].jti, Taken::Settled, fixture.now());
    fixture.issuer.settle_signal(first.stream, &first.sets[1].jti, Taken::Failed, fixture.now());
    assert!(due().await.is_empty(), "it is left alone for a while");
    fixture.pass(Duration::from_secs(2));
    let again = due().await.remove(0);
    let names = |sets: &[gatepass_issuer::signals::SecurityEventToken]| {
        sets.iter().map(|set| set.jti.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&again.sets), names(&first.sets[1..]), "the same names, in the same order");
    let paused = json!({ "stream_id": id, "status": "disabled" });
    fixture.post("/ssf/status").bearer(&token).json(&paused).send().await.expect(StatusCode::OK);
    assert!(due().await.is_empty());
    let enabled = json!({ "stream_id": id, "status": "enabled" });
    fixture.post("/ssf/status").bearer(&token).json(&enabled).send().await.expect(StatusCode::OK);
    assert!(due().await.is_empty(), "what happened while it was disabled is not told later");
}

#[tokio::test]
async fn a_pairwise_receiver_hears_of_users_by_its_own_names_and_once() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let pairwise = || ClientExtensions { subject_type: SubjectType::Pairwise, ..ClientExtensions::default() };
    let token = receiver_with(&fixture, "siem", "ssf.manage", pairwise()).await;
    create(&fixture, &token, &json!({})).await;
    crate::responses::change(&fixture, "own", json!({ "subject_type": "pairwise" }))
        .await
        .expect(StatusCode::OK);
    let code = Browser::new(&fixture).code(&request(&[("client_id", "own")])).await;
    let call = fixture.post("/oauth/token").form(&exchange("own", &code));
    let tokens = call.send().await.expect(StatusCode::OK).json();
    let at_own = claims(tokens["id_token"].as_str().unwrap())["sub"].clone();

    let change = ChangeUser { disabled: Some(true), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, change, fixture.now()).await.unwrap();
    let heard = poll(&fixture, &token, json!({})).await;
    let of_users: Vec<&Value> =
        heard.iter().map(|(_, set)| &set["sub_id"]["sub"]).filter(|sub| !sub.is_null()).collect();
    assert_eq!(of_users.len(), 1, "{heard:?}");
    let name = of_users[0].as_str().unwrap();
    assert!(name.starts_with("p:") && name != at_own, "{name}");
    let all: String = heard.iter().map(|(_, set)| set.to_string()).collect();
    assert!(!all.contains(&fixture.alice.to_string()) && !all.contains(at_own.as_str().unwrap()), "{all}");
}

//! Tickets: one request without any header field, once, at whichever gateway it arrives.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Session, Up, jws, send, upstream, wait};
use reqwest::Method;
use serde_json::json;

use crate::exchange::{register, start_at};

const ROUTES: &str = r#"
[[route]]
path = "/export"
upstream = "mirror"
tickets = true
forward = { sub = "X-User-Id" }

[[route]]
path = "/clerks"
upstream = "mirror"
tickets = true
require = { role = ["nobody"] }

[[route]]
path = "/limited"
upstream = "mirror"
tickets = true
rate_limit = { per = "subject", requests = 1, every = "1h" }

[[route]]
path = "/closed"
upstream = "mirror"

[[route]]
path = "/events"
upstream = "mirror"
tickets = true
"#;

async fn ticket(up: &Up, session: &Session, method: &str, path: &str) -> String {
    let wanted = json!({ "method": method, "path": path, "ttl": 120 });
    let request = up.at_server(Method::POST, "/tickets").bearer_auth(&session.access_token);
    send(request.json(&wanted)).await.expect(200).text("/ticket")
}

#[tokio::test]
async fn a_download_link_works_once_and_for_nothing_else() {
    let mut up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let secret = register(&up, &audience).await;
    let gateway = start_at(&up, &audience, ROUTES, &secret, upstream::mirror().await).await;
    let client = up.client.clone();
    let open = |method: Method, target: String| send(client.request(method, gateway.url(&target)));

    let link = ticket(&up, &session, "GET", "/export?year=2026").await;
    let elsewhere = [
        (Method::HEAD, format!("/export?year=2026&ticket={link}")),
        (Method::GET, format!("/export?year=2025&ticket={link}")),
        (Method::GET, format!("/export?ticket={link}")),
        (Method::GET, format!("/events?year=2026&ticket={link}")),
    ];
    for (method, target) in elsewhere {
        open(method, target).await.expect(401);
    }
    let both = client.get(gateway.url(&format!("/export?year=2026&ticket={link}")));
    let both = send(both.bearer_auth(&session.access_token)).await;
    both.expect_problem(400, "invalid-request");
    let twice = open(Method::GET, format!("/export?year=2026&ticket={link}&ticket={link}")).await;
    twice.expect_problem(400, "invalid-request");
    open(Method::GET, format!("/closed?ticket={link}")).await.expect_problem(401, "token-missing");

    // None of that has used it up.
    let answer = open(Method::GET, format!("/export?year=2026&ticket={link}")).await.expect(200);
    assert_eq!(answer.text("/target"), "/export?year=2026", "the service behind does not see the ticket");
    assert_eq!(answer.text("/headers/x-user-id/0"), session.claim("sub"));
    assert!(answer.json()["headers"].get("authorization").is_none());
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let again = open(Method::GET, format!("/export?year=2026&ticket={link}")).await;
    let again = again.expect_problem(401, "invalid-ticket");
    assert_eq!(again.header("referrer-policy"), Some("no-referrer"));

    let unfit = ticket(&up, &session, "GET", "/clerks").await;
    open(Method::GET, format!("/clerks?ticket={unfit}")).await.expect_problem(403, "forbidden");
    let bearer = client.get(gateway.url("/export")).bearer_auth(&session.access_token);
    assert_eq!(send(bearer).await.expect(200).header("referrer-policy"), None);

    let late = ticket(&up, &session, "GET", "/export").await;
    up.kill();
    let away = open(Method::GET, format!("/export?ticket={late}")).await;
    away.expect_problem(503, "verification-unavailable").retry_after();
    assert!(!gateway.process.log().contains(&link), "no ticket stands in the log");
}

#[tokio::test]
async fn a_proxy_that_asks_uses_a_ticket_up() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let secret = register(&up, &audience).await;
    let gateway = start_at(&up, &audience, ROUTES, &secret, upstream::mirror().await).await;
    let link = ticket(&up, &session, "GET", "/export?year=2026").await;
    let ask = async |method: Option<&str>, target: &str| {
        let mut question = up.client.get(gateway.url("/auth/verify")).header("x-original-uri", target);
        if let Some(method) = method {
            question = question.header("x-original-method", method);
        }
        send(question).await
    };
    let target = format!("/export?year=2026&ticket={link}");
    ask(Some("POST"), &target).await.expect_problem(401, "invalid-ticket");
    ask(Some("GET"), &target.replace("2026", "2027")).await.expect_problem(401, "invalid-ticket");
    ask(None, &target).await.expect_problem(401, "token-missing");
    let answer = ask(Some("GET"), &target).await.expect(200);
    assert_eq!(answer.header("x-user-id"), Some(&*session.claim("sub")));
    ask(Some("GET"), &target).await.expect_problem(401, "invalid-ticket");
}

#[tokio::test]
async fn of_all_gateways_one_lets_a_ticket_pass() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let secret = register(&up, &audience).await;
    let mirror = upstream::mirror().await;
    let first = start_at(&up, &audience, ROUTES, &secret, mirror).await;
    let second = start_at(&up, &audience, ROUTES, &secret, mirror).await;
    for round in 0..25 {
        let ticket = ticket(&up, &session, "GET", "/export").await;
        let target = format!("/export?ticket={ticket}");
        let attempts = (0..8).map(|at| {
            let gateway = if at % 2 == 0 { &first } else { &second };
            send(up.client.get(gateway.url(&target)))
        });
        let answers = join_all(attempts).await;
        let passed = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(passed, 1, "round {round}");
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401)), "round {round}");
    }
}

#[tokio::test]
async fn a_ticket_that_opens_nothing_for_a_limit_is_not_used_up() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let secret = register(&up, &audience).await;
    let mirror = upstream::mirror().await;
    let busy = start_at(&up, &audience, ROUTES, &secret, mirror).await;
    let idle = start_at(&up, &audience, ROUTES, &secret, mirror).await;
    send(up.client.get(busy.url("/limited")).bearer_auth(&session.access_token)).await.expect(200);
    let target = format!("/limited?ticket={}", ticket(&up, &session, "GET", "/limited").await);
    send(up.client.get(busy.url(&target))).await.expect_problem(429, "rate-limited");
    send(up.client.get(idle.url(&target))).await.expect(200);
}

#[tokio::test]
async fn a_stream_that_a_ticket_opened_outlives_it_and_ends_with_the_session() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let secret = register(&up, &audience).await;
    let events = |_: Request| async {
        let ticks = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some((Ok::<_, std::io::Error>("data: tick\n\n"), ()))
        });
        ([("content-type", "text/event-stream")], Body::from_stream(ticks))
    };
    let events = upstream::serve(Router::new().route("/events", get(events))).await;
    let gateway = start_at(&up, &audience, ROUTES, &secret, events).await;

    let ticket = ticket(&up, &session, "GET", "/events").await;
    let response = up.client.get(gateway.url(&format!("/events?ticket={ticket}"))).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    // The guard is asked every second: it has been a few times, and the ticket is used up.
    wait::until("the stream to go on", Duration::from_secs(20), async || {
        text += &String::from_utf8_lossy(&stream.next().await.expect("it goes on").unwrap());
        (text.matches("tick").count() > 15).then_some(())
    })
    .await;
    assert!(!text.contains("gatepass.end"), "{text}");

    Admin::with_token(&up, &session.access_token).revoke("session", &session.id).await.expect(201);
    wait::until("the stream to end with its session", Duration::from_secs(20), async || {
        match stream.next().await {
            Some(chunk) => {
                text += &String::from_utf8_lossy(&chunk.unwrap());
                None
            }
            None => Some(()),
        }
    })
    .await;
    assert!(text.contains("event: gatepass.end") && text.contains("revoked"), "{text}");
}

//! What a page does with a session, and what becomes of it when the session is taken back.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gatepass_e2e::browser::Visitor;
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Alone, Browser, Up, certificate, jws, place, wait};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Application, Service, exchange};

/// A WebSocket server of somebody else's that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
                let (mut sink, mut messages) = socket.split();
                while let Some(Ok(message)) = messages.next().await {
                    if (message.is_text() || message.is_binary()) && sink.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A gateway's routes to a service, to the WebSocket server, and for tickets to the issuer.
fn routes(up: &Up, client_secret: &str, service: SocketAddr, echo: SocketAddr) -> String {
    let upstream =
        |name, server: &str| format!("[[upstream]]\nname = \"{name}\"\nservers = [\"{server}\"]\n\n");
    let upstreams = [
        upstream("service", &format!("http://{service}")),
        upstream("echo", &format!("http://{echo}")),
        upstream("issuer", up.issuer()),
    ];
    format!(
        r#"
client = {{ id = "gateway", secret_file = "{client_secret}" }}

{}
[[route]]
path = "/"
upstream = "service"
public = true

[[route]]
path = "/api/{{*rest}}"
upstream = "service"
session = true
forward = {{ sub = "X-User-Id", sid = "X-Session-Id" }}

[[route]]
path = "/events"
upstream = "service"
session = true

[[route]]
path = "/live"
upstream = "echo"
session = true

[[route]]
path = "/ticketed"
upstream = "echo"
tickets = true

[[route]]
path = "/tickets"
methods = ["POST"]
upstream = "issuer"
session = true
"#,
        upstreams.concat()
    )
}

/// Through the issuer's pages, which ask for a password and for consent.
async fn log_in(visitor: &mut Visitor<'_>, site: &Application) {
    visitor.open(&site.url("/bff/login")).await;
    visitor.fill("#username", ADMIN).await;
    visitor.fill("#password", PASSWORD).await;
    visitor.click("button").await;
    visitor.click("button[value=allow]").await;
    visitor.arrive(&site.url("/")).await;
}

/// Opens what lasts, and checks that it works both ways.
async fn open_everything(ada: &mut Visitor<'_>) {
    ada.run("socket('session', '/live')").await;
    let (status, ticket) =
        ask(ada, "'/tickets', 'POST', { method: 'GET', path: '/ticketed?room=7', ttl: 60 }").await;
    assert_eq!(status, 200, "{ticket}");
    let ticket = ticket["ticket"].as_str().unwrap();
    ada.run(&format!("socket('ticket', '/ticketed?room=7&ticket={ticket}')")).await;
    for name in ["session", "ticket"] {
        for text in ["'hello'", "'long '.repeat(50_000)"] {
            let same = ada.run(&format!("say('{name}', {text}).then((heard) => heard === {text})")).await;
            assert_eq!(same, json!(true), "{name}: {text}");
        }
    }
    let again = ada.run(&format!("socket('again', '/ticketed?room=7&ticket={ticket}').catch(String)")).await;
    assert_eq!(again, "Error: closed with 1006", "a ticket is good once");
    ada.run("stream('events', '/events')").await;
    until(ada, "events to arrive", "streams.events.heard.includes('tick 3')").await;
}

/// Waits until everything that lasts has ended, and with it the session.
async fn everything_ends(ada: &mut Visitor<'_>) {
    for name in ["session", "ticket"] {
        until(ada, &format!("the WebSocket `{name}` to end"), &format!("sockets['{name}'].end")).await;
        let end = ada.run(&format!("sockets['{name}'].end")).await;
        assert_eq!(end, json!([4401, "revoked", true]), "{name}");
    }
    // The browser opens it again, and is refused for good.
    until(ada, "the event stream to end", "streams.events.it.readyState === EventSource.CLOSED").await;
    assert_eq!(ada.run("streams.events.end").await, "revoked");
    let (status, problem) = ask(ada, "'/api/orders'").await;
    assert_eq!((status, &problem["code"]), (401, &json!("session-ended")), "{problem}");
    assert_eq!(ask(ada, "'/bff/session'").await.1, json!({ "authenticated": false }));
}

async fn ask(visitor: &mut Visitor<'_>, arguments: &str) -> (u64, Value) {
    let told = visitor.run(&format!("ask({arguments})")).await;
    (told[0].as_u64().unwrap(), told[1].clone())
}

async fn until(visitor: &mut Visitor<'_>, what: &str, condition: &str) {
    let condition = format!("Boolean({condition})");
    wait::until(what, Duration::from_secs(20), async || {
        visitor.run(&condition).await.as_bool().unwrap().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_has_opened_ends_when_its_session_is_taken_back() {
    let up = Up::start().await;
    let audience = jws::audience(&up.native_login(ADMIN).await.access_token);
    let ((service, address), echo) = (Service::start().await, echo().await);
    let routes = routes(&up, &exchange::register(&up, &audience).await, address, echo);
    let site = Application::start(&up, "site", "https://localhost", &routes).await;
    let admin = Admin::login(&up).await;
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada");

    assert_eq!(ada.open(&site.url("/")).await.0, 200);
    assert_eq!(ask(&mut ada, "'/api/orders'").await.0, 401, "nobody has logged in");
    log_in(&mut ada, &site).await;
    let (status, told) = ask(&mut ada, "'/api/orders'").await;
    assert_eq!((status, &told["cookie"]), (200, &Value::Null), "{told}");
    assert_eq!(ask(&mut ada, "'/bff/session'").await.1["name"], ADMIN);
    assert_eq!(ada.run("document.cookie").await, "", "no script sees the cookie");
    open_everything(&mut ada).await;
    admin.revoke("session", told["sid"].as_str().unwrap()).await.expect(201);
    everything_ends(&mut ada).await;

    // She is still logged in at the issuer, and has consented before.
    assert_eq!(ada.open(&site.url("/bff/login")).await, (200, site.url("/")));
    let (_, told) = ask(&mut ada, "'/api/orders'").await;
    open_everything(&mut ada).await;
    let admin = Admin::login(&up).await;
    admin.revoke("subject", told["sub"].as_str().unwrap()).await.expect(201);
    everything_ends(&mut ada).await;
    let arrivals = service.arrivals();
    assert!(arrivals.iter().all(|arrival| arrival == "GET /api/orders"), "{arrivals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_can_do_nothing_with_a_session() {
    let up = Up::start().await;
    let audience = jws::audience(&up.native_login(ADMIN).await.access_token);
    let ((service, address), echo) = (Service::start().await, echo().await);
    let routes = routes(&up, &exchange::register(&up, &audience).await, address, echo);
    let site = Application::start(&up, "site", "https://localhost", &routes).await;
    // The same page on the same site, so that browsers send it the cookie, but from another port.
    let listen = place::free_address();
    let text = format!(
        "listen = \"{listen}\"\n{}\n[[upstream]]\nname = \"service\"\nservers = [\"http://{address}\"]\n\n\
        [[route]]\npath = \"/\"\nupstream = \"service\"\npublic = true\n",
        certificate::TLS
    );
    let _neighbour = Alone::start("gateway", up.folder(), listen, &text).await;
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada");
    log_in(&mut ada, &site).await;
    assert_eq!(ask(&mut ada, "'/api/mine'").await.0, 200);

    for page in [format!("https://localhost:{}/", listen.port()), format!("http://{address}/")] {
        ada.open(&page).await;
        let theirs = site.url("/api/theirs");
        for mode in ["cors", "no-cors"] {
            for method in ["GET", "POST"] {
                let request = format!("{{ mode: '{mode}', method: '{method}', credentials: 'include' }}");
                let told = format!(
                    "fetch('{theirs}', {request}).then(({{ status }}) => status, () => 'unreadable')"
                );
                let want = if mode == "cors" { json!("unreadable") } else { json!(0) };
                assert_eq!(ada.run(&told).await, want, "{page}: {method} {mode}");
            }
        }
        let live = site.url("/live").replacen("https", "wss", 1);
        let refused = ada.run(&format!("socket('theirs', '{live}').catch(String)")).await;
        assert_eq!(refused, "Error: closed with 1006", "{page}");
        ada.run(&format!("send('{theirs}')")).await;
        ada.arrive(&theirs).await;
        let shown: Value = serde_json::from_str(&ada.read("body").await).unwrap();
        let from_neighbour = page.starts_with("https");
        let want = if from_neighbour { "cross-site-request" } else { "token-missing" };
        assert_eq!(shown["code"], want, "{page}: {shown}");
    }
    assert_eq!(service.arrivals(), ["GET /api/mine"]);
    ada.open(&site.url("/")).await;
    assert_eq!(ask(&mut ada, "'/api/mine'").await.0, 200, "the session is as it was");
    let (status, told) = ask(&mut ada, "'/bff/logout', 'POST'").await;
    assert!(status == 200 && told["logout_url"].is_string(), "{told}");
    let (status, problem) = ask(&mut ada, "'/api/mine'").await;
    assert_eq!((status, &problem["code"]), (401, &json!("token-missing")), "{problem}");
}

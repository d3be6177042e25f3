use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use gatepass_guard::{IssuerConfig, JwkSet, KeySource, Revocation};
use gatepass_jose::{Alg, SigningKey, Typ, jwt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::*;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";

struct Demo {
    key: SigningKey,
    guard: Guard,
    api: Router,
}

impl Demo {
    async fn start() -> Self {
        let key = SigningKey::generate(Alg::ES256, None).unwrap();
        let keys = KeySource::Inline(JwkSet { keys: key.public_jwk().into_iter().collect() });
        let config = IssuerConfig { keys, ..IssuerConfig::new(ISSUER, [AUDIENCE], Revocation::None) };
        let guard = Guard::start([config]).await.unwrap();
        let api = router(guard.clone(), None).unwrap();
        Demo { key, guard, api }
    }

    fn token(&self, scope: &str, roles: &[&str]) -> String {
        // Valid from long ago to far ahead, so that no clock is needed.
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "jti": "t1", "client_id": "web", "iat": 1_700_000_000,
            "exp": 32_503_680_000_i64, "scope": scope, "roles": roles,
        });
        format!("Bearer {}", jwt::sign(&Typ::ACCESS_TOKEN, &claims, &self.key).unwrap())
    }

    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: &str) -> (u16, Value) {
        let (status, _, body) = self.answer(method, path, token, body).await;
        (status, body)
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, HeaderMap, Value) {
        let mut request =
            Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        request = request.header("X-User-Id", "u1").header("x-user-roles", "a").header("X-User-Roles", "b");
        request = request.header("x-gatepass-sub", "u1").header("x-other", "no");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }
}

#[tokio::test]
async fn who_may_do_what() {
    let demo = Demo::start().await;
    let (reader, writer) = (demo.token("orders:read", &["clerk"]), demo.token("orders:write", &[]));
    let admin = demo.token("", &["admin"]);
    let (none, reader, writer, admin) = (None, Some(&*reader), Some(&*writer), Some(&*admin));
    let order = r#"{"item":"tea","quantity":2}"#;
    let cases = [
        (Method::GET, "/livez", none, 200),
        (Method::GET, "/api/public", none, 200),
        (Method::GET, "/api/orders", none, 401),
        (Method::GET, "/api/orders", reader, 200),
        (Method::GET, "/api/orders", Some("Bearer a.b.c"), 401),
        (Method::GET, "/api/orders/1", none, 401),
        (Method::GET, "/api/orders/1", reader, 404),
        (Method::POST, "/api/orders", none, 401),
        (Method::POST, "/api/orders", reader, 403),
        (Method::POST, "/api/orders", writer, 201),
        (Method::GET, "/api/orders/1", reader, 200),
        (Method::GET, "/api/admin", reader, 403),
        (Method::GET, "/api/admin", admin, 200),
        (Method::GET, "/api/whoami", none, 200),
        (Method::GET, "/api/whoami", Some("Bearer a.b.c"), 401),
        (Method::DELETE, "/api/orders", writer, 405),
        (Method::GET, "/api/elsewhere", none, 404),
    ];
    for (method, path, token, want) in cases {
        let (status, _) = demo.ask(method.clone(), path, token, order).await;
        assert_eq!(status, want, "{method} {path} with {token:?}");
    }
}

#[tokio::test]
async fn an_order_is_checked_kept_and_found_again() {
    let demo = Demo::start().await;
    let token = demo.token("orders:write", &[]);
    let post = async |body: &str| demo.answer(Method::POST, "/api/orders", Some(&token), body).await;
    let long = format!(r#"{{"item":"{}","quantity":1}}"#, "x".repeat(101));
    let huge = format!(r#"{{"item":"{}","quantity":1}}"#, "x".repeat(20_000));
    let cases = [
        ("not_json", "tea", 400, "invalid-json"),
        ("wrong_type", r#"{"item":"tea","quantity":"2"}"#, 400, "invalid-json"),
        ("negative", r#"{"item":"tea","quantity":-2}"#, 400, "invalid-json"),
        ("text", r#""tea""#, 400, "invalid-json"),
        ("none", r#"{"item":"tea","quantity":0}"#, 422, "invalid-order"),
        ("too_many", r#"{"item":"tea","quantity":1001}"#, 422, "invalid-order"),
        ("blank", r#"{"item":" ","quantity":1}"#, 422, "invalid-order"),
        ("line_break", r#"{"item":"a\nb","quantity":1}"#, 422, "invalid-order"),
        ("long", &long, 422, "invalid-order"),
        ("huge", &huge, 413, "unreadable-body"),
    ];
    for (name, body, want, code) in cases {
        let (status, headers, problem) = post(body).await;
        assert_eq!((status, problem["code"].as_str()), (want, Some(code)), "{name}");
        assert_eq!(headers["content-type"], "application/problem+json", "{name}");
    }

    let (status, headers, order) = post(r#"{"item":"tea","quantity":2}"#).await;
    let want = json!({ "id": 1, "item": "tea", "quantity": 2, "ordered_by": "ann" });
    assert_eq!((status, &order), (201, &want));
    let location = headers["location"].to_str().unwrap();
    assert_eq!(demo.ask(Method::GET, location, Some(&token), "").await, (200, want.clone()));
    let all = demo.ask(Method::GET, "/api/orders", Some(&token), "").await;
    assert_eq!(all, (200, json!({ "orders": [want] })));
    for (name, body) in [("nothing", ""), ("no_quantity", r#"{"item":"tea"}"#), ("more", r#"{"price":0}"#)] {
        assert_eq!(post(body).await.0, 201, "{name}");
    }
}

#[tokio::test]
async fn whoami_shows_what_came() {
    let demo = Demo::start().await;
    let headers = json!({ "x-user-id": "u1", "x-user-roles": "a, b", "x-gatepass-sub": "u1" });
    let (_, nobody) = demo.ask(Method::GET, "/api/whoami", None, "").await;
    assert_eq!(nobody, json!({ "headers": headers }));
    let (_, ann) = demo.ask(Method::GET, "/api/whoami", Some(&demo.token("", &[])), "").await;
    assert_eq!(ann, json!({ "headers": headers, "sub": "ann" }));
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let demo = Demo::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, demo.guard, None, async { stopped.await.unwrap() }));

    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn the_oldest_order_makes_room_for_the_newest() {
    let mut orders = OrderBook::default();
    for _ in 0..=OrderBook::CAPACITY {
        orders.add(NewOrder { item: "tea".into(), quantity: 1 }, "ann");
    }
    assert_eq!(orders.iter().count(), OrderBook::CAPACITY);
    assert!(orders.find(1).is_none() && orders.find(2).is_some() && orders.find(1001).is_some());
}

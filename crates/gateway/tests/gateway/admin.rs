//! What the operator's tools ask.

use http::{Request, StatusCode};
use tokio::net::TcpListener;

use crate::harness::{Backend, OPEN, Running, Token, config, full, send};

#[tokio::test]
async fn alive_ready_and_how_much() {
    let backend = Backend::mirror().await;
    let routes = "[[route]]\npath = '/closed'\nupstream = 'backend'\n".to_owned() + OPEN;
    let running = Running::start(&config(backend.address, &routes)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = running.gateway.clone();
    tokio::spawn(async move { gateway.serve_admin(listener, std::future::pending()).await });

    let token = Token::of("ann").bearer();
    for (path, token) in
        [("/", ""), ("/closed", ""), ("/closed", &*token), ("/closed", "Bearer x"), ("/a//b", "")]
    {
        running.get(path, &[("authorization", token)][..usize::from(!token.is_empty())]).await;
    }
    running.get("/auth/verify", &[("authorization", &token)]).await;

    let cases = [
        ("GET", "/livez", StatusCode::OK),
        ("GET", "/readyz", StatusCode::OK),
        ("GET", "/stats", StatusCode::OK),
        ("GET", "/upstreams", StatusCode::OK),
        ("GET", "/", StatusCode::NOT_FOUND),
        ("POST", "/livez", StatusCode::METHOD_NOT_ALLOWED),
    ];
    for (method, path, status) in cases {
        let request = Request::builder().method(method).uri(path).body(full("")).unwrap();
        let answer = send(address, request).await;
        assert_eq!(answer.status, status, "{method} {path}");
        if path == "/readyz" {
            assert_eq!(answer.json()["issuers"][0]["issuer"], "https://auth.example.com");
        }
        if path == "/upstreams" {
            let mut told = answer.json();
            assert!(told[0]["servers"][0]["state_seconds"].take().is_u64());
            let server = serde_json::json!({
                "address": backend.address.to_string(), "state": "up", "state_seconds": null,
                "in_flight": 0, "failures": 0,
            });
            let want = serde_json::json!([{ "name": "backend", "waiting": 0, "servers": [server] }]);
            assert_eq!(told, want);
        }
        if path == "/stats" {
            assert_eq!(answer.json()["upstreams"][0]["servers"][0]["state"], "up");
            let refused = serde_json::json!({"bad-path": 1, "invalid-token": 1, "token-missing": 1});
            let want = serde_json::json!({"ended": 0, "passed": 2, "verified": 1, "refused": refused, "would_refuse": {}});
            for (member, want) in want.as_object().unwrap() {
                assert_eq!(answer.json()[member], *want, "{member}");
            }
        }
    }
    assert_eq!(
        running.get("/livez", &[]).await.json()["target"],
        "/livez",
        "they are not served to everybody"
    );
}

//! A token that is exchanged on its way upstream (RFC 8693), at an authorization server that says what it is
//! told to.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::harness::{Backend, Running, TestBody, Token, config, full, mirrored};

const ROUTES: &str = "[[route]]\npath = '/orders/{id}'\nupstream = 'backend'\n\
    token = { exchange = 'https://orders.internal', scope = ['orders:read'] }\n\
    [[route]]\npath = '/week/{id}'\nupstream = 'backend'\nenforce = false\n\
    token = { exchange = 'https://orders.internal' }\n";

/// A token endpoint.
#[derive(Clone)]
struct Server {
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
    /// What was sent last: its credentials and its form.
    last: Arc<Mutex<(String, String)>>,
    answer: Arc<Mutex<String>>,
}

impl Server {
    fn new() -> Self {
        let server = Self {
            status: Arc::new(AtomicU16::new(200)),
            asked: Arc::default(),
            last: Arc::default(),
            answer: Arc::default(),
        };
        server.gives("inner", 300);
        server
    }

    fn gives(&self, token: &str, expires_in: u64) {
        let answer = serde_json::json!({
            "access_token": token, "token_type": "Bearer", "expires_in": expires_in,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        self.says(200, &answer.to_string());
    }

    fn says(&self, status: u16, body: &str) {
        self.status.store(status, Ordering::SeqCst);
        *self.answer.lock().unwrap() = body.to_owned();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn serve(self, request: Request<Incoming>) -> Response<TestBody> {
        let (head, body) = request.into_parts();
        let form = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let credentials = head.headers["authorization"].to_str().unwrap().to_owned();
        *self.last.lock().unwrap() = (credentials, form);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = StatusCode::from_u16(self.status.load(Ordering::SeqCst)).unwrap();
        let body = self.answer.lock().unwrap().clone();
        Response::builder().status(status).header("location", "http://127.0.0.1:1/").body(full(body)).unwrap()
    }
}

/// A gateway in front of a mirror, which exchanges with that server.
async fn gateway(server: &Server) -> Running {
    let (backend, answering) = (Backend::mirror().await, server.clone());
    let endpoint = Backend::start(move |request| answering.clone().serve(request)).await;
    let folder = env!("CARGO_TARGET_TMPDIR");
    let secret = format!("{folder}/exchange-secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let client = format!(
        "client = {{ id = 'gateway', secret_file = '{secret}', token_endpoint = 'http://{}/token' }}\n\
         revocation = 'none'",
        endpoint.address
    );
    Running::start(&config(backend.address, ROUTES).replace("revocation = 'none'", &client)).await
}

#[tokio::test]
async fn the_service_behind_gets_a_token_of_its_own_and_never_the_clients() {
    let server = Server::new();
    let gateway = gateway(&server).await;
    let token = Token::of("ann").bearer();
    for _ in 0..3 {
        let answer = gateway.get("/orders/7", &[("authorization", &token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(mirrored(&answer.json(), "authorization"), ["Bearer inner"]);
    }
    assert_eq!(server.asked(), 1, "it is kept for as long as it lives");
    let (credentials, form) = server.last.lock().unwrap().clone();
    assert_eq!(credentials, "Basic Z2F0ZXdheTpzM2NyZXQ=");
    for part in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "audience=https%3A%2F%2Forders.internal",
        "scope=orders%3Aread",
        &format!("subject_token={}", token.strip_prefix("Bearer ").unwrap()),
    ] {
        assert!(form.split('&').any(|pair| pair == part), "{part} in {form}");
    }

    server.gives("anothers", 300);
    let answer = gateway.get("/orders/7", &[("authorization", &Token::of("bob").bearer())]).await;
    assert_eq!(mirrored(&answer.json(), "authorization"), ["Bearer anothers"]);
    // What is refused here is not let in by what was kept for it.
    for token in [Token::of("ann").expires_in(-100).bearer(), format!("{token}x")] {
        let answer = gateway.get("/orders/7", &[("authorization", &token)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_burst_of_requests_with_one_token_asks_once() {
    let server = Server::new();
    let gateway = gateway(&server).await;
    let token = Token::of("ann").bearer();
    let burst = (0..32).map(|_| async {
        let answer = gateway.get("/orders/7", &[("authorization", &token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    });
    futures_util::future::join_all(burst).await;
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_asked_for_each_time() {
    let server = Server::new();
    server.gives("inner", 0);
    let gateway = gateway(&server).await;
    let token = Token::of("ann").bearer();
    for _ in 0..2 {
        let answer = gateway.get("/orders/7", &[("authorization", &token)]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn without_a_token_for_it_the_service_behind_is_not_called() {
    let bearer =
        r#""issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer""#;
    let injected = format!(r#"{{"access_token":"a b",{bearer}}}"#);
    let dpop = injected.replace("a b", "ab").replace("Bearer", "DPoP");
    let huge = format!(r#"{{"access_token":"{}",{bearer}}}"#, "a".repeat(70_000));
    let (failed, denied) = ((503, "token-exchange-failed"), (403, "token-exchange-denied"));
    let cases = [
        ("revoked", 400, r#"{"error":"invalid_request"}"#, denied),
        ("not_allowed", 400, r#"{"error":"invalid_target"}"#, denied),
        ("too_much_scope", 400, r#"{"error":"invalid_scope"}"#, denied),
        ("wrong_secret", 401, r#"{"error":"invalid_client"}"#, failed),
        ("broken", 500, "", failed),
        ("a_redirect", 307, "", failed),
        ("no_json", 200, "<html>", failed),
        ("no_token", 200, "{}", failed),
        ("a_member_twice", 200, r#"{"access_token":"a","access_token":"b"}"#, failed),
        ("no_header_value", 200, &injected, failed),
        ("no_bearer_token", 200, &dpop, failed),
        ("huge", 200, &huge, failed),
    ];
    for (name, status, body, want) in cases {
        let server = Server::new();
        server.says(status, body);
        let gateway = gateway(&server).await;
        let token = Token::of("ann").bearer();
        let answer = gateway.get("/orders/7", &[("authorization", &token)]).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), want, "{name}: {answer:?}");
        assert_eq!(answer.header("retry-after").is_some(), want.0 == 503, "{name}");
        assert!(!answer.text.contains("invalid_"), "{name}: {answer:?}");

        // A route that is not enforced yet passes the request on, without any token.
        let answer = gateway.get("/week/7", &[("authorization", &token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
        assert!(mirrored(&answer.json(), "authorization").is_empty(), "{name}");
        assert_eq!(gateway.gateway.stats().would_refuse.get(want.1), Some(&1), "{name}");
    }
}

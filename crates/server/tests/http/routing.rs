//! Paths, methods, and what every answer has.

use http::{Method, StatusCode};

use crate::fixture::Fixture;

#[tokio::test]
async fn paths_and_methods_that_are_not_served() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let cases = [
        (Method::GET, "/", 404, ""),
        (Method::GET, "/session", 404, ""),
        (Method::POST, "/session/login/", 404, ""),
        (Method::GET, "/session/a/b", 404, ""),
        (Method::GET, "/admin/v1", 404, ""),
        (Method::GET, "/admin/v1/nothing", 404, ""),
        (Method::GET, "/.well-known/nothing", 404, ""),
        (Method::GET, "/oauth/../livez", 404, ""),
        (Method::GET, "/session/login", 405, "POST"),
        (Method::PUT, "/session/refresh", 405, "POST"),
        (Method::POST, "/session/list", 405, "GET,HEAD"),
        (Method::GET, "/session/AZcQ0nB7f0yM6mX8m3yqAA", 405, "DELETE"),
        (Method::GET, "/oauth/token", 405, "POST"),
        (Method::POST, "/.well-known/jwks.json", 405, "GET,HEAD"),
        (Method::POST, "/revocations/stream", 405, "GET,HEAD"),
        (Method::DELETE, "/admin/v1/openapi.json", 405, "GET,HEAD"),
        (Method::POST, "/livez", 405, "GET,HEAD"),
        (Method::OPTIONS, "/session/login", 405, "POST"),
        (Method::TRACE, "/session/login", 405, "POST"),
        (Method::DELETE, "/admin/v1/users", 405, "POST,GET,HEAD"),
        (Method::POST, "/admin/v1/keys", 405, "GET,HEAD"),
    ];
    for (method, path, status, allow) in cases {
        let answer = fixture.call(method.clone(), path).bearer(&admin).send().await;
        let code = if status == 404 { "not-found" } else { "method-not-allowed" };
        assert_eq!(answer.problem(), (status, code.to_owned()), "{method} {path}");
        let sorted = |list: &str| {
            let mut methods: Vec<String> = list.split(',').map(|method| method.trim().to_owned()).collect();
            methods.sort();
            methods
        };
        assert_eq!(sorted(answer.header("allow")), sorted(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn health() {
    let fixture = Fixture::new().await;
    for (path, status) in [("/livez", "alive"), ("/readyz", "ready")] {
        let answer = fixture.get(path).send().await.expect(StatusCode::OK);
        assert_eq!(answer.json()["status"], status);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn every_answer_has_a_name_and_a_type_that_is_not_guessed() {
    let fixture = Fixture::new().await;
    for path in ["/livez", "/nothing", "/session/login", "/.well-known/jwks.json"] {
        let answer = fixture.get(path).send().await;
        assert_eq!(answer.header("x-request-id").len(), 16, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
    let cases =
        [("kept", "trace-1.a_B", true), ("replaced", "a b", false), ("replaced_too", &"x".repeat(99), false)];
    for (name, id, kept) in cases {
        let answer = fixture.get("/livez").header("x-request-id", id).send().await;
        assert_eq!(answer.header("x-request-id") == id, kept, "{name}");
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let fixture = Fixture::new().await;
    let answer = fixture.call(Method::HEAD, "/.well-known/jwks.json").send().await.expect(StatusCode::OK);
    assert!(answer.body.is_empty());
    assert!(!answer.header("etag").is_empty());
}

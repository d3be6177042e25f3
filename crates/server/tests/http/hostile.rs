//! Bad input at every endpoint: the right refusal, never a fault of the server.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use gatepass_jose::{Alg, Audience, SecretKey, SigningKey, Timestamp, Typ, jwt};
use gatepass_server::HttpConfig;
use gatepass_token::{AccessClaims, TokenId};
use http::{Method, Request, StatusCode};
use serde_json::json;
use tower::ServiceExt;

use crate::fixture::{API, Call, Fixture, ISSUER};

const JSON_ENDPOINTS: [(&str, &str); 9] = [
    ("POST", "/session/login"),
    ("POST", "/session/refresh"),
    ("POST", "/session/logout"),
    ("POST", "/session/logout-all"),
    ("POST", "/admin/v1/users"),
    ("PATCH", "/admin/v1/users/AZcQ0nB7f0yM6mX8m3yqAA"),
    ("POST", "/admin/v1/clients"),
    ("PUT", "/admin/v1/roles/x"),
    ("POST", "/admin/v1/revocations"),
];

const FORM_ENDPOINTS: [&str; 3] = ["/oauth/token", "/oauth/introspect", "/oauth/revoke"];

fn call(fixture: &Fixture, admin: &str, method: &str, path: &str) -> Call {
    let call = fixture.call(method.parse().unwrap(), path);
    if path.starts_with("/admin") { call.bearer(admin) } else { call }
}

#[tokio::test]
async fn bodies_that_are_no_request() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let wide = format!("{{{}}}", (0..500).map(|at| format!("\"m{at}\":1,")).collect::<String>());
    let huge = format!("{{\"username\":\"{}\"}}", "x".repeat(70_000));
    let cases: [(&str, Bytes, (u16, &str)); 13] = [
        ("cut", "{\"username\":\"alice\"".into(), (400, "invalid-json")),
        ("no_json", "username=alice".into(), (400, "invalid-json")),
        ("not_utf8", Bytes::from_static(b"{\"username\":\"\xff\xfe\"}"), (400, "invalid-json")),
        ("nul", Bytes::from_static(b"\0"), (400, "invalid-json")),
        ("member_twice", "{\"username\":\"a\",\"username\":\"b\"}".into(), (400, "invalid-json")),
        (
            "member_twice_escaped",
            "{\"username\":\"a\",\"usern\\u0061me\":\"b\"}".into(),
            (400, "invalid-json"),
        ),
        ("too_deep", deep.into(), (400, "invalid-json")),
        ("too_wide", wide.into(), (400, "invalid-json")),
        ("array", "[\"alice\",\"password\"]".into(), (400, "invalid-request")),
        ("null", "null".into(), (400, "invalid-request")),
        ("number", "5".into(), (400, "invalid-request")),
        ("unknown_member", "{\"__proto__\":{}}".into(), (400, "invalid-request")),
        ("huge", huge.into(), (413, "body-too-large")),
    ];
    for (method, path) in JSON_ENDPOINTS {
        for (name, body, want) in &cases {
            let call = call(&fixture, &admin, method, path).header("content-type", "application/json");
            let answer = call.body(body.clone()).send().await;
            assert_eq!(
                answer.problem(),
                (want.0, want.1.to_owned()),
                "{method} {path} {name}: {:?}",
                answer.body
            );
            assert!(answer.body.len() < 1000, "{method} {path} {name}: it says too much");
        }
        for media_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data"]
        {
            let call = call(&fixture, &admin, method, path).header("content-type", media_type);
            let answer = call.body("{\"username\":\"a\",\"password\":\"b\"}").send().await;
            assert_eq!(
                answer.problem(),
                (415, "unsupported-media-type".into()),
                "{method} {path} {media_type}"
            );
        }
        let untyped = call(&fixture, &admin, method, path).body("{}").send().await;
        assert_eq!(untyped.problem().0, 415, "{method} {path}");
    }
}

#[tokio::test]
async fn forms_that_are_no_request() {
    let fixture = Fixture::new().await;
    let many = (0..100).map(|at| format!("p{at}=1&")).collect::<String>();
    let cases: [(&str, Bytes, u16); 7] = [
        ("empty", Bytes::new(), 400),
        ("nonsense", "%%%".into(), 400),
        ("not_utf8", Bytes::from_static(b"token=%ff%fe"), 400),
        ("raw_bytes", Bytes::from_static(b"token=\xff\xfe"), 400),
        ("twice", "token=a&token=b&grant_type=x&grant_type=x".into(), 400),
        ("too_many", many.into(), 400),
        ("huge", format!("token={}", "x".repeat(70_000)).into(), 413),
    ];
    for path in FORM_ENDPOINTS {
        for (name, body, status) in &cases {
            let call = fixture.post(path).basic("batch", &fixture.secret).form("").body(body.clone());
            let want = (*status, "invalid_request".to_owned());
            assert_eq!(call.send().await.oauth_error(), want, "{path} {name}");
        }
        let json = fixture.post(path).basic("batch", &fixture.secret).json(&json!({ "token": "x" }));
        assert_eq!(json.send().await.oauth_error(), (400, "invalid_request".into()), "{path}");
    }
}

#[tokio::test]
async fn forged_access_tokens() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let [header, payload, signature] = admin.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let jwks = fixture.get("/.well-known/jwks.json").send().await;
    let kid = jwks.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
    let now = fixture.now();
    let claims = AccessClaims {
        iss: ISSUER.into(),
        sub: fixture.alice.to_string(),
        aud: Audience::new([API, ISSUER]).unwrap(),
        exp: Timestamp::from_secs(now.as_secs() + 900).into(),
        iat: now.into(),
        nbf: None,
        jti: TokenId::new(now, [1; 10]).to_string(),
        client_id: "first-party".into(),
        scope: "gatepass:admin".parse().unwrap(),
        authorization_details: Default::default(),
        sid: None,
        roles: vec!["admin".into()],
        acr: None,
        auth_time: None,
        cnf: None,
        act: None,
    };
    let sign = |key: &SigningKey| jwt::sign(&Typ::ACCESS_TOKEN, &claims, key).unwrap();
    let encode = |json: &str| gatepass_jose::base64url::encode(json.as_bytes());
    let none = encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let published = SecretKey::new(jwks.body.to_vec());
    let cases = [
        ("anothers_key_under_our_name", sign(&SigningKey::generate(Alg::ES256, Some(&kid)).unwrap())),
        ("unknown_key", sign(&SigningKey::generate(Alg::ES256, None).unwrap())),
        ("key_set_as_secret", sign(&SigningKey::from_secret(Alg::HS256, &kid, &published).unwrap())),
        ("alg_none", format!("{none}.{payload}.")),
        ("no_signature", format!("{header}.{payload}.")),
        ("payload_replaced", format!("{header}.{}.{signature}", encode("{}"))),
        ("two_parts", format!("{header}.{payload}")),
        ("four_parts", format!("{admin}.{signature}")),
        ("padded", format!("{admin}=")),
        ("huge", "x".repeat(20_000)),
        ("dots", ".".repeat(1000)),
        ("empty", String::new()),
    ];
    let endpoints = [
        (Method::GET, "/session/list"),
        (Method::DELETE, "/session/AZcQ0nB7f0yM6mX8m3yqAA"),
        (Method::POST, "/session/logout"),
        (Method::POST, "/session/logout-all"),
        (Method::GET, "/admin/v1/users"),
        (Method::POST, "/admin/v1/revocations"),
    ];
    for (method, path) in endpoints {
        for (name, token) in &cases {
            let answer = fixture.call(method.clone(), path).bearer(token).send().await;
            let code = answer.problem();
            assert!(
                matches!((code.0, code.1.as_str()), (401, "invalid-token" | "token-missing")),
                "{method} {path} {name}: {code:?}"
            );
            assert!(answer.header("www-authenticate").starts_with("Bearer "), "{method} {path} {name}");
        }
    }
}

#[tokio::test]
async fn hostile_headers_are_no_fault_of_the_server() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let bytes = |value: &[u8]| http::HeaderValue::from_bytes(value).unwrap();
    let cases = [
        ("authorization", bytes(b"Bearer \xff\xfe"), 401),
        ("authorization", bytes(b"Bearer"), 401),
        ("authorization", bytes(b""), 401),
        ("cookie", bytes(b"__Secure-gatepass-refresh=\xff"), 401),
        ("cookie", bytes(b";;;=;=="), 401),
        ("origin", bytes(b"\xff"), 403),
        ("sec-fetch-site", bytes(b"\xff"), 403),
        ("user-agent", bytes(&[0xff; 4000]), 401),
        ("content-type", bytes(b"\xff"), 401),
        ("content-length", bytes(b"99999999999"), 413),
        ("x-request-id", bytes(b"\xff"), 401),
        ("if-none-match", bytes(b"\xff"), 401),
    ];
    for (name, value, status) in cases {
        let request = Request::builder().method("POST").uri("/session/refresh").header(name, value.clone());
        let response = fixture.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{name}: {value:?}");
    }
    let long = format!("/session/{}", "x".repeat(20_000));
    let answer = fixture.call(Method::DELETE, &long).bearer(&session.access).send().await;
    assert_eq!(answer.problem().0, 404);
}

#[tokio::test]
async fn a_body_without_announced_length_is_cut_at_the_limit() {
    let fixture = Fixture::new().await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024])));
    let request = Request::post("/session/login").header("content-type", "application/json");
    let request = request.body(Body::from_stream(endless)).unwrap();
    let response = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let http = HttpConfig { body_timeout: Duration::from_millis(20), ..HttpConfig::default() };
    let fixture = Fixture::with(http, |_| {}).await;
    for (path, media_type) in
        [("/session/login", "application/json"), ("/oauth/token", "application/x-www-form-urlencoded")]
    {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::post(path).header("content-type", media_type);
        let request = request.body(Body::from_stream(silent)).unwrap();
        let response = fixture.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let fixture = Fixture::new().await;
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    let request = Request::post("/session/login").header("content-type", "application/json");
    let response =
        fixture.router.clone().oneshot(request.body(Body::from_stream(broken)).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

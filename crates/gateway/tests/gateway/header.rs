//! What the upstream is told, and what nobody but the gateway can tell it.

use http::{Request, Response, StatusCode};

use crate::harness::{Backend, OPEN, Running, Token, config, full, mirrored, raw, send};

const ROUTES: &str = "
[[route]]
path = '/me'
upstream = 'backend'
forward = { sub = 'X-User-Id', roles = 'X-User-Roles', sid = 'X-Session', tenant = 'X_Tenant', level = 'X-Level', vip = 'X-Vip', groups = 'X-Groups', none = 'X-None' }

[[route]]
path = '/stripped'
upstream = 'backend'
token = 'strip'

[[route]]
path = '/{*rest}'
upstream = 'backend'
public = true
";

#[tokio::test]
async fn claims_become_header_fields() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let token =
        Token::of("ann").claim("roles", ["clerk", "admin"]).claim("tenant", "Säge & Co").claim("level", 3);
    let token =
        token.claim("vip", true).claim("groups", [1, 2]).claim("none", serde_json::Value::Null).bearer();
    let told = gateway.get("/me", &[("authorization", &token)]).await.json();
    let cases: [(&str, &[&str]); 8] = [
        ("x-user-id", &["ann"]),
        ("x-user-roles", &["clerk,admin"]),
        ("x-level", &["3"]),
        ("x-vip", &["true"]),
        ("x-groups", &["1,2"]),
        ("x-session", &[]),
        ("x-none", &[]),
        ("authorization", &[&token]),
    ];
    for (name, want) in cases {
        assert_eq!(mirrored(&told, name), want, "{name}");
    }
    // The mirror tells text in ASCII only.
    assert_eq!(mirrored(&told, "x_tenant"), ["?"]);
}

#[tokio::test]
async fn a_client_cannot_write_the_gateways_fields_in_any_spelling() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let token = Token::of("ann").bearer();
    let spoofed = [
        "X-User-Id",
        "x_user_id",
        "X_User-Id",
        "X.User.Id",
        "x~user~id",
        "X-USER-ROLES",
        "X_Session",
        "x-tenant",
        "X_TENANT",
        "x-level",
        "X-Gatepass-Subject",
        "x_gatepass_anything",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Original-Method",
        "X-HTTP-Method-Override",
        "X_HTTP_METHOD_OVERRIDE",
        "Proxy",
    ];
    for path in ["/me", "/stripped", "/open"] {
        let mut request = Request::get(path)
            .header("authorization", &token)
            .header("connection", "x-user-id, X-Forwarded-For");
        for name in spoofed {
            request = request.header(name, "spoofed").header(name, "spoofed twice");
        }
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert!(!answer.text.contains("spoofed"), "{path}: {}", answer.text);
        let user: &[&str] = if path == "/me" { &["ann"] } else { &[] };
        assert_eq!(mirrored(&answer.json(), "x-user-id"), user, "{path}");
        assert_eq!(mirrored(&answer.json(), "x-forwarded-for"), ["127.0.0.1"], "{path}");
    }
}

#[tokio::test]
async fn who_asked_and_how() {
    let backend = Backend::mirror().await;
    let sent = [
        ("x-forwarded-for", "203.0.113.7, 10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example.com"),
        ("x-real-ip", "203.0.113.7"),
    ];
    let cases = [
        ("", ["127.0.0.1", "http", "api.example.com"], 0),
        ("trusted_proxies = ['10.0.0.0/8']\n", ["127.0.0.1", "http", "api.example.com"], 0),
        (
            "trusted_proxies = ['127.0.0.0/8']\n",
            ["203.0.113.7, 10.0.0.1, 127.0.0.1", "https", "shop.example.com"],
            1,
        ),
    ];
    for (trusted, want, real_ip) in cases {
        let gateway = Running::start(&(trusted.to_owned() + &config(backend.address, OPEN))).await;
        let told = gateway.get("/", &sent).await.json();
        let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
        assert_eq!(names.map(|name| mirrored(&told, name).join("|")), want, "{trusted}");
        assert_eq!(mirrored(&told, "x-real-ip").len(), real_ip, "{trusted}");
        assert_eq!(mirrored(&told, "host"), ["api.example.com"]);
    }
}

#[tokio::test]
async fn what_belongs_to_one_connection_stays_there() {
    let backend = Backend::start(|request| async move {
        let names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
        Response::builder()
            .header("connection", "x-own-hop")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic")
            .header("upgrade", "h2c")
            .header("x-own-hop", "1")
            .header("x-end", "1")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .body(full(names.join(" ")))
            .unwrap()
    })
    .await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let sent = [
        ("connection", "x-my-hop, upgrade, http2-settings"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("te", "gzip"),
        ("x-my-hop", "1"),
        ("x-end", "1"),
    ];
    let answer = gateway.get("/", &sent).await;
    let mut seen: Vec<&str> = answer.text.split(' ').collect();
    seen.sort_unstable();
    assert_eq!(seen, ["host", "x-end", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    for gone in ["connection", "keep-alive", "proxy-authenticate", "upgrade", "x-own-hop"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-end"), Some("1"));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn the_token_is_kept_or_stripped() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let token = Token::of("ann").bearer();
    for (path, want) in [("/me", 1), ("/stripped", 0), ("/open", 1)] {
        let told = gateway.get(path, &[("authorization", &token)]).await.json();
        assert_eq!(mirrored(&told, "authorization").len(), want, "{path}");
    }
}

#[tokio::test]
async fn the_target_goes_upstream_byte_for_byte_or_not_at_all() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let cases = [
        ("/", 200),
        ("/a/b", 200),
        ("/a/b/", 200),
        ("/%61%20b/%C3%A9?x=%2f..%2f&y=a/../b;c\\d", 200),
        ("/A:b@c,d=e&f!$'()*+~-._", 200),
        ("/?", 200),
        ("/a?b?c", 200),
        ("/a//b", 400),
        ("//a", 400),
        ("/a/../b", 400),
        ("/a/./b", 400),
        ("/a/..", 400),
        ("/a/%2e%2E/b", 400),
        ("/a%2fb", 400),
        ("/a%5Cb", 400),
        ("/a\\b", 400),
        ("/a%00", 400),
        ("/a%0d%0aX-User-Id:%20root", 400),
        ("/a;b", 400),
        ("/a/..;/b", 400),
        ("/a%", 400),
        ("/a%2", 400),
        ("/a%c0%af", 400),
        ("/a%252f", 400),
        ("/\u{e9}", 400),
        ("?a", 400),
        ("*", 400),
        ("a", 400),
        ("http://evil.example/a", 400),
    ];
    for (target, status) in cases {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        if status == 200 {
            assert!(
                answer.contains(&format!("\"target\":{}", serde_json::json!(target))),
                "{target}: {answer}"
            );
        }
    }
    // The fragment is no part of a request target; hyper drops it before anything is matched.
    let answer = raw(gateway.address, b"GET /a#/../b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("\"target\":\"/a\""), "{answer}");
}

#[tokio::test]
async fn a_claim_that_cannot_be_told_truly_is_not_told() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let cases = [
        Token::of("ann\r\nX-Admin: 1"),
        Token::of("ann\u{0}"),
        Token::of("ann\u{85}"),
        Token::of(" root"),
        Token::of("root\u{a0}"),
        Token::of("ann").claim("roles", ["clerk,admin"]),
        Token::of("ann").claim("roles", ["clerk", ""]),
        Token::of("ann").claim("tenant", serde_json::json!({"a": 1})),
        Token::of("ann").claim("groups", serde_json::json!([[1]])),
    ];
    for token in cases {
        let answer = gateway.get("/me", &[("authorization", &token.bearer())]).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "claim-not-forwardable"),
            "{token:?}"
        );
    }
}

//! What no honest client sends: every endpoint says what is wrong, with the right status, and goes on.

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Answer, Up, jws, send, try_send};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Endpoints that read JSON. All of them are asked with an admin's token, which some do not look at.
const JSON_ENDPOINTS: &[(Method, &str)] = &[
    (Method::POST, "/session/login"),
    (Method::POST, "/session/refresh"),
    (Method::POST, "/admin/v1/revocations"),
    (Method::POST, "/admin/v1/users"),
    (Method::POST, "/admin/v1/clients"),
    (Method::PUT, "/admin/v1/roles/clerk"),
];

const FORM_ENDPOINTS: &[&str] = &["/oauth/token", "/oauth/revoke", "/oauth/introspect"];

const READ_ENDPOINTS: &[&str] = &[
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/revocations/snapshot",
    "/revocations/stream",
    "/session/list",
    "/admin/v1/openapi.json",
];

const HUGE: usize = 20 * 1024 * 1024;

#[tokio::test]
async fn malformed_json_is_refused_at_every_endpoint_that_reads_it() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_member = format!("{{\"username\":{}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let bodies: &[(&str, &[u8])] = &[
        ("half an object", br#"{"username":"ada""#),
        ("not JSON at all", b"username=ada&password=x"),
        ("something after the end", br#"{"username":"a","password":"b"} {}"#),
        ("a list", b"[]"),
        ("a string", br#""ada""#),
        ("null", b"null"),
        ("a number for everything", br#"{"username":1,"password":2,"refresh_token":3,"kind":4,"name":5,"client_id":6}"#),
        ("an object for everything", br#"{"username":{},"password":{},"refresh_token":{},"kind":{},"name":{},"client_id":{}}"#),
        ("null for everything", br#"{"username":null,"password":null,"kind":null,"name":null,"client_id":null,"scope":7}"#),
        (
            "a member twice",
            br#"{"username":"a","username":"b","password":"x","refresh_token":"x","refresh_token":"y","kind":"all","kind":"token","name":"a","name":"b","client_id":"a","client_id":"b"}"#,
        ),
        ("bytes that are no UTF-8", b"{\"username\":\"\xff\xfe\",\"password\":\"x\",\"kind\":\"\xff\"}"),
        ("half a surrogate pair", br#"{"username":"\ud800","password":"x","refresh_token":"\ud800","kind":"\ud800"}"#),
        ("a NUL", b"{\"username\":\"a\0b\",\"kind\":\"a\0b\",\"refresh_token\":\"\0\"}"),
        ("deep nesting", deep.as_bytes()),
        ("deep nesting in a member", deep_member.as_bytes()),
    ];
    for (method, path) in JSON_ENDPOINTS {
        for (what, body) in bodies {
            let request = up.at_server(method.clone(), path).bearer_auth(&token);
            let request = request.header("content-type", "application/json").body(body.to_vec());
            let answer = send(request).await;
            expect_refusal(answer, what, &[400, 401, 422]).expect_problem_shape();
        }
    }
    up.assert_healthy("malformed JSON").await;
}

#[tokio::test]
async fn members_of_a_wrong_size_or_kind_are_refused_with_their_name() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let cases = [
        ("/users", json!({"username": "", "password": PASSWORD}), "username"),
        ("/users", json!({"username": "x".repeat(5_000), "password": PASSWORD}), "username"),
        ("/users", json!({"username": "a\u{0}b", "password": PASSWORD}), "username"),
        ("/users", json!({"username": "dora", "password": ""}), "password"),
        ("/users", json!({"username": "dora", "password": "x".repeat(10_000)}), "password"),
        ("/users", json!({"username": "dora", "password": PASSWORD, "roles": "admin"}), "roles"),
        ("/users", json!({"username": "dora", "password": PASSWORD, "roles": ["no such role"]}), "role"),
        ("/clients", json!({"client_id": "x", "scope": "a\"b"}), "scope"),
        ("/revocations", json!({"kind": "sandwich", "id": "x", "reason": "y"}), "kind"),
    ];
    for (path, body, name) in cases {
        let answer = send(admin.request(Method::POST, path).json(&body)).await;
        let answer = expect_refusal(answer, path, &[400, 404, 409, 422]).expect_problem_shape();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains(name), "the error does not name `{name}`\n{}", answer.shown());
    }
    let twice = json!({"username": ADMIN, "password": PASSWORD});
    send(admin.request(Method::POST, "/users").json(&twice)).await.expect(409).expect_problem_shape();
    let nobody = json!({"disabled": true});
    send(admin.request(Method::PATCH, "/users/nobody").json(&nobody))
        .await
        .expect(404)
        .expect_problem_shape();
    up.assert_healthy("members of a wrong size").await;
}

#[tokio::test]
async fn a_body_of_20_mebibytes_is_refused_before_it_is_read() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let before = up.process().resident_kib();
    let json = JSON_ENDPOINTS.iter().map(|(method, path)| (method, *path, "application/json"));
    let form = FORM_ENDPOINTS.iter().map(|path| (&Method::POST, *path, "application/x-www-form-urlencoded"));
    for (method, path, content_type) in json.chain(form) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {HUGE}\r\nConnection: close\r\n\r\n",
            host = up.server_address()
        );
        // Not one byte of the body is sent, so the answer can only come from the length.
        let answer = raw(&up, Half::Server, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");

        let body = format!("{{\"username\":\"{}\"}}", "x".repeat(HUGE));
        let request =
            up.at_server(method.clone(), path).bearer_auth(&token).header("content-type", content_type);
        // A server may hang up on somebody who goes on talking.
        if let Ok(answer) = try_send(request.body(body)).await {
            expect_refusal(answer, path, &[413]);
        }
    }
    let after = up.process().resident_kib();
    assert!(after.saturating_sub(before) < 64 * 1024, "memory grew from {before} to {after} KiB");
    up.assert_healthy("huge bodies").await;
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_off_at_the_limit() {
    let up = Up::start().await;
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, "x".repeat(65_536));
    let mut request = format!(
        "POST /session/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        up.server_address()
    );
    for _ in 0..64 {
        request += &chunk;
    }
    let answer = raw(&up, Half::Server, request.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    up.assert_healthy("a body without end").await;
}

#[tokio::test]
async fn forms_that_are_wrong_get_an_oauth_error() {
    let up = Up::start().await;
    let (id, secret) = Admin::login(&up).await.create_client("batch", "orders:read").await;
    let bodies: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("JSON", br#"{"grant_type":"client_credentials"}"#),
        ("a parameter twice", b"grant_type=client_credentials&grant_type=client_credentials&token=a&token=b"),
        ("a broken escape", b"grant_type=%zz&token=%"),
        ("bytes that are no UTF-8", b"grant_type=%ff%fe&token=%ff%fe"),
        ("a NUL", b"grant_type=a%00b&token_type_hint=%00"),
    ];
    for path in FORM_ENDPOINTS {
        for (what, body) in bodies {
            if *path != "/oauth/token" && ["a broken escape", "bytes that are no UTF-8"].contains(what) {
                continue; // As a token it is merely one that nobody issued.
            }
            let request = up.at_server(Method::POST, path).basic_auth(&id, Some(&secret));
            let request =
                request.header("content-type", "application/x-www-form-urlencoded").body(body.to_vec());
            let answer = expect_refusal(send(request).await, what, &[400]);
            assert!(answer.json()["error"].is_string(), "{what}: an OAuth error\n{}", answer.shown());
        }
        for basic in [
            "Basic",
            "Basic !!!",
            "Basic YQ==",
            "Basic 4pyT",
            "Bearer x",
            &format!("Basic {}", "A".repeat(20_000)),
        ] {
            let request =
                super::oauth::form(&up, path, &[("grant_type", "client_credentials"), ("token", "x")]);
            let answer = send(request.header("authorization", basic)).await;
            expect_refusal(answer, basic.get(..20).unwrap_or(basic), &[400, 401, 431]);
        }
    }
    up.assert_healthy("wrong forms").await;
}

#[tokio::test]
async fn the_wrong_method_or_content_type_is_named() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    for (method, path) in JSON_ENDPOINTS {
        let text =
            up.at_server(method.clone(), path).bearer_auth(&token).header("content-type", "text/plain");
        let answer = send(text.body(r#"{"username":"a","password":"b"}"#)).await;
        expect_refusal(answer, "text/plain", &[415]).expect_problem_shape();
    }
    for path in FORM_ENDPOINTS {
        let json = up.at_server(Method::POST, path).json(&json!({"grant_type": "client_credentials"}));
        expect_refusal(send(json).await, "JSON for a form", &[400, 415]);
    }
    let post_only = [
        "/session/login",
        "/session/refresh",
        "/session/logout",
        "/session/logout-all",
        "/admin/v1/keys/rotate",
    ];
    let cases = post_only
        .iter()
        .chain(FORM_ENDPOINTS)
        .map(|path| (*path, &[Method::GET, Method::PUT, Method::DELETE][..]));
    let reads =
        READ_ENDPOINTS[..5].iter().map(|path| (*path, &[Method::POST, Method::PUT, Method::PATCH][..]));
    for (path, methods) in cases.chain(reads) {
        for method in methods {
            let answer = send(up.at_server(method.clone(), path).bearer_auth(&token)).await;
            let answer = expect_refusal(answer, &format!("{method} {path}"), &[405]);
            assert!(answer.header("allow").is_some(), "RFC 9110 section 15.5.6\n{}", answer.shown());
            answer.expect_problem_shape();
        }
    }
    send(up.at_server(Method::GET, "/nothing-here")).await.expect(404).expect_problem_shape();
    up.assert_healthy("wrong methods").await;
}

#[tokio::test]
async fn tokens_that_nobody_signed_are_refused_everywhere() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let expected_denials = forged_tokens(&up, &token).await;
    type Ask = fn(&Up) -> RequestBuilder;
    let places: [(&str, Ask); 5] = [
        ("the gateway", |up| up.at_gateway(Method::GET, "/api/orders")),
        ("the demo API", |up| up.client.get(up.demo("/api/orders"))),
        ("the session API", |up| up.at_server(Method::GET, "/session/list")),
        ("the admin API", |up| up.at_server(Method::GET, "/admin/v1/users")),
        ("forward-auth", |up| {
            up.at_gateway(Method::GET, "/auth/verify").header("x-original-uri", "/api/orders")
        }),
    ];
    for (place, request) in places {
        for (what, forged) in &expected_denials {
            let answer = send(request(&up).header("authorization", format!("Bearer {forged}"))).await;
            // A proxy that asks can do nothing with a 400: forward-auth says 403 for what is malformed.
            let answer = expect_refusal(answer, &format!("{what} at {place}"), &[400, 401, 403, 431]);
            let said = answer.shown();
            let bytes = forged.as_bytes();
            let echoed = bytes.len() > 40 && said.contains(&forged[bytes.len() - 20..]);
            assert!(!echoed, "{what}: the answer repeats the token\n{said}");
            if answer.status == 401 {
                let challenge = answer.all("www-authenticate");
                assert!(challenge.contains("invalid_token"), "{what} at {place}\n{said}");
                answer.expect_problem_shape();
            }
        }
        send(request(&up).bearer_auth(&token)).await.expect(200);
    }
    up.assert_healthy("forged tokens").await;
}

/// Tokens made of a good one, none of which its issuer signed.
async fn forged_tokens(up: &Up, good: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let (payload, signature) = (parts[1], parts[2]);
    let kid = jws::header(good)["kid"].as_str().unwrap().to_owned();
    let with_header = |header: serde_json::Value| {
        format!("{}.{payload}.{signature}", jws::encode(header.to_string().as_bytes()))
    };
    let mut claims = jws::claims(good);
    claims["sub"] = json!("somebody-else");
    let other_payload = jws::encode(claims.to_string().as_bytes());
    let set = send(up.client.get(up.jwks_uri())).await.json();
    let public = jws::key(&set, &kid).unwrap().to_string();
    let hmac_input = format!(
        "{}.{payload}",
        jws::encode(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string().as_bytes())
    );
    vec![
        (
            "alg none",
            format!(
                "{}.{payload}.",
                jws::encode(json!({"alg": "none", "typ": "at+jwt"}).to_string().as_bytes())
            ),
        ),
        ("alg nOnE with a kid", with_header(json!({"alg": "nOnE", "typ": "at+jwt", "kid": kid}))),
        (
            "the public key as an HMAC secret",
            format!("{hmac_input}.{}", jws::hmac(public.as_bytes(), &hmac_input)),
        ),
        ("another algorithm", with_header(json!({"alg": "RS256", "typ": "at+jwt", "kid": kid}))),
        ("no kid", with_header(json!({"alg": "ES256", "typ": "at+jwt"}))),
        ("an unknown kid", with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": "made-up"}))),
        (
            "a kid that is a path",
            with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": "../../dev/null"})),
        ),
        ("a kid that is a number", with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": 7}))),
        (
            "a key of its own",
            with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": kid, "jwk": {"kty": "EC"}})),
        ),
        (
            "an unknown crit",
            with_header(json!({"alg": "ES256", "typ": "at+jwt", "kid": kid, "crit": ["x"], "x": 1})),
        ),
        ("another typ", with_header(json!({"alg": "ES256", "typ": "JWT", "kid": kid}))),
        ("other claims", format!("{}.{other_payload}.{signature}", parts[0])),
        ("no signature", format!("{}.{payload}.", parts[0])),
        ("a signature of zeros", format!("{}.{payload}.{}", parts[0], jws::encode(&[0; 64]))),
        ("half a signature", format!("{}.{payload}.{}", parts[0], &signature[..40])),
        ("padding", format!("{good}==")),
        ("a part too many", format!("{good}.{signature}")),
        ("a part too few", format!("{}.{payload}", parts[0])),
        ("dots alone", "..".to_owned()),
        ("a word", "nonsense".to_owned()),
        ("five parts", "a.b.c.d.e".to_owned()),
        ("10,000 dots", ".".repeat(10_000)),
        ("a token of 60 kB", format!("{}.{}.{signature}", parts[0], "A".repeat(60_000))),
        (
            "deeply nested claims",
            format!("{}.{}.{signature}", parts[0], jws::encode("[".repeat(4_000).as_bytes())),
        ),
    ]
}

#[tokio::test]
async fn cookies_that_nobody_set_are_refused() {
    let up = Up::start().await;
    let session = up.login(ADMIN).await;
    let gatepass_e2e::session::Refresh::Cookie(pair) = &session.refresh else {
        panic!("a session with a cookie")
    };
    let (name, value) = pair.split_once('=').unwrap();
    let cookies = [
        String::new(),
        "=".to_owned(),
        format!("{name}="),
        format!("{name}=nonsense"),
        format!("{name}={}", &value[..value.len() / 2]),
        format!("{name}={value}A"),
        format!("{name}=\"{value}x\""),
        format!("{name}={}", "A".repeat(5_000)),
        format!("{name}={value}; {name}={value}x"),
        format!("other={value}"),
        ";;;;====;;;".to_owned(),
    ];
    for cookie in &cookies {
        let ask = |path: &str| send(up.at_server(Method::POST, path).header("cookie", cookie));
        let what = cookie.get(..60).unwrap_or(cookie);
        expect_refusal(ask("/session/refresh").await, what, &[400, 401]).expect_problem_shape();
        // Whoever has nothing to log out from is logged out.
        for path in ["/session/logout", "/session/logout-all"] {
            expect_refusal(ask(path).await, what, &[204, 400]);
        }
    }
    up.refresh(&session).await;
    up.assert_healthy("made-up cookies").await;
}

#[tokio::test]
async fn a_request_target_spelt_another_way_opens_nothing() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let token = up.login("berta").await.access_token;
    let targets = [
        "/api/%61dmin",
        "/api//admin",
        "//api/admin",
        "/api/./admin",
        "/api/public/../admin",
        "/api/public/%2e%2e/admin",
        "/api/public%2f..%2fadmin",
        "/api/admin/",
        "/api/admin;x=1",
        "/api/admin%00",
        "/api/admin%20",
        "/API/admin",
        "/api\\admin",
        "/api/admin?x=/api/public",
        "http://127.0.0.1/api/admin",
    ];
    for target in targets {
        for authorization in [String::new(), format!("Authorization: Bearer {token}\r\n")] {
            let request = format!(
                "GET {target} HTTP/1.1\r\nHost: {}\r\n{authorization}X-Original-URI: /api/public\r\nConnection: close\r\n\r\n",
                up.gateway_address()
            );
            let answer = raw(&up, Half::Gateway, request.as_bytes()).await;
            let status: u16 = answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or_default();
            assert!((400..500).contains(&status), "{target} as somebody without the role: {answer}");
        }
    }
    up.assert_healthy("odd request targets").await;
}

#[tokio::test]
async fn bytes_that_are_no_request_are_answered_or_hung_up_on() {
    let up = Up::start().await;
    let host = up.gateway_address();
    let long = "x".repeat(200_000);
    let requests = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /api/public HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /api/public HTTP/1.1\r\nHost: {host}\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET /api/public HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X: y\r\n".repeat(5_000)),
        format!(
            "POST /api/orders HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
        ),
        format!("POST /api/orders HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n"),
        format!("POST /api/orders HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("GET /api/public HTTP/1.1\r\nHost: {host}\r\nX\0Y: z\r\n\r\n"),
        format!("GET /api/public HTTP/1.1\r\nHost : {host}\r\n\r\n"),
    ];
    for half in [Half::Server, Half::Gateway] {
        for request in &requests {
            let answer = raw(&up, half, request.as_bytes()).await;
            let refused =
                answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4");
            let shown = request.get(..80).unwrap_or(request);
            // What is merely odd may be answered as what it is; a server error it is not.
            assert!(refused || answer.starts_with("HTTP/1.1 2"), "{shown:?}: {answer}");
        }
    }
    up.assert_healthy("bytes that are no request").await;
}

#[derive(Clone, Copy)]
enum Half {
    Server,
    Gateway,
}

/// Sends bytes as they are and reads until the other side is done; empty where it hung up.
async fn raw(up: &Up, half: Half, bytes: &[u8]) -> String {
    let address = match half {
        Half::Server => up.server_address(),
        Half::Gateway => up.gateway_address(),
    };
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answer = vec![0; 64 * 1024];
    let exchange = async {
        // The other side may hang up before it has read everything.
        let _ = writer.write_all(bytes).await;
        reader.read(&mut answer).await.unwrap_or(0)
    };
    let read = tokio::time::timeout(std::time::Duration::from_secs(15), exchange).await;
    let read = read.unwrap_or_else(|_| {
        panic!(
            "neither an answer nor an end for {:?}",
            String::from_utf8_lossy(&bytes[..80.min(bytes.len())])
        )
    });
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[track_caller]
fn expect_refusal(answer: Answer, what: &str, statuses: &[u16]) -> Answer {
    assert!(statuses.contains(&answer.status), "{what}: expected one of {statuses:?}\n{}", answer.shown());
    answer
}

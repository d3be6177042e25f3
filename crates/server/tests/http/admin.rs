//! The admin API.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, PASSWORD};

struct Admin {
    fixture: Fixture,
    token: String,
}

impl Admin {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let token = fixture.admin().await;
        Self { fixture, token }
    }

    async fn get(&self, path: &str) -> Answer {
        self.fixture.get(&format!("/admin/v1/{path}")).bearer(&self.token).send().await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let call = self.fixture.call(method, &format!("/admin/v1/{path}")).bearer(&self.token);
        call.json(&body).send().await
    }
}

#[tokio::test]
async fn users_are_created_read_changed_and_listed() {
    let admin = Admin::new().await;
    let new = json!({
        "username": "Bob", "name": "Bob B. Größer", "password": PASSWORD, "roles": ["clerk", "auditor", "clerk"],
    });
    let created = admin.send(Method::POST, "users", new).await.expect(StatusCode::CREATED);
    let bob = created.json();
    let id = bob["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("/admin/v1/users/{id}"));
    let want = json!({
        "id": id, "username": "Bob", "name": "Bob B. Größer", "roles": ["auditor", "clerk"], "disabled": false,
        "created_at": 1_763_780_000,
    });
    assert_eq!(bob, want, "and nothing of the password");
    assert_eq!(admin.get(&format!("users/{id}")).await.expect(StatusCode::OK).json(), want);
    let found = admin.get("users?username=bOB").await.expect(StatusCode::OK).json();
    assert_eq!(found, json!({ "users": [want], "next": null }));
    assert_eq!(admin.get("users?username=nobody").await.json(), json!({ "users": [], "next": null }));

    let change = json!({ "roles": [], "disabled": true });
    let changed = admin.send(Method::PATCH, &format!("users/{id}"), change).await.expect(StatusCode::OK);
    assert_eq!((&changed.json()["roles"], &changed.json()["disabled"]), (&json!([]), &json!(true)));
    let untouched = admin.send(Method::PATCH, &format!("users/{id}"), json!({})).await.expect(StatusCode::OK);
    assert_eq!(untouched.json(), changed.json());
    for (odd, name) in [("", "empty"), (" Bob", "a_space_before_it"), ("Bob\nB.", "two_lines")] {
        let refused = admin.send(Method::PATCH, &format!("users/{id}"), json!({ "name": odd })).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let nameless = json!({ "name": null });
    let nameless = admin.send(Method::PATCH, &format!("users/{id}"), nameless).await.expect(StatusCode::OK);
    assert!(nameless.json().get("name").is_none());
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_and_is_the_one_that_counts() {
    let admin = Admin::new().await;
    let alice = admin.fixture.log_in("alice").await;
    let path = format!("users/{}", admin.fixture.alice);
    let new = json!({ "password": "another good password" });
    admin.send(Method::PATCH, &path, new).await.expect(StatusCode::OK);
    let refresh = admin.fixture.post("/session/refresh").cookie(&alice.refresh).send().await;
    assert_eq!(refresh.problem().1, "invalid-refresh-token");
    for (password, status) in [(PASSWORD, 401), ("another good password", 200)] {
        let body = json!({ "username": "alice", "password": password });
        assert_eq!(admin.fixture.post("/session/login").json(&body).send().await.status, status);
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let admin = Admin::new().await;
    for at in 0..5 {
        let user = json!({ "username": format!("user{at}"), "password": PASSWORD });
        admin.send(Method::POST, "users", user).await.expect(StatusCode::CREATED);
    }
    for (list, name, total) in [("users", "username", 7), ("clients", "client_id", 3)] {
        let mut names = BTreeSet::new();
        let mut after = String::new();
        let mut pages = 0;
        loop {
            let page = admin.get(&format!("{list}?limit=2{after}")).await.expect(StatusCode::OK).json();
            let entries = page[list].as_array().unwrap();
            assert!(entries.len() <= 2);
            names.extend(entries.iter().map(|entry| entry[name].as_str().unwrap().to_owned()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!((names.len(), pages), (total, total / 2 + 1), "{list}");
    }
}

#[tokio::test]
async fn a_clients_secret_is_shown_once() {
    let admin = Admin::new().await;
    let new = json!({
        "client_id": "report", "client_name": "nightly report", "grant_types": ["client_credentials"],
        "scope": "orders:read", "audience": ["https://api.example.com"],
    });
    let created = admin.send(Method::POST, "clients", new).await.expect(StatusCode::CREATED);
    assert_eq!(created.header("location"), "/admin/v1/clients/report");
    let mut want = created.json();
    let secret = want.as_object_mut().unwrap().remove("client_secret").unwrap();
    assert_eq!(
        want,
        json!({
            "client_id": "report", "client_name": "nightly report", "confidential": true,
            "grant_types": ["client_credentials"], "scope": "orders:read",
            "audience": ["https://api.example.com"], "disabled": false, "created_at": 1_763_780_000,
            "redirect_uris": [], "post_logout_redirect_uris": [], "trusted": false, "require_pkce": true,
            "token_endpoint_auth_method": "client_secret_basic", "require_pushed_authorization_requests": false,
            "dpop_bound_access_tokens": false, "tls_client_certificate_bound_access_tokens": false,
            "require_signed_request_object": false, "authorization_details_types": [], "subject_type": "public",
            "require_auth_time": false, "endpoint_audience": false, "default_acr_values": [],
        })
    );
    assert_eq!(admin.get("clients/report").await.expect(StatusCode::OK).json(), want);
    assert!(admin.get("clients").await.json()["clients"].as_array().unwrap().contains(&want));

    let works = async |secret: &str| {
        let call = admin.fixture.post("/oauth/token").basic("report", secret);
        call.form("grant_type=client_credentials").send().await.status == 200
    };
    let secret = secret.as_str().unwrap();
    assert!(works(secret).await);
    let changed = admin.send(Method::PATCH, "clients/report", json!({ "new_secret": true })).await;
    let changed = changed.expect(StatusCode::OK).json();
    assert!(works(changed["client_secret"].as_str().unwrap()).await);
    assert!(!works(secret).await);

    let public =
        json!({ "client_name": "phone app", "confidential": false, "grant_types": ["refresh_token"] });
    let public = admin.send(Method::POST, "clients", public).await.expect(StatusCode::CREATED).json();
    assert!(public.get("client_secret").is_none());
    let path = format!("clients/{}", public["client_id"].as_str().unwrap());
    let refused = admin.send(Method::PATCH, &path, json!({ "new_secret": true })).await;
    assert_eq!(refused.problem(), (400, "invalid-request".into()));
    assert!(refused.json()["detail"].as_str().unwrap().contains("the client has no secret"));
    assert_eq!(public["client_id"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn roles_are_defined_read_and_removed() {
    let admin = Admin::new().await;
    let auditor = json!({ "name": "auditor", "scope": "orders:audit orders:read" });
    for _ in 0..2 {
        let put =
            admin.send(Method::PUT, "roles/auditor", json!({ "scope": "orders:read orders:audit" })).await;
        assert_eq!(put.expect(StatusCode::OK).json(), auditor);
    }
    assert_eq!(admin.get("roles/auditor").await.json(), auditor);
    let names: Vec<String> = admin.get("roles").await.json()["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["admin", "auditor", "clerk"]);
    let removed = admin.send(Method::DELETE, "roles/auditor", json!({})).await;
    removed.expect(StatusCode::NO_CONTENT);
    assert_eq!(admin.get("roles/auditor").await.problem(), (404, "not-found".into()));
}

#[tokio::test]
async fn keys_are_listed_and_rotated() {
    let admin = Admin::new().await;
    let states = |answer: Answer| -> Vec<String> {
        let keys = answer.expect(StatusCode::OK).json()["keys"].as_array().unwrap().clone();
        let mut states: Vec<_> = keys.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        states
    };
    assert_eq!(states(admin.get("keys").await), ["published", "signing"]);
    let rotate = admin.fixture.post("/admin/v1/keys/rotate").bearer(&admin.token);
    assert_eq!(states(rotate.send().await), ["published", "signing", "verifying"]);
    let rotate = admin.send(Method::POST, "keys/rotate", json!({})).await;
    assert_eq!(states(rotate), ["published", "signing", "verifying"], "the last rotation was a moment ago");
    let surplus = admin.send(Method::POST, "keys/rotate", json!({ "kid": "x" })).await;
    assert_eq!(surplus.problem(), (400, "invalid-request".into()));
}

#[tokio::test]
async fn what_is_revoked_is_refused_from_then_on() {
    let admin = Admin::new().await;
    let fixture = &admin.fixture;
    let mut last = 0;
    for kind in ["token", "session", "subject", "client", "key", "all"] {
        // The clock stands still: one sweep must reach past the tokens that the last one let live.
        let alice = fixture.log_in("alice").await;
        let token = fixture.admin().await;
        let introspected = fixture.post("/oauth/introspect").basic("batch", &fixture.secret);
        let claims = introspected.form(&format!("token={}", alice.access)).send().await.json();
        let header = alice.access.split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&gatepass_jose::base64url::decode(header).unwrap()).unwrap();
        let id = match kind {
            "token" => &claims["jti"],
            "session" => &claims["sid"],
            "subject" => &claims["sub"],
            "client" => &claims["client_id"],
            "key" => &header["kid"],
            _ => &Value::Null,
        };
        let body = json!({ "kind": kind, "id": id, "reason": "laptop stolen" });
        let call = fixture.post("/admin/v1/revocations").bearer(&token).json(&body);
        let answer = call.send().await.expect(StatusCode::CREATED).json();
        assert_eq!((&answer["kind"], answer["id"].as_str()), (&json!(kind), id.as_str().or(Some(""))));
        let known = if kind == "token" { None } else { Some(&Value::Bool(true)) };
        assert_eq!(answer.get("known"), known, "{kind}: tokens are not kept one by one");
        let seq = answer["seq"].as_u64().unwrap();
        assert!(seq > last, "{kind}");
        last = seq;
        let refused = fixture.get("/session/list").bearer(&alice.access).send().await;
        assert_eq!(refused.problem().0, 401, "{kind}");
        assert!(!String::from_utf8_lossy(&refused.body).contains("laptop"), "{kind}: the reason is ours");
    }
}

#[tokio::test]
async fn a_revocation_says_whether_anything_has_that_name() {
    let admin = Admin::new().await;
    let nobody = gatepass_jose::base64url::encode(&[7; 16]);
    let cases = [
        ("subject", admin.fixture.alice.to_string(), Some(true)),
        ("subject", "batch".into(), Some(true)),
        ("subject", "alice".into(), Some(false)),
        ("subject", nobody.clone(), Some(false)),
        ("client", "batch".into(), Some(true)),
        ("client", "first-party".into(), Some(true)),
        ("client", "nobody".into(), Some(false)),
        ("client", "https://app.example/client.json".into(), None),
        ("session", nobody, Some(false)),
        ("session", "no session".into(), Some(false)),
        ("key", "nobody".into(), Some(false)),
        ("token", "nobody".into(), None),
    ];
    for (kind, id, known) in cases {
        let token = admin.fixture.admin().await; // the one before may be among what was taken back
        let call = admin.fixture.post("/admin/v1/revocations").bearer(&token);
        let answer = call.json(&json!({ "kind": kind, "id": id })).send().await.expect(StatusCode::CREATED);
        assert_eq!(answer.json().get("known").and_then(Value::as_bool), known, "{kind} {id}");
    }
}

#[tokio::test]
async fn what_the_admin_api_refuses() {
    let admin = Admin::new().await;
    let alice = format!("users/{}", admin.fixture.alice);
    let user = |name: &str| json!({ "username": name, "password": PASSWORD });
    let long = "x".repeat(1025);
    let (post, patch, put) = (Method::POST, Method::PATCH, Method::PUT);
    let cases = [
        ("user_exists", &post, "users", user("ALICE"), (409, "exists"), "exists"),
        (
            "user_without_password",
            &post,
            "users",
            json!({ "username": "x" }),
            (400, "invalid-request"),
            "password",
        ),
        (
            "weak_password",
            &post,
            "users",
            json!({ "username": "x", "password": "short" }),
            (400, "invalid-request"),
            "\"password\" is not valid",
        ),
        (
            "long_password",
            &post,
            "users",
            json!({ "username": "x", "password": long }),
            (400, "invalid-request"),
            "\"password\" is not valid",
        ),
        ("bad_username", &post, "users", user(" x"), (400, "invalid-request"), "\"username\" is not valid"),
        (
            "bad_role",
            &post,
            "users",
            json!({ "username": "x", "password": PASSWORD, "roles": ["ok", "a b"] }),
            (400, "invalid-request"),
            "\"roles[1]\" is not valid",
        ),
        (
            "misspelt",
            &patch,
            &alice,
            json!({ "role": ["x"] }),
            (400, "invalid-request"),
            "unknown field `role`",
        ),
        (
            "disabled_is_text",
            &patch,
            &alice,
            json!({ "disabled": "yes" }),
            (400, "invalid-request"),
            "\"disabled\" is not valid",
        ),
        (
            "weak_new_password",
            &patch,
            &alice,
            json!({ "password": "short" }),
            (400, "invalid-request"),
            "\"password\" is not valid",
        ),
        ("unknown_user", &patch, "users/AZcQ0nB7f0yM6mX8m3yqAA", json!({}), (404, "not-found"), ""),
        ("no_user_at_all", &patch, "users/%20", json!({}), (404, "not-found"), ""),
        ("not_utf8", &patch, "users/%ff", json!({}), (404, "not-found"), ""),
        (
            "client_exists",
            &post,
            "clients",
            json!({ "client_id": "batch", "client_name": "x" }),
            (409, "exists"),
            "",
        ),
        (
            "client_reserved",
            &post,
            "clients",
            json!({ "client_id": "first-party", "client_name": "x" }),
            (409, "exists"),
            "reserved",
        ),
        (
            "bad_client_id",
            &post,
            "clients",
            json!({ "client_id": "a b", "client_name": "x" }),
            (400, "invalid-request"),
            "\"client_id\" is not valid",
        ),
        ("client_without_name", &post, "clients", json!({}), (400, "invalid-request"), "client_name"),
        (
            "client_name_with_newline",
            &post,
            "clients",
            json!({ "client_name": "a\nb" }),
            (400, "invalid-request"),
            "\"client_name\" is not valid",
        ),
        (
            "bad_grant_type",
            &post,
            "clients",
            json!({ "client_name": "x", "grant_types": ["password"] }),
            (400, "invalid-request"),
            "\"grant_types[0]\" is not valid",
        ),
        (
            "bad_scope",
            &post,
            "clients",
            json!({ "client_name": "x", "scope": "a  b" }),
            (400, "invalid-request"),
            "\"scope\" is not valid",
        ),
        (
            "unknown_audience",
            &post,
            "clients",
            json!({ "client_name": "x", "audience": ["https://x.example"] }),
            (400, "invalid-request"),
            "\"audience\" is not valid",
        ),
        (
            "unknown_audience_later",
            &patch,
            "clients/batch",
            json!({ "audience": ["https://x.example"] }),
            (400, "invalid-request"),
            "\"audience\" is not valid",
        ),
        (
            "unknown_audience_to_exchange_for",
            &patch,
            "clients/batch",
            json!({ "exchange": { "for": ["https://x.example"] } }),
            (400, "invalid-request"),
            "\"exchange.for\" is not valid",
        ),
        (
            "issuer_to_exchange_for",
            &patch,
            "clients/batch",
            json!({ "exchange": { "for": ["https://auth.example.com"] } }),
            (400, "invalid-request"),
            "\"exchange.for\" is not valid",
        ),
        (
            "unknown_audience_to_exchange_from",
            &patch,
            "clients/batch",
            json!({ "exchange": { "for": ["https://api.example.com"], "from": ["https://x.example"] } }),
            (400, "invalid-request"),
            "\"exchange.from\" is not valid",
        ),
        ("unknown_client", &patch, "clients/nobody", json!({}), (404, "not-found"), ""),
        (
            "bad_role_name",
            &put,
            "roles/a%20b",
            json!({ "scope": "" }),
            (400, "invalid-request"),
            "\"name\" is not valid",
        ),
        ("role_without_scope", &put, "roles/x", json!({}), (400, "invalid-request"), "scope"),
        ("unknown_role", &Method::DELETE, "roles/nothing", json!({}), (404, "not-found"), ""),
        (
            "unknown_kind",
            &post,
            "revocations",
            json!({ "kind": "galaxy", "reason": "x" }),
            (400, "invalid-request"),
            "\"kind\" is not valid",
        ),
        ("no_kind", &post, "revocations", json!({ "id": "x" }), (400, "invalid-request"), "kind"),
        (
            "session_without_id",
            &post,
            "revocations",
            json!({ "kind": "session" }),
            (400, "invalid-request"),
            "\"id\" is not valid",
        ),
        (
            "all_with_id",
            &post,
            "revocations",
            json!({ "kind": "all", "id": "x" }),
            (400, "invalid-request"),
            "\"id\" is not valid",
        ),
        (
            "long_id",
            &post,
            "revocations",
            json!({ "kind": "token", "id": long }),
            (400, "invalid-request"),
            "\"id\" is not valid",
        ),
        (
            "bad_reason",
            &post,
            "revocations",
            json!({ "kind": "token", "id": "x", "reason": "<b>" }),
            (400, "invalid-request"),
            "\"reason\" is not valid",
        ),
    ];
    for (name, method, path, body, want, detail) in cases {
        let answer = admin.send(method.clone(), path, body).await;
        assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{name}: {:?}", answer.body);
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{name}: {:?}", answer.body);
    }
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=-1",
        "after=x%20y",
        "limt=5",
        "limit=1&limit=2",
        "after=%zz",
    ] {
        let (status, code) = admin.get(&format!("users?{query}")).await.problem();
        assert_eq!((status, code.as_str()), (400, "invalid-request"), "{query}");
    }
    assert_eq!(admin.get("users?username=%01").await.problem().0, 400);
}

#[tokio::test]
async fn a_client_with_the_admin_scope_administers() {
    let admin = Admin::new().await;
    let robot = json!({
        "client_id": "robot", "client_name": "robot", "grant_types": ["client_credentials"],
        "scope": "gatepass:admin",
    });
    let robot = admin.send(Method::POST, "clients", robot).await.expect(StatusCode::CREATED).json();
    let call = admin.fixture.post("/oauth/token").basic("robot", robot["client_secret"].as_str().unwrap());
    let token = call.form("grant_type=client_credentials").send().await.expect(StatusCode::OK).json();
    let list = admin.fixture.get("/admin/v1/users").bearer(token["access_token"].as_str().unwrap());
    list.send().await.expect(StatusCode::OK);
    let sessions = admin.fixture.get("/session/list").bearer(token["access_token"].as_str().unwrap());
    assert_eq!(sessions.send().await.expect(StatusCode::OK).json(), json!({ "sessions": [] }));
}

//! The OAuth endpoints.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{claims, encode};
use crate::fixture::{API, Fixture, ISSUER, with};

const CREDENTIALS: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    let fixture = Fixture::new().await;
    let post = format!("{CREDENTIALS}&client_id=batch&client_secret={}", fixture.secret);
    let cases = [
        ("basic", fixture.post("/oauth/token").basic("batch", &fixture.secret).form(CREDENTIALS)),
        ("post", fixture.post("/oauth/token").form(&post)),
    ];
    for (name, call) in cases {
        let answer = call.send().await.expect(StatusCode::OK);
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        let body = answer.json();
        assert_eq!(
            (&body["token_type"], &body["scope"]),
            (&json!("Bearer"), &json!("orders:read")),
            "{name}"
        );
        assert!((1..=900).contains(&body["expires_in"].as_u64().unwrap()), "{name}");
        assert!(body.get("refresh_token").is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_the_token_endpoint_refuses() {
    let fixture = Fixture::new().await;
    let secret = fixture.secret.clone();
    let session = fixture.log_in("alice").await;
    let token = || fixture.post("/oauth/token");
    let basic = || token().basic("batch", &secret);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", session.refresh);
    let basic_of = |id: &str, secret: &str| token().basic(id, secret).form(CREDENTIALS);
    let cases = [
        ("wrong_secret", basic_of("batch", "wrong"), (401, "invalid_client")),
        ("unknown_client", basic_of("nobody", &secret), (401, "invalid_client")),
        ("empty_secret", basic_of("batch", ""), (401, "invalid_client")),
        (
            "wrong_secret_in_the_body",
            token().form(&format!("{CREDENTIALS}&client_id=batch&client_secret=x")),
            (401, "invalid_client"),
        ),
        ("no_secret", token().form(&format!("{CREDENTIALS}&client_id=batch")), (401, "invalid_client")),
        (
            "secret_without_client",
            token().form(&format!("{CREDENTIALS}&client_secret=x")),
            (401, "invalid_client"),
        ),
        ("bearer", token().bearer(&session.access).form(CREDENTIALS), (401, "invalid_client")),
        ("no_client", token().form(CREDENTIALS), (401, "invalid_client")),
        (
            "public_client",
            token().form(&format!("{CREDENTIALS}&client_id=web")),
            (400, "unauthorized_client"),
        ),
        (
            "two_ways",
            basic().form(&format!("{CREDENTIALS}&client_secret={secret}")),
            (400, "invalid_request"),
        ),
        ("two_clients", basic().form(&format!("{CREDENTIALS}&client_id=web")), (400, "invalid_request")),
        ("two_headers", basic().basic("batch", &secret).form(CREDENTIALS), (400, "invalid_request")),
        ("no_grant_type", basic().form("scope=orders:read"), (400, "invalid_request")),
        ("empty_grant_type", basic().form("grant_type="), (400, "invalid_request")),
        ("no_body", basic().form(""), (400, "invalid_request")),
        ("grant_type_twice", basic().form(&format!("{CREDENTIALS}&{CREDENTIALS}")), (400, "invalid_request")),
        ("scope_twice", basic().form(&format!("{CREDENTIALS}&scope=a&scope=a")), (400, "invalid_request")),
        (
            "password_grant",
            basic().form("grant_type=password&username=a&password=b"),
            (400, "unsupported_grant_type"),
        ),
        (
            "code_grant_not_registered",
            basic().form("grant_type=authorization_code&code=x"),
            (400, "unauthorized_client"),
        ),
        ("code_grant_without_code", basic().form("grant_type=authorization_code"), (400, "invalid_request")),
        (
            "malformed_verifier",
            basic().form("grant_type=authorization_code&code=x&code_verifier=short"),
            (400, "invalid_request"),
        ),
        (
            "code_grant_of_nobody",
            token().form("grant_type=authorization_code&code=x"),
            (401, "invalid_client"),
        ),
        (
            "too_much_scope",
            basic().form(&format!("{CREDENTIALS}&scope=orders:write")),
            (400, "invalid_scope"),
        ),
        ("impossible_scope", basic().form(&format!("{CREDENTIALS}&scope=%22")), (400, "invalid_scope")),
        (
            "unknown_resource",
            basic().form(&format!("{CREDENTIALS}&resource=https://x.example")),
            (400, "invalid_target"),
        ),
        ("json", basic().json(&json!({ "grant_type": "client_credentials" })), (400, "invalid_request")),
        ("bad_escape", basic().form("grant_type=%zz"), (400, "invalid_request")),
        ("no-refresh-token", token().form("grant_type=refresh_token"), (400, "invalid_request")),
        (
            "forged_refresh_token",
            token().form("grant_type=refresh_token&refresh_token=x"),
            (400, "invalid_grant"),
        ),
        ("anothers_refresh_token", token().form(&format!("{refresh}&client_id=web")), (400, "invalid_grant")),
        ("grant_not_registered", basic().form(&refresh), (400, "unauthorized_client")),
    ];
    for (name, call, want) in cases {
        let answer = call.send().await;
        assert_eq!(answer.oauth_error(), (want.0, want.1.to_owned()), "{name}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.starts_with("Basic realm="), want.0 == 401, "{name}");
    }
    let next = token().form(&refresh).send().await.expect(StatusCode::OK).json();
    assert!(next["refresh_token"].as_str().unwrap().starts_with("gpr_"));
    assert_eq!(next["scope"], "orders:read orders:write");
}

#[tokio::test]
async fn introspection_says_what_a_token_is_worth() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let ended = fixture.log_in("alice").await;
    fixture.post("/session/logout").cookie(&ended.refresh).send().await.expect(StatusCode::NO_CONTENT);
    let introspect = |token: &str| {
        let call = fixture.post("/oauth/introspect").basic("batch", &fixture.secret);
        call.form(&format!("token={token}&token_type_hint=nonsense")).send()
    };

    let access = introspect(&session.access).await.expect(StatusCode::OK);
    assert_eq!(access.header("cache-control"), "no-store");
    let access = access.json();
    let want = [
        ("active", json!(true)),
        ("scope", json!("orders:read orders:write")),
        ("client_id", json!("first-party")),
        ("token_type", json!("Bearer")),
        ("sub", json!(fixture.alice.to_string())),
        ("aud", json!([API, ISSUER])),
        ("iss", json!(ISSUER)),
        ("sid", json!(session.session)),
    ];
    for (name, value) in want {
        assert_eq!(access[name], value, "{name}");
    }
    assert!(access["exp"].as_i64().unwrap() > access["iat"].as_i64().unwrap());
    assert_eq!(access["jti"].as_str().unwrap().len(), 22);

    let refresh = fixture.introspected(&session.refresh).await;
    assert_eq!((&refresh["active"], &refresh["sid"]), (&json!(true), &json!(session.session)));
    assert!(refresh.get("token_type").is_none());

    let batch = fixture.batch_token().await;
    assert_eq!(introspect(&batch).await.json()["sub"], "batch");
    for (name, token) in [
        ("ended_access", ended.access.as_str()),
        ("ended_refresh", ended.refresh.as_str()),
        ("nonsense", "x"),
        ("cut", &session.access[..100]),
    ] {
        let answer = introspect(token).await.expect(StatusCode::OK);
        assert_eq!(answer.json(), json!({ "active": false }), "{name}");
        assert_eq!(fixture.introspected(token).await, json!({ "active": false }), "{name}");
    }
}

#[tokio::test]
async fn a_client_is_told_of_its_own_tokens_and_of_those_for_an_audience_that_an_operator_gave_it() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let made = |path, body: Value| {
        let call = fixture.post(path).bearer(&admin).json(&body);
        async { call.send().await.expect(StatusCode::CREATED).json() }
    };
    let machine = json!({ "grant_types": ["client_credentials"] });
    let elsewhere = json!({
        "client_id": "elsewhere", "client_name": "elsewhere", "audience": ["https://other.example.com"],
        "grant_types": ["client_credentials"],
    });
    let elsewhere = made("/admin/v1/clients", elsewhere).await;
    let registers = async |policy: Value| {
        let initial = made("/admin/v1/registration-tokens", policy).await;
        let call = fixture.post("/oauth/register").bearer(initial["token"].as_str().unwrap()).json(&machine);
        call.send().await.expect(StatusCode::CREATED).json()
    };
    let registered = registers(machine.clone()).await;
    let named = registers(with(machine.clone(), "audience", json!([API]))).await;
    let of =
        |client: &Value| ["client_id", "client_secret"].map(|name| client[name].as_str().unwrap().to_owned());
    let (elsewhere, itself, named) = (of(&elsewhere), of(&registered), of(&named));
    let batch = ["batch".to_owned(), fixture.secret.clone()];
    let own =
        fixture.post("/oauth/token").basic(&itself[0], &itself[1]).form("grant_type=client_credentials");
    let own = own.send().await.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned();
    let alice = fixture.log_in("alice").await;

    let is_told = async |[id, secret]: &[String; 2], token: &str| {
        let call = || fixture.post("/oauth/introspect").basic(id, secret).form(&format!("token={token}"));
        let plain = call().send().await.expect(StatusCode::OK).json();
        let signed = call().header("accept", "application/token-introspection+jwt").send().await;
        let signed = claims(std::str::from_utf8(&signed.expect(StatusCode::OK).body).unwrap());
        assert_eq!(signed["token_introspection"], plain, "both forms tell {id} the same");
        match plain["active"] == true {
            true => true,
            false => {
                assert_eq!(plain, json!({ "active": false }), "{id}");
                false
            }
        }
    };
    let cases = [
        ("a resource server, of a user's access token", &batch, &alice.access, true),
        ("a resource server, of a user's refresh token", &batch, &alice.refresh, false),
        ("another resource server", &elsewhere, &alice.access, false),
        ("a client that registered itself", &itself, &alice.access, false),
        ("a client that registered itself with a token for that audience", &named, &alice.access, false),
        ("a client that registered itself, of a refresh token", &itself, &alice.refresh, false),
        ("a client that registered itself, of its own", &itself, &own, true),
        ("a resource server, of another client's", &batch, &own, true),
    ];
    for (name, client, token, want) in cases {
        assert_eq!(is_told(client, token).await, want, "{name}");
    }
    for token in [&alice.access, &alice.refresh, &own] {
        assert_eq!(fixture.introspected(token).await["active"], true, "an administrator");
    }
    // Who has registered itself can be made a resource server.
    let path = format!("/admin/v1/clients/{}", itself[0]);
    let call = fixture.call(Method::PATCH, &path).bearer(&admin).json(&json!({ "audience": [API] }));
    call.send().await.expect(StatusCode::OK);
    assert!(is_told(&itself, &alice.access).await && !is_told(&itself, &alice.refresh).await);
    let path = format!("/admin/v1/clients/{}", named[0]);
    let both = json!({ "audience": [API, "https://other.example.com"] });
    let call = fixture.call(Method::PATCH, &path).bearer(&admin).json(&both);
    call.send().await.expect(StatusCode::OK);
    assert!(!is_told(&named, &alice.access).await, "what it was given is another one");
}

#[tokio::test]
async fn who_may_introspect() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let alice = fixture.log_in("alice").await.access;
    let introspect = || fixture.post("/oauth/introspect");
    let token = format!("token={alice}");
    let cases = [
        ("confidential", introspect().basic("batch", &fixture.secret).form(&token), (200, "")),
        ("admin", introspect().bearer(&admin).form(&token), (200, "")),
        ("nobody", introspect().form(&token), (401, "invalid_client")),
        ("public", introspect().form(&format!("{token}&client_id=web")), (401, "invalid_client")),
        ("wrong_secret", introspect().basic("batch", "x").form(&token), (401, "invalid_client")),
        ("user", introspect().bearer(&alice).form(&token), (403, "insufficient_scope")),
        ("forged", introspect().bearer("x").form(&token), (401, "invalid_token")),
        ("no_token", introspect().bearer(&admin).form(""), (400, "invalid_request")),
        ("token_twice", introspect().bearer(&admin).form("token=a&token=b"), (400, "invalid_request")),
    ];
    for (name, call, want) in cases {
        let answer = call.send().await;
        if want.0 == 200 {
            assert_eq!(answer.expect(StatusCode::OK).json()["active"], true, "{name}");
            continue;
        }
        assert_eq!(answer.oauth_error(), (want.0, want.1.to_owned()), "{name}");
        let challenged = !answer.header("www-authenticate").is_empty();
        assert_eq!(challenged, want.0 != 400, "{name}");
    }
}

#[tokio::test]
async fn tokens_are_taken_back_for_whom_they_were_issued_to() {
    let fixture = Fixture::new().await;
    let alice = fixture.log_in("alice").await;
    let batch = fixture.batch_token().await;
    let secret = &fixture.secret;
    let revoke = || fixture.post("/oauth/revoke");
    let form = |token: &str| format!("token={token}&token_type_hint=refresh_token");
    let refused = [
        (
            "nobody_knows_the_client",
            revoke().basic("nobody", "x").form(&form(&batch)),
            (401, "invalid_client"),
        ),
        (
            "no_token",
            revoke().basic("batch", secret).form("token_type_hint=access_token"),
            (400, "invalid_request"),
        ),
        ("another_clients_access_token", revoke().form(&form(&batch)), (400, "invalid_grant")),
        (
            "another_clients_refresh_token",
            revoke().basic("batch", secret).form(&form(&alice.refresh)),
            (400, "invalid_grant"),
        ),
    ];
    for (name, call, want) in refused {
        assert_eq!(call.send().await.oauth_error(), (want.0, want.1.to_owned()), "{name}");
    }
    let is_active = async |token: &str| fixture.introspected(token).await["active"] == true;
    assert!(is_active(&batch).await && is_active(&alice.access).await && is_active(&alice.refresh).await);

    let done = [
        ("nonsense", revoke().basic("batch", secret).form(&form("x"))),
        ("access_token", revoke().basic("batch", secret).form(&form(&batch))),
        ("access_token_again", revoke().basic("batch", secret).form(&form(&batch))),
        ("refresh_token_without_client", revoke().form(&form(&alice.refresh))),
        ("refresh_token_again", revoke().form(&form(&alice.refresh))),
    ];
    for (name, call) in done {
        let answer = call.send().await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{name}");
    }
    assert!(!is_active(&batch).await && !is_active(&alice.access).await && !is_active(&alice.refresh).await);
}

#[tokio::test]
async fn a_client_without_audiences_has_the_default_one_alone() {
    let fixture = Fixture::new().await;
    let ask = async |resource: &str| {
        let form = encode([("grant_type", "client_credentials"), ("resource", resource)]);
        fixture.post("/oauth/token").basic("batch", &fixture.secret).form(&form).send().await
    };
    ask(API).await.expect(StatusCode::OK);
    for other in ["https://other.example.com", ISSUER, "https://nobody.example.com"] {
        assert_eq!(ask(other).await.oauth_error(), (400, "invalid_target".into()), "{other}");
    }
    let admin = fixture.admin().await;
    let change = json!({ "audience": ["https://other.example.com"] });
    let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/batch").bearer(&admin).json(&change);
    call.send().await.expect(StatusCode::OK);
    ask("https://other.example.com").await.expect(StatusCode::OK);
    assert_eq!(ask(API).await.oauth_error(), (400, "invalid_target".into()));
}

#[tokio::test]
async fn a_token_that_is_revoked_again_and_again_is_one_entry() {
    let fixture = Fixture::new().await;
    let batch = fixture.batch_token().await;
    let mut places = Vec::new();
    for _ in 0..3 {
        let form = encode([("token", batch.as_str())]);
        let call = fixture.post("/oauth/revoke").basic("batch", &fixture.secret).form(&form);
        call.send().await.expect(StatusCode::OK);
        places.push(*fixture.issuer.watch_revocations().borrow());
    }
    assert_eq!(places, [places[0]; 3]);
}

#[tokio::test]
async fn a_disabled_client_gets_nothing() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let off = json!({ "disabled": true });
    let call = fixture.call(Method::PATCH, "/admin/v1/clients/batch").bearer(&admin).json(&off);
    call.send().await.expect(StatusCode::OK);
    let answer = fixture.post("/oauth/token").basic("batch", &fixture.secret).form(CREDENTIALS).send().await;
    assert_eq!(answer.oauth_error(), (401, "invalid_client".into()));
    assert_eq!(answer.json()["error_description"], Value::from("the client could not be authenticated"));
}

//! Token exchange (RFC 8693).

use std::time::Duration;

use gatepass_jose::base64url;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::dpop::{Key, log_in_with};
use crate::fixture::{API, Answer, Fixture, ISSUER, forged};

const OTHER: &str = "https://other.example.com";
const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A fixture with the client `gateway`, which may exchange as `policy` says, and its secret.
async fn with_gateway(policy: Value) -> (Fixture, String) {
    let fixture = Fixture::new().await;
    let secret = register(&fixture, "gateway", policy).await;
    (fixture, secret)
}

async fn register(fixture: &Fixture, id: &str, policy: Value) -> String {
    let client = json!({
        "client_id": id, "client_name": id, "scope": "orders:read",
        "grant_types": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "exchange": policy,
    });
    let admin = fixture.admin().await;
    let created = fixture.post("/admin/v1/clients").bearer(&admin).json(&client).send().await;
    created.expect(StatusCode::CREATED).json()["client_secret"].as_str().unwrap().to_owned()
}

fn plain() -> Value {
    json!({ "for": [OTHER] })
}

async fn exchange(fixture: &Fixture, secret: &str, token: &str, more: &str) -> Answer {
    let form = format!("{GRANT}&subject_token={token}&subject_token_type={TYPE}&audience={OTHER}{more}");
    fixture.post("/oauth/token").basic("gateway", secret).form(&form).send().await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_gets_a_token_for_the_next_one_and_says_that_it_acts() {
    let (fixture, secret) = with_gateway(plain()).await;
    let session = fixture.log_in("alice").await;
    let answer = exchange(&fixture, &secret, &session.access, "&scope=orders:read").await;
    let body = answer.expect(StatusCode::OK).json();
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&json!("Bearer"), &json!(TYPE)));
    assert_eq!(body["scope"], "orders:read");
    assert!((1..=300).contains(&body["expires_in"].as_i64().unwrap()), "{body}");
    assert!(body.get("refresh_token").is_none());
    let (old, new) = (claims(&session.access), claims(body["access_token"].as_str().unwrap()));
    assert_eq!(old["acr"], "urn:gatepass:acr:password");
    for same in ["iss", "sub", "sid", "roles", "acr", "auth_time"] {
        assert_eq!(new[same], old[same], "{same}");
    }
    assert_eq!((&new["aud"], &new["client_id"]), (&json!(OTHER), &json!("gateway")));
    assert_eq!(new["act"], json!({ "sub": "gateway", "act": { "sub": "first-party" } }));
    assert_ne!(new["jti"], old["jti"]);
}

#[tokio::test]
async fn what_comes_out_lives_no_longer_than_what_went_in() {
    let (fixture, secret) = with_gateway(plain()).await;
    let session = fixture.log_in("alice").await;
    let exp = claims(&session.access)["exp"].as_i64().unwrap();
    let left = exp - fixture.now().as_secs();
    fixture.pass(Duration::from_secs(left as u64 - 10));
    let late = exchange(&fixture, &secret, &session.access, "").await.expect(StatusCode::OK).json();
    assert_eq!(claims(late["access_token"].as_str().unwrap())["exp"], exp);
    fixture.pass(Duration::from_secs(10));
    let dead = exchange(&fixture, &secret, &session.access, "").await;
    assert_eq!(dead.oauth_error(), (400, "invalid_request".to_owned()), "not even within the clock skew");
}

#[tokio::test]
async fn only_a_client_that_is_allowed_to_passes_for_the_subject() {
    let (fixture, secret) = with_gateway(json!({ "for": [OTHER], "impersonate": true })).await;
    let session = fixture.log_in("alice").await;
    let body = exchange(&fixture, &secret, &session.access, "").await.expect(StatusCode::OK).json();
    let new = claims(body["access_token"].as_str().unwrap());
    assert!(new.get("act").is_none(), "{new}");
    assert_eq!(new["client_id"], "gateway");
}

#[tokio::test]
async fn an_actor_with_a_token_of_its_own_is_named() {
    let (fixture, secret) = with_gateway(plain()).await;
    let session = fixture.log_in("alice").await;
    let own = fixture.post("/oauth/token").basic("gateway", &secret).form("grant_type=client_credentials");
    let own = own.send().await.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned();
    let named = format!("&actor_token={own}&actor_token_type={TYPE}");
    let body = exchange(&fixture, &secret, &session.access, &named).await.expect(StatusCode::OK).json();
    assert_eq!(claims(body["access_token"].as_str().unwrap())["act"]["sub"], "gateway");

    let batch = fixture.batch_token().await;
    let cases = [
        ("anothers", format!("&actor_token={batch}&actor_token_type={TYPE}")),
        ("a_users", format!("&actor_token={}&actor_token_type={TYPE}", session.access)),
        ("no_token", format!("&actor_token=x&actor_token_type={TYPE}")),
        ("without_type", format!("&actor_token={own}")),
        ("type_alone", format!("&actor_token_type={TYPE}")),
        ("another_type", format!("&actor_token={own}&actor_token_type=urn:x")),
    ];
    for (name, more) in cases {
        let answer = exchange(&fixture, &secret, &session.access, &more).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_request".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_exchanged() {
    let (fixture, secret) = with_gateway(plain()).await;
    let session = fixture.log_in("alice").await;
    let ended = fixture.log_in("alice").await;
    fixture.post("/session/logout").cookie(&ended.refresh).send().await.expect(StatusCode::NO_CONTENT);
    let elsewhere = json!({ "username": "alice", "password": crate::fixture::PASSWORD, "resource": OTHER });
    let elsewhere = fixture.post("/session/login").json(&elsewhere).send().await.json();
    let elsewhere = elsewhere["access_token"].as_str().unwrap();
    let forged = forged(&session.access);
    let subject = |token: &str| format!("{GRANT}&subject_token={token}&subject_token_type={TYPE}");
    let good = subject(&session.access);
    let to = |form: &str| format!("{form}&audience={OTHER}");
    let cases = [
        ("no_subject", to(&format!("{GRANT}&subject_token_type={TYPE}")), "invalid_request"),
        ("no_type", to(&format!("{GRANT}&subject_token={}", session.access)), "invalid_request"),
        (
            "a_type_not_served",
            to(&format!("{GRANT}&subject_token=x&subject_token_type=urn:x")),
            "invalid_request",
        ),
        ("a_type_not_given", to(&format!("{good}&requested_token_type=urn:x")), "invalid_request"),
        ("no_target", good.clone(), "invalid_request"),
        ("two_targets", to(&format!("{good}&resource={API}")), "invalid_target"),
        ("two_audiences", to(&format!("{good}&audience={API}")), "invalid_request"),
        ("a_target_not_allowed", format!("{good}&audience={API}"), "invalid_target"),
        ("a_target_not_known", format!("{good}&audience=https://x.example"), "invalid_target"),
        ("the_issuer_itself", format!("{good}&audience={ISSUER}"), "invalid_target"),
        ("more_scope", to(&format!("{good}&scope=orders:read%20orders:delete")), "invalid_scope"),
        ("the_admin_scope", to(&format!("{good}&scope=gatepass:admin")), "invalid_scope"),
        ("no_token", to(&subject("nonsense")), "invalid_request"),
        ("a_forged_one", to(&subject(&forged)), "invalid_request"),
        ("a_refresh_token", to(&subject(&session.refresh)), "invalid_request"),
        ("a_revoked_one", to(&subject(&ended.access)), "invalid_request"),
        ("one_for_another_service", to(&subject(elsewhere)), "invalid_request"),
    ];
    for (name, form, want) in cases {
        let answer = fixture.post("/oauth/token").basic("gateway", &secret).form(&form).send().await;
        assert_eq!(answer.oauth_error(), (400, want.to_owned()), "{name}");
    }
    let refused = |id: &str, secret: &str| fixture.post("/oauth/token").basic(id, secret).form(&to(&good));
    let cases = [
        ("not_registered_for_it", refused("batch", &fixture.secret), 400, "unauthorized_client"),
        ("wrong_secret", refused("gateway", "wrong"), 401, "invalid_client"),
        ("no_client", fixture.post("/oauth/token").form(&to(&good)), 401, "invalid_client"),
        (
            "a_public_client",
            fixture.post("/oauth/token").form(&format!("{}&client_id=web", to(&good))),
            400,
            "unauthorized_client",
        ),
    ];
    for (name, call, status, error) in cases {
        assert_eq!(call.send().await.oauth_error(), (status, error.to_owned()), "{name}");
    }
    exchange(&fixture, &secret, &session.access, "").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_administrators_scope_does_not_go_along() {
    let (fixture, secret) = with_gateway(plain()).await;
    let admin = fixture.admin().await;
    let body = exchange(&fixture, &secret, &admin, "").await.expect(StatusCode::OK).json();
    let token = body["access_token"].as_str().unwrap();
    assert!(claims(token).get("scope").is_none(), "{body}");
    assert_eq!(fixture.get("/admin/v1/users").bearer(token).send().await.status, 401);
}

#[tokio::test]
async fn a_revocation_of_anybody_in_the_chain_reaches_what_was_exchanged() {
    let alive = async |fixture: &Fixture, secret: &str, token: &str| {
        let call = fixture.post("/oauth/introspect").basic("gateway", secret);
        call.form(&format!("token={token}")).send().await.json()["active"] == true
    };
    for (kind, id) in
        [("session", ""), ("subject", ""), ("client", "gateway"), ("client", "first-party"), ("all", "")]
    {
        let (fixture, secret) = with_gateway(plain()).await;
        let session = fixture.log_in("alice").await;
        let body = exchange(&fixture, &secret, &session.access, "").await.expect(StatusCode::OK).json();
        let token = body["access_token"].as_str().unwrap();
        assert!(alive(&fixture, &secret, token).await, "{kind} {id}");
        let alice = fixture.alice.to_string();
        let id = match (kind, id) {
            ("session", _) => &session.session,
            ("subject", _) => &alice,
            (_, id) => id,
        };
        let mut revocation = json!({ "kind": kind, "reason": "test" });
        if kind != "all" {
            revocation["id"] = json!(id);
        }
        let admin = fixture.admin().await;
        let call = fixture.post("/admin/v1/revocations").bearer(&admin).json(&revocation);
        call.send().await.expect(StatusCode::CREATED);
        assert!(!alive(&fixture, &secret, token).await, "{kind} {id}");
    }
}

#[tokio::test]
async fn another_policy_takes_back_what_the_client_got_under_the_old_one() {
    let (fixture, secret) = with_gateway(plain()).await;
    let session = fixture.log_in("alice").await;
    let body = exchange(&fixture, &secret, &session.access, "").await.expect(StatusCode::OK).json();
    let token = body["access_token"].as_str().unwrap();
    let admin = fixture.admin().await;
    let change = |exchange: Value| {
        let call = fixture.call(Method::PATCH, "/admin/v1/clients/gateway").bearer(&admin);
        call.json(&json!({ "exchange": exchange })).send()
    };
    assert_eq!(fixture.introspected(token).await["active"], true);
    change(json!({ "for": [API], "from": [OTHER] })).await.expect(StatusCode::OK);
    assert_eq!(fixture.introspected(token).await, json!({ "active": false }));
    let refused = exchange(&fixture, &secret, &session.access, "").await;
    assert_eq!(refused.oauth_error().1, "invalid_target");

    for (name, policy) in [
        ("unknown_audience", json!({ "for": ["https://x.example"] })),
        ("the_issuer", json!({ "for": [ISSUER] })),
        ("unknown_source", json!({ "for": [OTHER], "from": ["https://x.example"] })),
        ("no_target", json!({ "from": [API] })),
        ("unknown_member", json!({ "for": [OTHER], "to": [API] })),
    ] {
        assert_eq!(change(policy).await.problem().0, 400, "{name}");
    }
}

#[tokio::test]
async fn what_was_bound_stays_bound_to_the_same_key() {
    const TOKEN: (&str, &str) = ("POST", "/oauth/token");
    let (fixture, secret) = with_gateway(plain()).await;
    let (key, thief) = (Key::new(), Key::new());
    let bound = log_in_with(&fixture, &key).await;
    let plain = fixture.log_in("alice").await.access;
    let own = |proof: Option<String>| {
        let call = fixture.post("/oauth/token").basic("gateway", &secret);
        let call = call.form("grant_type=client_credentials");
        match proof {
            Some(proof) => call.header("dpop", &proof),
            None => call,
        }
    };
    let token_of = |answer: Answer| answer.json()["access_token"].as_str().unwrap().to_owned();
    let actor = token_of(own(None).send().await.expect(StatusCode::OK));
    let bound_actor = token_of(own(Some(key.proof(&fixture, TOKEN))).send().await.expect(StatusCode::OK));
    let stolen = token_of(own(Some(thief.proof(&fixture, TOKEN))).send().await.expect(StatusCode::OK));
    // the subject's token, the actor's, the key that is shown, the key that the new token is bound to
    type Case<'c> = (&'static str, &'c str, Option<&'c str>, Option<&'c Key>, Result<Option<&'c Key>, ()>);
    let cases: [Case<'_>; 9] = [
        ("bound_to_nothing", &plain, None, None, Ok(None)),
        ("bound_from_now_on", &plain, None, Some(&thief), Ok(Some(&thief))),
        ("with_its_key", &bound, None, Some(&key), Ok(Some(&key))),
        ("without_its_key", &bound, None, None, Err(())),
        ("with_another_key", &bound, None, Some(&thief), Err(())),
        ("with_a_plain_actor", &bound, Some(&actor), Some(&key), Ok(Some(&key))),
        ("with_an_actor_of_the_same_key", &bound, Some(&bound_actor), Some(&key), Ok(Some(&key))),
        ("with_an_actor_of_another_key", &bound, Some(&stolen), Some(&key), Err(())),
        ("with_an_actor_whose_key_is_not_shown", &plain, Some(&bound_actor), None, Err(())),
    ];
    for (name, subject, actor, shown, want) in cases {
        let actor = actor.map(|token| format!("&actor_token={token}&actor_token_type={TYPE}"));
        let actor = actor.unwrap_or_default();
        let form =
            format!("{GRANT}&subject_token={subject}&subject_token_type={TYPE}&audience={OTHER}{actor}");
        let call = fixture.post("/oauth/token").basic("gateway", &secret).form(&form);
        let call = match shown {
            Some(key) => call.header("dpop", &key.proof(&fixture, TOKEN)),
            None => call,
        };
        let answer = call.send().await;
        match want {
            Ok(bound_to) => {
                let answer = answer.expect(StatusCode::OK);
                let token_type = if bound_to.is_some() { "DPoP" } else { "Bearer" };
                assert_eq!(answer.json()["token_type"], token_type, "{name}");
                let cnf = claims(&token_of(answer)).get("cnf").cloned();
                assert_eq!(cnf, bound_to.map(|key| json!({ "jkt": key.jkt() })), "{name}");
            }
            Err(()) => assert_eq!(answer.oauth_error(), (400, "invalid_request".into()), "{name}"),
        }
    }
}

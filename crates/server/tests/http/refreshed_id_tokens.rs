//! ID tokens that come with a refresh.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Fixture};

async fn first(fixture: &Fixture, scope: &str) -> Value {
    let query = request(&[("client_id", "own"), ("scope", scope)]);
    let code = Browser::new(fixture).code(&query).await;
    fixture.post("/oauth/token").form(&exchange("own", &code)).send().await.expect(StatusCode::OK).json()
}

async fn refresh(fixture: &Fixture, tokens: &Value, changes: &[(&str, &str)]) -> Answer {
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let params = [("grant_type", "refresh_token"), ("client_id", "own"), ("refresh_token", refresh)];
    fixture.post("/oauth/token").form(&encode(params.iter().chain(changes).copied())).send().await
}

fn id_claims(tokens: &Value) -> Value {
    claims(tokens["id_token"].as_str().unwrap_or_else(|| panic!("no ID token in {tokens}")))
}

#[tokio::test]
async fn it_says_what_the_first_one_said() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let tokens = first(&fixture, "openid profile offline_access orders:read").await;
    let mut want = id_claims(&tokens);
    assert_eq!(want["nonce"], "n-1");
    fixture.pass(Duration::from_secs(3600));
    let next = refresh(&fixture, &tokens, &[]).await.expect(StatusCode::OK).json();
    let now = fixture.now().as_secs();
    let lifetime = want["exp"].as_i64().unwrap() - want["iat"].as_i64().unwrap();
    (want["iat"], want["exp"]) = (json!(now), json!(now + lifetime));
    let alg = gatepass_jose::Alg::ES256;
    want["at_hash"] = json!(gatepass_token::at_hash(alg, next["access_token"].as_str().unwrap()).unwrap());
    for of_the_code in ["nonce", "c_hash"] {
        want.as_object_mut().unwrap().remove(of_the_code).unwrap();
    }
    assert_eq!(id_claims(&next), want);
    // It is a hint like the first.
    let hint = next["id_token"].as_str().unwrap();
    let bye = format!("/oauth/logout?{}", encode([("id_token_hint", hint)]));
    assert_eq!(fixture.get(&bye).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_comes_where_openid_was_allowed_and_is_asked_for() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let tokens = first(&fixture, "openid profile offline_access orders:read").await;
    let mut refresh_token = tokens.clone();
    for (scope, has_id_token, has_name) in [
        ("offline_access orders:read", false, false),
        ("openid offline_access", true, false),
        ("openid profile", true, true),
        ("", true, true),
    ] {
        let asked: &[(&str, &str)] = if scope.is_empty() { &[] } else { &[("scope", scope)] };
        let next = refresh(&fixture, &refresh_token, asked).await.expect(StatusCode::OK).json();
        assert_eq!(next.get("id_token").is_some(), has_id_token, "{scope}");
        if has_id_token {
            assert_eq!(id_claims(&next).get("preferred_username").is_some(), has_name, "{scope}");
        }
        refresh_token = next;
    }
    let without = first(&fixture, "offline_access orders:read").await;
    assert!(refresh(&fixture, &without, &[]).await.expect(StatusCode::OK).json().get("id_token").is_none());

    let session = fixture.log_in("alice").await;
    let body = json!({ "refresh_token": session.refresh });
    let next = fixture.post("/session/refresh").json(&body).send().await.expect(StatusCode::OK).json();
    assert!(next.get("id_token").is_none(), "the operator's own app is told nothing but its tokens");
}

//! Users with another name at every sector, and the gateway, which knows revocations by the names that it is told.

use std::time::Duration;

use gatepass_e2e::sign_on::{REDIRECT_URI, Visitor, code_flow};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, jws, send, wait};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_user_reaches_the_gateway_also_where_tokens_call_the_user_otherwise() {
    let mut up = Up::start().await;
    let body = json!({
        "client_id": "private", "client_name": "private", "token_endpoint_auth_method": "none", "trusted": true,
        "grant_types": ["authorization_code"], "redirect_uris": [REDIRECT_URI], "subject_type": "pairwise",
        "scope": "orders:read orders:write",
    });
    send(Admin::login(&up).await.request(Method::POST, "/clients").json(&body)).await.expect(201);
    let own = up.native_login(ADMIN).await.subject();
    let scope = "openid orders:read orders:write";
    let log_in = async |up: &Up| {
        let tokens = code_flow(up, &mut Visitor::default(), "private", scope, ADMIN).await;
        tokens["access_token"].as_str().unwrap().to_owned()
    };
    let called = |token: &str| jws::claims(token)["sub"].as_str().unwrap().to_owned();
    let refused = async |up: &Up, why: &str, token: &str| {
        wait::until(why, Duration::from_secs(30), async || {
            (up.call("/api/orders", token).await.status == 401).then_some(())
        })
        .await;
    };
    let token = log_in(&up).await;
    assert_ne!(called(&token), own);
    up.call("/api/orders", &token).await.expect(200);
    Admin::login(&up).await.revoke("subject", &own).await.expect(201);
    refused(&up, "the gateway to refuse a token of the user's", &token).await;

    let token = log_in(&up).await;
    up.call("/api/orders", &token).await.expect(200);
    Admin::login(&up).await.change_user(&own, json!({ "roles": ["admin", "more"] })).await.expect(200);
    refused(&up, "the gateway to refuse a token with old roles", &token).await;

    let before = called(&log_in(&up).await);
    up.kill();
    up.start_again().await;
    assert_eq!(called(&log_in(&up).await), before, "the same after a restart");
}

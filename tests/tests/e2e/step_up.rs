//! A gateway that wants a younger login than its user's, and an application that asks for one (RFC 9470).

use std::time::Duration;

use gatepass_e2e::sign_on::{REDIRECT_URI, Visitor, authorization_url, code_flow, code_in, redeem};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Answer, Up, jws, send, upstream, wait};
use reqwest::Method;
use serde_json::json;

use crate::gateway::{FEED, File};

const ROUTES: &str = r#"
[[route]]
path = "/balance"
upstream = "mirror"

[[route]]
path = "/transfer"
upstream = "mirror"
require = { acr = ["urn:gatepass:acr:password"], max_age = "2s" }
"#;

/// The value of a parameter of a challenge.
fn parameter<'c>(challenge: &'c str, name: &str) -> &'c str {
    let (_, rest) =
        challenge.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {challenge}"));
    rest.split_once('"').unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_turned_away_has_its_user_log_in_again_and_gets_through() {
    let up = Up::start().await;
    let body = json!({
        "client_id": "bank", "client_name": "bank", "token_endpoint_auth_method": "none", "trusted": true,
        "grant_types": ["authorization_code"], "redirect_uris": [REDIRECT_URI], "scope": "orders:read",
    });
    send(Admin::login(&up).await.request(Method::POST, "/clients").json(&body)).await.expect(201);
    let mut visitor = Visitor::default();
    let scope = "openid orders:read";
    let tokens = code_flow(&up, &mut visitor, "bank", scope, ADMIN).await;
    let token = tokens["access_token"].as_str().unwrap().to_owned();
    let mirror = upstream::mirror().await;
    let aud = jws::audience(&token);
    let file = File::new(up.issuer(), &aud, FEED, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;
    let call =
        async |path: &str, token: &str| send(up.client.get(gateway.url(path)).bearer_auth(token)).await;

    let refused = wait::until("the login to grow old", Duration::from_secs(30), async || {
        Some(call("/transfer", &token).await).filter(|answer| answer.status == 401)
    })
    .await;
    call("/balance", &token).await.expect(200);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    let (acr, max_age) = (parameter(challenge, "acr_values"), parameter(challenge, "max_age"));
    assert_eq!((acr, max_age), ("urn:gatepass:acr:password", "2"));

    // Whoever takes longer than that is asked once more.
    let url = authorization_url(&up, "bank", scope, &[("acr_values", acr), ("max_age", max_age)]);
    let plain = authorization_url(&up, "bank", scope, &[]);
    let is_login = |page: &Answer| String::from_utf8_lossy(&page.body).contains("name=\"password\"");
    let mut seen_login = false;
    wait::until("the gateway to let the user through", Duration::from_secs(30), async || {
        assert!(!is_login(&visitor.get(&up, plain.as_str()).await), "there is single sign-on");
        seen_login |= is_login(&visitor.get(&up, url.as_str()).await);
        let code = code_in(&visitor.authorize(&up, url.as_str(), ADMIN).await);
        let tokens = redeem(&up, ("bank", None), &code, &[]).await.expect(200).json();
        let token = tokens["access_token"].as_str().unwrap();
        (call("/transfer", token).await.status == 200).then_some(())
    })
    .await;
    assert!(seen_login, "the user showed who they are, although they were logged in");

    // What can never be had is said, where another round would end at the same refusal.
    let never = authorization_url(&up, "bank", scope, &[("acr_values", "urn:example:hardware")]);
    let back = visitor.authorize(&up, never.as_str(), ADMIN).await;
    assert!(back.as_str().contains("error=unmet_authentication_requirements"), "{back}");
}

//! What users have allowed applications, on the command line: listed, taken back, and asked for again.

use gatepass_e2e::sign_on::{REDIRECT_URI, Visitor, authorization_url, redeem};
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Up, command, send};
use serde_json::json;

use crate::cli::gatepass;
use crate::oauth::form;

#[tokio::test]
async fn what_a_user_has_allowed_is_listed_taken_back_and_asked_for_again() {
    let mut up = Up::start().await;
    let scope = "openid offline_access orders:read";
    let mut secrets = Vec::new();
    for id in ["office", "shop"] {
        let added = format!("client add {id} --redirect-uri {REDIRECT_URI} --scope orders:read");
        let added = gatepass(&up, &added).await.json();
        secrets.push(added["client_secret"].as_str().unwrap().to_owned());
    }
    let none = gatepass(&up, &format!("user consents {ADMIN}")).await.json();
    assert_eq!(none, json!([]));

    let mut ada = Visitor::default();
    let mut tokens = Vec::new();
    for (id, secret) in ["office", "shop"].into_iter().zip(&secrets) {
        let code = ada.code(&up, id, scope, ADMIN).await;
        tokens.push(redeem(&up, (id, Some(secret)), &code, &[]).await.expect(200).json());
    }
    let asks = async |ada: &mut Visitor, client: &str| {
        let answer = ada.get(&up, authorization_url(&up, client, scope, &[]).as_str()).await;
        match answer.leads_to() {
            None => String::from_utf8_lossy(&answer.body).contains("/oauth/consent"),
            Some(location) => !location.contains("code="),
        }
    };
    assert!(!asks(&mut ada, "office").await && !asks(&mut ada, "shop").await, "both are remembered");
    let listed = gatepass(&up, &format!("user consents {ADMIN}")).await.json();
    let resource = listed[0]["resources"][0]["resource"].as_str().unwrap();
    let shown = command::run(&["user", "consents", ADMIN], &["--dir", path_text(&up.data())]).await.worked();
    let want = ["office", resource, "offline_access", "openid", "orders:read"];
    assert!(shown.lines().any(|line| line.split_whitespace().eq(want)), "{shown}");
    let listed: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| (&one["client_id"], &one["scope"])).collect();
    let granted = json!("offline_access openid orders:read");
    assert_eq!(listed, [(&json!("office"), &granted), (&json!("shop"), &granted)]);

    gatepass(&up, &format!("user withdraw {ADMIN} office")).await.worked();
    let listed = gatepass(&up, &format!("user consents {ADMIN}")).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert!(asks(&mut ada, "office").await && !asks(&mut ada, "shop").await);
    let refresh = |at: usize, id: &'static str| {
        let token = tokens[at]["refresh_token"].as_str().unwrap();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        send(form(&up, "/oauth/token", &fields).basic_auth(id, Some(&secrets[at])))
    };
    refresh(0, "office").await.expect_oauth_error(400, "invalid_grant");
    up.refused("what it gave", tokens[0]["access_token"].as_str().unwrap()).await;
    refresh(1, "shop").await.expect(200);
    up.call("/api/orders", tokens[1]["access_token"].as_str().unwrap()).await.expect(200);

    // A second time there is nothing to take back, and nobody else's is.
    for wrong in [format!("user withdraw {ADMIN} office"), "user withdraw nobody shop".to_owned()] {
        gatepass(&up, &wrong).await.failed();
    }
    // On the store of a server that does not run, too.
    up.stop("TERM").await;
    gatepass(&up, &format!("user withdraw {ADMIN} shop")).await.worked();
    assert_eq!(gatepass(&up, &format!("user consents {ADMIN}")).await.json(), json!([]));
    up.start_again().await;
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", tokens[1]["refresh_token"].as_str().unwrap())];
    let refused = send(form(&up, "/oauth/token", &fields).basic_auth("shop", Some(&secrets[1]))).await;
    refused.expect_oauth_error(400, "invalid_grant");
    let after = Visitor::default().get(&up, authorization_url(&up, "shop", scope, &[]).as_str()).await;
    assert_eq!(after.status, 200, "and nobody is logged in who was not");
}

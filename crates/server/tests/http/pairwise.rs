//! Users who are called otherwise at every sector's clients.

use std::sync::Arc;

use gatepass_issuer::user::Role;
use gatepass_server::{Fetch, HttpConfig};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::client_documents::Host;
use crate::fixture::Fixture;
use crate::responses::change;

async fn tokens(fixture: &Fixture, client: &str, user: &str) -> Value {
    let mut browser = Browser::new(fixture);
    let query = request(&[("client_id", client), ("scope", "openid profile offline_access orders:read")]);
    let page = browser.authorize(&query).await.expect(StatusCode::OK);
    let mut answer = browser.log_in(&page, user).await;
    if text(&answer).contains("/oauth/consent") {
        answer = browser.submit(&answer, &[("decision", "allow")]).await;
    }
    let call = fixture.post("/oauth/token").form(&exchange(client, &sent_back(&answer)["code"]));
    call.send().await.expect(StatusCode::OK).json()
}

fn subject(tokens: &Value, name: &str) -> String {
    claims(tokens[name].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

/// What introspection says of a token of an answer.
async fn introspected(fixture: &Fixture, tokens: &Value, name: &str) -> Value {
    fixture.introspected(tokens[name].as_str().unwrap()).await
}

async fn refreshed(fixture: &Fixture, client: &str, tokens: &Value) -> Value {
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = encode([("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]);
    fixture.post("/oauth/token").form(&form).send().await.expect(StatusCode::OK).json()
}

#[tokio::test]
async fn all_that_a_pairwise_client_is_told_calls_the_user_the_same_and_nobody_else_does() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let pairwise = json!({
        "subject_type": "pairwise", "redirect_uris": [CALLBACK],
        "backchannel_logout_uri": "https://app.example.com/out",
    });
    change(&fixture, "shop", pairwise).await.expect(StatusCode::OK);
    let shop = tokens(&fixture, "shop", "alice").await;
    let called = subject(&shop, "id_token");
    assert_ne!(called, fixture.alice.to_string());
    assert_eq!(subject(&shop, "access_token"), called, "the client can read it");
    let bearer = shop["access_token"].as_str().unwrap();
    let info = fixture.get("/oauth/userinfo").bearer(bearer).send().await.expect(StatusCode::OK).json();
    assert_eq!(info, json!({ "sub": called, "preferred_username": "alice" }));
    for name in ["access_token", "refresh_token"] {
        assert_eq!(introspected(&fixture, &shop, name).await["sub"], called, "{name}");
    }
    let next = refreshed(&fixture, "shop", &shop).await;
    assert_eq!(subject(&next, "access_token"), called);
    assert_eq!(subject(&tokens(&fixture, "shop", "alice").await, "id_token"), called, "each time");
    assert_ne!(subject(&tokens(&fixture, "shop", "root").await, "id_token"), called, "somebody else");
    assert_eq!(subject(&tokens(&fixture, "own", "alice").await, "id_token"), fixture.alice.to_string());
    change(&fixture, "own", json!({ "subject_type": "pairwise" })).await.expect(StatusCode::OK);
    assert_eq!(subject(&tokens(&fixture, "own", "alice").await, "id_token"), called, "the same sector");

    fixture.issuer.log_out_everywhere(fixture.alice, fixture.now()).await.unwrap();
    let due = due_logouts(&fixture).await;
    assert!(!due.is_empty());
    assert!(due.iter().all(|(_, token)| claims(token)["sub"] == called));
}

#[tokio::test]
async fn an_id_token_of_a_pairwise_client_still_says_who_is_meant() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    change(&fixture, "own", json!({ "subject_type": "pairwise" })).await.expect(StatusCode::OK);
    let root = tokens(&fixture, "own", "root").await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("client_id", "own")])).await;
    let call = fixture.post("/oauth/token").form(&exchange("own", &code));
    let alice = call.send().await.expect(StatusCode::OK).json();
    for (tokens, want) in [(&alice, "code"), (&root, "error")] {
        let hint = tokens["id_token"].as_str().unwrap();
        let query = request(&[("client_id", "own"), ("prompt", "none"), ("id_token_hint", hint)]);
        assert!(sent_back(&browser.authorize(&query).await).contains_key(want), "{want}");
    }
    let hint = root["id_token"].as_str().unwrap();
    let asked = browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await;
    assert!(text(&asked).contains("/oauth/logout/confirm"), "somebody else's");
    let hint = alice["id_token"].as_str().unwrap();
    let done = browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await.expect(StatusCode::OK);
    assert!(!text(&done).contains("/oauth/logout/confirm"), "hers");
    assert_eq!(introspected(&fixture, &alice, "access_token").await["active"], false);
}

/// Two clients that work together would learn that the user of one is the user of the other.
#[tokio::test]
async fn a_hint_of_another_client_joins_no_two_names() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let own = tokens(&fixture, "own", "alice").await;
    let hinted = async |browser: &mut Browser<'_>, client: &str, tokens: &Value| {
        let hint = tokens["id_token"].as_str().unwrap();
        let asked = [("client_id", client), ("scope", "openid"), ("prompt", "none"), ("id_token_hint", hint)];
        let back = sent_back(&browser.authorize(&request(&asked)).await);
        back.get("error").cloned().unwrap_or_else(|| "code".to_owned())
    };
    browser.code(&request(&[])).await;
    browser.code(&request(&[("client_id", "own")])).await;
    assert_eq!(hinted(&mut browser, "shop", &own).await, "code", "both call her the same");
    change(&fixture, "shop", json!({ "subject_type": "pairwise" })).await.expect(StatusCode::OK);
    assert_eq!(
        hinted(&mut browser, "shop", &own).await,
        "login_required",
        "a pairwise one knows no other name"
    );
    let shop = tokens(&fixture, "shop", "alice").await;
    assert_eq!(hinted(&mut browser, "own", &shop).await, "login_required", "and nobody else knows its");
    assert_eq!(hinted(&mut browser, "shop", &shop).await, "code", "its own");
    let root = tokens(&fixture, "shop", "root").await;
    assert_eq!(hinted(&mut browser, "shop", &root).await, "login_required", "of somebody else");
}

#[tokio::test]
async fn a_pairwise_clients_token_speaks_for_its_user_at_the_issuer_too() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let pairwise = json!({ "subject_type": "pairwise", "scope": "gatepass:admin" });
    change(&fixture, "own", pairwise).await.expect(StatusCode::OK);
    let query =
        [("client_id", "own"), ("scope", "openid gatepass:admin"), ("resource", crate::fixture::ISSUER)];
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&query)).await.expect(StatusCode::OK);
    let back = sent_back(&browser.log_in(&page, "root").await);
    let tokens = fixture.post("/oauth/token").form(&exchange("own", &back["code"])).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(claims(token)["sub"].as_str().unwrap().starts_with("p:"), "a name that says nothing");
    let elsewhere = fixture.log_in("root").await;

    let listed = fixture.get("/session/list").bearer(token).send().await.expect(StatusCode::OK).json();
    assert!(listed["sessions"].as_array().unwrap().len() >= 2, "{listed}");
    let out = fixture.post("/session/logout-all").bearer(token).send().await;
    out.expect(StatusCode::NO_CONTENT);
    let ended = fixture.get("/session/list").bearer(&elsewhere.access).send().await;
    assert_eq!(ended.problem().0, 401, "every session of hers has ended");
    assert_eq!(fixture.get("/session/list").bearer(token).send().await.problem().0, 401);
}

#[tokio::test]
async fn what_is_taken_back_from_a_user_is_taken_back_where_the_user_has_another_name() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    change(&fixture, "shop", json!({ "subject_type": "pairwise" })).await.expect(StatusCode::OK);
    let admin = fixture.admin().await;
    let active =
        async |tokens: &Value| introspected(&fixture, tokens, "access_token").await["active"] == true;

    let before = tokens(&fixture, "shop", "alice").await;
    let role = Role { name: "clerk".parse().unwrap(), scope: "orders:read".parse().unwrap() };
    fixture.issuer.put_role(role, fixture.now()).await.unwrap();
    assert!(!active(&before).await, "another role");
    let after = refreshed(&fixture, "shop", &before).await;
    assert!(active(&after).await, "the session goes on");

    let root = tokens(&fixture, "shop", "root").await;
    let body = json!({ "kind": "subject", "id": fixture.alice.to_string() });
    let call = fixture.post("/admin/v1/revocations").bearer(&admin).json(&body);
    assert!(call.send().await.status.is_success());
    assert!(!active(&after).await && active(&root).await, "hers, and nobody else's");
    let again = tokens(&fixture, "shop", "alice").await;
    assert!(active(&again).await, "what she gets afterwards is good");
    let call =
        fixture.call(http::Method::PATCH, &format!("/admin/v1/users/{}", fixture.alice)).bearer(&admin);
    call.json(&json!({ "disabled": true })).send().await.expect(StatusCode::OK);
    assert!(!active(&again).await, "disabled");

    // Whoever takes something back says whose it is by the user's own name.
    let body = json!({ "kind": "subject", "id": subject(&root, "access_token") });
    let call = fixture.post("/admin/v1/revocations").bearer(&admin).json(&body);
    assert_eq!(call.send().await.problem(), (400, "invalid-request".to_owned()));

    // Called otherwise from now on, what says the old name must not outlive it.
    change(&fixture, "shop", json!({ "subject_type": "public" })).await.expect(StatusCode::OK);
    assert!(!active(&root).await);
    let token = root["refresh_token"].as_str().unwrap();
    let form = encode([("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)]);
    let refused = fixture.post("/oauth/token").form(&form).send().await;
    assert_eq!(refused.oauth_error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_sector_is_spoken_for_by_whoever_writes_at_its_address() {
    let host = Host::start().await;
    let fetch = Arc::new(Fetch::new(vec![host.origin.parse().unwrap()]));
    let finish = |issuer: gatepass_issuer::Issuer| issuer.with_remote_documents(fetch);
    let fixture = Fixture::made(HttpConfig::default(), |_| {}, finish).await;
    register(&fixture).await;
    let other = "https://other.example.com/cb";
    let wanted = |uri: &str| json!({ "subject_type": "pairwise", "sector_identifier_uri": uri });
    let refused = async |change_to: Value| {
        let answer = change(&fixture, "own", change_to).await;
        assert_eq!(answer.problem(), (400, "invalid-request".to_owned()));
    };
    for document in [json!([other]), json!({ "redirect_uris": [CALLBACK] }), json!([]), json!([CALLBACK, 5])]
    {
        host.say(document);
        refused(wanted(&host.url())).await;
    }
    host.answer(200, "text/html", &json!([CALLBACK]).to_string());
    refused(wanted(&host.url())).await;
    host.answer(302, "application/json", "[]");
    refused(wanted(&host.url())).await;
    for uri in ["https://127.0.0.1/uris", "https://169.254.169.254/uris", "ftp://a.example/x", "javascript:x"]
    {
        refused(wanted(uri)).await;
    }
    refused(json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, other] })).await;

    host.say(json!([CALLBACK, other]));
    change(&fixture, "own", wanted(&host.url())).await.expect(StatusCode::OK);
    change(&fixture, "own", json!({ "redirect_uris": [CALLBACK, other] })).await.expect(StatusCode::OK);
    refused(json!({ "redirect_uris": [CALLBACK, "https://third.example.com/cb"] })).await;
    let of_the_host = json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK] });
    change(&fixture, "shop", of_the_host).await.expect(StatusCode::OK);
    let [own, shop] = [tokens(&fixture, "own", "alice").await, tokens(&fixture, "shop", "alice").await];
    assert_ne!(subject(&own, "id_token"), subject(&shop, "id_token"), "of the sector, not of the host");
}

//! From the admin call's answer to the refusal at the gateway, for everything that can be revoked.

use std::time::{Duration, Instant};

use gatepass_e2e::measure::{report, spread};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, jws, send, wait};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_revoked_tokens_are_refused_at_the_gateway() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &[]).await;
    let mut session = up.native_login("berta").await;
    let mut times = Vec::new();
    for _ in 0..200 {
        session = up.refresh(&session).await;
        up.call("/api/orders", &session.access_token).await.expect(200);
        let answer = admin.revoke("token", &session.claim("jti")).await;
        let answered = Instant::now();
        assert!([200, 201].contains(&answer.status), "{}", answer.shown());
        times.push(time_to_refusal(&up, &session.access_token, answered).await);
    }
    report(&format!("revocation, from the answer to the refusal at the gateway: {}", spread(times)));
    up.call("/api/orders", &up.refresh(&session).await.access_token).await.expect(200);
}

/// Asks without a pause, so that what is measured is the feed and not the waiting.
async fn time_to_refusal(up: &Up, token: &str, since: Instant) -> Duration {
    loop {
        let answer = up.call("/api/orders", token).await;
        let elapsed = since.elapsed();
        match answer.status {
            401 => return elapsed,
            200 => {
                assert!(elapsed < Duration::from_secs(2), "still accepted {elapsed:?} after it was revoked")
            }
            _ => panic!("neither accepted nor refused\n{}", answer.shown()),
        }
    }
}

#[tokio::test]
async fn each_kind_takes_back_what_it_names_and_nothing_else() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    for name in ["berta", "carl"] {
        admin.create_user(name, &[]).await;
    }
    let carl = up.login("carl").await;
    let berta = || up.native_login("berta");

    let (one, same_session) = {
        let first = berta().await;
        let second = up.refresh(&first).await;
        (first, second)
    };
    admin.revoke("token", &one.claim("jti")).await.expect(201);
    up.refused("a revoked token", &one.access_token).await.expect_problem_shape();
    up.call("/api/orders", &same_session.access_token).await.expect(200);

    let other_session = berta().await;
    admin.revoke("session", &same_session.id).await.expect(201);
    up.refused("a token of a revoked session", &same_session.access_token).await;
    send(up.refresh_request(&same_session)).await.expect(401);
    up.call("/api/orders", &other_session.access_token).await.expect(200);

    admin.revoke("subject", &other_session.subject()).await.expect(201);
    up.refused("a token of a revoked subject", &other_session.access_token).await;
    up.call("/api/orders", &carl.access_token).await.expect(200);
    up.call("/api/orders", &berta().await.access_token).await.expect(200);
}

#[tokio::test]
async fn a_revoked_client_is_refused_and_people_are_not() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let (client_id, secret) = admin.create_client("batch", "orders:write").await;
    let token = super::oauth::client_token(&up, &client_id, &secret).await;
    let person = up.login(ADMIN).await;
    up.call("/api/orders", &token).await.expect(200);
    admin.revoke("client", &client_id).await.expect(201);
    up.refused("a token of a revoked client", &token).await.expect_problem_shape();
    up.call("/api/orders", &person.access_token).await.expect(200);
}

#[tokio::test]
async fn a_revoked_key_is_replaced_at_once_and_its_tokens_are_refused() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let before = up.login(ADMIN).await;
    let kid = jws::header(&before.access_token)["kid"].as_str().unwrap().to_owned();
    admin.revoke("key", &kid).await.expect(201);
    up.refused("a token of a revoked key", &before.access_token).await.expect_problem_shape();

    let after = up.refresh(&before).await;
    let new_kid = jws::header(&after.access_token)["kid"].clone();
    assert_ne!(new_kid, kid.as_str(), "the next key signs at once");
    up.call("/api/orders", &after.access_token).await.expect(200);
    let set = send(up.client.get(up.jwks_uri())).await.json();
    assert!(jws::key(&set, &kid).is_none(), "a revoked key is in the JWK Set no more: {set}");
    assert!(jws::key(&set, new_kid.as_str().unwrap()).is_some(), "{set}");
    up.call("/api/orders", &before.access_token).await.expect(401);
}

#[tokio::test]
async fn everything_revoked_refuses_every_token_and_a_new_login_works() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &[]).await;
    let sessions = [up.login(ADMIN).await, up.login("berta").await];
    admin.revoke("all", "").await.expect(201);
    for session in &sessions {
        up.refused("a token from before everything was revoked", &session.access_token)
            .await
            .expect_problem_shape();
    }
    send(admin.request(Method::GET, "/users")).await.expect(401);
    let again = up.login("berta").await;
    up.call("/api/orders", &again.access_token).await.expect(200);
}

#[tokio::test]
async fn an_access_token_revoked_as_rfc_7009_says_is_refused_at_the_gateway() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let (client_id, secret) = admin.create_client("batch", "orders:write").await;
    let (revoked, kept) = (
        super::oauth::client_token(&up, &client_id, &secret).await,
        super::oauth::client_token(&up, &client_id, &secret).await,
    );
    let request = super::oauth::form(&up, "/oauth/revoke", &[("token", &revoked)])
        .basic_auth(&client_id, Some(&secret));
    send(request).await.expect(200);
    up.refused("a token revoked by its client", &revoked).await.expect_problem_shape();
    up.call("/api/orders", &kept).await.expect(200);
}

#[tokio::test]
async fn a_revocation_that_says_nothing_sensible_is_refused() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let cases = [
        json!({"kind": "sandwich", "id": "x", "reason": "e2e"}),
        json!({"kind": "session", "reason": "e2e"}),
        json!({"kind": "session", "id": "", "reason": "e2e"}),
        json!({"kind": "token", "id": 7, "reason": "e2e"}),
        json!({"kind": "token", "id": "x".repeat(10_000), "reason": "e2e"}),
        json!({"kind": "token", "id": "x", "reason": "y".repeat(10_000)}),
        json!({}),
    ];
    for body in cases {
        let answer = send(admin.request(Method::POST, "/revocations").json(&body)).await;
        assert!([400, 422].contains(&answer.status), "{body}\n{}", answer.shown());
        answer.expect_problem_shape();
    }
}

#[tokio::test]
async fn the_snapshot_is_signed_and_the_stream_resumes_where_it_was_left() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let berta = admin.create_user("berta", &[]).await;
    admin.revoke("subject", &berta).await.expect(201);

    let token =
        String::from_utf8(send(up.at_server(Method::GET, "/revocations/snapshot")).await.expect(200).body)
            .unwrap();
    let snapshot = jws::Service::new(up.jwks_uri()).verify(token.trim()).await.expect("a signed snapshot");
    assert_eq!(snapshot["iss"], up.issuer());
    let entries = snapshot["entries"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["kind"] == "subject" && entry["id"] == berta), "{snapshot}");
    let seq = snapshot["seq"].as_u64().unwrap();

    let carl = admin.create_user("carl", &[]).await;
    admin.revoke("subject", &carl).await.expect(201);
    let stream = up.at_server(Method::GET, "/revocations/stream").header("last-event-id", seq.to_string());
    let mut response = stream.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    wait::until("the missed entry and a heartbeat on the stream", Duration::from_secs(10), async || {
        text += &String::from_utf8_lossy(&response.chunk().await.unwrap().expect("the stream stays open"));
        (text.contains(&carl) && text.contains("heartbeat")).then_some(())
    })
    .await;
    assert!(!text.contains(&berta), "what came before `Last-Event-ID` is not sent again: {text}");
}

//! Rotation of refresh tokens: an honest client is never logged out, a thief always is.

use std::time::Duration;

use futures_util::future::join_all;
use gatepass_e2e::session::Refresh;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Session, Up, http, send, try_send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_of_one_token_all_get_the_same_successor() {
    let up = Up::start().await;
    for parallel in [2, 16, 64] {
        for session in [up.login(ADMIN).await, up.native_login(ADMIN).await] {
            // A client each: as many connections as a browser's tabs would open.
            let tabs = (0..parallel).map(|_| {
                let request =
                    session.present(http::client().post(format!("{}/session/refresh", up.issuer())));
                async { send(request).await }
            });
            let answers = join_all(tabs).await;
            let next: Vec<Session> =
                answers.into_iter().map(|answer| session.next(&answer.expect(200))).collect();
            for one in &next {
                assert_eq!(
                    one.refresh, next[0].refresh,
                    "{parallel} at once: two successors of one generation"
                );
                assert_eq!(one.id, session.id);
                up.call("/api/orders", &one.access_token).await.expect(200);
            }
            assert_ne!(next[0].refresh, session.refresh);
            let after = up.refresh(&next[0]).await;
            assert_ne!(after.refresh, next[0].refresh, "{parallel} at once: the session goes on");
            up.call("/api/orders", &after.access_token).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_gets_the_same_successor() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let first = up.refresh(&session).await;
    let again = up.refresh(&session).await;
    assert_eq!(again.refresh, first.refresh);
    let third_time = up.refresh(&session).await;
    assert_eq!(third_time.refresh, first.refresh);
    up.refresh(&first).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_answer_goes_on_with_what_it_holds() {
    let up = Up::start().await;
    let mut session = up.native_login(ADMIN).await;
    for micros in (0..4_000).step_by(100) {
        let impatient = up.refresh_request(&session).timeout(Duration::from_micros(micros));
        if let Ok(answer) = try_send(impatient).await {
            session = session.next(&answer.expect(200));
        }
        session = up.refresh(&session).await;
    }
    up.call("/api/orders", &session.access_token).await.expect(200);
}

#[tokio::test]
async fn a_token_two_generations_old_kills_the_session_and_its_access_tokens_everywhere() {
    let up = Up::start().await;
    for stolen in [up.login(ADMIN).await, up.native_login(ADMIN).await] {
        let bystander = up.login(ADMIN).await;
        let second = up.refresh(&stolen).await;
        let third = up.refresh(&second).await;
        let at_demo = |token: &str| send(up.client.get(up.demo("/api/orders")).bearer_auth(token.to_owned()));
        at_demo(&third.access_token).await.expect(200);

        let refusal = send(up.refresh_request(&stolen)).await.expect_problem(401, "refresh-token-reused");
        assert!(refusal.set_cookies().iter().all(|cookie| cookie.value.is_empty()), "{}", refusal.shown());
        for session in [&stolen, &second, &third] {
            up.refused("a token of a session whose refresh token was stolen", &session.access_token).await;
            let what = "the demo API's own guard to refuse a token of a stolen session";
            gatepass_e2e::wait::until(what, Duration::from_secs(1), async || {
                (at_demo(&session.access_token).await.status == 401).then_some(())
            })
            .await;
            send(up.refresh_request(session)).await.expect(401).expect_problem_shape();
        }
        up.call("/api/orders", &bystander.access_token).await.expect(200);
        up.refresh(&bystander).await;
    }
}

#[tokio::test]
async fn a_mangled_refresh_token_is_refused_and_harms_no_session() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let Refresh::Body(token) = &session.refresh else { panic!("a native session") };
    let (middle, end) = (token.len() / 2, token.len() - 1);
    let swapped = |place: usize| {
        let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &token[..place], &token[place + 1..])
    };
    let mangled = [
        swapped(0),
        swapped(1),
        swapped(middle),
        swapped(end - 1),
        token[..end].to_owned(),
        token[..middle].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}{token}"),
        session.access_token.clone(),
        "x".repeat(5_000),
        "é".to_owned(),
        String::new(),
    ];
    for token in mangled {
        let forged = Session { refresh: Refresh::Body(token.clone()), ..session.clone() };
        let answer = send(up.refresh_request(&forged)).await;
        assert!([400, 401].contains(&answer.status), "{token}\n{}", answer.shown());
        answer.expect_problem_shape();
    }
    up.refresh(&session).await;
}

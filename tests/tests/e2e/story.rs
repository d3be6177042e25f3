//! Log in, call, refresh, log out, be changed, be disabled: what a person and an operator do in a day.

use std::time::Duration;

use gatepass_e2e::session::{Refresh, refresh_cookie};
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Session, Up, command, jws, send, wait};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_login_answers_with_everything_a_client_needs() {
    let up = Up::start().await;
    let answer = send(up.login_request(ADMIN, PASSWORD)).await.expect(200);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["user"]["username"], ADMIN);
    assert!(
        body.get("refresh_token").is_none(),
        "a refresh token in a cookie is not in the body, too: {body}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let token = body["access_token"].as_str().unwrap();
    let (header, claims) = (jws::header(token), jws::claims(token));
    assert_eq!(header["typ"], "at+jwt", "RFC 9068 section 2.1: {header}");
    assert_eq!(header["alg"], "ES256", "{header}");
    assert_eq!(claims["iss"], up.issuer());
    assert_eq!(claims["sid"], body["session_id"]);
    for member in ["sub", "aud", "exp", "iat", "jti", "client_id", "scope", "roles"] {
        assert!(!claims[member].is_null(), "RFC 9068 section 2.2 and the contract want `{member}`: {claims}");
    }
    assert!(claims.get("nbf").is_none(), "`nbf` is sent only if asked for: {claims}");
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert!((13 * 60..=17 * 60).contains(&lifetime), "15 minutes with a little jitter, not {lifetime} s");
    let expires_in = body["expires_in"].as_i64().unwrap();
    assert!(
        (lifetime - 2..=lifetime).contains(&expires_in),
        "{expires_in} s told, {lifetime} s in the token"
    );
    assert!(token.len() < 700, "small tokens by default, not {} bytes: {claims}", token.len());
}

#[tokio::test]
async fn every_route_of_the_demo_api_demands_what_it_says() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &[]).await;
    let (ada, berta) = (up.login(ADMIN).await, up.login("berta").await);
    let order = json!({"item": "teapot", "quantity": 1});
    let cases = [
        (Method::GET, "/api/public", None, 200),
        (Method::GET, "/api/orders", None, 401),
        (Method::POST, "/api/orders", None, 401),
        (Method::GET, "/api/admin", None, 401),
        (Method::GET, "/api/whoami", None, 401),
        (Method::GET, "/api/public", Some(&berta), 200),
        (Method::GET, "/api/orders", Some(&berta), 200),
        (Method::POST, "/api/orders", Some(&berta), 403),
        (Method::GET, "/api/admin", Some(&berta), 403),
        (Method::GET, "/api/whoami", Some(&berta), 200),
        (Method::GET, "/api/orders", Some(&ada), 200),
        (Method::POST, "/api/orders", Some(&ada), 201),
        (Method::GET, "/api/admin", Some(&ada), 200),
        (Method::DELETE, "/api/orders", Some(&ada), 405),
        (Method::GET, "/api/nothing-here", Some(&ada), 404),
    ];
    for (method, path, session, want) in cases {
        let mut request = up.at_gateway(method.clone(), path);
        if let Some(session) = session {
            request = request.bearer_auth(&session.access_token);
        }
        if method == Method::POST {
            request = request.json(&order);
        }
        let answer = send(request).await.expect(want);
        if want >= 400 {
            answer.clone().expect_problem_shape();
        }
        assert_challenge(&answer, session.is_some());
    }
}

/// RFC 6750 section 3: every 401 says how to authenticate; one without a token names no error; a 403 names the scope.
#[track_caller]
fn assert_challenge(answer: &gatepass_e2e::Answer, had_token: bool) {
    let challenge = answer.all("www-authenticate");
    match answer.status {
        401 if had_token => assert!(challenge.contains("error=\"invalid_token\""), "{}", answer.shown()),
        401 => {
            assert!(challenge.starts_with("Bearer"), "{}", answer.shown());
            assert!(!challenge.contains("error="), "no token, no error: section 3.1\n{}", answer.shown());
        }
        403 => assert!(challenge.contains("error=\"insufficient_scope\""), "{}", answer.shown()),
        _ => assert!(challenge.is_empty(), "{}", answer.shown()),
    }
}

#[tokio::test]
async fn an_identity_header_from_a_client_never_arrives() {
    let up = Up::start().await;
    let session = up.login(ADMIN).await;
    let plain = up.call("/api/whoami", &session.access_token).await.expect(200);
    assert!(String::from_utf8_lossy(&plain.body).contains(&session.subject()), "{}", plain.shown());
    for name in ["X-User-Id", "x-user-id", "X_User_Id", "x_user-id", "X-User-Roles", "X_USER_ROLES"] {
        let request = up.at_gateway(Method::GET, "/api/whoami").bearer_auth(&session.access_token);
        let answer = send(request.header(name, "mallory")).await.expect(200);
        assert_eq!(answer.json(), plain.json(), "`{name}: mallory` made a difference");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_refused_and_bearer_in_any_case_is_not() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let request =
            up.at_gateway(Method::GET, "/api/orders").header("authorization", format!("{scheme} {token}"));
        send(request).await.expect(200);
    }
    let twice = up.at_gateway(Method::GET, "/api/orders").bearer_auth(&token).bearer_auth("another");
    send(twice).await.expect(400).expect_problem_shape();
}

#[tokio::test]
async fn a_refresh_gives_the_next_tokens_of_the_same_session() {
    let up = Up::start().await;
    let first = up.login(ADMIN).await;
    let second = up.refresh(&first).await;
    assert_eq!(second.id, first.id);
    assert_ne!(second.refresh, first.refresh);
    assert_ne!(second.claim("jti"), first.claim("jti"));
    for session in [&first, &second] {
        up.call("/api/orders", &session.access_token).await.expect(200);
    }
    let third = up.refresh(&second).await;
    assert_ne!(third.refresh, second.refresh);
}

#[tokio::test]
async fn the_session_endpoints_answer_through_the_gateway_too() {
    let up = Up::start().await;
    let body = json!({"username": ADMIN, "password": PASSWORD});
    let login = send(up.at_gateway(Method::POST, "/session/login").json(&body)).await.expect(200);
    let session = Session::from_cookie(&login);
    let refresh = session.present(up.at_gateway(Method::POST, "/session/refresh"));
    let next = Session::from_cookie(&send(refresh).await.expect(200));
    assert_eq!(next.id, session.id);
    send(next.present(up.at_gateway(Method::POST, "/session/logout"))).await.expect(204);
}

#[tokio::test]
async fn the_refresh_cookie_has_every_attribute_that_protects_it() {
    let up = Up::start().await;
    let login = send(up.login_request(ADMIN, PASSWORD)).await.expect(200);
    let session = Session::from_cookie(&login);
    let refresh = send(up.refresh_request(&session)).await.expect(200);
    for answer in [&login, &refresh] {
        let cookie = refresh_cookie(answer);
        assert!(
            cookie.name.starts_with("__Secure-"),
            "a name prefix, so that plain HTTP cannot set it: {cookie:?}"
        );
        assert_eq!(cookie.attribute("httponly"), Some(""), "{cookie:?}");
        assert_eq!(cookie.attribute("secure"), Some(""), "{cookie:?}");
        assert_eq!(cookie.attribute("samesite"), Some("Strict"), "{cookie:?}");
        assert_eq!(cookie.attribute("domain"), None, "to the host that set it and no other: {cookie:?}");
        assert_eq!(cookie.attribute("path"), Some("/session"), "to the session endpoints alone: {cookie:?}");
        let max_age: u64 = cookie.attribute("max-age").unwrap().parse().unwrap();
        assert!((1..=30 * 86_400).contains(&max_age), "{cookie:?}");
    }
    let logout = send(session.present(up.at_server(Method::POST, "/session/logout"))).await.expect(204);
    let cleared = refresh_cookie(&logout);
    assert_eq!((cleared.value.as_str(), cleared.attribute("max-age")), ("", Some("0")), "{cleared:?}");
    assert_eq!(cleared.attribute("path"), Some("/session"), "another path would clear nothing: {cleared:?}");
}

#[tokio::test]
async fn a_native_client_has_its_refresh_token_in_the_body_and_no_cookie() {
    let up = Up::start().await;
    let body = json!({"username": ADMIN, "password": PASSWORD, "refresh_token": "body"});
    let login = send(up.at_server(Method::POST, "/session/login").json(&body)).await.expect(200);
    assert!(login.set_cookies().is_empty(), "{}", login.shown());
    let session = Session::from_body(&login);
    let answer = send(up.refresh_request(&session)).await.expect(200);
    assert!(answer.set_cookies().is_empty(), "{}", answer.shown());
    let next = session.next(&answer);
    assert_ne!(next.refresh, session.refresh);
    send(next.present(up.at_server(Method::POST, "/session/logout"))).await.expect(204);
    send(up.refresh_request(&next)).await.expect(401).expect_problem_shape();
}

#[tokio::test]
async fn a_person_sees_their_sessions_and_ends_one() {
    let up = Up::start().await;
    let (here, there) = (up.login(ADMIN).await, up.login(ADMIN).await);
    let list = |token: &str| send(up.at_server(Method::GET, "/session/list").bearer_auth(token));
    let ids = session_ids(&list(&here.access_token).await.expect(200).json());
    assert!(ids.contains(&here.id) && ids.contains(&there.id), "{ids:?}");

    let end = |id: &str, token: &str| {
        send(up.at_server(Method::DELETE, &format!("/session/{id}")).bearer_auth(token.to_owned()))
    };
    end(&there.id, &here.access_token).await.expect(204);
    up.refused("the token of an ended session", &there.access_token).await.expect_problem_shape();
    send(up.refresh_request(&there)).await.expect(401).expect_problem_shape();
    up.call("/api/orders", &here.access_token).await.expect(200);
    assert_eq!(session_ids(&list(&here.access_token).await.expect(200).json()), vec![here.id.clone()]);
    send(up.at_server(Method::GET, "/session/list")).await.expect(401).expect_problem_shape();
}

#[tokio::test]
async fn nobody_ends_the_session_of_somebody_else() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let (ada, berta) = (up.login(ADMIN).await, up.login("berta").await);
    let request =
        up.at_server(Method::DELETE, &format!("/session/{}", ada.id)).bearer_auth(&berta.access_token);
    send(request).await.expect(404).expect_problem_shape();
    up.refresh(&ada).await;
}

fn session_ids(list: &Value) -> Vec<String> {
    let sessions = list["sessions"].as_array().unwrap_or_else(|| panic!("no `sessions` in {list}"));
    sessions.iter().map(|session| session["session_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let up = Up::start().await;
    let (here, there) = (up.login(ADMIN).await, up.login(ADMIN).await);
    send(here.present(up.at_server(Method::POST, "/session/logout"))).await.expect(204);
    up.refused("the token of a logged-out session", &here.access_token).await;
    send(up.refresh_request(&here)).await.expect(401).expect_problem_shape();
    up.call("/api/orders", &there.access_token).await.expect(200);
    up.refresh(&there).await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_that_user_alone() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let (here, there, berta) = (up.login(ADMIN).await, up.native_login(ADMIN).await, up.login("berta").await);
    send(here.present(up.at_server(Method::POST, "/session/logout-all"))).await.expect(204);
    for session in [&here, &there] {
        up.refused("a token after logout-all", &session.access_token).await;
        send(up.refresh_request(session)).await.expect(401).expect_problem_shape();
    }
    up.call("/api/orders", &berta.access_token).await.expect(200);
    let again = up.login(ADMIN).await;
    up.call("/api/orders", &again.access_token).await.expect(200);
}

#[tokio::test]
async fn a_changed_role_is_refused_with_claims_changed_and_carried_by_the_next_refresh() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let berta = admin.create_user("berta", &[]).await;
    let before = up.login("berta").await;
    up.call("/api/admin", &before.access_token).await.expect(403);

    admin.change_user(&berta, json!({"roles": ["admin"]})).await;
    let refusal = up.refused("a token with the old roles", &before.access_token).await;
    refusal.clone().expect_problem(401, "claims-changed");
    assert_challenge(&refusal, true);
    let raised = up.refresh(&before).await;
    assert_eq!(raised.id, before.id, "a changed role ends no session");
    up.call("/api/admin", &raised.access_token).await.expect(200);
    let order = up.at_gateway(Method::POST, "/api/orders").bearer_auth(&raised.access_token);
    send(order.json(&json!({"item": "teapot", "quantity": 1}))).await.expect(201);

    admin.change_user(&berta, json!({"roles": []})).await;
    up.refused("a token with the role that was removed", &raised.access_token)
        .await
        .expect_problem(401, "claims-changed");
    let lowered = up.refresh(&raised).await;
    up.call("/api/admin", &lowered.access_token).await.expect(403);
}

#[tokio::test]
async fn a_disabled_user_is_out_everywhere_until_enabled_again() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let berta = admin.create_user("berta", &[]).await;
    let session = up.login("berta").await;
    admin.change_user(&berta, json!({"disabled": true})).await;
    up.refused("the token of a disabled user", &session.access_token).await.expect_problem_shape();
    send(up.refresh_request(&session)).await.expect(401).expect_problem_shape();
    let refused = send(up.login_request("berta", PASSWORD)).await.expect(401);
    let unknown = send(up.login_request("nobody-of-this-name", PASSWORD)).await.expect(401);
    assert_eq!(refused.json(), unknown.json(), "a login does not tell that the account exists");

    admin.change_user(&berta, json!({"disabled": false})).await;
    let again = up.login("berta").await;
    up.call("/api/orders", &again.access_token).await.expect(200);
    up.call("/api/orders", &session.access_token).await.expect(401);
}

#[tokio::test]
async fn a_changed_password_replaces_the_old_one_and_ends_the_sessions() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let berta = admin.create_user("berta", &[]).await;
    let session = up.login("berta").await;
    admin.change_user(&berta, json!({"password": "another-lantern-meadow-19"})).await;
    send(up.login_request("berta", PASSWORD)).await.expect(401);
    send(up.login_request("berta", "another-lantern-meadow-19")).await.expect(200);
    up.refused("a token from before the change of password", &session.access_token).await;
    send(up.refresh_request(&session)).await.expect(401);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_the_same_answer() {
    let up = Up::start().await;
    let wrong =
        send(up.login_request(ADMIN, "not-the-password-at-all")).await.expect(401).expect_problem_shape();
    let unknown = send(up.login_request("nobody-of-this-name", "not-the-password-at-all")).await.expect(401);
    assert_eq!(wrong.json(), unknown.json());
    let names =
        |answer: &gatepass_e2e::Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
}

#[tokio::test]
async fn cookie_endpoints_refuse_what_comes_from_another_site() {
    let up = Up::start().await;
    let own = up.issuer().to_owned();
    let cases: [(&[(&str, &str)], bool); 8] = [
        (&[], true),
        (&[("origin", &own)], true),
        (&[("origin", &own), ("sec-fetch-site", "same-origin")], true),
        (&[("sec-fetch-site", "none")], true),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("origin", &format!("{own}.evil.example")), ("sec-fetch-site", "cross-site")], false),
    ];
    for path in ["/session/login", "/session/refresh", "/session/logout", "/session/logout-all"] {
        for (headers, accepted) in cases {
            let mut request = if path == "/session/login" {
                up.login_request(ADMIN, PASSWORD)
            } else {
                up.login(ADMIN).await.present(up.at_server(Method::POST, path))
            };
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = send(request).await;
            let shown = format!("{headers:?}\n{}", answer.shown());
            assert_eq!(answer.status < 300, accepted, "{shown}");
            assert!(accepted || answer.status == 403, "{shown}");
            if !accepted {
                assert_eq!(answer.header("access-control-allow-origin"), None, "{shown}");
                assert!(answer.set_cookies().is_empty(), "{shown}");
                answer.expect_problem_shape();
            }
        }
    }
}

#[tokio::test]
async fn a_clean_stop_and_start_finds_users_sessions_and_keys_as_they_were() {
    let mut up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &["admin"]).await;
    let (kept, ended) = (up.login("berta").await, up.native_login("berta").await);
    send(ended.present(up.at_server(Method::POST, "/session/logout"))).await.expect(204);
    let keys = send(up.client.get(up.jwks_uri())).await.json();

    for signal in ["TERM", "INT"] {
        let status = up.stop(signal).await;
        assert!(status.success(), "SIG{signal} is a clean end, not {status}");
        up.start_again().await;
        assert_eq!(send(up.client.get(up.jwks_uri())).await.json(), keys, "the JWK Set after a restart");
        up.call("/api/admin", &kept.access_token).await.expect(200);
        up.refused("a token revoked before the restart", &ended.access_token).await;
        send(up.refresh_request(&ended)).await.expect(401);
    }
    let next = up.refresh(&kept).await;
    up.call("/api/admin", &next.access_token).await.expect(200);
    up.login("berta").await;
}

/// All that a person is told: whoever waits for the ready file can be faster.
async fn printed(up: &Up) -> String {
    wait::until("the last line that is printed", Duration::from_secs(10), async || {
        Some(up.process().log()).filter(|log| log.contains("Ctrl-C stops it."))
    })
    .await
}

#[tokio::test]
async fn a_made_up_password_is_printed_once_and_works() {
    let mut up = Up::start_without_user().await;
    let first = printed(&up).await;
    let (username, password) = printed_login(&first);
    let login = send(up.login_request(&username, &password)).await.expect(200);
    let session = Session::from_cookie(&login);
    up.call("/api/admin", &session.access_token).await.expect(200);

    up.stop("TERM").await;
    up.start_again().await;
    let second = printed(&up).await;
    assert!(!second.contains(&password), "the password is printed at the first start only:\n{second}");
    assert!(second.contains("gatepass user"), "a later start says how to reset the password:\n{second}");
    send(up.login_request(&username, &password)).await.expect(200);
}

#[tokio::test]
async fn the_printed_lines_tell_the_story_when_they_are_pasted_into_a_shell() {
    let up = Up::start_without_user().await;
    let log = printed(&up).await;
    let (_, lines) = log.split_once("Try it").expect("`Try it` in what is printed");
    let lines =
        lines.lines().skip(1).take_while(|line| !line.starts_with("Ctrl-C")).collect::<Vec<_>>().join("\n");
    let mut bash = std::process::Command::new("bash");
    bash.args(["-e", "-u", "-c", &lines]).current_dir(up.folder());
    let output = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().expect("bash");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = format!("{lines}\n--- said\n{said}\n---\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}");
    assert_eq!(said.matches("HTTP/1.1 401").count(), 2, "without a token, and after the logout: {shown}");
    assert!(said.contains("\"expires_in\""), "the refresh: {shown}");
    assert!(said.contains("x-user-id") && !said.contains("mallory"), "whoami: {shown}");
}

#[tokio::test]
async fn top_looks_at_what_up_has_started() {
    let up = Up::start().await;
    up.call("/api/orders", "nonsense").await.expect_problem(401, "invalid-token");
    let admin = up.ready()["admin"].as_str().unwrap();
    let seen = command::run(&["top", "--once", "--json", "--admin", admin], &[]).await.json();
    let refused = seen["refused"].as_array().unwrap();
    assert!(refused.iter().any(|refused| refused["code"] == "invalid-token"), "{seen}");
    let written = std::fs::read_to_string(up.data().join("gateway.toml")).unwrap();
    let listen = admin.strip_prefix("http://").unwrap();
    assert!(written.contains(&format!("admin_listen = \"{listen}\"\n")), "{written}");
    let printed = up.process().log();
    assert!(printed.contains("gatepass top"), "{printed}");
}

/// Reads the user and the password from the `curl` line that the start prints, as somebody who pastes it does.
fn printed_login(log: &str) -> (String, String) {
    let member = |name: &str| {
        let (_, rest) = log.split_once(&format!("\"{name}\":"))?;
        rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned)
    };
    match (member("username"), member("password")) {
        (Some(username), Some(password)) => (username, password),
        _ => panic!("no line with \"username\" and \"password\" to paste in:\n{log}"),
    }
}

#[tokio::test]
async fn nothing_secret_is_logged() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &[]).await;
    let session = up.native_login("berta").await;
    let next = up.refresh(&session).await;
    send(up.login_request("berta", "wrong-but-a-secret-all-the-same")).await.expect(401);
    up.call("/api/orders", &next.access_token).await.expect(200);
    let log = up.process().log();
    let Refresh::Body(refresh_token) = &next.refresh else { panic!("a native session") };
    for secret in [PASSWORD, "wrong-but-a-secret-all-the-same", refresh_token, &next.access_token] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    let files = std::fs::read_dir(up.data()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()));
    for bytes in files.filter_map(Result::ok) {
        for secret in [PASSWORD, refresh_token.as_str()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in the clear in a file of the store");
        }
    }
}

#[tokio::test]
async fn a_start_is_quick() {
    let before = std::time::Instant::now();
    let up = Up::start().await;
    gatepass_e2e::measure::report(&format!(
        "first start to ready {:.0} ms, {} KiB resident (development profile)",
        before.elapsed().as_secs_f64() * 1e3,
        up.process().resident_kib()
    ));
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
}

//! An application in another language hears of the end of sessions, with a library that nobody here wrote.

use std::process::Stdio;
use std::time::Duration;

use gatepass_e2e::sign_on::{REDIRECT_URI, Visitor, code_flow};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, jws, place, send, wait};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The application's server; it ends with the test.
struct Application {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Application {
    async fn start(up: &Up, failures: u32) -> Self {
        let port = place::free_address().port();
        let mut command = Command::new(place::python());
        command.arg(place::root().join("tests/python/backchannel_logout.py"));
        command.args([&port.to_string(), up.issuer(), "told", &failures.to_string()]);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a Python");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        wait::until("the application to listen", Duration::from_secs(20), async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        let body = json!({
            "client_id": "told", "client_name": "told", "token_endpoint_auth_method": "none", "trusted": true,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [REDIRECT_URI],
            "backchannel_logout_uri": format!("http://127.0.0.1:{port}/backchannel?tenant=1"),
        });
        send(Admin::login(up).await.request(Method::POST, "/clients").json(&body)).await.expect(201);
        Self { _child: child, lines }
    }

    /// The next logout token that it took.
    async fn told(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        let line = line.expect("a logout token").unwrap().expect("the application runs");
        serde_json::from_str(&line).unwrap()
    }
}

#[tokio::test]
async fn every_end_of_a_session_reaches_the_application_as_a_token_that_pyjwt_takes() {
    let up = Up::start().await;
    let mut application = Application::start(&up, 0).await;
    let admin = Admin::login(&up).await;
    for way in ["logout", "session revoked", "all of the user's", "password"] {
        // Each of these may end the administrator's own session as well.
        let admin = if way == "logout" { &admin } else { &Admin::login(&up).await };
        let mut visitor = Visitor::default();
        let tokens = code_flow(&up, &mut visitor, "told", "openid", ADMIN).await;
        let id = jws::claims(tokens["id_token"].as_str().unwrap());
        let (sub, sid) = (id["sub"].as_str().unwrap(), id["sid"].as_str().unwrap());
        match way {
            "logout" => drop(visitor.log_out(&up, tokens["id_token"].as_str().unwrap()).await),
            "session revoked" => drop(admin.revoke("session", sid).await.expect(201)),
            "all of the user's" => drop(admin.revoke("subject", sub).await.expect(201)),
            _ => drop(admin.change_user(sub, json!({"password": "another-violet-harbour-72"})).await),
        }
        let told = application.told().await;
        assert_eq!(told, json!({"path": "/backchannel?tenant=1", "sub": sub, "sid": sid}), "{way}");
    }
}

#[tokio::test]
async fn what_an_application_missed_comes_again_also_after_a_crash_of_the_server() {
    let mut up = Up::start().await;
    let mut application = Application::start(&up, 1).await;
    let mut visitor = Visitor::default();
    let tokens = code_flow(&up, &mut visitor, "told", "openid offline_access", ADMIN).await;
    let id = jws::claims(tokens["id_token"].as_str().unwrap());
    Admin::login(&up).await.revoke("session", id["sid"].as_str().unwrap()).await.expect(201);
    up.kill();
    up.start_again().await;
    assert_eq!(application.told().await["sid"], id["sid"]);
}

//! Applications in other languages log users in with the libraries they already have.

use std::path::Path;
use std::process::Command;

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Up, place, send};
use reqwest::Method;
use serde_json::{Value, json};

/// Where the applications are called back, on a port of their choice.
const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// Registers an application; returns its secret, if it has one.
async fn register(up: &Up, id: &str, confidential: bool) -> Option<String> {
    let body = json!({
        "client_id": id, "client_name": id, "confidential": confidential,
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT_URI], "post_logout_redirect_uris": [REDIRECT_URI],
        "scope": "orders:read",
    });
    let request = Admin::login(up).await.request(Method::POST, "/clients").json(&body);
    let answer = send(request).await.expect(201);
    answer.json()["client_secret"].as_str().map(str::to_owned)
}

fn run(interpreter: &Path, script: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(interpreter).arg(script).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {}: {error}", interpreter.display()));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}\n{complaint}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_logs_in_refreshes_and_logs_out() {
    let up = Up::start().await;
    register(&up, "native", false).await;
    let secret = register(&up, "office", true).await.unwrap();
    // Node looks for packages and modules beside the script.
    for file in ["browser.mjs", "log_in.mjs"] {
        std::fs::copy(place::root().join("tests/node").join(file), place::node().join(file)).unwrap();
    }
    let arguments = [up.issuer(), "native", "office", &secret, ADMIN, PASSWORD];
    let told = run(Path::new("node"), &place::node().join("log_in.mjs"), &arguments);
    let sub = up.native_login(ADMIN).await.subject();
    for client in ["public", "basic", "post"] {
        let want = json!({
            "sub": sub, "username": ADMIN, "nameInToken": ADMIN, "silentSub": sub, "rotated": true,
            "scope": "offline_access openid profile",
            "replay": "invalid_grant", "afterReplay": "invalid_grant",
            "denied": "access_denied", "quiet": "login_required", "afterLogout": "login_required",
            "bye": "http://127.0.0.1:51004/callback?state=bye",
        });
        assert_eq!(told[client], want, "{client}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_logs_in_and_refreshes() {
    let up = Up::start().await;
    let secret = register(&up, "office", true).await.unwrap();
    let script = place::root().join("tests/python/log_in.py");
    let told = run(&place::python(), &script, &[up.issuer(), "office", &secret, ADMIN, PASSWORD]);
    let sub = up.native_login(ADMIN).await.subject();
    assert_eq!(told, json!({ "sub": sub, "infoSub": sub, "username": ADMIN, "rotated": true }));
}

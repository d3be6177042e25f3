//! Applications in other languages log users in with the libraries they already have.

use std::path::Path;
use std::process::Command;

use gatepass_e2e::up::{ADMIN, PASSWORD, path_text};
use gatepass_e2e::{Admin, Up, command, place, send};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::gatepass;

/// Where the applications are called back, on a port of their choice.
const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// Registers an application that authenticates with `method`; returns its secret, if it gets one.
pub(crate) async fn register(up: &Up, id: &str, method: &str) -> Option<String> {
    let body = json!({
        "client_id": id, "client_name": id, "token_endpoint_auth_method": method,
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT_URI], "post_logout_redirect_uris": [REDIRECT_URI],
        "scope": "orders:read",
    });
    let request = Admin::login(up).await.request(Method::POST, "/clients").json(&body);
    let answer = send(request).await.expect(201);
    answer.json()["client_secret"].as_str().map(str::to_owned)
}

/// Registers an application that signs with a key of its own, which it alone keeps; returns that as a JWK.
async fn register_with_key(up: &Up, id: &str, more: &str) -> String {
    let public = up.folder().join(format!("{id}.jwk"));
    let public = path_text(&public);
    let generate = ["jwk", "generate", "--alg", "ES256", "--public-out", public, "--json"];
    let made = command::run(&generate, &[]).await.json();
    let uris = format!("--redirect-uri {REDIRECT_URI} --post-logout-redirect-uri {REDIRECT_URI}");
    let add = format!("client add {id} --auth private_key_jwt --jwks {public} {uris}{more}");
    gatepass(up, &add).await.worked();
    made["private"].to_string()
}

/// Copies scripts to where Node finds its packages and modules: beside them.
pub(crate) fn copy_scripts(files: &[&str]) {
    for file in files {
        std::fs::copy(place::root().join("tests/node").join(file), place::node().join(file)).unwrap();
    }
}

pub(crate) fn run(interpreter: &Path, script: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(interpreter).arg(script).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {}: {error}", interpreter.display()));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}\n{complaint}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_logs_in_refreshes_and_logs_out() {
    let up = Up::start().await;
    register(&up, "native", "none").await;
    let secret = register(&up, "office", "client_secret_basic").await.unwrap();
    let shared = register(&up, "safe", "client_secret_jwt").await.unwrap();
    let key = register_with_key(&up, "vault", " --require-pushed").await;
    copy_scripts(&["browser.mjs", "log_in.mjs"]);
    let arguments =
        [up.issuer(), ADMIN, PASSWORD, "native", "office", &secret, "safe", &shared, "vault", &key];
    let told = run(Path::new("node"), &place::node().join("log_in.mjs"), &arguments);
    let sub = up.native_login(ADMIN).await.subject();
    for client in ["public", "basic", "post", "secretJwt", "privateKeyJwt", "signed"] {
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
async fn npm_oauth4webapi_logs_in_refreshes_and_revokes() {
    let up = Up::start().await;
    register(&up, "native", "none").await;
    copy_scripts(&["browser.mjs", "web_api.mjs"]);
    let arguments = [up.issuer(), ADMIN, PASSWORD, "native"];
    let told = run(Path::new("node"), &place::node().join("web_api.mjs"), &arguments);
    let want = json!({
        "sub": up.native_login(ADMIN).await.subject(), "username": ADMIN, "rotated": true,
        "scope": "offline_access openid profile", "replay": "invalid_grant", "afterRevocation": "invalid_grant",
    });
    assert_eq!(told, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_registers_itself() {
    let up = Up::start().await;
    let made = gatepass(&up, "client registration-token --scope orders:read --machines").await.json();
    // Node looks for packages beside the script.
    let script = place::node().join("register.mjs");
    std::fs::copy(place::root().join("tests/node/register.mjs"), &script).unwrap();
    let told = run(Path::new("node"), &script, &[up.issuer(), made["token"].as_str().unwrap()]);
    let want = json!({
        "hasSecret": true, "scope": "orders:read", "shown": true, "removed": 204,
        "afterwards": 401, "usedUp": 401, "guessed": 401,
    });
    assert_eq!(told, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn authlib_logs_in_and_refreshes() {
    let up = Up::start().await;
    let secret = register(&up, "office", "client_secret_basic").await.unwrap();
    let shared = register(&up, "safe", "client_secret_jwt").await.unwrap();
    let key = register_with_key(&up, "vault", "").await;
    let script = place::root().join("tests/python/log_in.py");
    let sub = up.native_login(ADMIN).await.subject();
    for (client, method, secret) in [
        ("office", "client_secret_basic", &secret),
        ("safe", "client_secret_jwt", &shared),
        ("vault", "private_key_jwt", &key),
    ] {
        let told = run(&place::python(), &script, &[up.issuer(), client, method, secret, ADMIN, PASSWORD]);
        let want = json!({ "sub": sub, "infoSub": sub, "username": ADMIN, "rotated": true });
        assert_eq!(told, want, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_oauthlib_logs_in_and_refreshes() {
    let up = Up::start().await;
    let secret = register(&up, "office", "client_secret_basic").await.unwrap();
    let script = place::root().join("tests/python/log_in_requests.py");
    let sub = up.native_login(ADMIN).await.subject();
    let told = run(&place::python(), &script, &[up.issuer(), "office", &secret, ADMIN, PASSWORD]);
    let want = json!({
        "sub": sub, "nonce": "n-0", "infoSub": sub, "username": ADMIN, "rotated": true, "replay": "invalid_grant",
    });
    assert_eq!(told, want);
}

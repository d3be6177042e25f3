//! Clients are told things in their own form, and read it with libraries that others wrote.

use std::path::Path;

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Up, place};
use serde_json::{Value, json};

use super::cli::gatepass;
use super::log_in::{copy_scripts, run};

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_reads_what_is_signed_for_it() {
    let up = Up::start().await;
    let made = gatepass(&up, "client registration-token --uses 9 --scope orders:read").await.json();
    copy_scripts(&["browser.mjs", "formats.mjs"]);
    let arguments = [up.issuer(), made["token"].as_str().unwrap(), ADMIN, PASSWORD];
    let told = run(Path::new("node"), &place::node().join("formats.mjs"), &arguments);
    let told = |form: &str| -> Value {
        assert!(told[form].is_object(), "{told}");
        told[form].clone()
    };
    let sub = up.native_login(ADMIN).await.subject();
    let plain = json!({ "sub": sub, "username": ADMIN, "active": true, "introspectedSub": sub });
    assert_eq!(told("signed"), plain);
}

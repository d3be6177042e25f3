//! Tokens that are bound to a key, from the authorization server through a client of somebody else's to the gateway.

use std::path::Path;
use std::time::Duration;

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Alone, Up, http, jws, place, try_send, upstream, wait};
use serde_json::json;

use crate::gateway::FEED;
use crate::log_in::{copy_scripts, register, run};

/// A gateway that knows the URL which proofs must name.
async fn gateway(up: &Up, audience: &str) -> Alone {
    let (listen, admin, mirror) = (place::free_address(), place::free_address(), upstream::mirror().await);
    let text = format!(
        r#"
listen = "{listen}"
admin_listen = "{admin}"
public_url = "http://{listen}"

[dpop]
nonce_secret_file = "nonce.secret"

[[issuer]]
url = "{issuer}"
audience = ["{audience}"]
{FEED}

[[upstream]]
name = "mirror"
servers = ["http://{mirror}"]

[[route]]
path = "/orders"
upstream = "mirror"
require = {{ scope = ["orders:read"] }}
"#,
        issuer = up.issuer(),
    );
    // 32 bytes in base64url.
    std::fs::write(up.folder().join("nonce.secret"), "gatepassgatepassgatepassgatepassgatepassgas").unwrap();
    let gateway = Alone::start("gateway", up.folder(), listen, &text).await;
    let (client, ready) = (http::client(), format!("http://{admin}/readyz"));
    wait::until("the gateway to be ready", Duration::from_secs(20), async || {
        try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
    })
    .await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_binds_what_it_gets_to_a_key() {
    let up = Up::start().await;
    register(&up, "native", "none").await;
    let session = up.native_login(ADMIN).await;
    let gateway = gateway(&up, &jws::audience(&session.access_token)).await;
    copy_scripts(&["browser.mjs", "dpop.mjs"]);
    // The gateway of `gatepass up` asks for no nonce.
    let (api, other) = (gateway.url("/orders"), format!("{}/api/whoami", up.gateway()));
    let arguments = [up.issuer(), ADMIN, PASSWORD, "native", &api, &other];
    let told = run(Path::new("node"), &place::node().join("dpop.mjs"), &arguments);
    let want = json!({
        "tokenTypes": ["dpop", "dpop"], "rotated": true, "sub": session.subject(), "api": 200, "others": [200],
        "stolenAccessToken": "invalid_token", "asBearer": "invalid_token",
        "stolenRefreshToken": "invalid_grant", "refreshWithoutProof": "invalid_grant", "afterwards": "dpop",
    });
    assert_eq!(told, want);
}

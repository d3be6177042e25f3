//! A gateway that trusts two authorization servers that others wrote (npm oidc-provider), and a client of somebody else's
//! (npm openid-client) that comes with their tokens: opaque ones, about which the gateway asks, and JWTs that do not keep to
//! RFC 9068.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::{Alone, http, place, send, try_send, upstream, wait};
use serde_json::json;

use crate::log_in::{copy_scripts, run};

const SECRET: &str = "a secret & more";
const API: &str = "https://api.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_takes_opaque_tokens_and_foreign_jwts_of_issuers_that_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let [opaque, jwt, listen, admin] = std::array::from_fn(|_| place::free_address());
    copy_scripts(&["issuers.mjs", "service.mjs"]);
    let mut command = Command::new("node");
    command.arg(place::node().join("issuers.mjs"));
    command.args([&opaque.port().to_string(), &jwt.port().to_string(), SECRET, API]);
    let mut issuers = Process::start("npm oidc-provider", &mut command, &folder.path().join("issuers.log"));
    wait::until("npm oidc-provider to listen", Duration::from_secs(60), async || {
        if let Some(status) = issuers.ended() {
            panic!("npm oidc-provider ended with {status}:\n{}", issuers.log());
        }
        issuers.log().contains("listening").then_some(())
    })
    .await;

    std::fs::write(folder.path().join("gateway.secret"), SECRET).unwrap();
    let text = format!(
        r#"
listen = "{listen}"
admin_listen = "{admin}"
public_url = "http://{listen}"

[[issuer]]
url = "http://{opaque}"
audience = ["{API}"]
tokens = "opaque"
revocation = "introspect"
introspection = {{ client_id = "gateway", client_secret_file = "gateway.secret" }}

[[issuer]]
url = "http://{jwt}"
audience = ["{API}"]
tokens = "jwt"
revocation = "none"

[[upstream]]
name = "mirror"
servers = ["http://{mirror}"]

[[route]]
path = "/orders"
upstream = "mirror"
require = {{ scope = ["orders:read"] }}
forward = {{ sub = "X-User-Id" }}
"#,
        mirror = upstream::mirror().await
    );
    let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
    let (client, ready) = (http::client(), format!("http://{admin}/readyz"));
    wait::until("the gateway to be ready", Duration::from_secs(20), async || {
        try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
    })
    .await;

    let arguments = [
        format!("http://{opaque}"),
        format!("http://{jwt}"),
        SECRET.into(),
        API.into(),
        gateway.url("/orders"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = run(Path::new("node"), &place::node().join("service.mjs"), &arguments);
    let (passed, refused) = (json!([200, ["service"]]), json!([401, "invalid_token"]));
    let want = json!({
        "isOpaque": [true, false], "opaque": passed, "jwt": passed, "bound": passed, "stolen": refused,
        "asBearer": refused, "madeUp": refused, "revoked": refused,
    });
    assert_eq!(told, want, "{}", gateway.process.log());

    issuers.kill();
    let request =
        client.get(gateway.url("/orders")).header("authorization", "Bearer another-that-nobody-knows");
    send(request).await.expect_problem(503, "verification-unavailable");
}

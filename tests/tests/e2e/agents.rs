//! Agents that nobody here wrote or has registered: each knows the URL of an API behind the gateway, and finds its way in by
//! what it is told there (RFC 9728, RFC 8414, Client ID Metadata Documents, RFC 8707).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, certificate, http, place, send, try_send, upstream, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::log_in::{copy_scripts, run};
use crate::serve::Serve;

/// An authorization server, and a gateway in front of two APIs, of which one is for MCP.
struct Scene {
    serve: Serve,
    gateway: Alone,
    _folder: TempDir,
}

impl Scene {
    /// Agents publish what they are at `origin`. `mcp` is the service for MCP.
    async fn start(environment: &[(&str, &str)], origin: &str, mcp: SocketAddr) -> Self {
        let [listen, admin_listen] = [(); 2].map(|()| place::free_address());
        let (orders, tools) = (format!("http://{listen}/orders"), format!("http://{listen}/mcp"));
        let options = format!(
            r#"
[[resource_server]]
audience = "{orders}"

[[resource_server]]
audience = "{tools}"

[client_documents]
scope = ["orders:read", "tools:use"]
audience = ["{orders}", "{tools}"]
private_origins = ["{origin}"]
"#
        );
        let lines = ["role set clerk orders:read tools:use", "user roles ada clerk"];
        let serve = Serve::start_with(environment, &lines, &options).await;
        let text = format!(
            r#"
listen = "{listen}"
admin_listen = "{admin_listen}"
public_url = "http://{listen}"

[[issuer]]
url = "{issuer}"
audience = ["{orders}", "{tools}"]
revocation = "feed"
on_stale = {{ after = "30s", then = "deny" }}

[[resource]]
url = "{orders}"
audience = ["{orders}"]

[[resource]]
url = "{tools}"
audience = ["{tools}"]

[[upstream]]
name = "mirror"
servers = ["http://{mirror}"]

[[upstream]]
name = "tools"
servers = ["http://{mcp}"]

[[route]]
path = "/orders"
upstream = "mirror"
require = {{ scope = ["orders:read"] }}
forward = {{ sub = "X-User-Id", client_id = "X-Client" }}

[[route]]
path = "/mcp"
upstream = "tools"
token = "strip"
require = {{ scope = ["tools:use"] }}
forward = {{ sub = "X-User-Id" }}
"#,
            issuer = serve.server.url(""),
            mirror = upstream::mirror().await,
        );
        let folder = tempfile::tempdir().unwrap();
        let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
        let (client, ready) = (http::client(), format!("http://{admin_listen}/readyz"));
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Self { serve, gateway, _folder: folder }
    }

    async fn user(&self) -> String {
        self.serve.native_login().await.subject()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_knows_an_apis_url_finds_its_way_in() {
    let own = place::free_address();
    let scene = Scene::start(&[], &format!("http://{own}"), upstream::mirror().await).await;
    let (api, other) = (scene.gateway.url("/orders"), scene.gateway.url("/mcp"));
    copy_scripts(&["browser.mjs", "agent.mjs"]);
    let arguments = [&*api, &other, "ada", PASSWORD, &own.port().to_string()];
    let told = run(Path::new("node"), &place::node().join("agent.mjs"), &arguments);
    let user = scene.user().await;
    for client in ["public", "signing"] {
        let told = &told[client];
        let want = json!({
            "scheme": "bearer", "found": true, "resource": api, "issuer": scene.serve.server.url(""),
            "scope": "orders:read", "elsewhere": 401,
        });
        for (name, value) in want.as_object().unwrap() {
            assert_eq!(&told[name], value, "{client} {name}: {told}");
        }
        let headers = &told["served"]["headers"];
        let who = (&headers["x-user-id"], &headers["x-client"]);
        assert_eq!(who, (&json!([user]), &json!([format!("http://{own}/{client}")])), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mcp_client_that_knows_a_servers_url_finds_its_way_in() {
    let (folder, own, service) = (tempfile::tempdir().unwrap(), place::free_address(), place::free_address());
    copy_scripts(&["browser.mjs", "mcp_client.mjs", "mcp_server.mjs"]);
    let mut command = Command::new("node");
    command.arg(place::node().join("mcp_server.mjs")).arg(service.port().to_string());
    let mut server = Process::start("the MCP server", &mut command, &folder.path().join("mcp.log"));
    wait::until("the MCP server to listen", Duration::from_secs(60), async || {
        if let Some(status) = server.ended() {
            panic!("the MCP server ended with {status}:\n{}", server.log());
        }
        server.log().contains("listening").then_some(())
    })
    .await;
    // The SDK takes `https` alone for an agent's own address, which this authorization server is made to believe.
    let certificate = certificate::self_signed(folder.path(), "localhost");
    let origin = format!("https://localhost:{}", own.port());
    let trusting = [("SSL_CERT_FILE", path_text(&certificate))];
    let scene = Scene::start(&trusting, &origin, service).await;
    let (tools, document) = (scene.gateway.url("/mcp"), format!("{origin}/agent.json"));
    let key = folder.path().join("server.key");
    let port = own.port().to_string();
    let arguments = [&*tools, "ada", PASSWORD, &document, &port, path_text(&certificate), path_text(&key)];
    let told: Value = run(Path::new("node"), &place::node().join("mcp_client.mjs"), &arguments);
    let want = json!({
        "client": document, "resource": tools, "scope": "tools:use", "tools": ["whoami"],
        "whoami": { "user": scene.user().await, "authorization": null },
    });
    assert_eq!(told, want, "{told}");
    let open = send(http::client().post(scene.gateway.url("/mcp"))).await;
    assert_eq!(open.status, 401, "{}", open.shown());
}

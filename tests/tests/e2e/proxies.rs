//! Proxies that others wrote ask the gateway before they serve, each with its configuration of `examples/proxies` as it
//! stands there, but for the addresses.

mod scene;

use std::fs;
use std::process::Command;

use gatepass_e2e::place;
use gatepass_e2e::up::path_text;

use self::scene::{GATEWAY, GATEWAY_GRPC, PROXY, SERVICE, Scene, example};

#[tokio::test]
async fn nginx_asks_with_auth_request() {
    let scene = Scene::start().await;
    // Where Debian's build looks for these is nobody's to write to but root's.
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {};\n", scene.path(kind).display()));
    let text = scene.filled("nginx/nginx.conf", &[PROXY, GATEWAY, SERVICE]);
    let text = text.replacen("http {\n", &format!("http {{\n{}", temporary.concat()), 1);
    fs::write(scene.path("nginx.conf"), text).unwrap();
    let mut command = Command::new(place::nginx());
    command.args(["-p", path_text(&scene.path("")), "-c", "nginx.conf", "-e", "stderr"]);
    command.args(["-g", "daemon off; master_process off; pid nginx.pid;"]);
    scene.examine("nginx", command).await;
}

#[tokio::test]
async fn haproxy_asks_with_its_lua() {
    let scene = Scene::start().await;
    fs::write(scene.path("haproxy.cfg"), scene.filled("haproxy/haproxy.cfg", &[PROXY, GATEWAY, SERVICE]))
        .unwrap();
    fs::copy(example("haproxy/gatepass.lua"), scene.path("gatepass.lua")).unwrap();
    let mut command = Command::new(place::haproxy());
    command.args(["-db", "-f", "haproxy.cfg"]);
    scene.examine("haproxy", command).await;
}

#[tokio::test]
async fn caddy_asks_with_forward_auth() {
    let scene = Scene::start().await;
    let text = scene.filled("caddy/Caddyfile", &[PROXY, GATEWAY, SERVICE]);
    let admin = place::free_address().to_string();
    fs::write(scene.path("Caddyfile"), text.replace("localhost:2019", &admin)).unwrap();
    let mut command = Command::new(place::caddy());
    command.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(variable, scene.path(""));
    }
    scene.examine("caddy", command).await;
}

#[tokio::test]
async fn envoy_asks_over_grpc() {
    envoy("envoy/grpc.yaml", GATEWAY_GRPC).await;
}

#[tokio::test]
async fn envoy_asks_over_http() {
    envoy("envoy/http.yaml", GATEWAY).await;
}

async fn envoy(file: &str, gateway: u16) {
    let scene = Scene::start().await;
    fs::write(scene.path("envoy.yaml"), scene.filled(file, &[PROXY, gateway, SERVICE])).unwrap();
    let mut command = Command::new(place::envoy());
    command.args([
        "-c",
        "envoy.yaml",
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]);
    scene.examine("envoy", command).await;
}

/// No registry has Traefik's program, so that only the words can be held together.
#[test]
fn traefiks_example_speaks_of_the_same_endpoint_and_fields() {
    let [gateway, traefik] =
        ["gateway.toml", "traefik/dynamic.yml"].map(|file| fs::read_to_string(example(file)).unwrap());
    assert!(traefik.contains(&format!("http://127.0.0.1:{GATEWAY}/auth/verify\"")));
    assert!(gateway.contains(&format!("\"127.0.0.1:{GATEWAY}\"")));
    for field in ["X-User-Id", "X-User-Roles"] {
        assert!(gateway.contains(&format!("\"{field}\"")), "{field} is not forwarded");
        assert!(traefik.contains(&format!("- {field}\n")), "{field} is not copied");
    }
}

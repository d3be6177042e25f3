//! Other reverse proxies in front of the same backend: hyper alone, and those that are installed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use gatepass_bench::place::Place;
use gatepass_bench::program;
use serde_json::json;

use crate::gatepass::{first_success, free_address};
use crate::process::Process;

/// What every gateway is compared with.
pub(crate) const HYPER: &str = "bare hyper proxy";

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// Starts hyper's proxy, then each of the others that is there.
pub(crate) async fn start_all(dir: &Path, upstream: SocketAddr) -> Result<Vec<Proxy>> {
    let address = free_address()?;
    let mut command = Command::new(program::build("gatepass-bench", "peer")?);
    command.args(["proxy", &address.to_string(), &upstream.to_string()]);
    let mut proxies = vec![start(HYPER, command, address, dir).await?];
    let known: [(_, _, fn(SocketAddr, SocketAddr) -> String); 3] =
        [("HAProxy", "haproxy", haproxy), ("nginx", "nginx", nginx), ("Envoy", "envoy", envoy)];
    for (name, program, configuration) in known {
        let Some(program) = installed(program) else {
            println!("  {name} is not installed and left out.");
            continue;
        };
        let address = free_address()?;
        let file = dir.join(format!("{name}.conf"));
        fs::write(&file, configuration(address, upstream))?;
        let mut command = Command::new(program);
        match name {
            "nginx" => command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]),
            "Envoy" => command.arg("-c").arg(&file).args([
                "--concurrency",
                "1",
                "-l",
                "error",
                "--disable-hot-restart",
            ]),
            _ => command.args(["-db", "-f"]).arg(&file),
        };
        proxies.push(start(name, command, address, dir).await?);
    }
    Ok(proxies)
}

async fn start(name: &'static str, mut command: Command, address: SocketAddr, dir: &Path) -> Result<Proxy> {
    let log = dir.join(format!("{name}.log"));
    let mut process = Process::start(&mut command, Place::Measured, &log)?;
    first_success(&mut process, address, "/", &log).await?;
    Ok(Proxy { name, process, address })
}

/// Where a program is, looked for where shells and system administrators look.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn haproxy(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         http-reuse always\nfrontend in\n  bind {listen}\n  default_backend out\nbackend out\n  server one {upstream}\n"
    )
}

/// JSON, which its YAML is as well. What it collects of itself stays on, as everywhere.
fn envoy(listen: SocketAddr, upstream: SocketAddr) -> String {
    let at = |address: SocketAddr| json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "generate_request_id": false,
            "route_config": { "virtual_hosts": [{
                "name": "all", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "out" } }],
            }] },
            "http_filters": [router],
        },
    });
    let cluster = json!({
        "name": "out", "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "out",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": at(upstream) } }] }],
        },
    });
    let listener = json!({ "address": at(listen), "filter_chains": [{ "filters": [manager] }] });
    json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } }).to_string()
}

/// One process, so that its CPU time is all there is.
fn nginx(listen: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  \
         scgi_temp_path scgi;\n  upstream out {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}\n  server {{\n    \
         listen {listen};\n    keepalive_requests 100000000;\n    location / {{\n      proxy_pass http://out;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}

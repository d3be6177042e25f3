//! Other reverse proxies in front of the same backend: hyper alone, and those that are installed. Those that can verify
//! tokens do so below [`GUARDED`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use gatepass_bench::place::Place;
use gatepass_bench::program;
use gatepass_jose::{Alg, JwkAlg, JwkSet};
use serde_json::{Value, json};

use crate::gatepass::{first_success, free_address};
use crate::process::Process;

/// What every gateway is compared with.
pub(crate) const HYPER: &str = "bare hyper proxy";
/// The path that a proxy lets nobody through to without a good token, where it can.
pub(crate) const GUARDED: &str = "/orders";

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) authenticates: bool,
}

/// What a proxy has to know to verify tokens.
pub(crate) struct Trust {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: Vec<u8>,
}

/// How a proxy that others wrote is started.
struct Known {
    name: &'static str,
    program: &'static str,
    authenticates: bool,
    /// Its configuration and, after the file's name, its arguments.
    configuration: fn(&Site<'_>) -> Result<String>,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

/// Where one of them stands.
struct Site<'s> {
    dir: &'s Path,
    listen: SocketAddr,
    upstream: SocketAddr,
    trust: &'s Trust,
}

const ENVOY: &[&str] = &["--concurrency", "1", "-l", "error", "--disable-hot-restart"];
const KNOWN: [Known; 4] = [
    Known {
        name: "HAProxy",
        program: "haproxy",
        authenticates: true,
        configuration: haproxy,
        before: &["-db", "-f"],
        after: &[],
    },
    Known {
        name: "nginx",
        program: "nginx",
        authenticates: false,
        configuration: nginx,
        before: &["-e", "stderr", "-c"],
        after: &[],
    },
    Known {
        name: "Envoy",
        program: "envoy",
        authenticates: true,
        configuration: |site| envoy(site, None),
        before: &["-c"],
        after: ENVOY,
    },
    Known {
        name: "Envoy with its cache",
        program: "envoy",
        authenticates: true,
        configuration: |site| envoy(site, Some(20_000)),
        before: &["-c"],
        after: ENVOY,
    },
];

/// Starts hyper's proxy, then each of the others that is there.
pub(crate) async fn start_all(dir: &Path, upstream: SocketAddr, trust: &Trust) -> Result<Vec<Proxy>> {
    let listen = free_address()?;
    let mut command = Command::new(program::build("gatepass-bench", "peer")?);
    command.args(["proxy", &listen.to_string(), &upstream.to_string()]);
    let mut proxies = vec![start(HYPER, command, listen, dir, false).await?];
    for known in KNOWN {
        let Some(program) = installed(known.program) else {
            println!("  {} is not installed and left out.", known.name);
            continue;
        };
        let site = Site { dir, listen: free_address()?, upstream, trust };
        let file = dir.join(format!("{}.conf", known.name.replace(' ', "-")));
        fs::write(&file, (known.configuration)(&site)?)?;
        let mut command = Command::new(program);
        command.current_dir(dir).args(known.before).arg(&file).args(known.after);
        proxies.push(start(known.name, command, site.listen, dir, known.authenticates).await?);
    }
    Ok(proxies)
}

async fn start(
    name: &'static str,
    mut command: Command,
    address: SocketAddr,
    dir: &Path,
    authenticates: bool,
) -> Result<Proxy> {
    let log = dir.join(format!("{}.log", name.replace(' ', "-")));
    let mut process = Process::start(&mut command, Place::Measured, &log)?;
    first_success(&mut process, address, "/", &log).await?;
    Ok(Proxy { name, process, address, authenticates })
}

/// Where a program is, looked for where shells and system administrators look.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Its own `jwt_verify` with the key that the token names; issuer, audience and times as its documentation says.
fn haproxy(site: &Site<'_>) -> Result<String> {
    let refuse = "http-request return status 401 hdr www-authenticate Bearer if guarded";
    let mut rules = format!(
        "  acl guarded path {GUARDED}\n  {refuse} !{{ req.hdr(authorization) -m found }}\n  \
         http-request set-var(txn.bearer) http_auth_bearer if guarded\n  \
         http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg') if guarded\n  \
         http-request set-var(txn.kid) var(txn.bearer),jwt_header_query('$.kid') if guarded\n"
    );
    let keys = keys_as_pem(site)?;
    let kids: Vec<_> = keys.iter().map(|(kid, ..)| kid.as_str()).collect();
    rules.push_str(&format!("  {refuse} !{{ var(txn.kid) -m str {} }}\n", kids.join(" ")));
    for (kid, alg, file) in &keys {
        let of_key = format!("{refuse} {{ var(txn.kid) -m str {kid} }}");
        rules.push_str(&format!(
            "  {of_key} !{{ var(txn.alg) -m str {alg} }}\n  \
             {of_key} !{{ var(txn.bearer),jwt_verify(txn.alg,\"{file}\") -m int 1 }}\n"
        ));
    }
    let (issuer, audiences) = (&site.trust.issuer, site.trust.audiences.join(" "));
    rules.push_str(&format!(
        "  http-request set-var(txn.now) date() if guarded\n  \
         {refuse} !{{ var(txn.bearer),jwt_payload_query('$.iss') -m str {issuer} }}\n  \
         {refuse} !{{ var(txn.bearer),jwt_payload_query('$.aud') -m str {audiences} }}\n  \
         {refuse} !{{ var(txn.bearer),jwt_payload_query('$.exp','int'),sub(txn.now) -m int gt 0 }}\n  \
         {refuse} {{ var(txn.bearer),jwt_payload_query('$.nbf','int'),sub(txn.now) -m int gt 0 }}\n  \
         http-request set-header X-User-Id %[var(txn.bearer),jwt_payload_query('$.sub')] if guarded\n"
    ));
    let (listen, upstream) = (site.listen, site.upstream);
    Ok(format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  \
         http-reuse always\nfrontend in\n  bind {listen}\n{rules}  default_backend out\nbackend out\n  server one {upstream}\n"
    ))
}

/// A file for each of the issuer's keys, with its name and algorithm.
fn keys_as_pem(site: &Site<'_>) -> Result<Vec<(String, Alg, String)>> {
    let mut files = Vec::new();
    for key in JwkSet::parse(&site.trust.keys)?.keys {
        let Some(JwkAlg::Signature(alg @ (Alg::RS256 | Alg::ES256))) = key.alg else { continue };
        let kid = key.kid.clone().context("a key without a name")?;
        let file = site.dir.join(format!("{kid}.pem"));
        fs::write(&file, key.to_spki_pem()?)?;
        files.push((kid, alg, file.to_str().context("a path that is no text")?.to_owned()));
    }
    Ok(files)
}

/// JSON, which its YAML is as well. What it collects of itself stays on, as everywhere.
fn envoy(site: &Site<'_>, cache: Option<usize>) -> Result<String> {
    let at = |address: SocketAddr| json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } });
    let mut provider = json!({
        "issuer": site.trust.issuer,
        "audiences": site.trust.audiences,
        "local_jwks": { "inline_string": std::str::from_utf8(&site.trust.keys)? },
        "forward": true,
        "claim_to_headers": [{ "header_name": "x-user-id", "claim_name": "sub" }],
    });
    if let (Some(size), Value::Object(provider)) = (cache, &mut provider) {
        provider.insert("jwt_cache_config".to_owned(), json!({ "jwt_cache_size": size }));
    }
    let filter = |name: &str, extension: &str, mut settings: Value| {
        settings["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{extension}").into();
        json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": settings })
    };
    let authentication = filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": { "bench": provider },
            "rules": [{ "match": { "path": GUARDED }, "requires": { "provider_name": "bench" } }],
        }),
    );
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "generate_request_id": false,
            "route_config": { "virtual_hosts": [{
                "name": "all", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "out" } }],
            }] },
            "http_filters": [authentication, filter("router", "router.v3.Router", json!({}))],
        },
    });
    let cluster = json!({
        "name": "out", "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "out",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": at(site.upstream) } }] }],
        },
    });
    let listener = json!({ "address": at(site.listen), "filter_chains": [{ "filters": [manager] }] });
    Ok(json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } }).to_string())
}

/// One process, so that its CPU time is all there is. Debian's build has nothing to verify tokens with.
fn nginx(site: &Site<'_>) -> Result<String> {
    let (dir, listen, upstream) = (site.dir.display(), site.listen, site.upstream);
    Ok(format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {dir}/body;\n  proxy_temp_path {dir}/proxy;\n  fastcgi_temp_path {dir}/fastcgi;\n  \
         uwsgi_temp_path {dir}/uwsgi;\n  scgi_temp_path {dir}/scgi;\n  \
         upstream out {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}\n  server {{\n    \
         listen {listen};\n    keepalive_requests 100000000;\n    location / {{\n      proxy_pass http://out;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    ))
}

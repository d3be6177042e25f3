//! TLS client certificates (RFC 8705): Caddy asks for them in front of the authorization server, and the gateway by itself.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::path_text;
use gatepass_e2e::{Alone, certificate, command, jws, place, upstream, wait};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::gateway::{FEED, File};
use crate::log_in::run;
use crate::serve::file;

fn pem(kind: &str, der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    format!("-----BEGIN {kind}-----\n{base64}\n-----END {kind}-----\n")
}

/// Leaves an authority's certificate in `clients.pem`, and those of two clients with their keys in `own.pem` and `other.pem`.
pub(crate) fn certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("clients.pem"), pem("CERTIFICATE", authority.der())).unwrap();
    for name in ["own", "other"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("{name}.internal")]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let text = pem("CERTIFICATE", certificate.der()) + &pem("PRIVATE KEY", &key.serialize_der());
        fs::write(folder.join(format!("{name}.pem")), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_requests_gets_a_token_that_the_gateway_takes_with_its_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    certificates(folder.path());
    certificate::self_signed(folder.path(), "localhost");
    let (address, proxy) = (place::free_address(), place::free_address());
    let mtls = format!("https://localhost:{}", proxy.port());
    let text = file(
        address,
        &format!(
            "\n[client_certificates]\nproxies = [\"127.0.0.1\"]\nca_file = \"clients.pem\"\nurl = \"{mtls}\"\n"
        ),
    );
    fs::write(path("first.toml"), &text).unwrap();
    let add = "client add batch --scope orders:read --auth tls_client_auth \
               --certificate-name san_dns=own.internal --certificate-bound";
    let words: Vec<&str> = add.split_whitespace().collect();
    command::run(&words, &["--config", path_text(&path("first.toml"))]).await.worked();
    let _server = Alone::start("serve", folder.path(), address, &text).await;
    let _caddy = caddy(folder.path(), &proxy.port().to_string(), &address.to_string()).await;

    let issuer = format!("http://{address}");
    let mirror = upstream::mirror().await;
    let routes = "[[route]]\npath = \"/orders\"\nupstream = \"mirror\"\n\n\
                  [tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n";
    let gateway = File::new(&issuer, "https://api.example", FEED, mirror).start(folder.path(), routes).await;

    let script = place::root().join("tests/python/certificate.py");
    let arguments = [
        format!("{mtls}/oauth/token"),
        format!("https://localhost:{}/orders", gateway.address.port()),
        "batch".to_owned(),
        path_text(&path("own.pem")).to_owned(),
        path_text(&path("other.pem")).to_owned(),
        path_text(&path("server.pem")).to_owned(),
    ];
    let saw = tokio::task::spawn_blocking(move || {
        run(&place::python(), &script, &arguments.each_ref().map(String::as_str))
    });
    let saw = saw.await.unwrap();
    let claims = jws::claims(saw["tokens"]["access_token"].as_str().unwrap());
    assert_eq!(claims["sub"], "batch");
    assert!(claims["cnf"]["x5t#S256"].is_string(), "{claims}");
    assert_eq!(saw["other"], json!([401, "invalid_client"]));
    assert_eq!(saw["without"], 401);
    assert_eq!(saw["api"], json!([200, 401, 401]));
}

/// A Caddy that asks for certificates and reports whichever is shown.
async fn caddy(folder: &Path, port: &str, upstream: &str) -> Process {
    let text = format!(
        "{{\n\tadmin off\n\tauto_https off\n}}\n\
         https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls server.pem server.key {{\n\
         \t\tclient_auth {{\n\t\t\tmode request\n\t\t}}\n\t}}\n\
         \treverse_proxy {upstream} {{\n\
         \t\theader_up Client-Cert \":{{http.request.tls.client.certificate_der_base64}}:\"\n\
         \t\theader_up -Client-Cert-Chain\n\t}}\n}}\n"
    );
    fs::write(folder.join("Caddyfile"), text).unwrap();
    let mut command = Command::new(place::caddy());
    command.current_dir(folder).args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env(variable, folder);
    }
    let mut process = Process::start("caddy", &mut command, &folder.join("caddy.log"));
    wait::until("caddy to listen", Duration::from_secs(30), async || {
        if let Some(status) = process.ended() {
            panic!("caddy ended with {status}:\n{}", process.log());
        }
        tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.ok()
    })
    .await;
    process
}

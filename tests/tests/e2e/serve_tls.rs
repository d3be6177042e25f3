//! `gatepass serve` with TLS of its own, and with a listener that asks clients for certificates.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepass_e2e::up::path_text;
use gatepass_e2e::{Alone, alone, certificate, command, jws, place, wait};
use reqwest::{Certificate, Client};
use serde_json::json;
use tempfile::TempDir;

use crate::certificates::certificates;
use crate::log_in::{copy_scripts, run};
use crate::serve;

const LIMIT: Duration = Duration::from_secs(30);

/// Two addresses of this machine, and a folder with a certificate for it.
struct Site {
    folder: TempDir,
    main: SocketAddr,
    mtls: SocketAddr,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        certificate::self_signed(folder.path(), "localhost");
        Self { folder, main: place::free_address(), mtls: place::free_address() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(address: SocketAddr) -> String {
        format!("https://localhost:{}", address.port())
    }

    /// The configuration, with an issuer that begins with `scheme`.
    fn file(&self, scheme: &str, certificates: &str) -> String {
        let tls = "\n[tls]\ncertificate_file = \"server.pem\"\nkey_file = \"server.key\"\n";
        let text = serve::file(self.main, &format!("{tls}\n{certificates}"));
        let (main, port) = (self.main, self.main.port());
        text.replace(&format!("issuer = \"http://{main}"), &format!("issuer = \"{scheme}://localhost:{port}"))
    }

    async fn start(&self) -> Alone {
        let listen = self.mtls;
        let certificates =
            format!("[client_certificates]\nlisten = \"{listen}\"\nca_file = \"clients.pem\"\n");
        let text = self.file("https", &certificates);
        fs::write(self.path("first.toml"), &text).unwrap();
        let add = format!(
            "client add batch --scope gatepass:admin --audience {} --auth tls_client_auth \
             --certificate-name san_dns=own.internal --certificate-bound",
            Self::url(self.main)
        );
        self.command(&add).await.worked();
        Alone::start("serve", self.folder.path(), self.main, &text).await
    }

    async fn command(&self, line: &str) -> command::Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        command::run(&words, &["--config", path_text(&self.path("first.toml"))]).await
    }

    /// A client that trusts the certificate that is in the folder now, and no other.
    fn client(&self) -> Client {
        trusting(&[&self.path("server.pem")])
    }
}

fn trusting(files: &[&Path]) -> Client {
    let certificates = files.iter().map(|file| Certificate::from_pem(&fs::read(file).unwrap()).unwrap());
    Client::builder().tls_certs_only(certificates).no_proxy().timeout(LIMIT).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_with_certificates_reach_the_server_without_a_proxy() {
    let site = Site::new();
    let server = site.start().await;
    let (main, mtls) = (Site::url(site.main), Site::url(site.mtls));
    let metadata = site.client().get(format!("{main}/.well-known/oauth-authorization-server"));
    let metadata: serde_json::Value = gatepass_e2e::send(metadata).await.expect(200).json();
    assert_eq!(metadata["mtls_endpoint_aliases"]["token_endpoint"], format!("{mtls}/oauth/token"));
    let log = server.process.log();
    assert!(log.contains(&format!("listens on https://{}", site.main)), "{log}");
    assert!(log.contains(&format!("come in at https://{}", site.mtls)), "{log}");

    let arguments = [
        format!("{mtls}/oauth/token"),
        format!("{mtls}/admin/v1/roles"),
        "batch".to_owned(),
        path_text(&site.path("own.pem")).to_owned(),
        path_text(&site.path("other.pem")).to_owned(),
        path_text(&site.path("server.pem")).to_owned(),
    ];
    let script = place::root().join("tests/python/certificate.py");
    let python = tokio::task::spawn_blocking(move || {
        run(&place::python(), &script, &arguments.each_ref().map(String::as_str))
    });
    let saw = python.await.unwrap();
    assert!(jws::claims(saw["tokens"]["access_token"].as_str().unwrap())["cnf"]["x5t#S256"].is_string());
    assert_eq!(saw["other"], json!([401, "invalid_client"]));
    assert_eq!(saw["without"], 401);
    assert_eq!(saw["api"], json!([200, 401, 401]));

    copy_scripts(&["certificate.mjs"]);
    let [own, certificate] = ["own.pem", "server.pem"].map(|name| site.path(name));
    let node = tokio::task::spawn_blocking(move || {
        let script = place::node().join("certificate.mjs");
        run(Path::new("node"), &script, &[&main, "batch", path_text(&own), path_text(&certificate)])
    });
    let saw = node.await.unwrap();
    let [main, mtls] = [site.main, site.mtls].map(|address| address.port().to_string());
    assert_eq!(saw["ports"], json!([main, mtls, mtls]), "{saw}");
    assert_eq!((&saw["active"], &saw["bound"]), (&json!(true), &json!("string")), "{saw}");

    // curl, and the same without a certificate or on the address where nobody is asked for one.
    for (address, own, want) in
        [(site.mtls, true, "200"), (site.mtls, false, "401"), (site.main, true, "401")]
    {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"]);
        curl.arg(site.path("server.pem")).args(["-d", "grant_type=client_credentials&client_id=batch"]);
        if own {
            curl.arg("--cert").arg(site.path("own.pem")).arg("--key").arg(site.path("own.pem"));
        }
        let output = curl.arg(format!("{}/oauth/token", Site::url(address))).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_under_load_and_no_request_fails() {
    let site = Site::new();
    let mut server = site.start().await;
    let url = format!("{}/livez", Site::url(site.main));
    fs::copy(site.path("server.pem"), site.path("old.pem")).unwrap();
    let next = tempfile::tempdir().unwrap();
    certificate::self_signed(next.path(), "localhost");
    let both = [site.path("old.pem"), next.path().join("server.pem")];

    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = |is_kept: bool| {
        let (stop, served, url, both) = (stop.clone(), served.clone(), url.clone(), both.clone());
        tokio::spawn(async move {
            let new = || trusting(&both.each_ref().map(PathBuf::as_path));
            let mut client = new();
            while !stop.load(Ordering::Relaxed) {
                if !is_kept {
                    client = new();
                }
                let answer = client.get(&url).send().await.expect("a request failed");
                assert_eq!(answer.status(), 200);
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let running = [load(true), load(false), load(false)];
    let some_more = async || {
        let before = served.load(Ordering::Relaxed);
        wait::until("requests to go on", LIMIT, async || {
            (served.load(Ordering::Relaxed) >= before + 20).then_some(())
        })
        .await;
    };
    some_more().await;
    for name in ["server.key", "server.pem"] {
        fs::copy(next.path().join(name), site.path(name)).unwrap();
        server.process.signal("HUP");
    }
    wait::until("the new certificate to be shown", LIMIT, async || {
        site.client().get(&url).send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    some_more().await;
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await.unwrap();
    }
    assert!(trusting(&[&site.path("old.pem")]).get(&url).send().await.is_err(), "the old one is shown still");
    // The command line knows the server by the certificate of now, which nobody on this machine vouches for.
    wait::until("the command line to know the new certificate", LIMIT, async || {
        let data = fs::read_to_string(site.path("data/server.json")).unwrap();
        let pem = fs::read_to_string(site.path("server.pem")).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64_simd::STANDARD.decode_to_vec(base64).unwrap();
        data.contains(&jws::encode(&der)).then_some(())
    })
    .await;
    let listed = site.command("client list --json").await.json();
    assert!(listed.to_string().contains("batch"), "{listed}");
    server.process.stop("TERM").await;
}

#[tokio::test]
async fn what_cannot_be_served_over_tls_does_not_start() {
    let site = Site::new();
    let (main, mtls) = (site.main, site.mtls);
    let listen = format!("[client_certificates]\nlisten = \"{mtls}\"\n");
    let whole = site.file("https", &listen);
    let cases = [
        ("a plain issuer", site.file("http", ""), "`issuer` is an https URL"),
        ("no certificate", whole.replace("server.pem", "nowhere.pem"), "nowhere.pem cannot be read"),
        ("another key", whole.replace("server.key", "own.pem"), "is not the key of the certificate"),
        ("one address for both", whole.replace(&mtls.to_string(), &main.to_string()), "another address than"),
        (
            "certificates without TLS",
            serve::file(main, &listen),
            "`client_certificates.listen` needs `[tls]`",
        ),
        ("nobody to ask", site.file("https", "[client_certificates]\n"), "or `proxies` names who"),
    ];
    for (name, text, want) in cases {
        let said = alone::refusal("serve", site.folder.path(), &text).await;
        assert!(said.contains(want), "{name}: {said}");
    }
}

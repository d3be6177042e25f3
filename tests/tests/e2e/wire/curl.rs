//! What curl, which others wrote, gets through the gateway.

use std::fs;
use std::process::Command;

use gatepass_e2e::up::path_text;
use gatepass_e2e::{certificate, send};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Arrivals, Wire, large, sha256};

/// What curl was told, and how it took it.
struct Told {
    worked: bool,
    /// Bodies, in the order in which they came.
    body: Vec<u8>,
    /// What `--write-out` says of each transfer: see [`FACTS`].
    facts: Vec<Value>,
}

const FACTS: &str = "%{stderr}{\"status\":\"%{response_code}\",\"version\":\"%{http_version}\",\
    \"connects\":%{num_connects},\"uploaded\":%{size_upload}}\n";

impl Told {
    /// Of each transfer, in order: status and version.
    fn statuses(&self) -> Vec<(&str, &str)> {
        self.facts
            .iter()
            .map(|facts| (facts["status"].as_str().unwrap(), facts["version"].as_str().unwrap()))
            .collect()
    }

    /// And how many connections it took.
    fn connects(&self) -> Vec<u64> {
        self.facts.iter().map(|facts| facts["connects"].as_u64().unwrap()).collect()
    }
}

async fn curl(arguments: &[&str]) -> Told {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "60", "--noproxy", "*", "--write-out", FACTS]).args(arguments);
    // On a thread of its own: the test's own servers go on meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("curl");
    let said = String::from_utf8(output.stderr).unwrap();
    let facts = said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}")));
    Told { worked: output.status.success(), body: output.stdout, facts: facts.collect() }
}

#[tokio::test]
async fn a_large_upload_arrives_whole_however_it_is_sent() {
    let (_, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let file = wire.folder.path().join("upload");
    fs::write(&file, large()).unwrap();
    let data = format!("@{}", path_text(&file));
    let url = wire.gateway.url("/upload");
    // Unless it is told otherwise, curl says `Expect: 100-continue` and waits when it has so much to send.
    for (version, framing) in [
        ("--http1.1", "accept: */*"),
        ("--http1.1", "transfer-encoding: chunked"),
        ("--http1.1", "expect:"),
        ("--http2-prior-knowledge", "accept: */*"),
    ] {
        let told = curl(&[version, "--header", framing, "--data-binary", &data, &url]).await;
        let expected = if version == "--http1.1" { "1.1" } else { "2" };
        assert_eq!((told.worked, told.statuses()), (true, vec![("200", expected)]), "{version} {framing}");
        let seen: Value = serde_json::from_slice(&told.body).unwrap();
        let sent = json!({ "method": "POST", "length": large().len(), "sha256": sha256(&large()) });
        assert_eq!(seen, sent, "{version} {framing}");
    }
}

#[tokio::test]
async fn an_upload_over_the_limit_hears_so_before_it_is_over() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "[limits]\nbody_bytes = 1_000_000\n").await;
    let file = wire.folder.path().join("upload");
    fs::write(&file, large()).unwrap();
    let data = format!("@{}", path_text(&file));
    let url = wire.gateway.url("/upload");
    for framing in ["accept: */*", "expect:", "transfer-encoding: chunked"] {
        let told = curl(&["--header", framing, "--data-binary", &data, &url]).await;
        let (status, body) = (told.statuses()[0].0, String::from_utf8_lossy(&told.body));
        assert_eq!(status, "413", "{framing}: {body}");
        assert!(body.contains("body-too-large"), "{framing}: {body}");
        let uploaded = told.facts[0]["uploaded"].as_u64().unwrap();
        assert!(uploaded < large().len() as u64, "{framing}: all of it was sent");
    }
    // Not every curl takes a response over HTTP/2 that ends before its request (RFC 9113 section 8.1).
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    send(client.post(&url).body(large())).await.expect_problem(413, "body-too-large");
    assert_eq!(arrivals.whole(), [""; 0], "no half of an upload passes for one");
}

#[tokio::test]
async fn downloads_arrive_whole_and_parts_are_parts() {
    let (_, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let url = wire.gateway.url("/large");
    let whole = large();
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        // Slower than the service writes, so that all between the two fills up.
        let told = curl(&[version, "--limit-rate", "10M", &url]).await;
        assert!(told.worked && told.body == whole, "{version}: {} bytes", told.body.len());
        let told = curl(&[version, "--range", "1000-2999", &url]).await;
        assert!(told.worked && told.body == whole[1000..3000], "{version}: {:?}", told.facts);
        assert_eq!(told.statuses()[0].0, "206");
        let told = curl(&[version, "--head", &url]).await;
        let head = String::from_utf8(told.body).unwrap();
        assert!(told.worked && head.contains(&format!("content-length: {}\r\n", whole.len())), "{head}");
    }
}

#[tokio::test]
async fn one_connection_serves_request_after_request() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let [first, second] = ["/first", "/second"].map(|path| wire.gateway.url(path));
    let told = curl(&["--data", "body", &first, &second]).await;
    assert_eq!((told.worked, told.connects()), (true, vec![1, 0]), "{:?}", told.facts);
    assert_eq!(arrivals.whole(), ["POST /first", "POST /second"]);
}

#[tokio::test]
async fn http_2_is_agreed_on_within_tls() {
    let (_, service) = Arrivals::start().await;
    let folder = tempfile::tempdir().unwrap();
    let certificate = certificate::self_signed(folder.path(), "gateway.example.com");
    let wire = Wire::start_in(folder, service, certificate::TLS).await;
    let port = wire.gateway.address.port();
    let resolve = format!("gateway.example.com:{port}:127.0.0.1");
    let url = format!("https://gateway.example.com:{port}/large");
    for (offer, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        // The second time on the same connection.
        let arguments = [offer, "--cacert", path_text(&certificate), "--resolve", &resolve, &url, &url];
        let told = curl(&arguments).await;
        assert_eq!((told.worked, told.statuses()), (true, vec![("200", version); 2]));
        assert_eq!(told.connects(), [1, 0], "{offer}");
        assert!(told.body == large().repeat(2), "{offer}: {} bytes", told.body.len());
    }
}

#[tokio::test]
async fn trailers_arrive_after_the_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\nconnection: close\r\n\r\n\
                4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let wire = Wire::start(service, "").await;
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let url = wire.gateway.url("/");
        // Trailers are written where header fields are, after the body.
        let told = curl(&[version, "--include", "--header", "te: trailers", &url]).await;
        let text = String::from_utf8(told.body).unwrap();
        let rest = text.split_once("\r\n\r\nbody").map(|(_, rest)| rest);
        assert!(told.worked && rest.is_some_and(|rest| rest.contains("x-sum: 7")), "{version}: {text}");
    }
}

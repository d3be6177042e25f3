//! What the operator of a gateway sees: metrics in Prometheus's eyes, spans in a collector's, lines in a file, and
//! `gatepass top` on a terminal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Alone, Up, command, jws, place, send, upstream, wait};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A gateway in front of a mirror, with the operator's address.
struct Operated {
    gateway: Alone,
    admin: String,
    /// Its file, to write it again.
    text: String,
}

impl Operated {
    async fn start(folder: &Path, more: &str) -> Self {
        let (listen, admin): (SocketAddr, SocketAddr) = (place::free_address(), place::free_address());
        let mirror = upstream::mirror().await;
        let text = format!(
            "listen = \"{listen}\"\nadmin_listen = \"{admin}\"\n\n\
            [[upstream]]\nname = \"mirror\"\nservers = [\"http://{mirror}\"]\n\n\
            [[route]]\npath = \"/open/{{id}}\"\nupstream = \"mirror\"\npublic = true\n\n{more}"
        );
        let gateway = Alone::start("gateway", folder, listen, &text).await;
        Self { gateway, admin: format!("http://{admin}"), text }
    }

    async fn page(&self, path: &str, accept: &str) -> Vec<u8> {
        let client = gatepass_e2e::http::client();
        let asked = || send(client.get(format!("{}{path}", self.admin)).header("accept", accept));
        asked().await.expect(200).body
    }
}

/// Runs a Python script of ours on some input, and reads the JSON that it prints.
async fn python(script: &str, arguments: &[&str], input: Vec<u8>) -> Value {
    let mut command = Command::new(place::python());
    command.arg(place::root().join("tests/python").join(script)).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // On a thread of its own: the test's own servers go on meanwhile.
    let run = move || {
        let mut child = command.spawn().expect("the Python of the tests");
        child.stdin.take().unwrap().write_all(&input).expect("the script reads");
        child.wait_with_output().expect("the end of a script")
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script} failed:\n{}", shown(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{script} printed no JSON: {error}\n{}", shown(&output.stdout)))
}

/// The values of a sample, with labels that hold these.
fn values(families: &Value, family: &str, sample: &str, labels: &[(&str, &str)]) -> Vec<f64> {
    let samples =
        families[family]["samples"].as_array().unwrap_or_else(|| panic!("no {family} in {families}"));
    let has =
        |found: &&Value| found[0] == sample && labels.iter().all(|(name, value)| found[1][name] == *value);
    samples.iter().filter(has).map(|found| found[2].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn prometheus_reads_the_metrics_in_both_formats() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let (issuer, audience) = (up.issuer(), jws::audience(&token));
    let more = format!(
        "[[issuer]]\nurl = \"{issuer}\"\naudience = [\"{audience}\"]\nrevocation = \"feed\"\n\
        on_stale = {{ after = \"30s\", then = \"deny\" }}\n\n\
        [[route]]\npath = \"/closed\"\nupstream = \"mirror\"\n"
    );
    let operated = Operated::start(up.folder(), &more).await;
    let closed = operated.gateway.url("/closed");
    let asked = async || send(up.client.get(&closed).bearer_auth(&token)).await;
    wait::until("the gateway to let a token in", LIMIT, async || (asked().await.status == 200).then_some(()))
        .await;
    for _ in 0..3 {
        asked().await.expect(200);
    }
    send(up.client.get(&closed)).await.expect(401);
    send(up.client.get(operated.gateway.url("/open/1"))).await.expect(200);

    for (format, accept, total) in [
        ("prometheus", "text/plain", "gatepass_gateway_requests"),
        ("openmetrics", "application/openmetrics-text; version=1.0.0", "gatepass_gateway_requests"),
    ] {
        let page = operated.page("/metrics", accept).await;
        let told = python("metrics.py", &[format], page).await;
        let requests =
            |labels: &[(&str, &str)]| values(&told, total, "gatepass_gateway_requests_total", labels);
        let passed = requests(&[("route", "/closed"), ("outcome", "passed"), ("status", "2xx")]);
        assert!(passed.len() == 1 && passed[0] >= 4.0, "{format}: {passed:?}");
        assert_eq!(requests(&[("route", "/open/{id}"), ("outcome", "passed")]), [1.0], "{format}");
        let count = values(
            &told,
            "gatepass_gateway_response_seconds",
            "gatepass_gateway_response_seconds_count",
            &[("route", "/open/{id}")],
        );
        assert_eq!(
            (&told["gatepass_gateway_response_seconds"]["type"], count),
            (&json!("histogram"), vec![1.0])
        );
        let of_issuer = |family: &str| values(&told, family, family, &[("issuer", issuer)]);
        for (family, most) in [
            ("gatepass_guard_key_set_age_seconds", 300.0),
            ("gatepass_guard_revocation_staleness_seconds", 30.0),
            ("gatepass_guard_revocation_stale", 0.0),
        ] {
            let value = of_issuer(family);
            assert!(value.len() == 1 && (0.0..=most).contains(&value[0]), "{format}: {family} {value:?}");
        }
        let remembered = values(
            &told,
            "gatepass_guard_signatures",
            "gatepass_guard_signatures_total",
            &[("issuer", issuer), ("how", "remembered")],
        );
        assert!(remembered[0] >= 3.0, "{format}: {remembered:?}");
        assert_eq!(of_issuer("gatepass_guard_revocation_connected"), [1.0], "{format}");
    }

    let once = command::run(&["top", "--once", "--json", "--admin", &operated.admin], &[]).await.json();
    assert_eq!((&once["ready"], &once["issuers"][0]["feed"]), (&json!(true), &json!("following")), "{once}");
    assert!(once["issuers"][0]["revocation_lag"].as_f64().unwrap() < 30.0, "{once}");
    let refused: Vec<&Value> =
        once["refused"].as_array().unwrap().iter().map(|refused| &refused["code"]).collect();
    assert!(refused.contains(&&json!("token-missing")), "{once}");
    let plain = command::run(&["top", "--admin", &operated.admin], &[]).await.worked();
    assert!(
        plain.starts_with("ready\n") && plain.contains("/closed"),
        "no terminal, so it prints once:\n{plain}"
    );
}

/// What a collector got.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let kept = collector.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            kept.0.lock().unwrap().push((headers, body));
            async { "" }
        };
        (collector, upstream::serve(Router::new().route("/v1/traces", post(take))).await)
    }
}

#[tokio::test]
async fn a_collector_gets_spans_that_join_the_callers_trace_and_tell_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, address) = Collector::start().await;
    let more = format!("[tracing]\notlp = \"http://{address}\"\n");
    let mut operated = Operated::start(folder.path(), &more).await;
    let client = gatepass_e2e::http::client();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let request = client.get(operated.gateway.url("/open/7?ticket=querysecret"));
    let request = request.header("traceparent", &parent).header("tracestate", "vendor=1");
    let request = request.header("authorization", "Bearer tokensecret").header("cookie", "c=cookiesecret");
    let seen = send(request).await.expect(200).json();
    let told = seen["headers"]["traceparent"][0].as_str().unwrap().to_owned();
    // What was not sent yet is sent at the end.
    operated.gateway.process.stop("TERM").await;

    let batches = collector.0.lock().unwrap().clone();
    let (headers, body) = batches.first().expect("a batch of spans");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let batch = python("spans.py", &[], body.to_vec()).await;
    let resource = &batch["resourceSpans"][0];
    let service = json!({ "key": "service.name", "value": { "stringValue": "gatepass-gateway" } });
    assert!(resource["resource"]["attributes"].as_array().unwrap().contains(&service), "{batch}");
    let span = &resource["scopeSpans"][0]["spans"][0];
    let hex = |member: &str| {
        let bytes = base64_simd::STANDARD.decode_to_vec(span[member].as_str().unwrap()).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!((hex("traceId").as_str(), hex("parentSpanId").as_str()), (TRACE, "00f067aa0ba902b7"));
    assert_eq!(told, format!("00-{TRACE}-{}-01", hex("spanId")), "the upstream's parent is this span");
    assert_eq!((&span["name"], &span["traceState"]), (&json!("GET /open/{id}"), &json!("vendor=1")));
    assert_eq!(span["kind"], "SPAN_KIND_SERVER");
    let body = String::from_utf8_lossy(body).into_owned();
    for secret in ["querysecret", "tokensecret", "cookiesecret"] {
        assert!(!body.contains(secret), "{secret} is in {batch}");
    }
}

#[tokio::test]
async fn the_access_log_is_opened_anew_at_sighup_and_whole_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let mut operated = Operated::start(folder.path(), "[access_log]\npath = \"access.log\"\n").await;
    let client = gatepass_e2e::http::client();
    let get = async |path: &str| {
        send(client.get(operated.gateway.url(path))).await.expect(200);
    };
    get("/open/1").await;
    let paths = |file: &Path| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let path =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned();
        text.lines().map(path).collect::<Vec<_>>()
    };
    wait::until("the first line", LIMIT, async || (paths(&log).len() == 1).then_some(())).await;
    let old = folder.path().join("access.log.1");
    std::fs::rename(&log, &old).unwrap();
    operated.gateway.reload(&operated.text);
    wait::until("the new file", LIMIT, async || log.exists().then_some(())).await;
    for number in 0..50 {
        get(&format!("/open/{number}")).await;
    }
    operated.gateway.process.stop("TERM").await;
    assert_eq!(paths(&old), ["/open/1"]);
    assert_eq!(paths(&log), (0..50).map(|number| format!("/open/{number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn top_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let operated = Operated::start(folder.path(), "").await;
    let gatepass = path_text(place::gatepass());
    let nobody = format!("http://{}", place::free_address());
    for (name, ending, admin, wanted) in [
        ("q", "q", operated.admin.as_str(), "Refusals"),
        ("Ctrl-C", "\u{3}", operated.admin.as_str(), "Refusals"),
        ("SIGTERM", "SIGTERM", operated.admin.as_str(), "Refusals"),
        ("q, and no gateway", "q", nobody.as_str(), "cannot fetch"),
    ] {
        let top = [wanted, ending, gatepass, "top", "--admin", admin];
        let ended = python("terminal.py", &top, Vec::new()).await;
        let screen = ended["screen"].as_str().unwrap();
        assert_eq!((&ended["status"], &ended["restored"]), (&json!(0), &json!(true)), "{name}:\n{screen:?}");
        for mark in [wanted, "\u{1b}[?1049h", "\u{1b}[?1049l", "\u{1b}[?25h"] {
            assert!(screen.contains(mark), "{name}: {mark:?} is not in {screen:?}");
        }
    }
    let complaint = command::run(&["top", "--once", "--admin", &nobody], &[]).await.failed();
    assert!(complaint.contains("cannot fetch"), "{complaint}");
}

//! What operators are told: the access log, metrics, traces, readiness.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepass_gateway::{Span, SpanSink, SpanValue};
use http::{Request, Response, StatusCode};
use hyper::body::Frame;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{
    Answer, Backend, OPEN, Running, Token, channel, config, connect, full, mirrored, send, send_on, until,
    within,
};
use crate::upgrade;

const CLOSED: &str = "[[route]]\npath = '/closed/{id}'\nmethods = ['GET', 'POST']\nupstream = 'backend'\n";

/// A configuration with the access log in `folder`.
fn logging(backend: &Backend, folder: &Path, more: &str) -> String {
    let log = folder.join("access.log");
    let routes = format!("{CLOSED}{OPEN}");
    format!("{}\n[access_log]\npath = '{}'\n{more}", config(backend.address, &routes), log.display())
}

/// The lines of the access log once there are so many.
pub(crate) async fn lines(file: &Path, count: usize) -> Vec<Value> {
    let text = || std::fs::read_to_string(file).unwrap_or_default();
    until("the lines of the access log", || text().lines().count() >= count).await;
    text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub(crate) async fn operator(gateway: &Running) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = gateway.gateway.clone();
    tokio::spawn(async move { gateway.serve_admin(listener, std::future::pending()).await });
    address
}

pub(crate) async fn ask(address: std::net::SocketAddr, path: &str) -> Answer {
    send(address, Request::get(path).body(full("")).unwrap()).await
}

#[tokio::test]
async fn each_request_is_one_line_and_nothing_in_it_opens_anything() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(&logging(&backend, folder.path(), "")).await;
    let good = Token::of("ann\n{\"forged\": true}").claim("sid", "s1").bearer();
    let expired = Token::of("ann").expires_in(-900).bearer();
    let endless = format!("/{}", "a".repeat(5_000));
    type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
    let requests: [Asked<'_>; 6] = [
        (
            "POST",
            "/closed/7?ticket=querysecret",
            &[("authorization", &good), ("cookie", "c=cookiesecret")],
            "12345",
        ),
        ("GET", "/closed/7", &[("authorization", &expired), ("x-request-id", "forged")], ""),
        ("PUT", "/closed/7", &[], ""),
        ("GET", "/a%0d%0a%22%5c/\u{e9}", &[], ""),
        ("GET", &endless, &[("referer", "https://a.example/?referersecret")], ""),
        ("HEAD", "/open", &[], ""),
    ];
    let mut ids = Vec::new();
    for (method, target, fields, body) in requests {
        let mut request = Request::builder().method(method).uri(target.replace('\u{e9}', "%c3%a9"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = send(gateway.address, request.body(full(body.to_owned())).unwrap()).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        if answer.status == StatusCode::OK && method != "HEAD" {
            assert_eq!(
                mirrored(&answer.json(), "x-request-id"),
                [&*id],
                "the upstream has the same name for it"
            );
        }
        ids.push(id);
    }
    let lines = lines(&folder.path().join("access.log"), ids.len()).await;
    assert_eq!(lines.len(), ids.len());
    for (line, id) in lines.iter().zip(&ids) {
        assert_eq!((&line["request_id"], id.as_str() != "forged"), (&Value::from(id.as_str()), true));
    }

    let [passed, refused, no_method, odd, long, head] = &lines[..] else { panic!("{lines:?}") };
    assert!(passed["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{passed}");
    for (member, want) in [
        ("method", Value::from("POST")),
        ("path", "/closed/7".into()),
        ("route", "/closed/{id}".into()),
        ("outcome", "passed".into()),
        ("status", 200.into()),
        ("issuer", "https://auth.example.com".into()),
        ("sub", "ann\n{\"forged\": true}".into()),
        ("client_id", "web".into()),
        ("sid", "s1".into()),
        ("bytes_in", 5.into()),
        ("complete", true.into()),
        ("client", "127.0.0.1".into()),
        ("host", "api.example.com".into()),
        ("protocol", "http/1.1".into()),
        ("upstream", "backend".into()),
    ] {
        assert_eq!(passed[member], want, "{member} of {passed}");
    }
    assert!(passed["bytes_out"].as_u64().unwrap() > 100, "{passed}");
    assert!(passed["duration_ms"].as_f64() >= passed["upstream_ms"].as_f64(), "{passed}");
    let code = |line: &Value| (line["outcome"].clone(), line["status"].clone(), line["code"].clone());
    assert_eq!(code(refused), ("refused".into(), 401.into(), "expired".into()));
    assert_eq!((&refused["sub"], &refused["upstream"]), (&Value::Null, &Value::Null));
    assert_eq!(code(no_method), ("refused".into(), 405.into(), "method-not-allowed".into()));
    assert_eq!(code(odd), ("refused".into(), 400.into(), "bad-path".into()));
    assert_eq!(long["path"].as_str().unwrap().len(), 1024);
    assert_eq!(
        (&head["method"], &head["complete"], &head["bytes_out"]),
        (&"HEAD".into(), &true.into(), &0.into())
    );

    let text = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
    let signature = good.rsplit('.').next().unwrap();
    for secret in ["querysecret", "cookiesecret", "referersecret", signature, "Bearer"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn identity_can_be_left_out_and_a_trusted_proxy_is_asked_who_the_client_is() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let text = logging(&backend, folder.path(), "identity = false\n");
    let gateway = Running::start(&format!("trusted_proxies = ['127.0.0.1']\n{text}")).await;
    let token = Token::of("ann").bearer();
    let fields = [
        ("authorization", token.as_str()),
        ("x-forwarded-for", "1.2.3.4, 203.0.113.9"),
        ("x-request-id", "of-the-proxy"),
    ];
    let answer = gateway.get("/closed/1", &fields).await;
    assert_eq!(answer.header("x-request-id"), Some("of-the-proxy"));
    let line = &lines(&folder.path().join("access.log"), 1).await[0];
    assert_eq!((&line["client"], &line["peer"]), (&"203.0.113.9".into(), &"127.0.0.1".into()));
    assert_eq!(line["issuer"], "https://auth.example.com");
    for member in ["sub", "client_id", "sid", "jti"] {
        assert_eq!(line[member], Value::Null, "{line}");
    }
}

#[tokio::test]
async fn a_line_is_written_when_all_is_over() {
    let (sender, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let backend = Backend::start(move |_| {
        let body = body.lock().unwrap().take();
        async move { Response::new(body.unwrap_or_else(|| full("later"))) }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(&logging(&backend, folder.path(), "")).await;
    let log = folder.path().join("access.log");

    // A client that leaves in the middle of a response.
    let mut requests = connect(gateway.address).await;
    let response = send_on(&mut requests, Request::get("/stream").body(full("")).unwrap()).await;
    sender.send(Frame::data("first".into())).unwrap();
    assert_eq!(gateway.gateway.stats().in_flight, 1);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "it has not ended yet");
    drop((response, requests));
    let cut = lines(&log, 1).await.remove(0);
    assert_eq!(
        (&cut["complete"], &cut["status"], &cut["outcome"]),
        (&false.into(), &200.into(), &"passed".into())
    );

    // A client that does not wait for the head.
    let silent = Backend::start(|_| std::future::pending()).await;
    gateway
        .gateway
        .reload(gatepass_gateway::Config::parse(&logging(&silent, folder.path(), "")).unwrap())
        .await
        .unwrap();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the request to be on its way", || silent.connections() == 1).await;
    drop(stream);
    let aborted = lines(&log, 2).await.remove(1);
    assert_eq!((&aborted["outcome"], &aborted["status"]), (&"aborted".into(), &Value::Null));

    // A tunnel.
    let echo = upgrade::echo().await;
    gateway
        .gateway
        .reload(gatepass_gateway::Config::parse(&logging(&echo, folder.path(), "")).unwrap())
        .await
        .unwrap();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(upgrade::HANDSHAKE.as_bytes()).await.unwrap();
    upgrade::head(&mut stream).await;
    assert_eq!((gateway.gateway.stats().tunnels, gateway.gateway.stats().connections), (1, 1));
    drop(stream);
    let tunnel = lines(&log, 3).await.remove(2);
    assert_eq!((&tunnel["status"], &tunnel["outcome"]), (&101.into(), &"passed".into()));
    let stats = gateway.gateway.stats();
    assert_eq!((stats.tunnels, stats.in_flight), (0, 0));
    until("the connection to be gone", || gateway.gateway.stats().connections == 0).await;
}

#[tokio::test]
async fn the_log_is_rotated_and_what_it_cannot_take_is_counted() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(&logging(&backend, folder.path(), "")).await;
    let (log, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    gateway.get("/first", &[]).await;
    lines(&log, 1).await;
    std::fs::rename(&log, &old).unwrap();
    gateway.gateway.reopen_access_log();
    until("the new file", || log.exists()).await;
    gateway.get("/second", &[]).await;
    let paths = |lines: Vec<Value>| lines.iter().map(|line| line["path"].to_string()).collect::<Vec<_>>();
    assert_eq!(paths(lines(&log, 1).await), ["\"/second\""]);
    assert_eq!(paths(lines(&old, 1).await), ["\"/first\""]);

    let full = logging(&backend, folder.path(), "").replace(log.to_str().unwrap(), "/dev/full");
    gateway.gateway.reload(gatepass_gateway::Config::parse(&full).unwrap()).await.unwrap();
    assert_eq!(gateway.get("/third", &[]).await.status, StatusCode::OK);
    until("a lost line", || gateway.gateway.stats().log_lines_dropped == 1).await;

    let folder = full.replace("/dev/full", "/dev");
    let error = gateway.gateway.reload(gatepass_gateway::Config::parse(&folder).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("access log to /dev"), "{error}");
}

#[tokio::test]
async fn metrics_are_of_routes_and_never_of_what_clients_invent() {
    let backend = Backend::mirror().await;
    let routes = format!(
        "{CLOSED}[[route]]\npath = '/open'\nhost = 'api.example.com'\nupstream = 'backend'\npublic = true\n"
    );
    let gateway = Running::start(&config(backend.address, &routes)).await;
    let admin = operator(&gateway).await;
    let count_lines = async || ask(admin, "/metrics").await.text.lines().count();
    gateway.get("/nothing", &[]).await;
    let before = count_lines().await;
    for number in 0..20 {
        let request = Request::builder().method(&*format!("M{number}")).uri(format!("/x{number}"));
        assert_eq!(
            send(gateway.address, request.body(full("")).unwrap()).await.status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(count_lines().await, before, "they are all of no route");

    gateway.get("/open", &[]).await;
    gateway.get("/closed/1", &[]).await;
    gateway.get("/closed/2", &[("authorization", &Token::of("ann").bearer())]).await;
    gateway.get("/auth/verify", &[]).await;
    let answer = ask(admin, "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "gatepass_gateway_requests_total{route=\"api.example.com/open\",methods=\"*\",outcome=\"passed\",status=\"2xx\"} 1",
        "gatepass_gateway_requests_total{route=\"/closed/{id}\",methods=\"GET,POST\",outcome=\"passed\",status=\"2xx\"} 1",
        "gatepass_gateway_requests_total{route=\"/closed/{id}\",methods=\"GET,POST\",outcome=\"refused\",status=\"4xx\"} 1",
        "gatepass_gateway_requests_total{route=\"(none)\",methods=\"*\",outcome=\"refused\",status=\"4xx\"} 21",
        "gatepass_gateway_requests_total{route=\"(forward-auth)\",methods=\"*\",outcome=\"refused\",status=\"4xx\"} 1",
        "gatepass_gateway_refusals_total{code=\"token-missing\",check=\"token-missing\"} 2",
        "gatepass_gateway_refusals_total{code=\"no-route\",check=\"no-route\"} 21",
        "gatepass_gateway_response_seconds_count{route=\"/closed/{id}\",methods=\"GET,POST\"} 2",
        "gatepass_gateway_ready 1",
        "gatepass_gateway_upstream_waiting{upstream=\"backend\"} 0",
        "gatepass_guard_keys{issuer=\"https://auth.example.com\"} 1",
    ] {
        assert!(answer.text.lines().any(|found| found == line), "{line} is not in\n{}", answer.text);
    }

    let server =
        format!("gatepass_gateway_server_up{{upstream=\"backend\",server=\"{}\"}} 1", backend.address);
    assert!(answer.text.contains(&server), "{server} is not in\n{}", answer.text);

    // They count on when the file is loaded again, and others begin.
    let more = format!("{routes}{}", CLOSED.replace("/closed", "/other"));
    let more = gatepass_gateway::Config::parse(&config(backend.address, &more)).unwrap();
    gateway.gateway.reload(more).await.unwrap();
    gateway.get("/open", &[]).await;
    let text = ask(admin, "/metrics").await.text;
    assert!(
        text.contains("{route=\"api.example.com/open\",methods=\"*\",outcome=\"passed\",status=\"2xx\"} 2"),
        "{text}"
    );
    assert!(text.contains("seconds_count{route=\"/other/{id}\",methods=\"GET,POST\"} 0"), "{text}");
}

/// Keeps what it is given.
#[derive(Clone, Default)]
pub(crate) struct Spans(pub(crate) Arc<Mutex<Vec<Span>>>);

impl SpanSink for Spans {
    fn take(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_request_is_a_span_of_its_callers_trace() {
    let backend = Backend::mirror().await;
    let text = format!(
        "{}\n[tracing]\notlp = 'http://127.0.0.1:4318'\n",
        config(backend.address, &format!("{CLOSED}{OPEN}"))
    );
    let gateway = Running::start(&text).await;
    let spans = Spans::default();
    gateway.gateway.export_spans(spans.clone());
    let next = async || {
        until("a span", || !spans.0.lock().unwrap().is_empty()).await;
        spans.0.lock().unwrap().remove(0)
    };

    let token = Token::of("ann").bearer();
    let fields = [
        ("authorization", token.as_str()),
        ("traceparent", PARENT),
        ("tracestate", "a=1"),
        ("cookie", "secret=1"),
    ];
    let answer = gateway.get("/closed/7?ticket=querysecret", &fields).await;
    let span = next().await;
    assert_eq!(
        (span.trace_id, span.parent),
        (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7))
    );
    assert_eq!(
        (span.name.as_str(), span.failed, span.trace_state.as_deref()),
        ("GET /closed/{id}", false, Some("a=1"))
    );
    assert!(span.start <= span.end);
    let told = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", span.span_id);
    assert_eq!(mirrored(&answer.json(), "traceparent"), [&*told], "the upstream's parent is the gateway");
    assert_eq!(mirrored(&answer.json(), "tracestate"), ["a=1"]);
    for (name, want) in [
        ("http.request.method", SpanValue::Text("GET".into())),
        ("http.route", SpanValue::Text("/closed/{id}".into())),
        ("http.response.status_code", SpanValue::Number(200)),
        ("url.path", SpanValue::Text("/closed/7".into())),
        ("gatepass.upstream", SpanValue::Text("backend".into())),
    ] {
        assert!(span.attributes.contains(&(name, want)), "{name} in {span:?}");
    }
    for secret in ["querysecret", "secret=1", token.rsplit('.').next().unwrap(), "ann"] {
        assert!(!format!("{span:?}").contains(secret), "{secret} is in {span:?}");
    }

    let answer = gateway.get("/closed/7", &[("traceparent", &PARENT.replace("-01", "-zz"))]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let span = next().await;
    assert_eq!((span.parent, span.failed), (None, false), "what is malformed counts for nothing: {span:?}");
    assert!(
        span.attributes.contains(&("gatepass.code", SpanValue::Text("token-missing".into()))),
        "{span:?}"
    );

    let unsampled = PARENT.replace("-01", "-00");
    let answer = gateway.get("/", &[("traceparent", &unsampled)]).await;
    assert_eq!(mirrored(&answer.json(), "traceparent"), [unsampled]);
    gateway.get("/", &[]).await;
    assert_eq!(next().await.parent, None, "nothing was made of the one that is not sampled");
}

#[tokio::test]
async fn without_tracing_the_fields_pass_and_with_it_strangers_may_be_left_out() {
    let backend = Backend::mirror().await;
    let text = config(backend.address, OPEN);
    let gateway = Running::start(&text).await;
    for odd in [PARENT, "not one at all"] {
        let answer = gateway.get("/", &[("traceparent", odd), ("tracestate", "a=1")]).await.json();
        assert_eq!(
            (mirrored(&answer, "traceparent"), mirrored(&answer, "tracestate")),
            (vec![odd], vec!["a=1"])
        );
        assert!(mirrored(&answer, "x-request-id").is_empty());
    }
    let tracing = "\n[tracing]\notlp = 'http://127.0.0.1:4318'\nsample = 0\ncallers = 'trusted_proxies'\n";
    for (proxies, joined) in [("", false), ("trusted_proxies = ['127.0.0.1']\n", true)] {
        let gateway = Running::start(&format!("{proxies}{text}{tracing}")).await;
        let answer = gateway.get("/", &[("traceparent", PARENT)]).await.json();
        let told = mirrored(&answer, "traceparent");
        assert_eq!(told[0].contains("4bf92f3577b34da6a3ce929d0e0e4736"), joined, "{told:?}");
        assert_eq!(told[0].ends_with("-01"), joined, "{told:?}");
    }
}

#[tokio::test]
async fn readiness_says_what_is_lacking() {
    let backend = Backend::mirror().await;
    let down = Backend::start(|_| async {
        Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(full("")).unwrap()
    })
    .await;
    let second = format!(
        "\n[[issuer]]\nurl = 'https://second.example.com'\naudience = ['a']\nrevocation = 'feed'\n\
        on_stale = {{ after = '30s', then = 'deny' }}\njwks_uri = 'http://{0}/jwks'\nbase_url = 'http://{0}'\n",
        down.address
    );
    let gateway = Running::start(&format!("{}{second}", config(backend.address, OPEN))).await;
    let admin = operator(&gateway).await;
    let answer = within(async {
        loop {
            let answer = ask(admin, "/readyz").await;
            if answer.json()["issuers"][1]["failures"][0]["asked_for"] == "keys" {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let told = answer.json();
    assert_eq!(told["ready"], false);
    let reasons = told["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "the first issuer is well: {told}");
    let reason = reasons[0].as_str().unwrap();
    for part in ["https://second.example.com", "key set has not been fetched", "503"] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    let view = &told["issuers"][1]["revocation"];
    assert_eq!((&view["is_stale"], &view["staleness"]), (&true.into(), &Value::Null));
    assert_eq!(view["on_stale"], serde_json::json!({ "after": 30.0, "then": "deny" }));
    assert_eq!(told["issuers"][1]["failures"][0]["asked_for"], "keys");
    assert_eq!(ask(admin, "/livez").await.status, StatusCode::OK, "it is alive all the same");
}

#[tokio::test]
async fn forwarded_tells_what_the_x_fields_tell() {
    let backend = Backend::mirror().await;
    let text = config(backend.address, OPEN);
    let own = "for=127.0.0.1;host=api.example.com;proto=http";
    let sent = [("forwarded", "for=\"[2001:db8::7]:80\""), ("x-forwarded-for", "203.0.113.7")];
    let cases: [(&str, &str, &[String], &[&str]); 5] = [
        ("", "", &[], &["127.0.0.1"]),
        ("both", "", &[own.to_owned()], &["127.0.0.1"]),
        ("rfc7239", "", &[own.to_owned()], &[]),
        ("rfc7239", "127.0.0.1", &[format!("{}, {own}", sent[0].1)], &[]),
        ("both", "127.0.0.1", &[format!("{}, {own}", sent[0].1)], &["203.0.113.7, 127.0.0.1"]),
    ];
    for (fields, proxy, forwarded, x) in cases {
        let mut text = text.clone();
        if !fields.is_empty() {
            text = format!("forwarded = '{fields}'\n{text}");
        }
        if !proxy.is_empty() {
            text = format!("trusted_proxies = ['{proxy}']\n{text}");
        }
        let gateway = Running::start(&text).await;
        let answer = gateway.get("/", &sent).await.json();
        assert_eq!(mirrored(&answer, "forwarded"), forwarded, "{fields} behind {proxy}");
        assert_eq!(mirrored(&answer, "x-forwarded-for"), x, "{fields} behind {proxy}");
    }
}

//! Questions of an Envoy, over gRPC.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes};
use gatepass_gateway::Gateway;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use prost::Message;
use tokio::net::TcpListener;

use crate::harness::{Backend, Running, Token, channel, config, connect_http2, full, send, within};

const ROUTES: &str = "
[ext_authz]
listen = '127.0.0.1:0'

[[route]]
path = '/public'
upstream = 'backend'
public = true

[[route]]
path = '/orders'
methods = ['GET']
upstream = 'backend'
forward = { sub = 'X-User-Id', roles = 'X-User-Roles' }

[[route]]
path = '/orders'
methods = ['POST']
upstream = 'backend'
require = { scope = ['orders:write'] }
forward = { sub = 'X-User-Id' }
token = 'strip'

[[route]]
host = 'shop.example.com'
path = '/here'
upstream = 'backend'
public = true

[[route]]
path = '/here'
upstream = 'backend'
";

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

// As Envoy's documentation has these messages, with some of what gatepass does not read.

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributesRequest>,
    #[prost(map = "string, string", tag = "10")]
    context_extensions: std::collections::HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributesRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
struct Http {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: std::collections::HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "11")]
    body: String,
    #[prost(message, optional, tag = "13")]
    header_map: Option<HeaderMap>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<HeaderValue>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(bytes = "vec", tag = "3")]
    raw_value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderValue>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    ok: Option<Ok>,
}

/// `google.rpc.Status` and `envoy.type.v3.HttpStatus`.
#[derive(Clone, PartialEq, Message)]
struct Code {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<Code>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    body: String,
}

#[derive(Clone, PartialEq, Message)]
struct Ok {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
}

#[tokio::test]
async fn questions_and_answers() {
    let (_backend, _running, address) = start().await;
    let reader = Token::of("ann").claim("roles", ["clerk"]).bearer();
    let writer = Token::of("ann").claim("scope", "orders:write").bearer();
    let old = Token::of("ann").expires_in(-100).bearer();
    type Fields<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, &str, Fields<'_>, &str); 17] = [
        ("GET", "/public", &[], "ok"),
        ("GET", "/orders?page=2", &[("authorization", &reader)], "ok x-user-id=ann x-user-roles=clerk"),
        ("HEAD", "/orders", &[("authorization", &reader)], "ok x-user-id=ann x-user-roles=clerk"),
        ("POST", "/orders", &[("authorization", &writer)], "ok x-user-id=ann"),
        ("POST", "/orders", &[("authorization", &reader)], "403 insufficient-scope Bearer"),
        ("GET", "/orders", &[], "401 token-missing Bearer"),
        ("GET", "/orders", &[("authorization", &old)], "401 expired Bearer"),
        ("GET", "/orders", &[("authorization", "Bearer a,Bearer b")], "403 invalid-request Bearer"),
        ("DELETE", "/orders", &[("authorization", &writer)], "403 method-not-allowed"),
        ("GET", "/none", &[("authorization", &writer)], "403 no-route"),
        ("GET", "/public/../orders", &[], "403 bad-path"),
        ("GET", "", &[], "403 bad-path"),
        ("", "/public", &[], "403 asked-unclearly"),
        ("G T", "/public", &[], "403 asked-unclearly"),
        ("GET", "/public", &[("no name", "x")], "403 asked-unclearly"),
        ("GET", "/public", &[("x", "a\r\nb: c")], "403 asked-unclearly"),
        // Envoy tells the request by itself: these are its client's word.
        (
            "GET",
            "/orders",
            &[("x-forwarded-uri", "/public"), ("x-original-uri", "/public")],
            "401 token-missing Bearer",
        ),
    ];
    for (method, path, fields, want) in cases {
        let http = question(method, path, fields);
        assert_eq!(shown(&ask(address, http.clone()).await), want, "{method} {path} {fields:?}");
        // The same, told the other way.
        let list = http.headers.iter().map(|(key, value)| HeaderValue {
            key: key.clone(),
            value: String::new(),
            raw_value: value.clone().into_bytes(),
        });
        let raw = Http {
            header_map: Some(HeaderMap { headers: list.collect() }),
            headers: [].into(),
            ..http.clone()
        };
        assert_eq!(shown(&ask(address, raw).await), want, "raw: {method} {path} {fields:?}");
    }
    for (host, want) in [("shop.example.com:443", "ok"), ("example.com", "401 token-missing Bearer")] {
        let http = Http { host: host.to_owned(), ..question("GET", "/here", &[]) };
        assert_eq!(shown(&ask(address, http).await), want, "{host}");
    }
}

#[tokio::test]
async fn what_is_set_replaces_and_what_is_not_is_removed() {
    let (_backend, _running, address) = start().await;
    let token = Token::of("ann").claim("scope", "orders:write").bearer();
    let spoofed = [
        ("authorization", token.as_str()),
        ("x-user-id", "mallory"),
        ("x_user_id", "mallory"),
        ("x-user-roles", "admin"),
        ("x-gatepass-subject", "mallory"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("x-forwarded-for", "192.0.2.1"),
        ("accept", "*/*"),
    ];
    let cases = [
        (
            "POST",
            "/orders",
            // The route keeps the token from the service.
            "authorization x-gatepass-subject x-http-method-override x-original-url x-user-roles x_user_id",
        ),
        (
            "GET",
            "/public",
            "x-gatepass-subject x-http-method-override x-original-url x-user-id x-user-roles x_user_id",
        ),
    ];
    for (method, path, want) in cases {
        let ok = ask(address, question(method, path, &spoofed)).await.ok.unwrap();
        assert_eq!(ok.headers_to_remove.join(" "), want, "{path}");
        for set in ok.headers {
            assert_eq!(set.append_action, 2, "OVERWRITE_IF_EXISTS_OR_ADD: {set:?}");
        }
    }
    // Even if the Envoy does not show what its client sent.
    let ok = ask(address, question("GET", "/public", &[])).await.ok.unwrap();
    assert_eq!(ok.headers_to_remove, ["x-user-id", "x-user-roles"]);
}

#[tokio::test]
async fn what_is_no_question_is_denied() {
    let (_backend, running, address) = start().await;
    let good = prefixed(&question_bytes(question("GET", "/public", &[])));
    let twice = [good.clone(), good.clone()].concat();
    let compressed = [&[1], &good[1..]].concat();
    let long =
        prefixed(&question_bytes(Http { body: "x".repeat(200_000), ..question("GET", "/public", &[]) }));
    let many: Vec<_> = (0..101).map(|n| (format!("x-{n}"), "1".to_owned())).collect();
    let many = Http { headers: many.into_iter().collect(), ..question("GET", "/public", &[]) };
    let repeated =
        HeaderValue { key: "authorization".to_owned(), value: "Bearer x".to_owned(), raw_value: vec![] };
    let repeated = Http {
        header_map: Some(HeaderMap { headers: vec![repeated.clone(), repeated] }),
        ..question("GET", "/orders", &[])
    };
    let cases = [
        ("nothing", Vec::new(), "asked-unclearly"),
        ("half a prefix", vec![0, 0], "asked-unclearly"),
        ("no bytes where some are promised", vec![0, 255, 255, 255, 255], "asked-unclearly"),
        ("a message without an end", good[..good.len() - 1].to_vec(), "asked-unclearly"),
        ("two messages", twice, "asked-unclearly"),
        ("a compressed one", compressed, "asked-unclearly"),
        ("one too long", long, "asked-unclearly"),
        ("an empty message", prefixed(&[]), "asked-unclearly"),
        ("no protobuf", prefixed(b"GET / HTTP/1.1\r\n\r\n"), "asked-unclearly"),
        ("a field that is longer than its message", prefixed(&[0x0a, 0xff, 0xff, 0x03]), "asked-unclearly"),
        ("groups without end", prefixed(&[0x0b; 5000]), "asked-unclearly"),
        ("about a connection", prefixed(&[0x0a, 0]), "asked-unclearly"),
        ("too many fields", prefixed(&question_bytes(many)), "too-many-headers"),
        ("two tokens", prefixed(&question_bytes(repeated)), "invalid-request"),
    ];
    for (name, bytes, want) in cases {
        let answer = call(address, CHECK, full(bytes)).await;
        let shown = shown(&answer);
        assert!(shown.starts_with("403") && shown.contains(want), "{name}: {shown}");
    }
    assert!(running.gateway.stats().refused["asked-unclearly"] > 0);
    assert_eq!(shown(&call(address, CHECK, full(good)).await), "ok");
}

#[tokio::test]
async fn a_question_that_does_not_end_is_denied() {
    let backend = Backend::mirror().await;
    let routes = format!("{ROUTES}\n[timeouts]\nheader = '2s'\n");
    let running = Running::start(&config(backend.address, &routes)).await;
    let address = serve(running.gateway.clone()).await;
    let (sender, body) = channel();
    sender.send(Frame::data(Bytes::from_static(&[0, 0, 0, 1]))).unwrap();
    assert!(shown(&call(address, CHECK, body).await).starts_with("403 asked-unclearly"));
    drop(sender);
}

#[tokio::test]
async fn what_is_no_call_of_this_service() {
    let (_backend, _running, address) = start().await;
    let http1 = Request::post(CHECK).header("content-type", "application/grpc").body(full("")).unwrap();
    assert_eq!(send(address, http1).await.status, StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    let cases = [
        ("GET", CHECK, "application/grpc", 405, None),
        ("POST", CHECK, "application/json", 415, None),
        ("POST", CHECK, "application/grpc-web", 415, None),
        ("POST", "/envoy.service.auth.v2.Authorization/Check", "application/grpc", 200, Some("12")),
        ("POST", "/auth/verify", "application/grpc", 200, Some("12")),
    ];
    for (method, path, media_type, status, grpc_status) in cases {
        let request = Request::builder().method(method).uri(format!("http://gatepass{path}"));
        let request = request.header("content-type", media_type).body(full("")).unwrap();
        let response = within(connect_http2(address).await.send_request(request)).await.unwrap();
        let told = response.headers().get("grpc-status").map(|status| status.to_str().unwrap());
        assert_eq!((response.status().as_u16(), told), (status, grpc_status), "{method} {path} {media_type}");
    }
}

async fn start() -> (Backend, Running, SocketAddr) {
    let backend = Backend::mirror().await;
    let running = Running::start(&config(backend.address, ROUTES)).await;
    let address = serve(running.gateway.clone()).await;
    (backend, running, address)
}

async fn serve(gateway: Gateway) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { gateway.serve_ext_authz(listener, std::future::pending()).await });
    address
}

fn question(method: &str, path: &str, fields: &[(&str, &str)]) -> Http {
    // Envoy sends these along.
    let pseudo = [(":method", method), (":path", path), (":authority", "api.example.com")];
    let headers = fields.iter().chain(&pseudo).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Http {
        id: "1".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        host: "api.example.com".to_owned(),
        headers: headers.collect(),
        ..Http::default()
    }
}

fn question_bytes(http: Http) -> Vec<u8> {
    let request = AttributesRequest { http: Some(http) };
    let context_extensions = [("virtual_host".to_owned(), "all".to_owned())].into();
    let attributes = Attributes { request: Some(request), context_extensions };
    CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.extend_from_slice(message);
    bytes
}

async fn ask(address: SocketAddr, http: Http) -> CheckResponse {
    call(address, CHECK, full(prefixed(&question_bytes(http)))).await
}

async fn call(address: SocketAddr, path: &str, body: crate::harness::TestBody) -> CheckResponse {
    let request = Request::post(format!("http://gatepass{path}")).header("content-type", "application/grpc");
    let mut requests = connect_http2(address).await;
    let response = within(requests.send_request(request.body(body).unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let answer = within(response.into_body().collect()).await.unwrap();
    assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
    let bytes = answer.to_bytes();
    assert_eq!(bytes[..5], prefixed(&bytes[5..])[..5]);
    CheckResponse::decode(&bytes[5..]).unwrap()
}

/// `ok` and the identity, or a denial's status, code and challenge.
fn shown(answer: &CheckResponse) -> String {
    let fields = |headers: &[HeaderValueOption]| -> Vec<(String, String)> {
        let fields = headers.iter().map(|option| option.header.clone().unwrap());
        fields.map(|header| (header.key, header.value)).collect()
    };
    let code = answer.status.as_ref().unwrap().code;
    match (&answer.ok, &answer.denied) {
        (Some(ok), None) => {
            assert_eq!(code, 0);
            let mut set: Vec<_> =
                fields(&ok.headers).into_iter().map(|(name, value)| format!(" {name}={value}")).collect();
            set.sort_unstable();
            format!("ok{}", set.concat())
        }
        (None, Some(denied)) => {
            let status = denied.status.as_ref().unwrap().code;
            assert_eq!(code, if status == 401 { 16 } else { 7 });
            let problem: serde_json::Value = serde_json::from_str(&denied.body).unwrap();
            let fields = fields(&denied.headers);
            let field =
                |name| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
            assert_eq!(field("content-type"), Some("application/problem+json"));
            let scheme = field("www-authenticate").map(|challenge| challenge.split(' ').next().unwrap());
            let scheme = scheme.map(|scheme| format!(" {scheme}")).unwrap_or_default();
            format!("{status} {}{scheme}", problem["code"].as_str().unwrap())
        }
        both => panic!("{both:?}"),
    }
}

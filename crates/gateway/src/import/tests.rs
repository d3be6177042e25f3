use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Config;

const HEAD: &str = r#"
listen = "127.0.0.1:8080"

[[issuer]]
url = "https://auth.example.com"
audience = ["https://api.example.com"]
revocation = "none"

"#;

/// The proposal, which the gateway takes.
fn propose(document: &str) -> String {
    let upstream = "api=http://127.0.0.1:9001".parse().unwrap();
    let proposal = Proposal::from_openapi(document, Some(upstream)).unwrap().to_string();
    let file = format!("{HEAD}{proposal}");
    if let Err(error) = Config::parse(&file) {
        panic!("{error}\n{file}");
    }
    proposal
}

/// A document with these paths, in which every kind of credentials has a name.
fn document(paths: Value) -> String {
    let schemes = json!({
        "oauth": { "type": "oauth2" },
        "oidc": { "$ref": "#/components/securitySchemes/provider" },
        "provider": { "type": "openIdConnect" },
        "jwt": { "type": "http", "scheme": "Bearer" },
        "basic": { "type": "http", "scheme": "basic" },
        "key": { "type": "apiKey" },
    });
    json!({ "openapi": "3.1.0", "paths": paths, "components": { "securitySchemes": schemes } }).to_string()
}

fn get(security: Value) -> String {
    propose(&document(json!({ "/a": { "get": { "security": security } } })))
}

/// `require` or `public` of the only route, and the comments before it.
fn demand(proposal: &str) -> (String, String) {
    let (notes, route) = proposal.split_once("[[route]]").unwrap();
    assert!(!route.contains("[[route]]"), "{proposal}");
    let notes = notes.rsplit("\n\n").next().unwrap_or_default();
    let demand = route.lines().find(|line| line.starts_with("require") || line.starts_with("public"));
    (demand.unwrap_or_default().to_owned(), notes.trim().to_owned())
}

#[test]
fn a_document_becomes_a_file() {
    let yaml = r##"
openapi: 3.0.3
info: { title: Orders, version: 1 }
servers:
  - url: http://{host}:9001/v1/
    variables: { host: { default: orders.internal } }
  - url: https://staging.example.com/v1
security:
  - oauth: [orders:read]
paths:
  /orders:
    get: { responses: { 200: { description: all of them } } }
    head: {}
    post:
      security: [{ oauth: ["orders:write", "orders:read"] }]
    options:
      security: []
  /orders/{order-id}:
    $ref: "#/components/pathItems/order"
  /orders/{id}.pdf:
    get: {}
components:
  pathItems:
    order: { get: {}, delete: { security: [{ oauth: [] }] } }
  securitySchemes:
    oauth: { type: oauth2, flows: {} }
"##;
    let want = r##"# Proposed from an OpenAPI document. Look through it before it decides on anything.
# The document names 1 more, which may have other paths.
# Name the service itself here, if the document has the address that clients use.
[[upstream]]
name = "api"
servers = ["http://orders.internal:9001"]

[[route]]
path = "/v1/orders"
methods = ["GET"]
upstream = "api"
require = { scope = ["orders:read"] }

[[route]]
path = "/v1/orders"
methods = ["POST"]
upstream = "api"
require = { scope = ["orders:read", "orders:write"] }

[[route]]
path = "/v1/orders"
methods = ["OPTIONS"]
upstream = "api"
public = true

[[route]]
path = "/v1/orders/{order_id}"
methods = ["GET"]
upstream = "api"
require = { scope = ["orders:read"] }

[[route]]
path = "/v1/orders/{order_id}"
methods = ["DELETE"]
upstream = "api"

# Left out:
# - "/v1/orders/{id}.pdf": a parameter is not a whole segment, as the gateway's are; requests for it meet the route "/v1/orders/{order_id}"
"##;
    assert_eq!(Proposal::from_openapi(yaml, None).unwrap().to_string(), want);
    propose(yaml);
}

#[test]
fn what_security_requirements_become() {
    let cases = [
        ("nobody", json!([]), "public = true", ""),
        ("nothing", json!([{}]), "public = true", ""),
        ("any_token", json!([{ "jwt": [] }]), "", ""),
        ("scopes", json!([{ "oidc": ["b", "a"] }]), r#"require = { scope = ["a", "b"] }"#, ""),
        ("both", json!([{ "oauth": ["a"], "jwt": ["b"] }]), r#"require = { scope = ["a", "b"] }"#, ""),
        (
            "alternatives",
            json!([{ "oauth": ["a"] }, { "oauth": ["b", "c"] }, {}]),
            r#"require = { scope = ["b", "c"] }"#,
            "# The strictest of several alternatives. The document also takes the scope \"a\", or no credentials (`optional = true`).",
        ),
        (
            "a_key_or_a_token",
            json!([{ "key": [] }, { "jwt": [] }]),
            "",
            "# The strictest of several alternatives. The document also takes \"apiKey\" (\"key\").",
        ),
        (
            "a_password",
            json!([{ "basic": [] }]),
            "",
            "# To be decided: the document asks for \"basic\" credentials (\"basic\"), which the gateway does not check; a token is asked for.",
        ),
        (
            "unknown",
            json!([{ "x\n[[route]]": [] }]),
            "",
            "# To be decided: the document asks for the scheme \"x\\n[[route]]\", which it does not define, which the gateway does not check; a token is asked for.",
        ),
    ];
    for (name, security, demand, notes) in cases {
        let proposal = get(security);
        let route = proposal.split_once("\n\n").unwrap().1;
        let before = if notes.is_empty() { String::new() } else { format!("{notes}\n") };
        let after = if demand.is_empty() { String::new() } else { format!("{demand}\n") };
        let want =
            format!("{before}[[route]]\npath = \"/a\"\nmethods = [\"GET\"]\nupstream = \"api\"\n{after}");
        assert_eq!(route, want, "{name}");
    }
}

#[test]
fn what_no_document_says_is_not_public() {
    let proposal = propose(&document(json!({ "/a": { "get": {} } })));
    let (demand, notes) = demand(&proposal);
    assert_eq!(demand, "");
    assert!(notes.contains("says nothing of security"), "{notes}");
}

#[test]
fn what_is_left_out_is_told() {
    let open = json!({ "security": [] });
    let cases = [
        ("/a/{x}{y}", json!({ "get": open }), "not a whole segment"),
        ("/a/{x}.json", json!({ "get": open }), "not a whole segment"),
        ("/a/{}", json!({ "get": open }), "not a whole segment"),
        ("/{x}/{x}", json!({ "get": open }), "stands twice"),
        ("/{*all}/a/*", json!({ "get": open }), "neither text nor"),
        ("/a/../b", json!({ "get": open }), "`.` or `..`"),
        ("/a%20b", json!({ "get": open }), "as it reads decoded"),
        ("/a\u{202e}b", json!({ "get": open }), "cannot be seen"),
        ("/a?b=c", json!({ "get": open }), "a query"),
        ("no-slash", json!({ "get": open }), "starts with a slash"),
        ("/auth/verify/x", json!({ "get": open }), "forward-auth"),
        ("/a", json!({ "get": open, "servers": [] }), "`servers` of its own"),
        ("/a", json!({ "get": { "servers": [] } }), "`servers` of its own"),
        ("/a", json!({ "get": 1 }), "no operation"),
        ("/a", json!({ "trace": {} }), "does not pass it on"),
        ("/a", json!([]), "no path item"),
        ("/a", json!({ "$ref": "other.yaml" }), "out of the document"),
        ("/a", json!({ "$ref": "https://example.com/x" }), "out of the document"),
        ("/a", json!({ "$ref": "#/paths/~1a" }), "too many others"),
        ("/a", json!({ "$ref": "#/components", "get": open }), "more beside it"),
        ("/a", json!({ "get": { "security": null } }), "is no list"),
        ("/a", json!({ "get": { "security": [1] } }), "is no object"),
        ("/a", json!({ "get": { "security": [{ "oauth": ["a b"] }] } }), "\"a b\", which is no scope"),
        ("/a", json!({ "get": { "security": [{ "oauth": ["a\"]\npublic = true"] }] } }), "which is no scope"),
    ];
    for (path, item, why) in cases {
        let proposal = propose(&document(json!({ path: item })));
        let told = proposal.lines().any(|line| line.starts_with("# - ") && line.contains(why));
        assert!(told && !proposal.contains("[[route]]"), "{path} {why}: {proposal}");
    }
}

#[test]
fn two_templates_of_the_same_paths_are_one_route() {
    let read = json!({ "get": { "security": [{ "oauth": ["a"] }] } });
    let proposal = propose(&document(json!({ "/a/{x}": read, "/a/{y}": read })));
    assert_eq!(proposal.matches("[[route]]").count(), 1);
    assert!(proposal.contains(r#"# - GET "/a/{y}": another route serves the same paths"#), "{proposal}");
}

#[test]
fn what_is_left_out_does_not_become_public_by_a_broader_route() {
    let open = json!({ "get": { "security": [] } });
    let closed = json!({ "get": { "security": [{ "oauth": ["no scope"] }] } });
    let proposal = propose(&document(json!({ "/{page}": open, "/secret": closed, "/other/{page}": open })));
    assert_eq!(proposal.matches("public = true").count(), 1, "{proposal}");
    assert!(proposal.contains(r#"but GET "/secret" is left out below and comes here."#), "{proposal}");

    let other_method = json!({ "get": { "security": [] }, "post": { "security": 1 } });
    let proposal = propose(&document(json!({ "/page": other_method })));
    assert!(proposal.contains("public = true"), "POST gets 405: {proposal}");

    let head = json!({ "get": { "security": [] }, "head": { "security": [{ "oauth": ["a"] }] } });
    let proposal = propose(&document(json!({ "/page": head })));
    assert!(proposal.contains("require") && !proposal.contains("public"), "{proposal}");
}

#[test]
fn servers() {
    let cases = [
        (json!([]), "http://127.0.0.1:9001", "/a"),
        (json!([{ "url": "/" }]), "http://127.0.0.1:9001", "/a"),
        (json!([{ "url": "/v1/" }]), "http://127.0.0.1:9001", "/v1/a"),
        (json!([{ "url": "https://api.example.com/v1" }]), "https://api.example.com", "/v1/a"),
        (json!([{ "url": "http://[::1]:80" }]), "http://[::1]", "/a"),
        (json!([{ "url": "https://me:secret@api.example.com/v1" }]), "http://127.0.0.1:9001", "/a"),
        (json!([{ "url": "ws://api.example.com/v1" }]), "http://127.0.0.1:9001", "/a"),
        (json!([{ "url": "http://{unknown}/" }]), "http://127.0.0.1:9001", "/a"),
        (json!([{ "url": "//elsewhere/v1" }]), "http://127.0.0.1:9001", "/a"),
    ];
    for (servers, origin, path) in cases {
        let text = json!({ "openapi": "3.0.0", "servers": servers, "paths": { "/a": { "get": {} } } });
        let proposal = Proposal::from_openapi(&text.to_string(), None).unwrap().to_string();
        assert!(proposal.contains(&format!("servers = [\"{origin}\"]")), "{servers}: {proposal}");
        assert!(proposal.contains(&format!("path = \"{path}\"")), "{servers}: {proposal}");
    }
    for text in ["", "x", "x=", "=http://a", "x=http://a/b", "x=ftp://a", "x=http://a?b", "x=file:///a"] {
        assert_eq!(text.parse::<UpstreamServer>(), Err(InvalidUpstream), "{text}");
    }
}

#[test]
fn documents_that_nothing_is_proposed_from() {
    let nested = format!("openapi: 3.1.0\npaths: {}", "[".repeat(100_000));
    let many: serde_json::Map<_, _> = (0..=MAX_PATHS).map(|i| (format!("/{i}"), json!({}))).collect();
    let scopes: Vec<String> = (0..60).map(|i| format!("s{i}")).collect();
    let asks = json!({ "get": { "security": [{ "jwt": scopes }] } });
    let multiplied: serde_json::Map<_, _> = (0..2_000).map(|i| (format!("/{i}"), asks.clone())).collect();
    let cases = [
        (" ".repeat(MAX_BYTES + 1), "more than 4 MiB"),
        (String::new(), "3.0 and 3.1"),
        ("{".into(), "not JSON"),
        (r#"{ "openapi": "3.1.0", "openapi": "3.1.0" }"#.into(), "\"openapi\" stands twice"),
        (format!("{}1{}", "{\"a\":".repeat(1_000), "}".repeat(1_000)), "not JSON"),
        ("openapi: 3.1.0\npaths: {}\npaths: {}".into(), "line 3: \"paths\" stands twice"),
        ("openapi: 3.1.0\nx: &a [1]\ny: *a".into(), "line 3: aliases"),
        ("openapi: 3.1.0\npaths:\n  <<: {}".into(), "line 3: merge keys"),
        ("openapi: 3.1.0\n---\nopenapi: 3.1.0".into(), "second document"),
        ("? [a]\n: b".into(), "a name is not text"),
        ("a: [".into(), "not YAML"),
        (nested, "not YAML"),
        ("swagger: '2.0'\npaths: {}".into(), "Swagger 2.0"),
        ("openapi: 3.2.0\npaths: {}".into(), "3.0 and 3.1"),
        ("openapi: 3.11\npaths: {}".into(), "3.0 and 3.1"),
        ("openapi: 3.1".into(), "no paths"),
        (document(many.into()), "more than 4000 paths"),
        (document(multiplied.into()), "more than 100000 scopes"),
    ];
    for (text, want) in cases {
        let error = Proposal::from_openapi(&text, None).unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

/// Pieces that mean something to YAML, JSON, TOML or to a path.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n",
            "\"",
            "'''",
            "\"\"\"",
            "]",
            "[[route]]\n",
            "public = true",
            "#",
            "{",
            "}",
            "/",
            "*",
            "%2f",
            "..",
            "\\",
            "\u{1b}[2J",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{202e}",
            "$ref",
            "é",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,3}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_stops_the_import(text in any::<String>(), yaml in "[\\[\\]{}:,\\-?|>&*!#'\"\\\\%@` \n\ta-c]{0,60}") {
        let _ = Proposal::from_openapi(&text, None);
        let _ = Proposal::from_openapi(&yaml, None);
    }

    #[test]
    fn no_document_writes_into_the_file(
        paths in prop::collection::vec(hostile_text(), 1..4),
        scope in hostile_text(),
        scheme in hostile_text(),
        server in hostile_text(),
    ) {
        let item = json!({ "get": { "security": [{ &scheme: [&scope] }, { "oauth": [&scope] }, { "key": [] }] } });
        let mut all: serde_json::Map<_, _> = paths.iter().map(|path| (format!("/{path}"), item.clone())).collect();
        all.insert("/plain".to_owned(), item);
        let mut value: Value = serde_json::from_str(&document(all.into())).unwrap();
        value["servers"] = json!([{ "url": format!("/{server}") }]);
        value["components"]["securitySchemes"][&scheme] = json!({ "type": &scope });
        let proposal = propose(&value.to_string());
        prop_assert!(!proposal.lines().any(|line| line.starts_with("public")), "{}", proposal);
        prop_assert!(!proposal.contains(|c: char| c.is_control() && c != '\n'), "{:?}", proposal);
    }
}

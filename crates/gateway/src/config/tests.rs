use std::path::PathBuf;

use gatepass_guard::{StaleAction, StalePolicy};

use super::*;

const ISSUER: &str = r#"
[[issuer]]
url = "https://auth.example.com"
audience = ["https://api.example.com"]
revocation = "none"
"#;
const UPSTREAM: &str = r#"
[[upstream]]
name = "orders"
servers = ["http://127.0.0.1:9001"]
"#;

fn with_route(route: &str) -> String {
    format!("listen = \"127.0.0.1:1\"\n{ISSUER}{UPSTREAM}\n[[route]]\n{route}\n")
}

fn with_issuer(lines: &str) -> String {
    format!(
        "listen = \"127.0.0.1:1\"\n[[issuer]]\nurl = \"https://auth.example.com\"\naudience = [\"a\"]\n{lines}\n"
    )
}

/// A folder with files in it, which goes when it is dropped.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// A certificate that vouches for itself, and its key.
fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["api.example.com".to_owned()]).unwrap();
    let pem = |label, der: &[u8]| pem_rfc7468::encode_string(label, Default::default(), der).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", key.serialized_der()))
}

#[test]
fn the_file_of_the_documentation() {
    let documentation = include_str!("../lib.rs");
    let file = documentation.split("//! ```").nth(1).unwrap().strip_prefix("toml\n").unwrap();
    let file: Vec<&str> = file.lines().map(|line| line.trim_start_matches("//!").trim()).collect();
    let (certificate, key) = certificate();
    let folder = folder(&[
        ("secret", b"s3cret"),
        ("site.secret", b"s3cret"),
        ("server.pem", certificate.as_bytes()),
        ("server.key", key.as_bytes()),
        ("clients.pem", certificate.as_bytes()),
        ("ca.pem", certificate.as_bytes()),
        ("gateway.pem", certificate.as_bytes()),
        ("gateway.key", key.as_bytes()),
    ]);
    let config = check::check(&file.join("\n"), folder.path()).unwrap();
    assert_eq!(config.scheme(), "https");
    assert_eq!(config.listen(), "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.issuers[0].config.issuer, "https://auth.example.com");
    assert!(config.routes.reserved.contains(&"x_user_id".parse().unwrap()));

    // What it says of the defaults.
    let nothing = Config::parse("listen = '127.0.0.1:8080'").unwrap();
    assert_eq!((config.timeouts, nothing.admin_listen()), (nothing.timeouts, None));
    assert_eq!(config.limits, Limits { body_bytes: Some(1_000_000), ..nothing.limits });
    assert_eq!(config.routes.forward_auth.path, nothing.routes.forward_auth.path);
    let issuer = Config::parse(&format!("listen = '[::]:1'{ISSUER}")).unwrap().issuers.remove(0).config;
    assert_eq!(config.issuers[0].config.algs, issuer.algs);
    assert_eq!(config.issuers[0].config.clock_skew, issuer.clock_skew);
}

#[test]
fn everything_that_can_be_configured() {
    let folder = folder(&[
        ("secret", b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n"),
        ("client-secret", b"s3cret\r\n"),
        ("keys.json", br#"{"keys":[]}"#),
    ]);
    let text = r#"
listen = "[::1]:8080"
admin_listen = "127.0.0.1:9090"
trusted_proxies = ["10.0.0.0/8", "::1"]
public_url = "https://api.example.com"

[[issuer]]
url = "https://a.example.com"
audience = ["one", "two"]
algs = ["RS256", "EdDSA"]
jwks_uri = "https://a.example.com/keys"
clock_skew = "10s"
base_url = "http://127.0.0.1:7000"
insecure_http = true
revocation = "feed"
feed = "https://a.example.com/feed"
feed_fallbacks = ["https://b.example.com/feed"]
on_stale = { after = "1m", then = "introspect" }
introspection = { url = "https://a.example.com/introspect", client_id = "gateway", client_secret_file = "client-secret" }

[[issuer]]
url = "https://b.example.com"
audience = ["one"]
algs = ["HS256"]
secret_file = "secret"
revocation = "none"

[[issuer]]
url = "https://c.example.com"
audience = ["one"]
jwks_file = "keys.json"
revocation = "introspect"
introspection = { client_id = "gateway", client_secret_file = "client-secret" }

[[issuer]]
url = "https://d.example.com"
audience = ["one"]
revocation = "status-list"
status_list_origins = ["https://status.example.com"]
on_stale = { after = "5m", then = "deny" }
introspection = { client_id = "gateway", client_secret_file = "client-secret" }

[[upstream]]
name = "a"
servers = ["http://127.0.0.1:9001", "http://[::1]", "http://service.internal:80/"]
protocol = "h2"

[[route]]
host = "api.example.com"
path = "/a/{id}/{*rest}"
methods = ["GET", "PURGE"]
upstream = "a"
token = "strip"
end_streams = false
enforce = false
on_stale = { after = "0s", then = "introspect" }
require = { claim = { tenant = "acme", level = [3, true], groups = { contains = "x" }, amr = { present = true } } }
forward = { "https://example.com/tenant" = "X-Tenant" }

[[rate_limit]]
name = "partners"
per = "client"
requests = 1_000_000
every = "1d"

[[route]]
host = "*.example.com"
path = "/users/{user}/orders"
headers = { X-Api-Version = "2", x-beta = { present = true } }
upstream = "a"
optional = true
require = { claim = { sub = { param = "user" } }, dpop = true, acr = ["urn:gold"], max_age = "10m" }
cors = { origins = ["https://app.example.com", "http://localhost:5173", "capacitor://localhost"], methods = ["GET"], headers = ["authorization"], expose = ["ETag", "DPoP-Nonce"], credentials = true, max_age = "10m" }
rate_limit = "partners"

[[route]]
path = "/users"
upstream = "a"
rate_limit = { per = "subject", requests = 100, every = "1m", burst = 20 }

[[route]]
path = "/"
upstream = "a"
token = "keep"
public = true

[forward_auth]
path = "/_verify"
forward = { sub = "X-Sub" }

[limits]
connections = 10
header_bytes = 8192
headers = 50
target_bytes = 2000
body_bytes = 0

[timeouts]
header = "1s"
idle = "2s"
stall = "3s"
drain = "4s"
connect = "5s"
response = "6s"
handshake = "7s"
tunnel = "8s"
"#;
    let config = check::check(text, folder.path()).unwrap();
    assert_eq!(config.issuers.len(), 4);
    let policy = StalePolicy { after: Duration::ZERO, then: StaleAction::Introspect };
    assert_eq!(config.routes.routes[0].on_stale.as_deref(), Some(&policy));
    let servers: Vec<String> = config.upstreams[0].servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:9001", "[::1]:80", "service.internal:80"]);
    let seconds = |duration: Duration| duration.as_secs();
    let Timeouts { handshake, header, idle, stall, tunnel, drain } = config.timeouts;
    let UpstreamTimeouts { connect, response } = config.upstreams[0].timeouts;
    assert_eq!(
        [header, idle, stall, drain, connect, response, handshake, tunnel].map(seconds),
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    assert_eq!(config.limits.body_bytes, Some(0));
    let limits: Vec<_> =
        config.rate_limits.iter().map(|limit| (&*limit.name, limit.requests, limit.burst)).collect();
    assert_eq!(limits, [("partners", 1_000_000, 1_000_000), ("default", 100, 20)]);
}

#[test]
fn what_is_refused_where_and_with_which_advice() {
    // Of a route's keys, those that are not the case's are on the lines 13 and 14.
    let route = |lines: &str| with_route(&format!("path = '/a'\nupstream = 'orders'\n{lines}"));
    let limit = |keys: &str| route(&format!("rate_limit = {{ {keys} }}"));
    let cases = [
        // The file as a whole.
        (
            String::new(),
            None,
            "`listen` is missing; give an address to serve at: listen = \"127.0.0.1:8080\"",
        ),
        ("listen = ".into(), Some(1), "string values must be quoted"),
        ("listen = 8080".into(), Some(1), "invalid type: integer `8080`, expected a string"),
        ("\nlisten = ':8080'".into(), Some(2), "`:8080` is no address to listen on; write an IP address"),
        ("listen = 'localhost:80'".into(), Some(1), "`localhost:80` is no address to listen on"),
        ("listen = '[::]:1'\nlisten = '[::]:2'".into(), Some(2), "duplicate key"),
        ("listen = '[::]:1'\nlisen = 1".into(), Some(2), "unknown field `lisen`"),
        ("listen = '[::]:1'\n\n[[rout]]".into(), Some(3), "did you mean `route`?"),
        (
            "listen = '[::]:1'\ntrusted_proxies = ['10.0.0.0/8', '10.0.0/8']".into(),
            Some(2),
            "`10.0.0/8` is no address or network",
        ),
        (
            "listen = '[::]:1'\npublic_url = 'api.example.com'".into(),
            Some(2),
            "the public URL `api.example.com` is no URL; write how clients begin",
        ),
        ("listen = '[::]:1'\npublic_url = 'https://a?b'".into(), Some(2), "has a query or a fragment"),
        ("listen = '[::]:1'\npublic_url = 'https://a/b/'".into(), Some(2), "a slash at its end"),
        ("listen = '[::]:1'\npublic_url = 'https://u@a'".into(), Some(2), "has credentials"),
        ("listen = '[::]:1'\npublic_url = 'ws://a'".into(), Some(2), "is not reached over http or https"),
        (
            "listen = '[::]:1'\n[limits]\nheader_bytes = 100".into(),
            Some(3),
            "this limit must be 8192 or more",
        ),
        ("listen = '[::]:1'\n[limits]\nconnections = -1".into(), Some(3), "invalid value: integer `-1`"),
        ("listen = '[::]:1'\n[timeouts]\nidle = '0s'".into(), Some(3), "a time limit of nothing"),
        (
            "listen = '[::]:1'\n[timeouts]\nidle = '60'".into(),
            Some(3),
            "`60` is no duration; write a whole number and a unit",
        ),
        (
            "listen = '[::]:1'\n[ext_authz]".into(),
            Some(2),
            "`listen` is missing here; give where Envoys ask: listen = \"127.0.0.1:9191\"",
        ),
        (
            "listen = '[::]:1'\n[forward_auth]\npath = 'verify'".into(),
            Some(3),
            "the path must start with a slash",
        ),
        // Issuers.
        (
            "listen = '[::]:1'\n\n[[issuer]]\naudience = ['a']".into(),
            Some(3),
            "`url` is missing here; give the exact value of `iss`",
        ),
        ("listen = '[::]:1'\n[[issuer]]\nurl = 'https://a'\n".into(), Some(2), "`audience` is missing here"),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'https://a'\naudience = []".into(),
            Some(4),
            "an empty `audience` would take tokens meant for anybody",
        ),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'auth.example.com'\n".into(),
            Some(3),
            "`auth.example.com` is no http or https URL",
        ),
        (
            "listen = '[::]:1'\n[[issuer]]\nurl = 'https://a?b'\n".into(),
            Some(3),
            "neither query nor fragment",
        ),
        (with_issuer(""), Some(2), "`revocation` is missing here; give how revoked tokens are told"),
        (with_issuer("revocation = 'fed'"), Some(5), "unknown variant `fed`"),
        (with_issuer("revocation = 'fed'"), Some(5), "did you mean `feed`?"),
        (with_issuer("revocation = 'status-list'"), Some(5), "`on_stale` is missing"),
        (
            with_issuer("revocation = 'feed'\nstatus_list_origins = ['https://a']"),
            Some(6),
            "`status_list_origins` has no meaning without revocation = \"status-list\"",
        ),
        (
            with_issuer("revocation = 'status-list'\nfeed_fallbacks = ['https://a']"),
            Some(6),
            "`feed_fallbacks` has no meaning without revocation = \"feed\"",
        ),
        (
            with_issuer("revocation = 'feed'\nfeed_fallbacks = ['https://a', 'b']"),
            Some(6),
            "`b` is no http or https URL",
        ),
        (
            with_issuer("revocation = 'feed'"),
            Some(5),
            "`on_stale` is missing: what holds while the issuer is silent",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { then = 'deny' }"),
            Some(6),
            "`after` is missing here",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '30s', then = 'ignore' }"),
            Some(6),
            "unknown variant `ignore`",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '30', then = 'deny' }"),
            Some(6),
            "`30` is no duration",
        ),
        (
            with_issuer("revocation = 'feed'\non_stale = { after = '1s', then = 'introspect' }"),
            Some(6),
            "`introspection` is missing",
        ),
        (
            with_issuer("revocation = 'none'\non_stale = { after = '1s', then = 'deny' }"),
            Some(6),
            "`on_stale` has no meaning",
        ),
        (with_issuer("revocation = 'none'\nfeed = 'https://a'"), Some(6), "`feed` has no meaning"),
        (
            with_issuer("revocation = 'none'\nintrospection = { client_id = 'a', client_secret_file = 'b' }"),
            Some(6),
            "`introspection` has no meaning: nothing asks the issuer",
        ),
        (
            with_issuer("revocation = 'introspect'"),
            Some(5),
            "`introspection` is missing: as whom to ask the issuer",
        ),
        (
            with_issuer("revocation = 'none'\nalgs = ['ES265']"),
            Some(6),
            "`ES265` is no algorithm that can be verified; did you mean `ES256`?",
        ),
        (with_issuer("revocation = 'none'\nalgs = ['none']"), Some(6), "`none` is no algorithm"),
        (
            with_issuer("revocation = 'none'\nalgs = ['HS256']"),
            Some(6),
            "HS256, HS384 and HS512 need a secret",
        ),
        (
            with_issuer("revocation = 'none'\nalgs = []"),
            Some(6),
            "with an empty `algs` no token could be verified",
        ),
        ("listen = '[::]:1'\nforwarded = 'rfc7293'".into(), Some(2), "unknown variant `rfc7293`"),
        ("listen = '[::]:1'\n[access_log]\nidentity = true".into(), Some(2), "`path` is missing here"),
        ("listen = '[::]:1'\n[access_log]\npath = ''".into(), Some(3), "an empty path names no file"),
        ("listen = '[::]:1'\n[access_log]\npaht = '-'".into(), Some(3), "did you mean `path`?"),
        ("listen = '[::]:1'\n[tracing]\nsample = 0.5".into(), Some(2), "`otlp` is missing here"),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'a:4318'".into(),
            Some(3),
            "is not reached over http or https",
        ),
        ("listen = '[::]:1'\n[tracing]\notlp = 'http://u:p@a'".into(), Some(3), "has credentials or a query"),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'http://a'\nsample = 1.5".into(),
            Some(4),
            "write a number from 0.0 to 1.0",
        ),
        (
            "listen = '[::]:1'\n[tracing]\notlp = 'http://a'\ncallers = 'nobody'".into(),
            Some(4),
            "unknown variant `nobody`",
        ),
        (with_issuer("revocation = 'none'\nsecret_file = '/nowhere'"), Some(6), "cannot read /nowhere"),
        (
            with_issuer("revocation = 'none'\nsecret_file = 'a'\nalgs = ['ES256']"),
            Some(6),
            "a secret is for exactly one of",
        ),
        (
            with_issuer("revocation = 'none'\nsecret_file = 'a'\njwks_uri = 'https://a'"),
            Some(6),
            "exclude each other",
        ),
        (with_issuer("revocation = 'none'\nclock_skew = '1'"), Some(6), "`1` is no duration"),
        (
            format!("listen = '[::]:1'{ISSUER}{ISSUER}"),
            Some(7),
            "the issuer https://auth.example.com is configured twice",
        ),
        (
            format!(
                "{}{UPSTREAM}[[route]]\npath = '/'\nupstream = 'orders'\non_stale = {{ after = '1s', then = 'introspect' }}",
                with_issuer("revocation = 'feed'\non_stale = { after = '1s', then = 'deny' }"),
            ),
            Some(5),
            "`introspection` is missing: as whom to ask the issuer",
        ),
        // Upstreams.
        ("listen = '[::]:1'\n[[upstream]]\nservers = ['http://a']".into(), Some(2), "`name` is missing here"),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'".into(),
            Some(2),
            "`servers` is missing here; give one or more",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['127.0.0.1:80']".into(),
            Some(4),
            "the server `127.0.0.1:80` is no URL",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['ftp://a']".into(),
            Some(4),
            "is not reached over http or https",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://a', 'http://a:80/']".into(),
            Some(4),
            "the server `http://a:80/` is there twice",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://a/b']".into(),
            Some(4),
            "has a path",
        ),
        (
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['http://u:p@a']".into(),
            Some(4),
            "has credentials",
        ),
        (format!("listen = '[::]:1'{UPSTREAM}protocol = 'h3'"), Some(5), "unknown variant `h3`"),
        (format!("listen = '[::]:1'{UPSTREAM}{UPSTREAM}"), Some(7), "there is an upstream `orders` already"),
        // Routes. The first line of a route's keys is the 13th.
        (
            with_route(
                "path = '/a'\nupstream = 'orders'\npublic = true\non_stale = { after = '1s', then = 'deny' }",
            ),
            Some(16),
            "a public route has no token that could have been revoked",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\non_stale = { after = '1s', then = 'deny' }"),
            Some(15),
            "`on_stale` has no meaning: no issuer has",
        ),
        (with_route("upstream = 'orders'"), Some(12), "`path` is missing here"),
        (with_route("path = '/a'"), Some(12), "`upstream` is missing here"),
        (
            with_route("path = '/a'\nupstream = 'order'"),
            Some(14),
            "there is no upstream `order`; did you mean `orders`?",
        ),
        (with_route("path = '/a'\nupstream = 'nothing'"), Some(14), "add an [[upstream]] with this name"),
        (with_route("path = 'a'\nupstream = 'orders'"), Some(13), "the path `a`: a path must start with `/`"),
        (with_route("path = '/{*rest}/a'\nupstream = 'orders'"), Some(13), "can only stand at the end"),
        (with_route("path = '/a//b'\nupstream = 'orders'"), Some(13), "no request can have this path"),
        (
            with_route("path = '/auth/verify'\nupstream = 'orders'"),
            Some(13),
            "is the forward-auth endpoint; move that one",
        ),
        (
            with_route("path = '/auth/verify/{x}'\nupstream = 'orders'"),
            Some(13),
            "is the forward-auth endpoint; move that one",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = ['get']"),
            Some(15),
            "`get` is no method; methods are written in capitals",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = ['CONNECT']"),
            Some(15),
            "CONNECT is not passed on",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nmethods = []"),
            Some(15),
            "an empty `methods` serves nothing",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nhost = 'https://a'"),
            Some(15),
            "`https://a` is no host name",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\nhost = '*a.b'"), Some(15), "`*a.b` is no host name"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = 'yes'"),
            Some(15),
            "invalid type: string \"yes\", expected a boolean",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\ntoken = 'exchange'"),
            Some(15),
            "unknown variant `exchange`",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\ntoken = 5"),
            Some(15),
            "expected \"keep\", \"strip\" or { exchange = \"…\" }",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchang = 'x' }"), Some(15), "`exchange`?"),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchange = '' }"), Some(15), "for somebody"),
        (with_route("path = '/a'\nupstream = 'orders'\ntoken = { exchange = 'x' }"), Some(15), "as whom"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\ntoken = { exchange = 'x' }"),
            Some(16),
            "no token to exchange",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\ntickets = true"), Some(15), "as whom"),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\ntickets = true"),
            Some(16),
            "no use for a ticket",
        ),
        (with_route("path = '/a'\nupstream = 'orders'\nreqire = {}"), Some(15), "did you mean `require`?"),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = {}"),
            Some(15),
            "an empty `require` requires nothing",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scopes = ['a'] }"),
            Some(15),
            "did you mean `scope`?",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = 'a' }"),
            Some(15),
            "invalid type: string \"a\", expected a sequence",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = [] }"),
            Some(15),
            "an empty `scope` says neither all nor none",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { scope = ['a b'] }"),
            Some(15),
            "`a b` is not one scope; write several as scope",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { role = [''] }"),
            Some(15),
            "a role is never empty",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = 1.5 } }"),
            Some(15),
            "this is no test for a claim; write its value",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = [] } }"),
            Some(15),
            "this is no test for a claim",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nrequire = { claim = { a = { present = false } } }"),
            Some(15),
            "this is no test for a claim",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nrequire = { role = ['a'] }"),
            Some(16),
            "a public route takes no token",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nforward = { sub = 'X-A' }"),
            Some(12),
            "there is no claim to forward",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nend_streams = true"),
            Some(16),
            "a public route has no token for its streams to end with",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\npublic = true\nenforce = false"),
            Some(16),
            "a public route has no rule to enforce",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X A' }"),
            Some(15),
            "`X A` is no name for a header field",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'Host' }"),
            Some(15),
            "`Host` has a meaning of its own; choose another name",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X-Forwarded-User' }"),
            Some(15),
            "has a meaning of its own",
        ),
        (
            with_route("path = '/a'\nupstream = 'orders'\nforward = { sub = 'X-A', sid = 'x-a' }"),
            Some(15),
            "`X-A` is set by the claim `sid` already",
        ),
        (
            with_route("path = '/{a}'\nupstream = 'orders'\n[[route]]\npath = '/{b}'\nupstream = 'orders'"),
            Some(16),
            "the route of line 12 serves the same paths with the same methods",
        ),
        (
            format!("listen = '[::]:1'{UPSTREAM}[[route]]\npath = '/'\nupstream = 'orders'"),
            Some(5),
            "this route needs a token, and no issuer is trusted to mint one; add an [[issuer]], or write public = true",
        ),
        // What a route goes by, and demands beyond scopes, roles and values.
        (route("host = 'a.*.b'"), Some(15), "`a.*.b` is no host name"),
        (route("host = '*.'"), Some(15), "`*.` is no host name"),
        (route("headers = { 'X A' = '1' }"), Some(15), "`X A` is no name for a header field"),
        (
            route("headers = { X-A = 1 }"),
            Some(15),
            "this is no test for a header field; write its whole value",
        ),
        (route("headers = { X-A = '' }"), Some(15), "this is no test for a header field"),
        (route("headers = { X-A = { present = false } }"), Some(15), "this is no test for a header field"),
        (route("headers = { X-A = '1', x-a = '2' }"), Some(15), "stands twice, in two spellings"),
        (
            route("headers = { Cookie = 'a=b' }"),
            Some(15),
            "the upstream does not see `Cookie` as the client sent it",
        ),
        (route("headers = { X-Forwarded-Proto = 'https' }"), Some(15), "so no route can go by it"),
        (
            route("forward = { sub = 'X-User' }\nheaders = { X_User = 'ann' }"),
            Some(16),
            "the upstream does not see `X_User` as the client sent it",
        ),
        (
            route(
                "headers = { X-A = '1' }\n[[route]]\npath = '/a'\nupstream = 'orders'\nheaders = { X-B = '1' }",
            ),
            Some(17),
            "and a request can have the `headers` of both; give one all `headers` of the other and more",
        ),
        (
            route("require = { claim = { sub = { param = 'usr' } } }").replace("'/a'", "'/{user}/{id}'"),
            Some(15),
            "the path has no parameter `{usr}` of one segment; did you mean `user`?",
        ),
        (
            route("require = { claim = { sub = { param = 'rest' } } }").replace("'/a'", "'/{*rest}'"),
            Some(15),
            "`{*name}` can be several segments",
        ),
        (route("require = { claim = { sub = { param = 1 } } }"), Some(15), "this is no test for a claim"),
        (route("require = { claim = { sub = { parm = 'a' } } }"), Some(15), "{ param = \"…\" }"),
        (route("require = { dpop = true }"), Some(15), "no DPoP proof can be checked here"),
        (route("require = { dpop = false }"), Some(15), "`dpop = false` demands nothing; leave it out"),
        (route("require = { acr = [] }"), Some(15), "an empty `acr` says neither all nor none"),
        (route("require = { acr = ['a b'] }"), Some(15), "`a b` is not one authentication context"),
        (route("require = { acr = ['a\"'] }"), Some(15), "is not one authentication context"),
        (route("require = { max_age = '10' }"), Some(15), "`10` is no duration"),
        (route("require = { max_age = '999ms' }"), Some(15), "no login could be as recent as that"),
        (route("require = { max_ag = '1s' }"), Some(15), "did you mean `max_age`?"),
        (
            route("public = true\noptional = true"),
            Some(16),
            "a public route looks at no token, so none is optional",
        ),
        // Web pages.
        (route("cors = {}"), Some(15), "`origins` is missing here; give whose pages may use the route"),
        (route("cors = { origins = [] }"), Some(15), "an empty `origins` lets no page in"),
        (route("cors = { origns = ['*'] }"), Some(15), "did you mean `origins`?"),
        (
            route("cors = { origins = ['*'], credentials = true }"),
            Some(15),
            "every page on the web could act as the user",
        ),
        (
            route("cors = { origins = ['*', 'https://a'] }"),
            Some(15),
            "the origin `*` is everybody, so it stands alone",
        ),
        (
            route("cors = { origins = ['null'] }"),
            Some(15),
            "the origin `null` is that of every sandboxed page",
        ),
        (
            route("cors = { origins = ['https://a/'] }"),
            Some(15),
            "is not as browsers write it; write \"https://a\"",
        ),
        (route("cors = { origins = ['https://A:443'] }"), Some(15), "write \"https://a\""),
        (route("cors = { origins = ['app.example.com'] }"), Some(15), "is no origin; write scheme and host"),
        (
            route("cors = { origins = ['https://*.a.example'] }"),
            Some(15),
            "the origin `https://*.a.example` is a pattern",
        ),
        (route("cors = { origins = ['file:///a'] }"), Some(15), "is no origin"),
        (route("cors = { origins = ['https://a'], methods = ['get'] }"), Some(15), "`get` is no method"),
        (
            route("cors = { origins = ['https://a'], methods = [] }"),
            Some(15),
            "an empty `methods` serves nothing",
        ),
        (
            route("cors = { origins = ['https://a'], headers = ['*'] }"),
            Some(15),
            "`*` does not stand for all `headers`",
        ),
        (
            route("cors = { origins = ['https://a'], expose = ['a b'] }"),
            Some(15),
            "`a b` is no name for a header field",
        ),
        (route("cors = { origins = ['https://a'], max_age = '5' }"), Some(15), "`5` is no duration"),
        // Limits.
        (
            route("rate_limit = 'partner'"),
            Some(15),
            "there is no limit `partner`; add a [[rate_limit]] with this name",
        ),
        (
            route(
                "rate_limit = 'partner'\n[[rate_limit]]\nname = 'partners'\nper = 'client'\nrequests = 1\nevery = '1s'",
            ),
            Some(15),
            "did you mean `partners`?",
        ),
        (route("rate_limit = 7"), Some(15), "expected the name of a [[rate_limit]], or a table of its own"),
        (route("rate_limit = {}"), Some(15), "`per` is missing here"),
        (limit("per = 'subjects'"), Some(15), "did you mean `subject`?"),
        (limit("per = 'address', request = 1"), Some(15), "did you mean `requests`?"),
        (limit("per = 'address', requests = 0, every = '1s'"), Some(15), "this number must be 1 or more"),
        (limit("per = 'address', requests = -1, every = '1s'"), Some(15), "invalid value: integer `-1`"),
        (
            limit("per = 'address', requests = 1, every = '999ms'"),
            Some(15),
            "a second at least and a day at most",
        ),
        (
            limit("per = 'address', requests = 1, every = '25h'"),
            Some(15),
            "a second at least and a day at most",
        ),
        (limit("per = 'address', requests = 5, every = '1s', burst = 6"), Some(15), "and 5 or less"),
        (
            limit("name = 'a', per = 'address', requests = 5, every = '1s'"),
            Some(15),
            "make it a [[rate_limit]]",
        ),
        (
            route("public = true\nrate_limit = { per = 'subject', requests = 1, every = '1s' }"),
            Some(16),
            "there is nobody to count by; write per = \"address\"",
        ),
        ("listen = '[::]:1'\n[[rate_limit]]\nper = 'client'".into(), Some(2), "`name` is missing here"),
        ("listen = '[::]:1'\n[[rate_limit]]\nname = 'a b'".into(), Some(3), "`a b` is no name for a limit"),
    ];
    for (text, line, want) in cases {
        let error = Config::parse(&text).expect_err(want);
        assert_eq!(error.line(), line, "{error} in\n{text}");
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
    }
}

#[test]
fn certificates_that_are_refused() {
    let (certificate, key) = certificate();
    let (_, another_key) = self::certificate();
    let folder = folder(&[
        ("server.pem", certificate.as_bytes()),
        ("server.key", key.as_bytes()),
        ("another.key", another_key.as_bytes()),
        ("empty.pem", b""),
        ("broken.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ]);
    let both = "certificate = 'server.pem'\nkey = 'server.key'\n";
    let cases = [
        (both.to_owned(), None),
        (format!("{both}client_ca = 'server.pem'"), None),
        ("key = 'server.key'".into(), Some((2, "`certificate` is missing here"))),
        ("certificate = 'server.pem'".into(), Some((2, "`key` is missing here"))),
        (format!("{both}client_cas = 'a'"), Some((5, "did you mean `client_ca`?"))),
        (both.replace("server.pem", "nowhere.pem"), Some((3, "nowhere.pem cannot be read"))),
        (both.replace("server.pem", "empty.pem"), Some((3, "empty.pem holds no certificate"))),
        (both.replace("server.pem", "server.key"), Some((3, "server.key holds no certificate"))),
        (both.replace("server.pem", "broken.pem"), Some((3, "broken.pem cannot be used with its key"))),
        (both.replace("server.key", "server.pem"), Some((4, "server.pem holds no private key"))),
        (
            both.replace("server.key", "another.key"),
            Some((4, "another.key is not the key of the certificate")),
        ),
        (format!("{both}client_ca = 'empty.pem'"), Some((5, "empty.pem holds no certificate"))),
        (format!("{both}client_ca = 'broken.pem'"), Some((5, "a certificate that is no root"))),
    ];
    for (lines, want) in cases {
        let checked = check::check(&format!("listen = '[::]:1'\n[tls]\n{lines}"), folder.path());
        match (checked, want) {
            (Ok(_), None) => {}
            (Err(error), Some((line, message))) => {
                assert_eq!(error.line(), Some(line), "{error} in\n{lines}");
                assert!(error.to_string().contains(message), "`{error}` does not say `{message}`");
            }
            (checked, want) => panic!("{want:?}: {checked:?} in\n{lines}"),
        }
    }
}

#[test]
fn how_the_servers_of_an_upstream_are_treated() {
    let checked = |lines: &str| Config::parse(&format!("listen = '[::]:1'{UPSTREAM}{lines}"));
    let upstream = checked("").unwrap().upstreams.remove(0);
    assert_eq!((upstream.health, upstream.limits), (None, None), "nothing is asked and nothing bounded");
    assert_eq!(upstream.eject, EjectSettings::default());
    assert_eq!((upstream.protocol, upstream.tls.is_none()), (Protocol::Http1, true));
    let upstream = checked(
        "health = { path = '/h?a=b', every = '1s', unhealthy = 1 }\n\
         eject = { failures = 9, longest = '24h', server_errors = true }\nlimits = { requests = 7 }",
    );
    let upstream = upstream.unwrap().upstreams.remove(0);
    let health = HealthSettings::at("/h?a=b".parse().unwrap());
    let health = HealthSettings { every: Duration::from_secs(1), unhealthy: 1, ..health };
    assert_eq!(upstream.health, Some(health));
    let longest = Duration::from_secs(24 * 60 * 60);
    assert_eq!(upstream.eject, EjectSettings { failures: 9, longest, server_errors: true });
    let wait = Duration::from_secs(1);
    assert_eq!(upstream.limits, Some(UpstreamLimits { requests: 7, waiting: 100, wait }));

    let cases = [
        ("helth = {}", "did you mean `health`?"),
        ("health = {}", "`path` is missing here; give what to ask for"),
        ("health = { path = 'healthz' }", "`healthz` is no path that can be asked for"),
        ("health = { path = 'http://a/' }", "no path that can be asked for"),
        ("health = { path = '/../a' }", "no path that can be asked for"),
        ("health = { path = '/a#b' }", "no path that can be asked for"),
        ("health = { path = '/', evry = '5s' }", "did you mean `every`?"),
        ("health = { path = '/', every = '0s' }", "a time limit of nothing"),
        ("health = { path = '/', every = '2d' }", "this is longer than a day"),
        ("health = { path = '/', healthy = 0 }", "this limit must be 1 or more"),
        ("eject = { failures = 0 }", "this limit must be 1 or more"),
        ("eject = { longest = '99999999d' }", "this is longer than a day"),
        ("eject = { failure = 1 }", "did you mean `failures`?"),
        ("limits = {}", "`requests` is missing here"),
        ("limits = { requests = 0 }", "this limit must be 1 or more"),
        ("limits = { requests = 1, wait = '2d' }", "this is longer than a day"),
        ("limits = { request = 1 }", "did you mean `requests`?"),
        ("protocol = 'auto'", "the protocol is agreed on in the TLS handshake; write `https://` servers"),
        ("protocol = 'h3'", "unknown variant `h3`"),
        ("tls = {}", "no server here is reached over TLS"),
    ];
    for (lines, want) in cases {
        let error = checked(lines).expect_err(want);
        assert_eq!(error.line(), Some(5), "{error} in\n{lines}");
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
    }
}

#[test]
fn certificates_of_and_for_servers() {
    let (certificate, key) = certificate();
    let folder = folder(&[("a.pem", certificate.as_bytes()), ("a.key", key.as_bytes()), ("empty.pem", b"")]);
    let cases = [
        ("ca = 'a.pem'", None),
        ("ca = 'a.pem', certificate = 'a.pem', key = 'a.key'", None),
        ("ca = 'a.pem', server_name = 'orders.internal'", None),
        ("ca = 'a.pem', server_name = '10.0.0.1'", None),
        ("ca = 'a.pem', server_name = 'a b'", Some("`a b` is no name that a certificate can have")),
        ("ca = 'nowhere.pem'", Some("nowhere.pem cannot be read")),
        ("ca = 'empty.pem'", Some("empty.pem holds no certificate")),
        ("ca = 'a.pem', certificate = 'a.pem'", Some("`key` is missing here")),
        ("ca = 'a.pem', key = 'a.key'", Some("`certificate` is missing here")),
        ("ca = 'a.pem', certificate = 'a.pem', key = 'a.pem'", Some("a.pem holds no private key")),
        ("ca = 'a.pem', insecure = true", Some("unknown field `insecure`")),
    ];
    for (entries, want) in cases {
        let text = format!(
            "listen = '[::]:1'\n[[upstream]]\nname = 'a'\nservers = ['https://a']\ntls = {{ {entries} }}"
        );
        match (check::check(&text, folder.path()), want) {
            (Ok(config), None) => {
                let [server] = config.upstreams[0].servers.as_slice() else { panic!("{config:?}") };
                assert_eq!(server.port, 443);
                assert!(server.name.is_some() && config.upstreams[0].tls.is_some());
            }
            (Err(error), Some(want)) => {
                assert_eq!(error.line(), Some(5), "{error} in\n{text}");
                assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
            }
            (checked, want) => panic!("{want:?}: {checked:?} in\n{text}"),
        }
    }
}

#[test]
fn secrets_come_from_files_beside_the_configuration_and_are_not_shown() {
    let text = with_issuer("revocation = 'none'\nsecret_file = 'secret'");
    let cases: [(&[u8], Option<&str>); 5] = [
        (b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", None),
        (b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\r\n", None),
        (
            b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ\n",
            Some("the secret in secret has 31 bytes, and HS256 needs 32 or more"),
        ),
        (b"", Some("has 0 bytes")),
        (b"a secret of thirty-two bytes or more", Some("is not base64url")),
    ];
    for (secret, error) in cases {
        let folder = folder(&[("secret", secret), ("gateway.toml", text.as_bytes())]);
        match (Config::load(folder.path().join("gateway.toml")), error) {
            (Ok(config), None) => assert!(!format!("{config:?}").contains("MDEyMz"), "{config:?}"),
            (Err(refused), Some(want)) => {
                assert!(refused.to_string().contains(want), "{refused}");
                assert!(refused.to_string().contains("gateway.toml"), "{refused}");
            }
            (loaded, _) => panic!("{error:?}: {loaded:?}"),
        }
    }
    let nowhere = Config::load(PathBuf::from("/nowhere/gateway.toml")).unwrap_err();
    assert!(nowhere.to_string().starts_with("cannot read /nowhere/gateway.toml: "), "{nowhere}");
}

#[test]
fn a_fingerprint_changes_with_everything_that_an_issuer_is_configured_by() {
    let text = with_issuer("revocation = 'none'\nsecret_file = 'secret'");
    let fingerprint = |text: &str, secret: &[u8]| {
        let folder = folder(&[("secret", secret)]);
        check::check(text, folder.path()).unwrap().issuers[0].fingerprint
    };
    let secret = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let before = fingerprint(&text, secret);
    assert_eq!(fingerprint(&format!("# a comment\n{text}"), secret), before, "its place does not matter");
    assert_ne!(fingerprint(&text, b"MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"), before);
    for change in
        ["clock_skew = '1s'", "insecure_http = true", "base_url = 'http://127.0.0.1:1'", "algs = ['HS256']"]
    {
        assert_ne!(fingerprint(&format!("{text}\n{change}\n"), secret), before, "{change}");
    }
}

#[test]
fn where_spans_and_lines_go() {
    let parse = |text: &str| Config::parse(&format!("listen = '[::]:1'\n{text}")).unwrap();
    let nothing = parse("");
    assert_eq!(nothing.tracing_endpoint(), None);
    assert_eq!(nothing.access_log, None);
    for (otlp, want) in [
        ("http://a:4318", "http://a:4318/v1/traces"),
        ("http://a:4318/", "http://a:4318/v1/traces"),
        ("https://a/otlp/v1/traces", "https://a/otlp/v1/traces"),
    ] {
        assert_eq!(parse(&format!("[tracing]\notlp = '{otlp}'")).tracing_endpoint(), Some(want));
    }
    assert!(parse("[access_log]\npath = '-'").logs_to_stdout());
    let folder = folder(&[]);
    let log =
        check::check("listen = '[::]:1'\n[access_log]\npath = 'a.log'", folder.path()).unwrap().access_log;
    assert_eq!(log.unwrap().target, Target::File(folder.path().join("a.log")));
}

fn with_bff(public_url: &str, lines: &str, route: &str) -> String {
    format!(
        "listen = '[::]:1'\npublic_url = '{public_url}'{ISSUER}{UPSTREAM}[bff]\nissuer = 'https://auth.example.com'\n\
        client_id = 'site'\n{lines}\n[[route]]\npath = '/a'\nupstream = 'orders'\n{route}\n"
    )
}

#[test]
fn what_sessions_are_refused_for() {
    let folder = folder(&[("secret", b"s3cret\n")]);
    let with = |lines: &str| with_bff("https://a", &format!("client_secret_file = 'secret'\n{lines}"), "");
    let secret = "client_secret_file = 'secret'";
    let cases: Vec<(String, Option<usize>, &str)> = vec![
        (
            with_route("path = '/a'\nupstream = 'orders'\nsession = true"),
            Some(15),
            "no meaning without [bff]",
        ),
        (with_bff("https://a", "", ""), Some(11), "`client_secret_file` is missing here"),
        (with_bff("https://a", "client_secret_file = 'none'", ""), Some(14), "cannot read"),
        (with_bff("http://a", secret, ""), Some(2), "over https alone, and at loopback addresses"),
        (with("").replace("public_url = 'https://a'", ""), Some(11), "sessions need `public_url`"),
        (
            with("").replace("issuer = 'https://auth", "issuer = 'https://other"),
            Some(12),
            "no [[issuer]] has the url `https://other.example.com`",
        ),
        (with("scope = 'orders:read'"), Some(15), "without the scope `openid`"),
        (with("prefix = '/'"), Some(15), "`/` is no plain path"),
        (with("prefix = '/b/'"), Some(15), "`/b/` is no plain path"),
        (with("prefix = '/b\"><script>'"), Some(15), "is no plain path"),
        (with("prefix = '/a'"), Some(17), "what is below `/a` is for sessions"),
        (with("cookie = 'session'"), Some(15), "whose names begin with `__Host-` alone"),
        (with("cookie = '__Host-a; b'"), Some(15), "whose names begin with `__Host-` alone"),
        (with("after_login = '//evil.example'"), Some(15), "is no path of this site"),
        (with("after_logout = '/bff/login'"), Some(15), "is no path of this site"),
        (with("idle = '31d'"), Some(15), "does not last longer than `absolute`"),
        (with("absolute = '401d'"), Some(15), "no cookie for longer than 400 days"),
        (with("absolute = '0s'"), Some(15), "a time limit of nothing"),
        (with("stores = 'a'"), Some(15), "did you mean `store`?"),
        (
            with_bff("https://a", secret, "public = true\nsession = true"),
            Some(19),
            "a public route looks at no token, so a session",
        ),
    ];
    for (text, line, want) in cases {
        let error = check::check(&text, folder.path()).expect_err(want);
        assert!(error.to_string().contains(want), "`{error}` does not say `{want}`");
        assert_eq!(error.line(), line, "{error} in\n{text}");
    }
    let config = check::check(&with(""), folder.path()).unwrap();
    let bff = config.bff.unwrap();
    assert_eq!((&*bff.prefix, &*bff.cookie, &*bff.origin), ("/bff", "__Host-session", "https://a"));
    assert_eq!((bff.idle, bff.absolute), (Duration::from_secs(86_400), Duration::from_secs(30 * 86_400)));
    assert!(!config.routes.routes[0].session);
    let loopback =
        with_bff("http://127.0.0.1:8080/x", "client_secret_file = 'secret'\nidle = '1h'", "session = true");
    let config = check::check(&loopback, folder.path()).unwrap();
    assert_eq!(config.bff.unwrap().origin, "http://127.0.0.1:8080");
    assert!(config.routes.routes[0].session);
}

mod refusals;
mod servers;
mod sessions;

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

/// A private key to decrypt tokens with (RFC 8037 appendix A.6's, Bob's).
const DECRYPTION_KEY: &[u8] = br#"{"kty":"OKP","crv":"X25519","kid":"api","alg":"ECDH-ES",
    "x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08","d":"XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os"}"#;

#[test]
fn the_file_of_the_documentation() {
    let documentation = include_str!("../lib.rs");
    let file = documentation.split("//! ```").nth(1).unwrap().strip_prefix("toml\n").unwrap();
    let file: Vec<&str> = file.lines().map(|line| line.trim_start_matches("//!").trim()).collect();
    let (certificate, key) = certificate();
    let folder = folder(&[
        ("secret", b"s3cret"),
        ("nonce.secret", &[b'A'; 43]),
        ("api.jwk", DECRYPTION_KEY),
        ("site.secret", b"s3cret"),
        ("server.pem", certificate.as_bytes()),
        ("server.key", key.as_bytes()),
        ("clients.pem", certificate.as_bytes()),
        ("ca.pem", certificate.as_bytes()),
        ("gateway.pem", certificate.as_bytes()),
        ("gateway.key", key.as_bytes()),
    ]);
    let file = file.join("\n").replace("/var/log/gatepass/", ""); // which is not on every machine
    let config = check::check(&file, folder.path()).unwrap();
    assert_eq!(config.scheme(), "https");
    assert_eq!(config.listen(), "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.issuers[0].config.issuer, "https://auth.example.com");
    assert!(config.issuers[0].config.decryption.as_ref().is_some_and(|decryption| decryption.required));
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
fn what_opens_encrypted_tokens() {
    let folder = folder(&[
        ("api.jwk", DECRYPTION_KEY),
        ("set.jwks", &[&br#"{"keys":["#[..], DECRYPTION_KEY, b"]}"].concat()),
        ("public.jwk", br#"{"kty":"OKP","crv":"X25519","alg":"ECDH-ES","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}"#),
        ("signs.jwks", br#"{"keys":[]}"#),
        ("text", b"secret"),
    ]);
    let check = |lines: &str| {
        let checked = check::check(&format!("listen = '[::]:1'{ISSUER}\n{lines}"), folder.path());
        let decryption = |config: Config| config.issuers[0].config.decryption.clone();
        checked.map(|config| decryption(config).map(|found| (found.keys.keys().len(), found.required)))
    };
    let key = |name: &str| format!("decryption_key_file = '{name}'");
    assert_eq!(check("").unwrap(), None);
    assert_eq!(check(&key("api.jwk")).unwrap(), Some((1, false)));
    assert_eq!(check(&format!("{}\nrequire_encrypted = true", key("set.jwks"))).unwrap(), Some((1, true)));
    for lines in [
        key("public.jwk"),
        key("signs.jwks"),
        key("text"),
        key("nowhere"),
        "require_encrypted = true".to_owned(),
        format!("{}\ntokens = 'opaque'", key("api.jwk")),
    ] {
        assert!(check(&lines).is_err(), "{lines}");
    }
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
body = "9s"
"#;
    let config = check::check(text, folder.path()).unwrap();
    assert_eq!(config.issuers.len(), 4);
    let policy = StalePolicy { after: Duration::ZERO, then: StaleAction::Introspect };
    assert_eq!(config.routes.routes[0].on_stale.as_deref(), Some(&policy));
    let servers: Vec<String> = config.upstreams[0].servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:9001", "[::1]:80", "service.internal:80"]);
    let seconds = |duration: Duration| duration.as_secs();
    let Timeouts { handshake, header, idle, stall, body, tunnel, drain } = config.timeouts;
    let UpstreamTimeouts { connect, response } = config.upstreams[0].timeouts;
    assert_eq!(
        [header, idle, stall, drain, connect, response, handshake, tunnel, body].map(seconds),
        [1, 2, 3, 4, 5, 6, 7, 8, 9]
    );
    assert_eq!(config.limits.body_bytes, Some(0));
    let limits: Vec<_> =
        config.rate_limits.iter().map(|limit| (&*limit.name, limit.requests, limit.burst)).collect();
    assert_eq!(limits, [("partners", 1_000_000, 1_000_000), ("default", 100, 20)]);
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
    let text = format!("{text}previous_secret_file = 'old'\n");
    let secret = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let olds: [(&[u8], Option<&str>); 3] = [
        (b"MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n", None),
        (
            b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n",
            Some("old holds the same secret as `secret_file`"),
        ),
        (b"MDEyMzQ1Njc4OWFiY2RlZg", Some("the secret in old has 16 bytes, and HS256 needs 32 or more")),
    ];
    for (old, error) in olds {
        let folder = folder(&[("secret", secret), ("old", old), ("gateway.toml", text.as_bytes())]);
        let loaded = Config::load(folder.path().join("gateway.toml")).map(|_| ());
        let refused = loaded.map_err(|refused| refused.to_string());
        let is_expected = match (&refused, error) {
            (Err(refused), Some(want)) => refused.contains(want),
            (loaded, want) => loaded.is_ok() && want.is_none(),
        };
        assert!(is_expected, "{refused:?}, not {error:?}");
    }
    let nowhere = Config::load(PathBuf::from("/nowhere/gateway.toml")).unwrap_err();
    assert!(nowhere.to_string().starts_with("cannot read /nowhere/gateway.toml: "), "{nowhere}");
}

#[test]
fn a_fingerprint_changes_with_everything_that_an_issuer_is_configured_by() {
    let text = with_issuer("revocation = 'none'\nsecret_file = 'secret'");
    let fingerprint = |text: &str, secret: &[u8]| {
        let old = b"OTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
        let folder = folder(&[("secret", secret), ("old", old)]);
        check::check(text, folder.path()).unwrap().issuers[0].fingerprint
    };
    let secret = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let before = fingerprint(&text, secret);
    assert_eq!(fingerprint(&format!("# a comment\n{text}"), secret), before, "its place does not matter");
    assert_ne!(fingerprint(&text, b"MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"), before);
    for change in [
        "clock_skew = '1s'",
        "insecure_http = true",
        "base_url = 'http://127.0.0.1:1'",
        "algs = ['HS256']",
        "previous_secret_file = 'old'",
    ] {
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

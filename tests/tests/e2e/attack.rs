//! `gatepass attack`, against gatepass itself and against services that somebody else wrote badly.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Alone, Up, jws, place, upstream};
use serde_json::{Value, json};

use super::offline::{Folder, Ran};

/// As fast as a machine goes that nobody else waits for.
const QUICK: &str = "--rate 100000 --json";

/// The classes with each outcome.
fn classes(report: &Value, outcomes: &[&str]) -> Vec<String> {
    let classes = report["classes"].as_array().expect("an array of classes").iter();
    let having = classes.filter(|class| outcomes.contains(&class["outcome"].as_str().unwrap()));
    having.map(|class| class["id"].as_str().unwrap().to_owned()).collect()
}

const FINDINGS: &[&str] = &["let-in", "fetched", "broke"];

#[track_caller]
fn nothing_got_in(ran: Ran) -> Value {
    let report = ran.json();
    let classes = report["classes"].as_array().expect("an array of classes").iter();
    let findings: Vec<_> =
        classes.filter(|class| FINDINGS.contains(&class["outcome"].as_str().unwrap())).collect();
    assert!(findings.is_empty(), "{findings:#?}");
    ran.ends(0);
    report
}

#[tokio::test]
async fn nothing_gets_past_the_gateway_or_into_the_demo_api() {
    let up = Up::start().await;
    let folder = Folder::new();
    folder.write("token", up.login(ADMIN).await.access_token);
    folder.write("second", up.login(ADMIN).await.access_token);
    let jwks = up.jwks_uri();
    for url in [format!("{}/api/orders", up.gateway()), up.demo("/api/orders")] {
        let given = format!("--token-file token --second-token-file second --jwks {jwks}");
        let ran = folder.gatepass_beside(format!("attack {url} {given} {QUICK}")).await;
        let report = nothing_got_in(ran);
        assert!(classes(&report, &["refused"]).len() >= 38, "{report:#}");
    }
    up.assert_healthy("every attack there is").await;
}

/// A gateway that trusts one key, which the test has too, in front of a service that answers anything.
async fn gateway(folder: &Folder, alg: &str) -> Alone {
    folder.gatepass(&format!("jwk generate --alg {alg} --out {alg}.jwk")).ends(0);
    let keys = if alg.starts_with("HS") {
        folder.gatepass(&format!("jwk convert {alg}.jwk --to secret --out {alg}.secret")).ends(0);
        format!("secret_file = \"{alg}.secret\"")
    } else {
        let public = folder.gatepass(&format!("jwk public {alg}.jwk")).good();
        folder.write(&format!("{alg}.jwks"), format!("{{\"keys\":[{public}]}}"));
        format!("jwks_file = \"{alg}.jwks\"")
    };
    let (address, mirror) = (place::free_address(), upstream::mirror().await);
    let text = format!(
        "listen = \"{address}\"\n\n[[issuer]]\nurl = \"https://auth.example.com\"\naudience = [\"https://api.example.com\"]\n\
         algs = [\"{alg}\"]\nrevocation = \"none\"\n{keys}\n\n[[upstream]]\nname = \"mirror\"\nservers = [\"http://{mirror}\"]\n\n\
         [[route]]\npath = \"/all/{{*rest}}\"\nupstream = \"mirror\"\n"
    );
    Alone::start("gateway", &folder.path(""), address, &text).await
}

#[tokio::test]
async fn nothing_gets_past_a_gateway_even_with_its_signing_key() {
    let folder = Folder::new();
    for alg in ["ES256", "RS256", "EdDSA", "HS256"] {
        let gateway = gateway(&folder, alg).await;
        let sign = async |name: &str, audience: &str| {
            let claims =
                format!("--iss https://auth.example.com --aud https://{audience}.example.com --sub ada");
            let more = "--expires-in 15m --claim client_id=web";
            let line = format!("token sign --key {alg}.jwk {claims} {more}");
            folder.write(name, folder.gatepass_beside(line).await.good());
        };
        sign("token", "api").await;
        sign("second", "api").await;
        sign("other", "billing").await;
        let tokens = "--token-file token --second-token-file second --other-token-file other";
        let public = if alg == "HS256" { String::new() } else { format!("--jwks {alg}.jwks") };
        let given = format!("{tokens} --signing-key {alg}.jwk {public}");
        let ran = folder.gatepass_beside(format!("attack {} {given} {QUICK}", gateway.url("/all/x"))).await;
        let report = nothing_got_in(ran);
        // What is left out is what another kind of key is needed for.
        let left_out = classes(&report, &["not-tested"]);
        let other_kinds = ["ecdsa-", "eddsa-", "rsa-", "hmac-", "jwe-", "iss-followed"];
        for class in &left_out {
            assert!(other_kinds.iter().any(|kind| class.starts_with(kind)), "{alg}: {left_out:?}");
        }
        assert!(left_out.len() <= 9, "{alg}: {left_out:?}");
    }
}

/// A service that takes the good token, and any that says that nobody signed it.
async fn unsecured(good: &str) -> SocketAddr {
    let good = format!("Bearer {good}");
    upstream::serve(Router::new().fallback(any(async move |fields: HeaderMap| {
        let value = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let header = value.strip_prefix("Bearer ").and_then(|token| token.split('.').next());
        let header = header.and_then(|header| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).ok());
        let header: Value = serde_json::from_slice(&header.unwrap_or_default()).unwrap_or_default();
        match value == good || header["alg"] == "none" {
            true => StatusCode::OK,
            false => StatusCode::UNAUTHORIZED,
        }
    })))
    .await
}

/// A token of some issuer; nobody here asks who signed it.
fn token() -> String {
    let part = |value: Value| jws::encode(value.to_string().as_bytes());
    let header = part(json!({"alg": "ES256", "kid": "1", "typ": "at+jwt"}));
    format!("{header}.{}.{}", part(json!({"sub": "ada"})), jws::encode(&[7; 64]))
}

#[tokio::test]
async fn a_service_that_lets_something_in_is_told_so_with_a_request_to_repeat() {
    let folder = Folder::new();
    folder.write("token", token());
    let url = format!("http://{}/", unsecured(&token()).await);
    let line = format!("attack {url} --token-file token --rate 100000");
    let ran = folder.gatepass_beside(format!("{line} --save forged --json")).await.ends(1);
    let report = ran.json();
    let found = classes(&report, FINDINGS);
    assert!(found.contains(&"alg-none".to_owned()), "{}", ran.shown());
    assert!(!found.contains(&"signature-empty".to_owned()), "{}", ran.shown());
    assert!(!ran.out.contains(&token()), "the good token stays with whoever has it");
    let request = report["classes"][0]["findings"][0]["request"].as_str().unwrap();
    assert!(request.contains("$(cat 'forged/alg-none-"), "{request}");

    // The line does what it says, where this machine has what it takes.
    let script = format!("TOKEN=$(cat token); {request} --max-time 10");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).current_dir(folder.path(""));
    let shell = tokio::task::spawn_blocking(move || shell.output()).await.expect("the thread of a shell");
    if let Ok(output) = shell
        && output.status.success()
    {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("HTTP/1.1 200"), "{request}\n{said}");
    }

    let told = folder.gatepass_beside(format!("{line} --only alg-none --only signature-empty")).await.ends(1);
    for words in [
        "LET IN      alg-none",
        "refused     signature-empty",
        "repeat  curl ",
        "means   anybody",
        "1 LET IN",
    ] {
        assert!(told.out.contains(words), "{words}\n{}", told.shown());
    }
}

#[tokio::test]
async fn only_this_machine_is_attacked_and_what_its_operator_names() {
    let folder = Folder::new();
    folder.write("token", token());
    let cases = [
        ("http://192.0.2.1/", "not this machine"),
        ("http://192.0.2.1/ --i-own-this-host 192.0.2.2", "--i-own-this-host 192.0.2.1"),
        ("https://[2001:db8::1]/", "not this machine"),
        ("http://[::ffff:192.0.2.1]/", "not this machine"),
        ("http://127.0.0.1.example.invalid/", "cannot be found"),
        ("http://0.0.0.0:1/", "127.0.0.1"),
        ("http://[::]:1/ --i-own-this-host ::", "127.0.0.1"),
        ("http://127.0.0.1@192.0.2.1/", "user name"),
        ("ftp://127.0.0.1/", "http and https"),
        ("127.0.0.1:1", "http"),
    ];
    for (url, words) in cases {
        folder.gatepass(&format!("attack {url} --token-file token")).complains(2, &[words]);
    }
}

#[tokio::test]
async fn without_a_baseline_the_command_says_why_it_stops() {
    let folder = Folder::new();
    folder.write("token", token());
    folder.write("opaque", "c2VjcmV0");
    let answering = async |status: StatusCode| {
        let answer = (status, [(LOCATION, "http://192.0.2.1/")]);
        let address = upstream::serve(Router::new().fallback(any(async move || answer))).await;
        format!("http://{address}/")
    };
    let good = format!("Bearer {}", token());
    let decodes = Router::new().fallback(any(async move |fields: HeaderMap| {
        let value = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // It looks at all but the signature.
        let is_like_it =
            value.rsplit('.').next_back() == good.rsplit('.').next_back() && value.len() == good.len();
        if is_like_it && value.matches('.').count() == 2 { StatusCode::OK } else { StatusCode::FORBIDDEN }
    }));
    let decodes = format!("http://{}/", upstream::serve(decodes).await);
    let unsecured = format!("http://{}/", unsecured(&token()).await);
    let nobody = format!("http://{}/", place::free_address());
    folder.gatepass("jwk generate --alg ES256 --kid 1 --out key.jwk --public-out public.jwk").ends(0);

    let (public, refusing) = (answering(StatusCode::OK).await, answering(StatusCode::UNAUTHORIZED).await);
    let redirecting = answering(StatusCode::FOUND).await;
    let cases = [
        (format!("{public} --token-file token"), 2, "no token is needed"),
        (format!("{refusing} --token-file token"), 2, "not accepted: the service answers 401"),
        (format!("{redirecting} --token-file token"), 2, "not accepted: the service answers 302"),
        (format!("{redirecting} --token-file token --accept-status 3xx"), 2, "no token is needed"),
        (format!("{nobody} --token-file token"), 2, "does not answer"),
        (format!("{decodes} --token-file token"), 1, "does not verify"),
        (format!("{unsecured} --token-file opaque"), 2, "opaque"),
        (format!("{unsecured} --token-file token --jwks public.jwk"), 2, "no key of the JWK Set"),
        (format!("{unsecured} --token-file token --signing-key key.jwk"), 2, "another key"),
        (format!("{unsecured} --token-file token --signing-key public.jwk"), 2, "public key"),
        (format!("{unsecured} --token-file token --only exp-past"), 2, "no class could be tested"),
        (format!("{unsecured} --token-file token --only nothing"), 2, "--list"),
        (format!("{unsecured} --token-file token --header nothing"), 2, "header field"),
        (unsecured, 2, "--token-file"),
    ];
    for (line, code, words) in cases {
        let ran = folder.gatepass_beside(format!("attack {line}")).await.ends(code);
        assert!(ran.err.contains(words), "{words}\n{}", ran.shown());
    }
}

#[test]
fn every_class_is_explained() {
    let folder = Folder::new();
    let list = folder.gatepass("attack --list --json").json();
    let list = list.as_array().unwrap();
    assert!(list.len() > 60, "{}", list.len());
    let told = folder.gatepass("attack --list").good();
    for class in list {
        let [id, means] = ["id", "means"].map(|member| class[member].as_str().unwrap());
        assert!(told.contains(id) && told.contains(means), "{id}");
    }
}

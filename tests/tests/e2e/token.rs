//! `gatepass token …`: tokens without a server.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::get;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Up, jws};
use serde_json::{Value, json};

use super::offline::{Folder, Ran};

/// RFC 7515 appendix A.1: signed with HS256, `exp` 1300819380.
const RFC_TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its secret.
const RFC_SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const ISSUER: &str = "--iss https://auth.example --audience https://api.example";
const NOW: &str = "--now 2025-11-22T02:53:20Z"; // 1763780000

/// A folder with a key, its public half, and a token that it signed, valid for 15 minutes from [`NOW`].
fn signed() -> Folder {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg ES256 --kid k1 --out key.jwk --public-out public.jwk").good();
    let claims = json!({
        "iss": "https://auth.example", "aud": ["https://api.example", "https://more.example"], "sub": "u1",
        "iat": 1_763_780_000, "nbf": 1_763_780_000, "exp": 1_763_780_900,
    });
    folder.write("claims.json", claims.to_string());
    let token = folder.gatepass("token sign claims.json --key key.jwk").good();
    folder.write("token", format!("{token}\n"));
    folder
}

fn verify(folder: &Folder, options: &str) -> Ran {
    folder.gatepass(&format!("token verify --token-file token {options}"))
}

/// How each check went, as `name:result`, those that passed left out.
fn not_passed(answer: &Value) -> Vec<String> {
    let checks = answer["checks"].as_array().unwrap().iter();
    let said = checks
        .map(|check| format!("{}:{}", check["check"].as_str().unwrap(), check["result"].as_str().unwrap()));
    said.filter(|said| !said.ends_with(":passed")).collect()
}

#[test]
fn inspect_shows_a_token_without_believing_it() {
    let folder = Folder::new();
    let shown = folder.gatepass(&format!("token inspect {RFC_TOKEN} --now 1300819320")).good();
    let want = r#"not verified: this is what the token says, not whether it is true

header
  {
    "typ": "JWT",
    "alg": "HS256"
  }

claims
  {
    "iss": "joe",
    "exp": 1300819380,
    "http://example.com/is_root": true
  }

times
  exp        expires     2011-03-22 18:43:00 +00:00   in 1 minute

size
  179 bytes: header 40, payload 94, signature 43
  largest claims: http://example.com/is_root 54 %, exp 27 %, iss 19 %
  within 1 kB: it fits wherever tokens travel

next
  gatepass token verify --issuer URL --audience AUD --token-file FILE   (those that you expect, whatever it says)
  gatepass lint --token-file FILE   (what is unwise about it)"#;
    assert_eq!(shown, want);
}

#[test]
fn inspect_answers_machines_with_stable_members() {
    let folder = Folder::new();
    let answer =
        folder.gatepass(&format!("token inspect {RFC_TOKEN} --now 1300819440 --json")).ends(0).json();
    let want = json!({
        "verified": false,
        "kind": "JWS",
        "form": "compact",
        "header": {"alg": "HS256", "typ": "JWT"},
        "claims": {"iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true},
        "parts": [
            {"part": "header", "bytes": 40}, {"part": "payload", "bytes": 94}, {"part": "signature", "bytes": 43},
        ],
        "times": {"exp": {"seconds": 1_300_819_380, "at": "2011-03-22T18:43:00Z", "relative": "1 minute ago"}},
        "size": {"bytes": 179, "verdict": "small", "claims": [
            {"claim": "http://example.com/is_root", "bytes": 34}, {"claim": "exp", "bytes": 17}, {"claim": "iss", "bytes": 12},
        ]},
        "problems": [],
    });
    assert_eq!(answer, want);
}

#[test]
fn inspect_takes_tokens_as_people_copy_them() {
    let folder = Folder::new();
    folder.write("token", format!("  Authorization: Bearer {RFC_TOKEN}\r\n"));
    let line = "token inspect --now 0 --json";
    let direct = folder.gatepass(&format!("{line} {RFC_TOKEN}")).good();
    assert_eq!(folder.gatepass(&format!("{line} --token-file token")).good(), direct);
    assert_eq!(folder.fed(&format!("{line} -"), format!("Bearer {RFC_TOKEN}\n")).good(), direct);
    assert_eq!(folder.fed(&format!("{line} --token-file -"), RFC_TOKEN).good(), direct);
    let said = folder.gatepass("token inspect --token-file token").good();
    let first: Vec<&str> = said.lines().take(2).collect();
    assert!(first[0].starts_with("not verified") && first[1].starts_with("left out"), "{said}");
}

#[test]
fn inspect_says_what_is_broken_and_shows_the_rest() {
    let folder = Folder::new();
    let header = jws::encode(br#"{"alg":"ES256"}"#);
    let claims = |text: &str| jws::encode(text.as_bytes());
    let escape = claims("{\"a\":\"\u{9b}31m\u{202e}\"}");
    let cases = [
        (
            "opaque",
            "gpr_AaIBqOU5SqJzVacWNs5Q3g".to_owned(),
            "✗ token: there is no dot",
            "refresh token of gatepass",
        ),
        (
            "cut",
            format!("{header}.{}", claims(r#"{"a":1}"#)),
            "✗ token: it has 2 parts",
            "\"alg\": \"ES256\"",
        ),
        (
            "padded",
            format!("{header}.{}==.AAAA", claims(r#"{"a":1}"#)),
            "✗ payload: it is not strict base64url",
            "\"a\": 1",
        ),
        (
            "garbled_header",
            format!("!!.{}.AAAA", claims(r#"{"a":1}"#)),
            "✗ header: it is not base64url",
            "\"a\": 1",
        ),
        (
            "two_names",
            format!("{header}.{}.AAAA", claims(r#"{"a":1,"a":2}"#)),
            "✗ payload: a JSON object has two",
            "\"a\": 2",
        ),
        (
            "no_json",
            format!("{header}.{}.AAAA", claims("hello")),
            "✗ payload: it is not a JSON object",
            "hello",
        ),
        (
            "text_date",
            format!("{header}.{}.AAAA", claims(r#"{"exp":"soon"}"#)),
            "✗ \"soon\" is not a date",
            "\"exp\": \"soon\"",
        ),
        (
            "unsigned",
            format!("{}.{}.", claims(r#"{"alg":"none"}"#), claims(r#"{"a":1}"#)),
            "nobody signed this",
            "\"a\": 1",
        ),
        (
            "a_key",
            r#"{"kty":"oct","k":""}"#.to_owned(),
            "✗ token: this is JSON, but neither",
            "gatepass jwk show",
        ),
        ("terminal_escapes", format!("{header}.{escape}.AAB"), "stray bits", r#""a": "\u009b31m\u202e""#),
    ];
    for (name, token, problem, shown) in cases {
        let ran = folder.fed("token inspect -", &token).ends(1);
        assert!(ran.out.contains(problem) && ran.out.contains(shown), "{name}\n{}", ran.shown());
        let answer = folder.fed("token inspect - --json", &token).ends(1).json();
        assert_ne!(answer["problems"], json!([]), "{name}: {answer}");
    }
}

#[test]
fn inspect_shows_the_header_of_what_is_encrypted_and_both_json_forms() {
    let folder = signed();
    folder.gatepass("jwk generate --alg ECDH-ES --kid e1 --out e.jwk").good();
    let jwe = folder.fed("token encrypt - --key e.jwk", "secret text").good();
    let shown = folder.fed("token inspect -", &jwe).good();
    assert!(shown.contains("the rest is encrypted") && shown.contains("\"kid\": \"e1\""), "{shown}");
    assert_eq!(folder.fed("token inspect - --json", &jwe).json()["kind"], "JWE");

    let token = folder.read("token");
    let parts: Vec<&str> = token.trim().split('.').collect();
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    let general =
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]});
    for form in [flattened, general] {
        let answer = folder.fed("token inspect - --json", form.to_string()).ends(0).json();
        assert_eq!((&answer["kind"], &answer["form"]), (&json!("JWS"), &json!("JSON")), "{answer}");
        assert_eq!(
            (&answer["header"]["kid"], &answer["claims"]["sub"]),
            (&json!("k1"), &json!("u1")),
            "{answer}"
        );
    }
}

#[test]
fn a_large_token_is_called_large_with_its_largest_claim() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg HS256 --out s.jwk").good();
    for (roles, verdict, words) in [(100, "large", "past 1 kB"), (600, "too-large", "past 4 kB")] {
        let roles: Vec<String> = (0..roles).map(|number| format!("role-{number}")).collect();
        folder.write(
            "claims.json",
            json!({"iss": "a", "aud": "b", "roles": roles, "exp": 2_000_000_000}).to_string(),
        );
        let ran = folder.gatepass("token sign claims.json --key s.jwk").ends(0);
        assert!(ran.err.contains(words), "{}", ran.shown());
        let answer = folder.fed("token inspect - --json", &ran.out).json();
        assert_eq!(answer["size"]["verdict"], verdict);
        assert_eq!(answer["size"]["claims"][0]["claim"], "roles");
        assert!(folder.fed("token inspect -", &ran.out).out.contains(words));
    }
}

#[test]
fn verify_shows_each_check_of_a_good_token() {
    let folder = signed();
    let shown = verify(&folder, &format!("--key public.jwk {ISSUER} {NOW}")).good();
    let want = r#"✓ limits      BYTES bytes, of 16384 at most
✓ structure   three parts in strict base64url, a header in strict JSON
✓ key         "k1", the one in public.jwk
✓ algorithm   ES256, as the key says
✓ type        at+jwt
✓ signature   it is the key's over this header and payload
✓ claims      a strict JSON object
✓ issuer      https://auth.example
✓ audience    it is for https://api.example
✓ expiry      2025-11-22 03:08:20 +00:00, in 15 minutes
✓ not-before  2025-11-22 02:53:20 +00:00, now

verified
{
  "aud": [
    "https://api.example",
    "https://more.example"
  ],
  "exp": 1763780900,
  "iat": 1763780000,
  "iss": "https://auth.example",
  "nbf": 1763780000,
  "sub": "u1"
}
not looked at: whether it was revoked since"#;
    let bytes = folder.read("token").trim().len();
    assert_eq!(shown, want.replace("BYTES", &bytes.to_string()));
}

#[test]
fn verify_stops_at_the_first_check_that_fails_and_says_what_was_expected_and_found() {
    let folder = signed();
    folder.gatepass("jwk generate --alg ES256 --kid k1 --out other.jwk --public-out other.pub").good();
    folder.gatepass("jwk generate --alg ES256 --kid k2 --out k2.jwk --public-out k2.pub").good();
    let good = "--key public.jwk --iss https://auth.example --audience https://api.example";
    let cases = [
        ("key", format!("--key k2.pub {ISSUER} {NOW}"), "unknown-key", json!(["k2"]), json!("k1")),
        ("type", format!("{good} --typ JWT {NOW}"), "wrong-type", json!("JWT"), json!("at+jwt")),
        ("signature", format!("--key other.pub {ISSUER} {NOW}"), "bad-signature", Value::Null, Value::Null),
        (
            "issuer",
            format!("--key public.jwk --iss https://auth.example/ --audience https://api.example {NOW}"),
            "wrong-issuer",
            json!("https://auth.example/"),
            json!("https://auth.example"),
        ),
        (
            "audience",
            format!("--key public.jwk --iss https://auth.example --audience x --audience y {NOW}"),
            "wrong-audience",
            json!(["x", "y"]),
            json!(["https://api.example", "https://more.example"]),
        ),
        ("expiry", format!("{good} --now 1763780960"), "expired", Value::Null, json!(1_763_780_900)),
        (
            "not-before",
            format!("{good} --now 1763779939"),
            "not-yet-valid",
            Value::Null,
            json!(1_763_780_000),
        ),
    ];
    let order: Vec<String> = {
        let answer = verify(&folder, &format!("{good} {NOW} --json")).ends(0).json();
        assert_eq!(not_passed(&answer), [""; 0]);
        assert_eq!((&answer["verified"], &answer["kid"]), (&json!(true), &json!("k1")));
        assert_eq!(answer["claims"]["sub"], "u1");
        answer["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["check"].as_str().unwrap().to_owned())
            .collect()
    };
    for (check, options, code, expected, found) in cases {
        let answer = verify(&folder, &format!("{options} --json")).ends(1).json();
        assert_eq!(answer["rejection"]["code"], code, "{check}: {answer}");
        assert_eq!((&answer["verified"], &answer["claims"]), (&json!(false), &Value::Null), "{check}");
        let place = order.iter().position(|name| name == check).unwrap();
        let mut want = vec![format!("{check}:failed")];
        want.extend(order[place + 1..].iter().map(|later| format!("{later}:not-run")));
        assert_eq!(not_passed(&answer), want, "{check}");
        let failed = &answer["checks"][place];
        assert_eq!((&failed["expected"], &failed["found"]), (&expected, &found), "{check}: {failed}");

        let ran = verify(&folder, &options).ends(1);
        assert!(ran.out.contains(&format!("✗ {check}")) && ran.out.contains("refused"), "{}", ran.shown());
        assert!(!ran.out.contains("\"sub\""), "no claim of a refused token is shown\n{}", ran.shown());
    }
}

#[test]
fn verify_names_the_part_that_is_broken() {
    let folder = signed();
    let token = folder.read("token").trim().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{token}") };
    let long = "A".repeat(17_000);
    let cases = [
        ("too_long", format!("{header}.{long}.{signature}"), "limits", "too-long"),
        ("two_parts", format!("{header}.{payload}"), "structure", "malformed"),
        ("padded_header", format!("{header}=.{payload}.{signature}"), "structure", "malformed"),
        ("padded_signature", format!("{header}.{payload}.{signature}="), "signature", "malformed"),
        ("cut_signature", format!("{header}.{payload}."), "signature", "bad-signature"),
        (
            "changed_payload",
            format!("{header}.{}.{signature}", jws::encode(b"{}")),
            "signature",
            "bad-signature",
        ),
        ("bearer", format!("Bearer {token}"), "structure", "malformed"),
        ("inner_line", format!("{header}.{payload}\n.{signature}"), "signature", "bad-signature"),
    ];
    for (name, broken, check, code) in cases {
        folder.write("token", &broken);
        let answer = verify(&folder, &format!("--key public.jwk {ISSUER} {NOW} --json")).ends(1).json();
        assert_eq!(not_passed(&answer)[0], format!("{check}:failed"), "{name}: {answer}");
        assert_eq!(answer["rejection"]["code"], code, "{name}: {answer}");
    }
    folder.write("token", format!("Bearer {token}"));
    let said = verify(&folder, &format!("--key public.jwk {ISSUER} {NOW}")).ends(1).out;
    assert!(said.contains("without `Bearer`"), "{said}");
}

#[test]
fn verify_takes_a_token_in_json_with_one_signature() {
    let folder = signed();
    let token = folder.read("token");
    let parts: Vec<_> = token.trim().split('.').collect();
    let entry = json!({ "protected": parts[0], "signature": parts[2] });
    let flattened = json!({ "payload": parts[1], "protected": parts[0], "signature": parts[2] });
    let general = |signatures: &[&Value]| json!({ "payload": parts[1], "signatures": signatures });
    let with = |document: &Value, name: &str, value: Value| {
        let mut document = document.clone();
        document[name] = value;
        document
    };
    let run = |document: Value| {
        folder.write("token", document.to_string());
        verify(&folder, &format!("--key public.jwk {ISSUER} {NOW}"))
    };
    for document in [flattened.clone(), general(&[&entry]), with(&flattened, "note", json!(1))] {
        assert!(run(document).good().contains("verified"));
    }
    let changed = with(&flattened, "payload", json!("e30"));
    assert!(run(changed).ends(1).out.contains("✗ signature"));
    run(general(&[&entry, &entry])).complains(1, &["exactly one signature"]);
    run(general(&[])).complains(1, &["exactly one signature"]);
    run(with(&flattened, "signatures", json!([entry]))).complains(1, &["mixes the two forms"]);
    run(with(&flattened, "header", json!({ "kid": "k1" }))).complains(1, &["unprotected header"]);
    folder.write("token", flattened.to_string().replacen('{', "{\"payload\":\"e30\",", 1));
    verify(&folder, &format!("--key public.jwk {ISSUER} {NOW}"))
        .complains(1, &["two members of the same name"]);
}

#[test]
fn verify_takes_keys_in_any_form() {
    let folder = signed();
    let terms = format!("{ISSUER} {NOW}");
    folder.gatepass("jwk convert public.jwk --to pem --out public.pem").good();
    folder.gatepass("jwk convert public.jwk --to der --out public.der").good();
    folder.gatepass("jwk convert public.jwk --to jwks --out set.json").good();
    for keys in ["--key public.pem", "--key public.der", "--key set.json", "--jwks set.json", "--key key.jwk"]
    {
        verify(&folder, &format!("{keys} {terms}")).good();
    }
    let set = folder.read("set.json");
    let line = format!("token verify --token-file token --jwks - {terms}");
    folder.fed(&line, set).good();

    // Nothing in a PEM file says which of six algorithms an RSA key is for, nor of any that a secret is one.
    folder.gatepass("jwk generate --alg PS256 --kid r --out rsa.jwk").good();
    folder.gatepass("jwk convert rsa.jwk --to pem --out rsa.pem").good();
    folder.write("rsa", folder.gatepass("token sign claims.json --key rsa.jwk").good());
    let line = format!("token verify --token-file rsa --key rsa.pem {terms}");
    folder.gatepass(&line).complains(1, &["names no algorithm", "--alg NAME"]);
    folder.gatepass(&format!("{line} --alg PS256")).good();
    folder.gatepass(&format!("{line} --alg RS256")).ends(1);

    // Of RFC 7515 appendix A.1 everything holds but what it does not say.
    folder.write("rfc", RFC_TOKEN);
    folder.write("secret", RFC_SECRET);
    folder
        .gatepass(&format!("token verify --token-file rfc --key secret {terms}"))
        .complains(1, &["--alg HS256"]);
    let line = "token verify --token-file rfc --key secret --alg HS256 --typ JWT --iss joe --audience x --now 1300819379 --json";
    assert_eq!(
        not_passed(&folder.gatepass(line).ends(1).json()),
        ["audience:failed", "expiry:not-run", "not-before:not-run"]
    );
}

#[test]
fn a_set_is_taken_without_the_keys_that_cannot_be_used_and_says_which() {
    let folder = signed();
    let public: Value = serde_json::from_str(&folder.read("public.jwk")).unwrap();
    let private: Value = serde_json::from_str(&folder.read("key.jwk")).unwrap();
    let mut renamed = private.clone();
    renamed["kid"] = json!("leaked");
    let odd = json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "odd"});
    folder.write("set.json", json!({"keys": [odd, public, renamed]}).to_string());
    let answer = verify(&folder, &format!("--jwks set.json {ISSUER} {NOW} --json")).ends(0).json();
    let names: Vec<&Value> =
        answer["unusable_keys"].as_array().unwrap().iter().map(|key| &key["key"]).collect();
    assert_eq!(names, ["\"odd\"", "\"leaked\""], "{answer}");

    folder.write("set.json", json!({"keys": [odd, renamed]}).to_string());
    let ran = verify(&folder, &format!("--jwks set.json {ISSUER} {NOW}")).ends(1);
    for words in ["✗ key", "names \"k1\"", "passed over: \"leaked\": it is private", "passed over: \"odd\""]
    {
        assert!(ran.out.contains(words), "{words}\n{}", ran.shown());
    }
}

/// An issuer's publications on a port of this machine.
async fn publish(router: impl FnOnce(&str) -> Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&base);
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn document(value: Value) -> axum::routing::MethodRouter {
    get(move || async move { value.to_string() })
}

#[tokio::test]
async fn keys_are_found_through_an_issuers_metadata_of_either_kind() {
    let folder = signed();
    let set = json!({"keys": [serde_json::from_str::<Value>(&folder.read("public.jwk")).unwrap()]});
    let base = publish(|base| {
        let metadata = |issuer: &str| json!({"issuer": issuer, "jwks_uri": format!("{base}/keys")});
        let openid = "/.well-known/openid-configuration";
        Router::new()
            .route("/keys", document(set.clone()))
            .route(openid, document(metadata(base)))
            .route(
                "/.well-known/oauth-authorization-server/tenant",
                document(metadata(&format!("{base}/tenant"))),
            )
            .route(&format!("/liar{openid}"), document(metadata("https://auth.example")))
            .route(
                &format!("/moved{openid}"),
                get(|| async { (StatusCode::FOUND, [(LOCATION, "https://evil.example/")]) }),
            )
            .route(&format!("/endless{openid}"), get(|| async { "x".repeat(2 * 1024 * 1024) }))
            .route(&format!("/keyless{openid}"), document(json!({"issuer": format!("{base}/keyless")})))
    })
    .await;
    let run = async |options: String| {
        let line = format!("token verify --token-file token {options} --audience https://api.example {NOW}");
        folder.gatepass_beside(line).await
    };
    // The token names another issuer than the one whose keys these are: `--iss` says that this is meant.
    for options in [
        format!("--issuer {base} --iss https://auth.example"),
        format!("--issuer {base}/tenant --iss https://auth.example"),
        format!("--jwks {base}/keys --iss https://auth.example"),
    ] {
        run(options).await.good();
    }
    let ran = run(format!("--issuer {base}")).await.ends(1);
    assert!(ran.out.contains("✗ issuer"), "{}", ran.shown());
    let closed = gatepass_e2e::place::free_address();
    for (options, words) in [
        (format!("--issuer {base}/liar"), vec!["those of \"https://auth.example\""]),
        (format!("--issuer {base}/moved"), vec!["redirects to https://evil.example/", "not followed"]),
        (format!("--issuer {base}/endless"), vec!["longer than"]),
        (format!("--issuer {base}/keyless"), vec!["no `jwks_uri`"]),
        (format!("--issuer {base}/nowhere"), vec!["404", "--jwks"]),
        (format!("--issuer http://{closed}"), vec!["cannot fetch"]),
        ("--issuer http://auth.example".to_owned(), vec!["cannot be trusted", "--insecure-http"]),
        ("--issuer not-a-url".to_owned(), vec!["no issuer"]),
        (format!("--jwks {base}/moved --iss x"), vec!["404"]),
    ] {
        run(options).await.complains(2, &words);
    }
}

#[tokio::test]
async fn a_token_of_a_running_server_is_verified_by_the_name_of_its_issuer() {
    let up = Up::start().await;
    let token = up.native_login(ADMIN).await.access_token;
    let folder = Folder::new();
    folder.write("token", &token);
    let (issuer, audience) = (jws::claims(&token)["iss"].as_str().unwrap().to_owned(), jws::audience(&token));
    let line = format!("token verify --token-file token --issuer {issuer} --audience {audience} --json");
    let answer = folder.gatepass_beside(line).await.ends(0).json();
    assert_eq!(answer["claims"], jws::claims(&token));
}

#[test]
fn sign_makes_claims_of_a_file_and_of_options() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg ES256 --kid k1 --out key.jwk --public-out public.jwk").good();
    let line = "token sign - --key key.jwk --iss https://auth.example --aud https://api.example --sub u2 --expires-in 15m \
                --claim role=admin --claim n:=1.50 --claim list:=[1,\"x\"]";
    let ran = folder
        .fed(&format!("{line} --json"), r#"{"sub": "u1", "big": 12345678901234567890123, "z": null}"#)
        .ends(0);
    let answer = ran.json();
    let token = answer["token"].as_str().unwrap();
    assert_eq!(answer["header"], json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}));
    assert_eq!(jws::header(token), answer["header"]);
    let claims = jws::claims(token);
    for (name, want) in [
        ("sub", json!("u2")),
        ("iss", json!("https://auth.example")),
        ("aud", json!("https://api.example")),
        ("role", json!("admin")),
        ("n", json!(1.5)),
        ("list", json!([1, "x"])),
        ("z", Value::Null),
    ] {
        assert_eq!(claims[name], want, "{name}");
    }
    let date = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!((date("exp"), date("nbf")), (date("iat") + 900, date("iat")));
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    let payload = token.split('.').nth(1).unwrap();
    assert!(
        payload.contains(&jws::encode(br#"{"sub":"u2","big":12345678901234567890123,"z":null,"#)[..60]),
        "{payload}"
    );
    folder.write("token", token);
    verify(&folder, &format!("--key public.jwk {ISSUER}")).good();
}

#[test]
fn every_signature_algorithm_signs_what_it_verifies() {
    let folder = Folder::new();
    let algs = [
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
        "Ed25519",
        "ML-DSA-44",
        "ML-DSA-65",
        "ML-DSA-87",
    ];
    for alg in algs {
        let (key, public) = (format!("{alg}.jwk"), format!("{alg}.pub"));
        folder.gatepass(&format!("jwk generate --alg {alg} --out {key}")).good();
        let shared = alg.starts_with("HS");
        if !shared {
            folder.write(&public, folder.gatepass(&format!("jwk public {key}")).good());
        }
        let token =
            folder.gatepass(&format!("token sign --key {key} --iss i --aud a --expires-in 1m")).good();
        assert_eq!(jws::header(&token)["alg"], alg);
        folder.write("token", token);
        let (key, alg_option) =
            if shared { (&key, format!("--alg {alg}")) } else { (&public, String::new()) };
        verify(&folder, &format!("--key {key} {alg_option} --iss i --audience a")).good();
    }
}

#[test]
fn what_cannot_be_signed_is_refused_with_something_to_try() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg ES256 --out key.jwk --public-out public.jwk").good();
    folder.gatepass("jwk generate --alg ECDH-ES --out enc.jwk").good();
    folder.gatepass("jwk convert key.jwk --to pem --out key.pem").good();
    folder.gatepass("jwk generate --alg RS256 --out rsa.jwk").good();
    folder.gatepass("jwk convert rsa.jwk --to pem --out rsa.pem").good();
    folder.write("short", jws::encode(b"0123456789"));
    folder.write("secret", jws::encode(&[7; 64]));
    folder.write("noise", "what is this?");
    folder.write("array.json", "[]");
    folder.write("twice.json", r#"{"a":1,"a":2}"#);
    folder.write("text_exp.json", r#"{"exp":"tomorrow"}"#);
    let exp = "--expires-in 1m";
    let cases = [
        (2, format!("--key missing.jwk {exp}"), vec!["cannot read missing.jwk"]),
        (2, format!("--key noise {exp}"), vec!["cannot read a key from noise", "base64url"]),
        (2, format!("--key public.jwk {exp}"), vec!["holds no private key"]),
        (1, format!("--key enc.jwk {exp}"), vec!["cannot sign with enc.jwk", "where:", "try:"]),
        (1, format!("--key key.jwk --alg RS256 {exp}"), vec!["does not fit RS256"]),
        (1, format!("--key short --alg HS256 {exp}"), vec!["at least 32 bytes", "jwk generate --alg HS256"]),
        (1, format!("--key secret {exp}"), vec!["names no algorithm", "--alg HS256"]),
        (1, format!("--key rsa.pem {exp}"), vec!["names no algorithm", "--alg"]),
        (1, "--key key.jwk".to_owned(), vec!["no `exp`", "--expires-in 15m"]),
        (1, "text_exp.json --key key.jwk".to_owned(), vec!["`exp` is no date", "--expires-in"]),
        (2, format!("array.json --key key.jwk {exp}"), vec!["no JSON object"]),
        (2, format!("twice.json --key key.jwk {exp}"), vec!["two members of the same name"]),
        (2, format!("missing.json --key key.jwk {exp}"), vec!["cannot read missing.json"]),
        (2, "--key key.jwk --expires-in 15".to_owned(), vec!["write a duration"]),
        (2, format!("--key key.jwk {exp} --claim nope"), vec!["NAME=TEXT"]),
        (2, format!("--key key.jwk {exp} --claim n:=nope"), vec!["no JSON"]),
        (2, format!("--key key.jwk {exp} --alg none"), vec!["not a supported JWS algorithm"]),
        (2, format!("- --key - {exp}"), vec!["standard input can be read once"]),
        (2, exp.to_owned(), vec!["--key"]),
    ];
    for (code, options, words) in cases {
        folder.fed(&format!("token sign {options}"), "{}").complains(code, &words);
    }
    let never = folder.gatepass("token sign --key key.jwk --iss i --aud a --expires-in never").good();
    assert_eq!(jws::claims(&never).get("exp"), None);
    folder.write("token", never);
    let ran = verify(&folder, "--key public.jwk --iss i --audience a").ends(1);
    assert!(ran.out.contains("✗ expiry      the token has no expiry"), "{}", ran.shown());
}

#[test]
fn wrong_use_is_said_and_ends_with_2() {
    let folder = signed();
    let cases = [
        ("token verify x --key public.jwk --audience a", vec!["--iss is missing"]),
        ("token verify x --key public.jwk --iss i", vec!["--audience"]),
        ("token verify x --iss i --audience a", vec!["--jwks", "--issuer", "--key"]),
        (
            "token verify x --key public.jwk --jwks public.jwk --iss i --audience a",
            vec!["cannot be used with"],
        ),
        ("token verify --key public.jwk --iss i --audience a", vec!["TOKEN", "--token-file"]),
        (
            "token verify x --token-file token --key public.jwk --iss i --audience a",
            vec!["cannot be used with"],
        ),
        (
            "token verify --token-file missing --key public.jwk --iss i --audience a",
            vec!["cannot read missing"],
        ),
        ("token verify - --key public.jwk --iss i --audience a", vec!["no token"]),
        (
            "token verify x --key public.jwk --iss i --audience a --now yesterday",
            vec!["2026-11-22T06:13:00Z"],
        ),
        ("token verify x --key public.jwk --iss i --audience a --alg none", vec!["not a supported"]),
        ("token inspect", vec!["TOKEN"]),
        ("token frobnicate", vec!["unrecognized subcommand"]),
    ];
    for (line, words) in cases {
        folder.gatepass(line).complains(2, &words);
    }
}

#[test]
fn texts_are_encrypted_and_decrypted_with_every_kind_of_key() {
    let folder = Folder::new();
    folder.write("text", "attack at dawn\n");
    let algs = [
        "RSA-OAEP",
        "RSA-OAEP-256",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW",
        "A128KW",
        "A256KW",
        "A128GCMKW",
        "A192GCMKW",
        "A256GCMKW",
        "A128GCM",
        "A256GCM",
        "A128CBC-HS256",
        "A256CBC-HS512",
    ];
    for alg in algs {
        let key = format!("{alg}.jwk");
        folder.gatepass(&format!("jwk generate --alg {alg} --out {key}")).good();
        let token = folder.gatepass(&format!("token encrypt text --key {key}")).good();
        folder.write("token", token);
        let ran = folder.gatepass(&format!("token decrypt --token-file token --key {key}")).ends(0);
        assert_eq!(ran.bytes, b"attack at dawn\n", "{alg}");
        folder.gatepass(&format!("jwk generate --alg {alg} --out other-{key}")).good();
        let line = format!("token decrypt --token-file token --key other-{key}");
        folder.gatepass(&line).complains(1, &["is not decrypted"]);
    }
    for enc in ["A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"] {
        let answer = folder
            .gatepass(&format!("token encrypt text --key A256KW.jwk --enc {enc} --json"))
            .ends(0)
            .json();
        assert_eq!(answer["header"]["enc"], enc);
        let token = answer["token"].as_str().unwrap();
        let answer = folder.fed("token decrypt - --key A256KW.jwk --json", token).ends(0).json();
        assert_eq!((&answer["enc"], &answer["plaintext"]), (&json!(enc), &json!("attack at dawn\n")));
        let refused = folder.fed("token decrypt - --key A256KW.jwk --enc A192CBC-HS384", token);
        assert_eq!(refused.code, Some(i32::from(enc != "A192CBC-HS384")), "{}", refused.shown());
    }
}

#[test]
fn a_public_key_encrypts_and_only_its_private_half_decrypts() {
    let folder = Folder::new();
    folder
        .gatepass("jwk generate --alg ECDH-ES+A256KW --curve X25519 --kid e1 --out e.jwk --public-out e.pub")
        .good();
    let token = folder.fed("token encrypt - --key e.pub", [0_u8, 159, 146, 150]).good();
    folder.write("token", &token);
    let answer = folder.gatepass("token decrypt --token-file token --key e.jwk --json").ends(0).json();
    assert_eq!(answer["plaintext_base64url"], "AJ-Slg");
    assert_eq!((&answer["alg"], &answer["kid"]), (&json!("ECDH-ES+A256KW"), &json!("e1")));
    folder.gatepass("token decrypt --token-file token --key e.pub").complains(2, &["public key"]);

    // PEM says nothing of `kid` and `alg`: the file that is named is the key that is meant.
    folder.gatepass("jwk convert e.jwk --to pem --out e.pem").good();
    folder
        .gatepass("token decrypt --token-file token --key e.pem")
        .complains(1, &["which algorithm", "--alg"]);
    folder.gatepass("token decrypt --token-file token --key e.pem --alg ECDH-ES+A256KW").good();

    folder.write("password", "correct horse battery staple\n");
    folder.write("wrong", "correct horse battery stable\n");
    let alg = "--alg PBES2-HS256+A128KW";
    let token = folder.fed(&format!("token encrypt - --password-file password {alg}"), "text").good();
    folder.write("token", token);
    assert_eq!(
        folder.gatepass(&format!("token decrypt --token-file token --password-file password {alg}")).good(),
        "text"
    );
    folder
        .gatepass(&format!("token decrypt --token-file token --password-file wrong {alg}"))
        .complains(1, &["does not decrypt"]);
}

#[test]
fn a_nested_token_is_signed_then_encrypted_and_verified_inside() {
    let folder = signed();
    folder.gatepass("jwk generate --alg RSA-OAEP-256 --out e.jwk --public-out e.pub").good();
    let answer =
        folder.gatepass("token encrypt claims.json --key e.pub --sign-key key.jwk --json").ends(0).json();
    assert_eq!(answer["header"]["cty"], "JWT");
    folder.write("nested", answer["token"].as_str().unwrap());
    let decrypt =
        |options: &str| folder.gatepass(&format!("token decrypt --token-file nested --key e.jwk {options}"));

    let ran = decrypt("").ends(0);
    assert!(ran.err.contains("nobody has verified"), "{}", ran.shown());
    assert_eq!(jws::claims(ran.out.trim())["sub"], "u1");

    let ran = decrypt(&format!("--verify-key public.jwk {ISSUER} {NOW}")).ends(0);
    assert!(ran.out.contains("✓ signature") && ran.out.contains("\"sub\": \"u1\""), "{}", ran.shown());
    let refused =
        decrypt(&format!("--verify-key public.jwk --iss x --audience y {NOW} --json")).ends(1).json();
    assert_eq!(refused["verification"]["rejection"]["code"], "wrong-issuer");
    assert_eq!(refused["plaintext"], Value::Null, "what is refused is not shown");

    // The same by hand, and what is not a nested token.
    let by_hand = folder.gatepass("token encrypt token --key e.pub --cty JWT").good();
    folder.write("nested", by_hand);
    decrypt(&format!("--verify-key public.jwk {ISSUER} {NOW}")).ends(1); // the line ending of the file is inside
    folder.write("bare", folder.read("token").trim());
    folder.write("nested", folder.gatepass("token encrypt bare --key e.pub --cty JWT").good());
    decrypt(&format!("--verify-key public.jwk {ISSUER} {NOW}")).good();
    folder.write("nested", folder.gatepass("token encrypt bare --key e.pub").good());
    decrypt(&format!("--verify-key public.jwk {ISSUER} {NOW}")).complains(1, &["no token inside", "cty"]);
    decrypt("--verify-key public.jwk --iss x").complains(2, &["--audience"]);
    folder.gatepass("token encrypt bare --key e.pub --iss x").complains(2, &["nothing is signed"]);
    folder
        .gatepass("token decrypt --token-file token --key e.jwk")
        .complains(1, &["five parts", "token inspect"]);
}

#[test]
fn colours_are_for_terminals_alone() {
    let folder = signed();
    for line in ["token inspect --token-file token", "jwk show key.jwk", "jwk public key.jwk"] {
        let ran = folder.gatepass(line).ends(0);
        assert!(!ran.out.contains('\u{1b}'), "{}", ran.shown());
    }
}

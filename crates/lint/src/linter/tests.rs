mod cases;

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use gatepass_jose::{Alg, JwkSet, SigningKey, Typ, base64url, jwt};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Finding, Sample};

const NOW: i64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"mBtsoWUmPQqF"}"#;
const CLAIMS: &str = r#"{"iss":"https://auth.example.com","sub":"u_1","aud":"https://api.example.com","client_id":"web","scope":"orders:read","iat":1800000000,"exp":1800000900,"jti":"AaIBqOU5SqJzVacWNs5Q3g"}"#;
const ED25519: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

/// What is given to a linter.
enum Input {
    Text(Option<Kind>, String),
    /// Tokens, one after the other, of which only the last must make the difference.
    Tokens(Vec<String>),
    /// A token held against keys.
    Against(String, String),
    Argument(String),
}

impl Input {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(_, text) | Self::Argument(text) | Self::Against(text, _) => vec![text],
            Self::Tokens(texts) => texts.iter().map(String::as_str).collect(),
        }
    }

    fn report(&self) -> Report {
        let mut linter = linter();
        match self {
            Self::Text(kind, text) => {
                linter.read("x", *kind, text.as_bytes()).unwrap();
            }
            Self::Tokens(tokens) => {
                linter.read("x", Some(Kind::Tokens), tokens.join("\n").as_bytes()).unwrap();
            }
            Self::Against(text, keys) => {
                linter = linter.with_keys(keys.as_bytes()).unwrap();
                linter.read("x", Some(Kind::Token), text.as_bytes()).unwrap();
            }
            Self::Argument(text) => linter.argument(text),
        }
        linter.finish()
    }

    fn rules(&self) -> BTreeSet<&'static str> {
        self.report().findings.iter().map(|finding| finding.rule.id).collect()
    }
}

fn linter() -> Linter {
    Linter::new(Timestamp::from_secs(NOW))
}

/// A token with a signature that could be one of its algorithm.
fn token(header: &str, claims: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(header).unwrap_or_default();
    let header = base64url::encode(header.as_bytes());
    if json.get("enc").is_some() {
        return format!("{header}.a2V5.aXY.Y2lwaGVydGV4dA.dGFn");
    }
    let len = match json["alg"].as_str().and_then(crate::alg::find).map(|row| row.purpose) {
        Some(crate::alg::Purpose::Hmac(len) | crate::alg::Purpose::Signature(&[len, ..])) => len,
        _ => 256,
    };
    // Different claims have different signatures: they do not share a nonce.
    let seed = crate::memory::digest(&[header.as_bytes(), claims.as_bytes()]);
    let signature: Vec<u8> = seed.iter().copied().cycle().take(len).collect();
    format!("{header}.{}.{}", base64url::encode(claims.as_bytes()), base64url::encode(&signature))
}

fn with_signature(header: &str, claims: &str, signature: &[u8]) -> String {
    let content = token(header, claims);
    format!("{}.{}", Token::parse(&content).signing_input(), base64url::encode(signature))
}

fn hmac_token(secret: &[u8]) -> String {
    let header = r#"{"alg":"HS256","typ":"at+jwt","kid":"mBtsoWUmPQqF"}"#;
    let content = token(header, CLAIMS);
    let content = Token::parse(&content).signing_input();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), content.as_bytes());
    with_signature(header, CLAIMS, tag.as_ref())
}

fn sample(sample: &Sample) -> Option<Input> {
    let expired = token(HEADER, &CLAIMS.replace("1800000900", "1700000900"));
    Some(match sample {
        Sample::Header(header) => Input::Text(Some(Kind::Token), token(header, "{}")),
        Sample::Claims(claims) => Input::Text(Some(Kind::Token), token(HEADER, claims)),
        Sample::Token(header, claims) => Input::Text(Some(Kind::Token), token(header, claims)),
        Sample::Keys(keys) => Input::Text(Some(Kind::Jwks), (*keys).to_owned()),
        Sample::Log(line) => {
            let line = line.replace("TOKEN", &token(HEADER, CLAIMS)).replace("EXPIRED", &expired);
            Input::Text(Some(Kind::Log), line)
        }
        Sample::Words(_) => return None,
    })
}

fn one(text: impl Into<String>) -> Input {
    Input::Text(Some(Kind::Token), text.into())
}

fn rsa(n: &[u8], e: &[u8]) -> Input {
    let (n, e) = (base64url::encode(n), base64url::encode(e));
    Input::Text(Some(Kind::Jwks), json!({ "kty": "RSA", "n": n, "e": e }).to_string())
}

/// Claims with so many bytes of filling.
fn filled(len: usize) -> String {
    let words = "word ".repeat(len / 5 + 1);
    CLAIMS.replace("\"sub\"", &format!("\"filling\":\"{}\",\"sub\"", &words[..len]))
}

fn set_of(key: &SigningKey) -> String {
    serde_json::to_string(&JwkSet { keys: vec![key.public_jwk().unwrap()] }).unwrap()
}

fn signed(key: &SigningKey) -> String {
    let claims: serde_json::Value = serde_json::from_str(CLAIMS).unwrap();
    jwt::sign(&Typ::ACCESS_TOKEN, &claims, key).unwrap()
}

#[test]
fn every_rule_speaks_in_its_bad_example_and_is_silent_in_its_good_one() {
    let mut cases = cases::all();
    for rule in Rule::all() {
        let written = cases.remove(rule.id);
        let (bad, good) = match (written, sample(&rule.bad), sample(&rule.good)) {
            (Some(case), ..) => case,
            (None, Some(bad), Some(good)) => (bad, good),
            _ => panic!("{} has no example that can be read", rule.id),
        };
        assert!(bad.rules().contains(rule.id), "{} is silent in its bad example: {:?}", rule.id, bad.rules());
        assert!(!good.rules().contains(rule.id), "{} speaks in its good example", rule.id);
    }
    assert!(cases.is_empty(), "cases of no rule: {:?}", cases.keys());
}

#[test]
fn nothing_that_could_be_used_is_repeated() {
    let samples = Rule::all().flat_map(|rule| [sample(&rule.bad), sample(&rule.good)]).flatten();
    let written = cases::all().into_values().flat_map(|(bad, good)| [bad, good]);
    for input in samples.chain(written) {
        let report = input.report();
        let shown = format!("{} {}", report.to_json(), report.to_sarif()["runs"][0]["results"]);
        for text in input.texts() {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
            for part in words.flat_map(|word| word.split('.')).filter(|part| part.len() > 20) {
                assert!(!shown.contains(part), "{part} of {text} is in {shown}");
            }
        }
        for secret in ["hunter2", "s3same", "4111", "078-05", "ada@", "+44", "1815", "WEST", "AKIA", "MC4C"] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}

#[test]
fn a_token_as_gatepass_mints_it_draws_nothing() {
    let key = SigningKey::generate(Alg::ES256, None).unwrap();
    let input = Input::Against(signed(&key), set_of(&key));
    assert_eq!(input.report().findings, []);
    let set: serde_json::Value = serde_json::from_str(&set_of(&key)).unwrap();
    assert_eq!(Input::Text(None, set.to_string()).rules(), BTreeSet::new(), "{set}");
}

#[test]
fn tokens_for_other_ends_have_rules_of_their_own() {
    let id_token = r#"{"iss":"https://auth.example.com","sub":"u_1","aud":"web","iat":1800000000,"exp":1800000900,"nonce":"n-0S6","email":"ada@example.com","name":"Ada","address":{"country":"GB"},"phone_number":"+442079460958"}"#;
    let jwt = HEADER.replace("at+jwt", "JWT");
    let dpop = r#"{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC"}}"#;
    let proof =
        r#"{"jti":"AaIBqOU5SqJzVacWNs5Q3g","htm":"GET","htu":"https://api.example.com/","iat":1800000000}"#;
    let refresh = r#"{"typ":"Refresh","iss":"https://auth.example.com","aud":"https://auth.example.com","sub":"u_1","jti":"AaIBqOU5SqJzVacWNs5Q3g","iat":1800000000,"exp":1802592000}"#;
    let cases: [(&str, &str, &str, &[&str]); 4] = [
        ("id_token", &jwt, id_token, &[]),
        ("dpop_proof", dpop, proof, &[]),
        ("refresh_token", &jwt, refresh, &[]),
        ("access_token_of_a_day", &jwt, &CLAIMS.replace("1800000900", "1800086401"), &["GP118", "GP305"]),
    ];
    for (name, header, claims, want) in cases {
        let rules = one(token(header, claims)).rules();
        assert_eq!(rules.into_iter().collect::<Vec<_>>(), want, "{name}");
    }
}

#[test]
fn bounds_are_on_the_right_side() {
    let dates = |iat: i64, exp: i64| {
        CLAIMS.replace("1800000000", &iat.to_string()).replace("1800000900", &exp.to_string())
    };
    let sized = |len: usize| {
        let empty = token(HEADER, &filled(0)).len();
        let text = (0..).map(|more| token(HEADER, &filled((len - empty) * 3 / 4 - 3 + more)));
        text.skip_while(|text| text.len() < len).find(|text| text.len() >= len).unwrap()
    };
    assert!([1024, 1025].contains(&sized(1024).len()));
    let cases = [
        ("lives_an_hour", token(HEADER, &dates(NOW, NOW + 3600)), None),
        ("lives_a_second_more", token(HEADER, &dates(NOW, NOW + 3601)), Some("GP304")),
        ("lives_a_day", token(HEADER, &dates(NOW, NOW + 86_400)), Some("GP304")),
        ("lives_longer_than_a_day", token(HEADER, &dates(NOW, NOW + 86_401)), Some("GP305")),
        ("issued_within_the_allowance", token(HEADER, &dates(NOW + 60, NOW + 900)), None),
        ("issued_past_the_allowance", token(HEADER, &dates(NOW + 61, NOW + 900)), Some("GP307")),
        ("expires_next_second", token(HEADER, &dates(NOW - 900, NOW + 1)), None),
        ("expires_now", token(HEADER, &dates(NOW - 900, NOW)), Some("GP309")),
        ("ends_as_it_begins", token(HEADER, &dates(NOW + 1, NOW + 1)), Some("GP308")),
        ("larger_than_a_kilobyte", sized(1025), Some("GP601")),
        ("larger_than_four", sized(4097), Some("GP602")),
    ];
    for (name, text, want) in cases {
        let rules = one(text).rules();
        assert_eq!(rules.into_iter().collect::<Vec<_>>(), want.into_iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn secrets_are_guessed_and_shown_only_on_request() {
    let guessed = |linter: Linter, text: &str| -> Option<String> {
        let mut linter = linter;
        linter.read("x", None, text.as_bytes()).unwrap();
        let report = linter.finish();
        report.findings.into_iter().find(|finding| finding.rule.id == "GP201").map(|finding| finding.message)
    };
    let weak = hmac_token(b"Secret123");
    let message = guessed(linter(), &weak).unwrap();
    assert_eq!(message, "the HMAC secret is a secret of tutorials and templates, with something after it");
    assert!(guessed(linter().showing_secrets(), &weak).unwrap().ends_with(": \"Secret123\""));

    let uncommon = hmac_token(b"lantern meadow 23");
    assert_eq!(guessed(linter(), &uncommon), None);
    let list = || linter().with_wordlist(b"first\r\nlantern meadow 23\r\n".to_vec());
    assert_eq!(guessed(list(), &uncommon).unwrap(), "the HMAC secret is line 2 of the word list");
    let key = json!({"kty": "oct", "k": base64url::encode(b"lantern meadow 23")}).to_string();
    assert_eq!(guessed(list(), &key).unwrap(), "the HMAC secret is line 2 of the word list");
    assert_eq!(guessed(linter(), &hmac_token(&[7; 40])), None);
}

#[test]
fn places_are_those_of_the_text() {
    let good = token(HEADER, CLAIMS);
    let log = format!("first line\nä token={good} and {}\n", token(HEADER, &CLAIMS.replace("u_1", "u_2")));
    let report = Input::Text(None, log).report();
    let places: Vec<(u64, u64)> = report
        .findings
        .iter()
        .filter(|f| f.rule.id == "GP702")
        .map(|f| (f.place.line, f.place.column))
        .collect();
    assert_eq!(places, [(2, 9), (2, 9 + good.len() as u64 + 5)]);

    let set = format!("{{\n \"keys\": [\n  {{{ED25519},\"kid\":\"a\"}},\n  {{{ED25519},\"kid\":\"b\"}}\n]}}");
    let report = Input::Text(None, set).report();
    let repeated = report.findings.iter().find(|finding| finding.rule.id == "GP209").unwrap();
    assert_eq!(repeated.place.to_string(), "x:4:3 keys[1]");

    let tokens = format!("# mine\n\nBearer {good}\r\n{}\n", token(HEADER, "{}"));
    let report = Input::Text(None, tokens).report();
    assert!(report.findings.iter().all(|finding| finding.place.line == 4), "{:?}", report.findings);
    assert_eq!(report.tokens, 2);
}

#[test]
fn a_token_that_repeats_is_judged_once_and_its_leaks_each_time() {
    let bad = token(HEADER, r#"{"exp":1800000900}"#);
    let report = Input::Text(Some(Kind::Log), format!("{bad}\n{bad} /x?t={bad}\n")).report();
    let count = |id: &str| report.findings.iter().filter(|finding| finding.rule.id == id).count();
    assert_eq!((report.tokens, count("GP702"), count("GP703"), count("GP401")), (3, 3, 1, 1));
}

#[test]
fn a_line_without_end_is_read_in_pieces() {
    let good = token(HEADER, CLAIMS);
    let mut line = "x ".repeat(PIECE / 2 - 40);
    line.push_str(&good); // across the first piece's end
    line.push_str(&" y".repeat(PIECE));
    line.push_str(&format!(" {good}"));
    let report = Input::Text(None, line).report();
    let columns: Vec<u64> = report.findings.iter().map(|finding| finding.place.column).collect();
    let first = PIECE as u64 - 80 + 1;
    assert_eq!(columns, [first, first + good.len() as u64 + 2 * PIECE as u64 + 1]);
}

#[test]
fn a_serialized_token_is_read_signature_by_signature() {
    let protected = base64url::encode(br#"{"alg":"none"}"#);
    let payload = base64url::encode(CLAIMS.as_bytes());
    let json = json!({"payload": payload, "signatures": [
        {"protected": base64url::encode(HEADER.as_bytes()), "signature": base64url::encode(&[7; 64])},
        {"protected": protected, "signature": ""},
    ]});
    let report = Input::Text(None, json.to_string()).report();
    let none = report.findings.iter().find(|finding| finding.rule.id == "GP101").unwrap();
    assert_eq!(none.place.path, "signatures[1].header.alg");

    let jwe = json!({"protected": base64url::encode(br#"{"enc":"A128GCM","zip":"DEF"}"#), "iv": "aXY", "ciphertext": "Yw", "tag": "dGFn",
        "recipients": [{"header": {"alg": "RSA1_5"}, "encrypted_key": "a2V5"}]});
    assert!(Input::Text(None, jwe.to_string()).rules().contains("GP109"));
}

#[test]
fn pem_documents_are_read_and_their_keys_judged() {
    let key = SigningKey::generate(Alg::ES256, None).unwrap();
    let rsa = SigningKey::generate(Alg::RS256, None).unwrap();
    let public = |key: &SigningKey| key.public_jwk().unwrap().to_spki_pem().unwrap();
    let private = |key: &SigningKey| key.to_jwk().unwrap().to_pkcs8_pem().unwrap().to_string();
    let cases: [(&str, String, &[&str]); 6] = [
        ("ec_public", public(&key), &[]),
        ("ec_private", private(&key), &["GP223"]),
        ("rsa_public", public(&rsa), &["GP204"]),
        ("rsa_private", private(&rsa), &["GP204", "GP223"]),
        ("both", format!("{}{}", public(&key), private(&rsa)), &["GP204", "GP223"]),
        ("cut", public(&rsa)[..100].to_owned(), &["GP200"]),
    ];
    for (name, text, want) in cases {
        let report = Input::Text(None, text).report();
        let rules: BTreeSet<&str> = report.findings.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(rules.into_iter().collect::<Vec<_>>(), want, "{name}");
        assert!(report.keys > 0);
    }
}

#[test]
fn a_private_key_in_the_clear_is_noted_as_a_jwk_too() {
    // RFC 8037 appendix A.1.
    let public = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "alg": "EdDSA",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let mut private = public.clone();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let found = |key: &serde_json::Value| Input::Text(None, key.to_string()).rules();
    assert_eq!(found(&public), BTreeSet::new());
    assert_eq!(found(&private), BTreeSet::from(["GP223"]));
    assert!(found(&json!({ "keys": [private] })).contains("GP210"), "published it is worse");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_reason() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "neither a token"),
        (b"hello", "neither a token"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"\x28\xb5\x2f\xfd", "compressed"),
        (b"\xff\xfeG\0E\0T\0", "UTF-16"),
        (b"\n\n", "neither a token"),
    ];
    for (input, want) in cases {
        let error = linter().read("x", None, input).unwrap_err().to_string();
        assert!(error.contains(want), "{input:?}: {error}");
    }
    assert!(matches!(linter().read("x", Some(Kind::Jwks), &b"[]"[..]), Err(ReadError::Not(Kind::Jwks))));
    let large = vec![b' '; WHOLE + 1];
    assert!(matches!(linter().read("x", Some(Kind::Jwks), &large[..]), Err(ReadError::TooLarge(Kind::Jwks))));
    assert!(linter().with_keys(b"[]").is_err() && linter().with_keys(br#"{"keys":1}"#).is_err());
}

#[test]
fn rules_can_be_ignored() {
    let mut linter = linter().ignoring(&crate::rule::EXP_MISSING);
    linter.read("x", None, token(HEADER, "{}").as_bytes()).unwrap();
    let report = linter.finish();
    let has = |id: &str| report.findings.iter().any(|finding: &Finding| finding.rule.id == id);
    assert!(!has("GP301") && has("GP401"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
        for kind in [None, Some(Kind::Token), Some(Kind::Tokens), Some(Kind::Log), Some(Kind::Jwks), Some(Kind::Pem)] {
            let _ = linter().read("x", kind, &bytes[..]);
        }
        let _ = linter().with_keys(&bytes);
    }

    #[test]
    fn any_header_and_payload_are_answered_without_panic(
        header in r#"(\{"(alg|kid|enc|crit|jwk|p2c|b64|zip)":("none"|"HS25\u0036"|"ES256"|"dir"|false|\[("a",?)?\]|-1e9)(,"[a-z]":[0-9]{1,3})?\}|.{0,8})"#,
        payload in r#"(\{"(exp|nbf|iat|aud|sub|scope|jti|pem)":("[@.+0-9a-z $:/-]{0,30}"|-?[0-9]{1,20}(\.5)?|\[\]|null|1e308)\}|.{0,8})"#,
        signature: Vec<u8>,
    ) {
        let text = format!(
            "{}.{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(payload.as_bytes()),
            base64url::encode(&signature)
        );
        let mut linter = linter();
        linter.read("x", Some(Kind::Token), text.as_bytes()).unwrap();
        linter.read("x", Some(Kind::Log), format!("set-cookie: a={text}; {text}").as_bytes()).unwrap();
        let _ = linter.finish().to_sarif();
    }

    #[test]
    fn any_key_is_answered_without_panic(
        key in r#"\{"kty":"(RSA|EC|OKP|oct|AKP|x)","(n|k|x|crv)":"[A-Za-z0-9_-]{0,12}","(e|y|alg|use|key_ops|kid)":("[A-Z0-9a-z]{0,6}"|\[\]|1)\}"#,
    ) {
        let mut linter = linter();
        linter.read("x", Some(Kind::Jwks), key.as_bytes()).unwrap();
        linter.read("x", Some(Kind::Jwks), format!("{{\"keys\":[{key},{key}]}}").as_bytes()).unwrap();
        prop_assert_eq!(linter.finish().keys, 3);
    }
}

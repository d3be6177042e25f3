//! `gatepass lint`: what is wrong with tokens, keys and logs.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use gatepass_e2e::Up;
use gatepass_e2e::up::ADMIN;
use serde_json::{Value, json};

use super::offline::{Folder, Ran};

const NOW: &str = "--now 1800000000";

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode_to_string(json.to_string())
}

/// A token that everything is right with, but for its signature, which nobody made.
fn good() -> String {
    token(json!({"alg": "ES256", "typ": "at+jwt", "kid": "mBtsoWUmPQqF"}), claims())
}

fn claims() -> Value {
    json!({
        "iss": "https://auth.example.com", "sub": "u_1", "aud": "https://api.example.com", "client_id": "web",
        "scope": "orders:read", "iat": 1_800_000_000, "exp": 1_800_000_900, "jti": "AaIBqOU5SqJzVacWNs5Q3g"
    })
}

fn token(header: Value, claims: Value) -> String {
    format!("{}.{}.{}", part(&header), part(&claims), URL_SAFE_NO_PAD.encode_to_string([7; 64]))
}

fn hmac_token(secret: &str) -> String {
    let content = format!(
        "{}.{}",
        part(&json!({"alg": "HS256", "typ": "at+jwt", "kid": "mBtsoWUmPQqF"})),
        part(&claims())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), content.as_bytes());
    format!("{content}.{}", URL_SAFE_NO_PAD.encode_to_string(tag))
}

fn rules(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap_or_else(|| panic!("no findings in {answer}"));
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

fn lint(folder: &Folder, line: &str) -> Ran {
    folder.gatepass(&format!("lint {NOW} {line}"))
}

#[tokio::test]
async fn the_tokens_and_keys_of_gatepass_itself_draw_nothing() {
    let up = Up::start().await;
    let folder = Folder::new();
    let token = up.login(ADMIN).await.access_token;
    let keys =
        gatepass_e2e::send(up.at_server(reqwest::Method::GET, "/.well-known/jwks.json")).await.expect(200);
    folder.write("token", &token);
    folder.write("keys.json", keys.json().to_string());
    let said = folder.gatepass("lint --fail-on note --jwks keys.json token").good();
    assert_eq!(said, "nothing to mend: 1 token found");
    // A key for RS256 is there for clients that know nothing else.
    let said = folder.gatepass("lint --fail-on note --ignore GP204 keys.json").good();
    assert!(said.starts_with("nothing to mend: ") && said.contains("key"), "{said}");
}

#[test]
fn a_token_is_read_from_a_file_from_standard_input_and_from_the_command_line() {
    let folder = Folder::new();
    let none = token(json!({"alg": "none"}), claims());
    folder.write("none.txt", format!("{none}\n"));
    for line in ["none.txt --json", "--token-file none.txt --json"] {
        let answer = lint(&folder, line).ends(1).json();
        assert_eq!(answer["findings"][0]["source"], "none.txt");
        assert!(rules(&answer).contains(&"GP101".to_owned()), "{answer}");
        assert!(!rules(&answer).contains(&"GP707".to_owned()), "{answer}");
    }
    let answer = folder.fed(&format!("lint {NOW} --json -"), &none).ends(1).json();
    assert_eq!((&answer["findings"][0]["source"], &answer["tokens"]), (&json!("-"), &json!(1)));

    let answer = lint(&folder, &format!("--json {}", good())).ends(0).json();
    assert_eq!(rules(&answer), ["GP707"]);
    assert_eq!(answer["findings"][0]["source"], "argument");
}

#[test]
fn exit_codes_follow_the_severity_that_is_asked_for() {
    let folder = Folder::new();
    let mut without_aud = claims();
    without_aud.as_object_mut().unwrap().remove("aud");
    folder.write("good", good());
    folder.write(
        "warning",
        token(json!({"alg": "ES256", "typ": "at+jwt", "kid": "mBtsoWUmPQqF"}), without_aud),
    );
    let cases = [
        ("good", 0),
        ("good --fail-on note", 0),
        ("warning", 0),
        ("warning --fail-on warning", 1),
        ("warning --fail-on note", 1),
        ("warning --fail-on note --ignore aud-missing", 0),
        ("good --now 2099-01-01T00:00:00Z --fail-on warning", 0),
        ("good --now 2099-01-01T00:00:00Z --fail-on note", 1),
    ];
    for (line, code) in cases {
        // The last --now counts, so it is given once.
        let now = if line.contains("--now") { "" } else { NOW };
        folder.gatepass(&format!("lint {now} {line}")).ends(code);
    }
}

#[test]
fn what_cannot_be_read_is_neither_good_nor_bad() {
    let folder = Folder::new();
    folder.write("word", "hello");
    folder.write("empty", "");
    folder.write("packed.gz", b"\x1f\x8b\x08\0");
    let cases: [(&str, &[&str]); 9] = [
        ("no-such-file", &["cannot read no-such-file"]),
        ("word", &["cannot make sense of word"]),
        ("empty", &["cannot make sense of empty"]),
        ("packed.gz", &["compressed"]),
        ("word --as jwks", &["it is not jwks"]),
        ("word --as token --jwks word", &["cannot use word", "JWK Set"]),
        ("word --wordlist no-such-list", &["cannot read no-such-list"]),
        ("word --ignore GP999", &["there is no rule GP999", "--list"]),
        ("--explain GP999", &["there is no rule GP999"]),
    ];
    for (line, words) in cases {
        lint(&folder, line).complains(2, words);
    }
    folder.gatepass("lint").ends(2);
    folder.gatepass("lint word --as sandwich").ends(2);
    folder.gatepass("lint word --json --sarif").ends(2);
}

#[test]
fn a_secret_is_guessed_and_printed_only_on_request() {
    let folder = Folder::new();
    folder.write("weak", hmac_token("changeme123"));
    folder.write("listed", hmac_token("lantern meadow"));
    folder.write("words", "one\nlantern meadow\n");
    let said = lint(&folder, "weak").ends(1).out;
    assert!(said.contains("GP201") && !said.contains("changeme"), "{said}");
    assert!(lint(&folder, "weak --show-secret").ends(1).out.contains("\"changeme123\""));
    lint(&folder, "listed").ends(0);
    let said = lint(&folder, "listed --wordlist words").ends(1).out;
    assert!(said.contains("line 2 of the word list") && !said.contains("lantern"), "{said}");
}

#[test]
fn a_log_is_searched_line_by_line_and_nothing_of_its_tokens_is_repeated() {
    let folder = Folder::new();
    let log = format!(
        "10.0.0.1 \"GET /orders HTTP/1.1\" 200\n10.0.0.1 \"GET /orders?access_token={0} HTTP/1.1\" 200\n{{\"headers\":{{\"set-cookie\":\"s={0}; Path=/\"}}}}\n",
        good()
    );
    folder.write("access.log", log);
    let answer = lint(&folder, "access.log --json").ends(1).json();
    let places: Vec<(&str, u64)> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["rule"].as_str().unwrap(), finding["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [("GP702", 2), ("GP703", 2), ("GP702", 3), ("GP705", 3)]);
    for form in ["", "--json", "--sarif"] {
        let said = lint(&folder, &format!("access.log {form}")).ends(1).out;
        for part in good().split('.') {
            assert!(!said.contains(part), "{part} is in {said}");
        }
    }
    let said = lint(&folder, "access.log --limit 1").ends(1).out;
    assert!(said.contains("and 1 more of GP702") && said.contains("access.log:2:"), "{said}");
}

#[test]
fn keys_are_judged_and_tokens_held_against_them() {
    let folder = Folder::new();
    folder.gatepass("jwk generate --alg ES256 --out key.jwk --public-out public.jwk").ends(0);
    folder.write("claims", claims().to_string());
    let signed = folder.gatepass("token sign claims --key key.jwk").good();
    folder.write("signed", &signed);
    lint(&folder, "signed --jwks public.jwk --fail-on note").ends(0);
    lint(&folder, "public.jwk --fail-on note").ends(0);

    let private: Value = serde_json::from_str(&folder.read("key.jwk")).unwrap();
    folder.write("set.json", json!({"keys": [private]}).to_string());
    assert_eq!(rules(&lint(&folder, "set.json --json").ends(1).json()), ["GP210"]);

    folder.write("other", good());
    let answer = lint(&folder, "other --jwks public.jwk --json").ends(1).json();
    assert_eq!(rules(&answer), ["GP218"]);
    folder
        .write("altered", signed.replace(signed.split('.').nth(1).unwrap(), &part(&json!({"sub": "admin"}))));
    let answer = lint(&folder, "altered --jwks public.jwk --json").ends(1).json();
    assert!(rules(&answer).contains(&"GP220".to_owned()), "{answer}");
}

#[test]
fn sarif_names_rules_files_and_regions() {
    let folder = Folder::new();
    folder.write("none.txt", format!("{}\n{}\n", good(), token(json!({"alg": "none"}), claims())));
    let sarif = lint(&folder, "none.txt --sarif").ends(1).json();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    let none = results.iter().find(|result| result["ruleId"] == "GP101").unwrap();
    assert_eq!(none["level"], "error");
    assert_eq!(
        none["locations"][0]["physicalLocation"],
        json!({"artifactLocation": {"uri": "none.txt"}, "region": {"startLine": 2, "startColumn": 1}})
    );
    let index = usize::try_from(none["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "GP101");
}

#[test]
fn every_rule_is_listed_and_explained() {
    let folder = Folder::new();
    let said = folder.gatepass("lint --explain gp104").good();
    for word in ["GP104 alg-symmetric", "Mend.", "HS256", "rfc7518#section-3.2"] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(folder.gatepass("lint --explain alg-symmetric").good(), said);
    let list = folder.gatepass("lint --list --json").ends(0).json();
    let all = folder.gatepass("lint --explain all").good();
    let shown = folder.gatepass("lint --list").good();
    for rule in list.as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        assert!(all.contains(&format!("## {id} ")) && shown.contains(id), "{id}");
    }
}

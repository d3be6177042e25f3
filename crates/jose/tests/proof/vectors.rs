//! Vectors that others published, read in place: every case with the verdict that its file expects.

pub mod cases;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use gatepass_jose::{Alg, KeyManagement};
use serde_json::json;

use self::cases::{Case, Want};

#[path = "../../examples/vectors/answer.rs"]
mod answer;

/// Where this library answers otherwise than a file expects, and why.
const DISAGREEMENTS: &[(&str, &str)] = &[
    (
        "y_object_duplicated_key",
        "RFC 7515 section 4 and RFC 7519 section 4 allow a parser that refuses duplicate member names, and RFC 8725 \
         knows the attacks on those that do not",
    ),
    ("y_object_duplicated_key_and_value", "as y_object_duplicated_key"),
];

/// Suites that must have cases, so that a moved folder does not pass for a passed test.
const SUITES: &[&str] =
    &["wycheproof/", "primitives/", "rfc7520", "rfc-appendices", "status_list", "jsontestsuite", "base64url"];

#[test]
fn published_vectors_get_the_verdict_that_is_expected() {
    let folder = folder();
    if !folder.is_dir() {
        let promised = std::env::var_os("GATEPASS_VECTORS").is_some();
        assert!(!promised, "GATEPASS_VECTORS names {}, which is no folder", folder.display());
        println!("SKIPPED: no vectors at {}; GATEPASS_VECTORS names their folder", folder.display());
        return;
    }
    let cases = cases::read(&folder);
    for suite in SUITES {
        let is_there = cases.iter().any(|case| case.suite.starts_with(suite));
        assert!(is_there, "{} has no cases of {suite}", folder.display());
    }
    require_expected(&cases);
}

/// Asks every case, prints the counts, and fails for each wrong answer that no line above argues for.
pub fn require_expected(cases: &[Case]) {
    let mut table = BTreeMap::<&str, Counts>::new();
    let mut wrong = Vec::new();
    for case in cases {
        let counts = table.entry(&case.suite).or_default();
        match judge(case) {
            Verdict::Right => counts.right += 1,
            Verdict::Open => counts.open += 1,
            Verdict::Unsupported => counts.unsupported += 1,
            Verdict::Wrong(_) if DISAGREEMENTS.iter().any(|(id, _)| *id == case.id) => counts.argued += 1,
            Verdict::Wrong(how) => wrong.push(format!("{}: {}: {how}", case.suite, case.id)),
        }
    }
    print_table(&table);
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

enum Verdict {
    Right,
    /// Either answer would have been right.
    Open,
    Unsupported,
    Wrong(String),
}

fn judge(case: &Case) -> Verdict {
    let before = Instant::now();
    let answer = answer::answer(&case.request);
    let took = before.elapsed();
    if answer["unsupported"] == json!(true) {
        return Verdict::Unsupported;
    }
    if case.within.is_some_and(|most| took > most) {
        return Verdict::Wrong(format!("took {took:?}"));
    }
    let accepted = answer["ok"] == json!(true);
    match (case.want, accepted, &case.member) {
        (Want::Either, ..) => Verdict::Open,
        (Want::Valid, false, _) => Verdict::Wrong(format!("refused: {}", answer["err"])),
        (Want::Invalid, true, _) => Verdict::Wrong("accepted".to_owned()),
        (Want::Valid, true, Some((name, value))) if answer[name] != *value => {
            Verdict::Wrong(format!("{name} is {}, not {value}", answer[name]))
        }
        _ => Verdict::Right,
    }
}

#[derive(Default)]
struct Counts {
    right: usize,
    argued: usize,
    unsupported: usize,
    open: usize,
}

fn print_table(table: &BTreeMap<&str, Counts>) {
    println!("{:50} {:>6} {:>7} {:>12} {:>5}", "suite", "right", "argued", "unsupported", "open");
    let mut total = Counts::default();
    for (suite, Counts { right, argued, unsupported, open }) in table {
        println!("{suite:50} {right:>6} {argued:>7} {unsupported:>12} {open:>5}");
        total.right += right;
        total.argued += argued;
        total.unsupported += unsupported;
        total.open += open;
    }
    let Counts { right, argued, unsupported, open } = total;
    println!("{:50} {right:>6} {argued:>7} {unsupported:>12} {open:>5}", "all");
}

/// `GATEPASS_VECTORS`, else `../shared/vectors` beside the workspace.
fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("GATEPASS_VECTORS").map_or_else(|| workspace.join("../shared/vectors"), PathBuf::from)
}

#[test]
fn what_the_library_does_not_offer_is_said_to_be_unsupported() {
    let jwk = json!({ "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    let unsupported = [
        json!({ "op": "jwe_decrypt", "token": "", "key": { "kty": "RSA", "alg": "RSA1_5" } }),
        json!({ "op": "jwe_decrypt", "token": "eyJhbGciOiJBMTkyS1cifQ....", "key": jwk }),
        json!({ "op": "aes_kw_unwrap", "alg": "A192KW", "key_hex": "", "ct_hex": "" }),
        json!({ "op": "eddsa", "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed448" }, "msg_hex": "", "sig_hex": "" }),
        json!({ "op": "ecdsa_p1363", "alg": "ES256K", "jwk": { "crv": "secp256k1" }, "msg_hex": "", "sig_hex": "" }),
    ];
    for request in unsupported {
        assert_eq!(answer::answer(&request), json!({ "unsupported": true }), "{request}");
    }
    for (name, _) in answer::NO_SIGNATURES.iter().chain(answer::NO_ENCRYPTION) {
        assert!(name.parse::<Alg>().is_err() && name.parse::<KeyManagement>().is_err(), "{name} is offered");
    }
}

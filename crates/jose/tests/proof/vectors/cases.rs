//! Reads the files of the vector folder as questions in the words of `PROTOCOL.md`, each with the answer that
//! the file expects. A suite is a function.

mod primitives;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatepass_jose::base64url;
use serde_json::{Value, json};

pub use self::primitives::primitive;

/// One question, and what its file says of the answer.
pub struct Case {
    /// The file or folder that it comes from.
    pub suite: String,
    /// Names it within the suite.
    pub id: String,
    pub request: Value,
    pub want: Want,
    /// A member of the answer, and its value.
    pub member: Option<(&'static str, Value)>,
    /// How long the answer may take at most.
    pub within: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Valid,
    Invalid,
    /// The file leaves it open, or `disputed.json` argues against it.
    Either,
}

impl Case {
    fn new(suite: impl Into<String>, id: impl Into<String>, want: Want, request: Value) -> Self {
        Self { suite: suite.into(), id: id.into(), request, want, member: None, within: None }
    }

    fn answering(self, name: &'static str, value: impl Into<Value>) -> Self {
        Self { member: Some((name, value.into())), ..self }
    }

    fn or_either(self, open: bool) -> Self {
        if open { Self { want: Want::Either, ..self } } else { self }
    }
}

/// Every case below `folder`, where each subfolder holds the same layout.
pub fn read(folder: &Path) -> Vec<Case> {
    let disputed: Value = read_json(&folder.join("disputed.json"));
    let disputed = disputed.as_object().unwrap().keys().cloned().collect();
    let sides = entries(folder).into_iter().filter(|path| path.is_dir());
    sides
        .flat_map(|side| {
            let mut cases = wycheproof(&side.join("wycheproof"), &disputed);
            cases.extend(primitives::read(&side.join("wycheproof_primitives")));
            cases.extend(cookbook(&side.join("rfc7520")));
            cases.extend(rfcs(&side.join("rfc/rfc_vectors.json")));
            cases.extend(status_lists(&side.join("status_list/token_status_list.json")));
            cases.extend(json_texts(&side.join("jsontestsuite")));
            cases.extend(base64url_texts(&side.join("b64/base64url.json")));
            cases.extend(bombs(&side.join("cve")));
            cases
        })
        .collect()
}

fn wycheproof(folder: &Path, disputed: &HashSet<String>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, file) in json_files(folder) {
        let name = name.trim_end_matches("_test");
        for (group, test) in tests(&file) {
            let encrypted = test.get("jwe").is_some();
            let key =
                if encrypted || group.get("public").is_none() { &group["private"] } else { &group["public"] };
            let token = test.get("jwe").or(test.get("jws")).cloned().unwrap_or_default();
            let token = match token.as_str().map(serde_json::from_str) {
                Some(Ok(object @ Value::Object(_))) => object,
                _ => token,
            };
            let op = if encrypted { "jwe_decrypt" } else { "jws_verify" };
            let open = has_flag(test, "Ambiguous")
                || has_flag(test, "JsonSerialization")
                || disputed.contains(&format!("{name}:{}", test["tcId"]));
            let id = format!("{} {} {}", test["tcId"], string(&group["comment"]), string(&test["comment"]));
            let mut case = Case::new(
                format!("wycheproof/{name}"),
                id,
                result(test),
                json!({ "op": op, "token": token, "key": key }),
            )
            .or_either(open);
            if let Some(plaintext) = test["pt"].as_str() {
                case = case.answering("plaintext_b64u", b64(&unhex(plaintext)));
            }
            cases.push(case);
        }
    }
    cases
}

/// The JOSE cookbook: RFC 7520 and its additions.
fn cookbook(folder: &Path) -> Vec<Case> {
    let case = |id: String, request| Case::new("rfc7520", id, Want::Valid, request);
    let mut cases = Vec::new();
    for (name, file) in json_files(&folder.join("jwk")) {
        cases.push(case(format!("jwk/{name}"), json!({ "op": "jwk_parse", "json": file })));
    }
    for (name, file) in ["jwe", "jws", "curve25519"].iter().flat_map(|part| json_files(&folder.join(part))) {
        let (input, output) = (&file["input"], &file["output"]);
        for form in ["compact", "json", "json_flat"] {
            let Some(token) = output.get(form) else { continue };
            for (at, key) in one_or_many(input.get("key").unwrap_or(&input["pwd"])).into_iter().enumerate() {
                let id = format!("{name}:{form}:{at}");
                let case = match input["plaintext"].as_str() {
                    Some(plaintext) => {
                        let mut request = json!({ "op": "jwe_decrypt", "token": token, "key": key });
                        if let Some(password) = key.as_str().map(|password| b64(password.as_bytes())) {
                            request["key"] = json!({ "kty": "oct", "k": password });
                            request["password_b64u"] = json!(password);
                        }
                        case(id, request).answering("plaintext_b64u", b64(plaintext.as_bytes()))
                    }
                    None => {
                        let payload = b64(string(&input["payload"]).as_bytes());
                        let mut request = json!({ "op": "jws_verify", "token": token, "key": key });
                        let is_detached = match token.as_str() {
                            Some(compact) => compact.contains(".."),
                            None => token.get("payload").is_none(),
                        };
                        if is_detached {
                            request["payload_b64u"] = json!(payload);
                        }
                        case(id, request).answering("payload_b64u", payload)
                    }
                };
                cases.push(case);
            }
        }
    }
    cases
}

/// The RFCs' own examples, collected.
fn rfcs(file: &Path) -> Vec<Case> {
    let file = read_json(file);
    let vectors = file["vectors"].as_array().into_iter().flatten();
    vectors.flat_map(rfc).collect()
}

fn rfc(v: &Value) -> Vec<Case> {
    let want = if string(&v["expect"]).starts_with("reject") { Want::Invalid } else { Want::Valid };
    let case = |id: String, request: Value| Case::new("rfc-appendices", id, want, request);
    let id = || string(&v["id"]).to_owned();
    let keys = || one_or_many(v.get("jwks").unwrap_or(&v["jwk"])).into_iter().enumerate();
    let per_key = |op: &str, answer, member: &str| {
        keys()
            .map(|(at, key)| {
                case(format!("{}:{at}", id()), json!({ "op": op, "token": v["json"], "key": key }))
                    .answering(answer, v[member].clone())
            })
            .collect()
    };
    let single = |request: Value, answer: Option<&'static str>, member: &str| {
        let case = case(id(), request);
        match (answer, v.get(member)) {
            (Some(name), Some(value)) => vec![case.answering(name, value.clone())],
            _ => vec![case],
        }
    };
    match string(&v["kind"]) {
        "jws_compact" => {
            let any = json!({ "kty": "oct", "k": b64(&[0; 32]) });
            let key = v.get("jwk").unwrap_or(&any);
            single(
                json!({ "op": "jws_verify", "token": v["compact"], "key": key }),
                Some("payload_b64u"),
                "payload_b64u",
            )
        }
        "jws_general_json" | "jws_flattened_json" => per_key("jws_verify", "payload_b64u", "payload_b64u"),
        "jws_detached" => {
            let signature = v["signature"].as_str().or_else(|| v["compact"].as_str()?.rsplit('.').next());
            let token = format!("{}..{}", string(&v["protected"]), signature.unwrap());
            let payload = b64(string(&v["payload_utf8"]).as_bytes());
            single(
                json!({ "op": "jws_verify", "token": token, "key": v["jwk"], "payload_b64u": payload }),
                None,
                "",
            )
        }
        "jwe_compact" | "jwe_jwt" => {
            let password = v["password_utf8"].as_str().map(|password| b64(password.as_bytes()));
            let request = json!({ "op": "jwe_decrypt", "token": v["compact"], "key": v["jwk"], "password_b64u": password });
            single(request, Some("plaintext_b64u"), "plaintext_b64u")
        }
        "jwe_general_json" | "jwe_flattened_json" => {
            per_key("jwe_decrypt", "plaintext_b64u", "plaintext_b64u")
        }
        "jwk_thumbprint" => single(json!({ "op": "thumbprint", "jwk": v["jwk"] }), Some("sha256"), "sha256"),
        "pkce" => single(json!({ "op": "pkce", "verifier": v["verifier"] }), Some("challenge"), "challenge"),
        "dpop_proof" => {
            let request = json!({
                "op": "dpop", "proof": v["proof"], "htm": v["htm"], "htu": v["htu"], "now": v["iat"],
                "access_token": v["access_token"],
            });
            single(request, Some("jkt"), "jkt")
        }
        "jwk" | "jwk_set" => single(json!({ "op": "jwk_parse", "json": v["json"] }), None, ""),
        // What the protocol has no operation for, `rfc.rs` asks of the library itself.
        _ => Vec::new(),
    }
}

fn status_lists(file: &Path) -> Vec<Case> {
    let file = read_json(file);
    let case = |id: String, want, list: &Value, indices: Value| {
        Case::new(
            "status_list",
            id,
            want,
            json!({ "op": "status_list", "status_list": list, "indices": indices }),
        )
    };
    let mut cases = Vec::new();
    if let Some(small) = file.get("small") {
        let indices: Vec<_> = (0..small["values"].as_array().unwrap().len()).collect();
        let small_case = case("small".into(), Want::Valid, &small["encoded"], json!(indices));
        cases.push(small_case.answering("values", small["values"].clone()));
    }
    for list in file["long"].as_array().into_iter().flatten() {
        let (size, encoded) = (list["size"].as_u64().unwrap(), &list["encoded"]);
        let nonzero = list["nonzero"].as_object().unwrap();
        let mut indices: Vec<u64> = nonzero.keys().map(|index| index.parse().unwrap()).collect();
        let after: Vec<_> = indices.iter().map(|index| index + 1).filter(|index| *index < size).collect();
        indices.extend(after);
        let value = |index: &u64| nonzero.get(&index.to_string()).cloned().unwrap_or(json!(0));
        let values: Vec<_> = indices.iter().map(value).collect();
        let bits = &list["bits"];
        cases.push(
            case(format!("{bits} bits"), Want::Valid, encoded, json!(indices)).answering("values", values),
        );
        cases.push(case(format!("{bits} bits, past the end"), Want::Invalid, encoded, json!([size])));
    }
    cases
}

fn json_texts(folder: &Path) -> Vec<Case> {
    let files = entries(folder).into_iter().map(|path| {
        let name = stem(&path);
        let want = match name.split('_').next() {
            Some("y") => Want::Valid,
            Some("n") => Want::Invalid,
            _ => Want::Either,
        };
        let request = json!({ "op": "json_strict", "b64u": b64(&fs::read(&path).unwrap()) });
        Case::new("jsontestsuite", name, want, request)
    });
    files.collect()
}

fn base64url_texts(file: &Path) -> Vec<Case> {
    let file = read_json(file);
    let cases = file["cases"].as_array().into_iter().flatten().map(|test| {
        let request = json!({ "op": "b64url_decode", "s": test["s"] });
        let case = Case::new("base64url", string(&test["comment"]), result(test), request);
        if case.want == Want::Valid { case.answering("hex", test["hex"].clone()) } else { case }
    });
    cases.collect()
}

/// Messages that ask for endless work: they must be refused, and soon.
fn bombs(folder: &Path) -> Vec<Case> {
    let files = json_files(folder).into_iter().map(|(name, v)| {
        let request = json!({ "op": "jwe_decrypt", "token": v["jwe"], "key": v["jwk"], "password_b64u": v["jwk"]["k"] });
        Case { within: Some(Duration::from_secs(2)), ..Case::new("cve", name, Want::Invalid, request) }
    });
    files.collect()
}

/// Each test of a Wycheproof file with its group.
fn tests(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["tests"].as_array().into_iter().flatten().map(move |test| (group, test)))
}

fn result(test: &Value) -> Want {
    match string(&test["result"]) {
        "valid" => Want::Valid,
        "acceptable" => Want::Either,
        _ => Want::Invalid,
    }
}

fn has_flag(test: &Value, flag: &str) -> bool {
    test["flags"].as_array().into_iter().flatten().any(|own| own == flag)
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

fn json_files(folder: &Path) -> Vec<(String, Value)> {
    entries(folder).into_iter().map(|path| (stem(&path), read_json(&path))).collect()
}

/// What is in `folder`, sorted; nothing where there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// `null` where there is no such file.
fn read_json(path: &Path) -> Value {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        }
        Err(_) => Value::Null,
    }
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn b64(bytes: &[u8]) -> String {
    base64url::encode(bytes)
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

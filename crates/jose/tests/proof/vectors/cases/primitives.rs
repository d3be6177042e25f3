//! Wycheproof's files for the primitives beneath the algorithms.

use std::path::Path;

use serde_json::{Value, json};

use super::{Case, Want, b64, json_files, result, string, tests, unhex};

/// The cases of every file in `folder`.
pub(super) fn read(folder: &Path) -> Vec<Case> {
    json_files(folder)
        .iter()
        .flat_map(|(name, file)| primitive(name.trim_end_matches("_test"), file))
        .collect()
}

/// The cases of one Wycheproof file for a primitive, as far as JOSE has what it is about.
pub fn primitive(name: &str, file: &Value) -> Vec<Case> {
    let case = |(group, test): (&Value, &Value)| {
        let (request, member) = question(name, group, test)?;
        // JOSE has one salt length and one MGF per algorithm, and these files have others.
        let is_foreign = name.starts_with("rsa_pss")
            && (group["mgfSha"] != group["sha"]
                || group["sLen"].as_u64() != hash_bits(&group["sha"]).map(|bits| bits / 8));
        if is_foreign && result(test) != Want::Valid && string(&test["comment"]).contains("s_len changed") {
            return None;
        }
        let want = if is_foreign { Want::Invalid } else { result(test) };
        let id = format!("{} {}", test["tcId"], string(&test["comment"]));
        Some(Case { member, ..Case::new(format!("primitives/{name}"), id, want, request) })
    };
    tests(file).filter_map(case).collect()
}

type Question = (Value, Option<(&'static str, Value)>);

/// `None` for a group whose parameters no JOSE algorithm has.
fn question(name: &str, group: &Value, test: &Value) -> Option<Question> {
    let family = name.split('_').next().unwrap_or(name);
    let answer = |member, value: &Value| Some((member, value.clone()));
    let question = match (family, name) {
        ("ecdh", _) | (_, "x25519_jwk" | "x448_jwk") => {
            let request = json!({ "op": "ecdh", "private": test["private"], "public": test["public"] });
            (request, answer("z_hex", &test["shared"]))
        }
        (_, "aes_wrap") => {
            let bits = group["keySize"].as_u64().filter(|bits| [128, 192, 256].contains(bits))?;
            let request = json!({ "op": "aes_kw_unwrap", "alg": format!("A{bits}KW"), "key_hex": test["key"], "ct_hex": test["ct"] });
            (request, answer("pt_hex", &test["msg"]))
        }
        (_, "aes_gcm" | "a128cbc_hs256" | "a192cbc_hs384" | "a256cbc_hs512") => {
            let request = json!({
                "op": "content_decrypt", "enc": content_encryption(name, group)?, "key_hex": test["key"],
                "iv_hex": test["iv"], "aad_hex": test["aad"], "ct_hex": test["ct"], "tag_hex": test["tag"],
            });
            (request, answer("pt_hex", &test["msg"]))
        }
        ("hmac", _) => {
            let bits: u64 = name.strip_prefix("hmac_sha")?.parse().ok()?;
            let key = unhex(string(&test["key"]));
            // RFC 7518 section 3.2 forbids shorter keys anyway.
            if group["tagSize"] != bits || (key.len() as u64) < bits / 8 {
                return None;
            }
            let jwk = json!({ "kty": "oct", "k": b64(&key) });
            (signature("hmac", &format!("HS{bits}"), jwk, test, "tag"), None)
        }
        ("ecdsa", _) if name.contains("p1363") => (ecdsa(name, group, test)?, None),
        ("ed25519" | "ed448", _) => {
            let crv = if family == "ed448" { "Ed448" } else { "Ed25519" };
            let x = b64(&unhex(string(&group["publicKey"]["pk"])));
            (signature("eddsa", "EdDSA", json!({ "kty": "OKP", "crv": crv, "x": x }), test, "sig"), None)
        }
        ("rsa", _) if name.starts_with("rsa_signature") || name.starts_with("rsa_pss") => {
            (rsa(name, group, test)?, None)
        }
        _ => return None,
    };
    Some(question)
}

fn content_encryption(name: &str, group: &Value) -> Option<String> {
    if name != "aes_gcm" {
        return Some(name.to_uppercase().replace('_', "-"));
    }
    let bits = group["keySize"].as_u64()?;
    let is_jose = group["ivSize"] == 96 && group["tagSize"] == 128 && [128, 192, 256].contains(&bits);
    is_jose.then(|| format!("A{bits}GCM"))
}

fn ecdsa(name: &str, group: &Value, test: &Value) -> Option<Value> {
    let (curve, hash) = name.strip_prefix("ecdsa_")?.split_once('_')?;
    let (crv, alg, size) = match (curve, hash) {
        ("secp256r1", "sha256_p1363") => ("P-256", "ES256", 32),
        ("secp384r1", "sha384_p1363") => ("P-384", "ES384", 48),
        ("secp521r1", "sha512_p1363") => ("P-521", "ES512", 66),
        ("secp256k1", "sha256_p1363") => ("secp256k1", "ES256K", 32),
        _ => return None,
    };
    let point = unhex(string(&group["publicKey"]["uncompressed"]));
    let (x, y) = point[1..].split_at(size);
    let jwk = json!({ "kty": "EC", "crv": crv, "x": b64(x), "y": b64(y) });
    Some(signature("ecdsa_p1363", alg, jwk, test, "sig"))
}

fn rsa(name: &str, group: &Value, test: &Value) -> Option<Value> {
    let bits = hash_bits(&group["sha"])?;
    let number = |name: &str| {
        let bytes = unhex(string(&group["publicKey"][name]));
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes[zeros..].to_vec()
    };
    let modulus = number("modulus");
    if modulus.len() * 8 < 2048 {
        return None;
    }
    let jwk = json!({ "kty": "RSA", "n": b64(&modulus), "e": b64(&number("publicExponent")) });
    let (op, family) = if name.starts_with("rsa_pss") { ("rsa_pss", "PS") } else { ("rsa_pkcs1", "RS") };
    Some(signature(op, &format!("{family}{bits}"), jwk, test, "sig"))
}

fn hash_bits(sha: &Value) -> Option<u64> {
    string(sha).strip_prefix("SHA-")?.parse().ok().filter(|bits| [256, 384, 512].contains(bits))
}

fn signature(op: &str, alg: &str, jwk: Value, test: &Value, member: &str) -> Value {
    json!({ "op": op, "alg": alg, "jwk": jwk, "msg_hex": test["msg"], "sig_hex": test[member] })
}

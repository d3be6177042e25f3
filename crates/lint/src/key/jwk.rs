//! JWKs and sets of them (RFC 7517).

use std::collections::HashMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    ParsedPublicKey,
};
use gatepass_jose::{Jwk, base64url};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::rsa;
use crate::alg::{self, Purpose};
use crate::check;
use crate::guess::Guesser;
use crate::json::{Json, Object};
use crate::memory::digest;
use crate::quote::quoted;
use crate::report::Found;
use crate::rule::*;

/// Where a key was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// In a set, which is there to be published.
    Set,
    /// Alone, as its owner keeps it.
    Alone,
}

/// Looks at a JWK Set and gives how many keys it has. `text` is the document that `set` was read from.
pub(crate) fn check_set(set: &Object, text: &str, guesser: &Guesser, found: &mut Found<'_>) -> u64 {
    let Some(keys) = set.find("keys").and_then(Json::as_array) else {
        found.add(&KEY_MALFORMED, "keys", format_args!("`keys` is not a list"));
        return 0;
    };
    if keys.is_empty() {
        found.add(&KEY_MALFORMED, "keys", format_args!("the set has no key: every token is refused"));
    }
    let places = places(text, keys.len());
    let mut kids = HashMap::new();
    let mut materials = HashMap::new();
    for (index, key) in keys.iter().enumerate() {
        let path = format!("keys[{index}]");
        (found.line, found.column) = places.get(index).copied().unwrap_or((1, 1));
        check(key, &path, Setting::Set, guesser, found);
        let Some(key) = key.as_object() else { continue };
        if let Some(kid) = key.text("kid")
            && let Some(first) = kids.insert(kid, index)
        {
            found.add(
                &KID_REPEATED,
                format_args!("{path}.kid"),
                format_args!("keys[{first}] is called {}, too", quoted(kid)),
            );
        }
        if let Some(material) = material(key)
            && let Some(first) = materials.insert(material, index)
        {
            found.add(&KEY_REPEATED, path, format_args!("keys[{first}] is the same key"));
        }
    }
    keys.len() as u64
}

/// Line and column of each key in the document; nothing where it is not plain enough to tell.
fn places(text: &str, count: usize) -> Vec<(u64, u64)> {
    #[derive(Deserialize)]
    struct Document<'t> {
        #[serde(borrow)]
        keys: Vec<&'t RawValue>,
    }
    let Ok(document) = serde_json::from_str::<Document<'_>>(text) else { return Vec::new() };
    let (mut line, mut column, mut at) = (1, 1, 0);
    let mut places = Vec::with_capacity(count);
    for key in document.keys {
        let start = (key.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        for c in text.get(at..start).unwrap_or_default().chars() {
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        at = start;
        places.push((line, column));
    }
    places
}

/// What makes the key: two keys with the same are one.
fn material(key: &Object) -> Option<[u8; 16]> {
    let kty = key.text("kty")?;
    let names: &[&str] = match kty {
        "RSA" => &["n"],
        "EC" => &["crv", "x"],
        "OKP" => &["crv", "x"],
        "oct" => &["k"],
        "AKP" => &["pub"],
        _ => return None,
    };
    let values = names.iter().map(|name| key.text(name)).collect::<Option<Vec<_>>>()?;
    let texts: Vec<&[u8]> = std::iter::once(kty).chain(values).map(str::as_bytes).collect();
    Some(digest(&texts))
}

/// Looks at one key; `path` leads to it.
pub(crate) fn check(json: &Json, path: &str, setting: Setting, guesser: &Guesser, found: &mut Found<'_>) {
    let Some(key) = json.as_object() else {
        let kind = json.type_name();
        return found.add(&KEY_MALFORMED, path, format_args!("a key is an object, this is {kind}"));
    };
    check::duplicates(json, path, found);
    let Some(kty) = key.text("kty") else {
        return found.add(&KEY_MALFORMED, path, format_args!("the key has no `kty`"));
    };
    labels(key, path, found);
    algorithm(key, kty, path, found);
    match setting {
        Setting::Set => published(key, kty, path, found),
        Setting::Alone => kept(key, path, found),
    }
    match kty {
        "RSA" => {
            if let [Some(n), Some(e)] = ["n", "e"].map(|name| bytes(key, name, path, found)) {
                rsa::check(&n, &e, path, found);
            }
        }
        "EC" => elliptic(key, path, found),
        "OKP" => octet_pair(key, path, found),
        "oct" => secret(key, path, guesser, found),
        "AKP" => {
            bytes(key, "pub", path, found);
        }
        _ => found.add(
            &KEY_UNCOMMON,
            format_args!("{path}.kty"),
            format_args!("the key type {} is not registered", quoted(kty)),
        ),
    }
}

/// A member in base64url; reported where it is missing or is not.
fn bytes(key: &Object, name: &str, path: &str, found: &mut Found<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let complaint = match key.text(name).map(base64url::decode) {
        Some(Ok(bytes)) if !bytes.is_empty() => return Some(Zeroizing::new(bytes)),
        Some(Ok(_)) => "is empty",
        Some(Err(_)) => "is not base64url without padding",
        None => "is missing, or not a string",
    };
    found.add(&KEY_MALFORMED, format_args!("{path}.{name}"), format_args!("`{name}` {complaint}"));
    None
}

fn labels(key: &Object, path: &str, found: &mut Found<'_>) {
    match key.find("kid") {
        None => found.add(&KEY_WITHOUT_KID, path, format_args!("the key has no `kid`")),
        Some(Json::Text(kid)) => check::kid(kid, format_args!("{path}.kid"), found),
        Some(other) => {
            let kind = other.type_name();
            found.add(
                &KEY_MALFORMED,
                format_args!("{path}.kid"),
                format_args!("`kid` is {kind}, not a string"),
            );
        }
    }
    if !key.has("use") && !key.has("key_ops") {
        found.add(&KEY_WITHOUT_USE, path, format_args!("the key has neither `use` nor `key_ops`"));
    }
    if !key.has("alg") {
        found.add(&KEY_WITHOUT_ALG, path, format_args!("the key has no `alg`"));
    }
}

fn algorithm(key: &Object, kty: &str, path: &str, found: &mut Found<'_>) {
    let row = key.text("alg").and_then(|name| {
        let path = format!("{path}.alg");
        if alg::means_none(name) {
            found.add(&ALG_NONE, path, format_args!("the key says {}", quoted(name)));
            return None;
        }
        let row = alg::find(name);
        match row {
            None => check::unknown_algorithm(name, &path, found),
            Some(row) if row.broken => {
                found.add(&ALG_BROKEN, path, format_args!("{} must not be used any more", row.name));
            }
            Some(_) => {}
        }
        row
    });
    if let Some(complaint) = contradiction(key, kty, row) {
        found.add(&KEY_CONTRADICTS_ITSELF, path, format_args!("{complaint}"));
    }
}

fn contradiction(key: &Object, kty: &str, row: Option<&alg::Algorithm>) -> Option<String> {
    let crv = key.text("crv");
    let key_use = key.text("use");
    if let Some(row) = row {
        if !row.goes_with(kty, crv) {
            let crv = crv.map(|crv| format!(" on {}", quoted(crv))).unwrap_or_default();
            return Some(format!("{} does not go with a key of type {}{crv}", row.name, quoted(kty)));
        }
        let is_for = if row.signs() { "sig" } else { "enc" };
        if key_use.is_some_and(|key_use| matches!(key_use, "sig" | "enc") && key_use != is_for) {
            return Some(format!("{} is for `{is_for}`, and `use` says otherwise", row.name));
        }
    }
    let operations = key.find("key_ops")?;
    let Some(operations) = operations.as_array() else { return Some("`key_ops` is not a list".to_owned()) };
    let has = |names: &[&str]| operations.iter().any(|op| op.as_text().is_some_and(|op| names.contains(&op)));
    let signs = has(&["sign", "verify"]);
    let encrypts = has(&["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"]);
    match key_use {
        _ if signs && encrypts => Some("`key_ops` allows both signatures and encryption".to_owned()),
        Some("sig") if !signs => Some("`use` says signatures, and `key_ops` does not".to_owned()),
        Some("enc") if !encrypts => Some("`use` says encryption, and `key_ops` does not".to_owned()),
        _ => None,
    }
}

fn published(key: &Object, kty: &str, path: &str, found: &mut Found<'_>) {
    if kty == "oct" {
        return found.add(
            &SECRET_PUBLISHED,
            path,
            format_args!("a shared secret stands in a set that is there to be published"),
        );
    }
    if let Some(name) = private_member(key) {
        found.add(
            &PRIVATE_PUBLISHED,
            format_args!("{path}.{name}"),
            format_args!("the private half stands in a set that is there to be published"),
        );
    }
}

fn kept(key: &Object, path: &str, found: &mut Found<'_>) {
    if let Some(name) = private_member(key) {
        let path = format_args!("{path}.{name}");
        found.add(&PRIVATE_KEY_PLAIN, path, format_args!("the private half stands here in the clear"));
    }
}

/// The first member that only the key's owner may see.
fn private_member(key: &Object) -> Option<&'static str> {
    ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"].into_iter().find(|name| key.has(name))
}

fn elliptic(key: &Object, path: &str, found: &mut Found<'_>) {
    let (len, algorithm): (usize, &'static EcdsaVerificationAlgorithm) = match key.text("crv") {
        Some("P-256") => (32, &ECDSA_P256_SHA256_FIXED),
        Some("P-384") => (48, &ECDSA_P384_SHA384_FIXED),
        Some("P-521") => (66, &ECDSA_P521_SHA512_FIXED),
        crv => return other_curve(crv, path, found),
    };
    let [Some(x), Some(y)] = ["x", "y"].map(|name| bytes(key, name, path, found)) else { return };
    for (name, coordinate) in [("x", &x), ("y", &y)] {
        if coordinate.len() != len {
            let has = coordinate.len();
            return found.add(
                &KEY_MALFORMED,
                format_args!("{path}.{name}"),
                format_args!("the coordinate has {has} bytes instead of {len}"),
            );
        }
    }
    let point = [&[0x04], x.as_slice(), y.as_slice()].concat();
    if ParsedPublicKey::new(algorithm, point).is_err() {
        found.add(&KEY_MALFORMED, path, format_args!("the point is not on the curve"));
    }
}

fn octet_pair(key: &Object, path: &str, found: &mut Found<'_>) {
    let crv = key.text("crv");
    if !matches!(crv, Some("Ed25519" | "X25519")) {
        return other_curve(crv, path, found);
    }
    let Some(x) = bytes(key, "x", path, found) else { return };
    if x.len() != 32 {
        let has = x.len();
        return found.add(
            &KEY_MALFORMED,
            format_args!("{path}.x"),
            format_args!("the public key has {has} bytes instead of 32"),
        );
    }
    let public = json!({ "kty": "OKP", "crv": crv, "x": key.text("x") });
    if let Err(error) = Jwk::parse(public.to_string().as_bytes()) {
        found.add(&KEY_MALFORMED, path, format_args!("{error}"));
    }
}

fn other_curve(crv: Option<&str>, path: &str, found: &mut Found<'_>) {
    let path = format_args!("{path}.crv");
    match crv {
        Some(crv) => {
            found.add(&KEY_UNCOMMON, path, format_args!("few verifiers know the curve {}", quoted(crv)))
        }
        None => found.add(&KEY_MALFORMED, path, format_args!("`crv` is missing, or not a string")),
    }
}

fn secret(key: &Object, path: &str, guesser: &Guesser, found: &mut Found<'_>) {
    let Some(secret) = bytes(key, "k", path, found) else { return };
    let (name, least) = match key.text("alg").and_then(alg::find) {
        Some(alg::Algorithm { name, purpose: Purpose::Hmac(least), .. }) => (*name, *least),
        // For encryption: the key's length is the algorithm's business, and known by its name.
        Some(_) => return,
        None => ("HS256", 32),
    };
    let path = format!("{path}.k");
    if secret.len() < least {
        let has = secret.len();
        found.add(
            &SECRET_SHORT,
            &path,
            format_args!("the secret has {has} bytes, {name} needs at least {least}"),
        );
    }
    guesser.secret(&secret, &path, found);
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Timestamp;

    use super::*;
    use crate::{Kind, Linter};

    #[test]
    fn octet_pairs_that_are_no_keys() {
        let one = format!("AQ{}", "A".repeat(41));
        let cases = [
            ("good", "Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", None),
            ("ed25519_of_small_order", "Ed25519", &one, Some("small order")),
            ("x25519_of_small_order", "X25519", &one, Some("small order")),
            ("short", "X25519", "AQ", Some("1 bytes instead of 32")),
        ];
        for (name, crv, x, want) in cases {
            let set = json!({ "keys": [{ "kty": "OKP", "crv": crv, "x": x }] }).to_string();
            let mut linter = Linter::new(Timestamp::from_secs(1_800_000_000));
            linter.read(name, Some(Kind::Jwks), set.as_bytes()).unwrap();
            let findings = linter.finish().findings;
            let complaint = findings.iter().find(|finding| finding.rule.id == KEY_MALFORMED.id);
            assert_eq!(complaint.is_some(), want.is_some(), "{name}");
            assert!(
                complaint.is_none_or(|finding| finding.message.contains(want.unwrap())),
                "{name}: {complaint:?}"
            );
        }
    }
}

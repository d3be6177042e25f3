//! Tokens in JSON (RFC 7515 section 7.2, RFC 7516 section 7.2), brought into the compact form.

use crate::json::{Json, Object};
use crate::report::Found;
use crate::rule::UNPROTECTED_HEADER;

/// One signature or recipient of a serialized token.
pub(crate) struct Compact {
    /// What leads to it: `signatures[1].`, or nothing where it is the only one.
    pub(crate) prefix: String,
    pub(crate) text: String,
}

/// The compact tokens that the object stands for, one per signature or recipient.
pub(crate) fn compact(object: &Object, found: &mut Found<'_>) -> Vec<Compact> {
    let (list, is_signed) = match object.has("ciphertext") {
        true => ("recipients", false),
        false => ("signatures", true),
    };
    let each = object.find(list).and_then(Json::as_array);
    let entries: Vec<(String, &Object)> = match each {
        Some(entries) => entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| Some((format!("{list}[{index}]."), entry.as_object()?)))
            .collect(),
        None => vec![(String::new(), object)],
    };
    let mut tokens = Vec::new();
    for (prefix, entry) in entries {
        unprotected(&prefix, entry, is_signed, found);
        let of = |object: &Object, name: &str| object.text(name).unwrap_or_default().to_owned();
        let text = if is_signed {
            format!("{}.{}.{}", of(entry, "protected"), of(object, "payload"), of(entry, "signature"))
        } else {
            let rest = ["iv", "ciphertext", "tag"].map(|name| of(object, name)).join(".");
            format!("{}.{}.{rest}", of(object, "protected"), of(entry, "encrypted_key"))
        };
        tokens.push(Compact { prefix, text });
    }
    tokens
}

/// Members that nobody but the signer should be able to choose. A JWE with several recipients has no
/// other place for the first of them.
const STEERING: &[&str] =
    &["alg", "kid", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "typ", "enc", "zip", "crit", "b64"];

fn unprotected(prefix: &str, entry: &Object, is_signed: bool, found: &mut Found<'_>) {
    for place in ["header", "unprotected"] {
        let Some(header) = entry.find(place).and_then(Json::as_object) else { continue };
        let steers =
            |name: &&&str| header.has(name) && (is_signed || matches!(**name, "enc" | "zip" | "crit"));
        for name in STEERING.iter().filter(steers) {
            found.add(
                &UNPROTECTED_HEADER,
                format_args!("{prefix}{place}.{name}"),
                format_args!("`{name}` stands in a header that anybody can change"),
            );
        }
    }
}

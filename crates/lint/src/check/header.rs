//! GP1xx: the header, and the form of the whole.

use crate::alg::{self, Purpose};
use crate::check::{Listed, duplicates, kid};
use crate::json::{Json, Object};
use crate::quote::quoted;
use crate::report::Found;
use crate::rule::*;
use crate::token::{Form, Role, Token};

pub(super) fn check(token: &Token<'_>, role: Role, found: &mut Found<'_>) {
    form(token, found);
    let (Ok(json), Some(header)) = (&token.header, token.header()) else { return };
    duplicates(json, "header", found);
    white_space(token, found);
    types(header, found);
    algorithm(token, header, found);
    encryption(header, found);
    extensions(header, found);
    keys(header, token.typ().as_deref(), found);
    if token.form == Form::Signed {
        kind(token, role, found);
        name(header, found);
    }
    if let Some(name) = header.text("kid") {
        kid(name, "header.kid", found);
    }
}

/// Names of the parts, for paths and messages.
fn part_names(form: Form) -> &'static [&'static str] {
    match form {
        Form::Encrypted => &["header", "encrypted_key", "iv", "ciphertext", "tag"],
        Form::Signed | Form::Neither(_) => &["header", "payload", "signature"],
    }
}

fn form(token: &Token<'_>, found: &mut Found<'_>) {
    if let Form::Neither(count) = token.form {
        found.add(
            &MALFORMED,
            "",
            format_args!("a token has 3 parts (JWS) or 5 (JWE) between dots, this has {count}"),
        );
    }
    for (part, name) in token.parts.iter().zip(part_names(token.form)) {
        if let Some(fault) = part.fault {
            found.add(
                &BASE64_NOT_CANONICAL,
                name,
                format_args!("this part is not base64url without padding: {fault}"),
            );
        }
    }
    if let Err(error) = &token.header {
        found.add(&MALFORMED, "header", format_args!("the header cannot be read: {error}"));
    }
    match &token.payload {
        Some(Err(error)) => {
            let bytes = token.parts.get(1).map(|part| part.bytes.as_slice()).unwrap_or_default();
            if bytes.trim_ascii_start().starts_with(b"{") {
                found.add(&MALFORMED, "payload", format_args!("the payload cannot be read: {error}"));
            } else {
                found.add(&PAYLOAD_NOT_CLAIMS, "payload", format_args!("the payload is not JSON: {error}"));
            }
        }
        Some(Ok(json)) if json.as_object().is_none() => {
            let kind = json.type_name();
            found.add(&PAYLOAD_NOT_CLAIMS, "payload", format_args!("the payload is {kind}, not an object"));
        }
        Some(Ok(json)) => duplicates(json, "payload", found),
        None => {}
    }
}

fn white_space(token: &Token<'_>, found: &mut Found<'_>) {
    let bytes = token.parts.first().map(|part| part.bytes.as_slice()).unwrap_or_default();
    let (mut inside, mut escaped, mut blanks) = (false, false, 0_usize);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b' ' | b'\t' | b'\r' | b'\n' if !inside => blanks += 1,
            _ => {}
        }
    }
    if blanks > 0 {
        found.add(
            &HEADER_WHITESPACE,
            "header",
            format_args!("the header has {blanks} blanks or line breaks between its members"),
        );
    }
}

fn types(header: &Object, found: &mut Found<'_>) {
    for name in ["kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256", "enc", "zip"] {
        if let Some(value) = header.find(name).filter(|value| value.as_text().is_none()) {
            let kind = value.type_name();
            found.add(
                &HEADER_WRONG_TYPE,
                format_args!("header.{name}"),
                format_args!("`{name}` is {kind}, not a string"),
            );
        }
    }
}

fn algorithm(token: &Token<'_>, header: &Object, found: &mut Found<'_>) {
    let path = "header.alg";
    let Some(value) = header.find("alg") else {
        return found.add(&ALG_MISSING, path, format_args!("the header has no `alg`"));
    };
    let Some(name) = value.as_text().filter(|name| !name.is_empty()) else {
        let kind = if value.as_text().is_some() { "empty" } else { value.type_name() };
        return found.add(&ALG_MISSING, path, format_args!("`alg` is {kind}, not the name of an algorithm"));
    };
    if alg::means_none(name) {
        return found.add(
            &ALG_NONE,
            path,
            format_args!("`alg` is {}: anybody can write this token", quoted(name)),
        );
    }
    let Some(row) = alg::find(name) else { return unknown(name, path, found) };
    if row.broken {
        return found.add(&ALG_BROKEN, path, format_args!("{} must not be used any more", row.name));
    }
    match (token.form, row.signs()) {
        (Form::Signed, false) => {
            found.add(&ALG_UNKNOWN, path, format_args!("{} does not sign, and this is a JWS", row.name));
        }
        (Form::Encrypted, true) => {
            found.add(&ALG_UNKNOWN, path, format_args!("{} does not encrypt, and this is a JWE", row.name));
        }
        _ => {}
    }
    if let Purpose::Hmac(_) = row.purpose {
        found.add(
            &ALG_SYMMETRIC,
            path,
            format_args!("{name} signs and verifies with one secret: every verifier can mint tokens"),
        );
    }
    if name == "EdDSA" {
        found.add(&ALG_POLYMORPHIC, path, format_args!("`EdDSA` leaves the curve open; `Ed25519` names it"));
    }
}

/// A name that is not in the registry.
pub(crate) fn unknown(name: &str, path: &str, found: &mut Found<'_>) {
    match alg::find_meant(name) {
        Some(meant) => found.add(
            &ALG_UNKNOWN,
            path,
            format_args!("{} is not registered; is {} meant?", quoted(name), meant.name),
        ),
        None => found.add(&ALG_UNKNOWN, path, format_args!("{} is not a registered algorithm", quoted(name))),
    }
}

fn encryption(header: &Object, found: &mut Found<'_>) {
    if let Some(name) = header.text("enc")
        && alg::find(name).is_none_or(|row| row.purpose != Purpose::Content)
    {
        unknown(name, "header.enc", found);
    }
    let name = header.text("alg").unwrap_or_default();
    if name == "dir" {
        found.add(
            &ENCRYPTED_DIRECTLY,
            "header.alg",
            format_args!("`dir`: the shared secret itself encrypts every token"),
        );
    }
    if name.starts_with("PBES2") {
        iterations(name, header.find("p2c"), found);
    }
    if header.has("zip") {
        found.add(
            &COMPRESSED,
            "header.zip",
            format_args!("the content is compressed, so that its length tells about it"),
        );
    }
}

/// What a password needs today, and what no reader should be made to compute.
fn iterations(name: &str, count: Option<&Json>, found: &mut Found<'_>) {
    const MOST: f64 = 1_200_000.0; // what gatepass-jose reads, too
    let least = if name.starts_with("PBES2-HS256") { 600_000.0 } else { 210_000.0 };
    let path = "header.p2c";
    match count.and_then(Json::as_number) {
        None => found.add(&PBES2_ITERATIONS, path, format_args!("`p2c` is missing or not a number")),
        Some(count) if count < least => found.add(
            &PBES2_ITERATIONS,
            path,
            format_args!("{count} iterations protect a password too little; {name} needs {least}"),
        ),
        Some(count) if count > MOST => found.add(
            &PBES2_ITERATIONS,
            path,
            format_args!("{count} iterations make every reader work for seconds"),
        ),
        Some(_) => {}
    }
}

/// Header parameters of the JOSE documents themselves, which `crit` must not list.
const REGISTERED: &[&str] = &[
    "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "enc", "zip", "epk",
    "apu", "apv", "iv", "tag", "p2s", "p2c",
];

fn extensions(header: &Object, found: &mut Found<'_>) {
    if header.find("b64") == Some(&Json::Bool(false)) {
        found.add(&PAYLOAD_UNENCODED, "header.b64", format_args!("`b64` is false, which JWTs must not use"));
    }
    let Some(critical) = header.find("crit") else { return };
    match critical_names(critical, header) {
        Ok(names) => {
            let names = Listed(names.iter().map(|name| quoted(name)));
            found.add(
                &CRIT_PRESENT,
                "header.crit",
                format_args!("verifiers must understand {names} or refuse the token"),
            );
        }
        Err(complaint) => found.add(
            &CRIT_MALFORMED,
            "header.crit",
            format_args!("no verifier may accept this `crit`: {complaint}"),
        ),
    }
}

/// The names that `crit` lists, or why it must not be accepted (RFC 7515 section 4.1.11).
fn critical_names<'j>(critical: &'j Json, header: &Object) -> Result<Vec<&'j str>, String> {
    /// More than any honest header has; each is compared with all others.
    const MOST: usize = 16;
    let Some(items) = critical.as_array() else { return Err("it is not a list".to_owned()) };
    if items.is_empty() || items.len() > MOST {
        return Err(format!("it lists {} names", items.len()));
    }
    let mut names = Vec::new();
    for item in items {
        let Some(name) = item.as_text() else { return Err(format!("it lists {}", item.type_name())) };
        if REGISTERED.contains(&name) {
            return Err(format!("it lists {}, which every verifier must know anyway", quoted(name)));
        }
        if !header.has(name) {
            return Err(format!("it lists {}, which the header does not have", quoted(name)));
        }
        if names.contains(&name) {
            return Err(format!("it lists {} twice", quoted(name)));
        }
        names.push(name);
    }
    Ok(names)
}

/// Kinds of token whose very purpose is to carry the key that signed them: RFC 9449 section 4.2 and
/// OpenID for Verifiable Credential Issuance.
const PROOFS_OF_POSSESSION: &[&str] = &["dpop+jwt", "openid4vci-proof+jwt"];

fn keys(header: &Object, typ: Option<&str>, found: &mut Found<'_>) {
    if header.has("jwk") && !typ.is_some_and(|typ| PROOFS_OF_POSSESSION.contains(&typ)) {
        found.add(
            &KEY_IN_HEADER,
            "header.jwk",
            format_args!("the header carries a key: whoever signs a token could enclose his own"),
        );
    }
    for name in ["jku", "x5u"] {
        if let Some(address) = header.text(name) {
            let clear =
                if address.to_ascii_lowercase().starts_with("https://") { "" } else { ", without TLS" };
            found.add(
                &KEY_URL_IN_HEADER,
                format_args!("header.{name}"),
                format_args!("`{name}` says where to fetch the key{clear}: the sender would choose it"),
            );
        }
    }
    if header.has("x5c") {
        found.add(
            &CERTIFICATE_IN_HEADER,
            "header.x5c",
            format_args!("the header carries a certificate chain, which a verifier would have to check"),
        );
    }
    if header.has("x5t") {
        found.add(&SHA1_THUMBPRINT, "header.x5t", format_args!("`x5t` is a SHA-1 hash"));
    }
}

fn kind(token: &Token<'_>, role: Role, found: &mut Found<'_>) {
    match token.typ().as_deref() {
        None => found.add(
            &TYP_MISSING,
            "header.typ",
            format_args!("the header has no `typ`: nothing tells this token from others of its issuer"),
        ),
        Some("jwt") if role == Role::Access => found.add(
            &TYP_GENERIC,
            "header.typ",
            format_args!("an access token's `typ` is \"at+jwt\", not \"JWT\""),
        ),
        Some(_) => {}
    }
}

fn name(header: &Object, found: &mut Found<'_>) {
    if !["kid", "x5t", "x5t#S256", "jwk"].iter().any(|name| header.has(name)) {
        found.add(&KID_MISSING, "header.kid", format_args!("the header has no `kid`"));
    }
}

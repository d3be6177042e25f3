//! GP5xx: what a payload, or a header, should not tell.

use crate::check::{personal, plain_name, secret};
use crate::find;
use crate::json::{Json, Path};
use crate::report::Found;
use crate::rule::*;
use crate::token::{Role, Token};

pub(super) fn check(token: &Token<'_>, role: Role, found: &mut Found<'_>) {
    if let Some(header) = token.header() {
        for (name, value) in header.iter().filter(|(name, _)| !HEADER_NAMES.contains(name)) {
            let path = format!("header{}", crate::json::Member(name));
            value.walk(&mut Path::root(&path), &mut |path, value| look(path, value, false, found));
        }
    }
    if let Some(Ok(payload)) = &token.payload {
        payload.walk(&mut Path::root("payload"), &mut |path, value| {
            let expected = role == Role::Id && is_of_openid_connect(path);
            look(path, value, expected, found);
        });
    }
}

/// Header parameters with keys and names in them, which have rules of their own.
const HEADER_NAMES: &[&str] =
    &["alg", "enc", "typ", "cty", "crit", "jwk", "x5c", "x5t", "x5t#S256", "epk", "apu", "apv"];

/// The claims about a person that OpenID Connect Core section 5.1 defines: an ID token is there to
/// tell them.
const OPENID_CONNECT: &[&str] = &[
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "address",
];

fn is_of_openid_connect(path: &Path<'_>) -> bool {
    path.member(1).is_some_and(|name| OPENID_CONNECT.contains(&name))
}

/// Looks at one value. `expected`: personal data are what this claim is there for.
fn look(path: &Path<'_>, value: &Json, expected: bool, found: &mut Found<'_>) {
    let name = plain_name(path.name());
    match value {
        Json::Text(text) => {
            if secrets(path, &name, text, found) {
                return;
            }
            if !expected {
                persons(path, &name, text, found);
            }
            numbers(path, &name, text, found);
        }
        Json::Integer(number) => numbers(path, &name, &number.to_string(), found),
        Json::Object(_) if !expected && name == "address" && value.says_something() => {
            found.add(&PERSONAL_CLAIM, path, format_args!("the claim holds somebody's address"));
        }
        _ => {}
    }
}

/// Whether the text is a secret; if so it is reported.
fn secrets(path: &Path<'_>, name: &str, text: &str, found: &mut Found<'_>) -> bool {
    if secret::private_key(text) {
        found.add(&PRIVATE_KEY, path, format_args!("the text is a private key in PEM"));
    } else if let Some(service) = secret::service_key(text) {
        found.add(&SERVICE_KEY, path, format_args!("the text looks like {service}"));
    } else if secret::password_hash(text) {
        found.add(&PASSWORD_HASH, path, format_args!("the text is a password's hash"));
    } else if secret::url_with_password(text) {
        found.add(&URL_PASSWORD, path, format_args!("the text is an address with a password in it"));
    } else if find::token(text.as_bytes(), 0).is_some() {
        found.add(&NESTED_TOKEN, path, format_args!("the text is another token"));
    } else if secret::name(name) && secret::value(text) {
        found.add(&SECRET_CLAIM, path, format_args!("by its name the claim is a secret"));
    } else if secret::looks_random(name, text) {
        found.add(&HIGH_ENTROPY, path, format_args!("the text looks random, as a key or secret does"));
    } else {
        return false;
    }
    true
}

fn persons(path: &Path<'_>, name: &str, text: &str, found: &mut Found<'_>) {
    // Clients and services may be called like mailboxes; they are no persons.
    let is_service = matches!(name, "iss" | "aud" | "azp" | "clientid" | "cid" | "kid");
    if personal::email(text) && !is_service {
        found.add(&EMAIL, path, format_args!("the text contains an e-mail address"));
    } else if personal::phone(text)
        || (name.contains("phonenumber") && text.bytes().any(|b| b.is_ascii_digit()))
    {
        found.add(&PHONE, path, format_args!("the text is a telephone number"));
    } else if personal::name(name) && !text.trim().is_empty() {
        found.add(&PERSONAL_CLAIM, path, format_args!("by its name the claim tells about a person"));
    }
    if personal::ip_address(name, text) {
        found.add(&IP_ADDRESS, path, format_args!("the text is an IP address"));
    }
}

fn numbers(path: &Path<'_>, name: &str, text: &str, found: &mut Found<'_>) {
    // Random digits of an identifier pass for a card number now and then.
    let is_random = matches!(name, "jti" | "sid" | "nonce");
    if !is_random && personal::card_number(text) {
        found.add(&CARD_NUMBER, path, format_args!("the text contains a payment card number"));
    }
    if personal::iban(text) {
        found.add(&IBAN, path, format_args!("the text contains an IBAN"));
    }
    if personal::national_id(name, text) {
        found.add(&NATIONAL_ID, path, format_args!("the claim is a number by which a state knows somebody"));
    }
}

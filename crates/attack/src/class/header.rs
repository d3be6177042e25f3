//! Headers that are wrong under a signature that holds.

use super::{Class, Forge, Mint, NotTested, Variants, mistake, note};
use crate::alg::{self, Primitive};
use crate::attempt::Attempt;
use crate::draft::Draft;
use crate::object::{Object, quoted};

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "alg-swap",
        "the service's key used under another algorithm",
        "the token chooses the algorithm and not the service",
        "RFC 8725 section 3.1; RFC 7515 section 10.7",
        Forge::SigningKey(alg_swap),
    ),
    mistake(
        "alg-case",
        "the good algorithm's name in other letters",
        "names are compared loosely, and a list of what is allowed can be passed by",
        "RFC 7515 section 4.1.1: alg is case-sensitive",
        Forge::SigningKey(alg_case),
    ),
    mistake(
        "header-duplicate",
        "a member twice in the header, the good value first",
        "two parsers of one header see two headers, and this one sees what RFC 7515 says to pass over",
        "RFC 7515 section 4: refused, or the last one counts",
        Forge::SigningKey(header_duplicate),
    ),
    note(
        "header-duplicate-last",
        "a member twice in the header, the good value last",
        "allowed, but a parser that takes the first sees another header",
        "RFC 7515 section 4: refused, or the last one counts",
        Forge::SigningKey(header_duplicate_last),
    ),
    mistake(
        "header-malformed",
        "a header that is not quite JSON",
        "two parsers of one header see two headers",
        "RFC 7515 section 5.2; RFC 8259; RFC 8725 section 3.7",
        Forge::SigningKey(header_malformed),
    ),
    mistake(
        "crit-unknown",
        "crit with an extension that nobody knows",
        "restrictions that the issuer put on a token are passed over",
        "RFC 7515 section 4.1.11; CVE-2025-59420",
        Forge::SigningKey(crit_unknown),
    ),
    mistake(
        "crit-malformed",
        "crit that is not an array of strings",
        "restrictions that the issuer put on a token are passed over",
        "RFC 7515 section 4.1.11",
        Forge::SigningKey(crit_malformed),
    ),
    note(
        "crit-registered",
        "crit empty, or with names that RFC 7515 defines",
        "harmless: a verifier may refuse it and need not",
        "RFC 7515 section 4.1.11",
        Forge::SigningKey(crit_registered),
    ),
    mistake(
        "b64-false",
        "an unencoded payload",
        "what is signed and what is read differ",
        "RFC 7797 sections 6 and 7: not for JWTs",
        Forge::SigningKey(b64_false),
    ),
];

fn alg_swap(mint: &Mint<'_>) -> Variants {
    let own = mint.token.alg();
    let mut attempts = Vec::new();
    for sibling in alg::siblings(own) {
        let draft = mint.token.with_header(&mint.token.header.with("alg", quoted(sibling)));
        attempts.push(Attempt::token(format!("signed as {sibling}"), draft.signed_as(sibling, mint.signer)?));
    }
    // A key that has no other algorithm can still be called by another's name.
    let other_names: &[&str] = match alg::find(own) {
        Some(Primitive::Ecdsa { .. }) => &["ES256", "ES384", "ES512", "ES256K"],
        Some(Primitive::Ed25519) => &["Ed448", "ES256"],
        Some(Primitive::MlDsa { .. }) => &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"],
        Some(Primitive::Rsa { .. }) => &["RS1", "ES256"],
        Some(Primitive::Hmac(_)) | None => &["RS256"],
    };
    for name in other_names.iter().filter(|name| **name != own) {
        let header = mint.token.header.with("alg", quoted(name));
        attempts.push(mint.header(format!("called {name}, signed as {own}"), &header)?);
    }
    Ok(attempts)
}

fn alg_case(mint: &Mint<'_>) -> Variants {
    let own = mint.token.alg();
    let capitals = own.to_ascii_uppercase();
    let spellings = [
        own.to_ascii_lowercase(),
        capitals,
        format!(" {own}"),
        format!("{own} "),
        format!("{own}\0"),
        format!("{own}\n"),
    ];
    let differing = spellings.iter().filter(|spelt| *spelt != own);
    differing
        .map(|spelt| mint.header(format!("{spelt:?}"), &mint.token.header.with("alg", quoted(spelt))))
        .collect()
}

/// Members whose value decides something, each with one that must be refused.
const TELLING: [(&str, &str); 3] =
    [("alg", r#""none""#), ("kid", r#""gatepass-attack""#), ("typ", r#""gatepass-attack""#)];

fn header_duplicate(mint: &Mint<'_>) -> Variants {
    let header = &mint.token.header;
    let telling = TELLING.iter().filter(|(name, _)| header.raw(name).is_some());
    telling.map(|(name, bad)| mint.header(format!("{name} twice"), &header.and(name, *bad))).collect()
}

fn header_duplicate_last(mint: &Mint<'_>) -> Variants {
    let header = &mint.token.header;
    let telling = TELLING.iter().filter(|(name, _)| header.raw(name).is_some());
    let mut attempts: Vec<Attempt> = telling
        .map(|(name, bad)| mint.header(format!("{name} twice"), &header.led_by(name, *bad)))
        .collect::<Variants>()?;
    attempts.push(mint.header("a member of a member twice", &header.and("gatepass", r#"{"a":1,"a":2}"#))?);
    Ok(attempts)
}

fn header_malformed(mint: &Mint<'_>) -> Variants {
    let good = mint.token.header.to_string();
    let inner = good.strip_suffix('}').unwrap_or(&good);
    let in_capitals = mint.token.header.without("alg").led_by("ALG", quoted(mint.token.alg()));
    let spellings: Vec<(&str, Vec<u8>)> = vec![
        ("alg called ALG", in_capitals.to_string().into_bytes()),
        ("more after the end", format!("{good}x").into_bytes()),
        ("two objects", format!("{good}{good}").into_bytes()),
        ("a zero byte at the end", format!("{good}\0").into_bytes()),
        ("a comma too many", format!("{inner},}}").into_bytes()),
        ("a comment", format!("{inner}/**/}}").into_bytes()),
        ("NaN", format!("{inner},\"gatepass\":NaN}}").into_bytes()),
        ("not UTF-8", [inner.as_bytes(), b",\"gatepass\":\"\xff\"}"].concat()),
        ("in an array", format!("[{good}]").into_bytes()),
        ("as a string", quoted(&good).into_bytes()),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    let draft = &mint.token.draft;
    spellings.into_iter().map(|(name, header)| mint.mint(name, &draft.with_header(header))).collect()
}

fn crit_unknown(mint: &Mint<'_>) -> Variants {
    let header = &mint.token.header;
    let headers = [
        (
            "an unknown extension",
            header.with("crit", r#"["gatepass-unknown"]"#).with("gatepass-unknown", "true"),
        ),
        ("an unknown extension that is not there", header.with("crit", r#"["gatepass-unknown"]"#)),
        ("exp as an extension", header.with("crit", r#"["exp"]"#).with("exp", "1")),
        (
            "a known one and an unknown",
            header.with("crit", r#"["b64","gatepass-unknown"]"#).with("b64", "true"),
        ),
    ];
    headers.into_iter().map(|(name, header)| mint.header(name, &header)).collect()
}

fn crit_malformed(mint: &Mint<'_>) -> Variants {
    const VALUES: &[&str] = &[
        r#""gatepass-unknown""#,
        "1",
        "true",
        "{}",
        r#"{"gatepass-unknown":1}"#,
        "[1]",
        "[null]",
        r#"[["gatepass-unknown"]]"#,
    ];
    VALUES.iter().map(|value| mint.header(*value, &mint.token.header.with("crit", *value))).collect()
}

fn crit_registered(mint: &Mint<'_>) -> Variants {
    const VALUES: &[&str] = &["[]", r#"["alg"]"#, r#"["typ"]"#];
    VALUES.iter().map(|value| mint.header(*value, &mint.token.header.with("crit", *value))).collect()
}

fn b64_false(mint: &Mint<'_>) -> Variants {
    let header = mint.token.header.with("b64", "false");
    let critical = header.with("crit", r#"["b64"]"#);
    // Between dots there may be no dot: JSON can spell it otherwise.
    let payload = mint.token.payload.to_string().replace('.', r"\u002e");
    let encode = |header: &Object| gatepass_jose::base64url::encode(header.to_string().as_bytes());
    if !payload.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(NotTested::because("the payload has characters that HTTP cannot carry as they are"));
    }
    Ok(vec![
        mint.mint("JSON as it is, crit", &Draft::encoded(encode(&critical), payload.clone()))?,
        mint.mint("JSON as it is, no crit", &Draft::encoded(encode(&header), payload))?,
        mint.header("base64url all the same, crit", &critical)?,
        mint.header("base64url all the same, no crit", &header)?,
    ])
}

//! Texts that are no compact JWS with a JSON object in it, or too much of one.

use gatepass_jose::base64url;

use super::{Class, Forge, Variants, mistake};
use crate::attempt::Attempt;
use crate::draft::Draft;
use crate::object::quoted;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "part-count",
        "more or fewer parts than three",
        "parts are cut out of the token without counting them, and what is checked is not what is read",
        "RFC 7515 section 5.2; RFC 7519 section 7.2",
        Forge::Token(part_count),
    ),
    mistake(
        "jwe-as-jws",
        "five parts, as if it were encrypted",
        "what looks encrypted is believed without a signature",
        "RFC 7516 section 9; RFC 8725 section 2.3",
        Forge::Token(jwe_as_jws),
    ),
    mistake(
        "json-serialization",
        "the good token as JSON instead of the compact form",
        "who checks a token and who reads it see two payloads",
        "RFC 7519 section 3: a JWT is compact; CVE-2022-39227",
        Forge::Token(json_serialization),
    ),
    mistake(
        "nested",
        "the good token inside another that nobody signed",
        "tokens are unwrapped before they are verified",
        "RFC 7519 section 7.2; RFC 8725 section 3.3",
        Forge::Token(nested),
    ),
    mistake(
        "malformed",
        "parts that are no base64url, no JSON, or no object",
        "a malformed token stops the service or is let in",
        "RFC 7515 section 5.2; RFC 7519 section 7.2",
        Forge::Token(malformed),
    ),
    mistake(
        "deep-json",
        "header and payload nested thousands of levels deep",
        "one request without a key stops the service",
        "RFC 7515 section 10.12; RFC 8259 section 9; CWE-674",
        Forge::Token(deep_json),
    ),
    mistake(
        "oversized",
        "tokens far larger than any good one, and tokens of nothing but dots",
        "one request without a key stops the service",
        "CVE-2025-30204, CVE-2025-27144; CWE-405",
        Forge::Token(oversized),
    ),
];

fn part_count(token: &Token) -> Variants {
    let text = token.text();
    let (header, payload) = (token.draft.header(), token.draft.payload());
    let signature = base64url::encode(&token.signature);
    let texts = [
        ("the header alone", header.to_owned()),
        ("the payload alone", payload.to_owned()),
        ("no header", format!("{payload}.{signature}")),
        ("a dot more at the end", format!("{text}.")),
        ("a dot more in front", format!(".{text}")),
        ("a fourth part", format!("{text}.AAAA")),
        ("a part in front", format!("AAAA.{text}")),
        ("a payload in front of the signature", format!("{header}.{payload}.{payload}.{signature}")),
        ("an empty part in the middle", format!("{header}.{payload}..{signature}")),
        ("twice, with a dot between", format!("{text}.{text}")),
        ("twice, with none between", format!("{text}{text}")),
        ("an empty header", format!(".{payload}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
    ];
    Ok(texts.into_iter().map(|(name, text)| Attempt::token(name, text)).collect())
}

fn jwe_as_jws(token: &Token) -> Variants {
    let good = token.draft.header();
    let payload = token.draft.payload();
    let signature = base64url::encode(&token.signature);
    let headers = [
        r#"{"alg":"dir","enc":"A128GCM"}"#,
        r#"{"alg":"none","enc":"none"}"#,
        r#"{"alg":"dir","enc":"none"}"#,
        r#"{"alg":"none","enc":"A128GCM","typ":"JWT"}"#,
        r#"{"alg":"RSA1_5","enc":"A128CBC-HS256","cty":"JWT"}"#,
    ];
    let mut attempts = Vec::new();
    for header in headers {
        let encoded = base64url::encode(header.as_bytes());
        for (where_, parts) in [
            ("second", format!("{payload}.AAAA.AAAA.{signature}")),
            ("fourth", format!(".AAAAAAAAAAAAAAAA.{payload}.AAAAAAAAAAAAAAAAAAAAAA")),
        ] {
            attempts.push(Attempt::token(
                format!("{header}, the payload {where_}"),
                format!("{encoded}.{parts}"),
            ));
        }
    }
    attempts.push(Attempt::token("two parts more", format!("{}.AAAA.AAAA", token.text())));
    attempts.push(Attempt::token(
        "the good header, the payload fourth",
        format!("{good}..AAAA.{payload}.{signature}"),
    ));
    Ok(attempts)
}

fn json_serialization(token: &Token) -> Variants {
    let (header, payload) = (quoted(token.draft.header()), quoted(token.draft.payload()));
    let signature = quoted(&base64url::encode(&token.signature));
    let one = format!(r#"{{"protected":{header},"signature":{signature}}}"#);
    let bad = format!(r#"{{"protected":{header},"signature":"AAAA"}}"#);
    let unsecured = r#"{"header":{"alg":"none"},"signature":""}"#;
    let general =
        |signatures: &[&str]| format!(r#"{{"payload":{payload},"signatures":[{}]}}"#, signatures.join(","));
    let texts = [
        ("flattened", format!(r#"{{"payload":{payload},"protected":{header},"signature":{signature}}}"#)),
        (
            "flattened, unsecured",
            format!(r#"{{"payload":{payload},"header":{{"alg":"none"}},"signature":""}}"#),
        ),
        ("general", general(&[&one])),
        ("general, the good signature last", general(&[&bad, &one])),
        ("general, the good signature first", general(&[&one, &bad])),
        ("general, unsecured", general(&[unsecured])),
        ("general, no signatures", general(&[])),
        // The compact form hidden in a member, for a parser that takes it apart at the dots.
        (
            "both forms at once",
            format!(
                r#"{{"a":".{}.","protected":{header},"payload":{payload},"signature":{signature}}}"#,
                token.draft.payload()
            ),
        ),
    ];
    Ok(texts.into_iter().map(|(name, text)| Attempt::token(name, text)).collect())
}

fn nested(token: &Token) -> Variants {
    let none = r#"{"alg":"none","cty":"JWT"}"#;
    let same = token.header.with("cty", r#""JWT""#).to_string();
    let once = Draft::new(none, token.text()).unsigned();
    let unsecured = Draft::new(r#"{"alg":"none"}"#, token.payload.to_string()).unsigned();
    Ok(vec![
        Attempt::token("in an unsecured one", once.clone()),
        Attempt::token("in two unsecured ones", Draft::new(none, &once).unsigned()),
        Attempt::token(
            "under its own signature",
            Draft::new(&same, token.text()).with_signature(&token.signature),
        ),
        Attempt::token(
            "an unsecured one under the good signature",
            Draft::new(&same, unsecured).with_signature(&token.signature),
        ),
        Attempt::token("as a JSON string", Draft::new(none, quoted(token.text())).unsigned()),
    ])
}

fn malformed(token: &Token) -> Variants {
    const TEXTS: &[&str] = &[
        ".",
        "..",
        "...",
        "....",
        "a.b.c",
        "=.=.=",
        "%.%.%",
        "-._.-",
        "null",
        "undefined",
        "[]",
        "{}",
        "0",
        "\"\"",
    ];
    const PARTS: &[&str] = &[
        "",
        "null",
        "true",
        "0",
        "[]",
        "{}",
        "\"\"",
        "{",
        "{\"alg\"",
        "{\"alg\":}",
        "\u{0}",
        "\u{feff}",
        "[[[",
        "{\"alg\":\"none\"",
        "{\"a\":\"\\ud800\"}",
        "{\"alg\":\"\\u0000\"}",
        "{\"alg\":1e999}",
        "{\"alg\":[]}",
        "{\"alg\":{}}",
        "-",
        "1e999",
        "'",
    ];
    let mut attempts: Vec<Attempt> = TEXTS.iter().map(|text| Attempt::token(*text, *text)).collect();
    let signed = |draft: &Draft| draft.with_signature(&token.signature);
    for part in PARTS {
        let shown = part.escape_default();
        attempts
            .push(Attempt::token(format!("{shown} for a header"), signed(&token.draft.with_header(part))));
        attempts
            .push(Attempt::token(format!("{shown} for a payload"), signed(&token.draft.with_payload(part))));
        attempts.push(Attempt::token(format!("{shown} for both"), signed(&Draft::new(part, part))));
    }
    let bytes: [&[u8]; 3] = [b"\xff\xfe\xfd", b"{\"alg\":\"\xff\"}", b"\x1f\x8b\x08\x00"];
    for part in bytes {
        attempts
            .push(Attempt::token(format!("{part:x?} for a header"), signed(&token.draft.with_header(part))));
        attempts.push(Attempt::token(
            format!("{part:x?} for a payload"),
            signed(&token.draft.with_payload(part)),
        ));
    }
    let (header, payload) = (token.draft.header(), token.draft.payload());
    for (name, part) in
        [("one character", "A"), ("five characters", "AAAAA"), ("a letter of no alphabet", "\u{e9}AA")]
    {
        attempts.push(Attempt::token(format!("{name} for a header"), format!("{part}.{payload}.AAAA")));
        attempts.push(Attempt::token(format!("{name} for a payload"), format!("{header}.{part}.AAAA")));
        attempts
            .push(Attempt::token(format!("{name} for a signature"), format!("{header}.{payload}.{part}")));
    }
    Ok(attempts)
}

/// Deep enough for a parser that recurses; the smaller ones pass where header fields are bounded.
const DEPTHS: [usize; 3] = [500, 2000, 20_000];

fn deep_json(token: &Token) -> Variants {
    let mut attempts = Vec::new();
    for depth in DEPTHS {
        for (kind, open, close) in [("arrays", "[", "]"), ("objects", "{\"a\":", "}")] {
            let middle = if kind == "arrays" { "" } else { "0" };
            let deep = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
            let header = token.with_header(&token.header.with("gatepass", deep.clone()));
            let payload = token.with_payload(&token.payload.with("gatepass", deep.clone()));
            for (what, draft) in
                [("header", header), ("payload", payload), ("header alone", token.draft.with_header(&deep))]
            {
                let name = format!("{depth} {kind} in the {what}");
                attempts.push(Attempt::token(name, draft.with_signature(&token.signature)));
            }
        }
        let open = token.draft.with_header("[".repeat(depth));
        attempts.push(Attempt::token(
            format!("{depth} arrays without an end"),
            open.with_signature(&token.signature),
        ));
    }
    Ok(attempts)
}

fn oversized(token: &Token) -> Variants {
    let mut attempts = Vec::new();
    for size in [6 * 1024, 50 * 1024, 120 * 1024] {
        let long = quoted(&"A".repeat(size));
        let header = token.with_header(&token.header.with("gatepass", long.clone()));
        let payload = token.with_payload(&token.payload.with("gatepass", long));
        let many: Vec<String> = (0..size / 12).map(|number| format!("\"a{number}\":0")).collect();
        let members = token.draft.with_header(format!("{{{}}}", many.join(",")));
        for (what, draft) in [("header", header), ("payload", payload), ("header of many members", members)] {
            attempts.push(Attempt::token(
                format!("{size} bytes in a {what}"),
                draft.with_signature(&token.signature),
            ));
        }
        let digits = token.draft.with_header(format!("{{\"alg\":{}}}", "1".repeat(size)));
        attempts.push(Attempt::token(format!("a number of {size} digits"), digits.unsigned()));
        attempts.push(Attempt::token(format!("{size} dots"), ".".repeat(size)));
        attempts.push(Attempt::token(format!("{size} parts"), "A.".repeat(size / 2)));
        attempts.push(Attempt::token(
            format!("a signature of {size} bytes"),
            token.draft.with_signature(&vec![0; size]),
        ));
    }
    Ok(attempts)
}

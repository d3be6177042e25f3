//! Tokens that nobody signed.

use super::{Class, Forge, Variants, mistake};
use crate::attempt::Attempt;
use crate::draft::Draft;
use crate::object::quoted;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "alg-none",
        "an unsecured token: alg none, in every spelling",
        "anybody writes tokens without any key",
        "RFC 8725 section 3.2; RFC 7519 section 6; CVE-2018-1000531",
        Forge::Token(alg_none),
    ),
    mistake(
        "alg-unknown",
        "an algorithm that there is none of",
        "the signature is not checked where the algorithm is not known",
        "RFC 8725 section 3.1; RFC 7515 section 10.6",
        Forge::Token(alg_unknown),
    ),
    mistake(
        "alg-duplicate",
        "alg twice, once as none",
        "two parsers of one header see two algorithms, and the weaker one decides",
        "RFC 7515 sections 4 and 10.12",
        Forge::Token(alg_duplicate),
    ),
    mistake(
        "alg-member-case",
        "alg beside ALG, once as none",
        "member names are compared without regard to case, so an unsecured token hides behind a good alg",
        "RFC 7515 sections 4 and 10.13",
        Forge::Token(alg_member_case),
    ),
    mistake(
        "signature-empty",
        "the good token with an empty signature",
        "anybody writes tokens without any key",
        "RFC 7515 section 5.2; CVE-2020-28042",
        Forge::Token(|token| Ok(vec![Attempt::token("empty", token.draft.unsigned())])),
    ),
    mistake(
        "signature-missing",
        "the good token without its third part",
        "anybody writes tokens without any key",
        "RFC 7515 section 7.1",
        Forge::Token(|token| Ok(vec![Attempt::token("two parts", token.draft.signing_input())])),
    ),
];

fn alg_none(token: &Token) -> Variants {
    const SPELLINGS: &[&str] = &[
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "none\t",
        "none\n",
        "none\u{0}",
        "none\u{200b}",
        "\u{ff4e}\u{ff4f}\u{ff4e}\u{ff45}",
        "n\u{43e}ne",
    ];
    let mut attempts = Vec::new();
    let spelt = SPELLINGS.iter().map(|name| quoted(name)).chain([r#""n\u006fne""#.to_owned()]);
    for alg in spelt {
        let draft = token.with_header(&token.header.with("alg", alg.clone()));
        attempts.extend(without_and_with_signature(&alg, &draft, token));
    }
    let draft = token.with_header(&token.header.with("alg", r#""none""#));
    attempts.push(Attempt::token("\"none\" in two parts", draft.signing_input()));
    Ok(attempts)
}

fn alg_unknown(token: &Token) -> Variants {
    const VALUES: &[&str] = &[
        r#""""#,
        "null",
        "false",
        "0",
        "[]",
        "{}",
        r#""XX999""#,
        r#""HS1""#,
        r#""RS1""#,
        r#""unsecured""#,
        r#""plain""#,
        r#""dir""#,
        r#""RSA-OAEP""#,
        r#""A128GCM""#,
        r#""constructor""#,
        r#""__proto__""#,
    ];
    let mut attempts = Vec::new();
    for alg in VALUES {
        let draft = token.with_header(&token.header.with("alg", *alg));
        attempts.extend(without_and_with_signature(alg, &draft, token));
    }
    let wrapped = token.with_header(&token.header.with("alg", format!("[{}]", quoted(&token.alg))));
    attempts.extend(without_and_with_signature("an array of the good one", &wrapped, token));
    let missing = token.with_header(&token.header.without("alg"));
    attempts.extend(without_and_with_signature("no alg", &missing, token));
    Ok(attempts)
}

fn without_and_with_signature(what: &str, draft: &Draft, token: &Token) -> [Attempt; 2] {
    [
        Attempt::token(format!("{what}, empty signature"), draft.unsigned()),
        Attempt::token(format!("{what}, the good signature"), draft.with_signature(&token.signature)),
    ]
}

fn alg_duplicate(token: &Token) -> Variants {
    let none = r#""none""#;
    let first = token.with_header(&token.header.led_by("alg", none));
    let last = token.with_header(&token.header.and("alg", none));
    let mut attempts = Vec::new();
    attempts.extend(without_and_with_signature("none first", &first, token));
    attempts.extend(without_and_with_signature("none last", &last, token));
    Ok(attempts)
}

fn alg_member_case(token: &Token) -> Variants {
    let mut attempts = Vec::new();
    for name in ["ALG", "Alg", "alg "] {
        for (place, header) in [
            ("first", token.header.led_by(name, r#""none""#)),
            ("last", token.header.and(name, r#""none""#)),
            ("alone", token.header.without("alg").with(name, r#""none""#)),
        ] {
            let draft = token.with_header(&header);
            attempts.push(Attempt::token(format!("{name}: none {place}"), draft.unsigned()));
        }
    }
    Ok(attempts)
}

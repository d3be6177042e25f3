//! The good token, or a bad one beside it, in other places and other company.

use super::{Class, Forge, NotTested, Variants, mistake, note};
use crate::attempt::{Attempt, Carried};
use crate::request::Place;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "two-fields",
        "the token's header field twice, once with a bad token",
        "what a proxy in front has checked is not what the service believes",
        "RFC 9110 section 5.3; RFC 6750 section 3.1",
        Forge::Place(two_fields),
    ),
    mistake(
        "token-list",
        "two tokens in one header field",
        "what a proxy in front has checked is not what the service believes",
        "RFC 6750 section 2.1; RFC 9110 section 11.6.2",
        Forge::Place(token_list),
    ),
    mistake(
        "token-surrounded",
        "the good token with something around it",
        "tokens are cut out of whatever surrounds them, and two readers cut differently",
        "RFC 6750 section 2.1",
        Forge::Place(token_surrounded),
    ),
    mistake(
        "token-in-query",
        "the good token in the URL",
        "tokens end up in logs, histories and Referer fields, and go past what looks at header fields",
        "RFC 9700 section 4.3.2; RFC 6750 section 5.3",
        Forge::Place(token_in_query),
    ),
    mistake(
        "token-in-body",
        "the good token in the body beside a bad one in its field",
        "what a proxy in front has checked is not what the service believes",
        "RFC 6750 section 2: not more than one method",
        Forge::Place(token_in_body),
    ),
    note(
        "scheme-case",
        "the scheme in other letters",
        "as it should be: schemes are case-insensitive",
        "RFC 9110 section 11.1",
        Forge::Place(scheme_case),
    ),
    note(
        "scheme-wrong",
        "the good token under another scheme, or none",
        "harmless by itself; a proxy in front that looks for Bearer sees no token",
        "RFC 6750 section 2.1",
        Forge::Place(scheme_wrong),
    ),
];

/// A token that nobody could take for a good one: the good one's claims, unsigned.
fn bad(token: &Token) -> String {
    token.draft.with_signature(&[0; 8])
}

fn two_fields(token: &Token, _: &Place) -> Variants {
    let (good, bad) = (Carried::Token(token.text().to_owned()), Carried::Token(bad(token)));
    Ok(vec![
        Attempt::carrying("the good one first", vec![good.clone(), bad.clone()]),
        Attempt::carrying("the good one last", vec![bad, good]),
    ])
}

fn token_list(token: &Token, place: &Place) -> Variants {
    let (good, bad) = (token.text(), bad(token));
    let (good_value, bad_value) = (place.filled(good), place.filled(&bad));
    let mut attempts = Vec::new();
    for separator in [", ", ",", " "] {
        for (which, tokens, values) in [
            ("first", [good, &bad], [&good_value, &bad_value]),
            ("last", [&*bad, good], [&bad_value, &good_value]),
        ] {
            let name = format!("{separator:?} between tokens, the good one {which}");
            attempts.push(Attempt::token(name, tokens.join(separator)));
            if separator != " " && !place.before.is_empty() {
                let [one, other] = values;
                let value = format!("{one}{separator}{other}");
                let name = format!("{separator:?} between credentials, the good one {which}");
                attempts.push(Attempt::carrying(name, vec![Carried::Value(value)]));
            }
        }
    }
    Ok(attempts)
}

fn token_surrounded(token: &Token, place: &Place) -> Variants {
    let good = token.text();
    let mut texts = vec![
        ("between quotes", format!("\"{good}\"")),
        ("between apostrophes", format!("'{good}'")),
        ("between angle brackets", format!("<{good}>")),
        ("a letter in front", format!("x{good}")),
        ("a letter after", format!("{good}~")),
        ("a word in front", format!("x {good}")),
        ("a word after", format!("{good} x")),
        ("a parameter after", format!("{good}, realm=\"x\"")),
        ("its name in front", format!("token={good}")),
        ("a colon in front", format!(":{good}")),
    ];
    if place.scheme().is_some() {
        texts.push(("a semicolon after", format!("{good};")));
        texts.push(("the scheme twice", format!("{}{good}", place.before)));
    } else if place.field != http::header::COOKIE {
        texts.push(("Bearer in front", format!("Bearer {good}")));
    }
    Ok(texts.into_iter().map(|(name, text)| Attempt::token(name, text)).collect())
}

fn token_in_query(token: &Token, _: &Place) -> Variants {
    let query = |attempt: Attempt| Attempt { query: Some(token.text().to_owned()), ..attempt };
    Ok(vec![
        query(Attempt::carrying("in the URL alone", Vec::new())),
        query(Attempt::token("in the URL beside a bad one in its field", bad(token))),
    ])
}

fn token_in_body(token: &Token, _: &Place) -> Variants {
    let attempt = Attempt::token("in the body beside a bad one in its field", bad(token));
    Ok(vec![Attempt { form: Some(token.text().to_owned()), ..attempt }])
}

fn scheme(place: &Place) -> Result<&str, NotTested> {
    let none = || NotTested::because("the token is not carried by a scheme in Authorization");
    place.scheme().ok_or_else(none)
}

fn scheme_case(token: &Token, place: &Place) -> Variants {
    let scheme = scheme(place)?;
    let spellings = [scheme.to_ascii_lowercase(), scheme.to_ascii_uppercase()];
    let value = |spelt: &String| Carried::Value(format!("{spelt} {}", token.text()));
    Ok(spellings
        .iter()
        .filter(|spelt| *spelt != scheme)
        .map(|spelt| Attempt::carrying(spelt, vec![value(spelt)]))
        .collect())
}

fn scheme_wrong(token: &Token, place: &Place) -> Variants {
    let own = scheme(place)?;
    let good = token.text();
    let others =
        ["Basic", "Token", "JWT", "Digest", "DPoP", "BearerX"].into_iter().filter(|scheme| *scheme != own);
    let values = others.map(|scheme| format!("{scheme} {good}")).chain([
        good.to_owned(),
        format!("{own}{good}"),
        format!("{own}:{good}"),
        format!("{own}={good}"),
        format!("{own}\t{good}"),
    ]);
    let name = |value: &str| value.replace(good, "..").escape_default().to_string();
    Ok(values.map(|value| Attempt::carrying(name(&value), vec![Carried::Value(value)])).collect())
}

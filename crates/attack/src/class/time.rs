//! Dates that are wrong under a signature that holds.

use super::claims::{missing, values};
use super::{Class, Forge, Mint, Variants, mistake, note};

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "exp-past",
        "a token that has expired",
        "a stolen token is good for ever",
        "RFC 7519 section 4.1.4",
        Forge::SigningKey(exp_past),
    ),
    mistake(
        "exp-missing",
        "a token that never expires",
        "a stolen token is good for ever",
        "RFC 9068 sections 2.2 and 4",
        Forge::SigningKey(|mint| missing(mint, "exp")),
    ),
    mistake(
        "exp-type",
        "exp that is not a number",
        "dates are read loosely; where what cannot be compared is not checked, a stolen token is good for ever",
        "RFC 7519 sections 2 and 4.1.4",
        Forge::SigningKey(exp_type),
    ),
    mistake(
        "exp-overflow",
        "exp in the past that arithmetic turns into the future, or that no number type holds",
        "a stolen token is good for ever",
        "RFC 7519 section 4.1.4; RFC 8259 section 6; CWE-190",
        Forge::SigningKey(exp_overflow),
    ),
    note(
        "exp-far",
        "exp in a thousand years, or in milliseconds",
        "a mistake of the issuer makes tokens that live for ever, and the service does not notice",
        "RFC 7519 section 4.1.4, which sets no bound",
        Forge::SigningKey(exp_far),
    ),
    mistake(
        "nbf-future",
        "a token that is not valid yet",
        "tokens are good before their time",
        "RFC 7519 section 4.1.5",
        Forge::SigningKey(nbf_future),
    ),
    mistake(
        "nbf-type",
        "nbf that is not a number",
        "dates are read loosely; where what cannot be compared is not checked, tokens are good before their time",
        "RFC 7519 sections 2 and 4.1.5",
        Forge::SigningKey(nbf_type),
    ),
    note(
        "iat-future",
        "a token that was issued tomorrow",
        "clocks differ, or somebody made it up; no rule says to refuse it",
        "RFC 7519 section 4.1.6",
        Forge::SigningKey(iat_future),
    ),
];

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

fn exp_past(mint: &Mint<'_>) -> Variants {
    let now = mint.now.as_secs();
    values(
        mint,
        "exp",
        [
            (now - HOUR).to_string(),
            format!("{}.5", now - HOUR),
            (now - 24 * HOUR).to_string(),
            (now - 10 * YEAR).to_string(),
            "1".to_owned(),
            "0".to_owned(),
        ],
    )
}

fn exp_type(mint: &Mint<'_>) -> Variants {
    let (past, later) = (mint.now.as_secs() - HOUR, mint.now.as_secs() + HOUR);
    values(
        mint,
        "exp",
        [
            format!("\"{later}\""),
            format!("\"{past}\""),
            format!("[{later}]"),
            format!("{{\"exp\":{later}}}"),
            r#""2099-01-01T00:00:00Z""#.to_owned(),
            r#""never""#.to_owned(),
            r#""""#.to_owned(),
            "true".to_owned(),
            "false".to_owned(),
        ],
    )
}

fn exp_overflow(mint: &Mint<'_>) -> Variants {
    let later = i128::from(mint.now.as_secs() + HOUR);
    let wrapped = |bits: u32| (later - (1_i128 << bits)).to_string();
    values(
        mint,
        "exp",
        [
            "-1".to_owned(),
            wrapped(32),
            wrapped(64),
            i64::MIN.to_string(),
            "1e400".to_owned(),
            "-1e400".to_owned(),
            "1e-400".to_owned(),
            format!("{}e-3", mint.now.as_secs()),
        ],
    )
}

fn exp_far(mint: &Mint<'_>) -> Variants {
    let now = mint.now.as_secs();
    values(
        mint,
        "exp",
        [
            (now + 1000 * YEAR).to_string(),
            ((now + HOUR) * 1000).to_string(),
            "9007199254740993".to_owned(),
            i64::MAX.to_string(),
            "9223372036854775808".to_owned(),
            "18446744073709551616".to_owned(),
            "1e300".to_owned(),
        ],
    )
}

fn nbf_future(mint: &Mint<'_>) -> Variants {
    let now = mint.now.as_secs();
    values(
        mint,
        "nbf",
        [
            (now + HOUR).to_string(),
            format!("{}.5", now + HOUR),
            (now + YEAR).to_string(),
            ((now + HOUR) * 1000).to_string(),
            "4294967296".to_owned(),
            i64::MAX.to_string(),
            "9223372036854775808".to_owned(),
            "18446744073709551615".to_owned(),
            "18446744073709551617".to_owned(),
            "1e300".to_owned(),
        ],
    )
}

fn nbf_type(mint: &Mint<'_>) -> Variants {
    let later = mint.now.as_secs() + HOUR;
    values(
        mint,
        "nbf",
        [
            format!("\"{later}\""),
            format!("[{later}]"),
            format!("{{\"nbf\":{later}}}"),
            r#""2099-01-01T00:00:00Z""#.to_owned(),
            "true".to_owned(),
            "1e400".to_owned(),
        ],
    )
}

fn iat_future(mint: &Mint<'_>) -> Variants {
    let now = mint.now.as_secs();
    values(mint, "iat", [(now + 24 * HOUR).to_string(), (now + 10 * YEAR).to_string()])
}

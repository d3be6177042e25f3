//! The checks of a verification, in the order in which the library makes them, with what each expected and
//! found. The library decides; this only retells its decision.

use gatepass_jose::{
    Audience, Issuer, Limits, Malformed, NumericDate, Rejection, Timestamp, Typ, Unverified, base64url,
};
use serde_json::{Value, json};

use crate::json_text::visible;
use crate::moment;

/// One check; the order is that of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Limits,
    Structure,
    Key,
    Algorithm,
    Type,
    Signature,
    Claims,
    Issuer,
    Audience,
    Expiry,
    NotBefore,
}

impl Check {
    const ALL: [Self; 11] = [
        Self::Limits,
        Self::Structure,
        Self::Key,
        Self::Algorithm,
        Self::Type,
        Self::Signature,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
    ];

    /// Its name, the same for people and for machines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Structure => "structure",
            Self::Key => "key",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expiry => "expiry",
            Self::NotBefore => "not-before",
        }
    }

    /// The check that a rejection comes from.
    fn failed(rejection: &Rejection, token: &str) -> Self {
        match rejection {
            Rejection::Malformed(malformed) => Self::of_malformed(*malformed, token),
            Rejection::UnknownKey { .. } => Self::Key,
            Rejection::AlgMismatch { .. } => Self::Algorithm,
            Rejection::Typ { .. } => Self::Type,
            Rejection::Signature => Self::Signature,
            Rejection::Claims { .. } => Self::Claims,
            Rejection::Issuer { .. } => Self::Issuer,
            Rejection::Audience { .. } => Self::Audience,
            Rejection::NoExpiry | Rejection::Expired { .. } => Self::Expiry,
            Rejection::NotYetValid { .. } => Self::NotBefore,
            _ => Self::Structure,
        }
    }

    fn of_malformed(malformed: Malformed, token: &str) -> Self {
        match malformed {
            Malformed::TooLong { .. } | Malformed::HeaderTooLong { .. } => Self::Limits,
            Malformed::Payload(_) => Self::Claims,
            // The rejection does not say which part; the parts are decoded header, signature, payload.
            Malformed::Base64Url => {
                let part = |at: usize| token.split('.').nth(at).unwrap_or_default();
                match (base64url::decode(part(0)), base64url::decode(part(2))) {
                    (Err(_), _) => Self::Structure,
                    (Ok(_), Err(_)) => Self::Signature,
                    (Ok(_), Ok(_)) => Self::Claims,
                }
            }
            _ => Self::Structure,
        }
    }
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Passed(String),
    Failed(String),
    NotRun,
}

/// What a token was held against.
pub(super) struct Terms {
    pub(super) issuer: Issuer,
    pub(super) audience: Audience,
    pub(super) typ: Typ,
    pub(super) now: Timestamp,
    /// What the keys are called in a sentence.
    pub(super) keys: KeyringName,
    /// The names of the keys.
    pub(super) kids: Vec<String>,
}

/// What keys are called in a sentence.
#[derive(Clone, Debug)]
pub(super) enum KeyringName {
    /// The key in this file.
    OneIn(String),
    /// The keys of this set.
    SetAt(String),
}

/// What can be said of a token that passed, at least up to a point.
pub(super) struct Seen<'t> {
    pub(super) token: &'t str,
    pub(super) header: Option<&'t Unverified>,
    /// Read from a payload whose signature holds.
    pub(super) dates: Dates,
}

/// The dates of a payload.
#[derive(Clone, Copy, Default, serde::Deserialize)]
pub(super) struct Dates {
    pub(super) exp: Option<NumericDate>,
    pub(super) nbf: Option<NumericDate>,
}

/// Every check with its finding.
pub(super) fn explain(
    rejection: Option<&Rejection>,
    seen: &Seen<'_>,
    terms: &Terms,
) -> Vec<(Check, Finding)> {
    let failed = rejection.map(|rejection| (Check::failed(rejection, seen.token), rejection));
    let finding = |check: Check| match failed {
        Some((at, rejection)) if at == check => Finding::Failed(why(rejection, terms)),
        Some((at, _)) if at < check => Finding::NotRun,
        _ => Finding::Passed(how(check, seen, terms)),
    };
    Check::ALL.into_iter().map(|check| (check, finding(check))).collect()
}

/// What a check that passed found.
fn how(check: Check, seen: &Seen<'_>, terms: &Terms) -> String {
    let header = seen.header;
    let kid = header.and_then(Unverified::unverified_kid);
    match check {
        Check::Limits => format!("{} bytes, of {} at most", seen.token.len(), Limits::DEFAULT.token_bytes),
        Check::Structure => "three parts in strict base64url, a header in strict JSON".to_owned(),
        Check::Key => match (kid, &terms.keys) {
            (Some(kid), KeyringName::OneIn(file)) => format!("\"{}\", the one in {file}", visible(kid)),
            (Some(kid), KeyringName::SetAt(place)) => format!("\"{}\", one of {place}", visible(kid)),
            (None, KeyringName::OneIn(file)) => format!("the one in {file}; the token names none"),
            (None, KeyringName::SetAt(place)) => format!("the only one of {place}; the token names none"),
        },
        Check::Algorithm => format!("{}, as the key says", header.map_or("", Unverified::unverified_alg)),
        Check::Type => terms.typ.to_string(),
        Check::Signature => "it is the key's over this header and payload".to_owned(),
        Check::Claims => "a strict JSON object".to_owned(),
        Check::Issuer => terms.issuer.to_string(),
        Check::Audience => format!("it is for {}", terms.audience.iter().collect::<Vec<_>>().join(" or ")),
        Check::Expiry => seen.dates.exp.map_or_else(String::new, |exp| {
            format!("{}, {}", moment::local(exp.0), moment::from_now(exp.0, terms.now))
        }),
        Check::NotBefore => match seen.dates.nbf {
            Some(nbf) => format!("{}, {}", moment::local(nbf.0), moment::from_now(nbf.0, terms.now)),
            None => "the token sets no such limit".to_owned(),
        },
    }
}

/// What a check that failed expected and found.
fn why(rejection: &Rejection, terms: &Terms) -> String {
    match rejection {
        Rejection::Expired { exp, now } => {
            format!("it expired at {}, {}", moment::local(*exp), moment::from_now(*exp, *now))
        }
        Rejection::NotYetValid { nbf, now } => {
            format!("it is valid from {}, {}", moment::local(*nbf), moment::from_now(*nbf, *now))
        }
        Rejection::UnknownKey { kid } => unknown_key(kid.as_deref(), terms),
        other => other.to_string(),
    }
}

fn unknown_key(kid: Option<&str>, terms: &Terms) -> String {
    const NAMED: usize = 6;
    let asked = match kid {
        Some(kid) => format!("the token names \"{}\"", visible(&kid.chars().take(100).collect::<String>())),
        None => "the token names none (`kid`)".to_owned(),
    };
    let mut names: Vec<String> =
        terms.kids.iter().take(NAMED).map(|kid| format!("\"{}\"", visible(kid))).collect();
    if terms.kids.len() > NAMED {
        names.push("…".to_owned());
    }
    match (&terms.keys, names.is_empty()) {
        (KeyringName::OneIn(file), _) => format!("{asked}, and the one in {file} is {}", names.join(", ")),
        (KeyringName::SetAt(place), false) => {
            format!("{asked}, and those of {place} are {}", names.join(", "))
        }
        (KeyringName::SetAt(place), true) => format!("{asked}, and {place} has none that can be used"),
    }
}

/// The findings as JSON; `expected` where the caller said something to expect, `found` where it was another.
pub(super) fn for_machines(
    findings: &[(Check, Finding)],
    rejection: Option<&Rejection>,
    terms: &Terms,
) -> Vec<Value> {
    let each = |(check, finding): &(Check, Finding)| {
        let (result, detail) = match finding {
            Finding::Passed(detail) => ("passed", Some(detail)),
            Finding::Failed(detail) => ("failed", Some(detail)),
            Finding::NotRun => ("not-run", None),
        };
        let failed = rejection.filter(|_| result == "failed");
        json!({
            "check": check.name(),
            "result": result,
            "detail": detail,
            "expected": expected(*check, failed, terms),
            "found": failed.and_then(found),
        })
    };
    findings.iter().map(each).collect()
}

fn expected(check: Check, failed: Option<&Rejection>, terms: &Terms) -> Option<Value> {
    match (check, failed) {
        (Check::Key, _) => Some(json!(terms.kids)),
        (Check::Algorithm, Some(Rejection::AlgMismatch { key, .. })) => Some(json!(key)),
        (Check::Type, _) => Some(json!(terms.typ.name())),
        (Check::Issuer, _) => Some(json!(terms.issuer.as_str())),
        (Check::Audience, _) => Some(terms.audience.iter().collect()),
        _ => None,
    }
}

fn found(rejection: &Rejection) -> Option<Value> {
    match rejection {
        Rejection::UnknownKey { kid } => kid.as_ref().map(|kid| json!(kid)),
        Rejection::AlgMismatch { found, .. } => Some(json!(found.as_str())),
        Rejection::Typ { found, .. } | Rejection::Issuer { found, .. } => {
            found.as_ref().map(|found| json!(found.as_str()))
        }
        Rejection::Audience { found, .. } => {
            Some(found.iter().map(|audience| Value::from(audience.as_str())).collect())
        }
        Rejection::Expired { exp, .. } => Some(json!(exp.as_secs())),
        Rejection::NotYetValid { nbf, .. } => Some(json!(nbf.as_secs())),
        _ => None,
    }
}

//! `gatepass token inspect`: what a token says, without believing any of it.

use gatepass_jose::{NumericDate, Timestamp};
use serde_json::{Map, Value, json};

use super::anatomy::{Anatomy, Content, Kind, Part};
use super::size::Budget;
use crate::args::token::Inspect;
use crate::complaint::Outcome;
use crate::json_text::{laid_out, members, visible};
use crate::{clock, moment, print};

/// How much of a part is shown that is not what it should be.
const MAX_SHOWN: usize = 300;

/// The claims that are dates, with what each says (RFC 7519 section 4.1, OpenID Connect Core section 2).
const DATES: [(&str, &str); 4] =
    [("auth_time", "logged in"), ("iat", "issued"), ("nbf", "valid from"), ("exp", "expires")];

pub(crate) fn run(inspect: &Inspect) -> anyhow::Result<Outcome> {
    let given = inspect.token.read()?;
    let token = bare(&given);
    let now = inspect.now.map_or_else(clock::now, |now| now.0);
    let anatomy = Anatomy::of(token);
    let dates = dates(&anatomy);
    let broken = !anatomy.problems.is_empty() || dates.iter().any(|date| date.at.is_none());
    if inspect.json {
        print::json(&for_machines(&anatomy, &dates, now));
    } else {
        print::line(print::warning("not verified: this is what the token says, not whether it is true"));
        if token.len() != given.len() {
            print::line("left out: what stands around the token (`Bearer`, white space)");
        }
        for_people(token, &anatomy, &dates, now);
    }
    Ok(if broken { Outcome::Refused } else { Outcome::Good })
}

/// The token without what people copy along with it.
fn bare(given: &str) -> &str {
    let text = given.trim();
    let text = match text.get(..14) {
        Some(field) if field.eq_ignore_ascii_case("authorization:") => {
            text.get(14..).unwrap_or_default().trim_start()
        }
        _ => text,
    };
    match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => {
            text.get(7..).unwrap_or_default().trim_start()
        }
        _ => text,
    }
}

/// A claim that is a date.
struct Date {
    claim: &'static str,
    says: &'static str,
    spelt: String,
    /// `None` where it is not a NumericDate.
    at: Option<Timestamp>,
}

fn dates(anatomy: &Anatomy) -> Vec<Date> {
    let members = anatomy.claims_text().map(members).unwrap_or_default();
    let date = |(claim, says): (&'static str, &'static str)| {
        let spelt = members.iter().find(|member| member.name() == claim)?.value.to_owned();
        let at = serde_json::from_str::<NumericDate>(&spelt).ok().map(Timestamp::from);
        Some(Date { claim, says, spelt, at })
    };
    DATES.into_iter().filter_map(date).collect()
}

fn for_people(token: &str, anatomy: &Anatomy, dates: &[Date], now: Timestamp) {
    for part in &anatomy.parts {
        show_part(part);
    }
    if anatomy.kind == Kind::Jwe {
        print::line("\nthe rest is encrypted: only who holds the key can read it");
    }
    show_dates(dates, now);
    show_size(anatomy);
    if !anatomy.problems.is_empty() {
        print::line(format!("\n{}", print::strong("broken")));
        for problem in &anatomy.problems {
            print::line(format!("  {} {}: {}", print::bad("✗"), problem.part, problem.detail));
        }
    }
    print::line(format!("\n{}", print::strong("next")));
    for hint in hints(token, anatomy) {
        print::line(format!("  {hint}"));
    }
}

fn show_part(part: &Part) {
    let title = if part.name == "payload" { "claims" } else { part.name };
    match &part.content {
        Content::Json(json) => {
            let indented = laid_out(json).replace('\n', "\n  ");
            print::line(format!("\n{}\n  {indented}", print::strong(title)));
        }
        Content::Text(text) => {
            print::line(format!("\n{}: not JSON\n  {}", print::strong(part.name), shortened(text)));
        }
        Content::Undecodable => print::line(format!("\n{}: not readable", print::strong(part.name))),
        Content::Bytes => {}
    }
}

fn show_dates(dates: &[Date], now: Timestamp) {
    if dates.is_empty() {
        return;
    }
    print::line(format!("\n{}", print::strong("times")));
    for Date { claim, says, spelt, at } in dates {
        let line = match at {
            Some(at) => format!("{}   {}", moment::local(*at), moment::from_now(*at, now)),
            None => format!(
                "{} {} is not a date: seconds since 1970 as a number",
                print::bad("✗"),
                shortened(spelt)
            ),
        };
        print::line(format!("  {claim:<11}{says:<12}{line}"));
    }
    let at = |claim| dates.iter().find(|date| date.claim == claim).and_then(|date| date.at);
    if let (Some(from), Some(to)) = (at("iat").or_else(|| at("nbf")), at("exp")) {
        print::line(format!("  {:<11}{:<12}{}", "", "lives for", moment::span(to.since(from))));
    }
}

fn show_size(anatomy: &Anatomy) {
    let budget = Budget::of(anatomy);
    let parts: Vec<String> =
        anatomy.parts.iter().map(|part| format!("{} {}", part.name, part.bytes)).collect();
    print::line(format!("\n{}\n  {} bytes: {}", print::strong("size"), anatomy.bytes, parts.join(", ")));
    if !budget.largest.is_empty() {
        let claims =
            budget.largest.iter().map(|claim| format!("{} {} %", visible(&claim.name), claim.percent));
        print::line(format!("  largest claims: {}", claims.collect::<Vec<_>>().join(", ")));
    }
    let verdict = budget.verdict();
    let sentence = verdict.sentence();
    print::line(format!(
        "  {}",
        if verdict.is_good() { print::good(sentence) } else { print::warning(sentence) }
    ));
}

fn hints(token: &str, anatomy: &Anatomy) -> Vec<&'static str> {
    match anatomy.kind {
        Kind::Jws => vec![
            "gatepass token verify --issuer URL --audience AUD --token-file FILE   (those that you expect, whatever it says)",
            "gatepass lint --token-file FILE   (what is unwise about it)",
        ],
        Kind::Jwe => vec!["gatepass token decrypt --key FILE --token-file FILE"],
        Kind::Unknown if token.starts_with("gpr_") => {
            vec![
                "this looks like a refresh token of gatepass: it is opaque, and only its issuer can tell what it is good for",
            ]
        }
        Kind::Unknown if token.contains("\"kty\"") => {
            vec!["gatepass jwk show FILE   (this looks like a key)"]
        }
        Kind::Unknown => vec!["check that the whole token was copied"],
    }
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    let more = if shown.len() < text.len() { " …" } else { "" };
    format!("{}{more}", visible(&shown))
}

fn for_machines(anatomy: &Anatomy, dates: &[Date], now: Timestamp) -> Value {
    let kind = match anatomy.kind {
        Kind::Jws => Value::from("JWS"),
        Kind::Jwe => Value::from("JWE"),
        Kind::Unknown => Value::Null,
    };
    let times: Map<String, Value> =
        dates.iter().filter_map(|date| Some((date.claim.to_owned(), time(date.at?, now)))).collect();
    let parts: Vec<Value> =
        anatomy.parts.iter().map(|part| json!({ "part": part.name, "bytes": part.bytes })).collect();
    let mut problems: Vec<Value> = anatomy
        .problems
        .iter()
        .map(|problem| json!({ "part": problem.part, "detail": problem.detail }))
        .collect();
    let bad_dates = dates.iter().filter(|date| date.at.is_none());
    problems.extend(
        bad_dates
            .map(|date| json!({ "part": "payload", "detail": format!("`{}` is not a date", date.claim) })),
    );
    json!({
        "verified": false,
        "kind": kind,
        "form": anatomy.form,
        "header": anatomy.header(),
        "claims": anatomy.claims(),
        "parts": parts,
        "times": times,
        "size": Budget::of(anatomy).for_machines(),
        "problems": problems,
    })
}

fn time(at: Timestamp, now: Timestamp) -> Value {
    json!({ "seconds": at.as_secs(), "at": moment::rfc3339(at), "relative": moment::from_now(at, now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_copy_along_is_left_out() {
        for given in [
            "a.b.c",
            "  a.b.c\n",
            "Bearer a.b.c",
            "bearer   a.b.c",
            "Authorization: Bearer a.b.c",
            "authorization:a.b.c",
        ] {
            assert_eq!(bare(given), "a.b.c", "{given:?}");
        }
        assert_eq!(bare("Bearera.b.c"), "Bearera.b.c");
    }
}

//! GP3xx: dates.

use gatepass_jose::Timestamp;

use crate::json::{Json, Object};
use crate::report::Found;
use crate::rule::*;
use crate::token::Role;

/// What two clocks may differ by, in seconds.
const SKEW: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
/// 9999-12-31T23:59:59Z, and from where on a number of seconds is more likely one of milliseconds.
const LAST_SECOND: f64 = 253_402_300_799.0;
const LIKELY_MILLIS: f64 = 100_000_000_000.0;

const DATES: &[&str] = &["exp", "nbf", "iat", "auth_time"];

pub(super) fn check(claims: &Object, role: Role, now: Timestamp, found: &mut Found<'_>) {
    for name in DATES {
        if let Some(value) = claims.find(name) {
            form(name, value, found);
        }
    }
    if !claims.has("exp") && role != Role::Other {
        found.add(&EXP_MISSING, "payload.exp", format_args!("the token has no `exp`: it never expires"));
    }
    let now = seconds(now);
    let [exp, nbf, iat] = ["exp", "nbf", "iat"].map(|name| date(claims, name));
    if let Some(nbf) = nbf.filter(|nbf| *nbf > now + SKEW) {
        let ahead = said(nbf - now);
        found.add(&NOT_YET_VALID, "payload.nbf", format_args!("the token becomes valid in {ahead}"));
    }
    if let Some(iat) = iat.filter(|iat| *iat > now + SKEW) {
        let ahead = said(iat - now);
        found.add(&ISSUED_IN_FUTURE, "payload.iat", format_args!("`iat` is {ahead} ahead of this clock"));
    }
    let Some(exp) = exp else { return };
    if exp <= now {
        found.add(&EXPIRED, "payload.exp", format_args!("the token expired {} ago", said(now - exp)));
    }
    for (name, begin) in [("iat", iat), ("nbf", nbf)] {
        if begin.is_some_and(|begin| exp <= begin) {
            found.add(&NEVER_VALID, "payload.exp", format_args!("`exp` is not after `{name}`"));
        }
    }
    if matches!(role, Role::Access | Role::Id | Role::Unsaid) {
        lifetime(exp, iat.or(nbf), now, found);
    }
}

/// Whether the token can be used now, as far as its dates tell.
pub(crate) fn is_alive(claims: &Object, now: Timestamp) -> bool {
    let now = seconds(now);
    date(claims, "exp").is_none_or(|exp| exp > now) && date(claims, "nbf").is_none_or(|nbf| nbf <= now + SKEW)
}

fn lifetime(exp: f64, begin: Option<f64>, now: f64, found: &mut Found<'_>) {
    let lifetime = exp - begin.unwrap_or(now);
    let (rule, most) = match lifetime {
        _ if lifetime > DAY => (&LIFETIME_VERY_LONG, "a day"),
        _ if lifetime > HOUR => (&LIFETIME_LONG, "an hour"),
        _ => return,
    };
    let verb = if begin.is_some() { "lives" } else { "still lives" };
    found.add(rule, "payload.exp", format_args!("the token {verb} {}, more than {most}", said(lifetime)));
}

fn form(name: &str, value: &Json, found: &mut Found<'_>) {
    let path = format_args!("payload.{name}");
    let Some(number) = value.as_number() else {
        let kind = value.type_name();
        return found.add(
            &DATE_NOT_A_NUMBER,
            path,
            format_args!("`{name}` is {kind}, not a number of seconds"),
        );
    };
    if number >= LIKELY_MILLIS {
        return found.add(
            &DATE_IN_MILLISECONDS,
            path,
            format_args!("`{name}` is {number:.0}: milliseconds, or not a date at all"),
        );
    }
    if number < 0.0 {
        return found.add(&DATE_NOT_A_NUMBER, path, format_args!("`{name}` is before 1970"));
    }
    if number.fract() != 0.0 {
        found.add(&DATE_FRACTION, path, format_args!("`{name}` has a fraction, which some verifiers refuse"));
    }
}

/// The date, where it can be taken for one. Milliseconds are none.
fn date(claims: &Object, name: &str) -> Option<f64> {
    let number = claims.find(name)?.as_number()?;
    (0.0..LIKELY_MILLIS.min(LAST_SECOND)).contains(&number).then_some(number)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

/// A duration in the unit that people would use.
fn said(seconds: f64) -> String {
    let (count, unit) = match seconds {
        _ if seconds >= 2.0 * 365.0 * DAY => (seconds / (365.0 * DAY), "years"),
        _ if seconds >= 2.0 * DAY => (seconds / DAY, "days"),
        _ if seconds >= 2.0 * HOUR => (seconds / HOUR, "hours"),
        _ if seconds >= 120.0 => (seconds / 60.0, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{:.0} {unit}", count.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_their_unit() {
        let cases = [
            (0.0, "0 seconds"),
            (119.0, "119 seconds"),
            (120.0, "2 minutes"),
            (5400.0, "90 minutes"),
            (7200.0, "2 hours"),
            (172_800.0, "2 days"),
            (800.0 * DAY, "2 years"),
        ];
        for (seconds, want) in cases {
            assert_eq!(said(seconds), want);
        }
    }

    #[test]
    fn a_token_is_alive_between_its_dates() {
        let now = Timestamp::from_secs(1000);
        let cases = [
            ("{}", true),
            (r#"{"exp":1001}"#, true),
            (r#"{"exp":1000}"#, false),
            (r#"{"exp":1001,"nbf":1060}"#, true),
            (r#"{"exp":2000,"nbf":1061}"#, false),
            (r#"{"exp":"1"}"#, true),
        ];
        for (claims, want) in cases {
            let Ok(Json::Object(object)) = Json::parse(claims.as_bytes()) else { panic!("{claims}") };
            assert_eq!(is_alive(&object, now), want, "{claims}");
        }
    }
}

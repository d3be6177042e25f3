//! Instants as people read and write them.

use std::fmt;
use std::time::Duration;

use gatepass_jose::Timestamp;
use jiff::tz::TimeZone;

/// An instant in the time zone of this machine (`TZ` is respected): `2026-11-22 07:13:02 +01:00`.
pub(crate) fn local(at: Timestamp) -> String {
    zoned(at, TimeZone::system(), "%F %T %:z")
}

/// An instant for machines: RFC 3339 in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    zoned(at, TimeZone::UTC, "%FT%TZ")
}

fn zoned(at: Timestamp, zone: TimeZone, format: &str) -> String {
    match jiff::Timestamp::from_second(at.as_secs()) {
        Ok(instant) => instant.to_zoned(zone).strftime(format).to_string(),
        Err(_) => at.to_string(), // past the year 9999
    }
}

const UNITS: [(u64, &str); 6] = [
    (31_557_600, "year"),
    (2_629_800, "month"),
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
];

/// How far an instant is from now, in one unit: `in 4 minutes`, `3 days ago`.
pub(crate) fn from_now(at: Timestamp, now: Timestamp) -> String {
    let distance = at.as_secs().abs_diff(now.as_secs());
    // The largest unit that it comes to when rounded: 59 minutes and 50 seconds are an hour.
    let rounded = |length: u64| (distance + length / 2) / length;
    let carries = |(length, smaller): (u64, u64)| distance >= length || rounded(smaller) * smaller >= length;
    let smaller = UNITS.iter().skip(1).map(|(length, _)| *length).chain([1]);
    let found = UNITS.iter().zip(smaller).find(|((length, _), smaller)| carries((*length, *smaller)));
    match found {
        None => "now".to_owned(),
        Some(((length, name), _)) if at > now => format!("in {}", counted(rounded(*length), name)),
        Some(((length, name), _)) => format!("{} ago", counted(rounded(*length), name)),
    }
}

/// A length of time in its two largest units: `15 minutes`, `1 hour 30 minutes`.
pub(crate) fn span(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut words = Vec::new();
    for (length, name) in UNITS {
        if rest >= length && words.len() < 2 {
            words.push(counted(rest / length, name));
            rest %= length;
        }
    }
    if words.is_empty() { "0 seconds".to_owned() } else { words.join(" ") }
}

fn counted(count: u64, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

/// An instant given on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// The text is neither RFC 3339 nor whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoMoment;

impl fmt::Display for NoMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an instant as 2026-11-22T06:13:00Z or as seconds since 1970")
    }
}

impl std::error::Error for NoMoment {}

impl std::str::FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Ok(seconds) = text.parse() {
            return Ok(Self(Timestamp::from_secs(seconds)));
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| NoMoment)?;
        Ok(Self(Timestamp::from_millis(instant.as_millisecond())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_said_in_their_largest_unit() {
        let now = Timestamp::from_secs(1_763_780_000);
        let cases = [
            (0, "now"),
            (1, "in 1 second"),
            (-1, "1 second ago"),
            (59, "in 59 seconds"),
            (60, "in 1 minute"),
            (898, "in 15 minutes"),
            (-3540, "59 minutes ago"),
            (3590, "in 1 hour"),
            (7200, "in 2 hours"),
            (-259_200, "3 days ago"),
            (2_629_800, "in 1 month"),
            (-63_115_200, "2 years ago"),
        ];
        for (seconds, want) in cases {
            assert_eq!(from_now(Timestamp::from_secs(now.as_secs() + seconds), now), want);
        }
        assert!(from_now(Timestamp::MAX, now).ends_with(" years"));
        assert!(from_now(Timestamp::from_millis(i64::MIN), now).ends_with(" years ago"));
    }

    #[test]
    fn lengths_are_said_in_two_units_at_most() {
        let cases = [
            (0, "0 seconds"),
            (90, "1 minute 30 seconds"),
            (900, "15 minutes"),
            (93_784, "1 day 2 hours"),
            (86_460, "1 day 1 minute"),
        ];
        for (seconds, want) in cases {
            assert_eq!(span(Duration::from_secs(seconds)), want);
        }
    }

    #[test]
    fn instants_for_machines_and_back() {
        let at = Timestamp::from_secs(1_763_780_000);
        assert_eq!(rfc3339(at), "2025-11-22T02:53:20Z");
        assert_eq!(rfc3339(Timestamp::MAX), Timestamp::MAX.to_string());
        for text in ["1763780000", "2025-11-22T02:53:20Z", "2025-11-22T03:53:20+01:00"] {
            assert_eq!(text.parse(), Ok(Moment(at)), "{text}");
        }
        for text in ["", "yesterday", "2025-11-22", "2025-11-22 02:53", "1763780000.5"] {
            assert_eq!(text.parse::<Moment>(), Err(NoMoment), "{text}");
        }
    }
}

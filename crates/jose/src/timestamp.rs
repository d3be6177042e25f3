//! Instants, and their form on the wire.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: whole milliseconds since the Unix epoch, leap seconds not counted.
///
/// No code of this workspace reads a clock below its outermost edge: `now` is an argument
/// everywhere, and this is its type. On the wire it travels as a [`NumericDate`].
///
/// ```
/// use gatepass_jose::Timestamp;
/// use std::time::Duration;
///
/// let issued = Timestamp::from_secs(1_700_000_000);
/// let expires = issued.saturating_add(Duration::from_secs(900));
/// assert_eq!(expires.since(issued), Duration::from_secs(900));
/// assert_eq!(issued.since(expires), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last instant that can be expressed; "never" where an end is asked for.
    pub const MAX: Self = Self(i64::MAX);
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch; saturates at the ends of the range.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `duration`; stops at the end of the range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Earlier by `duration`; stops at the end of the range.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let elapsed = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(elapsed).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(millis(after)),
            Err(before) => Self(millis(before.duration()).saturating_neg()),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Timestamp {
    /// Seconds since the epoch, with milliseconds where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, millis) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match (millis / 1000, millis % 1000) {
            (seconds, 0) => write!(f, "{sign}{seconds}"),
            (seconds, fraction) => write!(f, "{sign}{seconds}.{fraction:03}"),
        }
    }
}

/// A `NumericDate` ([RFC 7519 section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2)):
/// seconds since the epoch as a JSON number.
///
/// Reads integers and fractions (kept to the millisecond) and refuses strings, negative numbers
/// and what is past the year 9999. Writes an integer, because many verifiers expect one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(pub Timestamp);

/// 9999-12-31T23:59:59Z: past it a date is a mistake or an attack on the verifier's arithmetic.
const LAST_SECOND: i64 = 253_402_300_799;

impl From<Timestamp> for NumericDate {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl From<NumericDate> for Timestamp {
    fn from(date: NumericDate) -> Self {
        date.0
    }
}

impl Serialize for NumericDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.as_secs())
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;

        impl Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a NumericDate: seconds since 1970 as a number up to the year 9999")
            }

            fn visit_u64<E: de::Error>(self, secs: u64) -> Result<NumericDate, E> {
                match i64::try_from(secs) {
                    Ok(secs) if secs <= LAST_SECOND => Ok(NumericDate(Timestamp::from_secs(secs))),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(secs), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, secs: f64) -> Result<NumericDate, E> {
                if !(0.0..=LAST_SECOND as f64).contains(&secs) {
                    return Err(E::invalid_value(de::Unexpected::Float(secs), &self));
                }
                // In range by the line above. Rounded, because a binary fraction is a little off: 1.001 is
                // 1000.9999999999999 milliseconds.
                Ok(NumericDate(Timestamp::from_millis((secs * 1000.0).round() as i64)))
            }
        }

        deserializer.deserialize_any(Seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_dates_read_from_json() {
        let cases = [
            ("integer", "1700000000", Some(1_700_000_000_000)),
            ("zero", "0", Some(0)),
            ("fraction_keeps_milliseconds", "1.5", Some(1500)),
            ("fraction_that_binary_has_not", "1.001", Some(1001)),
            ("exponent", "1e3", Some(1_000_000)),
            ("last_second_of_9999", "253402300799", Some(253_402_300_799_000)),
            ("year_10000", "253402300800", None),
            ("negative", "-1", None),
            ("string", "\"1700000000\"", None),
            ("overflowing", "1e400", None),
            ("larger_than_u64", "99999999999999999999", None),
            ("null", "null", None),
            ("bool", "true", None),
        ];
        for (name, json, want) in cases {
            let read = serde_json::from_str::<NumericDate>(json).ok();
            assert_eq!(read.map(|date| date.0.as_millis()), want, "{name}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_secs(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
        let (earlier, later) = (Timestamp::from_millis(1500), Timestamp::from_millis(4000));
        assert_eq!(later.since(earlier), Duration::from_millis(2500));
        assert_eq!(earlier.since(later), Duration::ZERO);
        assert_eq!(later.saturating_sub(Duration::from_millis(2500)), earlier);
    }

    #[test]
    fn a_system_time_keeps_its_milliseconds_on_both_sides_of_the_epoch() {
        let span = Duration::new(1, 500_999_999);
        assert_eq!(Timestamp::from(UNIX_EPOCH + span), Timestamp::from_millis(1500));
        assert_eq!(Timestamp::from(UNIX_EPOCH - span), Timestamp::from_millis(-1500));
    }

    #[test]
    fn milliseconds_are_shown_where_there_are_any() {
        for (millis, want) in
            [(0, "0"), (1000, "1"), (1050, "1.050"), (-1, "-0.001"), (-1500, "-1.500"), (-2000, "-2")]
        {
            assert_eq!(Timestamp::from_millis(millis).to_string(), want);
        }
    }
}

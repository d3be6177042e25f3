//! What a route asks of a request's header fields, beside its path and method.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::header::{hop_by_hop, sole_value};

/// `headers = { "x-api-version" = "2", "x-beta" = { present = true } }`: all of these hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeaderConditions(Vec<(HeaderName, HeaderTest)>);

/// What one field has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderTest {
    /// It is there, whatever it is.
    Present,
    /// It stands once, and is this, byte for byte.
    Equals(HeaderValue),
}

/// A field that decides stands more than once: the service behind may go by another of its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

impl HeaderConditions {
    /// Each name stands once.
    pub(crate) fn new(tests: Vec<(HeaderName, HeaderTest)>) -> Self {
        Self(tests)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request with these fields meets all of them.
    ///
    /// A field that `Connection` names does not count: it ends at the gateway, and the service behind would
    /// not see what its rule was chosen by.
    pub(crate) fn met_by(&self, sent: &HeaderMap) -> Result<bool, Repeated> {
        for (name, test) in &self.0 {
            let met = match test {
                _ if !sent.contains_key(name) || hop_by_hop::is_nominated(sent, name) => false,
                HeaderTest::Present => true,
                HeaderTest::Equals(value) => sole_value(sent, name).ok_or(Repeated)? == value,
            };
            if !met {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether whatever meets these meets the others, too.
    pub(crate) fn imply(&self, others: &Self) -> bool {
        others.0.iter().all(|(name, other)| match (self.test_of(name), other) {
            (Some(_), HeaderTest::Present) => true,
            (Some(test), other) => test == other,
            (None, _) => false,
        })
    }

    /// Whether no request can meet both.
    pub(crate) fn exclude(&self, others: &Self) -> bool {
        others.0.iter().any(|(name, other)| match (self.test_of(name), other) {
            (Some(HeaderTest::Equals(value)), HeaderTest::Equals(other)) => value != other,
            _ => false,
        })
    }

    /// Greater than that of any conditions that these imply, unless those imply these as well.
    pub(crate) fn weight(&self) -> usize {
        let weight = |(_, test): &(HeaderName, HeaderTest)| match test {
            HeaderTest::Present => 1,
            HeaderTest::Equals(_) => 2,
        };
        self.0.iter().map(weight).sum()
    }

    fn test_of(&self, name: &HeaderName) -> Option<&HeaderTest> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, test)| test)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `*` stands for any value.
    pub(crate) fn conditions(tests: &[(&str, &str)]) -> HeaderConditions {
        let test = |value: &str| match value {
            "*" => HeaderTest::Present,
            value => HeaderTest::Equals(value.parse().unwrap()),
        };
        HeaderConditions(tests.iter().map(|(name, value)| (name.parse().unwrap(), test(value))).collect())
    }

    pub(crate) fn fields(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn what_meets_conditions() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(Fields, Fields, Result<bool, Repeated>); 13] = [
            (&[], &[], Ok(true)),
            (&[], &[("v", "1")], Ok(true)),
            (&[("v", "1")], &[], Ok(false)),
            (&[("v", "1")], &[("v", "1")], Ok(true)),
            (&[("v", "1")], &[("V", "1")], Ok(true)),
            (&[("v", "1")], &[("v", "1, 1")], Ok(false)),
            (&[("v", "a")], &[("v", "A")], Ok(false)),
            (&[("v", "1")], &[("v", "1"), ("v", "2")], Err(Repeated)),
            (&[("v", "1")], &[("v", "1"), ("v", "1")], Err(Repeated)),
            (&[("v", "*")], &[("v", "1"), ("v", "2")], Ok(true)),
            (&[("v", "*"), ("w", "1")], &[("v", "1")], Ok(false)),
            (&[("v", "1")], &[("v", "1"), ("connection", "close, V")], Ok(false)),
            (&[("v", "*")], &[("v", "1"), ("connection", "v")], Ok(false)),
        ];
        for (asked, sent, want) in cases {
            assert_eq!(conditions(asked).met_by(&fields(sent)), want, "{asked:?} {sent:?}");
        }
    }

    #[test]
    fn which_conditions_are_narrower() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(Fields, Fields, bool, bool, bool); 8] = [
            // one, other, the one implies the other, the other the one, no request meets both
            (&[("v", "1")], &[], true, false, false),
            (&[("v", "1")], &[("v", "*")], true, false, false),
            (&[("v", "1")], &[("v", "1")], true, true, false),
            (&[("v", "1")], &[("v", "2")], false, false, true),
            (&[("v", "1"), ("w", "1")], &[("v", "*")], true, false, false),
            (&[("v", "1")], &[("w", "1")], false, false, false),
            (&[("v", "1"), ("w", "1")], &[("v", "2")], false, false, true),
            (&[("v", "1"), ("w", "*")], &[("v", "*"), ("w", "1")], false, false, false),
        ];
        for (one, other, implies, implied, excluded) in cases {
            let (one, other) = (conditions(one), conditions(other));
            assert_eq!((one.imply(&other), other.imply(&one)), (implies, implied), "{one:?} {other:?}");
            assert_eq!((one.exclude(&other), other.exclude(&one)), (excluded, excluded), "{one:?} {other:?}");
            if implies && !implied {
                assert!(one.weight() > other.weight(), "{one:?} {other:?}");
            }
        }
    }
}

//! What becomes of header fields between the client and the upstream.

pub(crate) mod claim;
pub(crate) mod forwarded;
pub(crate) mod hop_by_hop;
pub(crate) mod reserved;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The value of a field that stands exactly once.
pub(crate) fn sole_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Removes every field whose name is meant. Allocates nothing, and looks at few fields twice: there is
/// seldom more than one to remove.
pub(crate) fn remove_fields(fields: &mut HeaderMap, meant: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = fields.keys().find(|name| meant(name)).cloned() {
        fields.remove(name);
    }
}

/// Whether a name reads like `wanted` (lower case, `-` between the words) to a server that takes any
/// character but letters and digits for the same: CGI, WSGI, Rack and PHP turn `X-User-Id`, `X_User_Id` and
/// `X.User.Id` into one variable.
pub(crate) fn reads_like(name: &[u8], wanted: &str) -> bool {
    name.len() == wanted.len()
        && name.iter().zip(wanted.bytes()).all(|(byte, wanted)| canonical(*byte) == wanted)
}

fn starts_like(name: &[u8], wanted: &str) -> bool {
    name.get(..wanted.len()).is_some_and(|start| reads_like(start, wanted))
}

fn canonical(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removal_takes_every_copy_and_nothing_else() {
        let mut fields = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("d", "5"), ("b", "6")] {
            fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        remove_fields(&mut fields, |name| matches!(name.as_str(), "a" | "c"));
        let mut left: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(left, [("b", "2"), ("b", "6"), ("d", "5")]);
    }

    #[test]
    fn a_field_that_stands_twice_has_no_sole_value() {
        let mut fields = HeaderMap::new();
        assert_eq!(sole_value(&fields, &HOST), None);
        fields.append(HOST, HeaderValue::from_static("a"));
        assert_eq!(sole_value(&fields, &HOST).unwrap(), "a");
        fields.append(HOST, HeaderValue::from_static("a"));
        assert_eq!(sole_value(&fields, &HOST), None);
    }

    const HOST: HeaderName = http::header::HOST;
}

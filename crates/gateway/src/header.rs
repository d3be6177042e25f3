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

/// Removes every field whose name is meant. Allocates nothing, and looks at few fields twice: there is seldom more than one to remove.
pub(crate) fn remove_fields(fields: &mut HeaderMap, meant: impl Fn(&HeaderName) -> bool) {
    while let Some(name) = fields.keys().find(|name| meant(name)).cloned() {
        fields.remove(name);
    }
}

/// Whether a name reads like `wanted` (lower case, `-` between the words) to a server that takes any character but letters and digits
/// for the same: CGI, WSGI, Rack and PHP turn `X-User-Id`, `X_User_Id` and `X.User.Id` into one variable.
fn reads_like(name: &[u8], wanted: &str) -> bool {
    name.len() == wanted.len() && name.iter().zip(wanted.bytes()).all(|(byte, wanted)| canonical(*byte) == wanted)
}

fn starts_like(name: &[u8], wanted: &str) -> bool {
    name.get(..wanted.len()).is_some_and(|start| reads_like(start, wanted))
}

fn canonical(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

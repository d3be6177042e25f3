//! A name for each request, in the log and in the answer, by which the two find each other.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use http::{HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LEN: usize = 64;

/// The name of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Names the request: as whoever is in front named it, if that is a name, else with 16 characters
/// that nobody can guess.
pub(crate) fn name(request: &mut Request) -> RequestId {
    let given = request.headers().get(X_REQUEST_ID).filter(|id| is_name(id)).cloned();
    let id = RequestId(given.unwrap_or_else(fresh));
    request.extensions_mut().insert(id.clone());
    id
}

/// Short, and of characters that cannot upset a log.
fn is_name(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_LEN).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

fn fresh() -> HeaderValue {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);

    let id = format!("{:016x}", KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)));
    // Hexadecimal digits are printable ASCII.
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_short_name_is_taken_over() {
        let cases =
            [("a-B_9.z", true), ("", false), ("a b", false), ("a\"", false), (&*"x".repeat(65), false)];
        for (id, ok) in cases {
            assert_eq!(is_name(&HeaderValue::from_str(id).unwrap()), ok, "{id}");
        }
        assert_ne!(fresh(), fresh());
        assert!(is_name(&fresh()));
    }
}

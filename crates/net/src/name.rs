//! Names that nobody else gives: of requests, by which the log and an answer find each other, of traces and of their spans.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// The longest name of a request that is taken over from a proxy.
const MAX_LEN: usize = 64;

/// 64 bits that this process gives once, and that say nothing of any others; never zero.
///
/// They are not secret: a keyed hash of a counter costs neither an allocation nor the system's randomness.
#[must_use]
pub fn fresh() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);

    KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)).max(1)
}

/// A new name for a request.
#[must_use]
pub fn request_id() -> HeaderValue {
    // Hexadecimal digits are printable ASCII.
    HeaderValue::try_from(format!("{:016x}", fresh())).unwrap_or(HeaderValue::from_static("-"))
}

/// Whether this can be the name of a request: short, and of characters that cannot upset a log.
#[must_use]
pub fn is_request_id(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_LEN).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_short_name_is_taken_over() {
        let cases =
            [("a-B_9.z", true), ("", false), ("a b", false), ("a\"", false), (&*"x".repeat(65), false)];
        for (id, ok) in cases {
            assert_eq!(is_request_id(&HeaderValue::from_str(id).unwrap()), ok, "{id}");
        }
        assert_ne!(request_id(), request_id());
        assert!(is_request_id(&request_id()));
    }
}

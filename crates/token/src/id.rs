//! Token identifiers that tell when they were made.

use std::fmt;

use gatepass_jose::{Timestamp, base64url};

/// The `jti` of a token that gatepass mints: 48 bits of milliseconds, then 80 random bits, as 22
/// characters of base64url.
///
/// `iat` counts whole seconds, because many verifiers expect an integer. That is too coarse for a
/// revocation: "everything minted before now" would spare what was minted earlier in this second,
/// or take what a user gets right after a change of roles. The instant in the `jti` decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; 16]);

/// How far `jti` may be ahead of `iat` for the instant in it to be believed: an issuer stamps tokens past
/// the reach of its last revocation, which is half a minute ahead and more when there are many.
const AGREEMENT_MILLIS: i64 = 600_000;

impl TokenId {
    /// An identifier for a token minted at `now`.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let [_, _, millis @ ..] = now.as_millis().max(0).to_be_bytes();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(millis.into_iter().chain(random)) {
            *to = from;
        }
        Self(bytes)
    }

    /// The instant it was made.
    #[must_use]
    pub fn minted_at(self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = self.0;
        Timestamp::from_millis(i64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads the text of an identifier; `None` for a `jti` of another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 22 {
            return None;
        }
        base64url::decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The instant a verified token was minted: to the millisecond where its `jti` is a [`TokenId`] that
/// agrees with `iat`, else `iat`. A foreign issuer's random `jti` agrees by chance once in half a
/// billion times.
#[must_use]
pub fn minted_at(jti: &str, iat: Timestamp) -> Timestamp {
    let agrees = |minted: &Timestamp| {
        let apart = minted.as_millis().saturating_sub(iat.as_millis());
        (0..AGREEMENT_MILLIS).contains(&apart)
    };
    TokenId::parse(jti).map(TokenId::minted_at).filter(agrees).unwrap_or(iat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_the_millisecond() {
        let at = Timestamp::from_millis(1_763_780_000_123);
        let id = TokenId::new(at, [0xff; 10]);
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(TokenId::parse(&id.to_string()), Some(id));
        assert_eq!(minted_at(&id.to_string(), Timestamp::from_secs(1_763_780_000)), at);
    }

    #[test]
    fn a_jti_that_contradicts_iat_is_not_believed() {
        let iat = Timestamp::from_secs(1_763_780_000);
        let later = TokenId::new(Timestamp::from_secs(1_763_780_600), [0; 10]).to_string();
        let earlier = TokenId::new(Timestamp::from_millis(1_763_779_999_999), [0; 10]).to_string();
        for jti in [
            later.as_str(),
            earlier.as_str(),
            "",
            "a",
            "b2f6c1e0-0000-4000-8000-000000000000",
            "______________________",
        ] {
            assert_eq!(minted_at(jti, iat), iat, "{jti}");
        }
    }
}

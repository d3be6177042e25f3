//! Refresh tokens: `family ‖ generation ‖ MAC`, under a key that is not in the store.
//!
//! A forged or mangled token is refused here, before the store is asked anything. The token of a
//! generation can be computed again, so that two tabs, a retry and a lost answer get the same one.

use std::fmt;

use aws_lc_rs::hmac;
use gatepass_jose::base64url;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::id::SessionId;

/// Lets people and scanners of leaked secrets recognise one.
const PREFIX: &str = "gpr_";
const FAMILY: usize = 16;
const BODY: usize = FAMILY + 4;
const TAG: usize = 32;

/// A refresh token that this issuer made: only [`mint`] and [`verify`] can give one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Genuine {
    pub(crate) family: SessionId,
    pub(crate) generation: u32,
}

/// The text is no refresh token of this issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a refresh token of this issuer")]
pub(crate) struct Forged;

/// The text of a refresh token. Wiped when dropped, and shows nothing in `Debug`.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// The text, for the cookie or body that carries it to the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// The token of `generation` in `family`; the same each time it is asked for.
pub(crate) fn mint(key: &hmac::Key, family: SessionId, generation: u32) -> RefreshToken {
    let body = body(family, generation);
    let mut token = Zeroizing::new(Vec::with_capacity(BODY + TAG));
    token.extend_from_slice(&body);
    token.extend_from_slice(hmac::sign(key, &body).as_ref());
    RefreshToken(Zeroizing::new(format!("{PREFIX}{}", base64url::encode(&token))))
}

/// Reads a token and checks its MAC, in constant time and without asking the store.
pub(crate) fn verify(key: &hmac::Key, text: &str) -> Result<Genuine, Forged> {
    // 70 characters for 52 bytes: anything else is not worth decoding.
    let encoded = text.strip_prefix(PREFIX).filter(|encoded| encoded.len() == 70).ok_or(Forged)?;
    let bytes = Zeroizing::new(base64url::decode(encoded).map_err(|_| Forged)?);
    let (body, tag) = bytes.split_at_checked(BODY).ok_or(Forged)?;
    hmac::verify(key, body, tag).map_err(|_| Forged)?;
    let (family, generation) = body.split_at_checked(FAMILY).ok_or(Forged)?;
    Ok(Genuine {
        family: SessionId::from_bytes(family.try_into().map_err(|_| Forged)?),
        generation: u32::from_be_bytes(generation.try_into().map_err(|_| Forged)?),
    })
}

fn body(family: SessionId, generation: u32) -> [u8; BODY] {
    let mut body = [0; BODY];
    let parts = family.as_bytes().iter().copied().chain(generation.to_be_bytes());
    for (to, from) in body.iter_mut().zip(parts) {
        *to = from;
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepass_jose::Timestamp;

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    #[test]
    fn a_token_is_the_same_each_time_and_reads_back() {
        let family = SessionId::new(Timestamp::from_secs(1_763_780_000), [3; 10]);
        let token = mint(&key(1), family, 7);
        assert_eq!(token.expose(), mint(&key(1), family, 7).expose());
        assert_eq!(verify(&key(1), token.expose()), Ok(Genuine { family, generation: 7 }));
        assert_eq!(verify(&key(2), token.expose()), Err(Forged), "another master key");
        assert!(!format!("{token:?}").contains(&token.expose()[8..20]));
    }

    #[test]
    fn a_token_changed_or_cut_anywhere_is_forged() {
        let token = mint(&key(1), SessionId::from_bytes([5; 16]), 1);
        let text = token.expose();
        for at in 0..text.len() {
            assert_eq!(verify(&key(1), &text[..at]), Err(Forged), "cut at {at}");
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, if &text[at..=at] == "A" { "B" } else { "A" });
            assert_eq!(verify(&key(1), &changed), Err(Forged), "changed at {at}");
        }
        for other in ["", "gpr_", &"A".repeat(74), &format!("{text}A"), &format!("{text} ")] {
            assert_eq!(verify(&key(1), other), Err(Forged), "{other}");
        }
    }
}

//! The code that a user types.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::secrets::{SecretError, random};

/// Consonants: no letter that looks like a digit or like another one, none with which a code becomes a word
/// ([RFC 8628 section 6.1](https://www.rfc-editor.org/rfc/rfc8628#section-6.1)).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// 20 to the power of 8 is 34 bits. Of a thousand codes that wait, one is hit once in 25 million guesses, and an
/// account has forty guesses in a code's life.
const LEN: usize = 8;

/// A user code: eight consonants, shown as `WDJB-MJHT` and read however a person types it.
///
/// ```
/// use gatepass_issuer::device::UserCode;
///
/// let code: UserCode = " wdjb mjht".parse()?;
/// assert_eq!(code.to_string(), "WDJB-MJHT");
/// # Ok::<(), gatepass_issuer::device::InvalidUserCode>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

/// The text is no user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a code is eight letters such as WDJB-MJHT")]
pub struct InvalidUserCode;

impl UserCode {
    /// A fresh one, each as likely as any other.
    pub(crate) fn generate() -> Result<Self, SecretError> {
        // 240 is the greatest multiple of 20 in a byte. Of 64 bytes more than 8 are below it, but for once in longer
        // than the world will last.
        let bytes = random::<64>()?.into_iter().filter(|byte| *byte < 240);
        let letters = bytes.filter_map(|byte| ALPHABET.get(usize::from(byte % 20)));
        let code: String = letters.take(LEN).map(|letter| char::from(*letter)).collect();
        if code.len() == LEN { Ok(Self(code)) } else { Err(SecretError::Random) }
    }

    /// The letters alone.
    pub(crate) fn letters(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserCode {
    type Err = InvalidUserCode;

    /// Upper and lower case are one, and spaces and punctuation are passed over (RFC 8628 section 6.1).
    fn from_str(text: &str) -> Result<Self, InvalidUserCode> {
        if text.len() > 64 {
            return Err(InvalidUserCode);
        }
        let typed = text.chars().filter(|c| !(c.is_whitespace() || c.is_ascii_punctuation()));
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let is_code = code.len() == LEN && code.bytes().all(|byte| ALPHABET.contains(&byte));
        if is_code { Ok(Self(code)) } else { Err(InvalidUserCode) }
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at_checked(LEN / 2).unwrap_or_default();
        write!(f, "{first}-{second}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let long = "B".repeat(65);
        let cases = [
            ("WDJB-MJHT", Some("WDJB-MJHT")),
            ("wdjbmjht", Some("WDJB-MJHT")),
            (" wd jb\u{a0}mj_ht.", Some("WDJB-MJHT")),
            ("", None),
            ("WDJB-MJH", None),
            ("WDJB-MJHTT", None),
            ("WDJB-MJHA", None),
            ("WDJB-MJH1", None),
            ("WDJB-MJHẞ", None),
            (&long, None),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<UserCode>().ok().map(|code| code.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn codes_differ_and_use_every_letter() {
        let codes: Vec<String> = (0..500).map(|_| UserCode::generate().unwrap().to_string()).collect();
        for letter in ALPHABET {
            assert!(codes.iter().any(|code| code.contains(char::from(*letter))), "{}", char::from(*letter));
        }
        for code in &codes {
            assert_eq!(code.parse::<UserCode>().unwrap().to_string(), *code);
            assert_eq!(codes.iter().filter(|other| *other == code).count(), 1, "{code}");
        }
    }
}

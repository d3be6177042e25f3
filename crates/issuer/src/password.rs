//! Passwords: Argon2id on a bounded pool that refuses what it cannot do in time.

mod decoys;
mod guessable;
mod hasher;
mod kept;
mod pool;

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

pub use guessable::Weakness;
pub use kept::InvalidHash;
pub use pool::Overloaded;

pub(crate) use decoys::{Decoys, SAMPLE};
pub(crate) use guessable::KnownWords;
pub(crate) use hasher::{Checked, Hasher};
pub(crate) use pool::HashPool;

/// A password as somebody typed it: at most 1,024 bytes, wiped when dropped, without `Display`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// The text cannot be anybody's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPassword {
    /// Nothing was given.
    #[error("a password must not be empty")]
    Empty,
    /// A new password is too short.
    #[error(
        "a new password has at least {at_least} characters; four or five unrelated words are easy to remember"
    )]
    TooShort {
        /// How many this issuer asks for.
        at_least: u32,
    },
    /// A new password is too easy to guess.
    #[error("it is too easy to guess: {0}; take four or five unrelated words")]
    Guessable(Weakness),
    /// Too long to be worth hashing.
    #[error("a password has at most 1024 bytes")]
    TooLong,
}

impl Password {
    /// Takes a password to be compared with one that is kept.
    ///
    /// # Errors
    /// [`InvalidPassword::Empty`] or [`InvalidPassword::TooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidPassword> {
        let text = Zeroizing::new(text.into());
        match text.len() {
            0 => Err(InvalidPassword::Empty),
            1..=1024 => Ok(Self(text)),
            _ => Err(InvalidPassword::TooLong),
        }
    }

    /// The text, for what must compare passwords without hashing them.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Checks the length that is asked of a new password and not of an old one, in characters.
    ///
    /// # Errors
    /// [`InvalidPassword::TooShort`].
    pub(crate) fn require_length(&self, policy: PasswordPolicy) -> Result<(), InvalidPassword> {
        let at_least = policy.min_length.max(PasswordPolicy::LEAST);
        match usize::try_from(at_least).is_ok_and(|least| self.0.chars().take(least).count() == least) {
            true => Ok(()),
            false => Err(InvalidPassword::TooShort { at_least }),
        }
    }

    /// Checks that a new password is not among the first that are guessed. Takes milliseconds.
    ///
    /// # Errors
    /// [`InvalidPassword::Guessable`].
    pub(crate) fn require_unguessable(&self, known: &KnownWords) -> Result<(), InvalidPassword> {
        guessable::weakness(self, known).map_or(Ok(()), |weakness| Err(InvalidPassword::Guessable(weakness)))
    }
}

/// What is asked of a new password; the list of common ones is always asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// How many characters it has at least, and never fewer than [`PasswordPolicy::LEAST`].
    pub min_length: u32,
}

impl PasswordPolicy {
    /// The least that can be asked for: NIST SP 800-63B-4 section 3.1.1.2, for a password beside another factor.
    pub const LEAST: u32 = 8;
}

impl Default for PasswordPolicy {
    /// 15 characters: the same section, for a password that is all there is.
    fn default() -> Self {
        Self { min_length: 15 }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password hash: Argon2id in PHC string form (`$argon2id$…`), or what another system made.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes a text as a store keeps it. What is no hash matches no password.
    #[must_use]
    pub fn from_phc(text: &str) -> Self {
        Self(text.into())
    }

    /// Takes a hash that another system made. The next login replaces it by Argon2id.
    ///
    /// Known are Argon2id, Argon2i, scrypt and PBKDF2 (SHA-1, SHA-256, SHA-512) as
    /// [PHC strings](https://github.com/P-H-C/phc-string-format), bcrypt (`$2a$`, `$2b$`, `$2y$`), and PBKDF2 as Django
    /// and passlib write it.
    ///
    /// # Errors
    /// [`InvalidHash`]; in particular when verifying it would take more than about two seconds or 128 MiB.
    pub fn import(text: &str) -> Result<Self, InvalidHash> {
        Ok(Self(kept::canonical(text)?.into()))
    }

    /// The text to keep.
    #[must_use]
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What hashing costs, and how much of it may be waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Threads that hash; each takes a core while it does.
    pub workers: usize,
    /// Passwords that may wait for a thread. With a full queue the next is refused at once.
    pub queue: usize,
}

impl Default for HashPolicy {
    /// Argon2id with 19 MiB and two passes (OWASP), one thread a core, two seconds' worth of queue.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_kib: 19 * 1024, passes: 2, workers, queue: 32 * workers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        assert_eq!(Password::new("").err(), Some(InvalidPassword::Empty));
        assert_eq!(Password::new("x".repeat(1025)).err(), Some(InvalidPassword::TooLong));
        let cases = [
            ("fourteen", 15, "x".repeat(14), Err(InvalidPassword::TooShort { at_least: 15 })),
            ("fifteen", 15, "x".repeat(15), Ok(())),
            ("characters_not_bytes", 15, "пароль".into(), Err(InvalidPassword::TooShort { at_least: 15 })),
            ("never_fewer_than_8", 0, "sevench".into(), Err(InvalidPassword::TooShort { at_least: 8 })),
            ("eight", 8, "пароль88".into(), Ok(())),
        ];
        for (name, min_length, text, want) in cases {
            assert_eq!(
                Password::new(text).unwrap().require_length(PasswordPolicy { min_length }),
                want,
                "{name}"
            );
        }
        assert!(!format!("{:?}", Password::new("hunter2").unwrap()).contains("hunter2"));
    }
}

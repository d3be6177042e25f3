//! What is looked at, and what is refused before any work is done on it.

use std::fmt;

/// Bounds on what comes from outside. They are checked before the work that they bound, so refusing a
/// hostile text costs no more than accepting a good one.
///
/// The defaults fit tokens in an HTTP header. Raise one where you know your issuer and why:
///
/// ```
/// use gatepass_jose::Limits;
/// let limits = Limits { token_bytes: 1024 * 1024, ..Limits::DEFAULT };
/// assert_eq!(limits.depth, 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole token, as it comes. 16 KiB.
    pub token_bytes: usize,
    /// Bytes of an encoded protected header. 2 KiB.
    pub header_bytes: usize,
    /// How deep arrays and objects of a JSON text may nest; 100 at most, whatever is set. 16.
    pub depth: usize,
    /// How many members one JSON object may have. 128.
    pub members: usize,
}

impl Limits {
    /// The limits where nothing else is said.
    pub const DEFAULT: Self =
        Self { token_bytes: 16 * 1024, header_bytes: 2 * 1024, depth: 16, members: 128 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A few characters of somebody else's text, safe to print: bounded, and without control characters
/// that would forge a line of a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

/// Characters that are kept.
const KEPT: usize = 80;

impl Excerpt {
    /// What is told of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut kept: String = text.chars().take(KEPT).flat_map(char::escape_debug).collect();
        if text.chars().nth(KEPT).is_some() {
            kept.push('…');
        }
        Self(kept.into())
    }

    /// The text, escaped and cut.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was found where something else was expected, as part of a sentence.
pub(crate) fn or_nothing(excerpt: Option<&Excerpt>) -> String {
    excerpt.map_or_else(|| "nothing".to_owned(), Excerpt::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_that_are_written_down() {
        let written = Limits { token_bytes: 16_384, header_bytes: 2048, depth: 16, members: 128 };
        assert_eq!(Limits::default(), written);
    }

    #[test]
    fn an_excerpt_is_short_and_stays_on_its_line() {
        assert_eq!(Excerpt::of("a\nb\u{1b}[31m").as_str(), "a\\nb\\u{1b}[31m");
        assert_eq!(Excerpt::of(&"x".repeat(KEPT)).as_str(), "x".repeat(KEPT));
        assert_eq!(Excerpt::of("a\tb").to_string(), r#""a\tb""#);
        assert_eq!(or_nothing(Some(&Excerpt::of("x"))), r#""x""#);
        assert_eq!(or_nothing(None), "nothing");
        assert_eq!(Excerpt::of(&"é".repeat(10_000)).as_str().chars().count(), KEPT + 1);
    }
}

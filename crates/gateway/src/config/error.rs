//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// Why a configuration was refused.
///
/// Displays as one sentence that begins with the line: ``line 12: unknown field `upstrem`; did you mean
/// `upstream`?``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    line: Option<usize>,
    message: String,
    hint: Option<String>,
}

/// Why a configuration file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file was read, and refused.
    #[error("{}: {error}", path.display())]
    Refused {
        /// The file that was asked for.
        path: PathBuf,
        /// What is wrong with it.
        error: ConfigError,
    },
}

impl ConfigError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into(), hint: None }
    }

    pub(super) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the TOML reader refused: the syntax, a type, or a key that is not known.
    pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> Self {
        let message = error.message().trim().replace('\n', "; ");
        let hint = suggestion(&message);
        Self { line: error.span().map(|span| line_of(text, &span)), message, hint }
    }

    /// The line, counted from 1, where there is one to name.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead, where that is known.
    pub fn suggestion(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The line, counted from 1, in which a span starts.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
}

/// The known word nearest to what was written, if it is near enough to have been meant.
///
/// ```
/// use gatepass_gateway::nearest;
///
/// assert_eq!(nearest("lsiten", ["issuer", "listen"]), Some("listen"));
/// assert_eq!(nearest("colour", ["issuer", "listen"]), None);
/// ```
pub fn nearest<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near_enough = 1 + written.len() / 4;
    let distances = known.into_iter().map(|word| (edit_distance(written, word), word));
    distances.filter(|(distance, _)| *distance <= near_enough).min().map(|(_, word)| word)
}

/// The reader names what it found and what it knows between backticks, in this order.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let written = quoted.next()?;
    nearest(written, quoted).map(|word| format!("did you mean `{word}`?"))
}

/// Levenshtein's distance, with two swapped neighbours counted as one edit.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut two_up: Vec<usize> = Vec::new();
    let mut up: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (row, letter) in left.chars().enumerate() {
        let mut here = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&up, column) + usize::from(letter != *other);
            let mut best = replaced.min(at(&up, column + 1) + 1).min(at(&here, column) + 1);
            let swapped = column > 0 && last == Some(*other) && right.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&two_up, column - 1) + 1);
            }
            here.push(best);
        }
        two_up = std::mem::replace(&mut up, here);
        last = Some(letter);
    }
    up.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("scope", "scope", 0),
            ("scpoe", "scope", 1),
            ("scopes", "scope", 1),
            ("path", "host", 4),
        ];
        for (left, right, want) in cases {
            assert_eq!(edit_distance(left, right), want, "{left} {right}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["path", "methods", "upstream", "require"];
        let cases = [
            ("upstrem", Some("upstream")),
            ("method", Some("methods")),
            ("reqiure", Some("require")),
            ("timeout", None),
            ("x", None),
        ];
        for (written, want) in cases {
            assert_eq!(nearest(written, known), want, "{written}");
        }
    }
}

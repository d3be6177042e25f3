//! How a command that people and scripts judge ends: its exit code, and what it says when it cannot go on.

use std::fmt;
use std::process::ExitCode;

/// What a command that ran to its end found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well: 0.
    Good,
    /// The token, the key or the service was looked at and is not good: 1.
    Refused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good => Self::SUCCESS,
            Outcome::Refused => Self::from(1),
        }
    }
}

/// An error that says what happened, where, and what to try.
#[derive(Debug)]
pub(crate) struct Complaint {
    what: String,
    place: Option<String>,
    remedy: Option<String>,
    code: u8,
}

impl Complaint {
    /// Something was looked at and cannot be used: exit code 1.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, remedy: None, code: 1 }
    }

    /// The command was used wrongly, or its input cannot be read: exit code 2.
    pub(crate) fn unusable(what: impl Into<String>) -> Self {
        Self { code: 2, ..Self::refused(what) }
    }

    /// Says where, and what about it.
    #[must_use]
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Self { place: Some(place.to_string()), ..self }
    }

    /// Says what to do: a command that can be pasted, or a sentence.
    #[must_use]
    pub(crate) fn try_this(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The lines below the first, each with its label.
    pub(crate) fn details(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let place = self.place.as_deref().map(|place| ("where:", place));
        let remedy = self.remedy.as_deref().map(|remedy| ("try:", remedy));
        place.into_iter().chain(remedy)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Complaint {}

/// The exit code of a command that failed: what its complaint says, 1 for any other error.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    error.downcast_ref::<Complaint>().map_or(ExitCode::FAILURE, |complaint| ExitCode::from(complaint.code))
}

//! What was found.

use std::fmt;

use serde::Serialize;

use crate::baseline::Baseline;
use crate::class::Class;

/// What came of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every variant was refused.
    Refused,
    /// A variant was accepted.
    LetIn,
    /// None was accepted, but the service went to an address that the token named.
    Fetched,
    /// None was accepted, but one made the service fail, hang, or go away.
    Broke,
    /// A variant was accepted, and no rule forbids that.
    Noted,
    /// Nothing is known: something was missing that it needs, or it does not apply to this token.
    NotTested,
}

impl Outcome {
    /// Whether the service has a mistake of this class.
    #[must_use]
    pub fn is_finding(self) -> bool {
        matches!(self, Self::LetIn | Self::Fetched | Self::Broke)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::LetIn => "LET IN",
            Self::Fetched => "FETCHED",
            Self::Broke => "BROKE",
            Self::Noted => "noted",
            Self::NotTested => "not tested",
        })
    }
}

/// What came of one class, with the requests that show it.
#[derive(Clone, Debug, Serialize)]
pub struct ClassReport {
    /// The class's stable id.
    pub id: &'static str,
    /// What was sent.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// How many variants were sent.
    pub sent: usize,
    /// Why it was not tested, or not wholly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it means that the service lets it in.
    pub means: &'static str,
    /// Where the rule or an example is written down.
    pub reference: &'static str,
    /// One per variant that was not refused.
    pub findings: Vec<Finding>,
}

/// A variant that was not refused.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which variant.
    pub variant: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What gave it away.
    pub evidence: String,
    /// A command line that repeats the request, with the good token in `$TOKEN`.
    pub request: String,
}

impl ClassReport {
    pub(crate) fn not_tested(class: &Class, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..Self::of(class) }
    }

    pub(crate) fn of(class: &Class) -> Self {
        Self {
            id: class.id,
            name: class.name,
            outcome: Outcome::NotTested,
            sent: 0,
            why: None,
            means: class.means,
            reference: class.reference,
            findings: Vec::new(),
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The URL that was attacked.
    pub target: String,
    /// The algorithm of the good token.
    pub alg: String,
    /// How known tokens were answered.
    pub baseline: Baseline,
    /// How many requests were sent.
    pub requests: usize,
    /// Why the run ended before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// One per class, in the order in which they were tried.
    pub classes: Vec<ClassReport>,
}

/// What a run says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was tested was refused.
    AllRefused,
    /// At least one class was not.
    Found,
    /// The run was stopped, or nothing could be tested.
    Unknown,
}

impl Report {
    /// How many classes came out so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.classes.iter().filter(|class| class.outcome == outcome).count()
    }

    /// What all of it says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let tested = self.classes.iter().any(|class| class.outcome != Outcome::NotTested);
        if self.classes.iter().any(|class| class.outcome.is_finding()) {
            Verdict::Found
        } else if self.stopped.is_some() || !tested {
            Verdict::Unknown
        } else {
            Verdict::AllRefused
        }
    }
}

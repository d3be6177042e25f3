//! The rules: a stable id, a name, and everything that is said about each. One row per rule.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use thiserror::Error;

/// Declares rules and the table of them, so that no rule is without its row.
macro_rules! rules {
    ($($name:ident = $rule:expr;)*) => {
        $(pub(crate) static $name: Rule = $rule;)*
        pub(super) static TABLE: &[&Rule] = &[$(&$name),*];
    };
}

mod claims;
mod content;
mod header;
mod key;
mod lifetime;
mod size;
mod transport;

pub(crate) use claims::*;
pub(crate) use content::*;
pub(crate) use header::*;
pub(crate) use key::*;
pub(crate) use lifetime::*;
pub(crate) use size::*;
pub(crate) use transport::*;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; often right as it is.
    Note,
    /// Weakens something, or will hurt one day.
    Warning,
    /// An attack works, or a verifier refuses it.
    Error,
}

/// The text names no [`Severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a severity is one of error, warning and note")]
pub struct UnknownSeverity;

impl Severity {
    /// `note`, `warning` or `error`: the words of SARIF's `level`, too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        [Self::Note, Self::Warning, Self::Error]
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or(UnknownSeverity)
    }
}

/// One thing that can be wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// `GP` and three digits. Never given to another rule.
    pub id: &'static str,
    /// The rule in a few words with hyphens.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub summary: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// The document and section that say so.
    pub reference: &'static str,
    /// Where the rule speaks.
    pub bad: Sample,
    /// Where it is silent.
    pub good: Sample,
}

/// An example of a rule. All but [`Sample::Words`] are read by the linter in a test.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Sample {
    /// The protected header of a token.
    Header(&'static str),
    /// The claims of an access token.
    Claims(&'static str),
    /// Header and claims.
    Token(&'static str, &'static str),
    /// A JWK or a JWK Set.
    Keys(&'static str),
    /// A line of a log, where `TOKEN` stands for a token.
    Log(&'static str),
    /// What is too long to be shown, in words.
    Words(&'static str),
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(header, claims) => write!(f, "{header} {claims}"),
            Self::Header(text)
            | Self::Claims(text)
            | Self::Keys(text)
            | Self::Log(text)
            | Self::Words(text) => f.write_str(text),
        }
    }
}

impl Rule {
    /// All rules, in the order of their ids.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FAMILIES.iter().flat_map(|family| family.rules.iter().copied())
    }

    /// The rule of that id or name; letter case does not matter.
    #[must_use]
    pub fn find(text: &str) -> Option<&'static Self> {
        let text = text.trim();
        Self::all().find(|rule| rule.id.eq_ignore_ascii_case(text) || rule.name.eq_ignore_ascii_case(text))
    }

    /// What the rules of this one's hundred are about.
    #[must_use]
    pub fn family(&self) -> &'static str {
        FAMILIES.iter().find(|family| self.id.starts_with(family.prefix)).map_or("", |family| family.about)
    }

    /// The reference as an address, where it is an RFC.
    ///
    /// ```
    /// # use gatepass_lint::Rule;
    /// let rule = Rule::find("GP104").unwrap();
    /// assert_eq!(rule.url().as_deref(), Some("https://www.rfc-editor.org/rfc/rfc7518#section-3.2"));
    /// ```
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let mut words = self.reference.strip_prefix("RFC ")?.split(' ');
        let document = words.next()?;
        match (words.next(), words.next()) {
            (Some("section"), Some(section)) => {
                Some(format!("https://www.rfc-editor.org/rfc/rfc{document}#section-{section}"))
            }
            _ => Some(format!("https://www.rfc-editor.org/rfc/rfc{document}")),
        }
    }

    /// All that is known about the rule, as Markdown that reads well as plain text, too.
    #[must_use]
    pub fn explanation(&self) -> String {
        let Self { id, name, severity, summary, why, mend, reference, bad, good, .. } = self;
        let reference = match self.url() {
            Some(url) => format!("{reference}: <{url}>"),
            None => (*reference).to_owned(),
        };
        format!(
            "## {id} {name} ({severity})\n\n{summary}\n\n{}\n\n{}\n\n- bad: {}\n- good: {}\n- see {reference}\n",
            wrapped(why),
            wrapped(&format!("**Mend.** {mend}")),
            quoted_sample(bad),
            quoted_sample(good)
        )
    }

    /// The row as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "family": self.family(),
            "severity": self.severity.name(),
            "summary": self.summary,
            "why": self.why,
            "mend": self.mend,
            "reference": self.reference,
            "url": self.url(),
            "bad": self.bad.to_string(),
            "good": self.good.to_string(),
        })
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

struct Family {
    prefix: &'static str,
    about: &'static str,
    rules: &'static [&'static Rule],
}

/// A rule's position among [`Rule::all`] is its index in SARIF output.
static FAMILIES: [Family; 7] = [
    Family { prefix: "GP1", about: "algorithm and header", rules: header::TABLE },
    Family { prefix: "GP2", about: "keys", rules: key::TABLE },
    Family { prefix: "GP3", about: "lifetime and clock", rules: lifetime::TABLE },
    Family { prefix: "GP4", about: "claims", rules: claims::TABLE },
    Family { prefix: "GP5", about: "personal data and secrets", rules: content::TABLE },
    Family { prefix: "GP6", about: "size", rules: size::TABLE },
    Family { prefix: "GP7", about: "transport and logs", rules: transport::TABLE },
];

const LINE: usize = 100;

/// Breaks lines between words.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > LINE {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
    }
    lines
}

/// As code, unless it is words.
fn quoted_sample(sample: &Sample) -> String {
    match sample {
        Sample::Words(text) => (*text).to_owned(),
        _ => format!("`{sample}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_ordered_and_of_their_family() {
        let ids: Vec<&str> = Rule::all().map(|rule| rule.id).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for family in &FAMILIES {
            for rule in family.rules {
                assert!(rule.id.starts_with(family.prefix) && rule.id.len() == 5, "{}", rule.id);
                assert_eq!(rule.family(), family.about);
            }
        }
        assert_eq!(Rule::find("GP104").map(Rule::family), Some("algorithm and header"));
        assert_eq!(Rule::find("gp104"), Rule::find("ALG-symmetric"));
        assert_eq!(Rule::find("GP999"), None);
    }

    #[test]
    fn every_row_is_complete_and_well_spelt() {
        let mut names = BTreeSet::new();
        for rule in Rule::all() {
            let id = rule.id;
            assert!(names.insert(rule.name), "{id}: the name is another rule's");
            let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(rule.name.chars().all(in_name), "{id}: {}", rule.name);
            for sentence in [rule.summary, rule.why, rule.mend] {
                assert!(sentence.ends_with('.') && !sentence.contains("  "), "{id}: {sentence:?}");
                assert!(!sentence.contains('\n'), "{id}: {sentence:?}");
            }
            assert!(rule.summary.len() < 100, "{id}: {}", rule.summary);
            assert!(rule.why.len() > 80, "{id}: why it matters is said too briefly");
            let explanation = rule.explanation();
            assert!(explanation.contains(id) && explanation.contains("**Mend.**"), "{explanation}");
        }
        assert!(names.len() > 100, "{}", names.len());
    }

    #[test]
    fn references_become_addresses() {
        let url = |reference| Rule { reference, ..copy(&ALG_NONE) }.url();
        assert_eq!(
            url("RFC 9700 section 4.3.2").as_deref(),
            Some("https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2")
        );
        assert_eq!(url("RFC 9864").as_deref(), Some("https://www.rfc-editor.org/rfc/rfc9864"));
        assert_eq!(url("NIST SP 800-131A"), None);
    }

    fn copy(rule: &Rule) -> Rule {
        Rule { ..*rule }
    }

    #[test]
    fn severities_are_read_as_they_are_written() {
        for severity in [Severity::Note, Severity::Warning, Severity::Error] {
            assert_eq!(severity.to_string().parse(), Ok(severity));
        }
        assert_eq!("fatal".parse::<Severity>(), Err(UnknownSeverity));
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Note);
    }
}

//! What a run of the linter ends in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{Finding, Place, Rule, Severity};

/// All findings of a run, and what they are about.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// In the order in which they were found, at most so many of each rule as the linter keeps.
    pub findings: Vec<Finding>,
    /// How many there were of each severity, those that were not kept included.
    pub counts: Counts,
    /// Of which rules there were more than are kept, and how many more.
    pub omitted: BTreeMap<&'static str, u64>,
    /// How many tokens were read; one that repeats in a log counts each time.
    pub tokens: u64,
    /// How many keys were read.
    pub keys: u64,
    /// What was left undone, and why, as sentences.
    pub remarks: Vec<String>,
    pub(crate) most_per_rule: usize,
    pub(crate) ignored: Vec<&'static Rule>,
    kept: BTreeMap<&'static str, usize>,
}

/// Findings of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the severities' own names
pub struct Counts {
    pub errors: u64,
    pub warnings: u64,
    pub notes: u64,
}

impl Report {
    /// Whether something of that severity or a worse one was found.
    #[must_use]
    pub fn has(&self, least: Severity) -> bool {
        let Counts { errors, warnings, notes } = self.counts;
        errors > 0 || (least <= Severity::Warning && warnings > 0) || (least <= Severity::Note && notes > 0)
    }

    /// For machines: the stable form of [`Report`].
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "tokens": self.tokens,
            "keys": self.keys,
            "counts": {
                "error": self.counts.errors,
                "warning": self.counts.warnings,
                "note": self.counts.notes,
            },
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "omitted": self.omitted,
            "remarks": self.remarks,
        })
    }

    /// SARIF 2.1.0, for code scanning.
    #[must_use]
    pub fn to_sarif(&self) -> Value {
        crate::sarif::log(self)
    }

    /// An empty report that keeps so many findings of each rule.
    pub(crate) fn keeping(most_per_rule: usize) -> Self {
        Self { most_per_rule, ..Self::default() }
    }

    fn add(&mut self, rule: &'static Rule, place: impl FnOnce() -> Place, message: fmt::Arguments<'_>) {
        if self.ignored.contains(&rule) {
            return;
        }
        let count = match rule.severity {
            Severity::Error => &mut self.counts.errors,
            Severity::Warning => &mut self.counts.warnings,
            Severity::Note => &mut self.counts.notes,
        };
        *count += 1;
        let kept = self.kept.entry(rule.id).or_default();
        if *kept >= self.most_per_rule {
            *self.omitted.entry(rule.id).or_default() += 1;
            return;
        }
        *kept += 1;
        self.findings.push(Finding { rule, place: place(), message: message.to_string() });
    }
}

/// Where the checks of one token or key put what they find.
pub(crate) struct Found<'r> {
    pub(crate) report: &'r mut Report,
    pub(crate) source: &'r Arc<str>,
    pub(crate) line: u64,
    pub(crate) column: u64,
    /// Before the path of each finding: `signatures[1].`
    pub(crate) prefix: &'r str,
}

impl Found<'_> {
    /// Adds a finding. The message is only made when it is kept.
    pub(crate) fn add(&mut self, rule: &'static Rule, path: impl fmt::Display, message: fmt::Arguments<'_>) {
        let Self { report, source, line, column, prefix } = self;
        let place = || Place {
            source: Arc::clone(source),
            line: *line,
            column: *column,
            path: format!("{prefix}{path}"),
        };
        report.add(rule, place, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{ALG_NONE, ALG_SYMMETRIC, EXPIRED};

    fn add(report: &mut Report, rule: &'static Rule, path: &str) {
        let source = Arc::from("x");
        Found { report, source: &source, line: 1, column: 1, prefix: "" }.add(rule, path, format_args!("m"));
    }

    #[test]
    fn what_is_too_much_is_counted_and_not_kept() {
        let mut report = Report { ignored: vec![&EXPIRED], ..Report::keeping(2) };
        for _ in 0..5 {
            add(&mut report, &ALG_NONE, "header.alg");
        }
        add(&mut report, &ALG_SYMMETRIC, "header.alg");
        add(&mut report, &EXPIRED, "payload.exp");
        assert_eq!(report.findings.len(), 3);
        assert_eq!(report.counts, Counts { errors: 5, warnings: 0, notes: 1 });
        assert_eq!(report.omitted, BTreeMap::from([("GP101", 3)]));
    }

    #[test]
    fn a_report_knows_its_worst() {
        let cases = [
            (None, [false, false, false]),
            (Some(&ALG_SYMMETRIC), [true, false, false]),
            (Some(&crate::rule::TYP_MISSING), [true, true, false]),
            (Some(&ALG_NONE), [true, true, true]),
        ];
        for (rule, want) in cases {
            let mut report = Report::keeping(1);
            if let Some(rule) = rule {
                add(&mut report, rule, "");
            }
            let has = [Severity::Note, Severity::Warning, Severity::Error].map(|least| report.has(least));
            assert_eq!(has, want, "{rule:?}");
        }
    }
}

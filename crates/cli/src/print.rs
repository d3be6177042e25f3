//! What people see.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::complaint::Complaint;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// An error with where it happened and what to try, or with its causes, on standard error.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("{ERROR}error:{ERROR:#} {error}");
    for (label, text) in error.downcast_ref::<Complaint>().into_iter().flat_map(Complaint::details) {
        anstream::eprintln!("  {label:<7}{text}");
    }
    for cause in causes(error) {
        anstream::eprintln!("  because: {cause}");
    }
}

/// What is behind an error, but for what it says itself: many end with their cause.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.ends_with(&cause) {
            causes.push(cause.clone());
        }
        said = cause;
    }
    causes
}

/// Something to think of, beside an answer; on standard error.
pub(crate) fn warn(text: impl AsRef<str>) {
    anstream::eprintln!("{WARNING}warning:{WARNING:#} {}", text.as_ref());
}

/// Text in the terminal's strong style, where it has one.
pub(crate) fn strong(text: &str) -> String {
    format!("{STRONG}{text}{STRONG:#}")
}

/// Text that says that something is well.
pub(crate) fn good(text: &str) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}

/// Text that says that something is refused.
pub(crate) fn bad(text: &str) -> String {
    format!("{BAD}{text}{BAD:#}")
}

/// Text to be careful about.
pub(crate) fn warning(text: &str) -> String {
    format!("{WARNING}{text}{WARNING:#}")
}

/// Text that matters less than what stands around it.
pub(crate) fn faint(text: &str) -> String {
    format!("{FAINT}{text}{FAINT:#}")
}

/// A line on standard output. A reader that has gone away is no error.
pub(crate) fn line(text: impl AsRef<str>) {
    let _ = writeln!(anstream::stdout(), "{}", text.as_ref());
}

/// JSON for machines, indented for the people who look at it all the same.
pub(crate) fn json(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Rows under a heading, in columns as wide as they need.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) {
    let heading: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&heading]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let join = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    line(strong(&join(&heading)));
    for row in rows {
        line(join(row));
    }
}

/// A member of a JSON object as one would say it: a list with commas, nothing for null.
pub(crate) fn said(value: &Value, member: &str) -> String {
    match value.get(member) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect();
            items.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let root = || std::io::Error::other("no such file");
        let cases = [
            (anyhow::Error::from(root()), vec![]),
            (anyhow::Error::from(root()).context("cannot read a"), vec!["no such file"]),
            (anyhow::Error::from(root()).context("cannot read a: no such file"), vec![]),
            (
                anyhow::Error::from(root())
                    .context("cannot read a: no such file")
                    .context("the start failed"),
                vec!["cannot read a: no such file"],
            ),
        ];
        for (error, want) in cases {
            assert_eq!(causes(&error), want, "{error:#}");
        }
    }
}

//! The documents that say what is held by which test: every demand of the standards, every attack. The tests have to be there, and
//! the numbers at the top have to be true.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const DOCUMENTS: [&str; 2] = ["docs/requirements.md", "docs/attacks.md"];
/// The row of the first table that adds up all others.
const ALL: &str = "all";
/// What stands first in the head of a table.
const HEADS: [&str; 4] = ["document", "section", "aim", "attack"];

/// How many requirements there are, how many a test holds, how many do not apply, how many are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    requirements: usize,
    held: usize,
    not_applicable: usize,
    gaps: usize,
}

/// What stands in the last column of a row.
#[derive(Debug, PartialEq, Eq)]
enum Held<'d> {
    By(Vec<Test<'d>>),
    NotApplicable,
    Gap,
}

/// A test as the document names it.
#[derive(Debug, PartialEq, Eq)]
struct Test<'d> {
    file: &'d str,
    function: &'d str,
}

/// Reads the documents, and the files of the tests that they name.
///
/// # Errors
/// A document cannot be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = BTreeMap::new();
    let mut all = Vec::new();
    for document in DOCUMENTS {
        let text =
            fs::read_to_string(root.join(document)).with_context(|| format!("cannot read {document}"))?;
        all.extend(findings(document, &text, |test| {
            let source = files
                .entry(test.file.to_owned())
                .or_insert_with(|| fs::read_to_string(root.join(test.file)).unwrap_or_default());
            has_test(source, test.function)
        }));
    }
    Ok(all)
}

fn findings(document: &str, text: &str, mut exists: impl FnMut(&Test<'_>) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut said, mut found) = (BTreeMap::new(), BTreeMap::<&str, Counts>::new());
    let mut part = None;
    for (number, line) in text.lines().enumerate() {
        let at = format!("{document}:{}", number + 1);
        if let Some(heading) = line.strip_prefix("## ") {
            part = Some(heading);
            found.insert(heading, Counts::default());
            continue;
        }
        let Some(cells) = row(line) else { continue };
        match (part, cells.as_slice()) {
            (None, [name, numbers @ ..]) => match counts(numbers) {
                Some(counts) => drop(said.insert(*name, counts)),
                None => findings.push(format!("{at}: a part is counted in four numbers")),
            },
            (Some(part), [_, _, held]) => match read(held) {
                Some(held) => {
                    found.entry(part).or_default().add(&held);
                    let Held::By(tests) = held else { continue };
                    let missing = tests.iter().filter(|test| !exists(test));
                    findings.extend(
                        missing.map(|test| format!("{at}: no test `{}` in {}", test.function, test.file)),
                    );
                }
                None => findings.push(format!(
                    "{at}: the last column is tests (`file: name, name`), or `none: ` or `**gap**: ` with the reason"
                )),
            },
            (Some(_), _) => findings.push(format!("{at}: a row has three columns")),
            (None, []) => {}
        }
    }
    let all = found.values().fold(Counts::default(), |all, part| all.plus(*part));
    found.insert(ALL, all);
    for (part, counts) in &found {
        if said.remove(part) != Some(*counts) {
            findings.push(format!("{document}: of {part} it has to say at the top: {counts}"));
        }
    }
    findings.extend(said.into_keys().map(|part| format!("{document}: counts {part}, which is not there")));
    findings
}

/// The cells of a table's row, unless it is its head.
fn row(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let first = cells.first()?;
    let is_head = first.starts_with("---") || HEADS.contains(first);
    (!is_head).then_some(cells)
}

fn counts(numbers: &[&str]) -> Option<Counts> {
    let numbers = numbers.iter().map(|number| number.parse().ok()).collect::<Option<Vec<usize>>>()?;
    let [requirements, held, not_applicable, gaps] = numbers.as_slice() else { return None };
    Some(Counts { requirements: *requirements, held: *held, not_applicable: *not_applicable, gaps: *gaps })
}

fn read(cell: &str) -> Option<Held<'_>> {
    let says_why = |rest: &str| !rest.trim().is_empty();
    if let Some(reason) = cell.strip_prefix("none: ") {
        return says_why(reason).then_some(Held::NotApplicable);
    }
    if let Some(reason) = cell.strip_prefix("**gap**: ") {
        return says_why(reason).then_some(Held::Gap);
    }
    let mut tests = Vec::new();
    for (at, text) in cell.split('`').enumerate() {
        if at % 2 == 0 {
            if !matches!(text.trim(), "" | ",") {
                return None;
            }
            continue;
        }
        let (file, functions) = text.split_once(": ")?;
        tests.extend(functions.split(", ").map(|function| Test { file, function }));
    }
    (!tests.is_empty()).then_some(Held::By(tests))
}

/// Whether a function of this name stands there below an attribute that makes a test of it.
fn has_test(source: &str, name: &str) -> bool {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.contains("test");
        } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
            let this = rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
            if this && is_test {
                return true;
            }
            is_test = false;
        } else if !line.starts_with("//") {
            is_test = false;
        }
    }
    false
}

impl Counts {
    fn add(&mut self, held: &Held<'_>) {
        self.requirements += 1;
        match held {
            Held::By(_) => self.held += 1,
            Held::NotApplicable => self.not_applicable += 1,
            Held::Gap => self.gaps += 1,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requirements: self.requirements + other.requirements,
            held: self.held + other.held,
            not_applicable: self.not_applicable + other.not_applicable,
            gaps: self.gaps + other.gaps,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} | {} | {} | {}", self.requirements, self.held, self.not_applicable, self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
# Requirements

| document | requirements | held | not applicable | gaps |
|---|---|---|---|---|
| RFC 1 | 3 | 1 | 1 | 1 |
| all | 3 | 1 | 1 | 1 |

## RFC 1

| section | requirement | test |
|---|---|---|
| 1 | one | `a.rs: b, c`, `d.rs: e` |
| 2 | two | none: not offered |
| 3 | three | **gap**: nobody looked |
";

    fn all_but(missing: &str, text: &str) -> Vec<String> {
        findings("docs/requirements.md", text, |test| test.function != missing)
    }

    #[test]
    fn a_document_that_is_true_has_no_findings() {
        assert_eq!(all_but("", GOOD), [""; 0]);
    }

    #[test]
    fn what_is_no_longer_true_is_found() {
        let cases = [
            (
                "counted_wrong",
                "| RFC 1 | 3 | 1 | 1 | 1 |",
                "| RFC 1 | 3 | 2 | 1 | 0 |",
                "of RFC 1 it has to say",
            ),
            ("added_wrong", "| all | 3", "| all | 4", "of all it has to say"),
            ("not_counted", "| RFC 1 | 3 | 1 | 1 | 1 |\n", "", "of RFC 1 it has to say"),
            ("not_there", "| all |", "| RFC 2 | 0 | 0 | 0 | 0 |\n| all |", "counts RFC 2"),
            ("no_number", "| all | 3 |", "| all | many |", "four numbers"),
            ("no_reason", "none: not offered", "none", "the last column"),
            ("no_reason_for_a_gap", "**gap**: nobody looked", "**gap**", "the last column"),
            ("no_file", "`a.rs: b, c`", "`b`", "the last column"),
            ("prose", "`a.rs: b, c`", "`a.rs: b` or so", "the last column"),
            ("a_column_more", "| two |", "| two | three |", "three columns"),
        ];
        for (name, from, to, want) in cases {
            let found = all_but("", &GOOD.replacen(from, to, 1));
            assert!(found.iter().any(|finding| finding.contains(want)), "{name}: {found:?}");
        }
        assert_eq!(all_but("c", GOOD), ["docs/requirements.md:12: no test `c` in a.rs"]);
    }

    #[test]
    fn a_test_is_a_function_below_its_attribute() {
        let source = "\
#[tokio::test(flavor = \"multi_thread\")]
async fn one() {}

/// Says why.
#[test]
#[allow(clippy::panic)]
fn two() {}

    fn three() {}

    #[test]
    /// Of a property.
    fn four(
";
        for (name, want) in [("one", true), ("two", true), ("three", false), ("four", true), ("tw", false)] {
            assert_eq!(has_test(source, name), want, "{name}");
        }
    }
}

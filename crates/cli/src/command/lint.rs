//! `gatepass lint`: what is wrong with tokens, keys and logs of them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use gatepass_lint::{Finding, Kind, Linter, Report, Rule, Severity};
use serde_json::Value;

use crate::args::Lint;
use crate::complaint::{Complaint, Outcome};
use crate::input::Input;
use crate::{clock, print};

/// The longest word list that is read.
const MAX_WORDLIST: u64 = 1 << 30;

pub(crate) fn run(lint: &Lint) -> anyhow::Result<Outcome> {
    if let Some(name) = &lint.explain {
        return explain(name, lint.json);
    }
    if lint.list {
        list(lint.json);
        return Ok(Outcome::Good);
    }
    let mut linter = linter(lint)?;
    if let Some(file) = &lint.token_file {
        read(&mut linter, file, lint.kind.or(Some(Kind::Token)))?;
    }
    for input in &lint.inputs {
        if is_token(input) {
            linter.argument(input);
        } else {
            read(&mut linter, &input_of(input), lint.kind)?;
        }
    }
    let report = linter.finish();
    if lint.sarif {
        print::json(&report.to_sarif());
    } else if lint.json {
        print::json(&report.to_json());
    } else {
        show(&report);
    }
    Ok(if report.has(lint.fail_on) { Outcome::Refused } else { Outcome::Good })
}

fn linter(lint: &Lint) -> Result<Linter, Complaint> {
    let now = lint.now.map_or_else(clock::now, |now| now.0);
    let mut linter = Linter::new(now).keeping(lint.limit);
    if let Some(file) = &lint.jwks {
        let keys = file.read()?;
        linter = linter
            .with_keys(&keys)
            .map_err(|error| Complaint::unusable(format!("cannot use {file}")).at(error))?;
    }
    if let Some(file) = &lint.wordlist {
        linter = linter.with_wordlist(wordlist(file)?);
    }
    if lint.show_secret {
        linter = linter.showing_secrets();
    }
    for name in &lint.ignore {
        linter = linter.ignoring(rule(name)?);
    }
    Ok(linter)
}

fn wordlist(path: &Path) -> Result<Vec<u8>, Complaint> {
    let shown = path.display();
    let cannot = |error| Complaint::unusable(format!("cannot read {shown}")).at(error);
    let mut words = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MAX_WORDLIST + 1).read_to_end(&mut words).map_err(cannot)?;
    if words.len() as u64 > MAX_WORDLIST {
        return Err(Complaint::unusable(format!("{shown} has more than a gibibyte")).try_this("split it"));
    }
    Ok(words)
}

fn rule(name: &str) -> Result<&'static Rule, Complaint> {
    Rule::find(name).ok_or_else(|| {
        Complaint::unusable(format!("there is no rule {name}")).try_this("gatepass lint --list")
    })
}

/// Whether an argument is a token itself and not the name of a file.
fn is_token(input: &str) -> bool {
    input.starts_with("ey") && input.contains('.') && !Path::new(input).exists()
}

fn input_of(text: &str) -> Input {
    if text == "-" { Input::Stdin } else { Input::File(text.into()) }
}

fn read(linter: &mut Linter, input: &Input, kind: Option<Kind>) -> Result<(), Complaint> {
    let cannot = |error| Complaint::unusable(format!("cannot read {input}")).at(error);
    let read = match input {
        Input::Stdin => linter.read("-", kind, std::io::stdin().lock()),
        Input::File(path) => {
            let file = File::open(path).map_err(cannot)?;
            linter.read(&path.to_string_lossy(), kind, file)
        }
    };
    match read {
        Ok(_) => Ok(()),
        Err(gatepass_lint::ReadError::Io(error)) => Err(cannot(error)),
        Err(error) => Err(Complaint::unusable(format!("cannot make sense of {input}")).at(error)),
    }
}

fn explain(name: &str, as_json: bool) -> anyhow::Result<Outcome> {
    let rules: Vec<&Rule> = if name == "all" { Rule::all().collect() } else { vec![rule(name)?] };
    match rules.as_slice() {
        [rule] if as_json => print::json(&rule.to_json()),
        rules if as_json => print::json(&rules.iter().map(|rule| rule.to_json()).collect::<Value>()),
        rules => {
            let mut family = "";
            for rule in rules {
                if rules.len() > 1 && rule.family() != family {
                    family = rule.family();
                    print::line(format!("# {family}\n"));
                }
                print::line(rule.explanation());
            }
        }
    }
    Ok(Outcome::Good)
}

fn list(as_json: bool) {
    if as_json {
        return print::json(&Rule::all().map(Rule::to_json).collect::<Value>());
    }
    let row =
        |rule: &Rule| vec![rule.id.into(), rule.severity.to_string(), rule.name.into(), rule.summary.into()];
    print::table(&["id", "severity", "name", "what is wrong"], &Rule::all().map(row).collect::<Vec<_>>());
}

/// For people: what was found, place by place and there the worst first; each rule's remedy once; the sum.
fn show(report: &Report) {
    let mut told = HashSet::new();
    let is_one_place = |a: &Finding, b: &Finding| {
        (&a.place.source, a.place.line, a.place.column) == (&b.place.source, b.place.line, b.place.column)
    };
    for findings in report.findings.chunk_by(is_one_place) {
        let mut findings: Vec<&Finding> = findings.iter().collect();
        findings.sort_by_key(|finding| Reverse(finding.rule.severity));
        for finding in findings {
            show_finding(finding, told.insert(finding.rule.id));
        }
    }
    for (rule, count) in &report.omitted {
        print::line(print::faint(&format!("and {count} more of {rule}; --limit shows them")));
    }
    for remark in &report.remarks {
        print::line(print::faint(remark));
    }
    print::line(sum(report));
}

fn show_finding(finding: &Finding, with_remedy: bool) {
    let Finding { rule, place, message, .. } = finding;
    let severity = match rule.severity {
        Severity::Error => print::bad("error"),
        Severity::Warning => print::warning("warning"),
        Severity::Note => print::faint("note"),
    };
    print::line(format!("{severity} {} {}  {}", print::strong(rule.id), rule.name, visible_place(place)));
    print::line(format!("  {message}"));
    if with_remedy {
        print::line(print::faint(&format!("  mend: {}", rule.mend)));
    }
}

/// A file may have any name, and a terminal obeys some of them.
fn visible_place(place: &gatepass_lint::Place) -> String {
    crate::json_text::visible(&place.to_string())
}

/// What was read and what came of it, in one line.
fn sum(report: &Report) -> String {
    let read = match (report.tokens, report.keys) {
        (0, 0) => "no token".to_owned(),
        (tokens, 0) => counted(tokens, "token"),
        (0, keys) => counted(keys, "key"),
        (tokens, keys) => format!("{} and {}", counted(tokens, "token"), counted(keys, "key")),
    };
    let Some(worst) = report.findings.iter().max_by_key(|finding| finding.rule.severity) else {
        return print::good(&format!("nothing to mend: {read} found"));
    };
    let counts =
        [(report.counts.errors, "error"), (report.counts.warnings, "warning"), (report.counts.notes, "note")];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| counted(*count, name));
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("\n{counts} in {read}; `gatepass lint --explain {}` says why it matters", worst.rule.id)
}

fn counted(count: u64, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

//! SARIF 2.1.0: the form in which code scanning takes findings.

use serde_json::{Value, json};

use crate::{Finding, Place, Report, Rule, Severity};

/// A log with one run.
pub(crate) fn log(report: &Report) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "gatepass lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": Rule::all().map(descriptor).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(report),
            }],
            "results": report.findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn descriptor(rule: &'static Rule) -> Value {
    let help = format!("{} {}", rule.why, rule.mend);
    let mut descriptor = json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": rule.why },
        "help": { "text": help, "markdown": rule.explanation() },
        "defaultConfiguration": { "level": rule.severity.name() },
        "properties": {
            "tags": ["security", "jwt", rule.family()],
            "security-severity": score(rule.severity),
        },
    });
    if let (Some(url), Some(members)) = (rule.url(), descriptor.as_object_mut()) {
        members.insert("helpUri".to_owned(), url.into());
    }
    descriptor
}

/// The scale of the Common Vulnerability Scoring System, as code scanning sorts by it.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "8.0",
        Severity::Warning => "5.0",
        Severity::Note => "2.0",
    }
}

fn result(finding: &Finding) -> Value {
    let index = Rule::all().position(|rule| rule == finding.rule);
    let path = &finding.place.path;
    let message =
        if path.is_empty() { finding.message.clone() } else { format!("{path}: {}", finding.message) };
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": finding.rule.severity.name(),
        "message": { "text": literal(&message) },
        "locations": location(&finding.place).as_slice(),
    })
}

/// Text in which nothing is a placeholder or a link (SARIF sections 3.11.5 and 3.11.6), whatever a
/// token is quoted with.
fn literal(message: &str) -> String {
    message.replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

fn location(place: &Place) -> Option<Value> {
    let mut location = serde_json::Map::new();
    if place.line > 0 {
        location.insert(
            "physicalLocation".to_owned(),
            json!({
                "artifactLocation": { "uri": uri(&place.source) },
                "region": { "startLine": place.line, "startColumn": place.column.max(1) },
            }),
        );
    }
    if !place.path.is_empty() {
        let logical = json!([{ "fullyQualifiedName": place.path, "kind": "member" }]);
        location.insert("logicalLocations".to_owned(), logical);
    }
    (!location.is_empty()).then(|| location.into())
}

/// A file's name as a URI reference (RFC 3986).
fn uri(source: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    let escaped: String = source
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    match source {
        "-" => "stdin".to_owned(),
        _ if source.starts_with('/') => format!("file://{escaped}"),
        _ => escaped,
    }
}

fn notifications(report: &Report) -> Vec<Value> {
    let omitted = report.omitted.iter().map(|(rule, count)| format!("{count} more findings of {rule}"));
    let texts = omitted.chain(report.remarks.iter().cloned());
    texts.map(|text| json!({ "level": "note", "message": { "text": text } })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linter;
    use gatepass_jose::Timestamp;

    fn report(input: &str) -> Report {
        let mut linter = Linter::new(Timestamp::from_secs(1_800_000_000)).keeping(1);
        linter.read("logs/a b.log", None, input.as_bytes()).unwrap();
        linter.finish()
    }

    #[test]
    fn a_log_has_the_members_that_the_standard_requires() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGExQGV4YW1wbGUuY29tIn0.";
        let report = report(&format!("first\n GET /?t={token} {token}\n"));
        let sarif = report.to_sarif();
        assert_eq!(sarif["version"], "2.1.0");
        let run = &sarif["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), Rule::all().count());
        for rule in rules {
            for member in [
                "/shortDescription/text",
                "/fullDescription/text",
                "/help/text",
                "/defaultConfiguration/level",
            ] {
                assert!(
                    rule.pointer(member)
                        .is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty()))
                );
            }
            assert!(rule["helpUri"].as_str().is_none_or(|url| url.starts_with("https://")));
        }
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), report.findings.len());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            let place = &result["locations"][0]["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uri"], "logs/a%20b.log");
            assert_eq!(place["region"], json!({ "startLine": 2, "startColumn": 10 }));
        }
        let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        assert!(!notes.is_empty(), "the second token's findings were left out, which is said");
        let text = sarif.to_string();
        assert!(
            !text.contains(token) && !text.contains("ada1@example.com"),
            "nothing of the token is repeated"
        );
    }

    #[test]
    fn a_token_cannot_put_links_or_placeholders_into_a_message() {
        let header =
            gatepass_jose::base64url::encode(br#"{"alg":"ES256","kid":"{0} [here](https://x.example)"}"#);
        let sarif = report(&format!("{header}.e30.c2ln")).to_sarif();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let text =
            results.iter().find(|result| result["ruleId"] == "GP121").unwrap()["message"]["text"].clone();
        let text = text.as_str().unwrap();
        assert!(text.contains("\"{{0}} [here] (https://x.example)\""), "{text}");
    }

    #[test]
    fn names_of_files_become_uris() {
        let cases = [
            ("access.log", "access.log"),
            ("/var/log/a.log", "file:///var/log/a.log"),
            ("a b/%.log", "a%20b/%25.log"),
            ("-", "stdin"),
        ];
        for (source, want) in cases {
            assert_eq!(uri(source), want);
        }
    }
}

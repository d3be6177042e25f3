//! The linter: any input is read to its end, the same however it arrives, and what is said of it repeats
//! no token.

use std::io::{self, Read};

use gatepass_jose::{Timestamp, base64url};
use gatepass_lint::{Finding, Kind, Linter, ReadError, Report};

use crate::bounds::bounded;
use crate::naive::Json;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Takes `data` for an input of a kind that its content tells.
pub fn check(data: &[u8]) -> bool {
    if names_hmac(data) {
        return false;
    }
    let (kind, report) = bounded(data.len() + BUFFERS, || lint(None, data));
    check_report(data, &report);
    let (kind_of_pieces, of_pieces) = lint(None, Pieces(data));
    assert_eq!(kind.as_ref().ok(), kind_of_pieces.as_ref().ok(), "how an input arrives means nothing");
    assert_eq!(report.findings, of_pieces.findings, "how an input arrives means nothing");
    if let Ok(kind) = kind {
        let (_, of_kind) = lint(Some(kind), data);
        assert_eq!(report.findings, of_kind.findings, "{kind}: told or found");
    }
    if let (Ok(Kind::Token), Ok(text)) = (&kind, std::str::from_utf8(data)) {
        check_none(text.trim(), &report);
    }
    kind.is_ok()
}

/// Whether a secret would be guessed, at which the linter works for a tenth of a second on purpose: too long
/// for a fuzzer, and no parser.
fn names_hmac(data: &[u8]) -> bool {
    let is_named = |text: &[u8]| {
        let letters: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
        letters
            .windows(5)
            .any(|name| [b"hs256", b"hs384", b"hs512"].iter().any(|hs| name.eq_ignore_ascii_case(*hs)))
    };
    let mut words = data.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
    is_named(data) || words.any(|word| base64url::decode(word).is_ok_and(|text| is_named(&text)))
}

/// More than is ever quoted of a value. The signature of a token is longer.
const QUOTED: usize = 50;
/// What reading takes in buffers, however short the input.
const BUFFERS: usize = 16 * 1024;

fn lint(kind: Option<Kind>, input: impl Read) -> (Result<Kind, ReadError>, Report) {
    let mut linter = Linter::new(NOW);
    let kind = linter.read("input", kind, input);
    (kind, linter.finish())
}

fn check_report(data: &[u8], report: &Report) {
    let counted = report.counts.errors + report.counts.warnings + report.counts.notes;
    assert_eq!(counted, report.findings.len() as u64 + report.omitted.values().sum::<u64>());
    let lines = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    for finding in &report.findings {
        assert!((1..=lines).contains(&finding.place.line) && finding.place.column >= 1, "{finding:?}");
        assert!(!finding.message.contains(char::is_control), "{finding:?}");
        assert!(finding.message.len() < 1024, "{finding:?}");
    }
    let says =
        |text| move |finding: &Finding| finding.message.contains(text) || finding.place.path.contains(text);
    for word in data.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte)) {
        let text = std::str::from_utf8(word).expect("it is ASCII");
        let is_repeated = word.len() > QUOTED && report.findings.iter().any(says(text));
        assert!(!is_repeated, "a part of a token is repeated: {text}");
    }
}

/// A token that nobody signed is never passed over in silence.
fn check_none(token: &str, report: &Report) {
    let Some((header, _)) = token.split_once('.') else { return };
    let header = base64url::decode(header).ok().as_deref().and_then(Json::parse);
    let alg = header.as_ref().and_then(|header| header.text("alg"));
    if alg.is_some_and(|alg| alg.eq_ignore_ascii_case("none")) && token.split('.').count() == 3 {
        assert!(report.findings.iter().any(|finding| finding.rule.name == "alg-none"), "{token}");
    }
}

/// Gives seven bytes at a time.
struct Pieces<'d>(&'d [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

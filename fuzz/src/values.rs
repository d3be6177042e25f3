//! The small values: dates, audiences, scopes, identifiers, names.

use gatepass_jose::jwe::{ContentEncryption, KeyManagement};
use gatepass_jose::{
    Alg, Audience, AudienceClaim, BorrowedAudience, Curve, JwkAlg, NumericDate, Timestamp, Typ, base64url,
};
use gatepass_revocation::{Kind, Reason};
use gatepass_token::{
    CodeChallenge, CodeVerifier, InvalidCodeChallenge, Scope, ScopeSet, TokenId, minted_at,
};

use crate::bounds::bounded;
use crate::naive::Json;

/// Takes `data` for each of them.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let accepted = [
        check_date(text),
        check_audience(text),
        check_scope(text),
        check_code_verifier(text),
        check_code_challenge(text),
        check_token_id(text),
        check_names(text),
    ];
    accepted.contains(&true)
}

fn check_date(json: &str) -> bool {
    let read = serde_json::from_str::<NumericDate>(json).ok();
    let number = match Json::parse(json.as_bytes()) {
        Some(Json::Number(number)) if (0.0..=253_402_300_799.0).contains(&number) => number,
        _ => {
            assert_eq!(read, None, "no number of seconds up to the year 9999");
            return false;
        }
    };
    let date = read.expect("a number of seconds up to the year 9999 is a date");
    let millis = date.0.as_millis();
    assert!((millis as f64 - number * 1000.0).abs() < 1.0, "kept to the millisecond");
    if let Some(exact) = milliseconds(json.trim()) {
        assert_eq!(millis, exact, "whole milliseconds are kept as they are");
    }
    let written = serde_json::to_string(&date).expect("it can be written");
    assert_eq!(written, date.0.as_secs().to_string(), "an integer is written");
    true
}

/// A plain number with up to three digits behind the point, in milliseconds.
fn milliseconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || fraction.len() > 3 {
        return None;
    }
    let thousandths: i64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(thousandths)
}

fn check_audience(json: &str) -> bool {
    let owned = bounded(json.len(), || serde_json::from_str::<Audience>(json)).ok();
    let borrowed = bounded(json.len(), || serde_json::from_str::<BorrowedAudience<'_>>(json)).ok();
    let values = owned.as_ref().map(AudienceClaim::values);
    assert_eq!(values, borrowed.as_ref().map(AudienceClaim::values));
    let naive = match Json::parse(json.as_bytes()) {
        Some(Json::Text(text)) => vec![Json::Text(text)],
        Some(Json::Array(items)) => items,
        _ => Vec::new(),
    };
    let is_name = |item: &Json| matches!(item, Json::Text(text) if !text.is_empty());
    let naive = Some(naive).filter(|items| !items.is_empty() && items.iter().all(is_name));
    let values = values.map(|values| values.into_iter().map(|value| Json::Text(value.to_owned())).collect());
    assert_eq!(values, naive);
    let Some(audience) = owned else { return false };
    let written = serde_json::to_string(&audience).expect("it can be written");
    assert_eq!(serde_json::from_str::<Audience>(&written).as_ref().ok(), Some(&audience));
    assert!(audience.intersects(&audience) && audience.iter().all(|value| audience.contains(value)));
    true
}

fn check_scope(text: &str) -> bool {
    let set = bounded(text.len(), || text.parse::<ScopeSet>());
    let is_scope = |word: &str| word.parse::<Scope>().is_ok();
    let each = text.is_empty() || text.split(' ').all(is_scope);
    assert_eq!(set.is_ok(), each && text.len() <= 4096);
    let Ok(set) = set else { return false };
    assert_eq!(set.to_string().parse().as_ref(), Ok(&set));
    assert!(set.iter().all(|scope| set.contains(scope) && is_scope(scope)) && set.is_subset(&set));
    true
}

fn check_code_verifier(text: &str) -> bool {
    let Ok(verifier) = CodeVerifier::parse(text) else { return false };
    assert!((43..=128).contains(&text.len()) && text.is_ascii());
    let challenge = verifier.challenge();
    assert!(challenge.is_of(&verifier));
    assert_eq!(CodeChallenge::parse(&challenge.to_string(), Some("S256")), Ok(challenge));
    assert!(!format!("{verifier:?}").contains(text));
    true
}

fn check_code_challenge(text: &str) -> bool {
    for method in [None, Some("plain"), Some(text).filter(|text| *text != "S256")] {
        assert_eq!(CodeChallenge::parse(text, method), Err(InvalidCodeChallenge::Method));
    }
    let Ok(challenge) = CodeChallenge::parse(text, Some("S256")) else { return false };
    assert_eq!(challenge.to_string(), text);
    true
}

fn check_token_id(text: &str) -> bool {
    let now = Timestamp::from_secs(1_800_000_000);
    let Some(id) = TokenId::parse(text) else {
        assert_eq!(minted_at(text, now), now);
        return false;
    };
    assert_eq!(id.to_string(), text);
    assert_eq!(base64url::decode(text).map(|bytes| bytes.len()), Ok(16));
    let minted = minted_at(text, now);
    assert!(minted == now || (minted == id.minted_at() && minted > now));
    true
}

/// Names are read by one spelling, which is the one that is written.
fn check_names(text: &str) -> bool {
    let names = [
        text.parse::<Alg>().ok().map(|alg| alg.name().to_owned()),
        text.parse::<KeyManagement>().ok().map(|alg| alg.name().to_owned()),
        text.parse::<ContentEncryption>().ok().map(|enc| enc.name().to_owned()),
        text.parse::<JwkAlg>().ok().map(|alg| alg.name().to_owned()),
        text.parse::<Curve>().ok().map(|curve| curve.name().to_owned()),
        text.parse::<Kind>().ok().map(|kind| kind.to_string()),
        text.parse::<Reason>().ok().map(|reason| reason.to_string()),
    ];
    assert!(names.iter().flatten().all(|name| name == text));
    let bare = text.get(12..).filter(|_| text[..12].eq_ignore_ascii_case("application/")).unwrap_or(text);
    assert_eq!(Typ::ACCESS_TOKEN.matches(text), bare.eq_ignore_ascii_case("at+jwt"));
    names.iter().flatten().next().is_some()
}

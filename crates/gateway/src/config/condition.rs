//! `headers` of a route: what it asks of a request's header fields.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use crate::header::forwarded;
use crate::header::hop_by_hop::{self, Nominated};
use crate::header::reserved::ReservedHeaders;
use crate::route::condition::{HeaderConditions, HeaderTest};

/// As the file has them.
type RawHeaders = BTreeMap<String, Spanned<toml::Value>>;

/// Checks `headers = { "x-api-version" = "2", "x-beta" = { present = true } }`.
pub(super) fn check(source: &Source<'_>, raw: &RawHeaders) -> Result<HeaderConditions, ConfigError> {
    let mut tests: Vec<(HeaderName, HeaderTest)> = Vec::new();
    for (text, value) in raw {
        let no_name = |_| source.error(value, format!("`{text}` is no name for a header field"));
        let name: HeaderName = text.parse().map_err(no_name)?;
        if is_not_the_clients(&name) {
            return Err(not_passed_on(source, value, text));
        }
        if tests.iter().any(|(other, _)| *other == name) {
            return Err(source.error(value, format!("`{text}` stands twice, in two spellings")));
        }
        tests.push((name, check_test(source, value)?));
    }
    Ok(HeaderConditions::new(tests))
}

/// Refuses fields that the gateway sets from tokens, which it removes from what clients send.
pub(super) fn require_unreserved(
    source: &Source<'_>,
    raw: &RawHeaders,
    reserved: &ReservedHeaders,
) -> Result<(), ConfigError> {
    let is_reserved = |text: &str| text.parse().is_ok_and(|name| reserved.contains(&name));
    match raw.iter().find(|(text, _)| is_reserved(text)) {
        Some((text, value)) => Err(not_passed_on(source, value, text)),
        None => Ok(()),
    }
}

fn not_passed_on(source: &Source<'_>, at: &Spanned<toml::Value>, name: &str) -> ConfigError {
    let message =
        format!("the upstream does not see `{name}` as the client sent it, so no route can go by it");
    source.error(at, message).hint("go by a field that the client alone sets")
}

fn check_test(source: &Source<'_>, value: &Spanned<toml::Value>) -> Result<HeaderTest, ConfigError> {
    let test = match value.get_ref() {
        toml::Value::String(text) if !text.is_empty() && text.trim() == text => {
            HeaderValue::from_str(text).ok().map(HeaderTest::Equals)
        }
        toml::Value::Table(table) => match table.iter().next() {
            Some((key, toml::Value::Boolean(true))) if key == "present" && table.len() == 1 => {
                Some(HeaderTest::Present)
            }
            _ => None,
        },
        _ => None,
    };
    test.ok_or_else(|| {
        let hint = "write its whole value as text, or { present = true }";
        source.error(value, "this is no test for a header field").hint(hint)
    })
}

/// What ends here, or is written anew.
fn is_not_the_clients(name: &HeaderName) -> bool {
    hop_by_hop::ends_here(name, &Nominated::by(&HeaderMap::new()))
        || forwarded::is_hearsay(name, false)
        || matches!(
            *name,
            header::AUTHORIZATION | header::CONTENT_LENGTH | header::COOKIE | header::EXPECT | header::HOST
        )
}

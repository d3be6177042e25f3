//! `require` of a route: what its tokens must show.

use std::time::Duration;

use gatepass_guard::{ClaimName, ClaimTest, Rule, ScopeSet};
use serde_json::Value;
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::error::nearest;
use super::raw::RawRequire;
use crate::bff::{MAX_ACR_VALUES, is_acr};
use crate::route::pattern::Pattern;

/// The rule, and the parameters of the path that it compares claims with.
type Checked = (Rule, Vec<(String, usize)>);

/// Checks the `require` of a route with this path; DPoP proofs can be checked where there is a `public_url`.
pub(super) fn check(
    source: &Source<'_>,
    table: &Spanned<RawRequire>,
    pattern: &Pattern,
    takes_dpop: bool,
) -> Result<Checked, ConfigError> {
    let RawRequire { scope, role, claim, dpop, acr, max_age } = table.get_ref();
    let mut rule = Rule::default();
    let nothing = scope.is_none() && role.is_none() && claim.is_empty();
    if nothing && dpop.is_none() && acr.is_none() && max_age.is_none() {
        let hint = "leave it out to require any valid access token";
        return Err(source.error(table, "an empty `require` requires nothing").hint(hint));
    }
    if let Some(field) = scope {
        for name in require_names(source, field, "scope")? {
            let scope = name.parse::<ScopeSet>().ok().filter(|scope| scope.iter().count() == 1);
            rule = rule.with_scope(scope.ok_or_else(|| {
                source
                    .error(field, format!("`{name}` is not one scope"))
                    .hint("write several as scope = [\"one\", \"two\"]")
            })?);
        }
    }
    if let Some(field) = role {
        rule = rule.with_role(require_names(source, field, "role")?);
    }
    let mut parameters = Vec::new();
    for (name, value) in claim {
        let claim = claim_name(source, value, name)?;
        let test = check_claim(source, value)?;
        if let ClaimTest::Parameter(parameter) = &test {
            parameters.push((parameter.clone(), find_parameter(source, value, parameter, pattern)?));
        }
        rule = rule.with_claim(claim, test);
    }
    if let Some(dpop) = dpop {
        require_dpop(source, dpop, takes_dpop)?;
        rule = rule.with_dpop();
    }
    if let Some(acr) = acr {
        rule = rule.with_acr(check_acr(source, acr)?);
    }
    if let Some(max_age) = max_age {
        rule = rule.with_max_age(check_max_age(source, max_age)?);
    }
    Ok((rule, parameters))
}

fn require_dpop(source: &Source<'_>, dpop: &Spanned<bool>, takes_dpop: bool) -> Result<(), ConfigError> {
    if !dpop.get_ref() {
        return Err(source.error(dpop, "`dpop = false` demands nothing").hint("leave it out"));
    }
    if !takes_dpop {
        return Err(source
            .error(dpop, "no DPoP proof can be checked here, since nothing says which URL it has to name")
            .hint("say how clients reach the gateway: public_url = \"https://api.example.com\""));
    }
    Ok(())
}

/// What can stand in `acr_values`, with spaces between them.
fn check_acr<'f>(source: &Source<'_>, field: &'f Spanned<Vec<String>>) -> Result<&'f [String], ConfigError> {
    let names = require_names(source, field, "acr")?;
    if names.join(" ").len() > MAX_ACR_VALUES {
        let message =
            format!("a login is asked for {MAX_ACR_VALUES} bytes of authentication contexts at most");
        return Err(source.error(field, message).hint("name those that are meant, the preferred one first"));
    }
    match names.iter().find(|name| !is_acr(name)) {
        Some(name) => Err(source
            .error(field, format!("`{name}` is not one authentication context"))
            .hint("write several as acr = [\"one\", \"two\"]")),
        None => Ok(names),
    }
}

fn check_max_age(source: &Source<'_>, text: &Spanned<String>) -> Result<Duration, ConfigError> {
    let max_age = source.duration(text)?;
    if max_age < Duration::from_secs(1) {
        return Err(source.error(text, "no login could be as recent as that").hint("write a second or more"));
    }
    Ok(max_age)
}

fn find_parameter(
    source: &Source<'_>,
    at: &Spanned<toml::Value>,
    name: &str,
    pattern: &Pattern,
) -> Result<usize, ConfigError> {
    if let Some((_, segment)) = pattern.parameters().find(|(known, _)| *known == name) {
        return Ok(segment);
    }
    let error = source.error(at, format!("the path has no parameter `{{{name}}}` of one segment"));
    Err(match nearest(name, pattern.parameters().map(|(known, _)| known)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error.hint("name a `{name}` of the `path`; `{*name}` can be several segments"),
    })
}

fn require_names<'f>(
    source: &Source<'_>,
    field: &'f Spanned<Vec<String>>,
    key: &str,
) -> Result<&'f [String], ConfigError> {
    match field.get_ref().as_slice() {
        names if names.iter().any(String::is_empty) => {
            Err(source.error(field, format!("a {key} is never empty")))
        }
        [] => {
            let message = format!("an empty `{key}` says neither all nor none");
            Err(source.error(field, message).hint("leave it out, or name at least one"))
        }
        names => Ok(names),
    }
}

/// The name of a claim, which stands at the left of what is at `at`.
pub(super) fn claim_name<T>(
    source: &Source<'_>,
    at: &Spanned<T>,
    name: &str,
) -> Result<ClaimName, ConfigError> {
    let invalid = |error| source.error(at, format!("`{name}` names no claim: {error}"));
    name.parse().map_err(invalid)
}

/// `"acme"`, `["acme", "initech"]`, `{ contains = "staff" }`, `{ param = "tenant" }` or `{ present = true }`.
fn check_claim(source: &Source<'_>, value: &Spanned<toml::Value>) -> Result<ClaimTest, ConfigError> {
    let wrong = || {
        let hint = "write its value, a list of values, { contains = \"…\" }, { param = \"…\" } or { present = true }";
        source.error(value, "this is no test for a claim").hint(hint)
    };
    let test = match value.get_ref() {
        toml::Value::Array(values) if !values.is_empty() => {
            values.iter().map(scalar).collect::<Option<_>>().map(ClaimTest::OneOf)
        }
        toml::Value::Table(table) => match table.iter().next() {
            Some((key, toml::Value::Boolean(true))) if key == "present" && table.len() == 1 => {
                Some(ClaimTest::Present)
            }
            Some((key, element)) if key == "contains" && table.len() == 1 => {
                scalar(element).map(ClaimTest::Contains)
            }
            Some((key, toml::Value::String(name))) if key == "param" && table.len() == 1 => {
                Some(ClaimTest::Parameter(name.clone()))
            }
            _ => None,
        },
        single => scalar(single).map(ClaimTest::Equals),
    };
    test.ok_or_else(wrong)
}

/// Fractions are left out: whether two of them are equal is nothing to build a rule on.
fn scalar(value: &toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(text.as_str().into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Boolean(truth) => Some((*truth).into()),
        _ => None,
    }
}

//! `[[route]]` and `[forward_auth]`: which requests, what they must show, where they go.

use std::collections::BTreeMap;

use gatepass_guard::{ClaimTest, Rule, ScopeSet};
use http::{HeaderName, Method, header};
use serde_json::Value;
use toml::Spanned;

use super::check::Source;
use super::error::nearest;
use super::raw::{Field, RawConfig, RawForwardAuth, RawRequire, RawRoute};
use super::{ConfigError, ForwardAuth, Routes, UpstreamSettings};
use crate::header::claim::Forward;
use crate::header::reserved::ReservedHeaders;
use crate::route::path::RequestPath;
use crate::route::pattern::Pattern;
use crate::route::router::{Methods, Router};
use crate::route::{Access, Route};
use crate::stats::route::RouteLabel;

/// Checks every `[[route]]`, and the forward-auth endpoint beside them.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &RawConfig,
    upstreams: &[UpstreamSettings],
) -> Result<Routes, ConfigError> {
    let mut reserved = ReservedHeaders::default();
    let forward_auth = check_forward_auth(source, &raw.forward_auth)?;
    forward_auth.forward.iter().for_each(|forward| reserved.insert(&forward.header));
    let mut router = Router::new();
    let mut routes: Vec<Route> = Vec::new();
    let mut labels = Vec::new();
    for table in &raw.route {
        let route = check_one(source, table, upstreams, raw.issuer.is_empty())?;
        route.forward.iter().for_each(|forward| reserved.insert(&forward.header));
        let (path, pattern) = check_path(source, table, &forward_auth.path)?;
        let host = table.get_ref().host.as_ref().map(|host| check_host(source, host)).transpose()?;
        let methods = check_methods(source, &table.get_ref().methods)?;
        router.insert(host, &pattern, methods, routes.len()).map_err(|ambiguous| {
            let other = raw.route.get(ambiguous.with).map_or(0, |other| source.line(other));
            source
                .error(path, format!("the route of line {other} serves the same paths with the same methods"))
                .hint("give each its own `methods` (HEAD belongs to GET), or take one out")
        })?;
        labels.push(label(table.get_ref()));
        routes.push(route);
    }
    Ok(Routes { routes, labels, router, reserved, forward_auth })
}

/// What a route is called, once it has been checked.
fn label(raw: &RawRoute) -> RouteLabel {
    let text = |field: &Field<String>| {
        field.as_ref().map(|text| text.get_ref().as_str()).unwrap_or_default().to_owned()
    };
    RouteLabel {
        route: text(&raw.host) + &text(&raw.path),
        methods: raw.methods.as_ref().map_or("*".to_owned(), |methods| methods.get_ref().join(",")),
    }
}

fn check_one(
    source: &Source<'_>,
    table: &Spanned<RawRoute>,
    upstreams: &[UpstreamSettings],
    nobody_is_trusted: bool,
) -> Result<Route, ConfigError> {
    let raw = table.get_ref();
    let access = check_access(source, table, nobody_is_trusted)?;
    let forward = check_forward(source, &raw.forward)?;
    if matches!(access, Access::Public) && !forward.is_empty() {
        return Err(source
            .error(table, "a public route has no token, so there is no claim to forward")
            .hint("take `forward` or `public` out"));
    }
    if let (Access::Public, Some(end_streams)) = (&access, &raw.end_streams) {
        return Err(source
            .error(end_streams, "a public route has no token for its streams to end with")
            .hint("take `end_streams` or `public` out"));
    }
    if let (Access::Public, Some(enforce)) = (&access, &raw.enforce) {
        return Err(source
            .error(enforce, "a public route has no rule to enforce")
            .hint("take `enforce` or `public` out"));
    }
    let upstream = source.required(table, &raw.upstream, "upstream", "the name of an [[upstream]]")?;
    Ok(Route {
        access,
        upstream: find_upstream(source, upstream, upstreams)?,
        forward,
        token: raw.token.unwrap_or_default(),
        enforce: raw.enforce.as_ref().is_none_or(|enforce| *enforce.get_ref()),
        end_streams: raw.end_streams.as_ref().is_none_or(|end| *end.get_ref()),
    })
}

fn find_upstream(
    source: &Source<'_>,
    name: &Spanned<String>,
    upstreams: &[UpstreamSettings],
) -> Result<usize, ConfigError> {
    let known = || upstreams.iter().map(|upstream| upstream.name.as_str());
    known().position(|known| known == name.get_ref()).ok_or_else(|| {
        let error = source.error(name, format!("there is no upstream `{}`", name.get_ref()));
        match nearest(name.get_ref(), known()) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("add an [[upstream]] with this name"),
        }
    })
}

fn check_path<'f>(
    source: &Source<'_>,
    table: &'f Spanned<RawRoute>,
    taken: &str,
) -> Result<(&'f Spanned<String>, Pattern), ConfigError> {
    let what = "a path such as \"/api/orders/{id}\", or \"/{*rest}\" for everything";
    let path = source.required(table, &table.get_ref().path, "path", what)?;
    if path.get_ref() == taken {
        return Err(source
            .error(path, format!("`{taken}` is the forward-auth endpoint"))
            .hint("move that one with `path` in [forward_auth]"));
    }
    match Pattern::parse(path.get_ref()) {
        Ok(pattern) => Ok((path, pattern)),
        Err(error) => Err(source.error(path, format!("the path `{}`: {error}", path.get_ref()))),
    }
}

fn check_access(
    source: &Source<'_>,
    table: &Spanned<RawRoute>,
    nobody_is_trusted: bool,
) -> Result<Access, ConfigError> {
    let RawRoute { public, require, .. } = table.get_ref();
    match (public, require) {
        (true, None) => Ok(Access::Public),
        (true, Some(require)) => Err(source
            .error(require, "a public route takes no token, so it can require nothing of one")
            .hint("take `require` or `public` out")),
        (false, _) if nobody_is_trusted => Err(source
            .error(table, "this route needs a token, and no issuer is trusted to mint one")
            .hint("add an [[issuer]], or write public = true")),
        (false, None) => Ok(Access::Token(Rule::default())),
        (false, Some(require)) => check_rule(source, require).map(Access::Token),
    }
}

fn check_rule(source: &Source<'_>, table: &Spanned<RawRequire>) -> Result<Rule, ConfigError> {
    let RawRequire { scope, role, claim } = table.get_ref();
    let mut rule = Rule::default();
    if scope.is_none() && role.is_none() && claim.is_empty() {
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
    for (name, value) in claim {
        rule = rule.with_claim(name, check_claim(source, value)?);
    }
    Ok(rule)
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

/// `"acme"`, `["acme", "initech"]`, `{ contains = "staff" }` or `{ present = true }`.
fn check_claim(source: &Source<'_>, value: &Spanned<toml::Value>) -> Result<ClaimTest, ConfigError> {
    let wrong = || {
        let hint = "write its value, a list of values, { contains = \"…\" } or { present = true }";
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

fn check_host<'h>(source: &Source<'_>, host: &'h Spanned<String>) -> Result<&'h str, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let text = host.get_ref();
    if text.is_empty() || text.ends_with('.') || !text.bytes().all(plain) {
        let hint = "write it without scheme, port or wildcard: \"api.example.com\"";
        return Err(source.error(host, format!("`{text}` is no host name")).hint(hint));
    }
    Ok(text)
}

fn check_methods(source: &Source<'_>, field: &Field<Vec<String>>) -> Result<Methods, ConfigError> {
    let Some(field) = field else { return Ok(Methods::All) };
    if field.get_ref().is_empty() {
        let hint = "leave it out to serve every method";
        return Err(source.error(field, "an empty `methods` serves nothing").hint(hint));
    }
    let method = |name: &String| match Method::from_bytes(name.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err(source.error(field, format!("{name} is not passed on"))),
        Ok(method) if !name.bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        _ => {
            let hint = "methods are written in capitals: GET, POST, …";
            Err(source.error(field, format!("`{name}` is no method")).hint(hint))
        }
    };
    field.get_ref().iter().map(method).collect::<Result<_, _>>().map(Methods::These)
}

fn check_forward_auth(source: &Source<'_>, raw: &RawForwardAuth) -> Result<ForwardAuth, ConfigError> {
    let forward = check_forward(source, &raw.forward)?;
    let Some(path) = &raw.path else {
        return Ok(ForwardAuth { path: "/auth/verify".to_owned(), forward });
    };
    match RequestPath::parse(path.get_ref()) {
        Ok(_) => Ok(ForwardAuth { path: path.get_ref().clone(), forward }),
        Err(error) => Err(source.error(path, format!("no request can have this path: {error}"))),
    }
}

fn check_forward(
    source: &Source<'_>,
    raw: &BTreeMap<String, Spanned<String>>,
) -> Result<Vec<Forward>, ConfigError> {
    let mut forward: Vec<Forward> = Vec::new();
    for (claim, name) in raw {
        let text = name.get_ref();
        let no_name = |_| source.error(name, format!("`{text}` is no name for a header field"));
        let header: HeaderName = text.parse().map_err(no_name)?;
        if has_a_meaning_of_its_own(&header) {
            return Err(source
                .error(name, format!("`{text}` has a meaning of its own"))
                .hint("choose another name, such as \"X-User-Id\""));
        }
        if let Some(other) = forward.iter().find(|other| other.header == header) {
            return Err(source.error(name, format!("`{text}` is set by the claim `{}` already", other.claim)));
        }
        forward.push(Forward { claim: claim.clone(), header });
    }
    Ok(forward)
}

/// Fields in which a claim's value would be read as something else, or would stand in for what the
/// gateway itself says.
fn has_a_meaning_of_its_own(name: &HeaderName) -> bool {
    let of_http = matches!(
        *name,
        header::AUTHORIZATION
            | header::CONNECTION
            | header::CONTENT_ENCODING
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::COOKIE
            | header::DATE
            | header::EXPECT
            | header::FORWARDED
            | header::HOST
            | header::PROXY_AUTHORIZATION
            | header::RANGE
            | header::SET_COOKIE
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
            | header::VIA
    );
    of_http || name.as_str().starts_with("x-forwarded-")
}

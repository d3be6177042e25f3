//! `[[route]]` and `[forward_auth]`: which requests, what they must show, where they go.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method, header};
use toml::Spanned;

use super::check::Source;
use super::error::nearest;
use super::raw::{Field, RawConfig, RawForwardAuth, RawRoute};
use super::{ConfigError, ForwardAuth, Routes, UpstreamSettings};
use super::{condition, cors, rate_limit, rule, stale, token};
use crate::header::claim::Forward;
use crate::header::reserved::ReservedHeaders;
use crate::rate_limit::RateLimit;
use crate::route::path::RequestPath;
use crate::route::pattern::Pattern;
use crate::route::router::{Ambiguous, Methods, Router};
use crate::route::{Access, Demand, Route};
use crate::stats::route::RouteLabel;

/// Checks every `[[route]]`, and the forward-auth endpoint beside them.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &RawConfig,
    upstreams: &[UpstreamSettings],
    rate_limits: &mut Vec<RateLimit>,
) -> Result<Routes, ConfigError> {
    let mut reserved = ReservedHeaders::default();
    let forward_auth = check_forward_auth(source, &raw.forward_auth)?;
    forward_auth.forward.iter().for_each(|forward| reserved.insert(&forward.header));
    let mut router = Router::new();
    let mut routes: Vec<Route> = Vec::new();
    let mut labels = Vec::new();
    for table in &raw.route {
        let (path, pattern) = check_path(source, table, &forward_auth)?;
        let mut route = check_one(source, table, upstreams, raw, &pattern)?;
        route.forward.iter().for_each(|forward| reserved.insert(&forward.header));
        let RawRoute { host, methods, headers, rate_limit, .. } = table.get_ref();
        let host = host.as_ref().map(|host| check_host(source, host)).transpose()?;
        let methods = check_methods(source, methods)?;
        let headers = condition::check(source, headers)?;
        let whose = || format!("{host:?} {} {methods:?} {headers:?}", path.get_ref());
        route.rate_limit = rate_limit::check_route(source, rate_limit, &route.access, rate_limits, whose)?;
        router
            .insert(host, &pattern, methods, headers, routes.len())
            .map_err(|ambiguous| refuse_ambiguous(source, raw, path, &ambiguous))?;
        labels.push(label(table.get_ref()));
        routes.push(route);
    }
    for table in &raw.route {
        condition::require_unreserved(source, &table.get_ref().headers, &reserved)?;
    }
    let names = raw.route.iter().flat_map(|table| table.get_ref().headers.keys());
    names.filter_map(|name| name.parse().ok()).for_each(|name| reserved.insert_other_spellings(&name));
    Ok(Routes { routes, labels, router, reserved, forward_auth })
}

/// What a route is called, once it has been checked.
fn label(raw: &RawRoute) -> RouteLabel {
    let text = |field: &Field<String>| {
        field.as_ref().map(|text| text.get_ref().as_str()).unwrap_or_default().to_owned()
    };
    let conditions = raw.headers.iter().map(|(name, value)| format!(" {name}={}", value.get_ref()));
    RouteLabel {
        route: text(&raw.host) + &text(&raw.path) + &conditions.collect::<String>(),
        methods: raw.methods.as_ref().map_or("*".to_owned(), |methods| methods.get_ref().join(",")),
    }
}

fn refuse_ambiguous(
    source: &Source<'_>,
    raw: &RawConfig,
    path: &Spanned<String>,
    ambiguous: &Ambiguous<usize>,
) -> ConfigError {
    let other = raw.route.get(ambiguous.with).map_or(0, |other| source.line(other));
    let same = format!("the route of line {other} serves the same paths with the same methods");
    if ambiguous.by_headers {
        let error = source.error(path, format!("{same}, and a request can have the `headers` of both"));
        return error
            .hint("give one all `headers` of the other and more, or both the same one with another value");
    }
    source
        .error(path, same)
        .hint("give each its own `methods` (HEAD belongs to GET) or `headers`, or take one out")
}

fn check_one(
    source: &Source<'_>,
    table: &Spanned<RawRoute>,
    upstreams: &[UpstreamSettings],
    config: &RawConfig,
    pattern: &Pattern,
) -> Result<Route, ConfigError> {
    let raw = table.get_ref();
    let access = check_access(source, table, config, pattern)?;
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
    if let (Access::Public, Some(session)) = (&access, &raw.session) {
        return Err(source
            .error(session, "a public route looks at no token, so a session would bring it nothing")
            .hint("take `session` or `public` out"));
    }
    let upstream = source.required(table, &raw.upstream, "upstream", "the name of an [[upstream]]")?;
    Ok(Route {
        access,
        upstream: find_upstream(source, upstream, upstreams)?,
        forward,
        session: raw.session.as_ref().is_some_and(|session| *session.get_ref()),
        token: token::check(source, table, &config.issuer)?,
        tickets: token::check_tickets(source, table, &config.issuer)?,
        enforce: raw.enforce.as_ref().is_none_or(|enforce| *enforce.get_ref()),
        end_streams: raw.end_streams.as_ref().is_none_or(|end| *end.get_ref()),
        long_bodies: raw.long_bodies,
        cors: raw.cors.as_ref().map(|cors| cors::check(source, cors)).transpose()?,
        rate_limit: None,
        resource: 0,
        on_stale: stale::of_route(source, config, raw)?.map(Arc::new),
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
    forward_auth: &ForwardAuth,
) -> Result<(&'f Spanned<String>, Pattern), ConfigError> {
    let what = "a path such as \"/api/orders/{id}\", or \"/{*rest}\" for everything";
    let path = source.required(table, &table.get_ref().path, "path", what)?;
    if forward_auth.below(path.get_ref()).is_some() {
        return Err(source
            .error(path, format!("`{}` is the forward-auth endpoint", forward_auth.path))
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
    config: &RawConfig,
    pattern: &Pattern,
) -> Result<Access, ConfigError> {
    let RawRoute { public, optional, require, .. } = table.get_ref();
    if let (true, Some(optional)) = (public, optional) {
        return Err(source
            .error(optional, "a public route looks at no token, so none is optional")
            .hint("take `optional` or `public` out"));
    }
    let optional = optional.as_ref().is_some_and(|optional| *optional.get_ref());
    match (public, require) {
        (true, None) => Ok(Access::Public),
        (true, Some(require)) => Err(source
            .error(require, "a public route takes no token, so it can require nothing of one")
            .hint("take `require` or `public` out")),
        (false, _) if config.issuer.is_empty() => Err(source
            .error(table, "this route needs a token, and no issuer is trusted to mint one")
            .hint("add an [[issuer]], or write public = true")),
        (false, None) => Ok(Access::Token(Box::new(Demand { optional, ..Demand::default() }))),
        (false, Some(require)) => {
            let (rule, parameters) = rule::check(source, require, pattern, config.public_url.is_some())?;
            Ok(Access::Token(Box::new(Demand { rule, optional, parameters })))
        }
    }
}

fn check_host<'h>(source: &Source<'_>, host: &'h Spanned<String>) -> Result<&'h str, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let text = host.get_ref();
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.is_empty() || name.starts_with('.') || name.ends_with('.') || !name.bytes().all(plain) {
        let hint =
            "write it without scheme and port: \"api.example.com\", or \"*.example.com\" for all below";
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
        return Ok(ForwardAuth { path: ForwardAuth::DEFAULT_PATH.to_owned(), forward });
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
        forward.push(Forward { claim: rule::claim_name(source, name, claim)?, header });
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

//! `cors` of a route: whose web pages may use it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use toml::Spanned;
use url::Url;

use super::ConfigError;
use super::check::Source;
use super::raw::{Field, RawCors};
use crate::cors::{Cors, EXPOSED, Origins, list};

/// What pages send to an API that asks for tokens.
const HEADERS: [&str; 3] = ["authorization", "content-type", "dpop"];

/// Checks `cors`.
pub(super) fn check(source: &Source<'_>, table: &Spanned<RawCors>) -> Result<Cors, ConfigError> {
    let RawCors { origins, methods, headers, expose, credentials, max_age } = table.get_ref();
    let what = "whose pages may use the route: origins = [\"https://app.example.com\"]";
    let origins = source.required(table, origins, "origins", what)?;
    let mut exposed: Vec<HeaderName> = EXPOSED.map(HeaderName::from_static).to_vec();
    for name in check_names(source, expose, "expose")?.unwrap_or_default() {
        if !exposed.contains(&name) {
            exposed.push(name);
        }
    }
    let headers = check_names(source, headers, "headers")?;
    Ok(Cors {
        origins: check_origins(source, origins, *credentials)?,
        credentials: *credentials,
        methods: check_methods(source, methods)?,
        headers: list(&headers.unwrap_or_else(|| HEADERS.map(HeaderName::from_static).to_vec())),
        expose: list(&exposed),
        max_age: max_age.as_ref().map(|text| check_max_age(source, text)).transpose()?,
    })
}

fn check_origins(
    source: &Source<'_>,
    field: &Spanned<Vec<String>>,
    credentials: bool,
) -> Result<Origins, ConfigError> {
    match field.get_ref().as_slice() {
        [] => Err(source
            .error(field, "an empty `origins` lets no page in")
            .hint("name at least one, or leave `cors` out")),
        [any] if any == "*" && credentials => Err(source
            .error(field, "with credentials, every page on the web could act as the user who looks at it")
            .hint("name the origins, or take `credentials` out")),
        [any] if any == "*" => Ok(Origins::Any),
        texts => texts
            .iter()
            .map(|text| check_origin(source, field, text))
            .collect::<Result<_, _>>()
            .map(Origins::These),
    }
}

/// An origin is compared with what browsers write, byte for byte: so that is what it has to be.
fn check_origin(
    source: &Source<'_>,
    at: &Spanned<Vec<String>>,
    text: &str,
) -> Result<HeaderValue, ConfigError> {
    let wrong = |problem: &str| source.error(at, format!("the origin `{text}` {problem}"));
    match text {
        "*" => return Err(wrong("is everybody, so it stands alone").hint("keep it, or the others")),
        "null" => {
            let error =
                wrong("is that of every sandboxed page and every file, so it says nothing of who asks");
            return Err(error.hint("serve the page from an origin of its own"));
        }
        _ if text.contains('*') => {
            return Err(wrong("is a pattern, and origins are compared exactly").hint("name each"));
        }
        _ => {}
    }
    match origin_of(text) {
        Some(origin) if origin == text => {
            HeaderValue::from_str(text).map_err(|_| wrong("is not one that a browser could send"))
        }
        Some(origin) => Err(wrong("is not as browsers write it").hint(format!("write \"{origin}\""))),
        None => Err(wrong("is no origin").hint("write scheme and host: \"https://app.example.com\"")),
    }
}

/// RFC 6454 section 6.2. The origins of apps (`capacitor://localhost`) have schemes of their own.
fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let origin = url.origin();
    if origin.is_tuple() {
        return Some(origin.ascii_serialization());
    }
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

fn check_methods(
    source: &Source<'_>,
    field: &Field<Vec<String>>,
) -> Result<Option<HeaderValue>, ConfigError> {
    let Some(field) = field else { return Ok(None) };
    for name in field.get_ref() {
        let known = Method::from_bytes(name.as_bytes()).is_ok();
        if name == "*" || !known || name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            let hint = "methods are written in capitals: GET, POST, …; leave it out for those of the route";
            return Err(source.error(field, format!("`{name}` is no method")).hint(hint));
        }
    }
    match HeaderValue::try_from(field.get_ref().join(", ")) {
        Ok(methods) if !methods.is_empty() => Ok(Some(methods)),
        _ => Err(source
            .error(field, "an empty `methods` serves nothing")
            .hint("leave it out for those of the route")),
    }
}

fn check_names(
    source: &Source<'_>,
    field: &Field<Vec<String>>,
    key: &str,
) -> Result<Option<Vec<HeaderName>>, ConfigError> {
    let Some(field) = field else { return Ok(None) };
    let name = |text: &String| match text.parse::<HeaderName>() {
        // Browsers take it for a name where credentials are sent, and never for `Authorization`.
        _ if text == "*" => Err(source
            .error(field, format!("`*` does not stand for all `{key}` everywhere"))
            .hint("name each")),
        Ok(name) => Ok(name),
        Err(_) => Err(source.error(field, format!("`{text}` is no name for a header field"))),
    };
    field.get_ref().iter().map(name).collect::<Result<_, _>>().map(Some)
}

fn check_max_age(source: &Source<'_>, text: &Spanned<String>) -> Result<HeaderValue, ConfigError> {
    let max_age: Duration = source.duration(text)?;
    Ok(max_age.as_secs().into())
}

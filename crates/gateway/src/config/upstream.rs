//! `[[upstream]]`: the services behind, and the servers that run them.

use toml::Spanned;
use url::{Host, Url};

use super::check::Source;
use super::raw::RawUpstream;
use super::{ConfigError, ServerAddress, UpstreamSettings, UpstreamTimeouts};

/// Checks every `[[upstream]]`.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &[Spanned<RawUpstream>],
    timeouts: UpstreamTimeouts,
) -> Result<Vec<UpstreamSettings>, ConfigError> {
    let mut upstreams: Vec<UpstreamSettings> = Vec::new();
    for table in raw {
        let RawUpstream { name, servers, protocol } = table.get_ref();
        let name = source.required(table, name, "name", "a name for the routes to refer to")?;
        if upstreams.iter().any(|other| other.name == *name.get_ref()) {
            return Err(source.error(name, format!("there is an upstream `{}` already", name.get_ref())));
        }
        if servers.is_empty() {
            let hint = "give one or more: servers = [\"http://127.0.0.1:9001\"]";
            return Err(source.error(table, "`servers` is missing here").hint(hint));
        }
        let servers = servers.iter().map(|server| check_server(source, server)).collect::<Result<_, _>>()?;
        upstreams.push(UpstreamSettings {
            name: name.get_ref().clone(),
            servers,
            protocol: *protocol,
            timeouts,
        });
    }
    Ok(upstreams)
}

fn check_server(source: &Source<'_>, text: &Spanned<String>) -> Result<ServerAddress, ConfigError> {
    let wrong = |problem: &str| {
        source
            .error(text, format!("the server `{}` {problem}", text.get_ref()))
            .hint("write scheme, host and port only: \"http://127.0.0.1:9001\"")
    };
    let url = Url::parse(text.get_ref()).map_err(|_| wrong("is no URL"))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(wrong("wants TLS, which this gateway does not speak to servers yet")),
        _ => return Err(wrong("is not reached over http")),
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a path, while the request's own is passed on as it is"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has credentials"));
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(wrong("has no host")),
    };
    Ok(ServerAddress { host, port: url.port_or_known_default().unwrap_or(80) })
}

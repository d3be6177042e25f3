//! `[[upstream]]`: the services behind, and the servers that run them.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use toml::Spanned;
use url::{Host, Url};

use super::check::Source;
use super::raw::{Field, RawEject, RawHealth, RawUpstream, RawUpstreamLimits, RawUpstreamTls};
use super::{
    ConfigError, EjectSettings, HealthSettings, Protocol, ServerAddress, UpstreamLimits, UpstreamSettings,
    UpstreamTimeouts,
};
use crate::route::path::RequestPath;
use crate::tls::{Pair, TlsFile, UpstreamFiles, UpstreamTls};

/// What is to happen every so often, or after so long, happens once a day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Checks every `[[upstream]]`.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &[Spanned<RawUpstream>],
    timeouts: UpstreamTimeouts,
) -> Result<Vec<UpstreamSettings>, ConfigError> {
    let mut upstreams: Vec<UpstreamSettings> = Vec::new();
    for table in raw {
        let raw = table.get_ref();
        let name = source.required(table, &raw.name, "name", "a name for the routes to refer to")?;
        if upstreams.iter().any(|other| other.name == *name.get_ref()) {
            return Err(source.error(name, format!("there is an upstream `{}` already", name.get_ref())));
        }
        let servers = check_servers(source, table)?;
        upstreams.push(UpstreamSettings {
            name: name.get_ref().clone(),
            protocol: check_protocol(source, &raw.protocol, &servers)?,
            timeouts,
            tls: check_tls(source, &raw.tls, &servers)?.map(Arc::new),
            health: raw.health.as_ref().map(|health| check_health(source, health)).transpose()?,
            eject: check_eject(source, &raw.eject)?,
            limits: raw.limits.as_ref().map(|limits| check_limits(source, limits)).transpose()?,
            servers,
        });
    }
    Ok(upstreams)
}

fn check_servers(
    source: &Source<'_>,
    table: &Spanned<RawUpstream>,
) -> Result<Vec<ServerAddress>, ConfigError> {
    let RawUpstream { servers: texts, tls, .. } = table.get_ref();
    if texts.is_empty() {
        let hint = "give one or more: servers = [\"http://127.0.0.1:9001\"]";
        return Err(source.error(table, "`servers` is missing here").hint(hint));
    }
    let name = tls.as_ref().and_then(|tls| tls.get_ref().server_name.as_ref());
    let name = name.map(|name| check_server_name(source, name)).transpose()?;
    let mut servers = Vec::new();
    for text in texts {
        let server = check_server(source, text, name.as_ref())?;
        if servers.contains(&server) {
            return Err(source.error(text, format!("the server `{}` is there twice", text.get_ref())));
        }
        servers.push(server);
    }
    Ok(servers)
}

fn check_server(
    source: &Source<'_>,
    text: &Spanned<String>,
    name: Option<&ServerName<'static>>,
) -> Result<ServerAddress, ConfigError> {
    let wrong = |problem: &str| {
        source
            .error(text, format!("the server `{}` {problem}", text.get_ref()))
            .hint("write scheme, host and port only: \"http://127.0.0.1:9001\"")
    };
    let url = Url::parse(text.get_ref()).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not reached over http or https"));
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
    let name = match (url.scheme(), name) {
        ("https", Some(name)) => Some(name.clone()),
        ("https", None) => Some(
            ServerName::try_from(host.clone())
                .map_err(|_| wrong("has a host that no certificate can name"))?,
        ),
        _ => None,
    };
    Ok(ServerAddress { host, port: url.port_or_known_default().unwrap_or(80), name })
}

fn check_server_name(
    source: &Source<'_>,
    text: &Spanned<String>,
) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(text.get_ref().clone()).map_err(|_| {
        source
            .error(text, format!("`{}` is no name that a certificate can have", text.get_ref()))
            .hint("write a host name or an IP address: \"orders.internal\"")
    })
}

fn check_protocol(
    source: &Source<'_>,
    protocol: &Field<Protocol>,
    servers: &[ServerAddress],
) -> Result<Protocol, ConfigError> {
    let Some(written) = protocol else { return Ok(Protocol::default()) };
    if *written.get_ref() == Protocol::Auto && servers.iter().any(|server| server.name.is_none()) {
        let hint = "write `https://` servers, or what they speak: \"http/1.1\" or \"h2\"";
        return Err(source.error(written, "the protocol is agreed on in the TLS handshake").hint(hint));
    }
    Ok(*written.get_ref())
}

fn check_tls(
    source: &Source<'_>,
    table: &Field<RawUpstreamTls>,
    servers: &[ServerAddress],
) -> Result<Option<UpstreamTls>, ConfigError> {
    let https = servers.iter().any(|server| server.name.is_some());
    let Some(table) = table else {
        // The whole file's fault, if it is one: there is no line that says whom this machine trusts.
        let load = || UpstreamTls::load(UpstreamFiles::default());
        return https.then(load).transpose().map_err(|error| ConfigError::new(error.to_string()));
    };
    if !https {
        return Err(source
            .error(table, "no server here is reached over TLS")
            .hint("write `https://` servers"));
    }
    let RawUpstreamTls { ca, server_name: _, certificate, key } = table.get_ref();
    let path = |file: &Spanned<String>| source.folder.join(file.get_ref());
    let pair = match (certificate, key) {
        (None, None) => None,
        (certificate, key) => {
            let certificate = source.required(
                table,
                certificate,
                "certificate",
                "the PEM file with the certificate that the gateway shows",
            )?;
            let key =
                source.required(table, key, "key", "the PEM file with the certificate's private key")?;
            Some(Pair { certificate: path(certificate), key: path(key) })
        }
    };
    UpstreamTls::load(UpstreamFiles { ca: ca.as_ref().map(path), pair }).map(Some).map_err(|error| {
        let file = match error.file {
            TlsFile::Certificate => certificate,
            TlsFile::Key => key,
            TlsFile::Ca => ca,
        };
        let line = file.as_ref().map_or_else(|| source.line(table), |file| source.line(file));
        ConfigError::new(error.to_string()).at(line)
    })
}

fn check_health(source: &Source<'_>, table: &Spanned<RawHealth>) -> Result<HealthSettings, ConfigError> {
    let RawHealth { path, every, timeout, healthy, unhealthy } = table.get_ref();
    let path = source.required(table, path, "path", "what to ask for: path = \"/healthz\"")?;
    let asked = PathAndQuery::try_from(path.get_ref().as_str())
        .ok()
        .filter(|asked| RequestPath::parse(asked.path()).is_ok() && asked.as_str() == path.get_ref())
        .ok_or_else(|| {
            source
                .error(path, format!("`{}` is no path that can be asked for", path.get_ref()))
                .hint("write it from its first `/`: \"/healthz\"")
        })?;
    let defaults = HealthSettings::at(asked);
    Ok(HealthSettings {
        every: within_a_day(source, every, defaults.every)?,
        timeout: within_a_day(source, timeout, defaults.timeout)?,
        healthy: source.count(healthy, defaults.healthy, 1)?,
        unhealthy: source.count(unhealthy, defaults.unhealthy, 1)?,
        ..defaults
    })
}

fn check_eject(source: &Source<'_>, raw: &RawEject) -> Result<EjectSettings, ConfigError> {
    let defaults = EjectSettings::default();
    Ok(EjectSettings {
        failures: source.count(&raw.failures, defaults.failures, 1)?,
        longest: within_a_day(source, &raw.longest, defaults.longest)?,
        server_errors: raw.server_errors,
    })
}

fn check_limits(
    source: &Source<'_>,
    table: &Spanned<RawUpstreamLimits>,
) -> Result<UpstreamLimits, ConfigError> {
    let RawUpstreamLimits { requests, waiting, wait } = table.get_ref();
    source.required(table, requests, "requests", "how many one server may have at once: requests = 1000")?;
    Ok(UpstreamLimits {
        requests: source.count(requests, 1, 1)?,
        waiting: source.count(waiting, 100, 0)?,
        wait: within_a_day(source, wait, Duration::from_secs(1))?,
    })
}

fn within_a_day(
    source: &Source<'_>,
    text: &Field<String>,
    default: Duration,
) -> Result<Duration, ConfigError> {
    let duration = source.limit(text, default)?;
    match text {
        Some(text) if duration > DAY => Err(source.error(text, "this is longer than a day")),
        _ => Ok(duration),
    }
}

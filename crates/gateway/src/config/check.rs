//! From the file's shape to a checked configuration: where absence gets a meaning, and nonsense an error.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepass_net::Network;
use toml::Spanned;

use super::error::line_of;
use super::raw::{Field, RawConfig, RawExtAuthz, RawLimits, RawTimeouts};
use super::{Config, ConfigError, HYPER_HEADERS, Limits, Timeouts, UpstreamTimeouts, duration};
use super::{bff, dpop, issuer, operations, rate_limit, resource, route, stale, tls, upstream};

/// Parses and checks a configuration; `folder` is where relative file names start.
pub(super) fn check(text: &str, folder: &Path) -> Result<Config, ConfigError> {
    let raw: RawConfig = toml::from_str(text).map_err(|error| ConfigError::from_toml(&error, text))?;
    let source = Source { text, folder };
    let Some(listen) = &raw.listen else {
        let hint = "give an address to serve at: listen = \"127.0.0.1:8080\"";
        return Err(ConfigError::new("`listen` is missing").hint(hint));
    };
    let dpop = dpop::check(&source, &raw)?;
    let issuers = issuer::check_all(&source, &raw.issuer, &dpop, stale::routes_ask(&raw))?;
    let upstreams = upstream::check_all(&source, &raw.upstream, source.upstream_timeouts(&raw.timeouts)?)?;
    let mut rate_limits = rate_limit::check_all(&source, &raw.rate_limit)?;
    let mut routes = route::check_all(&source, &raw, &upstreams, &mut rate_limits)?;
    let resources = resource::check_all(&source, &raw, &dpop.dpop, &mut routes.routes)?;
    Ok(Config {
        listen: source.address(listen)?,
        admin_listen: raw.admin_listen.as_ref().map(|listen| source.address(listen)).transpose()?,
        ext_authz_listen: source.ext_authz(&raw.ext_authz)?,
        tls: tls::check(&source, &raw.tls)?.map(Arc::new),
        resources,
        bff: bff::check(&source, &raw)?,
        trusted_proxies: source.networks(&raw.trusted_proxies)?,
        forwarded: raw.forwarded,
        access_log: operations::check_access_log(&source, &raw.access_log)?,
        tracing: operations::check_tracing(&source, &raw.tracing)?,
        issuers,
        upstreams,
        rate_limits,
        routes,
        limits: source.limits(&raw.limits)?,
        timeouts: source.timeouts(&raw.timeouts)?,
    })
}

/// The file, for the places of errors and of the files it names.
pub(super) struct Source<'t> {
    text: &'t str,
    pub(super) folder: &'t Path,
}

impl Source<'_> {
    pub(super) fn error<T>(&self, at: &Spanned<T>, message: impl Into<String>) -> ConfigError {
        ConfigError::new(message).at(self.line(at))
    }

    pub(super) fn line<T>(&self, at: &Spanned<T>) -> usize {
        line_of(self.text, &at.span())
    }

    /// A key that must be there.
    pub(super) fn required<'f, T, U>(
        &self,
        table: &Spanned<U>,
        field: &'f Field<T>,
        key: &str,
        what: &str,
    ) -> Result<&'f Spanned<T>, ConfigError> {
        let missing = || self.error(table, format!("`{key}` is missing here")).hint(format!("give {what}"));
        field.as_ref().ok_or_else(missing)
    }

    pub(super) fn duration(&self, text: &Spanned<String>) -> Result<Duration, ConfigError> {
        duration::parse(text.get_ref()).ok_or_else(|| {
            self.error(text, format!("`{}` is no duration", text.get_ref()))
                .hint("write a whole number and a unit: 500ms, 30s, 15m, 12h, 7d")
        })
    }

    pub(super) fn limit(&self, text: &Field<String>, default: Duration) -> Result<Duration, ConfigError> {
        let Some(text) = text else { return Ok(default) };
        let duration = self.duration(text)?;
        if duration.is_zero() {
            return Err(self.error(text, "a time limit of nothing would end everything at once"));
        }
        Ok(duration)
    }

    fn address(&self, text: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
        text.get_ref().parse().map_err(|_| {
            let hint = "write an IP address and a port: \"127.0.0.1:8080\", or \"[::]:8080\" for everybody";
            self.error(text, format!("`{}` is no address to listen on", text.get_ref())).hint(hint)
        })
    }

    fn ext_authz(&self, table: &Field<RawExtAuthz>) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(table) = table else { return Ok(None) };
        let what = "where Envoys ask: listen = \"127.0.0.1:9191\"";
        self.address(self.required(table, &table.get_ref().listen, "listen", what)?).map(Some)
    }

    fn networks(&self, texts: &[Spanned<String>]) -> Result<Vec<Network>, ConfigError> {
        let network = |text: &Spanned<String>| {
            text.get_ref().parse().map_err(|_| {
                self.error(text, format!("`{}` is no address or network", text.get_ref()))
                    .hint("write \"10.0.0.0/8\", \"fd00::/8\" or one address")
            })
        };
        texts.iter().map(network).collect()
    }

    fn limits(&self, raw: &RawLimits) -> Result<Limits, ConfigError> {
        Ok(Limits {
            connections: self.count(&raw.connections, 10_000, 1)?,
            handshakes: self.count(&raw.handshakes, 1_000, 1)?,
            // hyper can do with no less.
            header_bytes: self.count(&raw.header_bytes, 32 * 1024, 8 * 1024)?,
            headers: self.count(&raw.headers, HYPER_HEADERS, 1)?,
            target_bytes: self.count(&raw.target_bytes, 8 * 1024, 1)?,
            body_bytes: raw.body_bytes.as_ref().map(|limit| *limit.get_ref()),
        })
    }

    pub(super) fn count<N: Copy + PartialOrd + Display>(
        &self,
        count: &Field<N>,
        default: N,
        least: N,
    ) -> Result<N, ConfigError> {
        match count {
            None => Ok(default),
            Some(count) if *count.get_ref() < least => {
                Err(self.error(count, format!("this limit must be {least} or more")))
            }
            Some(count) => Ok(*count.get_ref()),
        }
    }

    fn timeouts(&self, raw: &RawTimeouts) -> Result<Timeouts, ConfigError> {
        Ok(Timeouts {
            handshake: self.limit(&raw.handshake, Duration::from_secs(10))?,
            header: self.limit(&raw.header, Duration::from_secs(10))?,
            idle: self.limit(&raw.idle, Duration::from_secs(75))?,
            stall: self.limit(&raw.stall, Duration::from_secs(60))?,
            body: self.limit(&raw.body, Duration::from_secs(60))?,
            tunnel: self.limit(&raw.tunnel, Duration::from_secs(60 * 60))?,
            drain: self.limit(&raw.drain, Duration::from_secs(30))?,
        })
    }

    fn upstream_timeouts(&self, raw: &RawTimeouts) -> Result<UpstreamTimeouts, ConfigError> {
        Ok(UpstreamTimeouts {
            connect: self.limit(&raw.connect, Duration::from_secs(5))?,
            response: self.limit(&raw.response, Duration::from_secs(60))?,
        })
    }
}

//! `[access_log]` and `[tracing]`: what operators are told of requests.

use url::Url;

use super::ConfigError;
use super::check::Source;
use super::raw::{Field, RawAccessLog, RawCallers, RawTracing};
use crate::access_log::{AccessLogSettings, Target};
use crate::trace::TracingSettings;

/// Checks `[access_log]`. The file itself is opened when the gateway starts.
pub(super) fn check_access_log(
    source: &Source<'_>,
    table: &Field<RawAccessLog>,
) -> Result<Option<AccessLogSettings>, ConfigError> {
    let Some(table) = table else { return Ok(None) };
    let RawAccessLog { path, identity } = table.get_ref();
    let path = source.required(table, path, "path", "a file, or \"-\" for standard output")?;
    let target = match path.get_ref().as_str() {
        "" => {
            let hint = "name a file, or write \"-\" for standard output";
            return Err(source.error(path, "an empty path names no file").hint(hint));
        }
        "-" => Target::Stdout,
        file => {
            let file = source.folder.join(file);
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                let message = format!("there is no folder `{}` for the access log", folder.display());
                return Err(source.error(path, message).hint("make it, or name a file elsewhere"));
            }
            Target::File(file)
        }
    };
    Ok(Some(AccessLogSettings { target, identity: identity.unwrap_or(true) }))
}

/// Checks `[tracing]`.
pub(super) fn check_tracing(
    source: &Source<'_>,
    table: &Field<RawTracing>,
) -> Result<Option<TracingSettings>, ConfigError> {
    let Some(table) = table else { return Ok(None) };
    let RawTracing { otlp, sample, callers } = table.get_ref();
    let otlp = source.required(table, otlp, "otlp", "the URL of a collector: \"http://127.0.0.1:4318\"")?;
    let wrong = |problem: &str| {
        source
            .error(otlp, format!("the collector `{}` {problem}", otlp.get_ref()))
            .hint("write where it takes OTLP over HTTP: \"http://127.0.0.1:4318\"")
    };
    let mut url = Url::parse(otlp.get_ref()).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not reached over http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("has credentials or a query"));
    }
    if url.path() == "/" {
        url.set_path("/v1/traces"); // what OTLP over HTTP says
    }
    let share = sample.as_ref().map_or(1.0, |sample| *sample.get_ref());
    if let Some(sample) = sample.as_ref().filter(|_| !(0.0..=1.0).contains(&share)) {
        return Err(source.error(sample, "`sample` is a share").hint("write a number from 0.0 to 1.0"));
    }
    Ok(Some(TracingSettings {
        otlp: url.into(),
        sample: share,
        from_trusted_proxies: *callers == RawCallers::TrustedProxies,
    }))
}

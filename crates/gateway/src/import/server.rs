//! `servers` of a document: the upstream, and what paths begin with.

use rustls::pki_types::ServerName;
use serde_json::Value;
use url::Url;

use super::{UpstreamServer, quoted};

/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// Where it goes when the document does not say.
const PLACEHOLDER: &str = "http://127.0.0.1:9001";

pub(super) struct Servers {
    pub(super) upstream: UpstreamServer,
    /// What every path begins with: empty, or a path without a slash at its end.
    pub(super) base: String,
    pub(super) notes: Vec<String>,
}

/// The first server is taken. The others are the same API elsewhere (a test system, another region), and not
/// servers to share the load with.
pub(super) fn propose(document: &Value, chosen: Option<UpstreamServer>) -> Servers {
    let servers = document.get("servers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut notes = Vec::new();
    let first = servers.first().map(|server| (server, url_of(server)));
    let (origin, base) = match &first {
        None => (None, String::new()),
        Some((_, Some(url))) if url.starts_with('/') && !url.starts_with("//") => {
            (None, origin_and_path(&format!("{PLACEHOLDER}{url}")).map(|(_, path)| path).unwrap_or_default())
        }
        Some((server, url)) => match url.as_deref().and_then(origin_and_path) {
            Some((origin, path)) => (Some(origin), path),
            None => {
                let url = quoted(server.get("url").and_then(Value::as_str).unwrap_or_default());
                notes.push(format!(
                    "The document's server {url} cannot be read; paths are proposed as they stand."
                ));
                (None, String::new())
            }
        },
    };
    if servers.len() > 1 {
        notes.push(format!("The document names {} more, which may have other paths.", servers.len() - 1));
    }
    let upstream = chosen.unwrap_or_else(|| {
        notes.push(
            match origin {
                Some(_) => "Name the service itself here, if the document has the address that clients use.",
                None => "The document does not say where the service runs: name it here.",
            }
            .to_owned(),
        );
        UpstreamServer { name: "api".to_owned(), origin: origin.unwrap_or_else(|| PLACEHOLDER.to_owned()) }
    });
    Servers { upstream, base, notes }
}

/// `http://host:port` of a URL that a server can have, and its path without a slash at the end.
pub(super) fn origin_and_path(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL)?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let is_server = match url.scheme() {
        "http" => true,
        "https" => ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']')).is_ok(),
        _ => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_server || !is_plain || url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    Some((url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned()))
}

/// The URL of a Server Object, with the default for each of its variables.
fn url_of(server: &Value) -> Option<String> {
    let mut left = server.get("url")?.as_str().filter(|url| url.len() <= MAX_URL)?;
    let mut url = String::new();
    while let Some((before, rest)) = left.split_once('{') {
        let (name, after) = rest.split_once('}')?;
        url.push_str(before);
        url.push_str(server.get("variables")?.get(name)?.get("default")?.as_str()?);
        if url.len() > MAX_URL {
            return None;
        }
        left = after;
    }
    Some(url + left)
}

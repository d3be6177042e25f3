//! From an OpenAPI document to routes that somebody can look through and put into the file.
//!
//! What the document says is proposed, what it leaves open is said in a comment, and nothing becomes public that
//! it does not declare public. The document may be anybody's: its text reaches the proposal only as TOML strings
//! and within comments of one line.

mod document;
mod plan;
mod security;
mod server;
mod template;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use http::Method;
use serde_json::Value;

use self::plan::Plan;
use self::security::Proposed;

/// The longest document that is looked at, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most paths of a document.
const MAX_PATHS: usize = 4_000;

/// The most scopes in a proposal, all routes together: they multiply where many routes share a long list.
const MAX_SCOPES: usize = 100_000;

/// The longest piece of the document that a comment repeats, in characters.
const MAX_QUOTED: usize = 200;

/// A part of the gateway's file that an OpenAPI document suggests: one `[[upstream]]`, and a `[[route]]` for each
/// path and the methods that demand the same.
///
/// Shown with [`Display`](fmt::Display), it is TOML to put below `listen` and an `[[issuer]]`.
///
/// # Examples
/// ```
/// use gatepass_gateway::Proposal;
///
/// let document = r#"{ "openapi": "3.1.0", "paths": { "/orders/{id}": { "get": { "security": [{ "o": ["orders:read"] }] } } },
///     "components": { "securitySchemes": { "o": { "type": "oauth2" } } } }"#;
/// let proposal = Proposal::from_openapi(document, Some("orders=http://127.0.0.1:9001".parse()?))?;
/// assert!(proposal.to_string().contains(r#"require = { scope = ["orders:read"] }"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Proposal {
    upstream: UpstreamServer,
    /// About the servers.
    notes: Vec<String>,
    routes: Vec<Route>,
    left_out: Vec<LeftOut>,
}

impl Proposal {
    /// Reads OpenAPI 3.0 or 3.1, in JSON (where the text begins with `{`) or YAML. Takes the first server that the
    /// document names for the upstream, unless another one is given. No other file is read, and nothing is fetched.
    ///
    /// # Errors
    /// [`ImportError`] for a document that is none, is too large, or describes no paths. What a single path or
    /// operation says and the gateway cannot do is told in the proposal instead.
    pub fn from_openapi(text: &str, upstream: Option<UpstreamServer>) -> Result<Self, ImportError> {
        if text.len() > MAX_BYTES {
            return Err(ImportError::TooLarge);
        }
        let document = document::parse(text)?;
        require_version(&document)?;
        let paths = document.get("paths").and_then(Value::as_object).ok_or(ImportError::NoPaths)?;
        if paths.len() > MAX_PATHS {
            return Err(ImportError::TooManyPaths);
        }
        let servers = server::propose(&document, upstream);
        let mut plan = Plan::new(&document, &servers.base);
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            plan.add(path, item)?;
        }
        let (routes, left_out) = plan.finish();
        Ok(Self { upstream: servers.upstream, notes: servers.notes, routes, left_out })
    }
}

/// The name of an `[[upstream]]` and its server: `orders=http://127.0.0.1:9001`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    name: String,
    origin: String,
}

impl FromStr for UpstreamServer {
    type Err = InvalidUpstream;

    fn from_str(text: &str) -> Result<Self, InvalidUpstream> {
        let (name, url) = text.split_once('=').ok_or(InvalidUpstream)?;
        match server::origin_and_path(url) {
            Some((origin, path)) if path.is_empty() && !name.is_empty() => {
                Ok(Self { name: name.to_owned(), origin })
            }
            _ => Err(InvalidUpstream),
        }
    }
}

/// What was given for an upstream is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name and a server without a path: orders=http://127.0.0.1:9001")]
pub struct InvalidUpstream;

/// Why nothing is proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// More than 4 MiB.
    #[error("the document has more than 4 MiB")]
    TooLarge,
    /// It begins as JSON and is not.
    #[error("this is not JSON that can be read: {0}")]
    Json(String),
    /// It is not YAML, or has what is not read: aliases, merge keys, several documents.
    #[error("this is not YAML that can be read: line {line}: {problem}")]
    Yaml {
        /// Counted from 1.
        line: usize,
        /// In words.
        problem: String,
    },
    /// OpenAPI's predecessor, which says servers and security in other words.
    #[error("this is Swagger 2.0; convert it to OpenAPI 3 first")]
    Swagger,
    /// No `openapi`, or another version than 3.0 and 3.1.
    #[error("only OpenAPI 3.0 and 3.1 are understood, and this document does not say that it is one of them")]
    Version,
    /// No `paths`.
    #[error("the document describes no paths")]
    NoPaths,
    /// More than 4,000.
    #[error("the document describes more than 4000 paths")]
    TooManyPaths,
    /// More than 100,000.
    #[error("the routes would ask for more than 100000 scopes")]
    TooManyScopes,
}

/// One `[[route]]`.
#[derive(Debug, Clone)]
struct Route {
    path: String,
    methods: Vec<Method>,
    proposed: Proposed,
}

/// What a route asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Demand {
    Nothing,
    /// A token with all of these scopes, which may be none.
    Token(BTreeSet<String>),
}

/// What the document describes and no route is proposed for.
#[derive(Debug, Clone)]
struct LeftOut {
    /// None where the whole path is left out.
    method: Option<Method>,
    path: String,
    why: String,
    /// The path of a broader route that takes requests for it.
    meets: Option<String>,
}

impl LeftOut {
    fn what(&self) -> String {
        let method = self.method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
        method + &quoted(&self.path)
    }
}

fn require_version(document: &Value) -> Result<(), ImportError> {
    if document.get("swagger").is_some() {
        return Err(ImportError::Swagger);
    }
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let mut patches = ["3.0", "3.1"].into_iter().filter_map(|minor| version.strip_prefix(minor));
    match patches.any(|patch| patch.is_empty() || patch.starts_with('.')) {
        true => Ok(()),
        false => Err(ImportError::Version),
    }
}

/// Text of the document for a comment: on one line, without control and format characters, not too long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Proposed from an OpenAPI document. Look through it before it decides on anything.")?;
        write_notes(f, &self.notes)?;
        writeln!(f, "[[upstream]]")?;
        writeln!(f, "name = {}", string(&self.upstream.name))?;
        writeln!(f, "servers = {}", list([&self.upstream.origin]))?;
        for route in &self.routes {
            write_route(f, route, &self.upstream.name)?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "\n# Left out:")?;
        }
        for left_out in &self.left_out {
            write!(f, "# - {}: {}", left_out.what(), left_out.why)?;
            match &left_out.meets {
                Some(path) => writeln!(f, "; requests for it meet the route {}", quoted(path))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn write_route(f: &mut fmt::Formatter<'_>, route: &Route, upstream: &str) -> fmt::Result {
    writeln!(f)?;
    write_notes(f, &route.proposed.notes)?;
    writeln!(f, "[[route]]")?;
    writeln!(f, "path = {}", string(&route.path))?;
    writeln!(f, "methods = {}", list(route.methods.iter().map(Method::as_str)))?;
    writeln!(f, "upstream = {}", string(upstream))?;
    match &route.proposed.demand {
        Demand::Nothing => writeln!(f, "public = true"),
        Demand::Token(scopes) if scopes.is_empty() => Ok(()),
        Demand::Token(scopes) => writeln!(f, "require = {{ scope = {} }}", list(scopes)),
    }
}

fn write_notes(f: &mut fmt::Formatter<'_>, notes: &[String]) -> fmt::Result {
    notes.iter().try_for_each(|note| writeln!(f, "# {note}"))
}

fn string(text: &str) -> toml::Value {
    toml::Value::String(text.to_owned())
}

fn list(texts: impl IntoIterator<Item = impl AsRef<str>>) -> toml::Value {
    toml::Value::Array(texts.into_iter().map(|text| string(text.as_ref())).collect())
}

#[cfg(test)]
mod tests;

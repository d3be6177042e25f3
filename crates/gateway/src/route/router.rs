//! From a request's host, path and method to its route.
//!
//! A route with a `host` is looked at before those with `*.host`, of these the longer one first, and then those
//! without. Within a host, each segment is matched by the most literal pattern that lets the rest match too:
//! text before `{name}` before `{*name}`. The path decides first and alone: when the most literal pattern does
//! not serve the method, the answer is 405 and no broader pattern is asked, so that a catch-all cannot open a
//! method that the narrow route left out. Of the routes of one pattern and method, that is taken whose
//! conditions on header fields hold and are the narrowest.

use http::{HeaderMap, HeaderValue, Method};

use super::condition::{HeaderConditions, Repeated};
use super::path::RequestPath;
use super::pattern::{Pattern, Segment};

/// The methods that a route serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Methods {
    /// Every method that can be proxied.
    All,
    /// These; `HEAD` wherever `GET` stands.
    These(Vec<Method>),
}

/// All routes of a configuration, compiled. `T` is what a route is to the caller.
#[derive(Debug)]
pub(crate) struct Router<T> {
    /// Lower-case host names without a port.
    hosts: Vec<(Box<str>, Node<T>)>,
    /// What `*` stands before, with its dot; the longest first.
    suffixes: Vec<(Box<str>, Node<T>)>,
    any_host: Node<T>,
}

/// Why no route serves a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute<'r> {
    /// No pattern matches the path.
    Path,
    /// A pattern does, for the methods of this `Allow` header only.
    Method {
        /// RFC 9110 section 10.2.1.
        allow: &'r HeaderValue,
    },
    /// Patterns do, for this method, but for other header fields only.
    Headers,
    /// It cannot be told which, for a field that decides stands more than once.
    RepeatedHeader,
}

/// Two routes would serve the same request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous<T> {
    /// The route that was there first.
    pub(crate) with: T,
    /// Whether they go by header fields, which a request could have for both.
    pub(crate) by_headers: bool,
}

/// What the router holds for one path pattern.
#[derive(Debug)]
pub(crate) struct Endpoint<T> {
    /// The narrowest conditions first.
    routes: Vec<Served<T>>,
    allow: HeaderValue,
}

#[derive(Debug)]
struct Served<T> {
    methods: Methods,
    headers: HeaderConditions,
    route: T,
}

impl<T: Copy> Router<T> {
    pub(crate) fn new() -> Self {
        Self { hosts: Vec::new(), suffixes: Vec::new(), any_host: Node::new() }
    }

    /// Adds a route, unless another one serves one of its methods for the same paths already, and it is left
    /// open which of the two a request with certain header fields meets.
    pub(crate) fn insert(
        &mut self,
        host: Option<&str>,
        pattern: &Pattern,
        methods: Methods,
        headers: HeaderConditions,
        route: T,
    ) -> Result<(), Ambiguous<T>> {
        let served = Served { methods, headers, route };
        let host = host.map(str::to_ascii_lowercase);
        let mut node = match host.as_deref().map(|host| (host, host.strip_prefix('*'))) {
            None => &mut self.any_host,
            Some((_, Some(suffix))) => {
                let place = self.suffixes.iter().position(|(other, _)| other.len() < suffix.len());
                if !self.suffixes.iter().any(|(other, _)| **other == *suffix) {
                    self.suffixes.insert(place.unwrap_or(self.suffixes.len()), (suffix.into(), Node::new()));
                }
                child(&mut self.suffixes, suffix)
            }
            Some((host, None)) => child(&mut self.hosts, host),
        };
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => child(&mut node.literals, literal),
                Segment::One(_) => node.one.get_or_insert_with(|| Box::new(Node::new())),
                Segment::Rest(_) => {
                    return node.rest.get_or_insert_with(Endpoint::new).insert(served);
                }
            };
        }
        node.here.get_or_insert_with(Endpoint::new).insert(served)
    }

    /// The routes of the most literal pattern that matches, whatever their methods.
    pub(crate) fn find_endpoint(&self, host: Option<&str>, path: &RequestPath<'_>) -> Option<&Endpoint<T>> {
        let goes_by_host = !(self.hosts.is_empty() && self.suffixes.is_empty());
        let host = host.filter(|_| goes_by_host).map(host_name);
        let of_host =
            host.and_then(|host| self.hosts.iter().find(|(name, _)| name.eq_ignore_ascii_case(host)));
        let below = |suffix: &str| host.is_some_and(|host| is_below(host, suffix));
        of_host
            .and_then(|(_, root)| root.find(path.segments()))
            .or_else(|| {
                let mut of_suffixes = self.suffixes.iter().filter(|(suffix, _)| below(suffix));
                of_suffixes.find_map(|(_, root)| root.find(path.segments()))
            })
            .or_else(|| self.any_host.find(path.segments()))
    }

    /// The route that serves this request.
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        path: &RequestPath<'_>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<T, NoRoute<'_>> {
        self.find_endpoint(host, path).ok_or(NoRoute::Path)?.find(method, headers)
    }
}

impl<T: Copy> Endpoint<T> {
    fn new() -> Self {
        Self { routes: Vec::new(), allow: HeaderValue::from_static("") }
    }

    fn insert(&mut self, served: Served<T>) -> Result<(), Ambiguous<T>> {
        if let Some(other) = self.routes.iter().find(|other| served.is_ambiguous_with(other)) {
            let by_headers = !(served.headers.is_empty() && other.headers.is_empty());
            return Err(Ambiguous { with: other.route, by_headers });
        }
        let place = self.routes.iter().position(|other| other.headers.weight() < served.headers.weight());
        self.routes.insert(place.unwrap_or(self.routes.len()), served);
        self.allow = self.allow_header();
        Ok(())
    }

    /// The route for a method and header fields.
    fn find(&self, method: &Method, headers: &HeaderMap) -> Result<T, NoRoute<'_>> {
        let mut none = NoRoute::Method { allow: &self.allow };
        for served in self.routes.iter().filter(|served| served.methods.contain(method)) {
            if served.headers.met_by(headers)? {
                return Ok(served.route);
            }
            none = NoRoute::Headers;
        }
        Err(none)
    }

    /// Every route for a method, whatever the header fields.
    pub(crate) fn routes_of(&self, method: &Method) -> impl Iterator<Item = T> {
        self.routes.iter().filter(|served| served.methods.contain(method)).map(|served| served.route)
    }

    /// Every route for these header fields, whatever the method.
    pub(crate) fn routes_with(&self, headers: &HeaderMap) -> Result<Vec<T>, NoRoute<'_>> {
        let mut routes = Vec::new();
        for served in &self.routes {
            if served.headers.met_by(headers)? {
                routes.push(served.route);
            }
        }
        if routes.is_empty() { Err(NoRoute::Headers) } else { Ok(routes) }
    }

    /// Never asked of an endpoint that serves every method.
    fn allow_header(&self) -> HeaderValue {
        let mut names: Vec<&str> = Vec::new();
        for served in &self.routes {
            let Methods::These(methods) = &served.methods else { continue };
            for method in methods {
                names.push(method.as_str());
                if *method == Method::GET {
                    names.push(Method::HEAD.as_str());
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        HeaderValue::from_str(&names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl<T> Served<T> {
    /// Whether some request could meet both, and neither is the narrower one.
    fn is_ambiguous_with(&self, other: &Self) -> bool {
        let narrower_one = self.headers.imply(&other.headers) != other.headers.imply(&self.headers);
        self.methods.overlap(&other.methods) && !self.headers.exclude(&other.headers) && !narrower_one
    }
}

impl From<Repeated> for NoRoute<'_> {
    fn from(Repeated: Repeated) -> Self {
        Self::RepeatedHeader
    }
}

impl Methods {
    fn contain(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => {
                these.contains(method) || (*method == Method::HEAD && these.contains(&Method::GET))
            }
        }
    }

    fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::These(these), Self::These(_)) => {
                these.iter().any(|method| other.contain(method))
                    || (other.contain(&Method::HEAD) && self.contain(&Method::HEAD))
            }
            (Self::All, _) | (_, Self::All) => true,
        }
    }
}

#[derive(Debug)]
struct Node<T> {
    literals: Vec<(Box<str>, Node<T>)>,
    one: Option<Box<Node<T>>>,
    rest: Option<Endpoint<T>>,
    here: Option<Endpoint<T>>,
}

impl<T: Copy> Node<T> {
    fn new() -> Self {
        Self { literals: Vec::new(), one: None, rest: None, here: None }
    }

    /// Goes no deeper than the patterns are long, however long the path is.
    fn find(&self, mut segments: std::str::Split<'_, char>) -> Option<&Endpoint<T>> {
        let Some(segment) = segments.next() else {
            return self.here.as_ref();
        };
        let literal = self.literals.iter().find(|(text, _)| **text == *segment);
        literal
            .and_then(|(_, node)| node.find(segments.clone()))
            .or_else(|| {
                self.one.as_ref().filter(|_| !segment.is_empty()).and_then(|node| node.find(segments))
            })
            .or(self.rest.as_ref())
    }
}

fn child<'n, T: Copy>(children: &'n mut Vec<(Box<str>, Node<T>)>, name: &str) -> &'n mut Node<T> {
    let position = children.iter().position(|(text, _)| **text == *name).unwrap_or(children.len());
    if position == children.len() {
        children.push((name.into(), Node::new()));
    }
    #[expect(clippy::indexing_slicing, reason = "the position was found or pushed just above")]
    &mut children[position].1
}

/// `example.com` of `example.com:8080` and of `example.com.`, `[::1]` of `[::1]:8080`.
pub(crate) fn host_name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether a name ends with `.example.com`, and has more before that.
fn is_below(host: &str, suffix: &str) -> bool {
    let start = host.len().checked_sub(suffix.len()).filter(|start| *start > 0);
    start.and_then(|start| host.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests;

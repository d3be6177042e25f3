//! From a request's host, path and method to its route.
//!
//! A route with a `host` is looked at before those without. Within a host, each segment is matched by the
//! most literal pattern that lets the rest match too: text before `{name}` before `{*name}`. The path
//! decides first and alone: when the most literal pattern does not serve the method, the answer is 405 and
//! no broader pattern is asked, so that a catch-all cannot open a method that the narrow route left out.

use http::{HeaderValue, Method};

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
}

/// Two routes would serve the same request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous<T> {
    /// The route that was there first.
    pub(crate) with: T,
}

/// What the router holds for one path pattern.
#[derive(Debug)]
pub(crate) struct Endpoint<T> {
    routes: Vec<(Methods, T)>,
    allow: HeaderValue,
}

impl<T: Copy> Router<T> {
    pub(crate) fn new() -> Self {
        Self { hosts: Vec::new(), any_host: Node::new() }
    }

    /// Adds a route, unless another one serves one of its methods for the same paths already.
    pub(crate) fn insert(
        &mut self,
        host: Option<&str>,
        pattern: &Pattern,
        methods: Methods,
        route: T,
    ) -> Result<(), Ambiguous<T>> {
        let mut node = match host {
            None => &mut self.any_host,
            Some(host) => child(&mut self.hosts, host),
        };
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(literal) => child(&mut node.literals, literal),
                Segment::One(_) => node.one.get_or_insert_with(|| Box::new(Node::new())),
                Segment::Rest(_) => {
                    return node.rest.get_or_insert_with(Endpoint::new).insert(methods, route);
                }
            };
        }
        node.here.get_or_insert_with(Endpoint::new).insert(methods, route)
    }

    /// The routes of the most literal pattern that matches, whatever their methods.
    pub(crate) fn find_endpoint(&self, host: Option<&str>, path: &RequestPath<'_>) -> Option<&Endpoint<T>> {
        let of_host = host
            .and_then(|host| self.hosts.iter().find(|(name, _)| name.eq_ignore_ascii_case(host_name(host))));
        of_host
            .and_then(|(_, root)| root.find(path.segments()))
            .or_else(|| self.any_host.find(path.segments()))
    }

    /// The route that serves this request.
    pub(crate) fn find(
        &self,
        host: Option<&str>,
        path: &RequestPath<'_>,
        method: &Method,
    ) -> Result<T, NoRoute<'_>> {
        let endpoint = self.find_endpoint(host, path).ok_or(NoRoute::Path)?;
        endpoint.find(method).ok_or(NoRoute::Method { allow: &endpoint.allow })
    }
}

impl<T: Copy> Endpoint<T> {
    fn new() -> Self {
        Self { routes: Vec::new(), allow: HeaderValue::from_static("") }
    }

    fn insert(&mut self, methods: Methods, route: T) -> Result<(), Ambiguous<T>> {
        if let Some((_, with)) = self.routes.iter().find(|(taken, _)| taken.overlap(&methods)) {
            return Err(Ambiguous { with: *with });
        }
        self.routes.push((methods, route));
        self.allow = self.allow_header();
        Ok(())
    }

    /// The route for a method.
    pub(crate) fn find(&self, method: &Method) -> Option<T> {
        self.routes.iter().find(|(methods, _)| methods.contain(method)).map(|(_, route)| *route)
    }

    /// Every route of this path.
    pub(crate) fn routes(&self) -> impl Iterator<Item = T> + '_ {
        self.routes.iter().map(|(_, route)| *route)
    }

    /// Never asked of an endpoint that serves every method.
    fn allow_header(&self) -> HeaderValue {
        let mut names: Vec<&str> = Vec::new();
        for (methods, _) in &self.routes {
            let Methods::These(methods) = methods else { continue };
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
fn host_name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(Option<&str>, &str, &[&str])]) -> Router<usize> {
        let mut router = Router::new();
        for (index, (host, pattern, methods)) in routes.iter().enumerate() {
            router.insert(*host, &Pattern::parse(pattern).unwrap(), methods_of(methods), index).unwrap();
        }
        router
    }

    fn methods_of(names: &[&str]) -> Methods {
        match names {
            [] => Methods::All,
            names => Methods::These(names.iter().map(|name| name.parse().unwrap()).collect()),
        }
    }

    #[test]
    fn the_most_literal_pattern_wins() {
        let router = router(&[
            (None, "/{*rest}", &[]),
            (None, "/api/{*rest}", &[]),
            (None, "/api/orders", &[]),
            (None, "/api/orders/{id}", &[]),
            (None, "/api/orders/open", &[]),
            (None, "/api/{kind}/open/items", &[]),
            (None, "/api/orders/", &[]),
            (None, "/api/orders/open/{*rest}", &[]),
        ]);
        let cases = [
            ("/", 0),
            ("/apis", 0),
            ("/api", 0),
            ("/api/", 1),
            ("/api/x", 1),
            ("/api/x/y/z", 1),
            ("/api/orders", 2),
            ("/api/orders/7", 3),
            ("/api/orders/open", 4),
            ("/api/orders/%6fpen", 4), // the same path to the upstream, so the same rule here
            ("/api/users/open/items", 5),
            ("/api/orders/open/items", 7), // the literal `orders` goes on, so `{kind}` is not asked
            ("/api/orders/open/", 7),
            ("/api/orders/", 6),
            ("/api/orders/7/items", 1),
            ("/API/orders", 0),
        ];
        for (path, want) in cases {
            let found = router.find(None, &RequestPath::parse(path).unwrap(), &Method::GET);
            assert_eq!(found, Ok(want), "{path}");
        }
    }

    #[test]
    fn the_path_decides_before_the_method() {
        let router = router(&[
            (None, "/{*rest}", &[]),
            (None, "/orders", &["GET"]),
            (None, "/orders", &["POST", "DELETE"]),
            (None, "/jobs", &["POST"]),
        ]);
        let cases = [
            ("GET", "/orders", Ok(1)),
            ("HEAD", "/orders", Ok(1)),
            ("POST", "/orders", Ok(2)),
            ("PUT", "/orders", Err("DELETE, GET, HEAD, POST")),
            ("OPTIONS", "/orders", Err("DELETE, GET, HEAD, POST")),
            ("get", "/orders", Err("DELETE, GET, HEAD, POST")),
            ("HEAD", "/jobs", Err("POST")),
            ("PURGE", "/other", Ok(0)),
        ];
        for (method, path, want) in cases {
            let path = RequestPath::parse(path).unwrap();
            let found = match router.find(None, &path, &method.parse().unwrap()) {
                Ok(route) => Ok(route),
                Err(NoRoute::Method { allow }) => Err(allow.to_str().unwrap()),
                Err(NoRoute::Path) => Err("no route"),
            };
            assert_eq!(found, want, "{method} {path:?}");
        }
    }

    #[test]
    fn a_host_goes_before_any_host() {
        let router = router(&[
            (None, "/a", &[]),
            (Some("api.example.com"), "/a", &[]),
            (Some("api.example.com"), "/b", &[]),
            (None, "/c", &[]),
        ]);
        let cases = [
            (Some("api.example.com"), "/a", Ok(1)),
            (Some("API.example.com:8443"), "/a", Ok(1)),
            (Some("api.example.com.:80"), "/a", Ok(1)),
            (Some("other.example.com"), "/a", Ok(0)),
            (None, "/a", Ok(0)),
            (Some("other.example.com"), "/b", Err(NoRoute::Path)),
            (Some("api.example.com"), "/c", Ok(3)),
        ];
        for (host, path, want) in cases {
            let path = RequestPath::parse(path).unwrap();
            assert_eq!(router.find(host, &path, &Method::GET), want, "{host:?} {path:?}");
        }
    }

    #[test]
    fn routes_that_would_serve_the_same_request_are_ambiguous() {
        type Route = (Option<&'static str>, &'static str, &'static [&'static str]);
        let cases: [(Route, Route, bool); 9] = [
            ((None, "/a/{x}", &["GET"]), (None, "/a/{y}", &["GET"]), true),
            ((None, "/a", &["GET"]), (None, "/a", &["HEAD"]), true),
            ((None, "/a", &["GET", "PUT"]), (None, "/a", &["POST", "PUT"]), true),
            ((None, "/a", &[]), (None, "/a", &["POST"]), true),
            ((None, "/{*a}", &[]), (None, "/{*b}", &[]), true),
            ((None, "/a", &["GET"]), (None, "/a", &["POST"]), false),
            ((None, "/a", &[]), (None, "/{a}", &[]), false),
            ((None, "/{a}", &[]), (None, "/{*a}", &[]), false),
            ((Some("h"), "/a", &[]), (None, "/a", &[]), false),
        ];
        for (first, second, ambiguous) in cases {
            let mut router = router(&[first]);
            let (host, pattern, methods) = second;
            let inserted = router.insert(host, &Pattern::parse(pattern).unwrap(), methods_of(methods), 9);
            assert_eq!(inserted == Err(Ambiguous { with: 0 }), ambiguous, "{first:?} {second:?}");
        }
    }
}

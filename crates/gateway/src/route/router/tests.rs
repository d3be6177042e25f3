use super::*;
use crate::route::condition::tests::{conditions, fields};

fn router(routes: &[(Option<&str>, &str, &[&str])]) -> Router<usize> {
    let mut router = Router::new();
    for (index, (host, pattern, methods)) in routes.iter().enumerate() {
        let pattern = Pattern::parse(pattern).unwrap();
        router.insert(*host, &pattern, methods_of(methods), HeaderConditions::default(), index).unwrap();
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
        let path = RequestPath::parse(path).unwrap();
        let found = router.find(None, &path, &Method::GET, &HeaderMap::new());
        assert_eq!(found, Ok(want), "{path:?}");
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
        let found = match router.find(None, &path, &method.parse().unwrap(), &HeaderMap::new()) {
            Ok(route) => Ok(route),
            Err(NoRoute::Method { allow }) => Err(allow.to_str().unwrap()),
            Err(_) => Err("no route"),
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
        let found = router.find(host, &path, &Method::GET, &HeaderMap::new());
        assert_eq!(found, want, "{host:?} {path:?}");
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
        let (pattern, any) = (Pattern::parse(pattern).unwrap(), HeaderConditions::default());
        let inserted = router.insert(host, &pattern, methods_of(methods), any, 9);
        let want = if ambiguous { Err(Ambiguous { with: 0, by_headers: false }) } else { Ok(()) };
        assert_eq!(inserted, want, "{first:?} {second:?}");
    }
}

#[test]
fn a_host_before_those_below_another_before_any() {
    let router = router(&[
        (None, "/{*rest}", &[]),
        (Some("*.example.com"), "/a", &[]),
        (Some("*.eu.example.com"), "/a", &[]),
        (Some("api.eu.example.com"), "/a", &[]),
        (Some("*.example.com"), "/b", &[]),
    ]);
    let cases = [
        ("x.example.com", "/a", 1),
        ("x.y.example.com", "/a", 1),
        ("X.EXAMPLE.com.:8443", "/a", 1),
        ("x.eu.example.com", "/a", 2),
        ("api.eu.example.com", "/a", 3),
        ("api.eu.example.com", "/b", 4), // the longer ones have no such path
        ("example.com", "/a", 0),
        (".example.com", "/a", 0),
        ("evilexample.com", "/a", 0),
        ("x.example.com.evil", "/a", 0),
        ("x.example.com", "/c", 0),
    ];
    for (host, path, want) in cases {
        let found =
            router.find(Some(host), &RequestPath::parse(path).unwrap(), &Method::GET, &HeaderMap::new());
        assert_eq!(found, Ok(want), "{host} {path}");
    }
}

#[test]
fn the_narrowest_conditions_that_hold_win_whatever_the_order() {
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let routes: [(&[&str], Fields<'_>); 5] = [
        (&["GET"], &[]),
        (&["GET"], &[("v", "*")]),
        (&[], &[("v", "2")]),
        (&["GET"], &[("v", "2"), ("beta", "*")]),
        (&["POST"], &[("v", "3")]),
    ];
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        let mut router = Router::new();
        for index in order {
            let (methods, headers) = routes[index];
            let pattern = Pattern::parse("/a").unwrap();
            router.insert(None, &pattern, methods_of(methods), conditions(headers), index).unwrap();
        }
        let cases: [(&str, Fields<'_>, Result<usize, &str>); 10] = [
            ("GET", &[], Ok(0)),
            ("GET", &[("v", "1")], Ok(1)),
            ("GET", &[("v", "2")], Ok(2)),
            ("GET", &[("v", "2"), ("beta", "x")], Ok(3)),
            ("GET", &[("beta", "x")], Ok(0)),
            ("GET", &[("v", "1"), ("v", "2")], Err("repeated")),
            ("GET", &[("v", "2"), ("connection", "v")], Ok(0)),
            ("POST", &[("v", "3")], Ok(4)),
            ("POST", &[("v", "1")], Err("headers")),
            ("PUT", &[], Err("headers")),
        ];
        for (method, sent, want) in cases {
            let path = RequestPath::parse("/a").unwrap();
            let found = match router.find(None, &path, &method.parse().unwrap(), &fields(sent)) {
                Ok(route) => Ok(route),
                Err(NoRoute::Headers) => Err("headers"),
                Err(NoRoute::RepeatedHeader) => Err("repeated"),
                Err(_) => Err("none"),
            };
            assert_eq!(found, want, "{method} {sent:?}");
        }
    }
}

#[test]
fn conditions_of_which_a_request_could_meet_both_are_ambiguous() {
    type Conditions = &'static [(&'static str, &'static str)];
    let cases: [(Conditions, Conditions, bool); 7] = [
        (&[("v", "1")], &[], false),
        (&[("v", "1")], &[("v", "2")], false),
        (&[("v", "1")], &[("v", "*")], false),
        (&[("v", "1")], &[("v", "1")], true),
        (&[("v", "1")], &[("w", "1")], true),
        (&[("v", "1"), ("w", "*")], &[("v", "*"), ("w", "1")], true),
        (&[("v", "1"), ("w", "1")], &[("v", "2"), ("x", "1")], false),
    ];
    for (first, second, ambiguous) in cases {
        let mut router = Router::new();
        let pattern = Pattern::parse("/a").unwrap();
        router.insert(None, &pattern, Methods::All, conditions(first), 0).unwrap();
        let inserted = router.insert(None, &pattern, methods_of(&["GET"]), conditions(second), 1);
        let want = if ambiguous { Err(Ambiguous { with: 0, by_headers: true }) } else { Ok(()) };
        assert_eq!(inserted, want, "{first:?} {second:?}");
    }
}

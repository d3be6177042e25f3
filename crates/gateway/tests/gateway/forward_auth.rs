//! Questions of a proxy that stands in front of the services itself.

use http::Request;

use crate::harness::{Backend, Running, Token, config, full, send};

const ROUTES: &str = "
[forward_auth]
forward = { sub = 'X-Sub' }

[[route]]
path = '/public'
upstream = 'backend'
public = true

[[route]]
path = '/orders'
methods = ['GET']
upstream = 'backend'
forward = { sub = 'X-User-Id' }

[[route]]
path = '/orders'
methods = ['POST']
upstream = 'backend'
require = { scope = ['orders:write'] }
forward = { sub = 'X-User-Id', roles = 'X-User-Roles' }

[[route]]
path = '/open-to-read'
methods = ['GET']
upstream = 'backend'
public = true

[[route]]
path = '/open-to-read'
methods = ['PUT']
upstream = 'backend'

[[route]]
host = 'shop.example.com'
path = '/here'
upstream = 'backend'
public = true

[[route]]
path = '/here'
upstream = 'backend'
";

#[tokio::test]
async fn questions_and_answers() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let reader = Token::of("ann").claim("roles", ["clerk"]).bearer();
    let writer = Token::of("ann").claim("roles", ["clerk"]).claim("scope", "orders:write").bearer();
    let nobody = String::new();
    type Fields = &'static [(&'static str, &'static str)];
    const GET_ORDERS: Fields = &[("x-original-uri", "/orders?page=2"), ("x-original-method", "GET")];
    const POST_ORDERS: Fields = &[("x-forwarded-uri", "/orders"), ("x-forwarded-method", "POST")];
    const BOTH: Fields = &[
        ("x-original-uri", "/orders"),
        ("x-original-method", "GET"),
        ("x-forwarded-uri", "/orders"),
        ("x-forwarded-method", "GET"),
    ];
    let cases: [(&str, Fields, &String, u16, &str); 30] = [
        ("nothing_asked", &[], &reader, 200, "x-sub"),
        ("nothing_asked_by_nobody", &[], &nobody, 401, "token-missing"),
        ("nginx", GET_ORDERS, &reader, 200, "x-user-id"),
        ("nginx_nobody", GET_ORDERS, &nobody, 401, "token-missing"),
        ("traefik", POST_ORDERS, &writer, 200, "x-user-id x-user-roles"),
        ("traefik_without_the_scope", POST_ORDERS, &reader, 403, "insufficient-scope"),
        ("both_families_agree", BOTH, &reader, 200, "x-user-id"),
        (
            "uri_slipped_in",
            &[("x-original-uri", "/orders"), ("x-forwarded-uri", "/public")],
            &writer,
            403,
            "asked-unclearly",
        ),
        (
            "method_slipped_in",
            &[("x-original-uri", "/orders"), ("x-original-method", "POST"), ("x-forwarded-method", "GET")],
            &writer,
            403,
            "asked-unclearly",
        ),
        (
            "uri_twice",
            &[("x-original-uri", "/orders"), ("x-original-uri", "/public")],
            &writer,
            403,
            "asked-unclearly",
        ),
        ("method_alone", &[("x-original-method", "GET")], &writer, 403, "asked-unclearly"),
        ("no_method_all_rules_met", &[("x-original-uri", "/orders")], &writer, 200, "x-user-id x-user-roles"),
        ("no_method_one_rule_not_met", &[("x-original-uri", "/orders")], &reader, 403, "insufficient-scope"),
        (
            "no_method_and_one_is_public",
            &[("x-original-uri", "/open-to-read")],
            &nobody,
            401,
            "token-missing",
        ),
        ("public", &[("x-original-uri", "/public")], &nobody, 200, ""),
        (
            "head_as_get",
            &[("x-original-uri", "/orders"), ("x-original-method", "HEAD")],
            &reader,
            200,
            "x-user-id",
        ),
        ("no_such_path", &[("x-original-uri", "/none")], &writer, 403, "no-route"),
        (
            "no_such_method",
            &[("x-original-uri", "/orders"), ("x-original-method", "DELETE")],
            &writer,
            403,
            "method-not-allowed",
        ),
        (
            "not_a_method",
            &[("x-original-uri", "/orders"), ("x-original-method", "G T")],
            &writer,
            403,
            "asked-unclearly",
        ),
        ("dots", &[("x-original-uri", "/public/../orders")], &nobody, 403, "bad-path"),
        ("encoded_slash", &[("x-original-uri", "/x%2f..%2fpublic")], &nobody, 403, "bad-path"),
        ("double_slash", &[("x-original-uri", "//public")], &nobody, 403, "bad-path"),
        ("fragment", &[("x-original-uri", "/public#/orders")], &nobody, 403, "bad-path"),
        ("empty", &[("x-original-uri", "")], &writer, 403, "bad-path"),
        ("absolute", &[("x-original-uri", "http://shop.example.com/public")], &nobody, 403, "bad-path"),
        ("any_host", &[("x-original-uri", "/here")], &nobody, 401, "token-missing"),
        (
            "its_host",
            &[("x-original-uri", "/here"), ("x-forwarded-host", "shop.example.com:443")],
            &nobody,
            200,
            "",
        ),
        (
            "two_hosts",
            &[
                ("x-original-uri", "/here"),
                ("x-forwarded-host", "shop.example.com"),
                ("x-forwarded-host", "b"),
            ],
            &nobody,
            403,
            "asked-unclearly",
        ),
        (
            "host_of_the_question",
            &[("x-original-uri", "/here"), ("host", "shop.example.com")],
            &nobody,
            200,
            "",
        ),
        ("not_text", &[("x-original-uri", "/\u{e9}")], &nobody, 403, "asked-unclearly"),
    ];
    for (name, fields, token, status, want) in cases {
        let mut request = Request::get("/auth/verify");
        for (field, value) in fields {
            request = request.header(*field, *value);
        }
        if !token.is_empty() {
            request = request.header("authorization", token);
        }
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.code(), want, "{name}");
            assert_eq!(
                answer.header("www-authenticate").is_some(),
                matches!(want, "token-missing" | "insufficient-scope"),
                "{name}"
            );
            continue;
        }
        let mut told: Vec<&str> = answer
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-"))
            .collect();
        told.sort_unstable();
        assert_eq!(told.join(" "), want, "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        if told.contains(&"x-user-id") {
            assert_eq!(answer.header("x-user-id"), Some("ann"), "{name}");
        }
    }
    assert_eq!(backend.connections(), 0, "a question goes nowhere else");
    assert!(gateway.gateway.stats().verified > 0);
}

#[tokio::test]
async fn the_endpoint_can_be_elsewhere_and_takes_any_method() {
    let backend = Backend::mirror().await;
    let routes = ROUTES.replace("[forward_auth]\n", "[forward_auth]\npath = '/_verify'\n");
    let gateway = Running::start(&config(backend.address, &routes)).await;
    let token = Token::of("ann").bearer();
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/_verify").header("authorization", &token);
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-sub")), (200, Some("ann")), "{method}");
    }
    assert_eq!(gateway.get("/auth/verify", &[("authorization", &token)]).await.status, 404);
}

/// As Envoy's `ext_authz` over HTTP asks.
#[tokio::test]
async fn a_question_can_be_the_request_itself_below_the_endpoint() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let reader = Token::of("ann").bearer();
    let nobody = String::new();
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(&str, &str, Fields, &String, u16, &str); 13] = [
        ("GET", "/orders?page=2", &[], &reader, 200, "ann"),
        ("HEAD", "/orders", &[], &reader, 200, "ann"),
        ("GET", "/orders", &[], &nobody, 401, "token-missing"),
        ("POST", "/orders", &[], &reader, 403, "insufficient-scope"),
        ("DELETE", "/orders", &[], &reader, 403, "method-not-allowed"),
        ("GET", "/public", &[], &nobody, 200, ""),
        ("GET", "/", &[], &reader, 403, "no-route"),
        ("GET", "//public", &[], &nobody, 403, "bad-path"),
        ("GET", "/../public", &[], &nobody, 403, "bad-path"),
        ("GET", "/here", &[("host", "shop.example.com")], &nobody, 200, ""),
        ("GET", "/here", &[("x-forwarded-host", "shop.example.com")], &nobody, 403, "asked-unclearly"),
        ("GET", "/orders", &[("x-forwarded-host", "API.example.com")], &reader, 200, "ann"),
        ("GET", "/orders", &[("x-original-uri", "/public")], &nobody, 403, "asked-unclearly"),
    ];
    for (method, target, fields, token, status, want) in cases {
        let mut request = Request::builder().method(method).uri(format!("/auth/verify{target}"));
        for (field, value) in fields {
            request = request.header(*field, *value);
        }
        if !token.is_empty() {
            request = request.header("authorization", token);
        }
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        let name = format!("{method} {target} {fields:?}: {answer:?}");
        assert_eq!(answer.status, status, "{name}");
        if status == 200 {
            assert_eq!(answer.header("x-user-id").unwrap_or_default(), want, "{name}");
        } else {
            assert_eq!(answer.code(), want, "{name}");
        }
    }
    assert_eq!(gateway.get("/auth/verifying", &[]).await.status, 404, "that is another path");
    assert_eq!(backend.connections(), 0);
}

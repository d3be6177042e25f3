//! Who gets in where, and what those hear who do not.

use http::{Request, StatusCode};

use crate::harness::{Backend, Running, Token, config, full, send};

const ROUTES: &str = "
[[route]]
path = '/public'
upstream = 'backend'
public = true

[[route]]
path = '/orders'
methods = ['GET']
upstream = 'backend'

[[route]]
path = '/orders'
methods = ['POST']
upstream = 'backend'
require = { scope = ['orders:write', 'orders:read'] }

[[route]]
path = '/admin'
upstream = 'backend'
require = { role = ['admin', 'owner'] }

[[route]]
path = '/tenant'
upstream = 'backend'
require = { claim = { tenant = 'acme', level = [3, 4], groups = { contains = 'a' }, amr = { present = true } } }
";

#[tokio::test]
async fn rules() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let ann = || Token::of("ann");
    let tenant =
        || ann().claim("tenant", "acme").claim("level", 4).claim("groups", ["a", "b"]).claim("amr", ["pwd"]);
    let nobody = String::new();
    let cases = [
        ("public_without_a_token", "GET", "/public", nobody.clone(), 200, ""),
        ("public_with_a_bad_token", "GET", "/public", "Bearer nonsense".into(), 200, ""),
        ("no_token", "GET", "/orders", nobody.clone(), 401, "token-missing"),
        ("another_scheme", "GET", "/orders", "Basic eDp5".into(), 401, "token-missing"),
        ("not_a_token", "GET", "/orders", "Bearer nonsense".into(), 401, "invalid-token"),
        ("two_tokens_in_one", "GET", "/orders", "Bearer a, Bearer b".into(), 400, "invalid-request"),
        ("any_token", "GET", "/orders", ann().bearer(), 200, ""),
        (
            "any_token_lower_case_scheme",
            "GET",
            "/orders",
            ann().bearer().replace("Bearer", "bearer"),
            200,
            "",
        ),
        ("head_as_get", "HEAD", "/orders", ann().bearer(), 200, ""),
        ("expired", "GET", "/orders", ann().expires_in(-120).bearer(), 401, "expired"),
        (
            "another_audience",
            "GET",
            "/orders",
            ann().claim("aud", "https://else.example.com").bearer(),
            401,
            "invalid-token",
        ),
        (
            "another_issuer",
            "GET",
            "/orders",
            ann().claim("iss", "https://else.example.com").bearer(),
            401,
            "invalid-token",
        ),
        (
            "another_secret",
            "GET",
            "/orders",
            ann().signed_with(b"another secret, as long as it has to be").bearer(),
            401,
            "invalid-token",
        ),
        ("an_id_token", "GET", "/orders", ann().typ("JWT").bearer(), 401, "invalid-token"),
        (
            "both_scopes",
            "POST",
            "/orders",
            ann().claim("scope", "orders:read x orders:write").bearer(),
            200,
            "",
        ),
        (
            "one_scope",
            "POST",
            "/orders",
            ann().claim("scope", "orders:read").bearer(),
            403,
            "insufficient-scope",
        ),
        ("no_scope", "POST", "/orders", ann().bearer(), 403, "insufficient-scope"),
        ("one_of_the_roles", "GET", "/admin", ann().claim("roles", ["clerk", "owner"]).bearer(), 200, ""),
        ("none_of_the_roles", "GET", "/admin", ann().claim("roles", ["clerk"]).bearer(), 403, "forbidden"),
        ("every_claim", "GET", "/tenant", tenant().bearer(), 200, ""),
        ("wrong_claim", "GET", "/tenant", tenant().claim("tenant", "acme2").bearer(), 403, "forbidden"),
        ("none_of_the_values", "GET", "/tenant", tenant().claim("level", 5).bearer(), 403, "forbidden"),
        ("number_as_text", "GET", "/tenant", tenant().claim("level", "4").bearer(), 403, "forbidden"),
        ("not_contained", "GET", "/tenant", tenant().claim("groups", ["b"]).bearer(), 403, "forbidden"),
        ("no_such_path", "GET", "/none", ann().bearer(), 404, "no-route"),
        ("no_such_path_without_a_token", "GET", "/none", nobody.clone(), 404, "no-route"),
        ("no_such_method", "PUT", "/orders", ann().bearer(), 405, "method-not-allowed"),
    ];
    for (name, method, path, token, status, code) in cases {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", token);
        }
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 200 {
            continue;
        }
        assert_eq!(answer.code(), code, "{name}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
        assert_eq!(answer.json()["status"], status, "{name}");
        assert_eq!(answer.header("www-authenticate").is_some(), matches!(status, 400 | 401 | 403), "{name}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD, POST"), "{name}");
    }
}

#[tokio::test]
async fn a_rule_that_is_not_enforced_counts_and_lets_pass() {
    let backend = Backend::mirror().await;
    let routes = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\nrequire = { role = ['admin'] }\n\
        forward = { sub = 'X-User-Id', tenant = 'X-Tenant' }\nenforce = false\n";
    let gateway = Running::start(&config(backend.address, routes)).await;
    let admin = || Token::of("ann").claim("roles", ["admin"]);
    let cases = [
        ("no_token", String::new(), None),
        ("a_bad_token", "Bearer nonsense".into(), None),
        ("an_expired_token", admin().expires_in(-120).bearer(), None),
        ("another_role", Token::of("ann").bearer(), None),
        ("a_claim_that_cannot_be_told", admin().claim("tenant", "a\nb").bearer(), None),
        ("a_good_token", admin().bearer(), Some("ann")),
    ];
    for (name, token, user) in cases {
        let mut headers = vec![("x-user-id", "root"), ("x_user_id", "root")];
        if !token.is_empty() {
            headers.push(("authorization", &token));
        }
        let told = gateway.get("/", &headers).await.json();
        assert_eq!(crate::harness::mirrored(&told, "x-user-id"), Vec::from_iter(user), "{name}");
        assert!(crate::harness::mirrored(&told, "x_user_id").is_empty(), "{name}");
        let question = [&headers[..], &[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")]].concat();
        let answer = gateway.get("/auth/verify", &question).await;
        assert_eq!((answer.status, answer.header("x-user-id")), (StatusCode::OK, user), "{name}");
    }
    let stats = gateway.gateway.stats();
    let would_refuse = stats.would_refuse.iter().map(|(code, count)| (code.as_str(), *count));
    let want = [
        ("claim-not-forwardable", 2),
        ("expired", 2),
        ("forbidden", 2),
        ("invalid-token", 2),
        ("token-missing", 2),
    ];
    assert_eq!(would_refuse.collect::<Vec<_>>(), want);
    assert!(stats.refused.is_empty(), "{stats:?}");
    // What is no matter of tokens is refused as ever.
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(gateway.get("/", &twice).await.code(), "invalid-request");
    assert_eq!(gateway.get("/a//b", &[]).await.code(), "bad-path");
}

#[tokio::test]
async fn a_refusal_names_the_scope_that_is_missing_and_counts() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let token = Token::of("ann").bearer();
    for _ in 0..3 {
        let request = Request::post("/orders").header("authorization", &token).body(full("")).unwrap();
        let answer = send(gateway.address, request).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("error=\"insufficient_scope\"")
                && challenge.contains("scope=\"orders:read orders:write\""),
            "{challenge}"
        );
    }
    assert_eq!(gateway.get("/orders", &[]).await.header("www-authenticate"), Some("Bearer realm=\"api\""));
    let stats = gateway.gateway.stats();
    assert_eq!(
        (stats.passed, stats.refused["insufficient-scope"], stats.refused["token-missing"]),
        (0, 3, 1)
    );
}

//! Which route serves a request: by header fields, and by hosts below another.

use http::{Request, StatusCode};

use crate::harness::{Backend, Running, Token, config, full, mirrored, send};

const ROUTES: &str = "
[[route]]
path = '/orders'
upstream = 'backend'
public = true

[[route]]
path = '/orders'
headers = { X-Api-Version = '2' }
upstream = 'backend'

[[route]]
path = '/orders'
headers = { x-api-version = '2', x-beta = { present = true } }
upstream = 'backend'
require = { scope = ['beta'] }

[[route]]
path = '/only'
headers = { x-api-version = '3' }
upstream = 'backend'
public = true

[[route]]
host = '*.shop.example.com'
path = '/orders'
upstream = 'backend'
require = { role = ['shop'] }
";

#[tokio::test]
async fn header_fields_choose_the_route_and_the_upstream_sees_what_chose() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    let ann = Token::of("ann").bearer();
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(&str, &str, Fields, u16, &str); 14] = [
        ("none", "/orders", &[], 200, ""),
        ("version_2", "/orders", &[("x-api-version", "2")], 401, "token-missing"),
        ("version_2_in_capitals", "/orders", &[("X-API-VERSION", "2")], 401, "token-missing"),
        ("another_version", "/orders", &[("x-api-version", "1")], 200, ""),
        ("version_2_and_beta", "/orders", &[("x-api-version", "2"), ("x-beta", "")], 401, "token-missing"),
        ("twice", "/orders", &[("x-api-version", "1"), ("x-api-version", "2")], 400, "repeated-header"),
        ("in_a_list", "/orders", &[("x-api-version", "2, 2")], 200, ""),
        // What the client lets end at the gateway chooses nothing, for the upstream will not see it.
        ("nominated", "/orders", &[("x-api-version", "2"), ("connection", "x-api-version")], 200, ""),
        ("another_spelling", "/orders", &[("x_api_version", "2")], 200, ""),
        ("no_route_without", "/only", &[], 404, "no-route"),
        ("no_route_for_this", "/only", &[("x-api-version", "2")], 404, "no-route"),
        ("the_route_for_this", "/only", &[("x-api-version", "3")], 200, ""),
        ("a_host_below", "/orders", &[("host", "x.y.shop.example.com:8080")], 401, "token-missing"),
        ("not_below", "/orders", &[("host", "shop.example.com")], 200, ""),
    ];
    for (name, path, fields, status, code) in cases {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = send(gateway.address, request.body(full("")).unwrap()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.code(), code, "{name}");
            continue;
        }
        // An upstream that takes `_` for `-` reads no other version than the gateway did.
        let told = answer.json();
        assert!(mirrored(&told, "x_api_version").is_empty(), "{name}");
        if name == "nominated" {
            assert!(mirrored(&told, "x-api-version").is_empty(), "{name}");
        }
    }
    let beta = [("x-api-version", "2"), ("x-beta", "1"), ("authorization", &*ann)];
    assert_eq!(gateway.get("/orders", &beta).await.code(), "insufficient-scope");
    assert_eq!(gateway.get("/orders", &[beta[0], beta[2]]).await.status, StatusCode::OK);

    // A proxy that asks passes its client's fields on.
    let question = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders")];
    assert_eq!(gateway.get("/auth/verify", &question).await.status, StatusCode::OK);
    let answer = gateway.get("/auth/verify", &[&question[..], &beta[..1]].concat()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // Without the method, the rules of every route that it could be hold.
    let answer = gateway.get("/auth/verify", &[&question[1..], &beta[..]].concat()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

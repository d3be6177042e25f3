//! What a route demands beyond scopes, roles and fixed values: the path's own words, a login, a key; and what it
//! leaves open.

use http::StatusCode;
use serde_json::json;

use crate::harness::{Backend, Running, Token, config, mirrored, now};
use crate::resource::Holder;

const ROUTES: &str = "
[[route]]
path = '/users/{user}/orders/{order}'
upstream = 'backend'
require = { claim = { sub = { param = 'user' } } }

[[route]]
path = '/tenants/{tenant}'
upstream = 'backend'
require = { claim = { tenant = { param = 'tenant' } } }

[[route]]
path = '/realms/{org}'
upstream = 'backend'
forward = { '/realm_access/roles' = 'X-User-Roles', '/organization/id' = 'X-Organization' }

[route.require.claim]
'/realm_access/roles' = { contains = 'clerk' }
'/organization/id' = { param = 'org' }
'/https:~1~1example.com~1plan/0' = ['gold', 'silver']

[[route]]
path = '/transfer'
upstream = 'backend'
require = { acr = ['urn:gold', 'urn:silver'], max_age = '10m', scope = ['pay'] }

[[route]]
path = '/feed/{user}'
upstream = 'backend'
optional = true
require = { claim = { sub = { param = 'user' } } }
forward = { sub = 'X-User-Id' }

[[route]]
path = '/vault'
upstream = 'backend'
require = { dpop = true }
";

async fn gateway() -> (Backend, Running) {
    let backend = Backend::mirror().await;
    let text = format!("public_url = 'https://api.example.com'\n{}", config(backend.address, ROUTES));
    let gateway = Running::start(&text).await;
    (backend, gateway)
}

#[tokio::test]
async fn a_claim_that_has_to_be_what_the_path_says() {
    let (_backend, gateway) = gateway().await;
    let ann = Token::of("ann").bearer();
    let of = |subject: &str| Token::of(subject).bearer();
    let tenant = |tenant: serde_json::Value| Token::of("ann").claim("tenant", tenant).bearer();
    let cases = [
        ("own", "/users/ann/orders/7", ann.clone(), 200),
        ("anothers", "/users/berta/orders/7", ann.clone(), 403),
        ("own_with_a_query", "/users/ann/orders/7?user=berta", ann.clone(), 200),
        ("another_segment_is_own", "/users/berta/orders/ann", ann.clone(), 403),
        ("encoded", "/users/%61nn/orders/7", ann.clone(), 200),
        ("encoded_twice", "/users/%2561nn/orders/7", ann.clone(), 400),
        ("another_case", "/users/Ann/orders/7", ann.clone(), 403),
        ("with_a_path_parameter", "/users/ann;x/orders/7", ann.clone(), 400),
        ("a_slash_in_the_claim", "/users/a%2Fb/orders/7", of("a/b"), 400),
        ("a_space", "/users/a%20b/orders/7", of("a b"), 200),
        ("a_plus_is_no_space", "/users/a+b/orders/7", of("a b"), 403),
        ("a_percent_sign", "/users/100%25/orders/7", of("100%"), 200),
        ("beyond_ascii", "/users/%C3%A9/orders/7", of("\u{e9}"), 200),
        ("composed_otherwise", "/users/e%CC%81/orders/7", of("\u{e9}"), 403),
        ("a_trailing_slash", "/users/ann/orders/", ann.clone(), 404),
        ("a_number", "/tenants/42", tenant(json!(42)), 200),
        ("a_number_as_text", "/tenants/42", tenant(json!("42")), 200),
        ("a_number_with_zeros", "/tenants/042", tenant(json!(42)), 403),
        ("a_fraction", "/tenants/42.0", tenant(json!(42.0)), 403),
        ("a_list", "/tenants/a", tenant(json!(["a"])), 403),
        ("no_such_claim", "/tenants/a", ann.clone(), 403),
    ];
    for (name, path, token, status) in cases {
        let answer = gateway.get(path, &[("authorization", &token)]).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let question = [("authorization", &*token), ("x-forwarded-uri", path), ("x-forwarded-method", "GET")];
        let verified = gateway.get("/auth/verify", &question).await.status;
        assert_eq!(verified == StatusCode::OK, status == 200, "{name}: asked by a proxy");
    }
}

#[tokio::test]
async fn claims_within_claims() {
    let (_backend, gateway) = gateway().await;
    let token = |roles: serde_json::Value, organization: serde_json::Value| {
        Token::of("ann")
            .claim("realm_access", roles)
            .claim("organization", organization)
            .claim("https://example.com/plan", json!(["silver"]))
    };
    let clerk = || json!({ "roles": ["viewer", "clerk"] });
    let acme = || json!({ "id": "acme" });
    let cases = [
        ("good", token(clerk(), acme()), 200),
        ("another_role", token(json!({ "roles": ["viewer"] }), acme()), 403),
        ("a_role_that_holds_the_name", token(json!({ "roles": ["clerks"] }), acme()), 403),
        ("roles_as_text", token(json!({ "roles": "clerk" }), acme()), 403),
        ("roles_as_an_object", token(json!({ "roles": { "clerk": true } }), acme()), 403),
        ("no_roles", token(json!({}), acme()), 403),
        ("roles_at_the_top", token(json!(["clerk"]), acme()).claim("roles", json!(["clerk"])), 403),
        (
            "a_claim_of_the_pointers_name",
            token(json!(null), acme()).claim("/realm_access/roles", json!(["clerk"])),
            403,
        ),
        ("another_organization", token(clerk(), json!({ "id": "initech" })), 403),
        ("no_organization", token(clerk(), json!("acme")), 403),
        (
            "another_plan",
            token(clerk(), acme()).claim("https://example.com/plan", json!(["tin", "gold"])),
            403,
        ),
        ("no_claim_at_all", Token::of("ann"), 403),
    ];
    for (name, token, status) in cases {
        let token = token.bearer();
        let answer = gateway.get("/realms/acme", &[("authorization", &token)]).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 200 {
            assert_eq!(mirrored(&answer.json(), "x-user-roles"), ["viewer,clerk"]);
            assert_eq!(mirrored(&answer.json(), "x-organization"), ["acme"]);
        } else {
            assert_eq!(answer.code(), "forbidden", "{name}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_too_weak_or_too_old_is_stepped_up() {
    let (_backend, gateway) = gateway().await;
    let login = |acr: &str, ago: i64| {
        Token::of("ann").claim("scope", "pay").claim("acr", acr).claim("auth_time", now() - ago)
    };
    let weak = "insufficient-user-authentication";
    let cases = [
        ("strong_and_recent", login("urn:silver", 5), 200, ""),
        ("weak", login("urn:bronze", 5), 401, weak),
        ("old", login("urn:gold", 700), 401, weak),
        ("from_the_future", login("urn:gold", -3_600), 401, weak),
        ("nobody_knows", Token::of("ann").claim("scope", "pay"), 401, weak),
        // Another login would not help.
        ("scope_lacking", login("urn:bronze", 5).claim("scope", "x"), 403, "insufficient-scope"),
    ];
    for (name, token, status, code) in cases {
        let token = token.bearer();
        let answer = gateway.get("/transfer", &[("authorization", &token)]).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let question = [("authorization", &*token), ("x-original-uri", "/transfer")];
        let verified = gateway.get("/auth/verify", &question).await;
        assert_eq!(verified.status, status, "{name}: asked by a proxy");
        if status == 200 {
            continue;
        }
        assert_eq!(answer.code(), code, "{name}");
        if status == 401 {
            let wanted = "error=\"insufficient_user_authentication\", \
                          error_description=\"insufficient-user-authentication\", \
                          acr_values=\"urn:gold urn:silver\", max_age=\"600\"";
            for answer in [answer, verified] {
                assert!(answer.header("www-authenticate").unwrap().contains(wanted), "{name}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn who_shows_nothing_goes_without_and_who_shows_something_is_looked_at() {
    let (_backend, gateway) = gateway().await;
    let ann = Token::of("ann").bearer();
    let expired = Token::of("ann").expires_in(-120).bearer();
    let cases = [
        ("nothing", None, 200, None, ""),
        ("a_good_token", Some(&*ann), 200, Some("ann"), ""),
        ("an_expired_token", Some(&*expired), 401, None, "expired"),
        ("nonsense", Some("Bearer nonsense"), 401, None, "invalid-token"),
        ("nothing_after_the_scheme", Some("Bearer"), 400, None, "invalid-request"),
        ("another_scheme", Some("Basic eDp5"), 401, None, "token-missing"),
        ("empty", Some(""), 401, None, "token-missing"),
    ];
    for (name, authorization, status, user, code) in cases {
        // Somebody tries to be somebody.
        let mut headers = vec![("x-user-id", "mallory"), ("x_user_id", "mallory")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        let answer = gateway.get("/feed/ann", &headers).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 200 {
            let told = answer.json();
            assert_eq!(mirrored(&told, "x-user-id"), Vec::from_iter(user), "{name}");
            assert!(mirrored(&told, "x_user_id").is_empty(), "{name}");
        } else {
            assert_eq!(answer.code(), code, "{name}");
        }
        headers.extend([("x-forwarded-uri", "/feed/ann"), ("x-forwarded-method", "GET")]);
        let verified = gateway.get("/auth/verify", &headers).await;
        assert_eq!(verified.status == StatusCode::OK, status == 200, "{name}: asked by a proxy");
        assert_eq!(verified.header("x-user-id"), user, "{name}: asked by a proxy");
    }
    // A token that is sent has to meet the rule.
    let answer = gateway.get("/feed/berta", &[("authorization", &ann)]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::FORBIDDEN, "forbidden"));
}

#[tokio::test]
async fn a_route_that_demands_a_key() {
    let (_backend, gateway) = gateway().await;
    let schemes = |answer: &crate::harness::Answer| {
        let fields = answer.headers.get_all("www-authenticate").iter();
        fields.map(|field| field.to_str().unwrap().split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let nothing = gateway.get("/vault", &[]).await;
    assert_eq!((nothing.status, schemes(&nothing)), (StatusCode::UNAUTHORIZED, vec!["DPoP".to_owned()]));
    let unbound = gateway.get("/vault", &[("authorization", &Token::of("ann").bearer())]).await;
    assert_eq!((unbound.code(), schemes(&unbound)), ("dpop-required".into(), vec!["DPoP".to_owned()]));
    let holder = Holder::new();
    let token = holder.token();
    let proof = holder.proof("https://api.example.com/vault", &token);
    let bound = [("authorization", &*format!("DPoP {token}")), ("dpop", &*proof)];
    assert_eq!(gateway.get("/vault", &bound).await.status, StatusCode::OK);
    // Elsewhere, both will do.
    let elsewhere = gateway.get("/tenants/a", &[]).await;
    assert_eq!(schemes(&elsewhere), ["Bearer", "DPoP"]);
}

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use gatepass_guard::{
    Admitted, ClaimTest, Claims, GrpcGuardLayer, Guard, GuardLayer, RequireScope, RequiredScope, Rule,
    StaleAction, StalePolicy, WhenStale,
};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use crate::issuer::{Issuer, eventually, guard, inline, now};

#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

struct OrdersRead;

impl RequiredScope for OrdersRead {
    const SCOPE: &'static str = "orders:read";
}

struct OrdersReadAndWrite;

impl RequiredScope for OrdersReadAndWrite {
    const SCOPE: &'static str = "orders:read orders:write";
}

fn api(guard: &Guard) -> Router {
    let layer = || GuardLayer::new(guard.clone());
    let writers = Rule::default().with_scope("orders:write".parse().unwrap());
    let admins = Rule::default().with_role(["admin"]);
    let who = async |token: Option<Admitted>| token.map_or("nobody".into(), |token| token.sub.clone());
    let writer = async |token: Option<RequireScope<OrdersReadAndWrite>>| {
        token.map_or("nobody".into(), |token| token.into_token().sub.clone())
    };
    let tenant = async |claims: Option<Claims<Tenant>>| {
        claims.map_or("nobody".into(), |Claims(Tenant { tenant })| tenant)
    };
    Router::new()
        .route(
            "/orders",
            get(async |token: Admitted| token.sub.clone()).post(async || "written").layer(layer()),
        )
        .route("/write", get(async || "written").layer(layer().with_rule(writers)))
        .route("/admin", get(async || "admin").layer(layer().with_rule(admins)))
        .route("/tenant", get(async |Claims(Tenant { tenant })| tenant).layer(layer()))
        .route("/optional", get(who).layer(layer().optional()))
        .route("/optional-but-needed", get(async |_: Admitted| "needed").layer(layer().optional()))
        .route("/reader", get(async |token: RequireScope<OrdersRead>| token.sub.clone()).layer(layer()))
        .route("/writer", get(async |_: RequireScope<OrdersReadAndWrite>| "writer").layer(layer()))
        .route("/optional-writer", get(writer).layer(layer().optional()))
        .route("/optional-tenant", get(tenant).layer(layer().optional()))
        .route("/unguarded", get(async |_: Admitted| "unguarded"))
        .route("/public", get(async || "public"))
}

async fn ask(api: &Router, path: &str, authorization: &[&str]) -> (u16, Option<String>, String) {
    let mut request = Request::get(path);
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let challenge = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
    let is_problem =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    assert_eq!(is_problem, !status.is_success());
    if status == StatusCode::OK {
        return (200, challenge, String::from_utf8(body.to_vec()).unwrap());
    }
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status.as_u16());
    (status.as_u16(), challenge, problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn requests_and_their_answers() {
    let issuer = Issuer::start().await;
    let api = api(&guard([inline(&issuer)]).await);
    let bearer = |token: String| format!("Bearer {token}");
    let good = bearer(issuer.token());
    let (good, lower) = (good.as_str(), &good.replace("Bearer", "bearer"));
    let expired = &bearer(issuer.token_with("exp", 1));
    let writer = &bearer(issuer.token_with("scope", "orders:read orders:write"));
    let admin = &bearer(issuer.token_with("roles", vec!["clerk", "admin"]));
    let no_tenant = &bearer(issuer.token_with("tenant", 1));
    let cases: [(&str, &str, &[&str], u16, &str); 30] = [
        ("public", "/public", &[], 200, "public"),
        ("good", "/orders", &[good], 200, "ann"),
        ("lower_case_scheme", "/orders", &[lower], 200, "ann"),
        ("no_token", "/orders", &[], 401, "token-missing"),
        ("another_scheme", "/orders", &["Basic YTpi"], 401, "token-missing"),
        ("token_in_the_query", "/orders?access_token=a.b.c", &[], 401, "token-missing"),
        ("two_tokens", "/orders", &[good, good], 400, "invalid-request"),
        ("no_bearer_syntax", "/orders", &["Bearer a b"], 400, "invalid-request"),
        ("nonsense", "/orders", &["Bearer a.b.c"], 401, "invalid-token"),
        ("expired", "/orders", &[expired], 401, "expired"),
        ("scope_lacking", "/write", &[good], 403, "insufficient-scope"),
        ("scope_there", "/write", &[writer], 200, "written"),
        ("role_lacking", "/admin", &[good], 403, "forbidden"),
        ("role_there", "/admin", &[admin], 200, "admin"),
        ("custom_claims", "/tenant", &[good], 200, "acme"),
        ("custom_claims_of_another_type", "/tenant", &[no_tenant], 401, "invalid-token"),
        ("optional_and_none", "/optional", &[], 200, "nobody"),
        ("optional_and_good", "/optional", &[good], 200, "ann"),
        ("optional_and_bad", "/optional", &[expired], 401, "expired"),
        ("needed_after_all", "/optional-but-needed", &[], 401, "token-missing"),
        ("typed_scope_there", "/reader", &[good], 200, "ann"),
        ("typed_scope_and_no_token", "/reader", &[], 401, "token-missing"),
        ("typed_scope_lacking", "/writer", &[good], 403, "insufficient-scope"),
        ("typed_scopes_there", "/writer", &[writer], 200, "writer"),
        ("optional_scope_and_none", "/optional-writer", &[], 200, "nobody"),
        ("optional_scope_there", "/optional-writer", &[writer], 200, "ann"),
        ("optional_scope_lacking", "/optional-writer", &[good], 403, "insufficient-scope"),
        ("optional_claims_and_none", "/optional-tenant", &[], 200, "nobody"),
        ("optional_claims_of_another_type", "/optional-tenant", &[no_tenant], 401, "invalid-token"),
        ("layer_forgotten", "/unguarded", &[good], 500, "internal-error"),
    ];
    for (name, path, authorization, status, says) in cases {
        let (got_status, challenge, said) = ask(&api, path, authorization).await;
        assert_eq!((got_status, said.as_str()), (status, says), "{name}");
        assert_eq!(challenge.is_some(), matches!(status, 400 | 401 | 403), "{name}");
    }
    let (_, challenge, _) = ask(&api, "/write", &[good]).await;
    assert!(challenge.unwrap().ends_with(
        "error=\"insufficient_scope\", error_description=\"insufficient-scope\", scope=\"orders:write\""
    ));
    let (_, challenge, _) = ask(&api, "/orders", &[]).await;
    assert_eq!(challenge.unwrap(), "Bearer realm=\"api\"");
}

#[tokio::test]
async fn a_claim_is_compared_with_what_the_handler_reads_from_the_path() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let own = |name: &str| {
        let rule = Rule::default().with_claim("sub".parse().unwrap(), ClaimTest::Parameter(name.into()));
        GuardLayer::new(guard.clone()).with_rule(rule)
    };
    let within = Router::new().route("/{user}", get(async || "within").layer(own("user")));
    let api = Router::new()
        .route("/users/{user}", get(async |Path(user): Path<String>| user).layer(own("user")))
        .route("/other/{id}", get(async || "other").layer(own("user")))
        .nest("/nested/{user}", within)
        .route(
            "/fresh",
            get(async || "fresh").layer(
                GuardLayer::new(guard.clone())
                    .with_rule(Rule::default().with_max_age(Duration::from_secs(60))),
            ),
        );
    let bearer = |token: String| format!("Bearer {token}");
    let ann = bearer(issuer.token());
    let slash = bearer(issuer.token_with("sub", "a/b"));
    let fresh = bearer(issuer.token_with("auth_time", now().as_secs() - 5));
    let old = bearer(issuer.token_with("auth_time", now().as_secs() - 3_600));
    let cases = [
        ("own", "/users/ann", &ann, 200, "ann"),
        ("anothers", "/users/berta", &ann, 403, "forbidden"),
        ("encoded", "/users/%61nn", &ann, 200, "ann"),
        ("encoded_twice", "/users/%2561nn", &ann, 403, "forbidden"),
        ("an_encoded_slash", "/users/a%2Fb", &slash, 200, "a/b"),
        ("no_text", "/users/%ff", &ann, 403, "forbidden"),
        ("a_parameter_of_another_name", "/other/ann", &ann, 403, "forbidden"),
        ("two_of_one_name", "/nested/ann/ann", &ann, 403, "forbidden"),
        ("logged_in_just_now", "/fresh", &fresh, 200, "fresh"),
        ("logged_in_long_ago", "/fresh", &old, 401, "insufficient-user-authentication"),
        ("nobody_knows_when", "/fresh", &ann, 401, "insufficient-user-authentication"),
    ];
    for (name, path, token, status, says) in cases {
        let (got_status, _, said) = ask(&api, path, &[token]).await;
        assert_eq!((got_status, said.as_str()), (status, says), "{name}");
    }
    let (_, challenge, _) = ask(&api, "/fresh", &[&old]).await;
    assert!(challenge.unwrap().contains("error=\"insufficient_user_authentication\""));
}

#[tokio::test]
async fn layers_add_up_and_guards_do_not_take_each_others_word() {
    let (ours, partner) = (Issuer::start().await, Issuer::start().await);
    let (our_guard, partner_guard) = (guard([inline(&ours)]).await, guard([inline(&partner)]).await);
    let clerks = Rule::default().with_role(["clerk"]);
    let writers = Rule::default().with_scope("orders:write".parse().unwrap());
    let who = async |token: Option<Admitted>| token.map_or("nobody".into(), |token| token.sub.clone());
    let outer = |inner: GuardLayer| {
        let layer = GuardLayer::new(our_guard.clone()).with_rule(clerks.clone());
        Router::new().route("/", get(who).layer(inner)).layer(layer)
    };
    let same_guard = outer(GuardLayer::new(our_guard.clone()).with_rule(writers));
    let other_guard = outer(GuardLayer::new(partner_guard));
    let reader = format!("Bearer {}", ours.token());
    let writer = format!("Bearer {}", ours.token_with("scope", "orders:write"));
    assert_eq!(ask(&same_guard, "/", &[&writer]).await.2, "ann");
    assert_eq!(ask(&same_guard, "/", &[&reader]).await.2, "insufficient-scope");
    assert_eq!(ask(&other_guard, "/", &[&reader]).await.2, "invalid-token");
}

#[tokio::test]
async fn grpc_services_refuse_in_their_own_way() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let who = async |token: Option<Admitted>| token.map_or("nobody".into(), |token| token.sub.clone());
    let rule = Rule::default().with_scope("orders:write".parse().unwrap());
    let api = Router::new()
        .route("/orders.Orders/List", post(who).layer(GrpcGuardLayer::new(GuardLayer::new(guard.clone()))))
        .route(
            "/orders.Orders/Add",
            post(who).layer(GrpcGuardLayer::new(GuardLayer::new(guard).with_rule(rule))),
        );
    let good = format!("Bearer {}", issuer.token());
    let cases = [
        ("good", "List", Some(&*good), None),
        ("no_token", "List", None, Some(("16", "token-missing"))),
        ("nonsense", "List", Some("Bearer a.b.c"), Some(("16", "invalid-token"))),
        ("two_tokens", "List", Some("Bearer a b"), Some(("16", "invalid-request"))),
        ("scope_lacking", "Add", Some(&*good), Some(("7", "insufficient-scope"))),
    ];
    for (name, method, authorization, want) in cases {
        let mut request = Request::post(format!("/orders.Orders/{method}"));
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let field = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(response.status(), 200, "{name}");
        let got = field("grpc-status").zip(field("grpc-message"));
        assert_eq!(got.as_ref().map(|(status, code)| (status.as_str(), code.as_str())), want, "{name}");
        assert_eq!(field("www-authenticate").is_some(), want.is_some(), "{name}");
        let body = to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(body, if want.is_none() { "ann" } else { "" }, "{name}");
    }
}

#[tokio::test]
async fn a_route_may_have_its_own_word_on_a_stale_view() {
    let issuer = Issuer::start().await;
    let long = Duration::from_secs(3_600);
    let after = Duration::from_millis(500);
    let guard = guard([issuer.followed(long, WhenStale::Allow)]).await;
    let layer = || GuardLayer::new(guard.clone());
    let policy = |then| layer().with_on_stale(StalePolicy { after, then });
    let api = Router::new()
        .route("/", get(async || "as configured").layer(layer()))
        .route("/strict", get(async || "strict").layer(policy(StaleAction::Deny)))
        .route(
            "/within",
            get(async || "within").layer::<_, Infallible>(policy(StaleAction::Deny)).layer(layer()),
        )
        .route("/ask", get(async || "ask").layer(policy(StaleAction::Introspect)))
        .route("/lax", get(async || "lax").layer(policy(StaleAction::Allow)));
    let good = format!("Bearer {}", issuer.token());
    let statuses = async || {
        let mut statuses = Vec::new();
        for path in ["/", "/strict", "/within", "/ask", "/lax"] {
            statuses.push(ask_status(&api, path, &good).await);
        }
        statuses
    };
    eventually("all are let in", async || statuses().await == [200; 5]).await;
    issuer.silent.store(true, Ordering::SeqCst);
    // Nobody said how to ask the issuer, so that asking it is refusing.
    eventually("the strict routes refuse", async || statuses().await == [200, 503, 503, 503, 200]).await;
    issuer.silent.store(false, Ordering::SeqCst);
    eventually("all are let in again", async || statuses().await == [200; 5]).await;
}

async fn ask_status(api: &Router, path: &str, authorization: &str) -> u16 {
    let request = Request::get(path).header(AUTHORIZATION, authorization).body(Body::empty()).unwrap();
    api.clone().oneshot(request).await.unwrap().status().as_u16()
}

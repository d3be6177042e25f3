use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use gatepass_guard::{Admitted, Claims, Guard, GuardLayer, Rule};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use crate::issuer::{Issuer, guard, inline};

#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

fn api(guard: &Guard) -> Router {
    let layer = || GuardLayer::new(guard.clone());
    let writers = Rule::default().with_scope("orders:write".parse().unwrap());
    let admins = Rule::default().with_role(["admin"]);
    let who = async |token: Option<Admitted>| token.map_or("nobody".into(), |token| token.sub.clone());
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
    let cases: [(&str, &str, &[&str], u16, &str); 21] = [
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

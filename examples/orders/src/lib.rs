//! The demo API: a few JSON routes, each with a rule of its own, protected by the guard crate.
//!
//! | route | who may |
//! |---|---|
//! | `GET /api/public` | everybody |
//! | `GET /api/orders`, `GET /api/orders/{id}` | any valid access token for this API |
//! | `POST /api/orders` | the scope `orders:write` |
//! | `GET /api/admin` | the role `admin` |
//! | `GET /api/whoami` | everybody; shows what a gateway in front of it said of the caller |
//! | `GET /livez` | everybody |
//!
//! It stands behind the gateway and verifies tokens itself all the same: whoever gets past the gateway has
//! not got past this.

mod order;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use gatepass_guard::{Admitted, Guard, GuardLayer, InvalidScope, Rule};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

pub use order::{NewOrder, Order, OrderBook};

/// What the handlers share.
type Orders = Arc<Mutex<OrderBook>>;

/// Serves the API, which clients reach at `public_url` if that is known, until `shutdown` is done and the requests in flight are answered.
///
/// # Errors
/// Whatever the listener fails with.
pub async fn serve(
    listener: TcpListener,
    guard: Guard,
    public_url: Option<&Url>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let api = router(guard, public_url).map_err(std::io::Error::other)?;
    axum::serve(listener, api).with_graceful_shutdown(shutdown).await
}

/// The routes, each behind the rule that it demands. With `public_url` tokens that are bound to a DPoP key are taken: their
/// proofs name a URL that begins so.
///
/// # Errors
/// [`InvalidScope`] if a rule below named a scope that no token can have.
pub fn router(guard: Guard, public_url: Option<&Url>) -> Result<Router, InvalidScope> {
    let layer = GuardLayer::new(guard);
    let any_token = public_url.map_or(layer.clone(), |url| layer.with_base_url(url));
    let writers = any_token.clone().with_rule(Rule::default().with_scope("orders:write".parse()?));
    let admins = any_token.clone().with_rule(Rule::default().with_role(["admin"]));
    let anybody = any_token.clone().optional();
    Ok(Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/api/public", get(async || Json(json!({ "message": "Hello, everybody." }))))
        .route("/api/orders", get(list_orders).layer(any_token.clone()))
        .route("/api/orders", axum::routing::post(create_order).layer(writers))
        .route("/api/orders/{id}", get(find_order).layer(any_token))
        .route("/api/admin", get(admin).layer(admins))
        .route("/api/whoami", get(whoami).layer(anybody))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(Orders::default()))
}

async fn list_orders(State(orders): State<Orders>) -> Json<Value> {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    Json(json!({ "orders": orders.iter().collect::<Vec<_>>() }))
}

async fn find_order(State(orders): State<Orders>, Path(id): Path<u64>) -> Response {
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    match orders.find(id) {
        Some(order) => Json(order).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not-found", "There is no such order."),
    }
}

async fn create_order(
    State(orders): State<Orders>,
    token: Admitted,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return problem(rejection.status(), "unreadable-body", &rejection.body_text()),
    };
    let order = match NewOrder::parse(&body) {
        Ok(order) => order,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "invalid-json", &error.to_string()),
    };
    if let Err(reason) = order.check() {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid-order", reason);
    }
    let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    let order = orders.add(order, &token.sub);
    let location = [(header::LOCATION, format!("/api/orders/{}", order.id))];
    (StatusCode::CREATED, location, Json(order)).into_response()
}

async fn admin(token: Admitted) -> Json<Value> {
    Json(json!({ "message": format!("Welcome, {}.", token.sub), "roles": token.roles }))
}

/// Shows the identity headers that reached this service, and the token's subject if one came.
async fn whoami(headers: HeaderMap, token: Option<Admitted>) -> Json<Value> {
    const TELL: [&str; 4] = ["x-user", "x-gatepass", "x-client", "x-session"];
    let mut told = BTreeMap::<&str, Vec<String>>::new();
    for (name, value) in &headers {
        if TELL.iter().any(|prefix| name.as_str().starts_with(prefix)) {
            told.entry(name.as_str())
                .or_default()
                .push(String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
    }
    let headers: BTreeMap<_, _> = told.into_iter().map(|(name, values)| (name, values.join(", "))).collect();
    match token {
        Some(token) => Json(json!({ "headers": headers, "sub": token.sub })),
        None => Json(json!({ "headers": headers })),
    }
}

/// An error as problem details (RFC 9457), the form that the guard answers in as well.
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests;

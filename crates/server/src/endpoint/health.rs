//! Whether the server is alive, and whether it can serve.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::keys::KeyState;
use gatepass_issuer::store::Page;
use http::StatusCode;

use crate::problem::Problem;
use crate::server::Server;

/// `GET /livez`: the process answers. Nothing else is looked at: a store that fails is no reason to
/// restart.
pub(crate) async fn livez() -> Response {
    axum::Json(serde_json::json!({ "status": "alive" })).into_response()
}

/// `GET /readyz`: the store answers and there is a key to sign with.
pub(crate) async fn readyz(State(server): State<Arc<Server>>) -> Result<Response, Problem> {
    let not_ready = |detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail);
    let keys = server.issuer.list_keys(server.now());
    if !keys.iter().any(|key| key.state == KeyState::Signing) {
        return Err(not_ready("no key signs"));
    }
    match server.issuer.list_users(Page { after: None, limit: 1 }).await {
        Ok(_) => Ok(axum::Json(serde_json::json!({ "status": "ready" })).into_response()),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Err(not_ready("the store does not answer"))
        }
    }
}

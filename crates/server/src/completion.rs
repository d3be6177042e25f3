//! How long an answer may take, and what becomes of a change whose client has gone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tracing::Instrument;

use crate::problem::Problem;
use crate::server::Server;

/// Answers within the configured time, and carries every change through to its end.
///
/// A connection that breaks takes its request's future with it. Dropped between the moment a
/// revocation is durable and the moment the feed is told, that would leave guards admitting what is
/// revoked. So whatever may change something runs in a task of its own.
pub(crate) async fn carry_through(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    let limit = server.config.request_timeout;
    let answered = match request.method().is_safe() {
        true => tokio::time::timeout(limit, next.run(request)).await.ok(),
        false => {
            let task = tokio::spawn(async move { next.run(request).await }.in_current_span());
            let ended = tokio::time::timeout(limit, task).await.ok();
            ended.map(|ended| ended.unwrap_or_else(|panic| Problem::internal(&panic).into_response()))
        }
    };
    answered.unwrap_or_else(|| {
        let detail = "the answer took too long; what was asked for may have been done";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).into_response()
    })
}

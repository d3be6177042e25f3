//! Taking back what was given.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::admin::Revoked;
use gatepass_revocation::{Entry, Kind, Reason};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, Refusals};
use crate::body::Json;
use crate::problem::Problem;
use crate::server::Server;

/// What is to be taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRevocation)]
pub(super) struct CreateRequest {
    /// What `id` names: `token` (a `jti`), `session` (a `sid`), `subject` (a `sub`), `client` (a
    /// `client_id`), `key` (a `kid`), or `all`.
    #[schema(value_type = String, pattern = "^(token|session|subject|client|key|all)$", example = "session")]
    kind: Kind,
    /// The name; left out for `all`.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    id: Option<String>,
    /// Why, for the log: 1 to 64 printable ASCII characters without `"`, `\`, `<`, `>` and `&`. `admin` if
    /// left out.
    #[serde(default = "admin", deserialize_with = "reason")]
    #[schema(
        value_type = String, pattern = r"^[ !#-%'-;=?-\[\]-~]{1,64}$", default = "admin", example = "laptop stolen"
    )]
    reason: Reason,
}

/// What was taken back.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
pub(super) struct RevocationAnswer {
    /// What `id` names.
    #[schema(value_type = String)]
    kind: Kind,
    /// The name; empty for `all`.
    id: String,
    /// The place in the revocation log at which every guard has it.
    seq: u64,
    /// Whether something of that name is here; what is not was announced all the same. Left out where that is not kept: for
    /// `token`, and for a client whose name is a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
}

/// Take back tokens, sessions, keys, or everything
///
/// Sessions among it end as well. Answered when it is durable and on its way to every guard.
#[utoipa::path(
    post, path = "/admin/v1/revocations", operation_id = "create_revocation", tag = "revocations",
    request_body = CreateRequest,
    responses((status = 201, body = RevocationAnswer, description = "What was taken back"), Refusals, BodyRefusals),
    security(("access_token" = [])),
)]
pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response, Problem> {
    let CreateRequest { kind, id, reason } = request;
    let id = id.unwrap_or_default();
    Entry::require_id(kind, &id).map_err(|error| Problem::invalid_value("id", error))?;
    let Revoked { seq, known } = server.issuer.revoke(kind, &id, reason, server.now()).await?;
    Ok((StatusCode::CREATED, JsonAnswer(RevocationAnswer { kind, id, seq, known })).into_response())
}

fn admin() -> Reason {
    Reason::ADMIN
}

/// Stricter than the feed, which must take whatever a later version wrote.
fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<Reason, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

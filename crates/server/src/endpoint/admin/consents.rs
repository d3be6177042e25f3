//! What users have allowed applications.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};
use gatepass_issuer::id::{ClientId, UserId};
use gatepass_revocation::Reason;
use http::StatusCode;

use super::{NotFound, Refusals};
use crate::endpoint::consent::ConsentList;
use crate::problem::Problem;
use crate::server::Server;

/// List what a user has allowed applications
#[utoipa::path(
    get, path = "/admin/v1/users/{id}/consents", operation_id = "list_consents", tag = "users",
    params(("id" = String, Path, description = "The user's identifier")),
    responses((status = 200, body = ConsentList, description = "What the user has allowed"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<ConsentList>, Problem> {
    let id: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let user = server.issuer.find_user(id).await?;
    Ok(JsonAnswer(server.issuer.list_consents(user.id, server.now()).await?.into()))
}

/// Take back what a user has allowed an application, and end what it gave
#[utoipa::path(
    delete, path = "/admin/v1/users/{id}/consents/{client}", operation_id = "withdraw_consent", tag = "users",
    params(
        ("id" = String, Path, description = "The user's identifier"),
        ("client" = String, Path, description = "The application's `client_id`"),
    ),
    responses((status = 204, description = "It is taken back"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn withdraw(
    State(server): State<Arc<Server>>,
    Path((id, client)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (Ok(id), Ok(client)) = (id.parse::<UserId>(), client.parse::<ClientId>()) else {
        return Err(Problem::not_found());
    };
    match server.issuer.withdraw_consent(id, &client, Reason::ADMIN, server.now()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

//! The identities at providers that users can log in with.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::{Path, State};
use axum::response::Response;
use gatepass_issuer::id::UserId;
use gatepass_issuer::{LinkedIdentity, ProviderId};
use gatepass_revocation::Reason;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{BodyRefusals, Conflict, NotFound, Refusals, created};
use crate::body::Json;
use crate::endpoint::linked_identity::{IdentityAnswer, IdentityList};
use crate::problem::Problem;
use crate::server::Server;

/// An identity to be linked to a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLinkedIdentity)]
pub(super) struct LinkRequest {
    /// The `id` of the provider.
    #[schema(value_type = String, pattern = "^[a-z0-9-]{1,32}$", example = "corp")]
    provider: ProviderId,
    /// What the provider calls the user: `sub`, or what stands for it there. Whoever logs in under it is this user.
    #[serde(deserialize_with = "subject")]
    #[schema(min_length = 1, max_length = 255)]
    subject: String,
}

/// List the identities at providers that a user can log in with
#[utoipa::path(
    get, path = "/admin/v1/users/{id}/identities", operation_id = "list_identities", tag = "users",
    params(("id" = String, Path, description = "The user's identifier")),
    responses((status = 200, body = IdentityList, description = "The identities"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<IdentityList>, Problem> {
    let id: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let user = server.issuer.find_user(id).await?;
    Ok(JsonAnswer(server.issuer.list_identities(user.id).await?.into()))
}

/// Link an identity at a provider to a user
#[utoipa::path(
    post, path = "/admin/v1/users/{id}/identities", operation_id = "link_identity", tag = "users",
    params(("id" = String, Path, description = "The user's identifier")),
    request_body = LinkRequest,
    responses(
        (
            status = 201, body = IdentityAnswer, description = "It is linked",
            headers(("Location" = String, description = "Where the link is taken back")),
        ),
        Refusals, BodyRefusals, NotFound, Conflict,
    ),
    security(("access_token" = [])),
)]
pub(super) async fn link(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Json(request): Json<LinkRequest>,
) -> Result<Response, Problem> {
    let user: UserId = id.parse().map_err(|_| Problem::not_found())?;
    let LinkRequest { provider, subject } = request;
    if server.issuer.identity_provider(&provider).is_none() {
        return Err(Problem::invalid_value("provider", "no identity provider of that id is configured"));
    }
    let link = LinkedIdentity { provider, subject, user, linked_at: server.now() };
    server.issuer.link_identity(link.clone()).await?;
    let path = format!("/admin/v1/users/{user}/identities/{}", link.provider);
    Ok(created(&server, &path, JsonAnswer(IdentityAnswer::from(link))))
}

/// Take back a user's link to an identity, and end the sessions that began with it
#[utoipa::path(
    delete, path = "/admin/v1/users/{id}/identities/{provider}", operation_id = "unlink_identity", tag = "users",
    params(
        ("id" = String, Path, description = "The user's identifier"),
        ("provider" = String, Path, description = "The provider's `id`"),
    ),
    responses((status = 204, description = "It is taken back"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn unlink(
    State(server): State<Arc<Server>>,
    Path((id, provider)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (Ok(id), Ok(provider)) = (id.parse::<UserId>(), provider.parse::<ProviderId>()) else {
        return Err(Problem::not_found());
    };
    match server.issuer.unlink_identity(id, &provider, Reason::ADMIN, server.now()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

fn subject<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match (1..=255).contains(&text.len()) {
        true => Ok(text),
        false => Err(serde::de::Error::custom("a subject has 1 to 255 bytes")),
    }
}

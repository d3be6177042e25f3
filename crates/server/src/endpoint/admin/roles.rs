//! Roles, and the scope that each gives its holders.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use gatepass_issuer::user::{Role, RoleName};
use gatepass_token::ScopeSet;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, Named, NotFound, Refusals};
use crate::body::Json;
use crate::problem::Problem;
use crate::server::Server;

/// What a role allows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleDefinition)]
pub(super) struct PutRequest {
    /// The scopes that its holders' tokens carry, with spaces between.
    #[schema(value_type = String, example = "orders:read orders:write")]
    scope: ScopeSet,
}

/// A role.
#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
pub(super) struct RoleAnswer {
    /// Its name, which stands in the claim `roles`.
    #[schema(value_type = String)]
    name: RoleName,
    /// The scopes that its holders' tokens carry.
    #[schema(value_type = String)]
    scope: ScopeSet,
}

/// All roles.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleList {
    roles: Vec<RoleAnswer>,
}

/// List roles, by name
#[utoipa::path(
    get, path = "/admin/v1/roles", operation_id = "list_roles", tag = "roles",
    responses((status = 200, body = RoleList, description = "The roles"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> JsonAnswer<RoleList> {
    let roles = server.issuer.list_roles().into_iter().map(RoleAnswer::from).collect();
    JsonAnswer(RoleList { roles })
}

/// Read a role
#[utoipa::path(
    get, path = "/admin/v1/roles/{name}", operation_id = "find_role", tag = "roles",
    params(("name" = String, Path, description = "The role's name")),
    responses((status = 200, body = RoleAnswer, description = "The role"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn find(
    State(server): State<Arc<Server>>,
    Named(name): Named<RoleName>,
) -> Result<JsonAnswer<RoleAnswer>, Problem> {
    let role = server.issuer.list_roles().into_iter().find(|role| role.name == name);
    role.map(|role| JsonAnswer(role.into())).ok_or_else(Problem::not_found)
}

/// Define a role, or change what it allows
///
/// Guards refuse the access tokens of its holders with `claims-changed`; their next refresh carries
/// what the role allows now.
#[utoipa::path(
    put, path = "/admin/v1/roles/{name}", operation_id = "put_role", tag = "roles",
    params(("name" = String, Path, description = "1 to 64 letters, digits, `.`, `_`, `:` and `-`")),
    request_body = PutRequest,
    responses((status = 200, body = RoleAnswer, description = "The role"), Refusals, BodyRefusals),
    security(("access_token" = [])),
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    Named(name): Named<String>,
    Json(request): Json<PutRequest>,
) -> Result<JsonAnswer<RoleAnswer>, Problem> {
    let name = name.parse().map_err(|error| Problem::invalid_value("name", error))?;
    let role = Role { name, scope: request.scope };
    server.issuer.put_role(role.clone(), server.now()).await?;
    Ok(JsonAnswer(role.into()))
}

/// Remove a role, from its holders too
#[utoipa::path(
    delete, path = "/admin/v1/roles/{name}", operation_id = "remove_role", tag = "roles",
    params(("name" = String, Path, description = "The role's name")),
    responses((status = 204, description = "It is removed"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    Named(name): Named<RoleName>,
) -> Result<StatusCode, Problem> {
    server.issuer.remove_role(&name, server.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Role> for RoleAnswer {
    fn from(Role { name, scope }: Role) -> Self {
        Self { name, scope }
    }
}

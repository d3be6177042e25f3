//! Tokens with which clients register themselves ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591)).

use std::sync::Arc;
use std::time::Duration;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::client::GrantType;
use gatepass_issuer::registration::{
    DEFAULT_GRANTS, InitialAccessToken, NewInitialAccessToken, RegistrationPolicy, RegistrationToken,
};
use gatepass_token::ScopeSet;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, Named, NotFound, Refusals, created};
use crate::body::Json;
use crate::problem::Problem;
use crate::server::Server;

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRegistrationToken)]
pub(super) struct CreateRequest {
    /// How many clients can be registered with it.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 10_000, default = 1)]
    uses: u32,
    /// For how long, in seconds.
    #[serde(default = "an_hour")]
    #[schema(minimum = 1, maximum = 7_776_000, default = 3600)]
    expires_in: u64,
    /// The most that such a client may ask for, with spaces between.
    #[serde(default)]
    #[schema(value_type = String, example = "orders:read")]
    scope: ScopeSet,
    /// The grants that it may use: those for which a user is asked, if left out.
    #[schema(value_type = Option<Vec<String>>, example = json!(["authorization_code", "refresh_token"]))]
    grant_types: Option<Vec<GrantType>>,
    /// The resource servers that it may ask for, the first of which is its default: the issuer's default one, if left out.
    #[serde(default)]
    #[schema(example = json!(["https://orders.example.com"]))]
    audience: Vec<String>,
    /// The types of authorization details that it may ask for (RFC 9396).
    #[serde(default)]
    authorization_details_types: Vec<String>,
}

/// A token with which clients register themselves. The token itself is shown once, when it is made.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrationToken)]
pub(super) struct TokenAnswer {
    /// What it is called here; it opens nothing.
    id: String,
    /// The token, which was made just now; left out at any other time.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// How many clients can still be registered with it.
    uses_left: u32,
    /// Until when, in seconds since 1970.
    expires_at: i64,
    /// The most that such a client may ask for.
    #[schema(value_type = String)]
    scope: ScopeSet,
    /// The grants that it may use.
    #[schema(value_type = Vec<String>)]
    grant_types: Vec<GrantType>,
    /// The resource servers that it may ask for; empty: the issuer's default one.
    audience: Vec<String>,
    /// The types of authorization details that it may ask for (RFC 9396).
    authorization_details_types: Vec<String>,
    /// When it was made, in seconds since 1970.
    created_at: i64,
}

/// The tokens that have not expired.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrationTokenList)]
pub(super) struct TokenList {
    registration_tokens: Vec<TokenAnswer>,
}

/// Make a token with which clients register themselves
#[utoipa::path(
    post, path = "/admin/v1/registration-tokens", operation_id = "create_registration_token", tag = "clients",
    request_body = CreateRequest,
    responses(
        (
            status = 201, body = TokenAnswer, description = "The token",
            headers(("Location" = String, description = "Where it is removed")),
        ),
        Refusals, BodyRefusals,
    ),
    security(("access_token" = [])),
)]
pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response, Problem> {
    let grants = request.grant_types.unwrap_or_else(|| DEFAULT_GRANTS.to_vec());
    let new = NewInitialAccessToken {
        policy: RegistrationPolicy {
            scope: request.scope,
            grants,
            audience: request.audience,
            authorization_details_types: request.authorization_details_types,
        },
        uses: request.uses,
        lifetime: Duration::from_secs(request.expires_in),
    };
    let (row, token) = server.issuer.create_initial_access_token(new, server.now()).await?;
    let path = format!("/admin/v1/registration-tokens/{}", row.id);
    Ok(created(&server, &path, JsonAnswer(TokenAnswer::new(row, Some(&token)))))
}

/// List the tokens with which clients register themselves
#[utoipa::path(
    get, path = "/admin/v1/registration-tokens", operation_id = "list_registration_tokens", tag = "clients",
    responses((status = 200, body = TokenList, description = "The tokens that have not expired"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Result<JsonAnswer<TokenList>, Problem> {
    let tokens = server.issuer.list_initial_access_tokens(server.now()).await?;
    let registration_tokens = tokens.into_iter().map(|row| TokenAnswer::new(row, None)).collect();
    Ok(JsonAnswer(TokenList { registration_tokens }))
}

/// Remove a token with which clients register themselves; those that have stay
#[utoipa::path(
    delete, path = "/admin/v1/registration-tokens/{id}", operation_id = "remove_registration_token",
    tag = "clients",
    params(("id" = String, Path, description = "The token's `id`")),
    responses((status = 204, description = "It is removed"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    server.issuer.remove_initial_access_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn one() -> u32 {
    1
}

fn an_hour() -> u64 {
    3600
}

impl TokenAnswer {
    fn new(row: InitialAccessToken, token: Option<&RegistrationToken>) -> Self {
        Self {
            id: row.id,
            token: token.map(|token| token.expose().to_owned()),
            uses_left: row.uses_left,
            expires_at: row.expires_at.as_secs(),
            scope: row.policy.scope,
            grant_types: row.policy.grants,
            audience: row.policy.audience,
            authorization_details_types: row.policy.authorization_details_types,
            created_at: row.created_at.as_secs(),
        }
    }
}

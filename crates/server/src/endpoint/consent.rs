//! What users have allowed applications, for themselves and for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use gatepass_issuer::consent::Consent;
use gatepass_issuer::id::ClientId;
use gatepass_token::ScopeSet;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer;
use crate::dpop::Proof;
use crate::problem::Problem;
use crate::server::Server;

/// What one user has allowed applications.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsentList {
    consents: Vec<ConsentAnswer>,
}

/// What a user has allowed one application.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
struct ConsentAnswer {
    /// The application.
    #[schema(value_type = String)]
    client_id: ClientId,
    /// What it may.
    #[schema(value_type = String)]
    scope: ScopeSet,
    /// When it was first allowed something, in seconds since 1970.
    given_at: i64,
}

impl From<Vec<Consent>> for ConsentList {
    fn from(consents: Vec<Consent>) -> Self {
        let answer = |consent: Consent| ConsentAnswer {
            client_id: consent.client,
            scope: consent.scope,
            given_at: consent.given_at.as_secs(),
        };
        Self { consents: consents.into_iter().map(answer).collect() }
    }
}

/// `GET /session/consents`
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Json<ConsentList>, Problem> {
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, server.now()).await?;
    let consents = match caller.user() {
        Some(user) => server.issuer.list_consents(user).await?,
        None => Vec::new(), // a client that acts for itself
    };
    Ok(Json(consents.into()))
}

/// `DELETE /session/consents/{client}`
pub(crate) async fn withdraw(
    State(server): State<Arc<Server>>,
    Path(client): Path<String>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<StatusCode, Problem> {
    let now = server.now();
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
    let (Some(user), Ok(client)) = (caller.user(), client.parse()) else {
        return Err(Problem::not_found());
    };
    match server.issuer.withdraw_consent(user, &client, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

//! What users have allowed applications, for themselves and for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use gatepass_issuer::consent::{Consent, Granted};
use gatepass_issuer::id::ClientId;
use gatepass_revocation::Reason;
use gatepass_token::{AuthorizationDetails, ScopeSet};
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
    /// What it may without asking again, at any resource.
    #[schema(value_type = String)]
    scope: ScopeSet,
    /// The same, resource by resource.
    resources: Vec<ResourceAnswer>,
    /// What it may beyond scopes (RFC 9396), in sessions that live. It is asked for each time. Left out where there is none.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "AuthorizationDetails::is_empty")]
    authorization_details: AuthorizationDetails,
    /// When it was first allowed something, in seconds since 1970.
    given_at: i64,
}

/// What a user has allowed one application at one resource.
#[derive(Serialize, ToSchema)]
#[schema(as = ResourceConsent)]
struct ResourceAnswer {
    /// The resource (RFC 8707). Left out: the application's first, of consents from before others were remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// What it may there.
    #[schema(value_type = String)]
    scope: ScopeSet,
    /// When it was first allowed something there, in seconds since 1970.
    given_at: i64,
}

impl From<Vec<Granted>> for ConsentList {
    fn from(all: Vec<Granted>) -> Self {
        let resource = |consent: Consent| ResourceAnswer {
            resource: consent.resource,
            scope: consent.scope,
            given_at: consent.given_at.as_secs(),
        };
        let answer = |granted: Granted| ConsentAnswer {
            scope: granted.scope(),
            client_id: granted.client,
            resources: granted.consents.into_iter().map(resource).collect(),
            authorization_details: granted.authorization_details,
            given_at: granted.given_at.as_secs(),
        };
        Self { consents: all.into_iter().map(answer).collect() }
    }
}

/// `GET /session/consents`
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Json<ConsentList>, Problem> {
    let now = server.now();
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
    let consents = match caller.user() {
        Some(user) => server.issuer.list_consents(user, now).await?,
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
    match server.issuer.withdraw_consent(user, &client, Reason::LOGOUT, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

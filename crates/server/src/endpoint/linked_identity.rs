//! The identities at providers that a user can log in with, for themselves and for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use gatepass_issuer::{LinkedIdentity, ProviderId};
use gatepass_revocation::Reason;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer;
use crate::dpop::Proof;
use crate::problem::Problem;
use crate::server::Server;

/// The identities that one user can log in with.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityList {
    identities: Vec<IdentityAnswer>,
}

/// An identity at a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkedIdentity)]
pub(crate) struct IdentityAnswer {
    /// The `id` of the provider.
    #[schema(value_type = String)]
    provider: ProviderId,
    /// What the provider calls the user.
    subject: String,
    /// Since when it is linked, in seconds since 1970.
    linked_at: i64,
}

impl From<LinkedIdentity> for IdentityAnswer {
    fn from(link: LinkedIdentity) -> Self {
        Self { provider: link.provider, subject: link.subject, linked_at: link.linked_at.as_secs() }
    }
}

impl From<Vec<LinkedIdentity>> for IdentityList {
    fn from(links: Vec<LinkedIdentity>) -> Self {
        Self { identities: links.into_iter().map(IdentityAnswer::from).collect() }
    }
}

/// `GET /session/identities`
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Json<IdentityList>, Problem> {
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, server.now()).await?;
    let links = match caller.user() {
        Some(user) => server.issuer.list_identities(user).await?,
        None => Vec::new(), // a client that acts for itself
    };
    Ok(Json(links.into()))
}

/// `DELETE /session/identities/{provider}`
pub(crate) async fn unlink(
    State(server): State<Arc<Server>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<StatusCode, Problem> {
    let now = server.now();
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
    let (Some(user), Ok(provider)) = (caller.user(), provider.parse()) else {
        return Err(Problem::not_found());
    };
    match server.issuer.unlink_identity(user, &provider, Reason::LOGOUT, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

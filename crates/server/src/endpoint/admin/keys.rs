//! Signing keys.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use gatepass_issuer::KeyInfo;
use gatepass_issuer::admin::AdminError;
use gatepass_issuer::keys::KeyState;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, KeptElsewhere, Refusals};
use crate::body::OptionalJson;
use crate::problem::Problem;
use crate::server::Server;

/// A rotation needs no more said about it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
pub(super) struct RotateRequest {}

/// A key.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyAnswer {
    /// Its name in tokens and in the JWK Set.
    kid: String,
    /// Its algorithm.
    #[schema(example = "ES256")]
    alg: &'static str,
    /// `published` before its turn, `signing`, or `verifying` after it.
    #[schema(value_type = String, pattern = "^(published|signing|verifying)$", example = "signing")]
    state: KeyState,
    /// From when it signs, in seconds since 1970; null while that is not settled.
    signs_from: Option<i64>,
    /// Until when it signed, in seconds since 1970; null before that.
    signed_until: Option<i64>,
    /// Since when it is in the JWK Set, in seconds since 1970; null for the first keys of all.
    published_at: Option<i64>,
    /// Until when it signs by schedule, or signed, in seconds since 1970; null while that is not settled.
    signs_until: Option<i64>,
    /// When it leaves the JWK Set by schedule, in seconds since 1970; null while that is not settled.
    retires_at: Option<i64>,
}

/// All keys that are published.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    keys: Vec<KeyAnswer>,
}

/// List keys
#[utoipa::path(
    get, path = "/admin/v1/keys", operation_id = "list_keys", tag = "keys",
    responses((status = 200, body = KeyList, description = "The keys, as they are now"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> JsonAnswer<KeyList> {
    JsonAnswer(server.issuer.list_keys(server.now()).into())
}

/// Rotate the keys of every algorithm
///
/// The waiting key takes over as soon as every verifier has seen it: at once, unless the last rotation
/// was a moment ago. To withdraw a key that has leaked, revoke it.
#[utoipa::path(
    post, path = "/admin/v1/keys/rotate", operation_id = "rotate_keys", tag = "keys",
    request_body(content = Option<RotateRequest>, description = "Nothing, or an empty object"),
    responses((status = 200, body = KeyList, description = "The keys, as they are now"), Refusals, BodyRefusals),
    security(("access_token" = [])),
)]
pub(super) async fn rotate(
    State(server): State<Arc<Server>>,
    OptionalJson(RotateRequest {}): OptionalJson<RotateRequest>,
) -> Result<JsonAnswer<KeyList>, Problem> {
    let keys = server.issuer.rotate_keys(server.now()).await.map_err(AdminError::Keys)?;
    Ok(JsonAnswer(keys.into()))
}

/// Rotate the master key
///
/// Everything that is sealed in the store is sealed anew, at once, and the new key takes the old one's place in the
/// data directory. Nobody notices: no token, session or client secret changes.
#[utoipa::path(
    post, path = "/admin/v1/keys/rotate-master", operation_id = "rotate_master_key", tag = "keys",
    request_body(content = Option<RotateRequest>, description = "Nothing, or an empty object"),
    responses((status = 204, description = "The master key is another"), Refusals, BodyRefusals, KeptElsewhere),
    security(("access_token" = [])),
)]
pub(super) async fn rotate_master(
    State(server): State<Arc<Server>>,
    OptionalJson(RotateRequest {}): OptionalJson<RotateRequest>,
) -> Result<StatusCode, Problem> {
    server.issuer.rotate_master_key().await.map_err(AdminError::MasterKey)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Vec<KeyInfo>> for KeyList {
    fn from(keys: Vec<KeyInfo>) -> Self {
        let answer = |key: KeyInfo| KeyAnswer {
            kid: key.kid,
            alg: key.alg.name(),
            state: key.state,
            signs_from: key.signs_from,
            signed_until: key.signed_until,
            published_at: key.published_at,
            signs_until: key.signs_until,
            retires_at: key.retires_at,
        };
        Self { keys: keys.into_iter().map(answer).collect() }
    }
}

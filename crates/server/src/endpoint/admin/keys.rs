//! Signing keys.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use gatepass_issuer::KeyInfo;
use gatepass_issuer::admin::AdminError;
use gatepass_issuer::keys::KeyState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, Refusals};
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

impl From<Vec<KeyInfo>> for KeyList {
    fn from(keys: Vec<KeyInfo>) -> Self {
        let answer = |key: KeyInfo| KeyAnswer {
            kid: key.kid,
            alg: key.alg.name(),
            state: key.state,
            signs_from: key.signs_from,
            signed_until: key.signed_until,
        };
        Self { keys: keys.into_iter().map(answer).collect() }
    }
}

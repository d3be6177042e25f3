//! Signing keys.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use gatepass_issuer::admin::AdminError;
use gatepass_issuer::keys::KeyState;
use gatepass_issuer::{KeyInfo, ScheduleInfo};
use gatepass_jose::Alg;
use gatepass_revocation::Reason;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, KeptElsewhere, Refusals};
use crate::body::OptionalJson;
use crate::problem::Problem;
use crate::server::Server;

/// Which keys are to be rotated, and how.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
pub(super) struct RotateRequest {
    /// The algorithm whose keys are meant; those of every algorithm if left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9-]{1,16}$", example = "RS256")]
    alg: Option<Alg>,
    /// Withdraws every key that signs or has signed: what they signed is refused everywhere, and the waiting keys
    /// sign at once.
    #[serde(default)]
    #[schema(default = false)]
    emergency: bool,
}

/// A rotation of the master key needs no more said about it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MasterKeyRotation)]
pub(super) struct RotateMasterRequest {}

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

/// When the keys of one algorithm rotate.
#[derive(Serialize, ToSchema)]
#[schema(as = KeySchedule)]
pub(super) struct ScheduleAnswer {
    /// The algorithm.
    #[schema(example = "ES256")]
    alg: &'static str,
    /// How long each of its keys signs, in seconds.
    rotate_every: u64,
    /// When the next key takes its turn, in seconds since 1970, by schedule or because somebody asked for it; null
    /// while there is none.
    next_rotation: Option<i64>,
}

/// All keys that are published, and the schedules that they are on.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    keys: Vec<KeyAnswer>,
    schedules: Vec<ScheduleAnswer>,
}

/// List keys
#[utoipa::path(
    get, path = "/admin/v1/keys", operation_id = "list_keys", tag = "keys",
    responses((status = 200, body = KeyList, description = "The keys, as they are now"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> JsonAnswer<KeyList> {
    JsonAnswer(KeyList::of(&server))
}

/// Rotate the keys of one algorithm, or of all
///
/// The waiting key takes over as soon as every verifier has seen it: at once, unless the last rotation
/// was a moment ago. To withdraw one key that has leaked, revoke it.
#[utoipa::path(
    post, path = "/admin/v1/keys/rotate", operation_id = "rotate_keys", tag = "keys",
    request_body(content = Option<RotateRequest>, description = "Nothing, or what is meant"),
    responses((status = 200, body = KeyList, description = "The keys, as they are now"), Refusals, BodyRefusals),
    security(("access_token" = [])),
)]
pub(super) async fn rotate(
    State(server): State<Arc<Server>>,
    OptionalJson(RotateRequest { alg, emergency }): OptionalJson<RotateRequest>,
) -> Result<JsonAnswer<KeyList>, Problem> {
    match emergency {
        true => server.issuer.replace_keys(alg, Reason::KEY_COMPROMISED, server.now()).await?,
        false => server.issuer.rotate_keys(alg, server.now()).await?,
    }
    Ok(JsonAnswer(KeyList::of(&server)))
}

/// Rotate the master key
///
/// Everything that is sealed in the store is sealed anew, at once, and the new key takes the old one's place in the
/// data directory. Nobody notices: no token, session or client secret changes.
#[utoipa::path(
    post, path = "/admin/v1/keys/rotate-master", operation_id = "rotate_master_key", tag = "keys",
    request_body(content = Option<RotateMasterRequest>, description = "Nothing, or an empty object"),
    responses((status = 204, description = "The master key is another"), Refusals, BodyRefusals, KeptElsewhere),
    security(("access_token" = [])),
)]
pub(super) async fn rotate_master(
    State(server): State<Arc<Server>>,
    OptionalJson(RotateMasterRequest {}): OptionalJson<RotateMasterRequest>,
) -> Result<StatusCode, Problem> {
    server.issuer.rotate_master_key().await.map_err(AdminError::MasterKey)?;
    Ok(StatusCode::NO_CONTENT)
}

impl KeyList {
    fn of(server: &Server) -> Self {
        let now = server.now();
        Self {
            keys: server.issuer.list_keys(now).into_iter().map(KeyAnswer::from).collect(),
            schedules: server.issuer.list_schedules(now).into_iter().map(ScheduleAnswer::from).collect(),
        }
    }
}

impl From<KeyInfo> for KeyAnswer {
    fn from(key: KeyInfo) -> Self {
        Self {
            kid: key.kid,
            alg: key.alg.name(),
            state: key.state,
            signs_from: key.signs_from,
            signed_until: key.signed_until,
            published_at: key.published_at,
            signs_until: key.signs_until,
            retires_at: key.retires_at,
        }
    }
}

impl From<ScheduleInfo> for ScheduleAnswer {
    fn from(schedule: ScheduleInfo) -> Self {
        let ScheduleInfo { alg, rotate_every, next_rotation } = schedule;
        Self { alg: alg.name(), rotate_every, next_rotation }
    }
}

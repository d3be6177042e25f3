//! Receivers that ask for their events ([RFC 8936](https://www.rfc-editor.org/rfc/rfc8936)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::signals::{PollRequest, SignalError};
use http::HeaderMap;
use serde::Serialize;

use crate::body::Json;
use crate::dpop::Proof;
use crate::problem::Problem;
use crate::server::Server;

/// How long a receiver is let wait for an event, if no answer must begin earlier.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PollAnswer {
    sets: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more_available: bool,
}

/// `POST /ssf/poll`
pub(crate) async fn poll(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(mut request): Json<PollRequest>,
) -> Result<Response, Problem> {
    let receiver = super::receiver(&server, &headers, &proof, false).await?;
    if !request.is_bounded() {
        return Err(Problem::invalid_request("the request speaks of more events than can be under way"));
    }
    // Those who wait take a place from the same number as the streams of revocations.
    let place = server.streams.try_acquire();
    let mut changes = server.issuer.watch_revocations();
    let patience = tokio::time::sleep(PATIENCE.min(server.config.request_timeout / 2));
    tokio::pin!(patience);
    loop {
        changes.borrow_and_update();
        let stream = server.issuer.find_stream(&receiver, None).await?;
        let polled = server.issuer.poll(&stream, &request, server.now()).await?;
        let waits = place.is_ok()
            && polled.sets.is_empty()
            && !request.return_immediately
            && request.max_events != Some(0);
        // What it has taken is noted once.
        (request.ack, request.set_errs) = Default::default();
        let is_over = match waits {
            false => true,
            true => tokio::select! {
                () = &mut patience => true,
                changed = changes.changed() => changed.is_err(),
            },
        };
        if is_over {
            let sets = polled.sets.into_iter().map(|set| (set.jti, set.token)).collect();
            return Ok(axum::Json(PollAnswer { sets, more_available: polled.more }).into_response());
        }
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        match error {
            SignalError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

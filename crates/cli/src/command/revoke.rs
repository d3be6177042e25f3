//! `gatepass revoke …`

use gatepass_issuer::id::UserId;
use http::StatusCode;
use serde_json::{Value, json};

use super::{segment, show};
use crate::api::{Api, Refused};
use crate::args::{Revocation, Target};
use crate::complaint::Complaint;

pub(crate) async fn run(target: &Target, revocation: Revocation) -> anyhow::Result<()> {
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, revocation).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, revocation: Revocation) -> anyhow::Result<()> {
    let Revocation { kind, id, reason } = revocation;
    let id = match id {
        Some(name) if kind == "subject" => Some(subject(api, name).await?),
        id => id,
    };
    let mut body = json!({ "kind": kind, "reason": reason });
    if let (Some(id), Some(body)) = (id, body.as_object_mut()) {
        body.insert("id".to_owned(), json!(id));
    }
    let answer = api.post("/revocations", body).await?;
    show(target, &answer);
    Ok(require_known(&answer)?)
}

/// Whoever mistypes a name must not believe that something was taken back.
pub(super) fn require_known(answer: &Value) -> Result<(), Complaint> {
    if answer.get("known") != Some(&Value::Bool(false)) {
        return Ok(());
    }
    let what = match answer.get("kind").and_then(Value::as_str) {
        Some("subject") => "user or client",
        Some(kind) => kind,
        None => "such thing",
    };
    Err(Complaint::refused(format!("no {what} of that name is here; it was announced all the same")))
}

/// The `sub` that is meant: it itself, or the name of a user.
async fn subject(api: &Api, name: String) -> anyhow::Result<String> {
    if name.parse::<UserId>().is_ok() {
        return Ok(name);
    }
    let by_name = format!("/users?username={}", segment(&name));
    let found = found(api.get(&by_name).await, StatusCode::BAD_REQUEST)?; // no name that a user can have
    let Some(id) = found.as_ref().and_then(|found| found.pointer("/users/0/id")?.as_str()) else {
        return Ok(name);
    };
    match found_client(api, &name).await? {
        None => Ok(id.to_owned()),
        Some(_) => Err(Complaint::unusable(format!("both a user and a client are called {name:?}"))
            .try_this(format!(
                "gatepass revoke subject {id} for the user, gatepass revoke client {name} for the client"
            ))
            .into()),
    }
}

async fn found_client(api: &Api, id: &str) -> anyhow::Result<Option<Value>> {
    found(api.get(&format!("/clients/{}", segment(id))).await, StatusCode::NOT_FOUND)
}

/// The answer; `None` for the status that says that there is none.
fn found(answer: anyhow::Result<Value>, none: StatusCode) -> anyhow::Result<Option<Value>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == none) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

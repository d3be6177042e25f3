//! `gatepass revoke …`

use serde_json::json;

use super::show;
use crate::api::Api;
use crate::args::{Revocation, Target};

pub(crate) async fn run(target: &Target, revocation: Revocation) -> anyhow::Result<()> {
    let api = Api::open(target).await?;
    let mut body = json!({ "kind": revocation.kind, "reason": revocation.reason });
    if let (Some(id), Some(body)) = (revocation.id, body.as_object_mut()) {
        body.insert("id".to_owned(), json!(id));
    }
    let done = api.post("/revocations", body).await;
    api.close().await?;
    show(target, &done?);
    Ok(())
}

//! `gatepass key …`

use serde_json::{Value, json};

use super::revoke::require_known;
use super::show;
use crate::api::{self, Api};
use crate::args::{Key, Target};
use crate::{clock, print};

mod life;
mod schedule;

pub(crate) async fn run(target: &Target, command: Key) -> anyhow::Result<()> {
    if let Key::CreatePkcs11 = command {
        return create_pkcs11(target);
    }
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, command).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, command: Key) -> anyhow::Result<()> {
    match command {
        Key::List => show_keys(target, api.get("/keys").await?),
        Key::Rotate { alg, emergency } => {
            let body = json!({ "alg": alg, "emergency": emergency });
            show_keys(target, api.post("/keys/rotate", body).await?);
        }
        Key::RotateMaster => {
            api.post("/keys/rotate-master", json!({})).await?;
            print::line("the master key is another; keep a copy of it apart from copies of the store");
        }
        Key::Revoke { kid, reason } => {
            let body = json!({ "kind": "key", "id": kid, "reason": reason });
            let answer = api.post("/revocations", body).await?;
            show(target, &answer);
            require_known(&answer)?;
        }
        Key::CreatePkcs11 => {} // before there is a store
    }
    Ok(())
}

fn create_pkcs11(target: &Target) -> anyhow::Result<()> {
    let config = api::configuration(target)?;
    let key = config.master_key.create_wrapping_key()?;
    print::line(format!("made {key}; it never leaves it, so have the device back it up"));
    Ok(())
}

/// Prints keys and schedules, for machines as the admin API gives them.
fn show_keys(target: &Target, answer: Value) {
    if target.json {
        return print::json(&answer);
    }
    let list = |name: &str| answer.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    life::show(list("keys"), clock::now());
    schedule::show(list("schedules"), clock::now());
}

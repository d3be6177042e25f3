//! `gatepass role …`

use serde_json::{Value, json};

use super::{segment, show, show_list};
use crate::api::Api;
use crate::args::{Role, Target};

pub(crate) async fn run(target: &Target, command: Role) -> anyhow::Result<()> {
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, command).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, command: Role) -> anyhow::Result<()> {
    match command {
        Role::List => {
            let mut answer = api.get("/roles").await?;
            let roles = answer.get_mut("roles").map(Value::take);
            show_list(
                target,
                roles.and_then(|roles| roles.as_array().cloned()).unwrap_or_default(),
                &["name", "scope"],
            );
        }
        Role::Set { name, scopes } => {
            let role =
                api.put(&format!("/roles/{}", segment(&name)), json!({ "scope": scopes.join(" ") })).await?;
            show(target, &role);
        }
        Role::Remove { name } => {
            api.delete(&format!("/roles/{}", segment(&name))).await?;
        }
    }
    Ok(())
}

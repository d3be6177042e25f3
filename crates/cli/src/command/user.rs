//! `gatepass user …`

mod import;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{segment, show, show_list};
use crate::api::Api;
use crate::args::{Target, User};
use crate::data::{generate_password, read_password};
use crate::print;

pub(crate) async fn run(target: &Target, command: User) -> anyhow::Result<()> {
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, command).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, command: User) -> anyhow::Result<()> {
    match command {
        User::Add { name, roles, password_file } => {
            let (password, generated) = password(password_file.as_deref())?;
            let body = json!({ "username": name, "password": *password, "roles": roles });
            let mut user = api.post("/users", body).await?;
            if let (true, Some(user)) = (generated, user.as_object_mut()) {
                user.insert("password".to_owned(), json!(*password));
            }
            show(target, &user);
        }
        User::Import { file, skip_existing } => import::run(api, target, &file, skip_existing).await?,
        User::List => {
            let users = api.list("/users", "users").await?;
            show_list(target, users, &["id", "username", "roles", "disabled"]);
        }
        User::Show { name } => show(target, &find(api, &name).await?),
        User::Roles { name, roles } => change(api, target, &name, json!({ "roles": roles })).await?,
        User::Password { name, password_file } => {
            let (password, generated) = password(password_file.as_deref())?;
            change(api, target, &name, json!({ "password": *password })).await?;
            if generated && !target.json {
                print::line(format!("{:<16}{}", "password", *password));
            }
        }
        User::Consents { name } => {
            let answer = api.get(&consents(api, &name).await?).await?;
            let consents = answer.get("consents").and_then(Value::as_array).cloned().unwrap_or_default();
            show_list(target, consents, &["client_id", "scope"]);
        }
        User::Withdraw { name, client } => {
            api.delete(&format!("{}/{}", consents(api, &name).await?, segment(&client))).await?;
        }
        User::Disable { name } => change(api, target, &name, json!({ "disabled": true })).await?,
        User::Enable { name } => change(api, target, &name, json!({ "disabled": false })).await?,
    }
    Ok(())
}

async fn change(api: &Api, target: &Target, name: &str, change: Value) -> anyhow::Result<()> {
    let user = find(api, name).await?;
    show(target, &api.patch(&format!("/users/{}", print::said(&user, "id")), change).await?);
    Ok(())
}

/// Where a user's consents are.
async fn consents(api: &Api, name: &str) -> anyhow::Result<String> {
    Ok(format!("/users/{}/consents", print::said(&find(api, name).await?, "id")))
}

async fn find(api: &Api, name: &str) -> anyhow::Result<Value> {
    let found = api.get(&format!("/users?username={}", segment(name))).await?;
    found.pointer("/users/0").cloned().with_context(|| format!("there is no user {name:?}"))
}

/// The password of a file, or a generated one; and which.
fn password(file: Option<&std::path::Path>) -> anyhow::Result<(zeroize::Zeroizing<String>, bool)> {
    match file {
        Some(file) => Ok((read_password(file)?, false)),
        None => Ok((generate_password()?, true)),
    }
}

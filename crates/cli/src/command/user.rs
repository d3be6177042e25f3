//! `gatepass user …`

mod import;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{segment, show, show_list};
use crate::api::Api;
use crate::args::{Target, User};
use crate::data::{generate_password, read_password};
use crate::json_text::visible;
use crate::print;

pub(crate) async fn run(target: &Target, command: User) -> anyhow::Result<()> {
    let api = Api::open(target).await?;
    let done = carry_out(&api, target, command).await;
    api.close().await?;
    done
}

async fn carry_out(api: &Api, target: &Target, command: User) -> anyhow::Result<()> {
    match command {
        User::Add { name, roles, password_file, display_name, email, email_verified } => {
            let (password, generated) = password(password_file.as_deref())?;
            let mut body = json!({ "username": name, "password": *password, "roles": roles });
            if let (Some(email), Some(body)) = (email, body.as_object_mut()) {
                body.extend(address(Some(&email), email_verified));
            }
            if let (Some(name), Some(body)) = (display_name, body.as_object_mut()) {
                body.insert("name".to_owned(), json!(name));
            }
            let user = api.post("/users", body).await?;
            show(target, &with_password(user, generated.then_some(&password)));
            warn_of_undefined(api, &roles).await?;
        }
        User::Import { file, skip_existing } => import::run(api, target, &file, skip_existing).await?,
        User::List => {
            let users = api.list("/users", "users").await?;
            show_list(target, users, &["id", "username", "roles", "disabled"]);
        }
        User::Show { name } => show(target, &find(api, &name).await?),
        User::Roles { name, roles } => {
            change(api, target, &name, json!({ "roles": roles })).await?;
            warn_of_undefined(api, &roles).await?;
        }
        User::Password { name, password_file } => {
            let (password, generated) = password(password_file.as_deref())?;
            let user = changed(api, &name, json!({ "password": *password })).await?;
            show(target, &with_password(user, generated.then_some(&password)));
        }
        User::DisplayName { name, display_name } => {
            change(api, target, &name, json!({ "name": display_name })).await?;
        }
        User::Email { name, address: to, verified } => {
            change(api, target, &name, Value::Object(address(to.as_deref(), verified))).await?;
        }
        User::Identities { name } => {
            let answer = api.get(&identities(api, &name).await?).await?;
            let all = answer.get("identities").and_then(Value::as_array).cloned().unwrap_or_default();
            show_list(target, all, &["provider", "subject"]);
        }
        User::Link { name, provider, subject } => {
            let body = json!({ "provider": provider, "subject": subject });
            show(target, &api.post(&identities(api, &name).await?, body).await?);
        }
        User::Unlink { name, provider } => {
            api.delete(&format!("{}/{}", identities(api, &name).await?, segment(&provider))).await?;
        }
        User::Consents { name } => {
            let answer = api.get(&consents(api, &name).await?).await?;
            let consents = answer.get("consents").and_then(Value::as_array).cloned().unwrap_or_default();
            match target.json {
                true => print::json(&Value::Array(consents)),
                false => print::table(
                    &CONSENT_COLUMNS,
                    &consents.iter().flat_map(consent_rows).collect::<Vec<_>>(),
                ),
            }
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
    show(target, &changed(api, name, change).await?);
    Ok(())
}

async fn changed(api: &Api, name: &str, change: Value) -> anyhow::Result<Value> {
    let user = find(api, name).await?;
    api.patch(&format!("/users/{}", print::said(&user, "id")), change).await
}

/// With a password that was made up, which is shown here and never again.
fn with_password(mut user: Value, generated: Option<&Zeroizing<String>>) -> Value {
    if let (Some(password), Some(user)) = (generated, user.as_object_mut()) {
        user.insert("password".to_owned(), json!(**password));
    }
    user
}

/// A role may be held before it is defined, and allows nothing until then.
async fn warn_of_undefined(api: &Api, roles: &[String]) -> anyhow::Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    let answer = api.get("/roles").await?;
    let defined = answer.get("roles").and_then(Value::as_array).cloned().unwrap_or_default();
    for role in
        roles.iter().filter(|role| !defined.iter().any(|defined| print::said(defined, "name") == **role))
    {
        print::warn(format!(
            "the role {role:?} is not defined and allows nothing: gatepass role set {role} SCOPE ..."
        ));
    }
    Ok(())
}

/// What is shown of consents.
const CONSENT_COLUMNS: [&str; 4] = ["client_id", "resource", "scope", "authorization_details"];

/// A client's consents, a row for each resource, and one for what it may beyond scopes in sessions that live. That is in
/// the client's own words.
fn consent_rows(consent: &Value) -> Vec<Vec<String>> {
    let client = print::said(consent, "client_id");
    let resources = consent.get("resources").and_then(Value::as_array).into_iter().flatten();
    let at =
        |one| vec![client.clone(), print::said(one, "resource"), print::said(one, "scope"), String::new()];
    let details = visible(&print::said(consent, "authorization_details"));
    let details = Some(details).filter(|details| !details.is_empty());
    let beyond = details.map(|details| vec![client.clone(), String::new(), String::new(), details]);
    resources.map(at).chain(beyond).collect()
}

/// Where a user's consents are.
async fn consents(api: &Api, name: &str) -> anyhow::Result<String> {
    Ok(format!("/users/{}/consents", print::said(&find(api, name).await?, "id")))
}

/// Where a user's identities are.
async fn identities(api: &Api, name: &str) -> anyhow::Result<String> {
    Ok(format!("/users/{}/identities", print::said(&find(api, name).await?, "id")))
}

/// The members of a user that say their e-mail address.
fn address(address: Option<&str>, verified: bool) -> Map<String, Value> {
    Map::from_iter([("email".to_owned(), json!(address)), ("email_verified".to_owned(), json!(verified))])
}

async fn find(api: &Api, name: &str) -> anyhow::Result<Value> {
    let found = api.get(&format!("/users?username={}", segment(name))).await?;
    found.pointer("/users/0").cloned().with_context(|| format!("there is no user {name:?}"))
}

/// The password of a file, or a generated one; and which.
fn password(file: Option<&std::path::Path>) -> anyhow::Result<(Zeroizing<String>, bool)> {
    match file {
        Some(file) => Ok((read_password(file)?, false)),
        None => Ok((generate_password()?, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consents_are_rows_in_which_nothing_moves_the_cursor() {
        let at = |resource: &str| json!({ "resource": resource, "scope": "openid", "given_at": 1 });
        let before = json!({ "scope": "a b", "given_at": 1 });
        let details = json!([{ "type": "payment", "to": "Bo\u{9b}2J\u{202e}" }]);
        let cases = [
            ("nothing", json!({ "client_id": "web", "resources": [] }), vec![]),
            (
                "a_row_each",
                json!({ "client_id": "web", "resources": [before, at("https://a")] }),
                vec![["web", "", "a b", ""], ["web", "https://a", "openid", ""]],
            ),
            (
                "details",
                json!({ "client_id": "web", "resources": [], "authorization_details": details }),
                vec![["web", "", "", r#"{"to":"Bo\u009b2J\u202e","type":"payment"}"#]],
            ),
        ];
        for (name, consent, want) in cases {
            assert_eq!(consent_rows(&consent), want, "{name}");
        }
    }
}

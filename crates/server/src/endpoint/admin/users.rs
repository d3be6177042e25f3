//! Users.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::admin::{AdminError, ChangeUser, FirstPassword, NewUser};
use gatepass_issuer::id::UserId;
use gatepass_issuer::password::{Password, PasswordHash};
use gatepass_issuer::user::{DisplayName, RoleName, User, Username};
use gatepass_issuer::{Email, EmailAddress};
use http::Uri;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{BodyRefusals, Conflict, Named, NotFound, Refusals, created, next_page, page};
use crate::body::Json;
use crate::form::Form;
use crate::problem::Problem;
use crate::server::Server;

/// A user to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct CreateRequest {
    /// What they log in with. Two names that differ only in case are the same.
    #[schema(value_type = String, min_length = 1, max_length = 128, example = "alice")]
    username: Username,
    /// What people call them.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, example = "Alice Liddell")]
    name: Option<DisplayName>,
    /// Their first password, as long as the server's `passwords.min_length` asks (15 characters) and not easy to guess.
    #[serde(default, deserialize_with = "optional_password")]
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 8, max_length = 1024)]
    password: Option<Password>,
    /// In its place what another system kept of their password: Argon2, scrypt or PBKDF2 as a PHC string, bcrypt, or
    /// PBKDF2 as Django and passlib write it. Their next login replaces it by Argon2id.
    #[serde(default, deserialize_with = "imported_hash")]
    #[schema(value_type = Option<String>, write_only, max_length = 512)]
    password_hash: Option<PasswordHash>,
    /// Their e-mail address.
    #[schema(value_type = Option<String>, format = Email, max_length = 254, example = "alice@example.com")]
    email: Option<EmailAddress>,
    /// Whether somebody has made sure that it is theirs. No two users have one address verified. Whoever has the same address
    /// at an identity provider is offered to link the account, and shows its password for that.
    #[serde(default)]
    email_verified: bool,
    /// Their roles.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["clerk"]))]
    roles: Vec<RoleName>,
    /// Whether they are kept out.
    #[serde(default)]
    disabled: bool,
}

/// What is to change about a user; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChange)]
pub(super) struct ChangeRequest {
    /// All their roles from now on. Guards refuse their access tokens with `claims-changed`, and the
    /// next refresh carries the new ones.
    #[schema(value_type = Option<Vec<String>>)]
    roles: Option<Vec<RoleName>>,
    /// Another name for people to call them by; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    name: Option<Option<DisplayName>>,
    /// Another e-mail address; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Email, max_length = 254)]
    email: Option<Option<EmailAddress>>,
    /// Whether somebody has made sure that the address beside it is theirs.
    #[serde(default)]
    email_verified: bool,
    /// Whether they are kept out. Disabling ends their sessions and access tokens.
    disabled: Option<bool>,
    /// A new password. It ends their sessions and access tokens.
    #[serde(default, deserialize_with = "optional_password")]
    #[schema(value_type = Option<String>, format = Password, write_only, min_length = 8, max_length = 1024)]
    password: Option<Password>,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserAnswer {
    /// The `sub` of their tokens.
    #[schema(value_type = String)]
    id: UserId,
    /// What they log in with.
    #[schema(value_type = String)]
    username: Username,
    /// What people call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    name: Option<DisplayName>,
    /// Their e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    email: Option<EmailAddress>,
    /// Whether somebody has made sure that it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    /// Their roles.
    #[schema(value_type = Vec<String>)]
    roles: Vec<RoleName>,
    /// Whether they are kept out.
    disabled: bool,
    /// When they were created, in seconds since 1970.
    created_at: i64,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(super) struct UserPage {
    users: Vec<UserAnswer>,
    /// What to pass as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// Create a user
#[utoipa::path(
    post, path = "/admin/v1/users", operation_id = "create_user", tag = "users",
    request_body = CreateRequest,
    responses(
        (
            status = 201, body = UserAnswer, description = "The user",
            headers(("Location" = String, description = "Where the user is found")),
        ),
        Refusals, BodyRefusals, Conflict,
    ),
    security(("access_token" = [])),
)]
pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response, Problem> {
    let CreateRequest { username, name, password, password_hash, email, email_verified, roles, disabled } =
        request;
    let password = match (password, password_hash) {
        (Some(password), None) => FirstPassword::New(password),
        (None, Some(hash)) => FirstPassword::Imported(hash),
        _ => return Err(Problem::invalid_request("a new user has either a `password` or a `password_hash`")),
    };
    let email = email_of(email, email_verified)?;
    let new = NewUser { username, name, password, email, roles, disabled };
    let user = server.issuer.create_user(new, server.now()).await?;
    let path = format!("/admin/v1/users/{}", user.id);
    Ok(created(&server, &path, JsonAnswer(UserAnswer::from(user))))
}

/// List users, in the order of their creation, or find one by name
#[utoipa::path(
    get, path = "/admin/v1/users", operation_id = "list_users", tag = "users",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many, 100 by default"),
        ("after" = Option<String>, Query, min_length = 1, description = "Where the last page ended: its `next`"),
        ("username" = Option<String>, Query, min_length = 1, description = "Only the user of this name"),
    ),
    responses((status = 200, body = UserPage, description = "The page"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    uri: Uri,
) -> Result<JsonAnswer<UserPage>, Problem> {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes())?;
    query.require_only(&["limit", "after", "username"])?;
    let page = page::<UserId>(&query)?;
    let limit = page.limit;
    let users = match query.find("username") {
        None => server.issuer.list_users(page).await?,
        Some(name) => {
            let name = name.parse().map_err(|error| Problem::invalid_value("username", error))?;
            match server.issuer.find_user_by_name(&name).await {
                Ok(user) => vec![user],
                Err(AdminError::Unknown) => Vec::new(),
                Err(error) => return Err(error.into()),
            }
        }
    };
    let next = match query.find("username") {
        None => next_page(&users, limit, |user| user.id),
        Some(_) => None,
    };
    Ok(JsonAnswer(UserPage { users: users.into_iter().map(UserAnswer::from).collect(), next }))
}

/// Read a user
#[utoipa::path(
    get, path = "/admin/v1/users/{id}", operation_id = "find_user", tag = "users",
    params(("id" = String, Path, description = "The user's `id`")),
    responses((status = 200, body = UserAnswer, description = "The user"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn find(
    State(server): State<Arc<Server>>,
    Named(id): Named<UserId>,
) -> Result<JsonAnswer<UserAnswer>, Problem> {
    Ok(JsonAnswer(server.issuer.find_user(id).await?.into()))
}

/// Change a user
#[utoipa::path(
    patch, path = "/admin/v1/users/{id}", operation_id = "change_user", tag = "users",
    params(("id" = String, Path, description = "The user's `id`")),
    request_body = ChangeRequest,
    responses(
        (status = 200, body = UserAnswer, description = "The user"), Refusals, BodyRefusals, NotFound, Conflict,
    ),
    security(("access_token" = [])),
)]
pub(super) async fn change(
    State(server): State<Arc<Server>>,
    Named(id): Named<UserId>,
    Json(request): Json<ChangeRequest>,
) -> Result<JsonAnswer<UserAnswer>, Problem> {
    let ChangeRequest { roles, name, email, email_verified, disabled, password } = request;
    let email = match email {
        Some(address) => Some(email_of(address, email_verified)?),
        None => email_of(None, email_verified)?.map(Some),
    };
    let change = ChangeUser { roles, disabled, password, email, name, own: None };
    Ok(JsonAnswer(server.issuer.change_user(id, change, server.now()).await?.into()))
}

fn email_of(address: Option<EmailAddress>, verified: bool) -> Result<Option<Email>, Problem> {
    match address {
        Some(address) => Ok(Some(Email { address, verified })),
        None if verified => {
            Err(Problem::invalid_request("`email_verified` says something of the `email` beside it"))
        }
        None => Ok(None),
    }
}

/// Tells a member that is null from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn imported_hash<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PasswordHash>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.as_deref().map(PasswordHash::import).transpose().map_err(serde::de::Error::custom)
}

fn optional_password<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Password>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(Password::new).transpose().map_err(serde::de::Error::custom)
}

impl From<User> for UserAnswer {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            name: user.name,
            email_verified: user.email.as_ref().map(|email| email.verified),
            email: user.email.map(|email| email.address),
            roles: user.roles,
            disabled: user.disabled,
            created_at: user.created_at.as_secs(),
        }
    }
}

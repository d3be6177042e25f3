//! The admin API: users, clients, roles, keys and revocations, for callers whose access token has the
//! scope `gatepass:admin`.

mod clients;
mod consents;
mod identities;
mod keys;
mod openapi;
mod registration_tokens;
mod revocations;
mod roles;
mod users;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatepass_issuer::RotateMasterError;
use gatepass_issuer::admin::AdminError;
use gatepass_issuer::store::Page;
use http::StatusCode;
use http::request::Parts;
use utoipa::IntoResponses;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::clients::require_name;
use crate::bearer;
use crate::dpop::Proof;
use crate::form::Form;
use crate::problem::{self, Details, Problem};
use crate::server::Server;

/// The page size where the request asks for none.
const DEFAULT_PAGE: u32 = 100;
/// The most that may be asked for.
const MAX_PAGE: u32 = 500;

/// The routes below `/admin/v1`. Every one of them is behind [`require_admin`], but for the document
/// that describes them; and every one of them is in that document, because it is made from them.
pub(crate) fn router(server: &Arc<Server>) -> Router<Arc<Server>> {
    let api = OpenApiRouter::with_openapi(openapi::description())
        .routes(routes!(users::create, users::list))
        .routes(routes!(users::find, users::change))
        .routes(routes!(identities::list, identities::link))
        .routes(routes!(identities::unlink))
        .routes(routes!(consents::list))
        .routes(routes!(consents::withdraw))
        .routes(routes!(clients::create, clients::list))
        .routes(routes!(clients::find, clients::change))
        .routes(routes!(registration_tokens::create, registration_tokens::list))
        .routes(routes!(registration_tokens::remove))
        .routes(routes!(roles::list))
        .routes(routes!(roles::find, roles::put, roles::remove))
        .routes(routes!(keys::list))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::rotate_master))
        .routes(routes!(revocations::create));
    let (routes, document) = api.split_for_parts();
    let document = openapi::document(document);
    routes
        .method_not_allowed_fallback(problem::no_such_method)
        .route_layer(from_fn_with_state(Arc::clone(server), require_admin))
        .route("/admin/v1/openapi.json", get(|| async { document }).fallback(problem::no_such_method))
}

/// Lets administrators through, and notes who changes something.
async fn require_admin(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let proof = Proof::of(&server, &parts);
    let request = Request::from_parts(parts, body);
    let caller = bearer::authenticate_admin(&server.issuer, request.headers(), &proof, server.now()).await?;
    if !request.method().is_safe() {
        tracing::info!(
            target: "gatepass::audit", event = "admin-request", by = caller.claims.sub,
            method = %request.method(), path = request.uri().path()
        );
    }
    Ok(next.run(request).await)
}

/// What every admin route may answer beside its own.
#[derive(IntoResponses)]
#[allow(dead_code)] // read by the derive alone
enum Refusals {
    /// The request cannot be understood; `detail` names the member.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Details<'static>),
    /// There is no access token, or it is not valid. With the code `claims-changed`, a refresh mends it.
    #[response(
        status = 401,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "RFC 6750"))
    )]
    Unauthorized(Details<'static>),
    /// The access token does not have the scope `gatepass:admin`.
    #[response(
        status = 403,
        content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "RFC 6750"))
    )]
    Forbidden(Details<'static>),
    /// The store does not answer, or too much is asked of this server; try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Details<'static>),
}

/// What routes answer that name one thing.
#[derive(IntoResponses)]
#[allow(dead_code)] // read by the derive alone
enum NotFound {
    /// There is nothing of that name.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Details<'static>),
}

/// What routes answer that take a body.
#[derive(IntoResponses)]
#[allow(dead_code)] // read by the derive alone
enum BodyRefusals {
    /// The body is longer than this server reads.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Details<'static>),
    /// The body is not `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Details<'static>),
}

/// What routes answer that make something.
#[derive(IntoResponses)]
#[allow(dead_code)] // read by the derive alone
enum Conflict {
    /// Something of that name is there already.
    #[response(status = 409, content_type = "application/problem+json")]
    Exists(Details<'static>),
}

/// What changing the master key answers where it is not the server's to change.
#[derive(IntoResponses)]
#[allow(dead_code)] // read by the derive alone
enum KeptElsewhere {
    /// The master key comes from the configuration, and is changed there.
    #[response(status = 409, content_type = "application/problem+json")]
    KeptElsewhere(Details<'static>),
}

/// The name at the end of the path. What cannot be the name of anything names nothing.
struct Named<T>(T);

impl<T: FromStr> FromRequestParts<Arc<Server>> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let Ok(Path(name)) = Path::<String>::from_request_parts(parts, server).await else {
            return Err(Problem::not_found());
        };
        name.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// `?limit=` and `?after=`, and whatever else a list is asked with.
fn page<T>(query: &Form) -> Result<Page<T>, Problem>
where
    T: FromStr<Err: fmt::Display>,
{
    let limit = match query.find("limit").map(str::parse) {
        None => DEFAULT_PAGE,
        Some(Ok(limit)) if (1..=MAX_PAGE).contains(&limit) => limit,
        Some(_) => return Err(Problem::invalid_value("limit", format_args!("it is 1 to {MAX_PAGE}"))),
    };
    let after = query.find("after").map(str::parse).transpose();
    let after = after.map_err(|error| Problem::invalid_value("after", error))?;
    Ok(Page { after, limit })
}

/// Where the next page begins: behind the last entry, unless this page was not full.
fn next_page<T, I: ToString>(entries: &[T], limit: u32, id: impl Fn(&T) -> I) -> Option<String> {
    let is_full = u32::try_from(entries.len()).is_ok_and(|len| len >= limit);
    entries.last().filter(|_| is_full).map(|last| id(last).to_string())
}

/// 201, and where to find what was made.
fn created(server: &Server, path: &str, body: impl IntoResponse) -> Response {
    let location = format!("{}{path}", server.base_path);
    (StatusCode::CREATED, [(http::header::LOCATION, location)], body).into_response()
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Exists | AdminError::Reserved => Self::new(StatusCode::CONFLICT, "exists", detail),
            AdminError::Unknown => Self::not_found(),
            AdminError::ChangedMeanwhile => Self::new(StatusCode::CONFLICT, "changed-meanwhile", detail),
            AdminError::Password(why) => Self::invalid_value("password", why),
            AdminError::PasswordHash(why) => Self::invalid_value("password_hash", why),
            AdminError::UnknownAudience(_) => Self::invalid_value("audience", detail),
            AdminError::UnknownExchangeAudience { wants: true, .. } => {
                Self::invalid_value("exchange.for", detail)
            }
            AdminError::UnknownExchangeAudience { .. } => Self::invalid_value("exchange.from", detail),
            AdminError::NoSecret => Self::invalid_value("new_secret", detail),
            AdminError::NoRedirectUri => Self::invalid_value("redirect_uris", detail),
            AdminError::NeedsPkce => Self::invalid_value("require_pkce", detail),
            AdminError::Profile(why) => Self::invalid_request(why.to_string()),
            AdminError::PairwiseSubject => Self::invalid_value("id", detail),
            AdminError::Sector(_) => Self::invalid_value("sector_identifier_uri", detail),
            AdminError::UnservedAlg { member, .. } | AdminError::AlgNotYet { member, .. } => {
                Self::invalid_value(member, detail)
            }
            AdminError::UnpublishedAlg(_) => Self::invalid_value("alg", detail),
            AdminError::Encryption(_) => Self::invalid_value("encrypted_response_alg", detail),
            AdminError::UnknownDetailsType(_) => Self::invalid_value("authorization_details_types", detail),
            AdminError::CannotSign => Self::invalid_value("require_signed_request_object", detail),
            AdminError::NotRegistrable(member, why) => Self::invalid_value(member, why),
            AdminError::ForeignFrame => Self::invalid_value("frontchannel_logout_uri", detail),
            AdminError::KeySet(_) => Self::invalid_value("jwks_uri", detail),
            AdminError::NoSigningKey => Self::invalid_value("jwks", detail),
            AdminError::NotByCertificate => Self::invalid_value("certificate", detail),
            AdminError::MasterKey(RotateMasterError::KeptElsewhere) => {
                Self::new(StatusCode::CONFLICT, "kept-elsewhere", detail)
            }
            AdminError::MasterKey(RotateMasterError::Keeper(_)) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "master-key-not-kept", detail)
            }
            AdminError::Overloaded(overloaded) => Self::overloaded(overloaded.retry_after),
            AdminError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

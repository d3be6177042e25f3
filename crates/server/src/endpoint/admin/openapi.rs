//! The admin API's description ([OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0)).

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, OpenApi};
use utoipa::{Modify, OpenApi as _};

use crate::problem::Details;

/// The document without its routes, which the router adds.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "gatepass admin API",
        description = "Users, clients, roles, keys and revocations of a gatepass authorization server. \
            When a change is answered it is durable, and on its way to every guard.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Details<'static>)),
    modifiers(&AccessToken),
    tags(
        (name = "users", description = "People, or machines that log in like people."),
        (name = "clients", description = "OAuth clients (RFC 6749 section 2)."),
        (name = "roles", description = "What users may do."),
        (name = "keys", description = "The keys that tokens are signed with."),
        (name = "revocations", description = "Taking back what was given."),
    ),
)]
struct Description;

struct AccessToken;

impl Modify for AccessToken {
    fn modify(&self, openapi: &mut OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("An access token with the scope `gatepass:admin`.".to_owned());
        let components = openapi.components.get_or_insert_with(Components::new);
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    }
}

pub(super) fn description() -> OpenApi {
    Description::openapi()
}

/// The finished document as it is served, written once.
pub(super) fn document(openapi: OpenApi) -> Json {
    // Strings, numbers and maps of them: there is nothing that JSON could refuse.
    Json(Bytes::from(serde_json::to_vec(&openapi).unwrap_or_default()))
}

#[derive(Clone)]
pub(super) struct Json(Bytes);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

//! How a browser is sent back to an application, or shown why not.

use std::fmt;

use axum::response::{IntoResponse, Response};
use gatepass_issuer::SecretError;
use gatepass_issuer::authorize::{Back, PageError, Refusal, ResponseMode};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use gatepass_issuer::store::StoreError;
use http::header::{CACHE_CONTROL, InvalidHeaderValue, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::form_urlencoded;

use crate::cookie::TwoCookies;
use crate::language::phrase::Phrase;
use crate::language::{Language, Words};
use crate::page::{self, Allowed, FormPost, MessagePage};
use crate::server::Server;

/// Why a visit ends without what it was for.
pub(crate) enum Stop {
    /// The application is told.
    Back(Box<Back>, Refusal),
    /// The user is.
    Shown { status: StatusCode, title: Words, text: Words },
}

impl Stop {
    pub(crate) fn bad_request(text: Words) -> Self {
        Self::Shown { status: StatusCode::BAD_REQUEST, title: |t| &t.does_not_work, text }
    }

    /// The parameters cannot be read, or one of them is there twice.
    pub(crate) fn malformed() -> Self {
        Self::bad_request(|t| &t.malformed_request)
    }

    /// Another site tried to send one of our forms.
    pub(crate) fn cross_site() -> Self {
        let (title, text): (Words, Words) = (|t| &t.does_not_work, |t| &t.foreign_form);
        Self::Shown { status: StatusCode::FORBIDDEN, title, text }
    }

    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a fault of this server");
        let (title, text): (Words, Words) = (|t| &t.went_wrong, |t| &t.server_failed);
        Self::Shown { status: StatusCode::INTERNAL_SERVER_ERROR, title, text }
    }

    /// The answer to a request that came with `headers`, where nothing else says which language it is in.
    pub(crate) fn answer_to(self, server: &Server, headers: &HeaderMap) -> Response {
        self.answer(server, server.config.brand.languages.choose(None, headers))
    }

    pub(crate) fn answer(self, server: &Server, language: &Language) -> Response {
        match self {
            Self::Back(back, refusal) => {
                let params = [("error", refusal.error), ("error_description", refusal.description)];
                send_back(server, language, &back, &params)
            }
            Self::Shown { status, title, text } => {
                let site = server.site(language);
                let page = MessagePage { site, title: title(site.t), text: Phrase::new(text(site.t), &[]) };
                page::answer(status, &page, site, Allowed::default())
            }
        }
    }
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        Self::bad_request(match error {
            PageError::Client => |t| &t.unknown_client,
            PageError::NoRedirectUri => |t| &t.no_redirect_uri,
            PageError::RedirectUri => |t| &t.unregistered_redirect_uri,
            PageError::RequestUri => |t| &t.stale_link,
            _ => |t| &t.malformed_request,
        })
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed because the store did");
        let (title, text): (Words, Words) = (|t| &t.went_wrong, |t| &t.server_cannot_answer);
        Self::Shown { status: StatusCode::SERVICE_UNAVAILABLE, title, text }
    }
}

impl From<TwoCookies> for Stop {
    fn from(_: TwoCookies) -> Self {
        Self::bad_request(|t| &t.two_cookies)
    }
}

impl From<SecretError> for Stop {
    fn from(error: SecretError) -> Self {
        Self::internal(&error)
    }
}

impl From<InvalidHeaderValue> for Stop {
    fn from(error: InvalidHeaderValue) -> Self {
        Self::internal(&error)
    }
}

/// The answer to an application, with the `state` that it knows itself by and the `iss` that tells it whose
/// answer it is ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)); signed where the request asks for that.
pub(super) fn send_back(
    server: &Server,
    language: &Language,
    back: &Back,
    params: &[(&str, &str)],
) -> Response {
    let state = back.state.as_deref().map(|state| ("state", state));
    let mut fields: Vec<(&str, &str)> = params.iter().copied().chain(state).collect();
    let response;
    if back.mode.is_signed() {
        response = match server.issuer.sign_response(back, &fields, server.now()) {
            Ok(response) => response,
            Err(error) => return Stop::internal(&error).answer(server, language),
        };
        // `iss` is in it, and nothing that counts stands beside it (RFC 9207 section 2.4).
        fields = vec![("response", &response)];
    } else {
        fields.push(("iss", server.issuer.name().as_str()));
    }
    match back.mode {
        ResponseMode::Query | ResponseMode::QueryJwt => redirect(&back.redirect_uri, &fields),
        ResponseMode::FormPost | ResponseMode::FormPostJwt => {
            let site = server.site(language);
            let form = FormPost { site, action: back.redirect_uri.as_str(), fields: &fields };
            let allowed =
                Allowed { form_to: Some(&back.redirect_uri), submits_itself: true, ..Allowed::default() };
            page::answer(StatusCode::OK, &form, site, allowed)
        }
    }
}

/// 303, so that no browser posts again what was posted here
/// ([RFC 9700 section 4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)). Every value is encoded:
/// none can end the header or add a parameter.
pub(crate) fn redirect(to: &RegisteredRedirectUri, fields: &[(&str, &str)]) -> Response {
    let mut location = to.as_str().to_owned();
    if !fields.is_empty() {
        location.push(if location.contains('?') { '&' } else { '?' });
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        location.push_str(&encoded);
    }
    let mut location = match HeaderValue::try_from(location) {
        Ok(location) => location,
        Err(error) => return crate::problem::Problem::internal(&error).into_response(),
    };
    location.set_sensitive(true);
    let headers = [
        (LOCATION, location),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

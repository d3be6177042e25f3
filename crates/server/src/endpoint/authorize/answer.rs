//! How a browser is sent back to an application, or shown why not.

use std::borrow::Cow;
use std::fmt;

use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{Back, Refusal, ResponseMode};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use gatepass_issuer::store::StoreError;
use gatepass_issuer::{ResponseError, SecretError};
use http::header::{CACHE_CONTROL, InvalidHeaderValue, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use url::form_urlencoded;

use crate::cookie::TwoCookies;
use crate::page::{self, Allowed, FormPost, MessagePage};
use crate::server::Server;

/// What is over a page that says what somebody did wrong.
const TITLE: &str = "This does not work";

/// Why a visit ends without what it was for.
pub(crate) enum Stop {
    /// The application is told.
    Back(Box<Back>, Refusal),
    /// The user is.
    Shown { status: StatusCode, title: &'static str, text: Cow<'static, str> },
}

impl Stop {
    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Shown { status: StatusCode::BAD_REQUEST, title: TITLE, text: text.into() }
    }

    /// The parameters cannot be read, or one of them is there twice.
    pub(crate) fn malformed() -> Self {
        Self::bad_request("The application that sent you here sent a request that cannot be understood.")
    }

    /// Another site tried to send one of our forms.
    pub(crate) fn cross_site() -> Self {
        Self::Shown {
            status: StatusCode::FORBIDDEN,
            title: TITLE,
            text: "Another site sent this form. Go back to the application and begin again.".into(),
        }
    }

    pub(crate) fn internal(cause: &dyn fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a fault of this server");
        Self::Shown {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "Something went wrong",
            text: "The server failed. Please try again later.".into(),
        }
    }

    pub(crate) async fn answer(self, server: &Server) -> Response {
        let Self::Back(back, refusal) = self else { return self.shown(server) };
        let params = [("error", refusal.error), ("error_description", refusal.description)];
        send_back(server, &back, &params).await.unwrap_or_else(|stop| stop.shown(server))
    }

    /// The page for the user, where nobody else is told.
    pub(crate) fn shown(self, server: &Server) -> Response {
        let (status, title, text) = match self {
            Self::Shown { status, title, text } => (status, title, text),
            Self::Back(_, refusal) => (StatusCode::BAD_REQUEST, TITLE, refusal.description.into()),
        };
        let page = MessagePage { base: &server.base_path, title, text: &text };
        page::answer(status, &page, Allowed::default())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed because the store did");
        Self::Shown {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "Something went wrong",
            text: "The server cannot answer now. Please try again in a moment.".into(),
        }
    }
}

impl From<ResponseError> for Stop {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::NoRecipient(why) => {
                tracing::info!(target: "gatepass::audit", event = "no-recipient", %why);
                Self::bad_request("The application that sent you here has no key to be answered with.")
            }
            ResponseError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<TwoCookies> for Stop {
    fn from(two: TwoCookies) -> Self {
        Self::bad_request(two.to_string())
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
pub(super) async fn send_back(
    server: &Server,
    back: &Back,
    params: &[(&str, &str)],
) -> Result<Response, Stop> {
    let state = back.state.as_deref().map(|state| ("state", state));
    let mut fields: Vec<(&str, &str)> = params.iter().copied().chain(state).collect();
    let response;
    if back.mode.is_signed() {
        let signed = server.issuer.sign_response(back, &fields, server.now()).await;
        let gone = || Stop::bad_request("The application that sent you here is not known any more.");
        response = signed?.ok_or_else(gone)?;
        // `iss` is in it, and nothing that counts stands beside it (RFC 9207 section 2.4).
        fields = vec![("response", &response)];
    } else {
        fields.push(("iss", server.issuer.name().as_str()));
    }
    Ok(match back.mode {
        ResponseMode::Query | ResponseMode::QueryJwt => redirect(&back.redirect_uri, &fields),
        ResponseMode::FormPost | ResponseMode::FormPostJwt => {
            let form =
                FormPost { base: &server.base_path, action: back.redirect_uri.as_str(), fields: &fields };
            let allowed =
                Allowed { form_to: Some(&back.redirect_uri), submits_itself: true, ..Allowed::default() };
            page::answer(StatusCode::OK, &form, allowed)
        }
    })
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

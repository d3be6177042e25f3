//! How a browser is sent back to an application, or shown why not.

use std::fmt;

use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{Back, PageError, Refusal};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use gatepass_issuer::store::StoreError;
use gatepass_issuer::{ResponseError, SecretError};
use http::header::{CACHE_CONTROL, InvalidHeaderValue, LOCATION, REFERRER_POLICY, REFRESH};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Url, form_urlencoded};

use super::Visit;
use crate::cookie::TwoCookies;
use crate::language::phrase::Phrase;
use crate::language::{Language, Words};
use crate::page::{self, Allowed, FormPost, FormTo, MessagePage, OfferPage, OnwardPage};
use crate::server::Server;

/// Why a visit ends without what it was for.
pub(crate) enum Stop {
    /// The application is told.
    Back(Box<Back>, Refusal),
    /// The user is, and tells the application if they want to.
    Offer(Box<Back>, Refusal),
    /// The user is.
    Shown { status: StatusCode, title: Words, text: Words },
}

impl Stop {
    /// An application is refused. A link to this server must not become a link to anywhere that registered itself: the
    /// browser is sent on at once for somebody who has logged in, and others are shown where they would go
    /// ([RFC 9700 section 4.11.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2)).
    pub(crate) fn refused(back: Box<Back>, refusal: Refusal, at_once: bool) -> Self {
        match at_once {
            true => Self::Back(back, refusal),
            false => Self::Offer(back, refusal),
        }
    }

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

    /// The answer to a visit.
    pub(super) async fn answer(self, visit: &Visit<'_>) -> Response {
        let went = match self {
            Self::Back(back, refusal) => {
                let params = [("error", refusal.error), ("error_description", refusal.description)];
                visit.send_back(&back, &params).await
            }
            Self::Offer(back, refusal) => visit.offer(&back, refusal).await,
            shown @ Self::Shown { .. } => Err(shown),
        };
        went.unwrap_or_else(|stop| stop.shown(visit.server, visit.language()))
    }

    /// The page for the user, where nobody else is told and nothing but the browser says which language it is in.
    pub(crate) fn shown_to(self, server: &Server, headers: &HeaderMap) -> Response {
        self.shown(server, server.config.brand.languages.choose(None, headers))
    }

    /// The page for the user, where nobody else is told.
    fn shown(self, server: &Server, language: &Language) -> Response {
        let (status, title, text): (_, Words, Words) = match self {
            Self::Shown { status, title, text } => (status, title, text),
            Self::Back(..) | Self::Offer(..) => {
                (StatusCode::BAD_REQUEST, |t| &t.does_not_work, |t| &t.refused_request)
            }
        };
        let site = server.site(language);
        let page = MessagePage { site, title: title(site.t), text: Phrase::new(text(site.t), &[]) };
        page::answer(status, &page, site, Allowed::default())
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

impl From<ResponseError> for Stop {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::NoRecipient(why) => {
                tracing::info!(target: "gatepass::audit", event = "no-recipient", %why);
                Self::bad_request(|t| &t.no_key_to_answer)
            }
            ResponseError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
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

impl Visit<'_> {
    /// The answer to an application, sent there with the browser.
    pub(super) async fn send_back(
        &self,
        back: &Back,
        params: &[(&'static str, &str)],
    ) -> Result<Response, Stop> {
        let told = told(self.server, back, params).await?;
        let fields: Vec<(&str, &str)> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if !back.mode.is_form() {
            return Ok(self.lead(&back.redirect_uri, &location(&back.redirect_uri, &fields)));
        }
        let site = self.site();
        let form = FormPost { site, action: back.redirect_uri.as_str(), fields: &fields };
        let form_to = FormTo::Application(&back.redirect_uri);
        let allowed = Allowed { form_to, submits_itself: true, ..Allowed::default() };
        Ok(page::answer(StatusCode::OK, &form, site, allowed))
    }

    /// A page with the answer to an application, which goes there if the user does.
    async fn offer(&self, back: &Back, refusal: Refusal) -> Result<Response, Stop> {
        let params = [("error", refusal.error), ("error_description", refusal.description)];
        let told = told(self.server, back, &params).await?;
        let fields: Vec<(&str, &str)> = told.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let site = self.site();
        let link = location(&back.redirect_uri, &fields);
        let page = OfferPage {
            site,
            error: refusal.error,
            description: refusal.description,
            destination: &destination(back.redirect_uri.as_str()),
            action: back.redirect_uri.as_str(),
            link: (!back.mode.is_form()).then_some(link.as_str()),
            fields: &fields,
        };
        let allowed = Allowed { form_to: FormTo::Application(&back.redirect_uri), ..Allowed::default() };
        Ok(page::answer(StatusCode::BAD_REQUEST, &page, site, allowed))
    }

    /// Leads the browser to a place of an application's: by a redirect, if it followed a link here. If it sent a form,
    /// by a page that goes on by itself: browsers hold a form to its page's policy through every redirect, those of the
    /// application too, and where these lead nobody here knows. An app's own scheme is the end of the way, and browsers
    /// like to go there only as long as they remember that somebody pressed a button.
    pub(crate) fn lead(&self, to: &RegisteredRedirectUri, location: &str) -> Response {
        match self.by_form && page::is_web(to) {
            true => self.onward(location),
            false => redirect(location),
        }
        .unwrap_or_else(|error| crate::problem::Problem::internal(&error).into_response())
    }

    fn onward(&self, location: &str) -> Result<Response, InvalidHeaderValue> {
        let refresh = secret(format!("0; url={location}"))?;
        let site = self.site();
        let page = OnwardPage { site, location };
        let mut response = page::answer(StatusCode::OK, &page, site, Allowed::default());
        response.headers_mut().insert(REFRESH, refresh);
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        Ok(response)
    }
}

/// What an application is told, with the `state` that it knows itself by and the `iss` that tells it whose answer it is
/// ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)); signed where the request asks for that.
async fn told(
    server: &Server,
    back: &Back,
    params: &[(&'static str, &str)],
) -> Result<Vec<(&'static str, String)>, Stop> {
    let state = back.state.as_deref().map(|state| ("state", state));
    let fields: Vec<(&'static str, &str)> = params.iter().copied().chain(state).collect();
    if back.mode.is_signed() {
        let signed = server.issuer.sign_response(back, &fields, server.now()).await;
        // Whose it was is not known any more. `iss` is in it, and nothing that counts stands beside it (RFC 9207
        // section 2.4).
        return Ok(vec![("response", signed?.ok_or_else(|| Stop::from(PageError::Client))?)]);
    }
    let iss = ("iss", server.issuer.name().as_str());
    Ok(fields.into_iter().chain([iss]).map(|(name, value)| (name, value.to_owned())).collect())
}

/// 303, so that no browser posts again what was posted here
/// ([RFC 9700 section 4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)).
fn redirect(location: &str) -> Result<Response, InvalidHeaderValue> {
    let headers = [
        (LOCATION, secret(location)?),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// A header field that nobody is to log.
fn secret(
    value: impl TryInto<HeaderValue, Error = InvalidHeaderValue>,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = value.try_into()?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URI with what the application is told. Every value is encoded: none can end a header or add a parameter.
pub(crate) fn location(to: &RegisteredRedirectUri, fields: &[(&str, &str)]) -> String {
    let mut location = to.as_str().to_owned();
    if !fields.is_empty() {
        location.push(if location.contains('?') { '&' } else { '?' });
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        location.push_str(&encoded);
    }
    location
}

/// What a person can recognise of a redirect URI.
pub(crate) fn destination(uri: &str) -> String {
    let url = Url::parse(uri).ok();
    let host = url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty());
    host.or_else(|| url.as_ref().map(Url::scheme)).unwrap_or(uri).to_owned()
}

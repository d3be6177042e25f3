//! RP-initiated logout ([OpenID Connect RP-Initiated Logout 1.0](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{LoggedOut, LogoutError, LogoutRequest, LogoutStep};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use gatepass_issuer::{FormStep, SignedOn};
use http::header::{REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tracing::Instrument;
use url::Url;

use super::authorize::{Stop, Visit, as_query, location};
use super::sign_on::OwnForm;
use crate::body::FormBody;
use crate::form::Form;
use crate::language::phrase::Phrase;
use crate::oauth_error::OAuthError;
use crate::page::{self, Allowed, FormTo, LoggedOutPage, LogoutPage, MessagePage};
use crate::problem::Problem;
use crate::server::Server;

/// How many seconds the frames of applications have before the browser goes on.
const FRAMES_LOAD: u8 = 3;

/// `GET /oauth/logout`. It changes something in spite of its method, so it is carried through as a `POST` is:
/// in a task of its own, whatever becomes of the connection.
pub(crate) async fn logout(State(server): State<Arc<Server>>, headers: HeaderMap, uri: Uri) -> Response {
    let task = async move {
        let visit = Visit::new(&server, &headers, uri.query().unwrap_or_default());
        visit.answer(visit.log_out(false).await).await
    };
    let ended = tokio::spawn(task.in_current_span()).await;
    ended.unwrap_or_else(|panic| Problem::internal(&panic).into_response())
}

/// `POST /oauth/logout`: the same request in a body. The browser comes again with `GET`: from another site it brings
/// no cookie with this one, and nobody would know whose login is to end.
pub(crate) async fn posted(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Response {
    as_query(&server, &headers, form, "/oauth/logout")
}

/// `POST /oauth/logout/confirm`: the user says yes.
pub(crate) async fn confirmed(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let login = visit.login().await?;
        let bound = visit.is_bound(&form, FormStep::LogOut, login.as_ref())?;
        visit.log_out(bound).await
    };
    visit.answer(went.await).await
}

impl Visit<'_> {
    async fn log_out(&self, is_confirmed: bool) -> Result<Response, Stop> {
        let form = Form::parse(self.query.as_bytes()).map_err(|_| Stop::malformed())?;
        self.speak(form.find("ui_locales"));
        let request = LogoutRequest {
            id_token_hint: form.find("id_token_hint"),
            client_id: form.find("client_id"),
            post_logout_redirect_uri: form.find("post_logout_redirect_uri"),
        };
        let login = self.login().await?;
        let step = self.server.issuer.sign_off(request, login.as_ref(), is_confirmed, self.now).await?;
        match (step, login) {
            (LogoutStep::Ask(back), Some(login)) => self.ask(&login, back.as_ref()),
            (LogoutStep::Ask(back), None) => self.leave(&form, LoggedOut { back, frames: Vec::new() }),
            (LogoutStep::Done(logged_out), _) => self.leave(&form, logged_out),
        }
    }

    fn leave(&self, form: &Form, LoggedOut { back, frames }: LoggedOut) -> Result<Response, Stop> {
        let state: Vec<_> = form.find("state").map(|state| ("state", state)).into_iter().collect();
        let next = back.map(|back| (location(&back, &state), back));
        let mut response = match &next {
            next if !frames.is_empty() => {
                self.told(&frames, next.as_ref().map(|(location, _)| location.as_str()))
            }
            Some((location, back)) => self.lead(back, location),
            None => self.done(),
        };
        response.headers_mut().append(SET_COOKIE, self.server.page_cookies.clear_login()?);
        Ok(response)
    }

    /// The page that tells applications in frames, and then leads to where the browser would have been sent.
    fn told(&self, frames: &[Url], next: Option<&str>) -> Response {
        let site = self.site();
        let page = LoggedOutPage { site, frames, next };
        let mut response =
            page::answer(StatusCode::OK, &page, site, Allowed { frames, ..Allowed::default() });
        let refresh = next.and_then(|next| HeaderValue::try_from(format!("{FRAMES_LOAD}; url={next}")).ok());
        response.headers_mut().extend(refresh.map(|refresh| (REFRESH, refresh)));
        response
    }

    fn ask(&self, login: &SignedOn, back: Option<&RegisteredRedirectUri>) -> Result<Response, Stop> {
        let (browser, cookies) = self.browser()?;
        let issuer = &self.server.issuer;
        let site = self.site();
        let page = LogoutPage {
            site,
            username: login.user.username.as_str(),
            request: self.query,
            token: &issuer.form_token(
                FormStep::LogOut,
                &browser,
                self.query,
                Some(login.session.id),
                self.now,
            ),
        };
        let allowed = Allowed { form_to: FormTo::Here(back), ..Allowed::default() };
        let mut response = page::answer(StatusCode::OK, &page, site, allowed);
        response.headers_mut().extend(cookies);
        Ok(response)
    }

    fn done(&self) -> Response {
        let site = self.site();
        let text = Phrase::new(&site.t.you_are_logged_out, &[]);
        let page = MessagePage { site, title: &site.t.logged_out, text };
        page::answer(StatusCode::OK, &page, site, Allowed::default())
    }
}

impl From<LogoutError> for Stop {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::Store(error) => error.into(),
            LogoutError::WrongClient => Self::bad_request(|t| &t.two_applications),
            LogoutError::RedirectUri => Self::bad_request(|t| &t.unregistered_redirect_uri),
            error => Self::internal(&error),
        }
    }
}

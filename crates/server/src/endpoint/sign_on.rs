//! The login and consent pages of the authorization endpoint.
//!
//! A form is taken only from a page of this server, and only with the token that binds it to the browser it
//! was shown in. It brings the whole authorization request back, which is checked as if it came for the
//! first time; so nothing is kept here for visitors whom nobody knows yet.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::authorize::{AuthorizationRequest, Done, Refusal, describe_scope};
use gatepass_issuer::password::Password;
use gatepass_issuer::{FormStep, Login, LoginError, SignedOn};
use http::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use url::Url;

use super::authorize::{Stop, Visit};
use super::session::{SESSION_CHALLENGE, device};
use crate::body::FormBody;
use crate::client_address::ClientAddress;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::page::{self, Allowed, ConsentPage, LoginPage};
use crate::problem::seconds_to_wait;
use crate::server::Server;

const WRONG: &str = "The user name or the password is wrong.";
const OUTDATED: &str = "This page was open for too long. Please try again.";

/// `POST /oauth/login`
pub(crate) async fn login(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Response {
    let form = match own_form(&server, &headers, form) {
        Ok(form) => form,
        Err(stop) => return stop.answer(&server),
    };
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let request = visit.request().await?;
        let username = form.find("username").unwrap_or_default();
        if !visit.is_bound(&form, FormStep::LogIn, None)? {
            return login_page(&visit, &request, username, StatusCode::FORBIDDEN, Some(OUTDATED));
        }
        let password = Password::new(form.find("password").unwrap_or_default());
        let (Ok(name), Ok(password)) = (username.parse(), password) else {
            return refused(&visit, &request, username, &LoginError::Denied);
        };
        let login = Login {
            username: name,
            password,
            scope: None,
            resource: None,
            device: device(&headers),
            address,
        };
        let previous = server.page_cookies.login(&headers)?;
        match server.issuer.sign_on(login, previous.as_deref(), visit.now).await {
            Ok((login, cookie)) => {
                let cookie = server.page_cookies.set_login(&cookie)?;
                // Whatever comes of the request, the user is logged in from here on.
                let went = visit.go_on(&request, Some(&login), Done { login: true, consent: false }).await;
                let mut response = visit.answer(went);
                response.headers_mut().append(SET_COOKIE, cookie);
                Ok(response)
            }
            Err(error) => refused(&visit, &request, username, &error),
        }
    };
    visit.answer(went.await)
}

/// `POST /oauth/consent`
pub(crate) async fn consent(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Response {
    let form = match own_form(&server, &headers, form) {
        Ok(form) => form,
        Err(stop) => return stop.answer(&server),
    };
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let request = visit.request().await?;
        let login = visit.login().await?;
        let bound = match &login {
            Some(login) => visit.is_bound(&form, FormStep::Consent, Some(login))?,
            None => false,
        };
        // Logged out meanwhile, logged in as somebody else, or not our form: from the beginning.
        let Some(login) = login.as_ref().filter(|_| bound) else {
            return visit.go_on(&request, login.as_ref(), Done::default()).await;
        };
        match form.find("decision") {
            Some("allow") => {
                server.issuer.give_consent(&request, login, visit.now).await?;
                // The token says that the login was good enough when the page was shown.
                visit.go_on(&request, Some(login), Done { login: true, consent: true }).await
            }
            Some("deny") => Err(Stop::Back(Box::new(request.back), Refusal::ACCESS_DENIED)),
            _ => Err(Stop::malformed()),
        }
    };
    visit.answer(went.await)
}

/// The form, if a page of this server sent it.
pub(super) fn own_form(
    server: &Server,
    headers: &HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Result<Form, Stop> {
    if !server.origins.is_own_page(headers) {
        return Err(Stop::cross_site());
    }
    form.map(|FormBody(form)| form).map_err(|_| Stop::malformed())
}

impl<'v> Visit<'v> {
    /// That of a browser whose form brings its request back.
    pub(super) fn of_form(server: &'v Server, headers: &'v HeaderMap, form: &'v Form) -> Self {
        Visit { server, headers, query: form.find("request").unwrap_or_default(), now: server.now() }
    }

    /// Whether the form was shown in this browser, for this request and under this login.
    pub(super) fn is_bound(
        &self,
        form: &Form,
        step: FormStep,
        login: Option<&SignedOn>,
    ) -> Result<bool, Stop> {
        let (Some(token), Some(browser)) =
            (form.find("token"), self.server.page_cookies.browser(self.headers)?)
        else {
            return Ok(false);
        };
        let login = login.map(|login| login.session.id);
        Ok(self.server.issuer.is_form_token(token, step, &browser, self.query, login))
    }
}

/// The login page again, with what went wrong.
fn refused(
    visit: &Visit<'_>,
    request: &AuthorizationRequest,
    username: &str,
    error: &LoginError,
) -> Result<Response, Stop> {
    let again = |status, notice| login_page(visit, request, username, status, Some(notice));
    match error {
        LoginError::Denied => {
            let mut response = again(StatusCode::UNAUTHORIZED, WRONG)?;
            response.headers_mut().insert(WWW_AUTHENTICATE, SESSION_CHALLENGE);
            Ok(response)
        }
        LoginError::Throttled { retry_after } => {
            let notice = "There were too many attempts. Please wait a moment and try again.";
            let mut response = again(StatusCode::TOO_MANY_REQUESTS, notice)?;
            response.headers_mut().insert(RETRY_AFTER, seconds_to_wait(*retry_after));
            Ok(response)
        }
        LoginError::Overloaded(overloaded) => {
            let notice = "The server is busy. Please try again in a moment.";
            let mut response = again(StatusCode::SERVICE_UNAVAILABLE, notice)?;
            response.headers_mut().insert(RETRY_AFTER, seconds_to_wait(overloaded.retry_after));
            Ok(response)
        }
        error => Err(Stop::internal(error)),
    }
}

pub(super) fn login_page(
    visit: &Visit<'_>,
    request: &AuthorizationRequest,
    username: &str,
    status: StatusCode,
    notice: Option<&str>,
) -> Result<Response, Stop> {
    let (browser, cookies) = visit.browser()?;
    let page = LoginPage {
        base: &visit.server.base_path,
        client: &request.client.name,
        notice,
        request: visit.query,
        token: &visit.server.issuer.form_token(FormStep::LogIn, &browser, visit.query, None),
        username,
    };
    let allowed = Allowed { form_to: Some(&request.back.redirect_uri), ..Allowed::default() };
    let mut response = page::answer(status, &page, allowed);
    response.headers_mut().extend(cookies);
    Ok(response)
}

pub(super) fn consent_page(
    visit: &Visit<'_>,
    request: &AuthorizationRequest,
    login: &SignedOn,
) -> Result<Response, Stop> {
    let (browser, cookies) = visit.browser()?;
    let issuer = &visit.server.issuer;
    let page = ConsentPage {
        base: &visit.server.base_path,
        client: &request.client.name,
        username: login.user.username.as_str(),
        scopes: describe_scope(&request.scope),
        destination: &destination(request.back.redirect_uri.as_str()),
        request: visit.query,
        token: &issuer.form_token(FormStep::Consent, &browser, visit.query, Some(login.session.id)),
    };
    let allowed = Allowed { form_to: Some(&request.back.redirect_uri), ..Allowed::default() };
    let mut response = page::answer(StatusCode::OK, &page, allowed);
    response.headers_mut().extend(cookies);
    Ok(response)
}

/// What a person can recognise of a redirect URI.
fn destination(uri: &str) -> String {
    let url = Url::parse(uri).ok();
    let host = url.as_ref().and_then(Url::host_str).filter(|host| !host.is_empty());
    host.or_else(|| url.as_ref().map(Url::scheme)).unwrap_or(uri).to_owned()
}

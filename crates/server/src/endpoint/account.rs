//! The page where users change their password.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::password::{InvalidPassword, Password};
use gatepass_issuer::{FormStep, LoginError, OwnPasswordChange, OwnPasswordError, SignedOn};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use super::authorize::{Stop, Visit};
use super::session::device;
use super::sign_on::{LoginForm, NewLogin, OwnForm};
use crate::client_address::ClientAddress;
use crate::language::phrase::{Phrase, Value};
use crate::page::{self, Allowed, MessagePage, PasswordPage};
use crate::problem::seconds_to_wait;
use crate::server::Server;

/// What went wrong, and which field it is about.
struct Notice {
    status: StatusCode,
    text: Phrase,
    is_of_new: bool,
}

/// `GET /account/password`
pub(crate) async fn page(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let visit = Visit::new(&server, &headers, "");
    visit.answer(visit.account().await).await
}

/// `GET /.well-known/change-password`, where password managers look
/// ([A Well-Known URL for Changing Passwords](https://www.w3.org/TR/change-password-url/)).
pub(crate) async fn well_known(State(server): State<Arc<Server>>) -> Response {
    let location = format!("{}/account/password", server.base_path);
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// `POST /account/login`
pub(crate) async fn login(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::new(&server, &headers, "");
    let next = |login: &SignedOn| visit.password_page(login, None);
    let went = visit.sign_in_to(&form, address, &LoginForm::FOR_PASSWORD, next).await;
    visit.answer(went).await
}

/// `POST /account/password`
pub(crate) async fn change(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::new(&server, &headers, "");
    let went = async {
        let Some(login) = visit.login_of_form(&form, FormStep::Password).await? else {
            return visit.account().await;
        };
        let password = |field| Password::new(form.find(field).unwrap_or_default());
        let (current, new) = match (password("current_password"), password("new_password")) {
            (Ok(current), Ok(new)) => (current, new),
            (Err(_), _) => return visit.refuse_password(&login, &LoginError::Denied.into()),
            (_, Err(why)) => return visit.refuse_password(&login, &why.into()),
        };
        let change = OwnPasswordChange {
            user: login.user.id,
            session: Some(login.session.id),
            current,
            new,
            address,
            known_device: server.page_cookies.device(&headers)?.map(Cow::into_owned),
        };
        // What shows that somebody is logged in here is another from now on, as after a login.
        let cookie = server.page_cookies.login(&headers)?.unwrap_or_default();
        let device = device(&headers);
        let changed = server.issuer.change_own_password_and_login(change, &cookie, &device, visit.now).await;
        match changed {
            Ok((login, cookie)) => {
                Ok(NewLogin::of(&server, &login, &cookie, visit.now)?.onto(visit.password_changed()))
            }
            Err(error) => visit.refuse_password(&login, &error),
        }
    };
    visit.answer(went.await).await
}

impl Visit<'_> {
    /// The page for whoever is logged in, or the login page.
    async fn account(&self) -> Result<Response, Stop> {
        match self.login().await? {
            Some(login) => self.password_page(&login, None),
            None => self.login_page(&LoginForm::FOR_PASSWORD, "", StatusCode::OK, None),
        }
    }

    fn password_page(&self, login: &SignedOn, notice: Option<Notice>) -> Result<Response, Stop> {
        let (browser, cookies) = self.browser()?;
        let site = self.site();
        let page = PasswordPage {
            site,
            username: login.user.username.as_str(),
            is_of_new: notice.as_ref().is_some_and(|notice| notice.is_of_new),
            notice: notice.as_ref().map(|notice| &notice.text),
            token: &self.server.issuer.form_token(
                FormStep::Password,
                &browser,
                self.query,
                Some(login.session.id),
                self.now,
            ),
        };
        let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
        let mut response = page::answer(status, &page, site, Allowed::default());
        response.headers_mut().extend(cookies);
        Ok(response)
    }

    /// The page again, with what went wrong.
    fn refuse_password(&self, login: &SignedOn, error: &OwnPasswordError) -> Result<Response, Stop> {
        let t = self.site().t;
        let said = |status, text: &str, is_of_new| Notice { status, text: Phrase::new(text, &[]), is_of_new };
        let (notice, retry_after) = match error {
            OwnPasswordError::Login(LoginError::Denied) => {
                (said(StatusCode::FORBIDDEN, &t.wrong_current_password, false), None)
            }
            OwnPasswordError::Login(LoginError::Throttled { retry_after }) => {
                (said(StatusCode::TOO_MANY_REQUESTS, &t.too_many_attempts, false), Some(*retry_after))
            }
            OwnPasswordError::Login(LoginError::Overloaded(overloaded)) => {
                (said(StatusCode::SERVICE_UNAVAILABLE, &t.busy, false), Some(overloaded.retry_after))
            }
            OwnPasswordError::New(InvalidPassword::TooShort { at_least }) => {
                let least = at_least.to_string();
                let text = Phrase::new(&t.password_too_short, &[("least", Value::Name(&least))]);
                (Notice { status: StatusCode::BAD_REQUEST, text, is_of_new: true }, None)
            }
            OwnPasswordError::New(InvalidPassword::TooLong) => {
                (said(StatusCode::BAD_REQUEST, &t.password_too_long, true), None)
            }
            OwnPasswordError::New(_) => (said(StatusCode::BAD_REQUEST, &t.password_guessable, true), None),
            error => return Err(Stop::internal(error)),
        };
        let mut response = self.password_page(login, Some(notice))?;
        let retry_after = retry_after.map(|wait| (RETRY_AFTER, seconds_to_wait(wait)));
        response.headers_mut().extend(retry_after);
        Ok(response)
    }

    fn password_changed(&self) -> Response {
        let site = self.site();
        let text = Phrase::new(&site.t.password_is_changed, &[]);
        let page = MessagePage { site, title: &site.t.password_changed, text };
        page::answer(StatusCode::OK, &page, site, Allowed::default())
    }
}

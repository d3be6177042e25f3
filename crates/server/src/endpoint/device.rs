//! The page where users allow devices that cannot show one
//! ([RFC 8628 section 3.3](https://www.rfc-editor.org/rfc/rfc8628#section-3.3)).
//!
//! Whoever comes logs in, types the code that their device shows, sees who asks for what, and says yes or no. A link
//! that brings the code along fills it in and no more: the user compares it with the device's, because the link may
//! be somebody else's (RFC 8628 section 5.4). Forms are taken as those of the login and consent pages are.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::client::Client;
use gatepass_issuer::device::{DeviceAuthorization, UserCode, UserCodeError};
use gatepass_issuer::{FormStep, SignedOn};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode, Uri};

use super::authorize::{Stop, Visit};
use super::sign_on::{LoginForm, OwnForm, is_allowed};
use crate::client_address::ClientAddress;
use crate::form::Form;
use crate::language::Words;
use crate::language::phrase::{Phrase, Value};
use crate::page::{self, Allowed, Asked, DevicePage, MessagePage, UserCodePage};
use crate::problem::seconds_to_wait;
use crate::server::Server;

const UNKNOWN: Words = |t| &t.unknown_code;

/// `GET /device`
pub(crate) async fn page(State(server): State<Arc<Server>>, headers: HeaderMap, uri: Uri) -> Response {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let code = known_form(query.find("user_code"));
    let visit = Visit::new(&server, &headers, &code);
    visit.answer(visit.begin().await).await
}

/// `POST /device/login`
pub(crate) async fn login(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let next = |login: &SignedOn| visit.user_code_page(login, visit.query, None);
    let went = visit.sign_in_to(&form, address, &LoginForm::FOR_DEVICES, next).await;
    visit.answer(went).await
}

/// `POST /device`: a code was typed.
pub(crate) async fn find(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let Some(login) = visit.login_of_form(&form, FormStep::UserCode).await? else {
            return visit.begin().await;
        };
        match visit.find(form.find("user_code").unwrap_or_default(), &login, address).await? {
            Found::Device(code, asked, client) => visit.device_page(&code, &asked, &client, &login),
            Found::Nothing(page) => Ok(page),
        }
    };
    visit.answer(went.await).await
}

/// `POST /device/answer`: the user says yes or no. What the form goes on with is the code.
pub(crate) async fn answer(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let Some(login) = visit.login_of_form(&form, FormStep::Device).await? else {
            return visit.begin().await;
        };
        let allow = is_allowed(&form)?;
        let (asked, client) = match visit.find(visit.query, &login, address).await? {
            Found::Device(_, asked, client) => (asked, client),
            Found::Nothing(page) => return Ok(page),
        };
        match server.issuer.answer_device(&asked, &login, allow, visit.now).await? {
            true => Ok(visit.answered(&client, allow)),
            false => visit.refuse_code(&login, visit.query, &UserCodeError::Unknown),
        }
    };
    visit.answer(went.await).await
}

/// What a user code led to.
enum Found {
    Device(UserCode, Box<DeviceAuthorization>, Box<Client>),
    /// The page again, with what went wrong.
    Nothing(Response),
}

impl Visit<'_> {
    /// The login page, or the page that asks for the code.
    async fn begin(&self) -> Result<Response, Stop> {
        match self.login().await? {
            Some(login) => self.user_code_page(&login, self.query, None),
            None => self.login_page(&LoginForm::FOR_DEVICES, "", StatusCode::OK, None),
        }
    }

    async fn find(&self, typed: &str, login: &SignedOn, address: Option<IpAddr>) -> Result<Found, Stop> {
        let Ok(code) = typed.parse::<UserCode>() else {
            return Ok(Found::Nothing(self.user_code_page(login, typed, Some(UNKNOWN))?));
        };
        match self.server.issuer.find_by_user_code(&code, login, address, self.now).await {
            Ok((asked, client)) => Ok(Found::Device(code, Box::new(asked), Box::new(client))),
            Err(error) => Ok(Found::Nothing(self.refuse_code(login, typed, &error)?)),
        }
    }

    fn refuse_code(&self, login: &SignedOn, typed: &str, error: &UserCodeError) -> Result<Response, Stop> {
        match error {
            UserCodeError::Unknown => self.user_code_page(login, typed, Some(UNKNOWN)),
            UserCodeError::Throttled { retry_after } => {
                let mut response = self.user_code_page(login, typed, Some(|t| &t.too_many_codes))?;
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().insert(RETRY_AFTER, seconds_to_wait(*retry_after));
                Ok(response)
            }
            UserCodeError::Store(error) => Err(error.clone().into()),
            error => Err(Stop::internal(error)),
        }
    }

    pub(super) fn user_code_page(
        &self,
        login: &SignedOn,
        typed: &str,
        notice: Option<Words>,
    ) -> Result<Response, Stop> {
        let (browser, cookies) = self.browser()?;
        let site = self.site();
        let page = UserCodePage {
            site,
            username: login.user.username.as_str(),
            notice: notice.map(|words| words(site.t)),
            user_code: &known_form(Some(typed)),
            // Which code it will be, nobody knows yet.
            token: &self.server.issuer.form_token(
                FormStep::UserCode,
                &browser,
                "",
                Some(login.session.id),
                self.now,
            ),
        };
        let status = if notice.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let mut response = page::answer(status, &page, site, Allowed::default());
        response.headers_mut().extend(cookies);
        Ok(response)
    }

    fn device_page(
        &self,
        code: &UserCode,
        asked: &DeviceAuthorization,
        client: &Client,
        login: &SignedOn,
    ) -> Result<Response, Stop> {
        let (browser, cookies) = self.browser()?;
        let code = code.to_string();
        let site = self.site();
        let page = DevicePage {
            site,
            client: &client.shown_name(),
            username: login.user.username.as_str(),
            asked: Asked::new(
                site,
                &asked.scope,
                &asked.authorization_details,
                &self.server.issuer.resources_to_show(&asked.resources),
            ),
            user_code: &code,
            token: &self.server.issuer.form_token(
                FormStep::Device,
                &browser,
                &code,
                Some(login.session.id),
                self.now,
            ),
        };
        let mut response = page::answer(StatusCode::OK, &page, site, Allowed::default());
        response.headers_mut().extend(cookies);
        Ok(response)
    }

    fn answered(&self, client: &Client, allow: bool) -> Response {
        let site = self.site();
        let (title, text) = match allow {
            true => (&site.t.device_connected, &site.t.goes_on_at_device),
            false => (&site.t.not_allowed, &site.t.gets_nothing),
        };
        let text = Phrase::new(text, &[("client", Value::Name(&client.shown_name()))]);
        let page = MessagePage { site, title, text };
        page::answer(StatusCode::OK, &page, site, Allowed::default())
    }
}

/// What is filled in: a code as it is shown, or nothing.
fn known_form(typed: Option<&str>) -> String {
    let code = typed.and_then(|typed| typed.parse::<UserCode>().ok());
    code.map(|code| code.to_string()).unwrap_or_default()
}

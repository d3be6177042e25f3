//! The login and consent pages of the authorization endpoint.
//!
//! A form is taken only from a page of this server, and only with the token that binds it to the browser it
//! was shown in. It brings the whole authorization request back, which is checked as if it came for the
//! first time; so nothing is kept here for visitors whom nobody knows yet.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use gatepass_issuer::authorize::{AuthorizationRequest, Done, Refusal};
use gatepass_issuer::password::Password;
use gatepass_issuer::{
    ACR_FEDERATED, ACR_PASSWORD, FormStep, Freshness, IdentityProvider, Login, LoginCookie, LoginError,
    LoginPurpose, MAX_CARRIED, SignedOn,
};
use gatepass_jose::Timestamp;
use http::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::authorize::{Stop, Visit, destination};
use super::session::{SESSION_CHALLENGE, device};
use crate::body::FormBody;
use crate::client_address::ClientAddress;
use crate::form::Form;
use crate::language::Words;
use crate::language::phrase::{Phrase, Value};
use crate::page::{self, Allowed, Asked, ConsentPage, FormTo, LoginPage};
use crate::problem::seconds_to_wait;
use crate::server::Server;

/// `POST /oauth/login`
pub(crate) async fn login(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let request = visit.request().await?;
        match visit.sign_in(&form, address, &LoginForm::of(&request)).await? {
            SignedIn::Not(page) => Ok(page),
            SignedIn::As(login, cookie) => {
                // Whatever comes of the request, the user is logged in from here on.
                let went = visit.go_on(&request, Some(&login), Done { login: true, consent: false }).await;
                Ok(cookie.onto(visit.answer(went).await))
            }
        }
    };
    visit.answer(went.await).await
}

/// `POST /oauth/consent`
pub(crate) async fn consent(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let request = visit.request().await?;
        let login = visit.login().await?;
        let shown = what_is_asked(&visit, &request);
        let bound = match &login {
            Some(login) => visit.about(&shown).is_bound(&form, FormStep::Consent, Some(login))?,
            None => false,
        };
        // Logged out meanwhile, logged in as somebody else, asked for something else, or not our form: from the beginning.
        let Some(login) = login.as_ref().filter(|_| bound) else {
            return visit.go_on(&request, login.as_ref(), Done::default()).await;
        };
        match is_allowed(&form)? {
            true => {
                server.issuer.give_consent(&request, login, visit.now).await?;
                // The token says that the login was good enough when the page was shown.
                visit.go_on(&request, Some(login), Done { login: true, consent: true }).await
            }
            false => Err(Stop::Back(Box::new(request.back), Refusal::ACCESS_DENIED)),
        }
    };
    visit.answer(went.await).await
}

/// What a form with the buttons for yes and no says.
pub(super) fn is_allowed(form: &Form) -> Result<bool, Stop> {
    match form.find("decision") {
        Some("allow") => Ok(true),
        Some("deny") => Ok(false),
        _ => Err(Stop::malformed()),
    }
}

/// A form that a page of this server sent.
pub(crate) struct OwnForm(pub(crate) Form);

impl FromRequest<Arc<Server>> for OwnForm {
    type Rejection = Response;

    async fn from_request(request: Request, server: &Arc<Server>) -> Result<Self, Response> {
        if !server.origins.is_own_page(request.headers()) {
            return Err(Stop::cross_site().shown_to(server, request.headers()));
        }
        let headers = request.headers().clone();
        match FormBody::from_request(request, server).await {
            Ok(FormBody(form)) => Ok(Self(form)),
            Err(_) => Err(Stop::malformed().shown_to(server, &headers)),
        }
    }
}

impl<'v> Visit<'v> {
    /// That of a browser whose form brings its request back.
    pub(super) fn of_form(server: &'v Server, headers: &'v HeaderMap, form: &'v Form) -> Self {
        Self::new(server, headers, form.find("request").unwrap_or_default()).by_form()
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
        Ok(self.server.issuer.is_form_token(token, step, &browser, self.query, login, self.now))
    }
}

impl Visit<'_> {
    /// Who is logged in, if the form was shown to them in this browser.
    pub(super) async fn login_of_form(&self, form: &Form, step: FormStep) -> Result<Option<SignedOn>, Stop> {
        match self.login().await? {
            Some(login) if self.is_bound(form, step, Some(&login))? => Ok(Some(login)),
            _ => Ok(None),
        }
    }

    /// Logs somebody in and shows them `next`, or the login page again.
    pub(super) async fn sign_in_to(
        &self,
        form: &Form,
        address: Option<IpAddr>,
        shown: &LoginForm<'_>,
        next: impl FnOnce(&SignedOn) -> Result<Response, Stop>,
    ) -> Result<Response, Stop> {
        match self.sign_in(form, address, shown).await? {
            SignedIn::Not(page) => Ok(page),
            SignedIn::As(login, cookie) => Ok(cookie.onto(self.answer(next(&login)).await)),
        }
    }
}

/// Where a login form goes, and what for.
pub(super) struct LoginForm<'l> {
    /// Below the issuer's own path.
    action: &'static str,
    /// The application; `None` where it is for something here.
    client: Option<Cow<'l, str>>,
    /// What for, where it is.
    purpose: Words,
    form_to: FormTo<'l>,
    /// What a login at a provider goes on with.
    goes_on: LoginPurpose,
    /// What a login at a provider must say of when the user showed who they are.
    freshness: Freshness,
    /// Whether a login with a password will do.
    password: bool,
    /// Whether a login with a provider will do.
    federated: bool,
}

impl<'l> LoginForm<'l> {
    /// For the page where devices are allowed.
    pub(super) const FOR_DEVICES: Self = Self {
        action: "/device/login",
        client: None,
        purpose: |t| &t.to_connect_device,
        form_to: FormTo::Here(None),
        goes_on: LoginPurpose::Device,
        freshness: Freshness::Any,
        password: true,
        federated: true,
    };

    /// For the page where users change their password.
    pub(super) const FOR_PASSWORD: Self = Self {
        action: "/account/login",
        client: None,
        purpose: |t| &t.to_change_password,
        form_to: FormTo::Here(None),
        goes_on: LoginPurpose::Device,
        freshness: Freshness::Any,
        password: true,
        federated: false,
    };

    /// For an application's request.
    pub(super) fn of(request: &'l AuthorizationRequest) -> Self {
        Self {
            action: "/oauth/login",
            client: Some(request.client.shown_name()),
            purpose: |t| &t.to_client,
            form_to: FormTo::Here(Some(&request.back.redirect_uri)),
            goes_on: LoginPurpose::Application,
            freshness: request.freshness(),
            password: request.contexts.takes(ACR_PASSWORD),
            federated: request.contexts.takes(ACR_FEDERATED),
        }
    }

    /// Whether a login with that provider will do for a request of so many bytes.
    pub(super) fn takes(&self, provider: &IdentityProvider, request: &str) -> bool {
        self.federated && provider.can_say(self.freshness) && request.len() <= MAX_CARRIED
    }

    /// What a page may do whose form goes on with the same.
    pub(super) fn allowed(&self) -> Allowed<'l> {
        Allowed { form_to: self.form_to, ..Allowed::default() }
    }

    /// What a login at a provider must say of when the user showed who they are.
    pub(super) fn freshness(&self) -> Freshness {
        self.freshness
    }
}

/// What became of a login form.
pub(super) enum SignedIn {
    /// Somebody is logged in.
    As(Box<SignedOn>, NewLogin),
    /// The page again, with what went wrong.
    Not(Response),
}

/// The cookies of a login that was just made: its own, and the one by which the browser is known again.
pub(super) struct NewLogin([HeaderValue; 2]);

impl NewLogin {
    pub(super) fn of(
        server: &Server,
        login: &SignedOn,
        cookie: &LoginCookie,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        let device = server.issuer.known_device(&login.user, now)?;
        let cookies = &server.page_cookies;
        Ok(Self([cookies.set_login(cookie)?, cookies.set_device(&device)?]))
    }

    /// The answer with the cookie.
    pub(super) fn onto(self, mut response: Response) -> Response {
        response.headers_mut().extend(self.0.map(|cookie| (SET_COOKIE, cookie)));
        response
    }
}

impl Visit<'_> {
    /// Logs somebody in with a form that was shown by [`Visit::login_page`].
    pub(super) async fn sign_in(
        &self,
        form: &Form,
        address: Option<IpAddr>,
        shown: &LoginForm<'_>,
    ) -> Result<SignedIn, Stop> {
        let username = form.find("username").unwrap_or_default();
        if !self.is_bound(form, FormStep::LogIn, None)? {
            let outdated: Words = |t| &t.open_too_long;
            return self
                .login_page(shown, username, StatusCode::FORBIDDEN, Some(outdated))
                .map(SignedIn::Not);
        }
        let password = Password::new(form.find("password").unwrap_or_default());
        let (Ok(name), Ok(password)) = (username.parse(), password) else {
            return refused(self, shown, username, &LoginError::Denied).map(SignedIn::Not);
        };
        let login = Login {
            username: name,
            password,
            scope: None,
            resource: None,
            device: device(self.headers),
            address,
            known_device: self.server.page_cookies.device(self.headers)?.map(Cow::into_owned),
        };
        let cookies = &self.server.page_cookies;
        let previous = cookies.login(self.headers)?;
        match self.server.issuer.sign_on(login, previous.as_deref(), self.now).await {
            Ok((login, cookie)) => {
                let new = NewLogin::of(self.server, &login, &cookie, self.now)?;
                Ok(SignedIn::As(Box::new(login), new))
            }
            Err(error) => refused(self, shown, username, &error).map(SignedIn::Not),
        }
    }

    /// The page that asks for name and password.
    pub(super) fn login_page(
        &self,
        form: &LoginForm<'_>,
        username: &str,
        status: StatusCode,
        notice: Option<Words>,
    ) -> Result<Response, Stop> {
        let (browser, cookies) = self.browser()?;
        let site = self.site();
        let page = LoginPage {
            site,
            action: form.action,
            client: form.client.as_deref(),
            purpose: (form.purpose)(site.t),
            notice: notice.map(|words| words(site.t)),
            request: self.query,
            token: &self.server.issuer.form_token(FormStep::LogIn, &browser, self.query, None, self.now),
            username,
            goes_on: match form.goes_on {
                LoginPurpose::Application => "application",
                LoginPurpose::Device => "device",
            },
            with_password: form.password,
            providers: self.providers(form),
        };
        let mut response = page::answer(status, &page, site, form.allowed());
        response.headers_mut().extend(cookies);
        Ok(response)
    }
}

impl<'v> Visit<'v> {
    /// Whether there is any way to log in that will do.
    pub(super) fn has_way_in(&self, form: &LoginForm<'_>) -> bool {
        form.password || !self.providers(form).is_empty()
    }

    /// The providers that will do for this form's login: id, and words for their buttons.
    fn providers(&self, form: &LoginForm<'_>) -> Vec<(&'v str, Phrase)> {
        let all = self.server.issuer.identity_providers().iter();
        let fitting = all.filter(|provider| form.takes(provider, self.query));
        let words = &self.site().t.log_in_with;
        let button = |name| Phrase::new(words, &[("provider", Value::Name(name))]);
        fitting.map(|provider| (provider.id.as_str(), button(&provider.name))).collect()
    }
}

/// The login page again, with what went wrong.
fn refused(
    visit: &Visit<'_>,
    form: &LoginForm<'_>,
    username: &str,
    error: &LoginError,
) -> Result<Response, Stop> {
    let refusal = LoginRefusal::of(error)?;
    Ok(refusal.onto(visit.login_page(form, username, refusal.status, Some(refusal.notice))?))
}

/// Why somebody is not logged in, as a page says it.
#[derive(Clone, Copy)]
pub(super) struct LoginRefusal {
    pub(super) status: StatusCode,
    pub(super) notice: Words,
    retry_after: Option<Duration>,
}

impl LoginRefusal {
    pub(super) fn of(error: &LoginError) -> Result<Self, Stop> {
        let (status, notice, retry_after): (_, Words, _) = match error {
            LoginError::Denied => (StatusCode::UNAUTHORIZED, |t| &t.wrong_password, None),
            LoginError::Throttled { retry_after } => {
                (StatusCode::TOO_MANY_REQUESTS, |t| &t.too_many_attempts, Some(*retry_after))
            }
            LoginError::Overloaded(overloaded) => {
                (StatusCode::SERVICE_UNAVAILABLE, |t| &t.busy, Some(overloaded.retry_after))
            }
            error => return Err(Stop::internal(error)),
        };
        Ok(Self { status, notice, retry_after })
    }

    /// The page with what its status asks for beside it.
    pub(super) fn onto(self, mut response: Response) -> Response {
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, SESSION_CHALLENGE);
        }
        if let Some(retry_after) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds_to_wait(retry_after));
        }
        response
    }

    /// For a visit that cannot go on with a page of its own.
    pub(super) fn into_stop(self) -> Stop {
        Stop::Shown { status: self.status, title: |t| &t.does_not_work, text: self.notice }
    }
}

/// What the form of a consent page is bound to: the request, and what it comes to for its client at the time.
fn what_is_asked(visit: &Visit<'_>, request: &AuthorizationRequest) -> String {
    format!("{}\n{}", visit.query, request.asked())
}

pub(super) fn consent_page(
    visit: &Visit<'_>,
    request: &AuthorizationRequest,
    login: &SignedOn,
) -> Result<Response, Stop> {
    let (browser, cookies) = visit.browser()?;
    let issuer = &visit.server.issuer;
    let site = visit.site();
    let page = ConsentPage {
        site,
        client: &request.client.shown_name(),
        username: login.user.username.as_str(),
        asked: Asked::new(
            site,
            &request.asked_scope(),
            &request.authorization_details,
            &issuer.resources_to_show(&request.resources),
        ),
        destination: &destination(request.back.redirect_uri.as_str()),
        request: visit.query,
        token: &issuer.form_token(
            FormStep::Consent,
            &browser,
            &what_is_asked(visit, request),
            Some(login.session.id),
            visit.now,
        ),
    };
    let form_to = FormTo::Here(Some(&request.back.redirect_uri));
    let allowed = Allowed { form_to, ..Allowed::default() };
    let mut response = page::answer(StatusCode::OK, &page, site, allowed);
    response.headers_mut().extend(cookies);
    Ok(response)
}

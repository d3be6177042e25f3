//! The authorization endpoint ([RFC 6749 section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).

mod answer;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{
    Arrival, AuthorizationParams, AuthorizationRequest, AuthorizeError, Done, PageError, Refusal, Step,
};
use gatepass_issuer::{PUSHED_REQUEST_PREFIX, SignedOn};
use gatepass_jose::Timestamp;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, StatusCode, Uri};
use url::form_urlencoded;

pub(crate) use self::answer::{Stop, destination, location};
use super::sign_on::{self, LoginForm};
use crate::body::FormBody;
use crate::form::Form;
use crate::language::Language;
use crate::oauth_error::OAuthError;
use crate::page::Site;
use crate::server::Server;

/// The longest request that is taken along through the forms, in bytes.
pub(super) const MAX_REQUEST: usize = 8 * 1024;

/// A browser at this endpoint, and what it wants to go on with.
pub(crate) struct Visit<'v> {
    pub(crate) server: &'v Server,
    pub(crate) headers: &'v HeaderMap,
    /// The authorization request, form-urlencoded: all that is remembered of it travels with the browser.
    pub(crate) query: &'v str,
    pub(crate) now: Timestamp,
    /// Whether it sent a form of ours.
    by_form: bool,
    /// What the pages speak, once that is known.
    language: OnceLock<&'v Language>,
}

/// `GET /oauth/authorize`
pub(crate) async fn authorize(State(server): State<Arc<Server>>, headers: HeaderMap, uri: Uri) -> Response {
    let visit = Visit::new(&server, &headers, uri.query().unwrap_or_default());
    let went = async {
        let request = visit.request().await?;
        let login = visit.login().await?;
        visit.go_on(&request, login.as_ref(), Done::default()).await
    };
    visit.answer(went.await).await
}

/// `POST /oauth/authorize`: the same request in a body.
pub(crate) async fn posted(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Response {
    as_query(&server, &headers, form, "/oauth/authorize")
}

/// The redirect to the same request as a query: a browser that another site made post does not bring its cookies,
/// and brings them when it follows.
pub(super) fn as_query(
    server: &Server,
    headers: &HeaderMap,
    form: Result<FormBody, OAuthError>,
    path: &str,
) -> Response {
    let Ok(FormBody(form)) = form else { return Stop::malformed().shown_to(server, headers) };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.pairs()).finish();
    if query.len() > MAX_REQUEST {
        return Stop::malformed().shown_to(server, headers);
    }
    (StatusCode::SEE_OTHER, [(LOCATION, format!("{}{path}?{query}", server.base_path))]).into_response()
}

impl<'v> Visit<'v> {
    pub(crate) fn new(server: &'v Server, headers: &'v HeaderMap, query: &'v str) -> Self {
        Self { server, headers, query, now: server.now(), by_form: false, language: OnceLock::new() }
    }

    /// The same browser, which has sent a form of ours.
    pub(super) fn by_form(self) -> Self {
        Self { by_form: true, ..self }
    }

    /// The same browser, about something else.
    pub(super) fn about<'a>(&self, query: &'a str) -> Visit<'a>
    where
        'v: 'a,
    {
        let language = self.language.get().map_or_else(OnceLock::new, |known| OnceLock::from(*known));
        let Visit { server, headers, now, by_form, .. } = *self;
        Visit { server, headers, query, now, by_form, language }
    }

    /// What the pages speak: what the request asks for, or else what the browser does.
    pub(crate) fn language(&self) -> &'v Language {
        self.language.get_or_init(|| self.server.config.brand.languages.choose(None, self.headers))
    }

    /// Hears which languages the request asks for. What was heard first counts.
    pub(crate) fn speak(&self, ui_locales: Option<&str>) {
        self.language.get_or_init(|| self.server.config.brand.languages.choose(ui_locales, self.headers));
    }

    /// What this visit's pages need to know of where they are.
    pub(crate) fn site(&self) -> Site<'v> {
        self.server.site(self.language())
    }
}

impl Visit<'_> {
    /// The request, checked anew at every step: what comes back from a form is what a stranger sent.
    pub(crate) async fn request(&self) -> Result<AuthorizationRequest, Stop> {
        if self.query.len() > MAX_REQUEST {
            return Err(Stop::malformed());
        }
        let form = Form::parse(self.query.as_bytes()).map_err(|_| Stop::malformed())?;
        let issuer = &self.server.issuer;
        let is_pushed = |uri: &&str| uri.starts_with(PUSHED_REQUEST_PREFIX);
        let Some(request_uri) = form.find("request_uri").filter(is_pushed) else {
            return self.checked(&form, Arrival::WithBrowser).await;
        };
        // Whatever else stands beside it means nothing: anybody could have put it there.
        let client_id = form.find("client_id").unwrap_or_default();
        let pushed = issuer.pushed_request(request_uri, client_id, self.now).await?;
        let form = Form::parse(pushed.query.as_bytes()).map_err(|error| Stop::internal(&error))?;
        self.checked(&form, Arrival::Pushed(pushed.digest)).await
    }

    async fn checked(&self, form: &Form, arrival: Arrival) -> Result<AuthorizationRequest, Stop> {
        let params = params(form);
        if params.request.is_none() {
            self.speak(params.ui_locales); // so that errors do too
        }
        match self.server.issuer.authorization_request(&params, arrival, self.now).await {
            Ok(request) => {
                self.speak(request.ui_locales.as_deref());
                Ok(request)
            }
            Err(AuthorizeError::Refused { back, refusal, at_once }) => {
                Err(Stop::refused(back, refusal, at_once || self.login().await?.is_some()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Who is logged in.
    pub(crate) async fn login(&self) -> Result<Option<SignedOn>, Stop> {
        match self.server.page_cookies.login(self.headers)? {
            Some(cookie) => Ok(self.server.issuer.signed_on(&cookie, self.now).await?),
            None => Ok(None),
        }
    }

    /// Takes the next step.
    pub(crate) async fn go_on(
        &self,
        request: &AuthorizationRequest,
        login: Option<&SignedOn>,
        done: Done,
    ) -> Result<Response, Stop> {
        let issuer = &self.server.issuer;
        let refuse = |refusal| Stop::Back(Box::new(request.back.clone()), refusal);
        match (issuer.next_step(request, login, done, self.now).await?, login) {
            (Step::Give, Some(login)) => {
                let code = issuer.give_code(request, login, self.now).await;
                let code = code.map_err(|error| {
                    tracing::error!(%error, "no code could be given");
                    refuse(Refusal::SERVER_ERROR)
                })?;
                // A pushed request that was used up in another tab meanwhile.
                let code = code.ok_or_else(|| Stop::from(PageError::RequestUri))?;
                let params = [("code", code.expose())];
                self.send_back(&request.back, &params).await
            }
            (Step::Consent, Some(login)) => sign_on::consent_page(self, request, login),
            (Step::Refuse(refusal), _) => Err(refuse(refusal)),
            (Step::LogIn | Step::Give | Step::Consent, _) => {
                let known = login.map(|login| login.user.username.as_str());
                let username = request.login_hint.as_deref().or(known).unwrap_or_default();
                let form = LoginForm::of(request);
                if !self.has_way_in(&form) {
                    let refusal = Refusal::UNMET_AUTHENTICATION_REQUIREMENTS;
                    let at_once = request.client.trusted || login.is_some();
                    return Err(Stop::refused(Box::new(request.back.clone()), refusal, at_once));
                }
                self.login_page(&form, username, StatusCode::OK, None)
            }
        }
    }

    /// What was made of the request, as an answer.
    pub(crate) async fn answer(&self, went: Result<Response, Stop>) -> Response {
        match went {
            Ok(response) => response,
            Err(stop) => stop.answer(self).await,
        }
    }

    /// The secret that the browser's forms are bound to, and a cookie where it is new.
    pub(crate) fn browser(&self) -> Result<(String, HeaderMap), Stop> {
        let mut cookies = HeaderMap::new();
        if let Some(known) = self.server.page_cookies.browser(self.headers)? {
            return Ok((known.into_owned(), cookies));
        }
        let secret = self.server.issuer.browser_secret()?;
        cookies.append(SET_COOKIE, self.server.page_cookies.set_browser(&secret)?);
        Ok((secret, cookies))
    }
}

pub(super) fn params(form: &Form) -> AuthorizationParams<'_> {
    AuthorizationParams::of(|name| form.find(name), form.resources())
}

impl From<AuthorizeError> for Stop {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Page(error) => error.into(),
            AuthorizeError::Refused { back, refusal, .. } => Self::Offer(back, refusal),
            AuthorizeError::RequestObject(_) => Self::bad_request(|t| &t.unsigned_request),
            AuthorizeError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

//! Logins with providers elsewhere: the way there, and the way back
//! ([OpenID Connect Core 1.0 section 3.1](https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth)).
//!
//! What has begun is sealed in a cookie of the browser, so nothing is kept here until somebody is known. A provider's
//! answer counts once, in that browser, and only where the provider's own redirect URI leads. What a provider says of an
//! error goes to the log and never into a page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gatepass_issuer::authorize::{AuthorizationRequest, Done};
use gatepass_issuer::{
    AnswerPlace, AuthorizationAnswer, BeginLogin, BegunLogin, FederatedLogin, FormStep, IdentityProvider,
    LoginCookie, LoginError, LoginPurpose, Nobody, NotBegun, ProviderError, ProviderResponseMode, SignedOn,
};
use http::header::{REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use url::form_urlencoded::Serializer;

use super::authorize::{Stop, Visit};
use super::identity::LinkQuestion;
use super::session::device;
use super::sign_on::{LoginForm, LoginRefusal, NewLogin, OwnForm};
use crate::body::FormBody;
use crate::client_address::ClientAddress;
use crate::form::Form;
use crate::language::Words;
use crate::oauth_error::OAuthError;
use crate::page::{self, Allowed, ProviderPage, Site};
use crate::server::Server;

const NOT_BEGUN: Words = |t| &t.not_begun_here;
const REPLAYED: Words = |t| &t.stale_link;
/// What is looked at of a provider's answer.
const ANSWER: [&str; 4] = ["state", "code", "error", "iss"];

/// `POST /oauth/providers/{provider}`
pub(crate) async fn begin(
    State(server): State<Arc<Server>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let visit = Visit::of_form(&server, &headers, &form);
    let went = async {
        let purpose = match form.find("purpose") {
            Some("application") => LoginPurpose::Application,
            Some("device") => LoginPurpose::Device,
            _ => return Err(Stop::malformed()),
        };
        let provider = find(&server, &provider)?;
        let request = visit.request_for(purpose).await?;
        visit.begin_at(provider, purpose, &form, &LoginForm::of_any(request.as_ref())).await
    };
    visit.answer(went.await).await
}

/// `GET /oauth/providers/{provider}/callback`
pub(crate) async fn callback(
    State(server): State<Arc<Server>>,
    Path(provider): Path<String>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let place = match server.issuer.place_for_answer(address, server.now()) {
        Ok(place) => place,
        Err(error) => return not_now(&server, &headers, &error),
    };
    let arriving = async {
        let provider = find(&server, &provider)?;
        let query = uri.query().unwrap_or_default();
        let answer = Form::parse(query.as_bytes()).map_err(|_| Stop::bad_request(NOT_BEGUN))?;
        let begun = begun(&server, provider, &headers, &said(&answer)).await?;
        Ok::<_, Stop>((provider, answer, begun))
    };
    let (provider, answer, begun) = match arriving.await {
        Ok(arrived) => arrived,
        Err(stop) => return stop.shown_to(&server, &headers),
    };
    let visit = Visit::new(&server, &headers, begun.request());
    let mut response = visit.answer(visit.arrive(provider, &begun, &said(&answer), &place).await).await;
    match server.page_cookies.clear_begun() {
        Ok(cookie) => drop(response.headers_mut().append(SET_COOKIE, cookie)),
        Err(error) => tracing::error!(%error, "a cookie could not be cleared"),
    }
    response
}

/// An answer that is not looked at now.
fn not_now(server: &Server, headers: &HeaderMap, error: &LoginError) -> Response {
    match LoginRefusal::of(error) {
        Ok(refusal) => refusal.onto(refusal.into_stop().shown_to(server, headers)),
        Err(stop) => stop.shown_to(server, headers),
    }
}

/// `POST /oauth/providers/{provider}/callback`: the answer of a provider that has the browser post it
/// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
///
/// A post from another site comes without the cookies of this one, which are `SameSite=Lax`. So its page leads to the
/// same answer in the query, and there nothing counts but what comes with the cookies. It is no redirect: the provider's
/// page may hold its form to where that may lead, and that is the application in the end.
pub(crate) async fn posted_callback(
    State(server): State<Arc<Server>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    form: Result<FormBody, OAuthError>,
) -> Response {
    let led = || {
        let provider = find(&server, &provider)?;
        if provider.response_mode != ProviderResponseMode::FormPost {
            return Err(Stop::bad_request(NOT_BEGUN));
        }
        let FormBody(form) = form.map_err(|_| Stop::bad_request(NOT_BEGUN))?;
        let mut query = Serializer::new(String::new());
        query.extend_pairs(form.pairs().filter(|(name, _)| ANSWER.contains(name)));
        let url = format!("{}?{}", server.issuer.provider_redirect_uri(&provider.id), query.finish());
        way(Visit::new(&server, &headers, "").site(), provider, |t| &t.coming_back, &url)
    };
    led().unwrap_or_else(|stop| stop.shown_to(&server, &headers))
}

/// The login that this browser began with the provider, if this is the answer to it.
async fn begun(
    server: &Server,
    provider: &IdentityProvider,
    headers: &HeaderMap,
    answer: &AuthorizationAnswer<'_>,
) -> Result<BegunLogin, Stop> {
    let (cookie, browser) = (server.page_cookies.begun(headers)?, server.page_cookies.browser(headers)?);
    let (Some(cookie), Some(browser)) = (cookie, browser) else { return Err(Stop::bad_request(NOT_BEGUN)) };
    let begun = server.issuer.end_at_provider(&provider.id, &cookie, &browser, answer, server.now()).await;
    begun.map_err(|error| {
        tracing::info!(target: "gatepass::audit", event = "provider-answer-refused", provider = %provider.id, %error);
        match error {
            NotBegun::Unknown => Stop::bad_request(NOT_BEGUN),
            NotBegun::Replayed => Stop::bad_request(REPLAYED),
            NotBegun::Store(error) => error.into(),
        }
    })
}

fn find<'s>(server: &'s Server, id: &str) -> Result<&'s IdentityProvider, Stop> {
    let found = id.parse().ok().and_then(|id| server.issuer.identity_provider(&id));
    found.ok_or(Stop::Shown {
        status: StatusCode::NOT_FOUND,
        title: |t| &t.does_not_work,
        text: |t| &t.no_such_provider,
    })
}

fn said(answer: &Form) -> AuthorizationAnswer<'_> {
    let [state, code, error, iss] = ANSWER.map(|name| answer.find(name));
    AuthorizationAnswer { state, code, error, iss }
}

impl<'l> LoginForm<'l> {
    /// For an application's request; without one, for devices.
    pub(super) fn of_any(request: Option<&'l AuthorizationRequest>) -> Self {
        request.map_or(Self::FOR_DEVICES, Self::of)
    }
}

impl Visit<'_> {
    /// The application's request that goes on after a login, if it is for one.
    pub(super) async fn request_for(
        &self,
        purpose: LoginPurpose,
    ) -> Result<Option<AuthorizationRequest>, Stop> {
        match purpose {
            LoginPurpose::Application => self.request().await.map(Some),
            LoginPurpose::Device => Ok(None),
        }
    }

    async fn begin_at(
        &self,
        provider: &IdentityProvider,
        purpose: LoginPurpose,
        form: &Form,
        shown: &LoginForm<'_>,
    ) -> Result<Response, Stop> {
        if !self.is_bound(form, FormStep::LogIn, None)? {
            return self.login_page(shown, "", StatusCode::FORBIDDEN, Some(|t| &t.open_too_long));
        }
        if !shown.takes(provider, self.query) {
            return Err(Stop::malformed());
        }
        let (browser, cookies) = self.browser()?;
        let begin =
            BeginLogin { purpose, request: self.query, freshness: shown.freshness(), browser: &browser };
        match self.server.issuer.begin_at_provider(&provider.id, begin, self.now).await {
            Ok((url, sealed)) => {
                let mut response = way(self.site(), provider, |t| &t.being_sent, url.as_str())?;
                response.headers_mut().extend(cookies);
                response.headers_mut().append(SET_COOKIE, self.server.page_cookies.set_begun(&sealed)?);
                Ok(response)
            }
            Err(error) => self.failed(provider, shown, error),
        }
    }

    /// What comes of a provider's answer.
    async fn arrive(
        &self,
        provider: &IdentityProvider,
        begun: &BegunLogin,
        answer: &AuthorizationAnswer<'_>,
        place: &AnswerPlace<'_>,
    ) -> Result<Response, Stop> {
        let request = self.request_for(begun.purpose()).await?;
        let shown = LoginForm::of_any(request.as_ref());
        let issuer = &self.server.issuer;
        let identity = match issuer.identify(begun, answer, self.now).await {
            Ok(identity) => identity,
            Err(error) => {
                // Who comes back without a code has had nobody asked.
                if answer.code.is_some() {
                    place.failed(self.now);
                }
                return self.failed(provider, &shown, error);
            }
        };
        let previous = self.server.page_cookies.login(self.headers)?;
        let went = issuer.sign_on_with(&identity, &device(self.headers), previous.as_deref(), self.now).await;
        match went.map_err(|error| Stop::internal(&error))? {
            FederatedLogin::In(login, cookie) => self.entered(request.as_ref(), &login, &cookie).await,
            FederatedLogin::MayLink(user) => {
                let (browser, cookies) = self.browser()?;
                let sealed = issuer.seal_identity(&identity, begun, &browser, self.now)?;
                let about = LinkQuestion { provider, identity: &identity, user: &user };
                let mut response = self.about(&sealed).link_page(&shown, about, StatusCode::OK, None).await?;
                response.headers_mut().extend(cookies);
                Ok(response)
            }
            FederatedLogin::MayCreate(username) => {
                let (browser, cookies) = self.browser()?;
                let sealed = issuer.seal_identity(&identity, begun, &browser, self.now)?;
                let mut response = self.about(&sealed).create_page(&shown, provider, &identity, &username)?;
                response.headers_mut().extend(cookies);
                Ok(response)
            }
            FederatedLogin::Nobody(why) => {
                self.login_page(&shown, "", StatusCode::FORBIDDEN, Some(nobody(why)))
            }
        }
    }

    /// Somebody is logged in, whatever comes of their request.
    pub(super) async fn entered(
        &self,
        request: Option<&AuthorizationRequest>,
        login: &SignedOn,
        cookie: &LoginCookie,
    ) -> Result<Response, Stop> {
        let went = match request {
            Some(request) => self.go_on(request, Some(login), Done { login: true, consent: false }).await,
            None => self.user_code_page(login, self.query, None),
        };
        Ok(NewLogin::of(self.server, login, cookie, self.now)?.onto(self.answer(went).await))
    }

    /// The login page, with what went wrong at the provider as far as it is the user's to know.
    fn failed(
        &self,
        provider: &IdentityProvider,
        shown: &LoginForm<'_>,
        error: ProviderError,
    ) -> Result<Response, Stop> {
        let (status, notice): (_, Words) = match &error {
            ProviderError::Store(error) => return Err(error.clone().into()),
            ProviderError::Secret(error) => return Err(Stop::internal(error)),
            ProviderError::Refused(_) => (StatusCode::FORBIDDEN, |t| &t.provider_refused),
            ProviderError::Busy => (StatusCode::SERVICE_UNAVAILABLE, |t| &t.busy),
            ProviderError::NotAgain => (StatusCode::FORBIDDEN, |t| &t.provider_did_not_ask),
            _ => (StatusCode::BAD_GATEWAY, |t| &t.provider_failed),
        };
        tracing::warn!(
            target: "gatepass::audit", event = "provider-login-failed", provider = %provider.id, %error
        );
        self.login_page(shown, "", status, Some(notice))
    }
}

/// The page that leads to a provider, or back. It is no redirect: browsers hold a form to where its answer redirects to, and no
/// policy could name all the places that a provider sends people to.
fn way(site: Site<'_>, provider: &IdentityProvider, words: Words, url: &str) -> Result<Response, Stop> {
    let page = ProviderPage { site, provider: &provider.name, words, url };
    let mut response = page::answer(StatusCode::OK, &page, site, Allowed::default());
    let mut refresh = HeaderValue::try_from(format!("0; url={url}"))?;
    refresh.set_sensitive(true);
    response.headers_mut().insert(REFRESH, refresh);
    Ok(response)
}

fn nobody(why: Nobody) -> Words {
    match why {
        Nobody::NotLinked => |t| &t.identity_not_linked,
        Nobody::NoVerifiedEmail => |t| &t.identity_without_email,
        Nobody::Domain => |t| &t.identity_of_other_domain,
        Nobody::NameTaken => |t| &t.identity_name_taken,
        Nobody::Disabled => |t| &t.account_disabled,
    }
}

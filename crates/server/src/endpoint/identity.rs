//! The pages that ask what is to be made of somebody whom a provider knows and nobody here: an account that they have is
//! linked, or one is created. Never without their word, and never to an account that they do not show to be theirs.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::password::Password;
use gatepass_issuer::user::{User, Username};
use gatepass_issuer::{
    AccountError, AccountProof, ArrivedIdentity, FormStep, Identity, IdentityProvider, LoginError, SignedOn,
};
use http::{HeaderMap, StatusCode};

use super::authorize::{Stop, Visit};
use super::session::device;
use super::sign_on::{LoginForm, LoginRefusal, OwnForm, is_allowed};
use crate::client_address::ClientAddress;
use crate::form::Form;
use crate::language::Words;
use crate::page::{self, CreatePage, LinkPage};
use crate::server::Server;

const OUTDATED: Words = |t| &t.answered_or_outdated;
const GONE: Words = |t| &t.identity_gone;

/// `POST /oauth/identity/link`
pub(crate) async fn link(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let sealed = form.find("identity").unwrap_or_default();
    let shown = Visit::new(&server, &headers, sealed).by_form();
    let went = async {
        let arrived = shown.opened()?;
        let visit = shown.about(&arrived.request);
        let request = visit.request_for(arrived.purpose).await?;
        let form_of = LoginForm::of_any(request.as_ref());
        let user = server.issuer.account_to_link(&arrived.identity).await?;
        let user = user.ok_or_else(|| Stop::bad_request(GONE))?;
        let login = shown.proof(&user).await?;
        if !shown.is_bound(&form, FormStep::Link, login.as_ref())? {
            return Err(Stop::bad_request(OUTDATED));
        }
        if !is_allowed(&form)? {
            return visit.login_page(&form_of, "", StatusCode::OK, None);
        }
        let previous = server.page_cookies.login(&headers)?;
        let known_device = server.page_cookies.device(&headers)?.map(Cow::into_owned);
        let linked = match proof(&form, login.as_ref(), address, known_device) {
            Ok(proof) => {
                let (device, previous) = (device(&headers), previous.as_deref());
                server.issuer.link_arrived(&arrived, proof, &device, previous, visit.now).await
            }
            Err(error) => Err(error.into()),
        };
        match linked {
            Ok((login, cookie)) => visit.entered(request.as_ref(), &login, &cookie).await,
            Err(AccountError::Login(error)) => {
                let refusal = LoginRefusal::of(&error)?;
                let provider = provider(&server, &arrived)?;
                let about = LinkQuestion { provider, identity: &arrived.identity, user: &user };
                Ok(refusal
                    .onto(shown.link_page(&form_of, about, refusal.status, Some(refusal.notice)).await?))
            }
            Err(error) => Err(stop(&error)),
        }
    };
    shown.answer(went.await).await
}

/// `POST /oauth/identity/create`
pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    OwnForm(form): OwnForm,
) -> Response {
    let sealed = form.find("identity").unwrap_or_default();
    let shown = Visit::new(&server, &headers, sealed).by_form();
    let went = async {
        let arrived = shown.opened()?;
        let visit = shown.about(&arrived.request);
        let request = visit.request_for(arrived.purpose).await?;
        if !shown.is_bound(&form, FormStep::Create, None)? {
            return Err(Stop::bad_request(OUTDATED));
        }
        if !is_allowed(&form)? {
            return visit.login_page(&LoginForm::of_any(request.as_ref()), "", StatusCode::OK, None);
        }
        let previous = server.page_cookies.login(&headers)?;
        let (device, previous) = (device(&headers), previous.as_deref());
        match server.issuer.create_arrived(&arrived, &device, previous, visit.now).await {
            Ok((login, cookie)) => visit.entered(request.as_ref(), &login, &cookie).await,
            Err(error) => Err(stop(&error)),
        }
    };
    shown.answer(went.await).await
}

/// Whether this identity is to be linked to this account.
#[derive(Clone, Copy)]
pub(super) struct LinkQuestion<'q> {
    pub(super) provider: &'q IdentityProvider,
    pub(super) identity: &'q Identity,
    pub(super) user: &'q User,
}

/// How the form shows that the account is its sender's.
fn proof<'p>(
    form: &Form,
    login: Option<&'p SignedOn>,
    address: Option<IpAddr>,
    known_device: Option<String>,
) -> Result<AccountProof<'p>, LoginError> {
    match login {
        Some(login) => Ok(AccountProof::Login(login)),
        None => match Password::new(form.find("password").unwrap_or_default()) {
            Ok(password) => Ok(AccountProof::Password { password, address, known_device }),
            Err(_) => Err(LoginError::Denied),
        },
    }
}

fn provider<'s>(server: &'s Server, arrived: &ArrivedIdentity) -> Result<&'s IdentityProvider, Stop> {
    let provider = server.issuer.identity_provider(&arrived.identity.provider);
    provider.ok_or_else(|| Stop::bad_request(GONE))
}

fn stop(error: &AccountError) -> Stop {
    match error {
        AccountError::UsedUp => Stop::bad_request(OUTDATED),
        AccountError::Gone => Stop::bad_request(GONE),
        AccountError::Login(error) => match LoginRefusal::of(error) {
            Ok(refusal) => refusal.into_stop(),
            Err(stop) => stop,
        },
        error => Stop::internal(error),
    }
}

impl Visit<'_> {
    /// The identity that the form brings back, if it was sealed for this browser.
    fn opened(&self) -> Result<ArrivedIdentity, Stop> {
        let browser = self.server.page_cookies.browser(self.headers)?;
        let arrived =
            browser.and_then(|browser| self.server.issuer.open_identity(self.query, &browser, self.now));
        arrived.ok_or_else(|| Stop::bad_request(OUTDATED))
    }

    /// The login that shows, in the place of a password, that the account is one's own.
    async fn proof(&self, user: &User) -> Result<Option<SignedOn>, Stop> {
        Ok(self.login().await?.filter(|login| login.proves(user, self.now)))
    }

    /// The page that asks whether an identity, which is sealed in what this visit is about, is to be linked.
    pub(super) async fn link_page(
        &self,
        form: &LoginForm<'_>,
        about: LinkQuestion<'_>,
        status: StatusCode,
        notice: Option<Words>,
    ) -> Result<Response, Stop> {
        let site = self.site();
        let LinkQuestion { provider, identity, user } = about;
        let login = self.proof(user).await?;
        let (browser, _) = self.browser()?;
        let bound_to = login.as_ref().map(|login| login.session.id);
        let page = LinkPage {
            site,
            provider: &provider.name,
            identity: &identity.shown(),
            username: user.username.as_str(),
            notice: notice.map(|words| words(site.t)),
            proven: login.is_some(),
            sealed: self.query,
            token: &self.server.issuer.form_token(FormStep::Link, &browser, self.query, bound_to, self.now),
        };
        Ok(page::answer(status, &page, site, form.allowed()))
    }

    /// The page that asks whether an account is to be made for an identity, which is sealed in what this visit is about.
    pub(super) fn create_page(
        &self,
        form: &LoginForm<'_>,
        provider: &IdentityProvider,
        identity: &Identity,
        username: &Username,
    ) -> Result<Response, Stop> {
        let (browser, _) = self.browser()?;
        let site = self.site();
        let page = CreatePage {
            site,
            provider: &provider.name,
            identity: &identity.shown(),
            username: username.as_str(),
            sealed: self.query,
            token: &self.server.issuer.form_token(FormStep::Create, &browser, self.query, None, self.now),
        };
        Ok(page::answer(StatusCode::OK, &page, site, form.allowed()))
    }
}

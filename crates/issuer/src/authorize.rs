//! The authorization endpoint's rules
//! ([RFC 6749 section 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1) as OAuth 2.1 narrows it, and
//! [OpenID Connect Core 1.0 section 3.1.2](https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint)).
//!
//! What a browser brings is checked in two halves. Until the client and its redirect URI are known to belong
//! together, an error can only be shown ([`AuthorizeError::Page`]): sending the browser on would make this
//! server a gate to anywhere. From then on the client hears of it ([`AuthorizeError::Refused`]), and the
//! proof that it may is in the [`Back`] that every later step carries.

mod claims;
mod context;
mod logout;
mod request;
mod request_object;
mod response;
mod step;

use gatepass_jose::Timestamp;
use thiserror::Error;

pub use self::claims::{ClaimsRequest, RequestedClaims};
pub(crate) use self::claims::{EMAIL_ADDRESS, EMAIL_VERIFIED, NAME, PREFERRED_USERNAME, ROLES_CLAIM};
pub use self::context::WantedContexts;
pub use self::logout::{LoggedOut, LogoutError, LogoutRequest, LogoutStep};
pub use self::request::{AuthorizationParams, AuthorizationRequest, Prompt};
pub(crate) use self::request::{LONGEST_AGE, WITHOUT_MEANING, requested_details, requested_scope};
pub use self::request_object::RequestObject;
use self::request_object::RequestObjectRejection;
pub use self::response::ResponseMode;
pub use self::step::{Done, Situation, Step, decide};
use crate::client::Client;
use crate::code::{AuthorizationCode, CODE_LIFETIME, Code};
use crate::consent::allowed_at;
use crate::id::ClientId;
use crate::id_token::IdTokenHint;
use crate::issuer::Issuer;
use crate::pushed_request::RequestUriDigest;
use crate::redirect_uri::RegisteredRedirectUri;
use crate::resource::NamedResources;
use crate::secrets::random;
use crate::sessions::InternalError;
use crate::sign_on::SignedOn;
use crate::store::StoreError;
#[cfg(test)]
pub(crate) use request::tests::client as test_client;

/// The way back to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// Whom it leads to.
    pub client: ClientId,
    /// Where to, proven to be registered.
    pub redirect_uri: RegisteredRedirectUri,
    /// How.
    pub mode: ResponseMode,
    /// What the client wants to see again.
    pub state: Option<String>,
}

/// What the client is told of an error
/// ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1),
/// [OpenID Connect Core 1.0 section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{description}")]
pub struct Refusal {
    /// The code, for programs.
    pub error: &'static str,
    /// A sentence, for people.
    pub description: &'static str,
}

impl Refusal {
    pub(crate) const fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }

    /// The user said no.
    pub const ACCESS_DENIED: Self = Self::new("access_denied", "the user did not allow it");
    /// The user would have to log in, and must not be asked.
    pub const LOGIN_REQUIRED: Self = Self::new("login_required", "the user must log in for this");
    /// The user would have to consent, and must not be asked.
    pub const CONSENT_REQUIRED: Self = Self::new("consent_required", "the user must allow this first");
    /// Nobody can log in here as the client says that they must
    /// ([OpenID Connect Core Error Code unmet_authentication_requirements](https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html)).
    pub const UNMET_AUTHENTICATION_REQUIREMENTS: Self = Self::new(
        "unmet_authentication_requirements",
        "nobody can log in here in a way that the client asks for (acr_values_supported says which there are)",
    );
    /// Our fault.
    pub const SERVER_ERROR: Self = Self::new("server_error", "the server failed; its log says why");
    /// Too much is asked of this server.
    pub const UNAVAILABLE: Self = Self::new("temporarily_unavailable", "the server is busy; try again");
}

/// Why an authorization request leads to no code.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// Nobody trustworthy to send the browser back to: it is shown.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The client is told.
    #[error("{refusal}")]
    Refused {
        /// Where it listens.
        back: Box<Back>,
        /// What it is told.
        refusal: Refusal,
        /// Whether the browser may be sent there before anybody has logged in: the operator trusts the client, or
        /// nobody is to be asked ([RFC 9700 section 4.11.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2)).
        at_once: bool,
    },
    /// What the client is said to have signed is not accepted, and so neither is where it says to go back to; and nothing
    /// beside it says where.
    #[error("the request object is not accepted: {0}")]
    RequestObject(InvalidRequestObject),
    /// The store failed before the client was known.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a request object is not accepted, for the client's developers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct InvalidRequestObject(RequestObjectRejection);

/// What is wrong with a request that cannot be answered to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PageError {
    /// There is no client of that name, or it is disabled.
    #[error("The application that sent you here is not known to this server.")]
    Client,
    /// The request says nowhere to go back to.
    #[error("The application that sent you here did not say where to go back to (redirect_uri).")]
    NoRedirectUri,
    /// The client has not registered that redirect URI.
    #[error("The application that sent you here wants you sent to an address that it has not registered.")]
    RedirectUri,
    /// There is no pushed request of that name, or not any more, or it is another client's.
    #[error("This link was used already, or is too old. Go back to the application and begin again.")]
    RequestUri,
}

/// How an authorization request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// With the browser, where anybody could have changed it.
    WithBrowser,
    /// From the client itself, which is pushing it.
    BeingPushed,
    /// From the client itself, before.
    Pushed(RequestUriDigest),
}

impl Issuer {
    /// Checks an authorization request: all that can be said of it without knowing the user. Of one with a request
    /// object, that object counts and nothing beside it
    /// ([RFC 9101 section 6.3](https://www.rfc-editor.org/rfc/rfc9101#section-6.3)).
    ///
    /// # Errors
    /// [`AuthorizeError`].
    pub async fn authorization_request(
        &self,
        params: &AuthorizationParams<'_>,
        arrival: Arrival,
        now: Timestamp,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let id = params.client_id.and_then(|id| id.parse().ok()).ok_or(PageError::Client)?;
        let client = self.client_of(&id, now).await?.filter(|client| !client.disabled);
        let client = client.ok_or(PageError::Client)?;
        let object = match params.request {
            Some(jwt) => {
                let verified = self.verify_request_object(jwt, params, &client, now).await;
                Some(verified.map_err(|why| refused_object(why, params, &client, arrival))?)
            }
            None => None,
        };
        let params = &object.as_ref().map_or(*params, RequestObject::params);
        let requested = params.redirect_uri.ok_or(PageError::NoRedirectUri)?;
        let redirect_uri = client.registered_redirect_uri(requested).ok_or(PageError::RedirectUri)?;
        // From here on the client hears of errors.
        let (back, mode) = params.back(client.id.clone(), redirect_uri);
        let at_once = client.trusted || params.is_silent();
        let refused = |refusal| AuthorizeError::Refused { back: Box::new(back.clone()), refusal, at_once };
        mode.map_err(refused)?;
        let client = self.held(client).map_err(|_| refused(UNFIT))?;
        if client.require_pushed && arrival == Arrival::WithBrowser {
            return Err(refused(NOT_PUSHED));
        }
        // What was pushed was held to it then.
        let was_pushed = matches!(arrival, Arrival::Pushed(_));
        if client.extensions.require_signed_request_object && object.is_none() && !was_pushed {
            return Err(refused(NOT_SIGNED));
        }
        let mut request = AuthorizationRequest::check(client, back.clone(), params).map_err(refused)?;
        request.resources = self
            .granted_resources(&request.client, &request.scope, &params.resources)
            .ok_or_else(|| refused(UNKNOWN_RESOURCE))?;
        request.contexts = self
            .wanted_contexts(&request, params.acr_values, !params.resources.is_empty())
            .map_err(refused)?;
        request.pushed = match arrival {
            Arrival::Pushed(digest) => Some(digest),
            Arrival::WithBrowser | Arrival::BeingPushed => None,
        };
        request.hint = self.read_hint(params.id_token_hint);
        request.object = object;
        Ok(request)
    }

    async fn verify_request_object(
        &self,
        jwt: &str,
        beside: &AuthorizationParams<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<RequestObject, RequestObjectRejection> {
        if beside.request_uri.is_some() {
            return Err(RequestObjectRejection::WithReference);
        }
        let kid = request_object::unverified_kid(jwt)?;
        let keys = self.client_verifying(client, kid.as_deref(), now).await?;
        RequestObject::verify(jwt, client, keys, self.config.issuer.as_str(), now)
    }

    /// What comes next for somebody who is logged in as `login`, or not at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_step(
        &self,
        request: &AuthorizationRequest,
        login: Option<&SignedOn>,
        done: Done,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let consents = match login {
            Some(login) => self.store.find_consents(login.user.id, &request.client.id).await?,
            None => Vec::new(),
        };
        let default = self.granted_resources(&request.client, &request.scope, &NamedResources::default());
        let default = default.as_ref().map(|default| default.first.as_str());
        let consented = allowed_at(&consents, &request.resources, default);
        let name = |login: &SignedOn| self.subject(Some(&request.client), login.user.id);
        let is_hinted = match (&request.hint, login) {
            (IdTokenHint::Read(hint), Some(login)) if hint.client == request.client.id => {
                self.names(hint, login.user.id, now).await?
            }
            // Another client's, which must not tell this one who the user is to that one.
            (IdTokenHint::Read(hint), Some(login)) => hint.subject == name(login),
            // The client expects somebody, and it may be anybody: whoever it is shows that now.
            (IdTokenHint::Unreadable, Some(_)) => done.login,
            (IdTokenHint::Absent, _) | (_, None) => true,
        };
        let is_named = |login: &SignedOn| {
            let name = name(login);
            request.claims.subjects.iter().all(|subject| *subject == name)
        };
        let situation = Situation {
            login: login.map(|login| shown_at(login, done)),
            is_hinted: is_hinted && login.is_none_or(is_named),
            is_in_context: login.is_none_or(|login| request.contexts.contains(login.session.acr())),
            consented: consented.as_ref(),
            done,
            now,
        };
        Ok(decide(request, &situation))
    }

    /// Remembers that the user allows the client what it asks for, at each of the resources that it asks for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_consent(
        &self,
        request: &AuthorizationRequest,
        login: &SignedOn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (user, client) = (login.user.id, &request.client.id);
        self.remember_consent(user, client, &request.asked_scope(), &request.resources, now).await
    }

    /// Uses up what the client signed, where that counts once; `false` when it was before.
    pub(crate) async fn use_up_object(&self, request: &AuthorizationRequest) -> Result<bool, StoreError> {
        match request.object.as_ref().and_then(|object| object.once) {
            Some((jti, forget_after)) => self.store.consume_jti(jti, forget_after).await,
            None => Ok(true),
        }
    }

    /// The code with which the client fetches its tokens. To be called when [`Issuer::next_step`] says
    /// [`Step::Give`]. A pushed request, or a request object with a name, is used up by it; `None` when it was before.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn give_code(
        &self,
        request: &AuthorizationRequest,
        login: &SignedOn,
        now: Timestamp,
    ) -> Result<Option<Code>, InternalError> {
        if let Some(digest) = request.pushed
            && !self.store.consume_pushed_request(digest).await?
        {
            return Ok(None);
        }
        if !self.use_up_object(request).await? {
            return Ok(None);
        }
        let code = Code::from_random(&random()?);
        let row = AuthorizationCode {
            digest: self.secrets.code_digest(code.expose()),
            client: request.client.id.clone(),
            redirect_uri: request.back.redirect_uri.as_str().to_owned(),
            challenge: request.challenge,
            jkt: request.jkt,
            authorization_details: request.authorization_details.clone(),
            claims: request.claims.requested.clone(),
            user: login.user.id,
            login: login.session.id,
            scope: request.scope.clone(),
            resources: request.resources.clone(),
            nonce: request.nonce.clone(),
            expires_at: now.saturating_add(CODE_LIFETIME),
            used_at: None,
            session: None,
        };
        self.store.keep_code(&row).await?;
        tracing::info!(
            target: "gatepass::audit", event = "code-given", sub = %row.user, client_id = %row.client
        );
        Ok(Some(code))
    }
}

const INVALID_REQUEST_OBJECT: Refusal =
    Refusal::new("invalid_request_object", "the signed request (RFC 9101) is not accepted");
const NOT_PUSHED: Refusal = Refusal::new("invalid_request", "the client must push its requests (RFC 9126)");
const NOT_SIGNED: Refusal =
    Refusal::new("invalid_request", "the client must sign its requests (RFC 9101): request is missing");
const UNFIT: Refusal = Refusal::new("unauthorized_client", "the client does not fit this server's profile");
const UNKNOWN_RESOURCE: Refusal = Refusal::new(
    "invalid_target",
    "the client may not have tokens for one of these resources, or names more than 8",
);

/// How a request is refused whose object is. The client is told where what stands beside the object leads to it
/// ([RFC 9101 section 6.2](https://www.rfc-editor.org/rfc/rfc9101#section-6.2)): that is as good as a request that nobody has
/// signed. A client that pushes its request hears why.
fn refused_object(
    why: RequestObjectRejection,
    beside: &AuthorizationParams<'_>,
    client: &Client,
    arrival: Arrival,
) -> AuthorizeError {
    tracing::info!(target: "gatepass::audit", event = "request-object-refused", %why);
    let requested = beside.redirect_uri.filter(|_| arrival == Arrival::WithBrowser);
    let Some(redirect_uri) = requested.and_then(|uri| client.registered_redirect_uri(uri)) else {
        return AuthorizeError::RequestObject(InvalidRequestObject(why));
    };
    let (back, _) = beside.back(client.id.clone(), redirect_uri);
    let at_once = client.trusted || beside.is_silent();
    AuthorizeError::Refused { back: Box::new(back), refusal: INVALID_REQUEST_OBJECT, at_once }
}

/// When a user showed who they are. With a provider that may be long before they came here, unless they were asked anew
/// for this very request; a provider that says nothing of it may mean any time.
fn shown_at(login: &SignedOn, done: Done) -> Timestamp {
    let unknown = if done.login { login.session.created_at } else { Timestamp::EPOCH };
    login.session.auth_time.unwrap_or(unknown)
}

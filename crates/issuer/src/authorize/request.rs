//! An authorization request, checked against its client's registration.

use std::cell::Cell;
use std::time::Duration;

use gatepass_token::{AuthorizationDetails, CodeChallenge, InvalidCodeChallenge, ScopeSet};

use super::{Back, ClaimsRequest, Refusal, RequestObject, ResponseMode, WantedContexts};
use crate::client::{Client, GrantType, OFFLINE_ACCESS, OPENID};
use crate::dpop::Jkt;
use crate::id::ClientId;
use crate::id_token::IdTokenHint;
use crate::identity_provider::Freshness;
use crate::pushed_request::RequestUriDigest;
use crate::redirect_uri::RegisteredRedirectUri;
use crate::resource::{GrantedResources, NamedResources};

/// The longest `nonce`, in bytes: it comes again in the ID token.
const MAX_NONCE: usize = 512;
/// The longest `max_age`. No login is older than that but one of which nobody knows when it was.
pub(crate) const LONGEST_AGE: Duration = Duration::from_secs(1_000_000_000);
/// The longest `login_hint` that is shown.
const MAX_HINT: usize = 128;

/// Scopes of OpenID Connect that nothing is known for here. They are passed over, as
/// [OpenID Connect Core 1.0 section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest) asks.
pub(crate) const WITHOUT_MEANING: [&str; 2] = ["address", "phone"];

/// The parameters of an authorization request, as they came; each but `resource` was given at most once, and an empty one
/// counts as left out. Others than these mean nothing here.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the names are the registry's own
pub struct AuthorizationParams<'p> {
    pub client_id: Option<&'p str>,
    pub redirect_uri: Option<&'p str>,
    pub response_type: Option<&'p str>,
    pub response_mode: Option<&'p str>,
    pub scope: Option<&'p str>,
    pub state: Option<&'p str>,
    pub nonce: Option<&'p str>,
    pub code_challenge: Option<&'p str>,
    pub code_challenge_method: Option<&'p str>,
    pub prompt: Option<&'p str>,
    pub max_age: Option<&'p str>,
    pub acr_values: Option<&'p str>,
    pub login_hint: Option<&'p str>,
    pub ui_locales: Option<&'p str>,
    pub id_token_hint: Option<&'p str>,
    pub resources: NamedResources<'p>,
    pub dpop_jkt: Option<&'p str>,
    pub authorization_details: Option<&'p str>,
    pub claims: Option<&'p str>,
    pub request: Option<&'p str>,
    pub request_uri: Option<&'p str>,
    pub registration: Option<&'p str>,
}

/// What the client wants the user to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Nothing: answer at once, or say what would have to be asked.
    pub none: bool,
    /// To log in, whether they are logged in or not.
    pub login: bool,
    /// To allow it, whether they have before or not.
    pub consent: bool,
}

/// An authorization request that its client may make.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// The client.
    pub client: Client,
    /// The way back to it.
    pub back: Back,
    /// What it asks for, within its registration.
    pub scope: ScopeSet,
    /// What it asks for beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The claims that it asks for one by one; nothing without the scope `openid`.
    pub claims: ClaimsRequest,
    /// The audiences of the tokens.
    pub resources: GrantedResources,
    /// What the ID token is to repeat.
    pub nonce: Option<String>,
    /// What the verifier must hash to; `None` only for a client that is exempt.
    pub challenge: Option<CodeChallenge>,
    /// The key that whoever redeems the code must show, if the client names one.
    pub jkt: Option<Jkt>,
    /// What the user is to be asked.
    pub prompt: Prompt,
    /// How long ago the user may have logged in.
    pub max_age: Option<Duration>,
    /// How the user is to have logged in.
    pub contexts: WantedContexts,
    /// Who the client thinks is there; to be shown in the login form, and believed by nobody.
    pub login_hint: Option<String>,
    /// The languages that the client would like the user to be asked in, as it wrote them.
    pub ui_locales: Option<String>,
    /// Who the client had there before, by an ID token of this issuer.
    pub hint: IdTokenHint,
    /// Under which name it was pushed, if it was.
    pub pushed: Option<RequestUriDigest>,
    /// What its client signed, if it did.
    pub object: Option<RequestObject>,
}

impl<'p> AuthorizationParams<'p> {
    /// The parameters that `find` finds, and `resource`, which may stand there several times
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    pub fn of(find: impl Fn(&'static str) -> Option<&'p str>, resources: NamedResources<'p>) -> Self {
        Self {
            client_id: find("client_id"),
            redirect_uri: find("redirect_uri"),
            response_type: find("response_type"),
            response_mode: find("response_mode"),
            scope: find("scope"),
            state: find("state"),
            nonce: find("nonce"),
            code_challenge: find("code_challenge"),
            code_challenge_method: find("code_challenge_method"),
            prompt: find("prompt"),
            max_age: find("max_age"),
            acr_values: find("acr_values"),
            login_hint: find("login_hint"),
            ui_locales: find("ui_locales"),
            id_token_hint: find("id_token_hint"),
            resources,
            dpop_jkt: find("dpop_jkt"),
            authorization_details: find("authorization_details"),
            claims: find("claims"),
            request: find("request"),
            request_uri: find("request_uri"),
            registration: find("registration"),
        }
    }

    /// Whether a parameter of that name means something here.
    pub(super) fn knows(name: &str) -> bool {
        let is_known = Cell::new(name == "resource");
        let ask = |known| {
            is_known.set(is_known.get() || known == name);
            None
        };
        Self::of(ask, NamedResources::default());
        is_known.get()
    }

    /// Whether nobody is to be asked for anything.
    pub(super) fn is_silent(&self) -> bool {
        self.prompt.is_some_and(|prompt| prompt.split(' ').any(|word| word == "none"))
    }

    /// The way back, which is known even where the way that the client wants is refused.
    pub(super) fn back(
        &self,
        client: ClientId,
        redirect_uri: RegisteredRedirectUri,
    ) -> (Back, Result<(), Refusal>) {
        let (mode, known) = match self.response_mode.map(ResponseMode::of) {
            None => (ResponseMode::default(), Ok(())),
            Some(Some(mode)) => (mode, Ok(())),
            Some(None) => (ResponseMode::default(), Err(UNKNOWN_MODE)),
        };
        (Back { client, redirect_uri, mode, state: self.state.map(str::to_owned) }, known)
    }
}

impl AuthorizationRequest {
    /// All that the user is asked for: what claims are asked for one by one belongs to a scope too.
    #[must_use]
    pub fn asked_scope(&self) -> ScopeSet {
        self.scope.union(&self.claims.requested.scope())
    }

    /// What the user is asked to allow beyond what stands in the request, as lines of text. A request that leaves out its
    /// scope asks for whatever its client is registered for by then, and a client may change its own registration.
    #[must_use]
    pub fn asked(&self) -> String {
        let resources: Vec<&str> = self.resources.iter().collect();
        format!("{}\n{}", self.asked_scope(), resources.join(" "))
    }

    /// What a login at a provider must say of when the user showed who they are.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        match self.max_age {
            _ if self.prompt.login => Freshness::Anew,
            None => Freshness::Any,
            Some(LONGEST_AGE) => Freshness::Told,
            Some(_) => Freshness::Anew,
        }
    }

    pub(super) fn check(
        client: Client,
        back: Back,
        params: &AuthorizationParams<'_>,
    ) -> Result<Self, Refusal> {
        require_served(params)?;
        if !client.may_use(GrantType::AuthorizationCode) {
            return Err(Refusal::new("unauthorized_client", "the client may not log users in"));
        }
        let scope = requested_scope(&client, params.scope)?;
        let nonce = params.nonce.map(str::to_owned);
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE) {
            return Err(invalid("nonce is longer than 512 bytes"));
        }
        let challenge = challenge(params)?;
        let is_exempt =
            !client.require_pkce && client.is_confidential() && nonce.is_some() && scope.contains(OPENID);
        if challenge.is_none() && !is_exempt {
            return Err(invalid("code_challenge is missing: this server requires PKCE with S256"));
        }
        let jkt = params.dpop_jkt.map(str::parse).transpose();
        let claims =
            params.claims.filter(|_| scope.contains(OPENID)).map(ClaimsRequest::parse).transpose()?;
        let mut claims = claims.unwrap_or_default();
        claims.requested.limit_to(&client);
        let needs_auth_time =
            claims.auth_time || client.extensions.require_auth_time && scope.contains(OPENID);
        Ok(Self {
            challenge,
            authorization_details: requested_details(&client, params.authorization_details)?,
            jkt: jkt.map_err(|_| invalid("dpop_jkt is not the base64url text of a SHA-256 digest"))?,
            prompt: prompt(params.prompt)?,
            max_age: max_age(params.max_age)?
                .or(default_max_age(&client))
                .or(needs_auth_time.then_some(LONGEST_AGE)),
            claims,
            contexts: WantedContexts::default(),
            login_hint: params.login_hint.filter(|hint| is_shown(hint)).map(str::to_owned),
            ui_locales: params.ui_locales.map(str::to_owned),
            client,
            back,
            scope,
            nonce,
            resources: GrantedResources::default(),
            hint: IdTokenHint::Absent,
            pushed: None,
            object: None,
        })
    }
}

const ODD_DETAILS: Refusal = Refusal::new(
    "invalid_authorization_details",
    "authorization_details is a JSON array of at most 8 objects and 1,500 bytes, each with a type",
);
const FOREIGN_DETAILS: Refusal = Refusal::new(
    "invalid_authorization_details",
    "the client may not ask for authorization details of this type",
);
const UNKNOWN_MODE: Refusal = invalid("response_mode is query, form_post, or one of them with .jwt");

/// What this server does at all.
fn require_served(params: &AuthorizationParams<'_>) -> Result<(), Refusal> {
    if params.request_uri.is_some() {
        return Err(Refusal::new("request_uri_not_supported", "request_uri is that of a pushed request"));
    }
    if params.registration.is_some() {
        return Err(Refusal::new("registration_not_supported", "registration is not served"));
    }
    match params.response_type {
        Some("code") => Ok(()),
        Some(_) => Err(Refusal::new("unsupported_response_type", "response_type is code")),
        None => Err(invalid("response_type is missing")),
    }
}

/// What is asked for and means something; left out, everything that the client is registered for.
pub(crate) fn requested_scope(client: &Client, asked: Option<&str>) -> Result<ScopeSet, Refusal> {
    let Some(asked) = asked else { return Ok(client.scope.clone()) };
    let asked: ScopeSet =
        asked.parse().map_err(|_| Refusal::new("invalid_scope", "the scope is no scope"))?;
    let mut granted = ScopeSet::default();
    for scope in asked.iter() {
        let allowed = match scope {
            _ if WITHOUT_MEANING.contains(&scope) && !client.scope.contains(scope) => continue,
            OFFLINE_ACCESS if !client.may_use(GrantType::RefreshToken) => continue,
            scope => client.may_ask_for(scope),
        };
        if !allowed {
            return Err(Refusal::new("invalid_scope", "the scope exceeds what the client may have"));
        }
        granted = granted.union(&scope.parse().unwrap_or_default());
    }
    Ok(granted)
}

/// What is asked for beyond scopes, of types that the client may ask for
/// ([RFC 9396 section 5](https://www.rfc-editor.org/rfc/rfc9396#section-5)).
pub(crate) fn requested_details(
    client: &Client,
    asked: Option<&str>,
) -> Result<AuthorizationDetails, Refusal> {
    let details =
        asked.map(AuthorizationDetails::parse).transpose().map_err(|_| ODD_DETAILS)?.unwrap_or_default();
    match details.are_of(&client.extensions.authorization_details_types) {
        true => Ok(details),
        false => Err(FOREIGN_DETAILS),
    }
}

fn challenge(params: &AuthorizationParams<'_>) -> Result<Option<CodeChallenge>, Refusal> {
    match (params.code_challenge, params.code_challenge_method) {
        (Some(challenge), method) => {
            CodeChallenge::parse(challenge, method).map(Some).map_err(|error| match error {
                InvalidCodeChallenge::Method => invalid("code_challenge_method must be S256"),
                _ => invalid("code_challenge is not the base64url text of a SHA-256 digest"),
            })
        }
        (None, Some(_)) => Err(invalid("code_challenge_method is there without code_challenge")),
        (None, None) => Ok(None),
    }
}

fn prompt(text: Option<&str>) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            // Another account is chosen by logging in with it.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(invalid("prompt is none, login, consent or select_account")),
        }
    }
    match prompt {
        Prompt { none: true, login, consent } if login || consent => {
            Err(invalid("prompt=none goes with nothing else"))
        }
        prompt => Ok(prompt),
    }
}

fn max_age(text: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let seconds = text.map(|text| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer ago than anything.
        true => Ok(text.parse().unwrap_or(u64::MAX)),
        false => Err(invalid("max_age is a number of seconds")),
    });
    Ok(seconds.transpose()?.map(|seconds| Duration::from_secs(seconds).min(LONGEST_AGE)))
}

fn default_max_age(client: &Client) -> Option<Duration> {
    let seconds = client.extensions.default_max_age?;
    Some(Duration::from_secs(seconds.into()).min(LONGEST_AGE))
}

fn is_shown(hint: &str) -> bool {
    hint.chars().count() <= MAX_HINT && !hint.chars().any(char::is_control)
}

const fn invalid(description: &'static str) -> Refusal {
    Refusal::new("invalid_request", description)
}

#[cfg(test)]
pub(super) mod tests {
    use gatepass_jose::Timestamp;

    use super::*;
    use crate::client::{ClientExtensions, Credential, SecretDigest};

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    pub(crate) fn client() -> Client {
        Client {
            id: "web".parse().unwrap(),
            name: "Web".into(),
            credential: Credential::Secret(SecretDigest([0; 32])),
            grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            scope: "orders:read orders:write".parse().unwrap(),
            audience: Vec::new(),
            redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
            post_logout_redirect_uris: Vec::new(),
            logout: crate::client::ClientLogout::default(),
            trusted: false,
            require_pkce: true,
            require_pushed: false,
            exchange: None,
            extensions: ClientExtensions::default(),
            disabled: false,
            created_at: Timestamp::EPOCH,
        }
    }

    fn params() -> AuthorizationParams<'static> {
        AuthorizationParams {
            response_type: Some("code"),
            scope: Some("openid orders:read"),
            code_challenge: Some(CHALLENGE),
            code_challenge_method: Some("S256"),
            ..AuthorizationParams::default()
        }
    }

    fn check(client: Client, params: &AuthorizationParams<'_>) -> Result<AuthorizationRequest, &'static str> {
        let uri = client.registered_redirect_uri("https://app.example.com/callback").unwrap();
        let (back, mode) = params.back(client.id.clone(), uri);
        mode.and_then(|()| AuthorizationRequest::check(client, back, params)).map_err(|refusal| refusal.error)
    }

    #[test]
    fn what_a_client_is_refused() {
        let no_pkce = AuthorizationParams { code_challenge: None, code_challenge_method: None, ..params() };
        let cases = [
            ("good", params(), None),
            (
                "no_response_type",
                AuthorizationParams { response_type: None, ..params() },
                Some("invalid_request"),
            ),
            (
                "token",
                AuthorizationParams { response_type: Some("token"), ..params() },
                Some("unsupported_response_type"),
            ),
            (
                "hybrid",
                AuthorizationParams { response_type: Some("code id_token"), ..params() },
                Some("unsupported_response_type"),
            ),
            (
                "fragment",
                AuthorizationParams { response_mode: Some("fragment"), ..params() },
                Some("invalid_request"),
            ),
            ("form_post", AuthorizationParams { response_mode: Some("form_post"), ..params() }, None),
            ("jwt", AuthorizationParams { response_mode: Some("jwt"), ..params() }, None),
            (
                "fragment_jwt",
                AuthorizationParams { response_mode: Some("fragment.jwt"), ..params() },
                Some("invalid_request"),
            ),
            ("no_pkce", no_pkce, Some("invalid_request")),
            (
                "no_pkce_but_nonce",
                AuthorizationParams { nonce: Some("n"), ..no_pkce },
                Some("invalid_request"),
            ),
            (
                "plain",
                AuthorizationParams { code_challenge_method: Some("plain"), ..params() },
                Some("invalid_request"),
            ),
            (
                "no_method_means_plain",
                AuthorizationParams { code_challenge_method: None, ..params() },
                Some("invalid_request"),
            ),
            (
                "method_alone",
                AuthorizationParams { code_challenge: None, ..params() },
                Some("invalid_request"),
            ),
            (
                "short_challenge",
                AuthorizationParams { code_challenge: Some("AAAA"), ..params() },
                Some("invalid_request"),
            ),
            (
                "too_much_scope",
                AuthorizationParams { scope: Some("openid orders:delete"), ..params() },
                Some("invalid_scope"),
            ),
            ("no_scope_at_all", AuthorizationParams { scope: Some("\""), ..params() }, Some("invalid_scope")),
            (
                "prompt_none_and_login",
                AuthorizationParams { prompt: Some("none login"), ..params() },
                Some("invalid_request"),
            ),
            (
                "prompt_unknown",
                AuthorizationParams { prompt: Some("dance"), ..params() },
                Some("invalid_request"),
            ),
            (
                "max_age_word",
                AuthorizationParams { max_age: Some("soon"), ..params() },
                Some("invalid_request"),
            ),
            (
                "max_age_negative",
                AuthorizationParams { max_age: Some("-1"), ..params() },
                Some("invalid_request"),
            ),
            (
                "max_age_huge",
                AuthorizationParams { max_age: Some("99999999999999999999999"), ..params() },
                None,
            ),
            (
                "request_uri",
                AuthorizationParams { request_uri: Some("x"), ..params() },
                Some("request_uri_not_supported"),
            ),
            (
                "registration",
                AuthorizationParams { registration: Some("{}"), ..params() },
                Some("registration_not_supported"),
            ),
        ];
        for (name, params, want) in cases {
            assert_eq!(check(client(), &params).err(), want, "{name}");
        }
        let mut machine = client();
        machine.grants = vec![GrantType::ClientCredentials];
        assert_eq!(check(machine, &params()).err(), Some("unauthorized_client"));
        let huge = "n".repeat(MAX_NONCE + 1);
        let nonce = AuthorizationParams { nonce: Some(&huge), ..params() };
        assert_eq!(check(client(), &nonce).err(), Some("invalid_request"));
    }

    #[test]
    fn only_a_confidential_client_with_nonce_and_openid_can_be_exempt_from_pkce() {
        let without = AuthorizationParams { code_challenge: None, code_challenge_method: None, ..params() };
        let exempt = || Client { require_pkce: false, ..client() };
        let nonce = AuthorizationParams { nonce: Some("n"), ..without };
        let cases = [
            ("exempt_with_nonce", exempt(), nonce, true),
            ("without_nonce", exempt(), without, false),
            ("without_openid", exempt(), AuthorizationParams { scope: Some("orders:read"), ..nonce }, false),
            ("public", Client { credential: Credential::None, ..exempt() }, nonce, false),
            ("not_exempt", client(), nonce, false),
        ];
        for (name, client, params, want) in cases {
            assert_eq!(check(client, &params).is_ok(), want, "{name}");
        }
    }

    #[test]
    fn what_of_the_scope_is_left() {
        let cases = [
            ("registered", Some("orders:read"), "orders:read"),
            ("identity", Some("openid profile offline_access"), "offline_access openid profile"),
            ("nothing_known_for_it", Some("openid email phone address"), "email openid"),
            ("left_out", None, "orders:read orders:write"),
        ];
        for (name, scope, want) in cases {
            let request = check(client(), &AuthorizationParams { scope, ..params() }).unwrap();
            assert_eq!(request.scope.to_string(), want, "{name}");
        }
        let no_refresh = Client { grants: vec![GrantType::AuthorizationCode], ..client() };
        let request =
            check(no_refresh, &AuthorizationParams { scope: Some("openid offline_access"), ..params() });
        assert_eq!(request.unwrap().scope.to_string(), "openid");
    }

    #[test]
    fn how_old_a_login_may_be() {
        let of_client = |default_max_age, require_auth_time| Client {
            extensions: ClientExtensions {
                default_max_age,
                require_auth_time,
                ..ClientExtensions::default()
            },
            ..client()
        };
        let essential = Some(r#"{"id_token":{"auth_time":{"essential":true}}}"#);
        let oauth = || AuthorizationParams { scope: Some("orders:read"), ..params() };
        let asking = |max_age| AuthorizationParams { max_age: Some(max_age), ..params() };
        let (longest, seconds) = (Some(LONGEST_AGE), |seconds| Some(Duration::from_secs(seconds)));
        let cases = [
            ("any_age", of_client(None, false), params(), None),
            ("asked_for", of_client(None, false), asking("60"), seconds(60)),
            ("registered", of_client(Some(300), false), params(), seconds(300)),
            ("registered_without_openid", of_client(Some(300), false), oauth(), seconds(300)),
            ("registered_zero", of_client(Some(0), false), params(), seconds(0)),
            ("registered_for_ever", of_client(Some(u32::MAX), false), params(), longest),
            ("less_asked_for", of_client(Some(300), false), asking("60"), seconds(60)),
            ("more_asked_for", of_client(Some(300), false), asking("600"), seconds(600)),
            ("known_at_all", of_client(None, true), params(), longest),
            ("known_at_all_and_asked_for", of_client(None, true), asking("60"), seconds(60)),
            ("known_at_all_and_registered", of_client(Some(300), true), params(), seconds(300)),
            ("no_id_token_to_tell_it", of_client(None, true), oauth(), None),
            (
                "essential",
                of_client(None, false),
                AuthorizationParams { claims: essential, ..params() },
                longest,
            ),
        ];
        for (name, client, params, want) in cases {
            assert_eq!(check(client, &params).unwrap().max_age, want, "{name}");
        }
    }
}

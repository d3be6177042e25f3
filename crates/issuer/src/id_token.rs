//! ID tokens and what the userinfo endpoint says
//! ([OpenID Connect Core 1.0](https://openid.net/specs/openid-connect-core-1_0.html)).

use std::collections::BTreeSet;

use gatepass_jose::{Audience, Claims, NumericDate, Registered, Timestamp, Typ, decode_unverified, not_null};
use gatepass_token::{ScopeSet, at_hash, c_hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authorize::{EMAIL_ADDRESS, EMAIL_VERIFIED, NAME, PREFERRED_USERNAME, ROLES_CLAIM};
use crate::binding::Possession;
use crate::client::{Client, EMAIL, OPENID, PROFILE, ROLES, Told};
use crate::id::{ClientId, SessionId};
use crate::issuer::Issuer;
use crate::mint::MintError;
use crate::response::{ResponseError, ResponseWriter};
use crate::session::Session;
use crate::sessions::BearerError;
use crate::store::StoreError;
use crate::user::{RoleName, User};

/// The `typ` of an ID token: what keeps it from passing for an access token.
const ID_TOKEN: Typ = Typ::new("JWT");

/// The authentication context class of a login with a password.
pub const ACR_PASSWORD: &str = "urn:gatepass:acr:password";

/// The claims of an ID token
/// ([OpenID Connect Core 1.0 section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
#[derive(Serialize)]
struct IdClaims<'c> {
    iss: &'c str,
    sub: String,
    aud: &'c str,
    exp: NumericDate,
    iat: NumericDate,
    /// What a provider has not said is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'c str>,
    acr: &'static str,
    /// What a provider has asked the user for is the provider's to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c_hash: Option<String>,
    sid: String,
    #[serde(flatten)]
    scoped: ScopedClaims,
}

/// The claims that the scopes `profile`, `email` and `gatepass:roles` open
/// ([OpenID Connect Core 1.0 section 5.4](https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct ScopedClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    /// As in access tokens (RFC 9068 section 2.2.3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<RoleName>>,
}

/// What the userinfo endpoint says of a user
/// ([OpenID Connect Core 1.0 section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserClaims {
    sub: String,
    #[serde(flatten)]
    scoped: ScopedClaims,
}

/// The same with what a signature needs. Without `exp`, it cannot pass for an ID token.
#[derive(Serialize)]
struct SignedUserClaims<'c> {
    iss: &'c str,
    aud: &'c str,
    iat: NumericDate,
    #[serde(flatten)]
    claims: &'c UserClaims,
}

/// The userinfo endpoint's answer, in the form that the client is registered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserInfoResponse {
    /// `application/json`.
    Claims(UserClaims),
    /// `application/jwt`: signed, and encrypted for the client where it wants that.
    Jwt(String),
}

/// Why the userinfo endpoint says nothing.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UserClaimsError {
    /// The access token does not hold.
    #[error(transparent)]
    Bearer(#[from] BearerError),
    /// It holds and has not the scope `openid`.
    #[error("the access token does not have the scope openid")]
    Scope,
    /// It speaks for nobody who can log in.
    #[error("the access token speaks for no user")]
    Nobody,
    /// The answer could not be signed, or encrypted for the client.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came as `id_token_hint`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdTokenHint {
    /// Nothing: the client expects nobody.
    #[default]
    Absent,
    /// Something that does not say whom the client expects: no ID token of this issuer's, or signed with a key that is not
    /// known any more, or was withdrawn.
    Unreadable,
    /// An ID token of this issuer's.
    Read(Hint),
}

/// What an ID token that comes back as a hint says, verified but for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What the client calls the user.
    pub subject: String,
    /// The client it was made for.
    pub client: ClientId,
    /// The client's session.
    pub session: Option<SessionId>,
}

#[derive(Deserialize)]
struct HintClaims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    iat: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    sid: Option<SessionId>,
}

impl Claims for HintClaims {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: None,
        }
    }
}

impl ScopedClaims {
    /// What the scope opens, and what was asked for besides. Of a user without a name or an address, nothing is said of one.
    /// A client that may not ask for roles any more is told none.
    fn of(user: &User, client: Option<&Client>, scope: &ScopeSet, requested: &BTreeSet<String>) -> Self {
        let shown = |by_scope, claim| scope.contains(by_scope) || requested.contains(claim);
        let email = user.email.as_ref();
        let (address, verified) = (shown(EMAIL, EMAIL_ADDRESS), shown(EMAIL, EMAIL_VERIFIED));
        let roles = client.is_some_and(|client| client.may_ask_for(ROLES)) && shown(ROLES, ROLES_CLAIM);
        let name = user.name.as_ref().filter(|_| shown(PROFILE, NAME));
        Self {
            name: name.map(|name| name.as_str().to_owned()),
            preferred_username: shown(PROFILE, PREFERRED_USERNAME).then(|| user.username.as_str().to_owned()),
            email: email.filter(|_| address).map(|email| email.address.as_str().to_owned()),
            email_verified: email.filter(|_| verified).map(|email| email.verified),
            roles: roles.then(|| user.roles.clone()),
        }
    }
}

/// The login that an ID token tells a client of.
pub(crate) struct IdTokenOf<'l> {
    /// The client.
    pub(crate) client: &'l Client,
    /// What was granted.
    pub(crate) scope: &'l ScopeSet,
    /// What was granted of the user besides.
    pub(crate) claims: &'l BTreeSet<String>,
    /// What the client wants to see again.
    pub(crate) nonce: Option<&'l str>,
    /// The authorization code that it is given for, where there is one.
    pub(crate) code: Option<&'l str>,
}

impl Issuer {
    /// The ID token that goes with an access token, if the scope asks for one, written by `writer`.
    pub(crate) fn id_token(
        &self,
        login: &IdTokenOf<'_>,
        writer: &ResponseWriter,
        session: &Session,
        user: &User,
        access_token: &str,
        now: Timestamp,
    ) -> Result<Option<String>, MintError> {
        if !login.scope.contains(OPENID) {
            return Ok(None);
        }
        let claims = IdClaims {
            iss: self.config.issuer.as_str(),
            sub: self.subject(Some(login.client), user.id),
            aud: login.client.id.as_str(),
            exp: now.saturating_add(self.config.access_token_lifetime).into(),
            iat: now.into(),
            auth_time: session.auth_time.map(Into::into),
            nonce: login.nonce,
            acr: session.acr(),
            amr: session.provider.is_none().then_some(["pwd"]),
            at_hash: at_hash(writer.alg(), access_token),
            c_hash: login.code.and_then(|code| c_hash(writer.alg(), code)),
            sid: session.id.to_string(),
            scoped: ScopedClaims::of(user, Some(login.client), login.scope, login.claims),
        };
        writer.write(&ID_TOKEN, &claims).map(Some)
    }

    /// Reads an ID token of this issuer that comes back as a hint, expired or not
    /// ([OpenID Connect RP-Initiated Logout 1.0 section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
    /// A key that signed it counts for as long as its login may live.
    pub(crate) fn read_hint(&self, id_token: Option<&str>) -> IdTokenHint {
        match id_token.map(|id_token| self.verify_hint(id_token)) {
            None => IdTokenHint::Absent,
            Some(None) => IdTokenHint::Unreadable,
            Some(Some(hint)) => IdTokenHint::Read(hint),
        }
    }

    fn verify_hint(&self, id_token: &str) -> Option<Hint> {
        let unverified = decode_unverified(id_token).ok()?.unverified_claims::<HintClaims>().ok()?;
        let audience = unverified.aud.iter().next()?.to_owned();
        let verifier = self.ring.load().hint_verifier(ID_TOKEN, &audience, &self.retired_keys.load())?;
        // As of the moment that it says it was made: the signature covers that too.
        let verified = verifier.verify::<HintClaims>(id_token, unverified.iat.0).ok()?;
        let (client, session) = (audience.parse().ok()?, verified.sid);
        Some(Hint { subject: verified.into_claims().sub, client, session })
    }

    /// What the userinfo endpoint says to whoever holds `access_token` and, where it is bound to a key, shows that
    /// with `proof`, which is `None` for a token that was sent as `Bearer`. Any audience will do: the token is
    /// shown to its own issuer, and opens nothing here but its user's claims.
    ///
    /// # Errors
    /// [`UserClaimsError`].
    pub async fn user_claims(
        &self,
        access_token: &str,
        shown: Possession<'_>,
        now: Timestamp,
    ) -> Result<UserInfoResponse, UserClaimsError> {
        let verified = self.verify_own(access_token, now)?;
        self.require_possession(&verified, access_token, shown, now).await?;
        if !verified.scope.contains(OPENID) {
            return Err(UserClaimsError::Scope);
        }
        let session = match verified.sid.as_deref().and_then(|sid| sid.parse().ok()) {
            Some(sid) => self.store.find_session(sid).await?,
            None => None,
        };
        // A pairwise subject says nothing to us either, but its session does.
        let id = verified.sub.parse().ok().or(session.as_ref().map(|session| session.user));
        let id = id.ok_or(UserClaimsError::Nobody)?;
        let user = self.store.find_user(id).await?.filter(|user| !user.disabled);
        let user = user.ok_or(UserClaimsError::Nobody)?;
        // Of a token that somebody exchanged, the session is another client's.
        let session = session.filter(|session| session.client.as_str() == verified.client_id);
        let requested = session.map(|session| session.claims.userinfo).unwrap_or_default();
        // The operator's own apps are registered nowhere.
        let client = match verified.client_id.parse() {
            Ok(id) => self.client_of(&id, now).await?,
            Err(_) => None,
        };
        let claims = UserClaims {
            sub: self.subject(client.as_ref(), user.id),
            scoped: ScopedClaims::of(&user, client.as_ref(), &verified.scope, &requested),
        };
        let told = client.filter(|client| client.extensions.responses.is_jwt(Told::UserInfo));
        let Some(client) = told else { return Ok(UserInfoResponse::Claims(claims)) };
        let writer = self.response_writer(&client, Told::UserInfo, now).await?;
        let iss = self.config.issuer.as_str();
        let signed = SignedUserClaims { iss, aud: client.id.as_str(), iat: now.into(), claims: &claims };
        Ok(UserInfoResponse::Jwt(writer.write(&ID_TOKEN, &signed).map_err(ResponseError::from)?))
    }
}

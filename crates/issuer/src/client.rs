//! OAuth clients ([RFC 6749 section 2](https://www.rfc-editor.org/rfc/rfc6749#section-2)).

mod acr_values;
mod keys;
mod logout;
mod responses;

use std::borrow::Cow;
use std::fmt;

use gatepass_jose::{Alg, Timestamp, base64url};
use gatepass_token::ScopeSet;
use serde::{Deserialize, Serialize};

use crate::certificate::RegisteredCertificate;
use crate::id::ClientId;
use crate::profile::Profile;
use crate::redirect_uri::{RedirectUri, RegisteredRedirectUri};
use crate::subject::SubjectType;

pub use self::acr_values::{AcrValues, InvalidAcrValues};
pub(crate) use self::keys::encryption_key;
pub use self::keys::{ClientKeySource, ClientKeys, InvalidClientKeys, TwoKeySources};
pub use self::logout::{ClientLogout, InvalidNotificationUri, NotificationUri};
pub use self::responses::{
    ChangeResponses, ENCRYPTION_ALGS, ENCRYPTION_ENCS, InvalidEncryption, ResponseFormats,
};
pub(crate) use self::responses::{Encryption, Told};

/// The scope that makes a request one of OpenID Connect: it gives an ID token and opens the userinfo
/// endpoint.
pub const OPENID: &str = "openid";
/// The scope for what the user is called.
pub const PROFILE: &str = "profile";
/// The scope for the user's e-mail address.
pub const EMAIL: &str = "email";
/// The scope that gives a refresh token, which outlives the login.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The scope for the roles that the user holds. What they are called is the operator's business, who says by registering
/// a client for it whether that may ask. No resource server's scope has such a name.
pub const ROLES: &str = "gatepass:roles";
/// The scopes about the user that any client which logs users in may ask for.
pub const IDENTITY_SCOPES: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];
/// All the scopes that are about the user and not about a resource server.
pub const USER_SCOPES: [&str; 5] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS, ROLES];

/// The grants that log users in, and so give ID tokens.
pub(crate) const LOGIN_GRANTS: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::DeviceCode];

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// What people call it.
    pub name: String,
    /// How it proves who it is.
    pub credential: Credential,
    /// The grants it may use.
    pub grants: Vec<GrantType>,
    /// The most it may ask for.
    pub scope: ScopeSet,
    /// The audiences it may ask for; empty: the issuer's default resource server.
    pub audience: Vec<String>,
    /// Where browsers may be sent back to with a code.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent to after a logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it hears of logouts.
    pub logout: ClientLogout,
    /// Whether it is the operator's own: its users are not asked for consent.
    pub trusted: bool,
    /// Whether it must show a code challenge. Only a confidential client that uses `nonce` can do without
    /// (OAuth 2.1 section 7.5.1).
    pub require_pkce: bool,
    /// Whether its authorization requests must have been pushed
    /// ([RFC 9126 section 6](https://www.rfc-editor.org/rfc/rfc9126#section-6)).
    pub require_pushed: bool,
    /// What tokens it may exchange for which; `None`: none.
    pub exchange: Option<ExchangePolicy>,
    /// What it has registered beyond that.
    pub extensions: ClientExtensions,
    /// A disabled client gets nothing.
    pub disabled: bool,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl Client {
    /// The proof that `requested` is one of the redirect URIs; see [`RedirectUri::matches`].
    #[must_use]
    pub fn registered_redirect_uri(&self, requested: &str) -> Option<RegisteredRedirectUri> {
        self.redirect_uris.iter().find_map(|registered| registered.matches(requested))
    }

    /// The most that it can have of a user as it is registered now: a session that was granted more before
    /// must not keep it.
    #[must_use]
    pub fn most_of_a_user(&self) -> ScopeSet {
        let identity: ScopeSet = IDENTITY_SCOPES.iter().filter_map(|scope| scope.parse().ok()).collect();
        self.scope.union(&identity)
    }

    /// Whether it may ask users for that scope, as it is registered now.
    pub(crate) fn may_ask_for(&self, scope: &str) -> bool {
        IDENTITY_SCOPES.contains(&scope) || self.scope.contains(scope)
    }

    /// What people are told that it is called. Of a client that nobody has registered the host is all that is certain:
    /// the name it has given itself.
    #[must_use]
    pub fn shown_name(&self) -> Cow<'_, str> {
        match self.id.host() {
            "" => Cow::Borrowed(&self.name),
            host => Cow::Owned(format!("{host} (\u{201c}{}\u{201d})", self.name)),
        }
    }

    /// Its public keys: those that it authenticates with, or else those that it has registered beside another way.
    #[must_use]
    pub fn keys(&self) -> Option<&ClientKeySource> {
        match &self.credential {
            Credential::Keys(keys) => Some(keys),
            _ => self.extensions.keys.as_ref(),
        }
    }

    /// The algorithms of what it signs with keys of its own, those that it has registered first, then those of `profile`: a
    /// key that does not say its algorithm is bound to the first that it is good for.
    pub(crate) fn signing_algs(&self, profile: Profile) -> Vec<Alg> {
        let (within, beyond): (Vec<_>, Vec<_>) = ClientKeys::algs().partition(|alg| profile.takes(*alg));
        self.extensions.registered_algs().chain(within).chain(beyond).collect()
    }

    /// Whether it can keep a secret, and so prove who it is.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.credential != Credential::None
    }

    /// Whether it is registered for a grant.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether it is registered for a grant that gives ID tokens.
    pub(crate) fn logs_users_in(&self) -> bool {
        LOGIN_GRANTS.iter().any(|grant| self.may_use(*grant))
    }
}

/// What extensions of OAuth let a client register, under their own names; each member left out is the extension's
/// default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientExtensions {
    /// Whether it gets no access token that is not bound to a key
    /// ([RFC 9449 section 5.2](https://www.rfc-editor.org/rfc/rfc9449#section-5.2)).
    pub dpop_bound_access_tokens: bool,
    /// Whether its access tokens are bound to the certificate of its TLS connection, which it must show
    /// ([RFC 8705 section 3.4](https://www.rfc-editor.org/rfc/rfc8705#section-3.4)).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// Whether it must sign its authorization requests
    /// ([RFC 9101 section 10.5](https://www.rfc-editor.org/rfc/rfc9101#section-10.5)).
    pub require_signed_request_object: bool,
    /// The types of authorization details that it may ask for
    /// ([RFC 9396 section 10](https://www.rfc-editor.org/rfc/rfc9396#section-10)).
    pub authorization_details_types: Vec<String>,
    /// How its users are called.
    pub subject_type: SubjectType,
    /// Where the redirect URIs of its sector are listed
    /// ([OpenID Connect Core 1.0 section 8.1](https://openid.net/specs/openid-connect-core-1_0.html#PairwiseAlg)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<NotificationUri>,
    /// How long ago its users may have logged in, in seconds, where a request has no `max_age`
    /// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Whether its ID tokens always say when their user logged in.
    pub require_auth_time: bool,
    /// How it would like its users to log in, where a request asks for no `acr` in any way.
    #[serde(skip_serializing_if = "AcrValues::is_empty")]
    pub default_acr_values: AcrValues,
    /// Public keys of a client that does not authenticate with them: to sign requests with, and to be encrypted for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<ClientKeySource>,
    /// The only algorithm of its assertions; `None`: any that one of its keys is for
    /// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Alg>,
    /// Whether its assertions may be for an endpoint of this server's in place of the issuer, as
    /// [RFC 7523](https://www.rfc-editor.org/rfc/rfc7523#section-3) allowed and many libraries write them. Not under FAPI 2.0.
    pub endpoint_audience: bool,
    /// The only algorithm of its request objects; `None`: any that one of its keys is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Alg>,
    /// In which form it is told things.
    pub responses: ResponseFormats,
}

impl ClientExtensions {
    /// The algorithms that it has said it signs with.
    pub(crate) fn registered_algs(&self) -> impl Iterator<Item = Alg> + use<> {
        self.token_endpoint_auth_signing_alg.into_iter().chain(self.request_object_signing_alg)
    }
}

/// How a client proves who it is, in the one way that it is registered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Not at all: a public client.
    None,
    /// By a secret that it sends: `client_secret_basic` and `client_secret_post`.
    Secret(SecretDigest),
    /// By assertions under a secret that it never sends: `client_secret_jwt`.
    SharedSecret(SealedSecret),
    /// By assertions under keys of its own: `private_key_jwt`.
    Keys(ClientKeySource),
    /// By the certificate of its TLS connection: `tls_client_auth` and `self_signed_tls_client_auth`.
    Certificate(RegisteredCertificate),
}

/// The grants that a client may be registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// [RFC 6749 section 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1).
    AuthorizationCode,
    /// [RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).
    ClientCredentials,
    /// [RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
    RefreshToken,
    /// [RFC 8628](https://www.rfc-editor.org/rfc/rfc8628).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// [RFC 7523 section 2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
    /// [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693), within the client's [`ExchangePolicy`].
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// What a client may do by token exchange ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangePolicy {
    /// The audiences that it may exchange tokens for.
    #[serde(rename = "for")]
    pub audience: Vec<String>,
    /// The audiences of the tokens that it may exchange: those of the resource servers that it stands for,
    /// which are sent such tokens anyway. Empty: the issuer's default resource server.
    #[serde(default)]
    pub from: Vec<String>,
    /// Whether it may pass for the subject: what it gets then does not say that it acts.
    #[serde(default)]
    pub impersonate: bool,
}

/// A client secret: 32 random bytes as base64url, shown once when it is made.
///
/// Because it is random, not chosen by a person, a fast keyed hash keeps it as safe as a slow one
/// would: there is nothing to guess.
#[derive(Clone)]
pub struct ClientSecret(zeroize::Zeroizing<String>);

impl ClientSecret {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(base64url::encode(bytes)))
    }

    /// The text, to be handed to the client's operator once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// The keyed hash of a [`ClientSecret`], as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretDigest(pub [u8; 32]);

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

/// A [`ClientSecret`] that the issuer must know to verify what is signed with it, encrypted for the store.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(pub Vec<u8>);

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(..)")
    }
}

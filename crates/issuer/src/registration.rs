//! Dynamic client registration ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591)) and its management
//! ([RFC 7592](https://www.rfc-editor.org/rfc/rfc7592)).
//!
//! Not everybody registers here: an operator gives out initial access tokens, each for some registrations within some
//! time, of clients that may do no more than its policy says. Whoever has registered manages the registration with a
//! token of its own, which is another after every change. The store has keyed hashes of both kinds.

mod manage;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use gatepass_jose::{Timestamp, base64url};
use gatepass_token::ScopeSet;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::admin::{AdminError, NewClient, NewCredential, SignOnClient};
use crate::authorize::WITHOUT_MEANING;
use crate::client::{
    Client, ClientExtensions, ClientLogout, ClientSecret, GrantType, IDENTITY_SCOPES, LOGIN_GRANTS,
    NotificationUri,
};
use crate::config::ISSUER_SCOPES;
use crate::id::ClientId;
use crate::mint::MintError;
use crate::redirect_uri::RedirectUri;
use crate::secrets::SecretError;
use crate::sessions::{InternalError, internal_from};
use crate::store::StoreError;

/// The grants of a policy that names none: a user is asked for each.
pub const DEFAULT_GRANTS: [GrantType; 3] =
    [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];

/// The most registrations that one initial access token is good for.
const MAX_USES: u32 = 10_000;
/// The longest that one lives.
const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// An initial access token, or a registration access token: 32 random bytes. Wiped when dropped, and shows nothing in
/// `Debug`.
#[derive(Clone)]
pub struct RegistrationToken(Zeroizing<String>);

impl RegistrationToken {
    /// `gpi_…`: for registrations.
    pub(crate) fn initial(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!("gpi_{}", base64url::encode(bytes))))
    }

    /// `gpm_…`: for the management of one.
    pub(crate) fn management(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!("gpm_{}", base64url::encode(bytes))))
    }

    /// One that a client has shown, and that opened its registration.
    fn shown(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text: shown when it is made, and to whoever shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationToken(..)")
    }
}

/// The keyed hash of a [`RegistrationToken`], as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RegistrationTokenDigest(pub [u8; 32]);

impl fmt::Debug for RegistrationTokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationTokenDigest(..)")
    }
}

/// What clients may do at most that register with a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationPolicy {
    /// The scope that they may ask for.
    pub scope: ScopeSet,
    /// The grants that they may use.
    pub grants: Vec<GrantType>,
    /// The resource servers that they may ask for, the first of which is their default; empty: the issuer's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// The types of authorization details that they may ask for
    /// ([RFC 9396 section 10](https://www.rfc-editor.org/rfc/rfc9396#section-10)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types: Vec<String>,
}

/// An initial access token's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccessToken {
    /// How it is found.
    pub digest: RegistrationTokenDigest,
    /// What it is called in lists; it opens nothing.
    pub id: String,
    /// What may be registered with it.
    pub policy: RegistrationPolicy,
    /// How often it can still be used.
    pub uses_left: u32,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An initial access token to be made.
#[derive(Clone, Debug)]
pub struct NewInitialAccessToken {
    /// What may be registered with it.
    pub policy: RegistrationPolicy,
    /// How often it can be used.
    pub uses: u32,
    /// For how long.
    pub lifetime: Duration,
}

/// A client's registration by itself: its row beside the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The client.
    pub client: ClientId,
    /// What it is managed with.
    pub digest: RegistrationTokenDigest,
    /// What it may be changed to at most.
    pub policy: RegistrationPolicy,
}

/// What a client says of itself ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
#[derive(Clone, Debug)]
pub struct ClientMetadata {
    /// What people call it.
    pub name: Option<String>,
    /// How it is to prove who it is.
    pub credential: NewCredential,
    /// The grants that it wants to use.
    pub grants: Vec<GrantType>,
    /// The scope that it wants to ask for; `None`: all that there is for it.
    pub scope: Option<ScopeSet>,
    /// Where browsers may be sent back to with a code.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent to after a logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it gets logout tokens.
    pub backchannel_logout_uri: Option<NotificationUri>,
    /// What the browser opens in a frame of the logout page.
    pub frontchannel_logout_uri: Option<NotificationUri>,
    /// Whether it must push its authorization requests.
    pub require_pushed: bool,
    /// The types of authorization details that it wants to ask for; `None`: it says nothing of them.
    pub authorization_details_types: Option<Vec<String>>,
    /// What it registers beyond that.
    pub extensions: ClientExtensions,
}

/// A client that has registered itself.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, where it was made just now.
    pub secret: Option<ClientSecret>,
    /// What its registration is managed with from now on.
    pub token: RegistrationToken,
}

/// Why a registration is not made, shown, changed or removed
/// ([RFC 7591 section 3.2.2](https://www.rfc-editor.org/rfc/rfc7591#section-3.2.2)).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The token opens nothing here, or not any more.
    #[error("the token does not allow this registration")]
    Token,
    /// A redirect URI is refused, or there is none.
    #[error("{0}")]
    RedirectUri(String),
    /// Something else that the client says of itself is refused.
    #[error("{0}")]
    Metadata(Cow<'static, str>),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

internal_from!(RegistrationError);

impl From<AdminError> for RegistrationError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            AdminError::Secret(error) => error.into(),
            AdminError::NoRedirectUri => Self::RedirectUri(error.to_string()),
            error => Self::Metadata(error.to_string().into()),
        }
    }
}

impl RegistrationPolicy {
    /// What a client may be that says this of itself.
    pub(crate) fn allow(&self, mut metadata: ClientMetadata) -> Result<NewClient, RegistrationError> {
        if !metadata.grants.iter().all(|grant| self.grants.contains(grant)) {
            let why = "grant_types has one that the initial access token does not allow";
            return Err(RegistrationError::Metadata(why.into()));
        }
        if !metadata.credential.signs_assertions() {
            metadata.extensions.token_endpoint_auth_signing_alg = None; // of no meaning, and said by libraries all the same
        }
        if let Some(types) = &metadata.authorization_details_types {
            metadata.extensions.authorization_details_types = self.details_types_of(types)?;
        }
        Ok(NewClient {
            id: None,
            scope: self.scope_of(&metadata)?,
            name: metadata.name.unwrap_or_else(|| "unnamed".to_owned()),
            credential: metadata.credential,
            grants: metadata.grants,
            audience: self.audience.clone(),
            sign_on: SignOnClient {
                redirect_uris: metadata.redirect_uris,
                post_logout_redirect_uris: metadata.post_logout_redirect_uris,
                logout: ClientLogout {
                    backchannel: metadata.backchannel_logout_uri,
                    frontchannel: metadata.frontchannel_logout_uri,
                },
                require_pushed: metadata.require_pushed,
                ..SignOnClient::default()
            },
            exchange: None,
            extensions: metadata.extensions,
        })
    }

    fn details_types_of(&self, asked: &[String]) -> Result<Vec<String>, RegistrationError> {
        let known = &self.authorization_details_types;
        if !asked.iter().all(|one| known.contains(one)) {
            let why = "authorization_details_types has one that the initial access token does not allow";
            return Err(RegistrationError::Metadata(why.into()));
        }
        Ok(known.iter().filter(|one| asked.contains(one)).cloned().collect())
    }

    /// Scopes about the user are every client's that logs users in, and those without meaning are passed over.
    fn scope_of(&self, metadata: &ClientMetadata) -> Result<ScopeSet, RegistrationError> {
        let Some(asked) = &metadata.scope else { return Ok(self.scope.clone()) };
        let logs_in = metadata.grants.iter().any(|grant| LOGIN_GRANTS.contains(grant));
        let mut scope = ScopeSet::default();
        for one in asked.iter() {
            match one {
                one if self.scope.contains(one) || logs_in && IDENTITY_SCOPES.contains(&one) => {
                    scope = scope.union(&one.parse().unwrap_or_default());
                }
                one if WITHOUT_MEANING.contains(&one) => {}
                _ => {
                    let why = "scope is more than the initial access token allows";
                    return Err(RegistrationError::Metadata(why.into()));
                }
            }
        }
        Ok(scope)
    }
}

impl NewInitialAccessToken {
    /// Whether it can be made.
    fn require_bounded(&self) -> Result<(), AdminError> {
        let forbidden =
            |grant: &GrantType| !DEFAULT_GRANTS.contains(grant) && *grant != GrantType::ClientCredentials;
        if self.policy.grants.iter().any(forbidden) {
            return Err(AdminError::NotRegistrable("grant_types", "clients cannot register for that grant"));
        }
        // The issuer sends requests where receivers of signals want them.
        if ISSUER_SCOPES.iter().any(|own| self.policy.scope.contains(own)) {
            let why = "administrators and receivers of signals do not register themselves";
            return Err(AdminError::NotRegistrable("scope", why));
        }
        if !(1..=MAX_USES).contains(&self.uses) {
            return Err(AdminError::NotRegistrable("uses", "it is 1 to 10,000"));
        }
        if self.lifetime.is_zero() || self.lifetime > MAX_LIFETIME {
            return Err(AdminError::NotRegistrable("expires_in", "it is 1 second to 90 days"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(scope: Option<&str>, grants: &[GrantType]) -> ClientMetadata {
        ClientMetadata {
            name: None,
            credential: NewCredential::None,
            grants: grants.to_vec(),
            scope: scope.map(|scope| scope.parse().unwrap()),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            frontchannel_logout_uri: None,
            require_pushed: false,
            authorization_details_types: None,
            extensions: ClientExtensions::default(),
        }
    }

    #[test]
    fn a_client_gets_no_more_than_the_policy_allows() {
        let policy = RegistrationPolicy {
            scope: "orders:read orders:write".parse().unwrap(),
            grants: vec![GrantType::AuthorizationCode, GrantType::ClientCredentials],
            audience: Vec::new(),
            authorization_details_types: vec!["payment".into(), "account".into()],
        };
        let (code, machine) = (&[GrantType::AuthorizationCode][..], &[GrantType::ClientCredentials][..]);
        let cases = [
            ("left_out", None, code, Some("orders:read orders:write")),
            ("a_part", Some("orders:read"), code, Some("orders:read")),
            ("about_the_user", Some("openid profile orders:read"), code, Some("openid orders:read profile")),
            ("without_meaning", Some("openid phone"), code, Some("openid")),
            ("more", Some("orders:read orders:delete"), code, None),
            ("admin", Some("gatepass:admin"), code, None),
            ("a_machine", Some("orders:read"), machine, Some("orders:read")),
            ("a_machine_is_no_user", Some("openid"), machine, None),
            ("another_grant", None, &[GrantType::DeviceCode][..], None),
            ("one_of_two", None, &[GrantType::AuthorizationCode, GrantType::TokenExchange][..], None),
        ];
        for (name, scope, grants, want) in cases {
            let allowed = policy.allow(metadata(scope, grants));
            assert_eq!(allowed.ok().map(|client| client.scope.to_string()).as_deref(), want, "{name}");
        }
        let types = [
            (None, Some(vec![])),
            (Some(vec!["payment"]), Some(vec!["payment"])),
            (Some(vec!["account", "payment", "account"]), Some(vec!["payment", "account"])),
            (Some(vec![]), Some(vec![])),
            (Some(vec!["payment", "health"]), None),
        ];
        for (asked, want) in types {
            let asked = asked.map(|types| types.into_iter().map(str::to_owned).collect::<Vec<_>>());
            let metadata =
                ClientMetadata { authorization_details_types: asked.clone(), ..metadata(None, code) };
            let allowed = policy.allow(metadata).ok().map(|new| new.extensions.authorization_details_types);
            let want = want.map(|types: Vec<&str>| types.into_iter().map(str::to_owned).collect());
            assert_eq!(allowed, want, "{asked:?}");
        }
        let client = policy.allow(metadata(None, code)).unwrap();
        assert!(client.sign_on.require_pkce && !client.sign_on.trusted && client.exchange.is_none());
    }

    #[test]
    fn what_an_initial_access_token_cannot_be() {
        let new = |scope: &str, grant, uses, secs| NewInitialAccessToken {
            policy: RegistrationPolicy {
                scope: scope.parse().unwrap(),
                grants: vec![grant],
                audience: Vec::new(),
                authorization_details_types: Vec::new(),
            },
            uses,
            lifetime: Duration::from_secs(secs),
        };
        let code = GrantType::AuthorizationCode;
        let cases = [
            ("good", new("a", code, 1, 1), true),
            ("machines", new("a", GrantType::ClientCredentials, 10_000, 7_776_000), true),
            ("exchange", new("a", GrantType::TokenExchange, 1, 1), false),
            ("admin", new("a gatepass:admin", code, 1, 1), false),
            ("receiver", new("ssf.manage", GrantType::ClientCredentials, 1, 1), false),
            ("no_use", new("a", code, 0, 1), false),
            ("endless_uses", new("a", code, 10_001, 1), false),
            ("no_time", new("a", code, 1, 0), false),
            ("endless", new("a", code, 1, 7_776_001), false),
        ];
        for (name, new, want) in cases {
            assert_eq!(new.require_bounded().is_ok(), want, "{name}");
        }
    }
}

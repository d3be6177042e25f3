//! Providers elsewhere that users log in with: OpenID Connect providers, and plain OAuth 2.0 servers that tell who a user is.
//!
//! What a provider says leads to a user here only by a link that was made before, by the provider's own name of the user
//! ([`Identity::subject`]) and never by an e-mail address. An address that the provider has verified is what a link, or a
//! new user, is *offered* for; the user agrees to it, and for a link shows that the account here is theirs.

mod account;
mod answers;
mod begun;
mod endpoints;
mod identity;
mod link;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::{Alg, SecretKey, SigningKey};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

pub use self::account::{AccountError, AccountProof, FederatedLogin, Nobody};
pub use self::answers::AnswerPlace;
pub(crate) use self::answers::Answers;
pub use self::begun::{
    AuthorizationAnswer, BeginLogin, BegunLogin, Freshness, LoginPurpose, MAX_CARRIED, NotBegun,
};
use self::endpoints::Discovered;
pub use self::identity::{ArrivedIdentity, Identity, UserInfoMembers};
pub use self::link::LinkedIdentity;
use crate::secrets::SecretError;
use crate::store::StoreError;
use crate::trusted_issuer::KeySetSource;
use crate::user::RoleName;

/// The authentication context class of a login with a provider.
pub const ACR_FEDERATED: &str = "urn:gatepass:acr:federated";

/// How many logins are finished at once with one provider; the others are told to try again.
const MOST_AT_ONCE: usize = 32;

/// What an operator calls a provider: 1 to 32 lower-case letters, digits and hyphens. It stands in the redirect URI, so each
/// provider has one of its own
/// ([RFC 9700 section 4.4.2.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2.2)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProviderId(Box<str>);

/// The text is no provider's identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the id of an identity provider is 1 to 32 lower-case letters, digits and hyphens")]
pub struct InvalidProviderId;

/// A provider, what it may say of whom, and what is known of it. What it says of itself is kept here as long as that is fresh.
#[derive(Debug)]
pub struct IdentityProvider {
    /// What the operator calls it.
    pub id: ProviderId,
    /// What users call it.
    pub name: String,
    /// How it says who somebody is.
    pub protocol: ProviderProtocol,
    /// What it calls this server.
    pub client_id: String,
    /// How this server proves that.
    pub credential: ProviderCredential,
    /// What is asked for.
    pub scope: String,
    /// Who may come in.
    pub accounts: AccountPolicy,
    /// How it sends users back.
    pub response_mode: ProviderResponseMode,
    source: Arc<dyn ProviderSource>,
    discovered: Discovered,
    places: Semaphore,
}

/// How a provider says who somebody is.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one for each provider
pub enum ProviderProtocol {
    /// In ID tokens ([OpenID Connect Core 1.0](https://openid.net/specs/openid-connect-core-1_0.html)); where its endpoints are
    /// is in its metadata.
    OpenIdConnect {
        /// The value of `iss`.
        issuer: gatepass_jose::Issuer,
        /// The one algorithm of its ID tokens; `None`: any that its metadata name.
        id_token_signed_response_alg: Option<Alg>,
    },
    /// In what an endpoint answers to an access token ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749) and nothing more).
    OAuth {
        /// Where the browser goes.
        authorization_endpoint: Url,
        /// Where codes are exchanged.
        token_endpoint: Url,
        /// Where it says who the user is.
        userinfo_endpoint: Url,
        /// Where in its answer that stands.
        members: UserInfoMembers,
        /// Where it lists the user's addresses, if it says them there: objects with `email`, `primary` and `verified`, as
        /// GitHub has them. The primary one counts, where it is verified.
        emails_endpoint: Option<Url>,
    },
}

/// How a provider sends users back
/// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderResponseMode {
    /// By a redirect, with its answer in the query.
    #[default]
    Query,
    /// By a form that the browser posts, as Apple does where it is to tell of names and addresses.
    FormPost,
}

/// How this server proves to a provider that it is its client.
#[allow(clippy::large_enum_variant)] // there is one for each provider
pub enum ProviderCredential {
    /// By a secret.
    Secret {
        /// The secret.
        secret: SecretKey,
        /// How it is shown; `None`: as the provider's metadata say, or by Basic.
        method: Option<SecretMethod>,
    },
    /// By assertions that it signs: `private_key_jwt`
    /// ([OpenID Connect Core 1.0 section 9](https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication)).
    PrivateKey(SigningKey),
}

/// How a client's secret is shown ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// By HTTP Basic authentication.
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
}

/// Who may come in with a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountPolicy {
    /// Users who are here already, and have linked their account.
    Linked,
    /// They, and whoever has an e-mail address that the provider has verified: they become users here.
    Create {
        /// The domains that the address must be of; empty: any.
        email_domains: Vec<String>,
        /// The roles of who becomes a user so.
        roles: Vec<RoleName>,
    },
}

/// A request to a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderRequest<'r> {
    /// Where to. A provider's metadata may have named it: to be asked only where that cannot be used against us.
    pub url: &'r Url,
    /// What it is asked with.
    pub authorization: ProviderAuthorization<'r>,
    /// What to post; `None`: nothing is posted.
    pub form: Option<&'r [(&'r str, &'r str)]>,
}

/// What a provider is asked with.
#[derive(Clone, Copy)]
pub enum ProviderAuthorization<'r> {
    /// Nothing.
    None,
    /// A client's name and secret, by HTTP Basic authentication.
    Basic(&'r str, &'r str),
    /// An access token.
    Bearer(&'r str),
}

/// What a provider answers.
#[derive(Debug)]
pub struct ProviderAnswer {
    /// The HTTP status.
    pub status: u16,
    /// JSON, or so it says.
    pub body: Zeroizing<Vec<u8>>,
    /// For how long it lets that be kept.
    pub fresh_for: Duration,
}

/// A provider could not be asked. For the log: it says what another machine did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Asks providers over the network.
#[async_trait]
pub trait ProviderSource: KeySetSource {
    /// The JSON that is answered, whatever the status.
    ///
    /// # Errors
    /// [`Unreachable`].
    async fn ask(&self, request: ProviderRequest<'_>) -> Result<ProviderAnswer, Unreachable>;
}

/// Why nothing is known of who logged in at a provider. For the log: much of it is what another machine said.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// There is no such provider.
    #[error("there is no such identity provider")]
    Unknown,
    /// It could not be asked, or what it answers makes no sense.
    #[error("it cannot be asked: {0}")]
    Unavailable(String),
    /// It sent the user back without a code, or takes none.
    #[error("it refused: {0}")]
    Refused(String),
    /// What it says is not believed.
    #[error("what it says is not believed: {0}")]
    Disbelieved(String),
    /// The user was to show anew who they are, and it does not say that they did.
    #[error("it does not say that the user has just shown who they are")]
    NotAgain,
    /// The request that is to go on afterwards is too long to be taken along.
    #[error("the application's request is longer than {MAX_CARRIED} bytes")]
    TooLong,
    /// Too many logins with this provider are being finished.
    #[error("too many logins with it are being finished")]
    Busy,
    /// There is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdentityProvider {
    /// A provider of which nothing is known yet, that is asked through `source` and sends users back by a redirect.
    #[must_use]
    #[allow(clippy::too_many_arguments)] // each is a field of its own
    pub fn new(
        id: ProviderId,
        name: String,
        protocol: ProviderProtocol,
        client_id: String,
        credential: ProviderCredential,
        scope: String,
        accounts: AccountPolicy,
        source: Arc<dyn ProviderSource>,
    ) -> Self {
        let (discovered, places) = (Discovered::default(), Semaphore::new(MOST_AT_ONCE));
        let response_mode = ProviderResponseMode::default();
        Self {
            id,
            name,
            protocol,
            client_id,
            credential,
            scope,
            accounts,
            response_mode,
            source,
            discovered,
            places,
        }
    }

    /// It, sending users back in this way.
    #[must_use]
    pub fn answering_by(self, response_mode: ProviderResponseMode) -> Self {
        Self { response_mode, ..self }
    }

    /// Whether its logins can say that of when their users showed who they are.
    #[must_use]
    pub fn can_say(&self, freshness: Freshness) -> bool {
        freshness == Freshness::Any || matches!(self.protocol, ProviderProtocol::OpenIdConnect { .. })
    }
}

impl ProviderId {
    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderId {
    type Err = InvalidProviderId;

    fn from_str(text: &str) -> Result<Self, InvalidProviderId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(text.into())),
            false => Err(InvalidProviderId),
        }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::id::deserialize_text(deserializer)
    }
}

impl fmt::Debug for ProviderCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret { .. } => "Secret(..)",
            Self::PrivateKey(_) => "PrivateKey(..)",
        })
    }
}

impl fmt::Debug for ProviderAuthorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic(..) => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

impl fmt::Debug for dyn ProviderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderSource")
    }
}

/// At most 256 characters of what another machine said, none of which can end a line of the log.
fn excerpt(text: &str) -> String {
    text.escape_debug().take(256).collect()
}

//! What an operator decides about an issuer, checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::jwe::EncryptionKey;
use gatepass_jose::{Alg, ContentEncryption, Issuer, SecretKey};
use gatepass_token::ScopeSet;

use crate::dpop::DpopPolicy;
use crate::identity_provider::IdentityProvider;
use crate::keys::{KeyPolicy, KeyTerms};
use crate::password::{HashPolicy, PasswordPolicy};
use crate::profile::Profile;
use crate::resource::is_same;
use crate::rotation::RefreshPolicy;
use crate::throttle::ThrottlePolicy;
use crate::trusted_issuer::TrustedIssuer;

/// The scope that opens the admin API.
pub const ADMIN_SCOPE: &str = "gatepass:admin";
/// The scope that lets a client make and change its stream of shared signals.
pub const SIGNALS_MANAGE: &str = "ssf.manage";
/// The scope that lets a client read from it.
pub const SIGNALS_READ: &str = "ssf.read";
/// The scopes that mean something at the issuer itself, and nowhere else.
pub const ISSUER_SCOPES: [&str; 3] = [ADMIN_SCOPE, SIGNALS_MANAGE, SIGNALS_READ];

/// How much longer than its life a token is reckoned with: guards allow for clocks that differ.
pub(crate) const CLOCK_ALLOWANCE: Duration = Duration::from_secs(300);

/// An issuer's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The value of `iss`, and the URL under which the server is reached.
    pub issuer: Issuer,
    /// The resource servers that tokens are minted for; the first is the default.
    pub resource_servers: ResourceServers,
    /// The algorithms that clients can have ID tokens and answers signed with, beside those of the resource servers.
    pub response_algs: Vec<Alg>,
    /// The types of authorization details that clients can be allowed
    /// ([RFC 9396](https://www.rfc-editor.org/rfc/rfc9396)).
    pub authorization_details_types: Vec<String>,
    /// How long an access token lives at most; each gets up to a twentieth less, so that clients do
    /// not refresh in step.
    pub access_token_lifetime: Duration,
    /// How long resource servers may keep a status list; `None`: tokens have no place in one.
    pub status_list_ttl: Option<Duration>,
    /// Refresh tokens and sessions.
    pub refresh: RefreshPolicy,
    /// How long a login at the authorization server's own pages serves applications.
    pub login: LoginPolicy,
    /// What is demanded of all clients.
    pub profile: Profile,
    /// On what terms clients show that they hold a key.
    pub dpop: DpopPolicy,
    /// How long a signing key signs.
    pub rotate_keys_every: Duration,
    /// The same, for algorithms whose keys have a schedule of their own.
    pub key_schedules: BTreeMap<Alg, Duration>,
    /// How long verifiers may keep the key set: the `max-age` it is served with. A key is published
    /// twice as long before it signs.
    pub jwks_max_age: Duration,
    /// Issuers elsewhere whose assertions are taken ([RFC 7523 section 2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1)).
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Providers elsewhere that users can log in with.
    pub identity_providers: Vec<Arc<IdentityProvider>>,
    /// How fast passwords can be guessed.
    pub throttle: ThrottlePolicy,
    /// What is asked of a new password.
    pub passwords: PasswordPolicy,
    /// What hashing a password costs.
    pub hashing: HashPolicy,
}

impl Config {
    /// An issuer with the defaults of the documentation.
    #[must_use]
    pub fn new(issuer: Issuer, resource_servers: ResourceServers) -> Self {
        Self {
            issuer,
            resource_servers,
            response_algs: Vec::new(),
            authorization_details_types: Vec::new(),
            access_token_lifetime: Duration::from_secs(15 * 60),
            status_list_ttl: None,
            refresh: RefreshPolicy::default(),
            login: LoginPolicy::default(),
            profile: Profile::default(),
            dpop: DpopPolicy::default(),
            rotate_keys_every: Duration::from_secs(30 * 24 * 3600),
            key_schedules: BTreeMap::new(),
            jwks_max_age: Duration::from_secs(300),
            trusted_issuers: Vec::new(),
            identity_providers: Vec::new(),
            throttle: ThrottlePolicy::default(),
            passwords: PasswordPolicy::default(),
            hashing: HashPolicy::default(),
        }
    }

    /// The algorithms that clients can have ID tokens and answers signed with: those that keys are published for, and that
    /// the profile takes.
    #[must_use]
    pub fn response_signing_algs(&self) -> Vec<Alg> {
        self.published_algs().into_iter().filter(|alg| self.profile.takes(*alg)).collect()
    }

    /// The algorithms that keys are needed for. `ES256` is always among them: the issuer's own
    /// tokens and the revocation snapshot are signed with it.
    #[must_use]
    pub fn published_algs(&self) -> Vec<Alg> {
        let servers = self.resource_servers.iter().filter_map(|server| match server.signing {
            Signing::Published(alg) => Some(alg),
            Signing::Shared(_) => None,
        });
        let responses = self.response_algs.iter().copied().filter(|alg| self.profile.takes(*alg));
        let mut algs = vec![Alg::ES256];
        for alg in servers.chain(responses).filter(|alg| !alg.is_symmetric()) {
            if !algs.contains(&alg) {
                algs.push(alg);
            }
        }
        algs
    }

    /// The schedule of one algorithm's keys.
    pub(crate) fn key_policy(&self, alg: Alg) -> KeyPolicy {
        let rotate_every = self.key_schedules.get(&alg).copied().unwrap_or(self.rotate_keys_every);
        KeyPolicy { rotate_every, terms: self.key_terms() }
    }

    /// What this configuration has verifiers reckon with.
    pub(crate) fn key_terms(&self) -> KeyTerms {
        KeyTerms {
            publish_ahead: self.jwks_max_age.saturating_mul(2),
            verify_for: self.access_token_lifetime.saturating_add(CLOCK_ALLOWANCE),
        }
    }
}

/// How long one login serves applications without a password being asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginPolicy {
    /// How long it lives without an application asking.
    pub idle: Duration,
    /// How long it lives at all.
    pub absolute: Duration,
}

impl Default for LoginPolicy {
    /// Half a day idle, a week at most.
    fn default() -> Self {
        Self { idle: Duration::from_secs(12 * 3600), absolute: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// A resource server, and how its tokens are signed.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its `aud`.
    pub audience: String,
    /// How its tokens are signed.
    pub signing: Signing,
    /// The scopes that exist there; what a token for it can carry. `None`: any.
    pub scope: Option<ScopeSet>,
    /// Whether its tokens carry `nbf`.
    pub not_before: bool,
    /// How its tokens are encrypted; `None`: whoever has one can read it.
    pub encryption: Option<TokenEncryption>,
}

/// How the tokens of one resource server are encrypted
/// ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
#[derive(Clone, Debug)]
pub struct TokenEncryption {
    /// Its public key, for one algorithm.
    pub key: EncryptionKey,
    /// What encrypts the content.
    pub enc: ContentEncryption,
}

/// How the tokens of one resource server are signed.
#[derive(Clone, Debug)]
pub enum Signing {
    /// With a key of that algorithm from the published key set.
    Published(Alg),
    /// With `HS256` and a secret that this resource server shares, and nobody else does. Such a
    /// token names this audience alone, because whoever verifies it could have minted it.
    Shared(SharedSecret),
}

/// A secret that a resource server shares, of 32 bytes or more.
#[derive(Clone, Debug)]
pub struct SharedSecret {
    /// What tokens are signed with.
    pub current: SecretKey,
    /// What they were signed with before. It signs nothing, and its tokens count as long as it stands here.
    pub previous: Option<SecretKey>,
}

/// At least one resource server, no two with one audience.
#[derive(Clone, Debug)]
pub struct ResourceServers(Vec<ResourceServer>);

/// Resource servers that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceServersError {
    /// There is none.
    #[error("at least one resource server must be configured")]
    None,
    /// An audience is empty, named twice, or the issuer's own: also as the same URL in another spelling.
    #[error("the audience {0:?} is empty, named twice, or the issuer's own")]
    Audience(String),
    /// A published key cannot be a secret.
    #[error("{0} needs a secret that is shared with the resource server")]
    NeedsSecret(Alg),
}

impl ResourceServers {
    /// Checks a list of resource servers.
    ///
    /// # Errors
    /// [`ResourceServersError`].
    pub fn new(issuer: &Issuer, servers: Vec<ResourceServer>) -> Result<Self, ResourceServersError> {
        if servers.is_empty() {
            return Err(ResourceServersError::None);
        }
        for (at, server) in servers.iter().enumerate() {
            let audience = &server.audience;
            let before = servers.iter().take(at).any(|other| is_same(&other.audience, audience));
            if audience.is_empty() || before || is_same(audience, issuer.as_str()) {
                return Err(ResourceServersError::Audience(audience.clone()));
            }
            if let Signing::Published(alg) = server.signing
                && alg.is_symmetric()
            {
                return Err(ResourceServersError::NeedsSecret(alg));
            }
        }
        Ok(Self(servers))
    }

    pub(crate) fn find(&self, audience: &str) -> Option<&ResourceServer> {
        self.0.iter().find(|server| server.audience == audience)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ResourceServer> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_audiences_are_one_url() {
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let servers = |audiences: &[&str]| {
            let server = |audience: &&str| ResourceServer {
                audience: (*audience).to_owned(),
                signing: Signing::Published(Alg::ES256),
                scope: None,
                not_before: false,
                encryption: None,
            };
            ResourceServers::new(&issuer, audiences.iter().map(server).collect())
        };
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["https://a.example", "https://b.example/"], None),
            (&["https://a.example/v1", "https://a.example/v1/"], None),
            (&["https://a.example", "https://a.example"], Some("https://a.example")),
            (&["https://a.example", "https://a.example/"], Some("https://a.example/")),
            (&["https://auth.example.com/"], Some("https://auth.example.com/")),
            (&[""], Some("")),
        ];
        for (audiences, refused) in cases {
            let want = refused.map(|audience| ResourceServersError::Audience(audience.to_owned()));
            assert_eq!(servers(audiences).err(), want, "{audiences:?}");
        }
    }
}

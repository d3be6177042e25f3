use std::fmt;
use std::time::Duration;

use gatepass_jose::{Alg, JwkSet, SecretKey};
use url::Url;
use zeroize::Zeroizing;

use crate::decryption::Decryption;

/// One issuer that a guard trusts, and on what terms.
///
/// [`new`](Self::new) takes what only the operator can know; everything else has a default and is a public
/// field.
///
/// ```
/// use std::time::Duration;
/// use gatepass_guard::{Feed, IssuerConfig, OnStale, Revocation, WhenStale};
///
/// let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Allow };
/// let config = IssuerConfig::new(
///     "https://auth.example.com",
///     ["https://api.example.com"],
///     Revocation::Feed(Feed::new(on_stale)),
/// );
/// assert_eq!(config.clock_skew, Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// The exact value of `iss`, character for character, and the URL under which metadata are found.
    pub issuer: String,
    /// The values of `aud` that mean this resource server; a token must name one of them.
    pub audience: Vec<String>,
    /// The algorithms whose keys are used. By default ES256, RS256, EdDSA, Ed25519 and PS256; with
    /// [`KeySource::Secret`] the secret's algorithm alone counts.
    pub algs: Vec<Alg>,
    /// Where the keys come from; by default the issuer's metadata say.
    pub keys: KeySource,
    /// What its access tokens are: [`TokenKind::Rfc9068`] by default.
    pub tokens: TokenKind,
    /// With which keys its access tokens are decrypted, where it encrypts them for this resource server. `None` by default:
    /// an encrypted token is refused.
    pub decryption: Option<Decryption>,
    /// How revoked tokens are told.
    pub revocation: Revocation,
    /// On what terms tokens are taken that are bound to a key of their sender's.
    pub dpop: Dpop,
    /// The client that the guard is to the issuer, for what it asks as one: see
    /// [`Guard::exchange`](crate::Guard::exchange). `None` by default.
    pub client: Option<Client>,
    /// How far the clocks of issuer and guard may differ; 60 s by default, five minutes at most.
    pub clock_skew: Duration,
    /// How often a token with an unknown `kid` may cause a fetch of the key set; 5 s by default.
    pub refetch_interval: Duration,
    /// Where the issuer is reached from here, if not under its own URL: scheme, host and port of this
    /// replace those of every URL of the issuer's origin. `None` by default.
    pub base_url: Option<Url>,
    /// Where else the issuer's metadata may lead, by scheme, host and port: to keys, introspection and tokens on other
    /// hosts of its own. Whatever they name elsewhere is not asked. What stands in this configuration itself needs
    /// no mention. Empty by default.
    pub origins: Vec<Url>,
    /// Allows plain `http` to other machines. Whoever is on the way can then mint tokens; `http` to this
    /// machine needs no permission. `false` by default.
    pub insecure_http: bool,
}

impl IssuerConfig {
    /// The algorithms used unless others are named.
    pub const DEFAULT_ALGS: [Alg; 5] = [Alg::ES256, Alg::RS256, Alg::EdDSA, Alg::Ed25519, Alg::PS256];

    /// An issuer whose keys are discovered.
    pub fn new<A: Into<String>>(
        issuer: impl Into<String>,
        audience: impl IntoIterator<Item = A>,
        revocation: Revocation,
    ) -> Self {
        IssuerConfig {
            issuer: issuer.into(),
            audience: audience.into_iter().map(Into::into).collect(),
            algs: Self::DEFAULT_ALGS.to_vec(),
            keys: KeySource::Discovery,
            tokens: TokenKind::default(),
            decryption: None,
            revocation,
            dpop: Dpop::default(),
            client: None,
            clock_skew: Duration::from_secs(60),
            refetch_interval: Duration::from_secs(5),
            base_url: None,
            origins: Vec::new(),
            insecure_http: false,
        }
    }
}

/// What an issuer's access tokens are.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum TokenKind {
    /// JWTs to [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068): of type `at+jwt`, with every claim that it demands. No other token of
    /// the issuer's can pass for one.
    #[default]
    Rfc9068,
    /// JWTs of an issuer that does not keep to it, as many do not: of type `at+jwt`, `JWT` or none, with `aud`, `exp`,
    /// `sub` and a client, which may stand in `azp`, `cid` or `appid`. [`JwtAccessClaims`](crate::JwtAccessClaims) tells how they are
    /// read, and how ID tokens and others are kept out.
    ///
    /// A token without `jti` cannot be revoked alone, only with its session, subject, client or key.
    Jwt,
    /// Text that means nothing to anybody but its issuer, which is asked about each
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)) at most every five seconds. Its answer must name an audience of this
    /// guard's, an expiry, a client, and a `token_type`; a refresh token has none. Of several issuers one may have such
    /// tokens: whatever is in none of the JOSE formats ([`is_opaque`](crate::is_opaque)) is that one's.
    ///
    /// [`Revocation::Introspect`] and [`Revocation::None`] mean the same here. With a feed, a revocation of whatever the answer names
    /// counts at once. [`IssuerConfig::keys`] are for what the issuer signs beside tokens; nobody can be logged in with them.
    Opaque(Introspection),
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The `jwks_uri` of its OpenID Connect discovery document, or else of its OAuth metadata (RFC 8414).
    Discovery,
    /// A JWK Set at this URL.
    JwksUri(Url),
    /// A JWK Set that never changes. A key of it that is revoked counts no longer, but only as long as the issuer's feed
    /// remembers: take it out of the set as well.
    Inline(JwkSet),
    /// A secret shared with the issuer. Whoever can verify with it can mint with it as well. One that is revoked by the `kid`
    /// that gatepass gives it ([`gatepass_token::shared_secret_kid`]) counts no longer, whatever its tokens call it, but only as
    /// long as the issuer's feed remembers: replace it as well.
    Secret {
        /// HS256, HS384 or HS512.
        alg: Alg,
        /// The secret, at least as long as the algorithm's hash.
        secret: SecretKey,
        /// The one before it, whose tokens are still good; `None` when they are dead, or are not to be taken.
        previous: Option<SecretKey>,
    },
}

/// The terms of DPoP ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): a client proves with every request
/// that it holds the key to which its token is bound, so that a stolen token is of no use.
///
/// A token that is bound to a key is never taken without its proof, whatever stands here.
///
/// ```
/// use gatepass_guard::{Dpop, SecretKey};
///
/// let strict = Dpop {
///     required: true,
///     nonce_secret: Some(SecretKey::generate()?),
///     ..Dpop::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dpop {
    /// Refuses the issuer's tokens that are not bound to such a key. `false` by default; for single routes
    /// see [`Rule::with_dpop`](crate::Rule::with_dpop).
    pub required: bool,
    /// The algorithms of proofs, for the challenge's `algs`; signatures only. By default
    /// [`Dpop::DEFAULT_ALGS`].
    pub algs: Vec<Alg>,
    /// How far a proof's `iat` may lie from now, in either direction; 60 s by default, five minutes at
    /// most.
    pub window: Duration,
    /// Asks clients for a nonce ([RFC 9449 section 9](https://www.rfc-editor.org/rfc/rfc9449#section-9)), made
    /// under this secret of at least 32 bytes: proofs that were made in advance, or used before a restart of
    /// this guard, are refused. Guards that stand in for each other need the same secret. `None`, no nonce,
    /// by default.
    pub nonce_secret: Option<SecretKey>,
    /// How long a nonce is the current one; it is taken for as long again. Two minutes by default,
    /// [`Dpop::MIN_NONCE_PERIOD`] at least.
    pub nonce_period: Duration,
    /// How many used proofs are remembered at most, at about 16 bytes each, for twice the window. Where
    /// there is no room, further ones are refused with 503: none is forgotten that could be shown again. A
    /// million by default.
    ///
    /// Each guard has its own memory: a proof counts once at each of those that stand in for each other.
    pub replay_capacity: usize,
}

impl Dpop {
    /// The longest [`window`](Self::window).
    pub const MAX_WINDOW: Duration = Duration::from_secs(300);
    /// The shortest [`nonce_period`](Self::nonce_period).
    pub const MIN_NONCE_PERIOD: Duration = Duration::from_secs(10);

    /// The algorithms of proofs unless others are named.
    pub const DEFAULT_ALGS: [Alg; 5] = [Alg::ES256, Alg::EdDSA, Alg::Ed25519, Alg::PS256, Alg::RS256];
}

impl Default for Dpop {
    fn default() -> Self {
        Dpop {
            required: false,
            algs: Self::DEFAULT_ALGS.to_vec(),
            window: Duration::from_secs(60),
            nonce_secret: None,
            nonce_period: Duration::from_secs(120),
            replay_capacity: 1 << 20,
        }
    }
}

/// How a guard learns that a token is no longer valid. There is no default: nothing is assumed.
#[derive(Clone, Debug)]
pub enum Revocation {
    /// It follows the issuer's revocation feed; a check costs no request.
    Feed(Feed),
    /// It asks the issuer about every token (RFC 7662), and keeps answers for a few seconds.
    Introspect(Introspection),
    /// It reads the status lists that the tokens name (`draft-ietf-oauth-status-list`), each once for as long as
    /// the list itself says.
    StatusList(StatusListSource),
    /// Not at all: a token is valid until it expires.
    None,
}

/// The status lists of an issuer. A token that names none is refused: nobody could say whether it is revoked.
///
/// A list is signed with one of the issuer's keys. It is used until its `ttl` (five minutes where it has none)
/// or `exp` has passed, and then fetched again.
#[derive(Clone, Debug)]
pub struct StatusListSource {
    /// Where lists are fetched from, by scheme, host and port, beside the issuer's own. The token's word for
    /// other places is not followed. Empty by default.
    pub origins: Vec<Url>,
    /// What holds when a list is due and cannot be fetched: it is used for [`OnStale::after`] longer, and then
    /// [`OnStale::then`] holds. A token that a list calls invalid, however old, is refused.
    pub on_stale: OnStale,
    /// How to ask the issuer on the routes that say so ([`StaleAction::Introspect`](crate::StaleAction)) where
    /// `on_stale` does not.
    pub introspection: Option<Introspection>,
}

impl StatusListSource {
    /// Lists at the issuer's own origin.
    #[must_use]
    pub fn new(on_stale: OnStale) -> Self {
        StatusListSource { origins: Vec::new(), on_stale, introspection: None }
    }
}

/// A revocation feed to follow.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Where it is: `snapshot` and `stream` are looked up below. `None` means `revocations` below the
    /// issuer's URL.
    pub url: Option<Url>,
    /// Where else it is: replicas of the same log, each with a `snapshot` and a `stream` as below `url`. The
    /// next one is taken up, where the last was left, when one fails. Empty by default.
    pub fallbacks: Vec<Url>,
    /// What holds when the view of it is stale.
    pub on_stale: OnStale,
    /// How to ask the issuer on the routes that say so ([`StaleAction::Introspect`](crate::StaleAction)) where
    /// `on_stale` does not.
    pub introspection: Option<Introspection>,
}

impl Feed {
    /// The feed at its usual place below the issuer's URL.
    #[must_use]
    pub fn new(on_stale: OnStale) -> Self {
        Feed { url: None, fallbacks: Vec::new(), on_stale, introspection: None }
    }
}

/// What holds while the guard cannot vouch for its view of the revocations.
#[derive(Clone, Debug)]
pub struct OnStale {
    /// How old the last proof of completeness may be.
    pub after: Duration,
    /// What happens to tokens then, and before the first proof.
    pub then: WhenStale,
}

/// The operator's choice between availability and certainty.
#[derive(Clone, Debug)]
pub enum WhenStale {
    /// Go on with what is known: a token revoked in the meantime passes until it expires.
    Allow,
    /// Refuse every token of the issuer (503) until the view is up to date.
    Deny,
    /// Ask the issuer about each token.
    Introspect(Introspection),
}

/// How to ask an issuer about a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The introspection endpoint; `None` takes the one that the issuer's metadata name.
    pub endpoint: Option<Url>,
    /// The client that the guard is. At an issuer of gatepass it is registered for the guard's audience: others are told of
    /// their own tokens alone.
    pub client_id: String,
    /// Its secret, sent as HTTP Basic authentication (RFC 6749 section 2.3.1).
    pub client_secret: ClientSecret,
}

/// A confidential client of an issuer ([RFC 6749 section 2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its secret, sent as HTTP Basic authentication (RFC 6749 section 2.3.1).
    pub secret: ClientSecret,
    /// The token endpoint; `None` takes the one that the issuer's metadata name.
    pub token_endpoint: Option<Url>,
}

/// A client's secret. Wiped when dropped; shows nothing in `Debug`.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Takes the secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        ClientSecret(Zeroizing::new(secret.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// Why a guard does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A guard without an issuer would refuse everything.
    #[error("a guard needs at least one issuer")]
    NoIssuer,
    /// Two configurations name the same `iss`.
    #[error("the issuer {issuer} is configured twice")]
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
    },
    /// `issuer` is empty or no absolute URL.
    #[error("the issuer `{issuer}` is not an http or https URL without query and fragment")]
    IssuerUrl {
        /// What was given.
        issuer: String,
    },
    /// Plain `http` to another machine.
    #[error("{url} cannot be trusted: use https, or allow plain http with `insecure_http`")]
    InsecureUrl {
        /// The URL concerned.
        url: String,
    },
    /// `audience` is empty or has an empty value.
    #[error("the issuer {issuer} needs at least one audience, and none may be empty")]
    NoAudience {
        /// The issuer.
        issuer: String,
    },
    /// No algorithm at all, or an HMAC algorithm for published keys.
    #[error(
        "the algorithms of the issuer {issuer} must be one or more signature algorithms; HS256, HS384 and HS512 need a secret"
    )]
    Algs {
        /// The issuer.
        issuer: String,
    },
    /// The secret is too short, or its algorithm is not an HMAC algorithm.
    #[error("the secret of the issuer {issuer} cannot be used: {source}")]
    Secret {
        /// The issuer.
        issuer: String,
        /// What is wrong with it.
        source: gatepass_jose::KeyError,
    },
    /// Nobody could tell whose an opaque token is.
    #[error("the issuer {issuer} is the second one with opaque tokens, which do not say whose they are")]
    SecondOpaqueIssuer {
        /// The issuer.
        issuer: String,
    },
    /// There is no key to decrypt tokens with, or the issuer's tokens are opaque.
    #[error("the tokens of the issuer {issuer} cannot be decrypted: there is no key, or they are opaque")]
    Decryption {
        /// The issuer.
        issuer: String,
    },
    /// The terms of DPoP name no algorithm, or one of secrets.
    #[error("the algorithms of DPoP proofs for the issuer {issuer} must be one or more signature algorithms")]
    DpopAlgs {
        /// The issuer.
        issuer: String,
    },
    /// The secret for DPoP nonces cannot be used.
    #[error("the secret of the DPoP nonces for the issuer {issuer} cannot be used: {source}")]
    DpopNonce {
        /// The issuer.
        issuer: String,
        /// What is wrong with it.
        source: gatepass_jose::KeyError,
    },
    /// None of the keys given can verify with one of the algorithms allowed.
    #[error("none of the keys given for the issuer {issuer} can be used with its algorithms")]
    NoUsableKey {
        /// The issuer.
        issuer: String,
    },
    /// The HTTP client could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Http(#[source] reqwest::Error),
    /// The background thread of a [`blocking`](crate::blocking) guard could not be started.
    #[error("the guard's background thread could not be started: {0}")]
    Runtime(#[source] std::io::Error),
}

//! The authorization server's configuration file.
//!
//! The raw shape refuses keys that it does not know; one function turns it into what the rooms use.

mod brand;
mod client_certificates;
mod identity_provider;
mod tls;
mod trusted_issuer;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gatepass_gateway::parse_duration;
use gatepass_issuer::client::{ENCRYPTION_ALGS, ENCRYPTION_ENCS, GrantType};
use gatepass_issuer::password::PasswordPolicy;
use gatepass_issuer::registration::RegistrationPolicy;
use gatepass_issuer::{
    ADMIN_SCOPE, Config, Profile, ResourceServer, ResourceServers, SharedSecret, Signing, ThrottleLimit,
    TokenEncryption,
};
use gatepass_jose::jwe::EncryptionKey;
use gatepass_jose::{Alg, ContentEncryption, Issuer, Jwk, KeyManagement, SecretKey};
use gatepass_server::{Fetch, HttpConfig};
use gatepass_token::ScopeSet;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use self::client_certificates::RawClientCertificates;
use self::identity_provider::RawIdentityProvider;
use self::tls::RawTls;
pub(crate) use self::tls::TlsConfig;
use self::trusted_issuer::RawTrustedIssuer;
use crate::master_key::{MasterKeySource, RawMasterKey};

/// What `gatepass serve` needs.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) data: PathBuf,
    pub(crate) master_key: MasterKeySource,
    pub(crate) issuer: Config,
    pub(crate) http: HttpConfig,
    /// Clients that nobody has registered, where they are served.
    pub(crate) client_documents: Option<ClientDocumentConfig>,
    /// Fetches what registered clients refer to by URL.
    pub(crate) client_urls: Fetch,
}

/// What clients may do that nobody has registered, and where their documents are fetched.
#[derive(Debug)]
pub(crate) struct ClientDocumentConfig {
    pub(crate) policy: RegistrationPolicy,
    pub(crate) fetch: Fetch,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    issuer: String,
    listen: SocketAddr,
    tls: Option<RawTls>,
    data: PathBuf,
    #[serde(default)]
    master_key: RawMasterKey,
    #[serde(default)]
    app_origins: Vec<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default = "default_response_algs")]
    response_algs: Vec<Alg>,
    #[serde(default)]
    authorization_details_types: Vec<String>,
    resource_server: Vec<RawResourceServer>,
    #[serde(default)]
    access_token: RawAccessToken,
    #[serde(default)]
    refresh_token: RawRefreshToken,
    #[serde(default)]
    login: RawLogin,
    #[serde(default)]
    profile: RawProfile,
    #[serde(default)]
    dpop: RawDpop,
    #[serde(default)]
    cookie: RawCookie,
    #[serde(default)]
    keys: RawKeys,
    #[serde(default)]
    throttle: RawThrottle,
    #[serde(default)]
    passwords: RawPasswords,
    #[serde(default)]
    hashing: RawHashing,
    client_documents: Option<RawClientDocuments>,
    #[serde(default)]
    trusted_issuer: Vec<RawTrustedIssuer>,
    #[serde(default)]
    identity_provider: Vec<RawIdentityProvider>,
    #[serde(default)]
    client_urls: RawClientUrls,
    client_certificates: Option<RawClientCertificates>,
    /// Whose pages they are, and what they say.
    pages_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClientUrls {
    /// Origins that may have private addresses and speak plain http.
    #[serde(default)]
    private_origins: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClientDocuments {
    /// The most that such a client may ask for.
    #[serde(default)]
    scope: Vec<String>,
    /// The resource servers that such a client may ask for; the first one of the file where left out.
    #[serde(default)]
    audience: Vec<String>,
    /// Origins that may have private addresses and speak plain http.
    #[serde(default)]
    private_origins: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResourceServer {
    audience: String,
    alg: Option<Alg>,
    /// With `alg = "HS256"`: the secret shared with this resource server, 43 characters of base64url or more.
    secret_file: Option<PathBuf>,
    /// The secret before it, whose tokens are still good.
    previous_secret_file: Option<PathBuf>,
    scope: Option<Vec<String>>,
    #[serde(default)]
    not_before: bool,
    encryption: Option<RawTokenEncryption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokenEncryption {
    /// The resource server's public key, a JWK.
    jwk_file: PathBuf,
    /// How it is used, where the JWK does not say.
    alg: Option<KeyManagement>,
    enc: Option<ContentEncryption>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccessToken {
    lifetime: Option<Period>,
    /// How long a status list may be kept; without it, tokens have no place in one.
    status_list: Option<Period>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRefreshToken {
    leeway: Option<Period>,
    idle: Option<Period>,
    absolute: Option<Period>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLogin {
    idle: Option<Period>,
    absolute: Option<Period>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    /// For open banking and the like: what the FAPI 2.0 Security Profile demands of clients.
    #[serde(default)]
    fapi2: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDpop {
    /// For clients that do not know nonces: `false`. Their proofs count by the clients' clocks then.
    require_nonce: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCookie {
    name: Option<String>,
    same_site: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    rotate_every: Option<Period>,
    max_age: Option<Period>,
    /// Algorithms whose keys are on a schedule of their own.
    #[serde(default)]
    schedule: BTreeMap<Alg, RawKeySchedule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeySchedule {
    rotate_every: Period,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawThrottle {
    account: Option<RawLimit>,
    address: Option<RawLimit>,
    network: Option<RawLimit>,
    password: Option<RawLimit>,
    longest: Option<Period>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    burst: u32,
    every: Period,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPasswords {
    min_length: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHashing {
    memory_kib: Option<u32>,
    passes: Option<u32>,
    workers: Option<usize>,
    queue: Option<usize>,
}

/// A duration as people write it: `30s`, `15m`, `7d`.
#[derive(Clone, Copy, Debug)]
struct Period(Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = parse_duration(&text);
        duration.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no duration; write 30s, 15m, 12h or 7d"))
        })
    }
}

impl ServerConfig {
    /// Reads and checks a file. Paths in it are relative to it.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| format!("{} is refused", path.display()))
    }

    fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let raw: RawConfig = toml::from_str(text)?;
        let issuer = issuer(&raw.issuer)?;
        let servers =
            raw.resource_server.iter().map(|server| server.check(folder)).collect::<Result<_, _>>()?;
        let mut config = Config::new(issuer.clone(), ResourceServers::new(&issuer, servers)?);
        if let Some(secret) = raw.response_algs.iter().find(|alg| alg.is_symmetric()) {
            bail!(
                "`response_algs`: {secret} needs a secret, and what is signed for clients is signed with keys"
            );
        }
        config.response_algs = raw.response_algs;
        config.authorization_details_types = raw.authorization_details_types;
        set(&mut config.access_token_lifetime, raw.access_token.lifetime);
        config.status_list_ttl = raw.access_token.status_list.map(|Period(ttl)| ttl);
        set(&mut config.refresh.leeway, raw.refresh_token.leeway);
        set(&mut config.refresh.idle, raw.refresh_token.idle);
        set(&mut config.refresh.absolute, raw.refresh_token.absolute);
        set(&mut config.login.idle, raw.login.idle);
        set(&mut config.login.absolute, raw.login.absolute);
        if raw.profile.fapi2 {
            config.profile = Profile::Fapi2;
        }
        config.require_profile().context("`profile.fapi2`")?;
        config.dpop.require_nonce = raw.dpop.require_nonce.unwrap_or(config.dpop.require_nonce);
        set(&mut config.rotate_keys_every, raw.keys.rotate_every);
        set(&mut config.jwks_max_age, raw.keys.max_age);
        let schedules = raw.keys.schedule.into_iter();
        config.key_schedules = schedules.map(|(alg, schedule)| (alg, schedule.rotate_every.0)).collect();
        let RawThrottle { account, address, network, password, longest } = raw.throttle;
        let throttle = &mut config.throttle;
        for (limit, raw) in [
            (&mut throttle.account, account),
            (&mut throttle.address, address),
            (&mut throttle.network, network),
            (&mut throttle.password, password),
        ] {
            *limit = raw.map_or(Ok(*limit), |raw| raw.check())?;
        }
        set(&mut throttle.longest, longest);
        if let Some(min_length) = raw.passwords.min_length {
            config.passwords = password_policy(min_length)?;
        }
        let hashing = &mut config.hashing;
        hashing.memory_kib = raw.hashing.memory_kib.unwrap_or(hashing.memory_kib);
        hashing.passes = raw.hashing.passes.unwrap_or(hashing.passes);
        hashing.workers = raw.hashing.workers.unwrap_or(hashing.workers);
        hashing.queue = raw.hashing.queue.unwrap_or(hashing.queue);
        let trusted = raw.trusted_issuer.iter().map(|issuer| issuer.check(folder));
        config.trusted_issuers = trusted.collect::<anyhow::Result<_>>()?;
        config.identity_providers = identity_provider::check(&raw.identity_provider, folder)?;
        require_durations(&config)?;
        require_key_schedules(&config)?;

        let mut tls = raw.tls.map(|tls| tls.check(folder, &issuer)).transpose()?;
        let client_certificates = raw
            .client_certificates
            .map(|certificates| certificates.check(folder, &issuer, raw.listen, tls.as_mut()));
        let mut http = HttpConfig {
            app_origins: parse_all("app_origins", &raw.app_origins)?,
            trusted_proxies: parse_all("trusted_proxies", &raw.trusted_proxies)?,
            client_certificates: client_certificates.transpose()?,
            brand: match &raw.pages_file {
                Some(file) => Arc::new(brand::load(&folder.join(file)).context("`pages_file`")?),
                None => Arc::default(),
            },
            ..HttpConfig::default()
        };
        if let Some(name) = raw.cookie.name {
            http.cookie_name = name.parse().context("`cookie.name`")?;
        }
        if let Some(same_site) = raw.cookie.same_site {
            http.same_site = same_site.parse().context("`cookie.same_site`")?;
        }
        let master_key = raw.master_key.check(folder)?;
        let private_origins = parse_all("client_urls.private_origins", &raw.client_urls.private_origins)?;
        let client_documents = raw.client_documents.as_ref();
        let client_documents =
            client_documents.map(|documents| documents.check(&raw.resource_server)).transpose()?;
        Ok(Self {
            listen: raw.listen,
            tls,
            data: folder.join(raw.data),
            master_key,
            issuer: config,
            http,
            client_documents,
            client_urls: Fetch::new(private_origins),
        })
    }
}

/// What every client library takes (OpenID Connect Core 1.0 section 15.1).
fn default_response_algs() -> Vec<Alg> {
    vec![Alg::RS256]
}

impl RawResourceServer {
    fn check(&self, folder: &Path) -> anyhow::Result<ResourceServer> {
        let signing = match (self.alg.unwrap_or(Alg::ES256), &self.secret_file) {
            (Alg::HS256, Some(file)) => Signing::Shared(self.shared_secret(&folder.join(file), folder)?),
            (Alg::HS256, None) => bail!("`alg = \"HS256\"` for {} needs a `secret_file`", self.audience),
            (alg, None) if self.previous_secret_file.is_none() => Signing::Published(alg),
            (alg, _) => bail!("a secret for {} goes with `alg = \"HS256\"`, not {alg}", self.audience),
        };
        let scope = self.scope.as_ref().map(|scopes| scopes.join(" ").parse::<ScopeSet>()).transpose()?;
        let encryption = self.encryption.as_ref().map(|encryption| encryption.check(folder));
        let encryption =
            encryption.transpose().with_context(|| format!("`encryption` for {}", self.audience))?;
        let (audience, not_before) = (self.audience.clone(), self.not_before);
        Ok(ResourceServer { audience, signing, scope, not_before, encryption })
    }

    fn shared_secret(&self, file: &Path, folder: &Path) -> anyhow::Result<SharedSecret> {
        let current = read_shared_secret(file)?;
        let previous = self.previous_secret_file.as_ref().map(|file| read_shared_secret(&folder.join(file)));
        let previous = previous.transpose()?;
        if previous.as_ref().is_some_and(|previous| previous.expose() == current.expose()) {
            bail!("`secret_file` and `previous_secret_file` for {} hold the same secret", self.audience);
        }
        Ok(SharedSecret { current, previous })
    }
}

impl RawTokenEncryption {
    fn check(&self, folder: &Path) -> anyhow::Result<TokenEncryption> {
        let path = folder.join(&self.jwk_file);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let jwk = Jwk::parse(&text).with_context(|| format!("{} is no public JWK", path.display()))?;
        let key = EncryptionKey::from_jwk(&jwk, self.alg);
        let key = key.with_context(|| format!("{} cannot be encrypted for", path.display()))?;
        if !ENCRYPTION_ALGS.contains(&key.alg()) {
            bail!("{} is none of {}", key.alg(), ENCRYPTION_ALGS.map(KeyManagement::name).join(", "));
        }
        let enc = self.enc.unwrap_or(ContentEncryption::A128CbcHs256);
        if !ENCRYPTION_ENCS.contains(&enc) {
            bail!("{enc} is none of {}", ENCRYPTION_ENCS.map(ContentEncryption::name).join(", "));
        }
        Ok(TokenEncryption { key, enc })
    }
}

impl RawClientDocuments {
    fn check(&self, servers: &[RawResourceServer]) -> anyhow::Result<ClientDocumentConfig> {
        let known = |audience: &&String| servers.iter().any(|server| server.audience == **audience);
        if let Some(unknown) = self.audience.iter().find(|audience| !known(audience)) {
            bail!("`client_documents.audience`: {unknown} is the audience of no [[resource_server]]");
        }
        let scope: ScopeSet = self.scope.join(" ").parse().context("`client_documents.scope`")?;
        if scope.contains(ADMIN_SCOPE) {
            bail!("`client_documents.scope`: anybody can be such a client, and nobody of them administers");
        }
        let origins = parse_all("client_documents.private_origins", &self.private_origins)?;
        Ok(ClientDocumentConfig {
            policy: RegistrationPolicy {
                scope,
                grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
                audience: self.audience.clone(),
                authorization_details_types: Vec::new(),
            },
            fetch: Fetch::new(origins),
        })
    }
}

impl RawLimit {
    fn check(&self) -> anyhow::Result<ThrottleLimit> {
        if self.burst == 0 || self.every.0.is_zero() {
            bail!("a limit of `throttle` needs a `burst` of at least 1 and an `every` above zero");
        }
        Ok(ThrottleLimit { burst: self.burst, every: self.every.0 })
    }
}

fn password_policy(min_length: u32) -> anyhow::Result<PasswordPolicy> {
    if !(PasswordPolicy::LEAST..=64).contains(&min_length) {
        bail!(
            "`passwords.min_length` is {} to 64; 15 or more is advised where a password is all that is asked for",
            PasswordPolicy::LEAST
        );
    }
    Ok(PasswordPolicy { min_length })
}

fn issuer(text: &str) -> anyhow::Result<Issuer> {
    let url = url::Url::parse(text).with_context(|| format!("`issuer`: {text:?} is no URL"))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    // RFC 8414 section 2: https, without query or fragment; plain http only on this machine.
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => tracing::warn!(issuer = text, "tokens and passwords travel unencrypted: put TLS in front"),
        other => bail!("`issuer`: {other} is not a scheme for an issuer"),
    }
    if url.query().is_some() || url.fragment().is_some() || text.ends_with('/') {
        bail!("`issuer`: a URL without query, fragment and slash at its end, because it is compared exactly");
    }
    Ok(Issuer::new(text)?)
}

fn require_durations(config: &Config) -> anyhow::Result<()> {
    let least = Duration::from_secs(1);
    if config.access_token_lifetime < least || config.access_token_lifetime > Duration::from_secs(24 * 3600) {
        bail!(
            "`access_token.lifetime` must be between 1s and 24h: a longer one would outlive every revocation"
        );
    }
    if config.status_list_ttl.is_some_and(|ttl| ttl < least || ttl > config.access_token_lifetime) {
        bail!(
            "`access_token.status_list` must be between 1s and `access_token.lifetime`: for so long a revocation is not seen"
        );
    }
    if !(least..=Duration::from_secs(24 * 3600)).contains(&config.throttle.longest) {
        bail!(
            "`throttle.longest` must be between 1s and 24h: for so long a guesser keeps a user out of a new browser"
        );
    }
    if config.refresh.idle < least || config.refresh.absolute < config.refresh.idle {
        bail!("`refresh_token.absolute` must be at least `refresh_token.idle`, and that at least 1s");
    }
    if config.login.idle < least || config.login.absolute < config.login.idle {
        bail!("`login.absolute` must be at least `login.idle`, and that at least 1s");
    }
    if config.refresh.leeway > Duration::from_secs(300) {
        bail!("`refresh_token.leeway` must be at most 5m: within it a thief is not seen");
    }
    Ok(())
}

/// A key is published for twice `max_age` before it signs, and the one after it meanwhile.
fn require_key_schedules(config: &Config) -> anyhow::Result<()> {
    if !(Duration::from_secs(1)..=Duration::from_secs(24 * 3600)).contains(&config.jwks_max_age) {
        bail!(
            "`keys.max_age` must be between 1s and 24h: for so long verifiers keep a key that was withdrawn"
        );
    }
    let least = config.jwks_max_age * 4;
    if config.rotate_keys_every < least {
        bail!("`keys.rotate_every` must be at least four times `keys.max_age`");
    }
    let published = config.published_algs();
    for (alg, rotate_every) in &config.key_schedules {
        if alg.is_symmetric() {
            bail!(
                "`keys.schedule.{alg}`: {alg} has no key that is published, but the `secret_file` of a resource server"
            );
        }
        if !published.contains(alg) {
            let names: Vec<&str> = published.iter().map(|alg| alg.name()).collect();
            bail!(
                "`keys.schedule.{alg}`: nothing is signed with {alg}, but with {}; name it in `response_algs` or as the `alg` of a resource server",
                names.join(", ")
            );
        }
        if *rotate_every < least {
            bail!("`keys.schedule.{alg}.rotate_every` must be at least four times `keys.max_age`");
        }
    }
    Ok(())
}

fn read_shared_secret(path: &Path) -> anyhow::Result<SecretKey> {
    let text =
        Zeroizing::new(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?);
    SecretKey::parse(&text).with_context(|| format!("{} does not hold base64url", path.display()))
}

fn parse_all<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    key: &str,
    texts: &[String],
) -> anyhow::Result<Vec<T>> {
    texts.iter().map(|text| text.parse().with_context(|| format!("`{key}`: {text:?}"))).collect()
}

fn set(target: &mut Duration, period: Option<Period>) {
    if let Some(Period(duration)) = period {
        *target = duration;
    }
}

#[cfg(test)]
mod tests;

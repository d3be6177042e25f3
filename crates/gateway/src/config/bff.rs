//! `[bff]`: sessions for browsers, and whose they are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use gatepass_guard::{Alg, ClientSecret, OpenIdClient, TokenEndpointAuthMethod};
use toml::Spanned;
use url::{Host, Url};

use super::ConfigError;
use super::check::Source;
use super::issuer::{alg, client_secret};
use super::raw::{Field, RawAuthMethod, RawBff, RawConfig, RawTokens};
use crate::bff::{BffSettings, is_plain_path, own_path};

/// Checks `[bff]`, and the routes for it: those that take sessions where there are none, and those in its way.
pub(super) fn check(source: &Source<'_>, config: &RawConfig) -> Result<Option<BffSettings>, ConfigError> {
    let Some(table) = &config.bff else {
        let session = config.route.iter().find_map(|route| route.get_ref().session.as_ref());
        return match session.filter(|session| *session.get_ref()) {
            None => Ok(None),
            Some(session) => Err(source
                .error(session, "`session` has no meaning without [bff]")
                .hint("add [bff], which says where users log in")),
        };
    };
    let checker = Checker { source, table, config };
    let raw = table.get_ref();
    let issuer = checker.issuer()?;
    let client_id = source.required(
        table,
        &raw.client_id,
        "client_id",
        "the client that the gateway is to the issuer",
    )?;
    let what = "the file with that client's secret";
    let file = source.required(table, &raw.client_secret_file, "client_secret_file", what)?;
    let secret = client_secret(source, file)?;
    let origin = checker.origin()?;
    let prefix = checker.prefix()?;
    let (idle, absolute) = checker.lifetimes()?;
    let path = |field: &Field<String>, default: &str| {
        source.folder.join(field.as_ref().map_or(default, |path| path.get_ref().as_str()))
    };
    let own = |field: &Field<String>| checker.own_path(field, &origin, &prefix);
    let mut hasher = DefaultHasher::new();
    (raw, &*secret, &origin).hash(&mut hasher);
    Ok(Some(BffSettings {
        issuer,
        client: OpenIdClient {
            client_id: client_id.get_ref().clone(),
            client_secret: ClientSecret::new(secret.as_str()),
            token_endpoint_auth_method: raw.token_endpoint_auth_method.as_ref().map(|method| {
                match method.get_ref() {
                    RawAuthMethod::ClientSecretBasic => TokenEndpointAuthMethod::ClientSecretBasic,
                    RawAuthMethod::ClientSecretPost => TokenEndpointAuthMethod::ClientSecretPost,
                }
            }),
            id_token_signed_response_alg: checker.id_token_alg()?,
        },
        scope: checker.scope()?,
        prompt: checker.prompt()?,
        resource: raw.resource.as_ref().map(|resource| resource.get_ref().clone()),
        cookie: checker.cookie()?,
        after_login: own(&raw.after_login)?,
        after_logout: own(&raw.after_logout)?,
        store: path(&raw.store, "sessions.db"),
        key_file: path(&raw.key_file, "sessions.key"),
        prefix,
        idle,
        absolute,
        origin,
        fingerprint: hasher.finish(),
    }))
}

struct Checker<'c, 't> {
    source: &'c Source<'t>,
    table: &'c Spanned<RawBff>,
    config: &'c RawConfig,
}

impl Checker<'_, '_> {
    fn issuer(&self) -> Result<String, ConfigError> {
        let what = "the `url` of the [[issuer]] at which users log in";
        let issuer = self.source.required(self.table, &self.table.get_ref().issuer, "issuer", what)?;
        let is_it = |url: &Spanned<String>| url.get_ref() == issuer.get_ref();
        let mut known = self.config.issuer.iter().map(Spanned::get_ref);
        let Some(found) = known.find(|known| known.url.as_ref().is_some_and(is_it)) else {
            return Err(self
                .source
                .error(issuer, format!("no [[issuer]] has the url `{}`", issuer.get_ref()))
                .hint("write it as it stands there, character by character"));
        };
        if found.secret_file.is_some() {
            return Err(self
                .source
                .error(issuer, "this issuer is verified with a secret, and ID tokens need its published keys")
                .hint("take `secret_file` out of its [[issuer]]"));
        }
        if found.tokens.as_ref().is_some_and(|kind| *kind.get_ref() == RawTokens::Opaque) {
            return Err(self
                .source
                .error(
                    issuer,
                    "the keys of an issuer with opaque tokens are not fetched, and ID tokens need them",
                )
                .hint("have it issue JWTs for this API, often by `resource`, and write tokens = \"jwt\""));
        }
        Ok(issuer.get_ref().clone())
    }

    fn scope(&self) -> Result<String, ConfigError> {
        let default = "openid offline_access";
        let Some(scope) = &self.table.get_ref().scope else { return Ok(default.to_owned()) };
        if !scope.get_ref().split(' ').any(|one| one == "openid") {
            return Err(self
                .source
                .error(scope, "without the scope `openid` the issuer does not say who has logged in")
                .hint("write scope = \"openid offline_access …\""));
        }
        Ok(scope.get_ref().clone())
    }

    fn id_token_alg(&self) -> Result<Option<Alg>, ConfigError> {
        let Some(field) = &self.table.get_ref().id_token_signed_response_alg else { return Ok(None) };
        let alg = alg(self.source, field, field.get_ref())?;
        if alg.is_symmetric() {
            return Err(self
                .source
                .error(field, format!("with {alg} the client could make ID tokens itself"))
                .hint("register the client with RS256 or another algorithm whose keys are published"));
        }
        Ok(Some(alg))
    }

    /// OpenID Connect Core 1.0 section 3.1.2.1.
    fn prompt(&self) -> Result<Option<String>, ConfigError> {
        let Some(prompt) = &self.table.get_ref().prompt else { return Ok(None) };
        let is_known = |word: &str| ["login", "consent", "select_account"].contains(&word);
        if !prompt.get_ref().split(' ').all(is_known) {
            return Err(self
                .source
                .error(prompt, format!("`{}` is nothing that users can be asked for", prompt.get_ref()))
                .hint("write one or more of login, consent and select_account"));
        }
        Ok(Some(prompt.get_ref().clone()))
    }

    /// The origin of `public_url`, where browsers keep `__Host-` cookies.
    fn origin(&self) -> Result<String, ConfigError> {
        let Some(text) = &self.config.public_url else {
            return Err(self
                .source
                .error(self.table, "sessions need `public_url`: whose pages may use them")
                .hint("write how browsers reach the gateway: public_url = \"https://app.example.com\""));
        };
        let wrong = || {
            self.source
                .error(
                    text,
                    "browsers keep the cookies of sessions over https alone, and at loopback addresses",
                )
                .hint("write public_url = \"https://…\"")
        };
        let url = Url::parse(text.get_ref()).map_err(|_| wrong())?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => Ok(url.origin().ascii_serialization()),
            "http" if is_loopback => Ok(url.origin().ascii_serialization()),
            _ => Err(wrong()),
        }
    }

    fn prefix(&self) -> Result<String, ConfigError> {
        let prefix = match &self.table.get_ref().prefix {
            None => "/bff".to_owned(),
            Some(prefix) if is_plain_path(prefix.get_ref()) => prefix.get_ref().clone(),
            Some(prefix) => {
                return Err(self
                    .source
                    .error(prefix, format!("`{}` is no plain path", prefix.get_ref()))
                    .hint("write one such as \"/bff\", of letters and digits"));
            }
        };
        let is_below = |path: &str| {
            path.strip_prefix(&*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let routes = self.config.route.iter().filter_map(|route| route.get_ref().path.as_ref());
        let paths = routes.chain(self.config.forward_auth.path.as_ref());
        if let Some(path) = paths.into_iter().find(|path| is_below(path.get_ref())) {
            return Err(self
                .source
                .error(path, format!("what is below `{prefix}` is for sessions"))
                .hint("move that with `prefix` in [bff]"));
        }
        Ok(prefix)
    }

    fn cookie(&self) -> Result<String, ConfigError> {
        let Some(cookie) = &self.table.get_ref().cookie else { return Ok("__Host-session".to_owned()) };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = cookie.get_ref().strip_prefix("__Host-").unwrap_or_default();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(self
                .source
                .error(
                    cookie,
                    "browsers keep neighbours away from cookies whose names begin with `__Host-` alone",
                )
                .hint("write one such as \"__Host-session\""));
        }
        Ok(cookie.get_ref().clone())
    }

    fn own_path(&self, field: &Field<String>, origin: &str, prefix: &str) -> Result<String, ConfigError> {
        let Some(path) = field else { return Ok("/".to_owned()) };
        match own_path(path.get_ref(), origin, prefix) {
            Some(path) => Ok(path.to_owned()),
            None => Err(self
                .source
                .error(path, format!("`{}` is no path of this site to go to", path.get_ref()))
                .hint("write one such as \"/\" or \"/welcome\"")),
        }
    }

    fn lifetimes(&self) -> Result<(Duration, Duration), ConfigError> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        // What browsers keep a cookie for, and then some.
        const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);
        let raw = self.table.get_ref();
        let (idle, absolute) =
            (self.source.limit(&raw.idle, DAY)?, self.source.limit(&raw.absolute, 30 * DAY)?);
        if let Some(field) = raw.absolute.as_ref().filter(|_| absolute > LONGEST) {
            return Err(self.source.error(field, "browsers keep no cookie for longer than 400 days"));
        }
        if let Some(field) = raw.idle.as_ref().filter(|_| idle > absolute) {
            return Err(self.source.error(field, "a session does not last longer than `absolute`"));
        }
        Ok((idle.min(absolute), absolute))
    }
}

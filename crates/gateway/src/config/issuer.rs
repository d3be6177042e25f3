//! `[[issuer]]`: whom the gateway trusts, and on what terms.

use std::hash::{DefaultHasher, Hash, Hasher};

use gatepass_guard::{
    Alg, Client, ClientSecret, Decryption, Feed, Introspection, IssuerConfig, JwkSet, KeySource, OnStale,
    Revocation, SecretKey, StatusListSource, TokenKind, WhenStale,
};
use toml::Spanned;
use url::Url;
use zeroize::Zeroizing;

use super::ConfigError;
use super::check::Source;
use super::error::nearest;
use super::raw::{Field, RawIntrospection, RawIssuer, RawOnStale, RawRevocation, RawThen, RawTokens};
use super::{dpop, stale};
use crate::guards::IssuerSettings;

/// Checks every `[[issuer]]`, all on the same terms of DPoP. `routes_ask`: a route wants issuers to be asked when revocations are stale.
pub(super) fn check_all(
    source: &Source<'_>,
    raw: &[Spanned<RawIssuer>],
    dpop: &dpop::Terms,
    routes_ask: bool,
) -> Result<Vec<IssuerSettings>, ConfigError> {
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    for table in raw {
        let settings = check(source, table, dpop, routes_ask)?;
        if issuers.iter().any(|other| other.config.issuer == settings.config.issuer) {
            return Err(
                source.error(table, format!("the issuer {} is configured twice", settings.config.issuer))
            );
        }
        if is_opaque(&settings) && issuers.iter().any(is_opaque) {
            return Err(source
                .error(table, "a second issuer has opaque tokens, and no such token says whose it is")
                .hint("keep one with tokens = \"opaque\""));
        }
        issuers.push(settings);
    }
    Ok(issuers)
}

fn is_opaque(issuer: &IssuerSettings) -> bool {
    matches!(issuer.config.tokens, TokenKind::Opaque(_))
}

fn check(
    source: &Source<'_>,
    table: &Spanned<RawIssuer>,
    dpop: &dpop::Terms,
    routes_ask: bool,
) -> Result<IssuerSettings, ConfigError> {
    let raw = table.get_ref();
    let mut reader = Reader { source, table, routes_ask, hasher: DefaultHasher::new() };
    let url = source.required(
        table,
        &raw.url,
        "url",
        "the exact value of `iss`, such as url = \"https://auth.example.com\"",
    )?;
    let issuer_url = reader.url(url)?;
    if issuer_url.query().is_some() || issuer_url.fragment().is_some() {
        return Err(source.error(url, "an issuer's URL has neither query nor fragment"));
    }
    let audience = reader.audience()?;
    let revocation = reader.revocation()?;
    let mut config = IssuerConfig::new(url.get_ref(), audience, revocation);
    config.tokens = reader.tokens()?;
    (config.keys, config.algs) = reader.keys(config.algs)?;
    if let Some(skew) = &raw.clock_skew {
        config.clock_skew = source.duration(skew)?;
    }
    config.decryption = reader.decryption()?;
    config.client = reader.client()?;
    config.base_url = raw.base_url.as_ref().map(|base| reader.url(base)).transpose()?;
    config.origins = reader.urls(&raw.origins)?;
    config.insecure_http = raw.insecure_http;
    config.dpop = dpop.dpop.clone();
    (raw, dpop.fingerprint).hash(&mut reader.hasher);
    Ok(IssuerSettings { config, fingerprint: reader.hasher.finish() })
}

/// Reads one `[[issuer]]`, and takes a note of every file that it reads for it.
struct Reader<'r, 't> {
    source: &'r Source<'t>,
    table: &'r Spanned<RawIssuer>,
    routes_ask: bool,
    hasher: DefaultHasher,
}

impl Reader<'_, '_> {
    fn audience(&self) -> Result<Vec<String>, ConfigError> {
        let field = &self.table.get_ref().audience;
        let what = "the values of `aud` for the services here: audience = [\"https://api.example.com\"]";
        let audience = self.source.required(self.table, field, "audience", what)?;
        if audience.get_ref().is_empty() || audience.get_ref().iter().any(String::is_empty) {
            return Err(self
                .source
                .error(audience, "an empty `audience` would take tokens meant for anybody")
                .hint(format!("give {what}")));
        }
        Ok(audience.get_ref().clone())
    }

    fn tokens(&mut self) -> Result<TokenKind, ConfigError> {
        let raw = self.table.get_ref();
        let Some(kind) = &raw.tokens else { return Ok(TokenKind::Rfc9068) };
        match kind.get_ref() {
            RawTokens::Rfc9068 => Ok(TokenKind::Rfc9068),
            RawTokens::Jwt => Ok(TokenKind::Jwt),
            RawTokens::Opaque => {
                let files =
                    [("secret_file", &raw.secret_file), ("previous_secret_file", &raw.previous_secret_file)];
                for (key, file) in files {
                    if let Some(file) = file {
                        let what = format!("`{key}` has no meaning: opaque tokens are not signed");
                        return Err(self.source.error(file, what));
                    }
                }
                self.introspection(kind).map(TokenKind::Opaque)
            }
        }
    }

    fn keys(&mut self, default: Vec<Alg>) -> Result<(KeySource, Vec<Alg>), ConfigError> {
        let raw = self.table.get_ref();
        let algs = self.algs()?;
        self.allow(
            "previous_secret_file",
            &raw.previous_secret_file,
            raw.secret_file.is_some(),
            "`secret_file`",
        )?;
        let both = |at: &Spanned<String>| {
            Err(self
                .source
                .error(at, "`secret_file`, `jwks_file` and `jwks_uri` exclude each other")
                .hint("keep one"))
        };
        match (&raw.secret_file, &raw.jwks_file, &raw.jwks_uri) {
            (Some(file), None, None) => {
                let alg = match algs.as_deref() {
                    None => Alg::HS256,
                    Some([alg]) if alg.is_symmetric() => *alg,
                    Some(_) => {
                        return Err(self
                            .source
                            .error(file, "a secret is for exactly one of HS256, HS384 and HS512")
                            .hint("write algs = [\"HS256\"]"));
                    }
                };
                let secret = self.secret(file, alg)?;
                let previous =
                    raw.previous_secret_file.as_ref().map(|file| self.previous_secret(file, &secret, alg));
                Ok((KeySource::Secret { alg, secret, previous: previous.transpose()? }, default))
            }
            (None, file, uri) => {
                if let (Some(algs), Some(field)) = (&algs, &raw.algs)
                    && algs.iter().any(|alg| alg.is_symmetric())
                {
                    return Err(self
                        .source
                        .error(field, "HS256, HS384 and HS512 need a secret")
                        .hint("give secret_file = \"…\""));
                }
                let keys = match (file, uri) {
                    (Some(file), Some(_)) => return both(file),
                    (Some(file), None) => KeySource::Inline(self.key_set(file)?),
                    (None, Some(uri)) => KeySource::JwksUri(self.url(uri)?),
                    (None, None) => KeySource::Discovery,
                };
                Ok((keys, algs.unwrap_or(default)))
            }
            (Some(file), ..) => both(file),
        }
    }

    fn algs(&self) -> Result<Option<Vec<Alg>>, ConfigError> {
        let Some(field) = &self.table.get_ref().algs else { return Ok(None) };
        if field.get_ref().is_empty() {
            return Err(self
                .source
                .error(field, "with an empty `algs` no token could be verified")
                .hint("leave it out for the usual ones"));
        }
        field.get_ref().iter().map(|name| alg(self.source, field, name)).collect::<Result<_, _>>().map(Some)
    }

    fn secret(&mut self, file: &Spanned<String>, alg: Alg) -> Result<SecretKey, ConfigError> {
        let bytes = self.read(file)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let secret = SecretKey::parse(text).map_err(|_| {
            self.source
                .error(file, format!("the secret in {} is not base64url without padding", file.get_ref()))
        })?;
        // RFC 7518 section 3.2.
        let least = match alg {
            Alg::HS512 => 64,
            Alg::HS384 => 48,
            _ => 32,
        };
        if secret.expose().len() < least {
            let found = secret.expose().len();
            return Err(self.source.error(
                file,
                format!(
                    "the secret in {} has {found} bytes, and {alg} needs {least} or more",
                    file.get_ref()
                ),
            ));
        }
        Ok(secret)
    }

    /// The secret before this one, whose tokens are still good.
    fn previous_secret(
        &mut self,
        file: &Spanned<String>,
        current: &SecretKey,
        alg: Alg,
    ) -> Result<SecretKey, ConfigError> {
        let previous = self.secret(file, alg)?;
        if previous.expose() == current.expose() {
            return Err(self
                .source
                .error(file, format!("{} holds the same secret as `secret_file`", file.get_ref()))
                .hint("keep the old secret there, and write the new one into `secret_file`"));
        }
        Ok(previous)
    }

    fn key_set(&mut self, file: &Spanned<String>) -> Result<JwkSet, ConfigError> {
        let bytes = self.read(file)?;
        JwkSet::parse(&bytes)
            .map_err(|error| self.source.error(file, format!("{} is no JWK Set: {error}", file.get_ref())))
    }

    fn decryption(&mut self) -> Result<Option<Decryption>, ConfigError> {
        let raw = self.table.get_ref();
        let Some(file) = &raw.decryption_key_file else {
            return match raw.require_encrypted {
                false => Ok(None),
                true => Err(self
                    .source
                    .error(self.table, "nothing could open the tokens that `require_encrypted` demands")
                    .hint("give decryption_key_file = \"…\"")),
            };
        };
        if let Some(kind) = raw.tokens.as_ref().filter(|kind| *kind.get_ref() == RawTokens::Opaque) {
            return Err(self
                .source
                .error(kind, "opaque tokens are not encrypted: leave `decryption_key_file` out"));
        }
        let bytes = self.read(file)?;
        Decryption::parse(&bytes, raw.require_encrypted).map(Some).map_err(|why| {
            self.source
                .error(file, format!("{} cannot be used: {why}", file.get_ref()))
                .hint("make one: gatepass jwk generate --alg ECDH-ES --curve X25519")
        })
    }

    fn revocation(&mut self) -> Result<Revocation, ConfigError> {
        let raw = self.table.get_ref();
        let what =
            "how revoked tokens are told: revocation = \"feed\", \"status-list\", \"introspect\" or \"none\"";
        let kind = self.source.required(self.table, &raw.revocation, "revocation", what)?;
        let (is_feed, is_list) =
            (*kind.get_ref() == RawRevocation::Feed, *kind.get_ref() == RawRevocation::StatusList);
        self.allow("feed", &raw.feed, is_feed, "revocation = \"feed\"")?;
        self.allow("feed_fallbacks", &raw.feed_fallbacks, is_feed, "revocation = \"feed\"")?;
        self.allow("status_list_origins", &raw.status_list_origins, is_list, "revocation = \"status-list\"")?;
        let can_be_stale = is_feed || is_list;
        self.allow("on_stale", &raw.on_stale, can_be_stale, "revocation = \"feed\" or \"status-list\"")?;
        let asks_by_itself = raw.on_stale.as_ref().is_some_and(|on_stale| on_stale.get_ref().asks());
        let is_opaque = raw.tokens.as_ref().is_some_and(|kind| *kind.get_ref() == RawTokens::Opaque);
        let is_asked = is_opaque || asks_by_itself || (can_be_stale && self.routes_ask);
        if let Some(table) = &raw.introspection
            && *kind.get_ref() != RawRevocation::Introspect
            && !is_asked
        {
            return Err(self.source.error(table, "`introspection` has no meaning: nothing asks the issuer"));
        }
        match kind.get_ref() {
            RawRevocation::Feed => Ok(Revocation::Feed(Feed {
                url: raw.feed.as_ref().map(|url| self.url(url)).transpose()?,
                fallbacks: self.urls(&raw.feed_fallbacks)?,
                on_stale: self.on_stale(kind)?,
                introspection: self.introspection_for_routes(kind)?,
            })),
            RawRevocation::StatusList => Ok(Revocation::StatusList(StatusListSource {
                origins: self.urls(&raw.status_list_origins)?,
                on_stale: self.on_stale(kind)?,
                introspection: self.introspection_for_routes(kind)?,
            })),
            RawRevocation::Introspect => Ok(Revocation::Introspect(self.introspection(kind)?)),
            RawRevocation::None => Ok(Revocation::None),
        }
    }

    fn allow<T>(
        &self,
        key: &str,
        field: &Field<T>,
        is_allowed: bool,
        where_it_is: &str,
    ) -> Result<(), ConfigError> {
        match field {
            Some(field) if !is_allowed => {
                Err(self.source.error(field, format!("`{key}` has no meaning without {where_it_is}")))
            }
            _ => Ok(()),
        }
    }

    fn on_stale<T>(&mut self, wanted_by: &Spanned<T>) -> Result<OnStale, ConfigError> {
        let field: &Field<RawOnStale> = &self.table.get_ref().on_stale;
        let Some(table) = field else {
            let hint =
                "write on_stale = { after = \"30s\", then = \"deny\" }, or \"allow\", or \"introspect\"";
            return Err(self
                .source
                .error(wanted_by, "`on_stale` is missing: what holds while the issuer is silent")
                .hint(hint));
        };
        let (after, then) = stale::check(self.source, table)?;
        let then = match then.get_ref() {
            RawThen::Allow => WhenStale::Allow,
            RawThen::Deny => WhenStale::Deny,
            RawThen::Introspect => WhenStale::Introspect(self.introspection(then)?),
        };
        Ok(OnStale { after, then })
    }

    /// For those routes that ask where the issuer's own `on_stale` does not.
    fn introspection_for_routes<T>(
        &mut self,
        wanted_by: &Spanned<T>,
    ) -> Result<Option<Introspection>, ConfigError> {
        if self.routes_ask { self.introspection(wanted_by).map(Some) } else { Ok(None) }
    }

    fn introspection<T>(&mut self, wanted_by: &Spanned<T>) -> Result<Introspection, ConfigError> {
        let field: &Field<RawIntrospection> = &self.table.get_ref().introspection;
        let Some(table) = field else {
            let hint = "write introspection = { client_id = \"gateway\", client_secret_file = \"…\" }";
            return Err(self
                .source
                .error(wanted_by, "`introspection` is missing: as whom to ask the issuer")
                .hint(hint));
        };
        let raw = table.get_ref();
        let client_id = self.source.required(
            table,
            &raw.client_id,
            "client_id",
            "the client that the gateway is to the issuer",
        )?;
        let file = self.source.required(
            table,
            &raw.client_secret_file,
            "client_secret_file",
            "the file with that client's secret",
        )?;
        Ok(Introspection {
            endpoint: raw.url.as_ref().map(|url| self.url(url)).transpose()?,
            client_id: client_id.get_ref().clone(),
            client_secret: self.client_secret(file)?,
        })
    }

    /// The client that the gateway is to the issuer, for what it asks beside introspection.
    fn client(&mut self) -> Result<Option<Client>, ConfigError> {
        let Some(table) = &self.table.get_ref().client else { return Ok(None) };
        let raw = table.get_ref();
        let what = "the client that the gateway is to the issuer: id = \"gateway\"";
        let id = self.source.required(table, &raw.id, "id", what)?;
        let what = "the file with that client's secret";
        let file = self.source.required(table, &raw.secret_file, "secret_file", what)?;
        Ok(Some(Client {
            id: id.get_ref().clone(),
            secret: self.client_secret(file)?,
            token_endpoint: raw.token_endpoint.as_ref().map(|url| self.url(url)).transpose()?,
        }))
    }

    fn client_secret(&mut self, file: &Spanned<String>) -> Result<ClientSecret, ConfigError> {
        let secret = client_secret(self.source, file)?;
        secret.hash(&mut self.hasher);
        Ok(ClientSecret::new(secret.as_str()))
    }

    fn url(&self, text: &Spanned<String>) -> Result<Url, ConfigError> {
        self.url_at(text, text.get_ref())
    }

    fn urls(&self, field: &Field<Vec<String>>) -> Result<Vec<Url>, ConfigError> {
        let Some(field) = field else { return Ok(Vec::new()) };
        field.get_ref().iter().map(|text| self.url_at(field, text)).collect()
    }

    fn url_at<T>(&self, place: &Spanned<T>, text: &str) -> Result<Url, ConfigError> {
        let url =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.ok_or_else(|| {
            self.source
                .error(place, format!("`{text}` is no http or https URL"))
                .hint("write it with its scheme: \"https://auth.example.com\"")
        })
    }

    /// Reads a file, looked up from the configuration's folder.
    fn read(&mut self, file: &Spanned<String>) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let bytes = read_secret(self.source, file)?;
        bytes.hash(&mut self.hasher);
        Ok(bytes)
    }
}

/// The algorithm of that name.
pub(super) fn alg<T>(source: &Source<'_>, field: &Spanned<T>, name: &str) -> Result<Alg, ConfigError> {
    name.parse().map_err(|_| {
        let error = source.error(field, format!("`{name}` is no algorithm that can be verified"));
        match nearest(name, Alg::all().map(Alg::name)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("the usual ones are ES256, RS256, PS256 and EdDSA"),
        }
    })
}

/// Reads the secret that a client has at an issuer.
pub(super) fn client_secret(
    source: &Source<'_>,
    file: &Spanned<String>,
) -> Result<Zeroizing<String>, ConfigError> {
    let bytes = read_secret(source, file)?;
    let no_text = |_| source.error(file, format!("the secret in {} is not text", file.get_ref()));
    std::str::from_utf8(without_line_end(&bytes)).map(|text| Zeroizing::new(text.to_owned())).map_err(no_text)
}

pub(super) fn read_secret(
    source: &Source<'_>,
    file: &Spanned<String>,
) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let path = source.folder.join(file.get_ref());
    let bytes = std::fs::read(&path)
        .map_err(|error| source.error(file, format!("cannot read {}: {error}", path.display())))?;
    Ok(Zeroizing::new(bytes))
}

/// Editors end a file with a line end, and `echo` does; a secret has none.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

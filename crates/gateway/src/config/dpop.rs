//! `[dpop]`: on what terms tokens are taken that are bound to a key of their sender's, whoever issued them.

use std::hash::{DefaultHasher, Hash, Hasher};

use gatepass_guard::{Dpop, SecretKey};
use toml::Spanned;

use super::ConfigError;
use super::check::Source;
use super::issuer::{alg, read_secret};
use super::raw::{RawConfig, RawDpop};

/// What `Dpop` needs of a secret.
const MIN_SECRET: usize = 32;

/// The terms, checked.
pub(super) struct Terms {
    pub(super) dpop: Dpop,
    /// Of all that was configured, the secret included.
    pub(super) fingerprint: u64,
}

/// Checks `[dpop]`.
pub(super) fn check(source: &Source<'_>, config: &RawConfig) -> Result<Terms, ConfigError> {
    let mut dpop = Dpop::default();
    let mut hasher = DefaultHasher::new();
    let Some(table) = &config.dpop else { return Ok(Terms { dpop, fingerprint: hasher.finish() }) };
    if config.public_url.is_none() {
        return Err(source
            .error(table, "no DPoP proof can be checked here, since nothing says which URL it has to name")
            .hint("say how clients reach the gateway: public_url = \"https://api.example.com\""));
    }
    let raw = table.get_ref();
    if let Some(required) = &raw.required {
        if *required.get_ref() && config.bff.is_some() {
            return Err(source
                .error(
                    required,
                    "the tokens of browsers' sessions are bound to no key, so all of them would be refused",
                )
                .hint("write require = { dpop = true } on the routes without `session`"));
        }
        dpop.required = *required.get_ref();
    }
    if let Some(field) = &raw.algs {
        dpop.algs = field.get_ref().iter().map(|name| alg(source, field, name)).collect::<Result<_, _>>()?;
        if dpop.algs.is_empty() || dpop.algs.iter().any(|alg| alg.is_symmetric()) {
            return Err(source
                .error(field, "proofs are signed with private keys, by one algorithm or more")
                .hint("leave it out for the usual ones"));
        }
    }
    if let Some(window) = &raw.window {
        dpop.window = source.limit(&raw.window, dpop.window)?;
        if dpop.window > Dpop::MAX_WINDOW {
            return Err(
                source.error(window, "a proof that is older than five minutes proves nothing any more")
            );
        }
    }
    dpop.nonce_secret = nonce_secret(source, raw)?;
    if let Some(period) = &raw.nonce_period {
        if dpop.nonce_secret.is_none() {
            return Err(source
                .error(period, "`nonce_period` has no meaning where no nonce is asked for")
                .hint("give nonce_secret_file = \"…\""));
        }
        dpop.nonce_period = source.duration(period)?;
        if dpop.nonce_period < Dpop::MIN_NONCE_PERIOD {
            return Err(
                source.error(period, "a nonce lasts for ten seconds or more, or clients never catch up")
            );
        }
    }
    raw.hash(&mut hasher);
    dpop.nonce_secret.as_ref().map(SecretKey::expose).hash(&mut hasher);
    Ok(Terms { dpop, fingerprint: hasher.finish() })
}

/// The secret that nonces are made under, out of a file or an environment variable.
fn nonce_secret(source: &Source<'_>, raw: &RawDpop) -> Result<Option<SecretKey>, ConfigError> {
    let (place, secret) = match (&raw.nonce_secret_file, &raw.nonce_secret_env) {
        (None, None) => return Ok(None),
        (Some(_), Some(variable)) => {
            return Err(
                source.error(variable, "`nonce_secret_file` and `nonce_secret_env` exclude each other")
            );
        }
        (Some(file), None) => {
            let bytes = read_secret(source, file)?;
            (file, SecretKey::parse(std::str::from_utf8(&bytes).unwrap_or_default()))
        }
        (None, Some(variable)) => (variable, SecretKey::parse(&from_environment(source, variable)?)),
    };
    let is_long = |secret: &SecretKey| secret.expose().len() >= MIN_SECRET;
    secret.ok().filter(is_long).map(Some).ok_or_else(|| {
        source
            .error(
                place,
                format!("the secret in {} is not {MIN_SECRET} bytes or more in base64url", place.get_ref()),
            )
            .hint("make one with `openssl rand -base64 32 | tr '+/' '-_' | tr -d =`")
    })
}

fn from_environment(
    source: &Source<'_>,
    variable: &Spanned<String>,
) -> Result<zeroize::Zeroizing<String>, ConfigError> {
    let name = variable.get_ref();
    let is_name = !name.is_empty() && !name.contains(['=', '\0']);
    let value = is_name.then(|| std::env::var(name).ok()).flatten().map(zeroize::Zeroizing::new);
    value.ok_or_else(|| {
        source.error(variable, format!("the environment variable `{name}` is not set, or no text"))
    })
}

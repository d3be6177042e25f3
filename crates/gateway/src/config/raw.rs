//! The shape of the file, before anything is checked. What may be left out, and what then holds, is decided
//! in `check`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Protocol;
use super::rate_limit::RawRouteRateLimit;
use super::token::RawToken;
use crate::header::forwarded::ForwardedFields;
use crate::rate_limit::Per;

/// One value, with the place it was written at.
pub(super) type Field<T> = Option<Spanned<T>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) listen: Field<String>,
    pub(super) admin_listen: Field<String>,
    pub(super) public_url: Field<String>,
    pub(super) tls: Field<RawTls>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) forwarded: ForwardedFields,
    pub(super) access_log: Field<RawAccessLog>,
    pub(super) tracing: Field<RawTracing>,
    pub(super) dpop: Field<RawDpop>,
    #[serde(default)]
    pub(super) issuer: Vec<Spanned<RawIssuer>>,
    #[serde(default)]
    pub(super) upstream: Vec<Spanned<RawUpstream>>,
    #[serde(default)]
    pub(super) route: Vec<Spanned<RawRoute>>,
    #[serde(default)]
    pub(super) resource: Vec<Spanned<RawResource>>,
    #[serde(default)]
    pub(super) rate_limit: Vec<Spanned<RawRateLimit>>,
    #[serde(default)]
    pub(super) forward_auth: RawForwardAuth,
    pub(super) ext_authz: Field<RawExtAuthz>,
    pub(super) bff: Field<RawBff>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) timeouts: RawTimeouts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) certificate: Field<String>,
    pub(super) key: Field<String>,
    pub(super) client_ca: Field<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccessLog {
    pub(super) path: Field<String>,
    pub(super) identity: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTracing {
    pub(super) otlp: Field<String>,
    pub(super) sample: Field<f64>,
    #[serde(default)]
    pub(super) callers: RawCallers,
}

/// Whose word on the trace of a request is taken.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawCallers {
    #[default]
    All,
    TrustedProxies,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDpop {
    pub(super) required: Field<bool>,
    pub(super) algs: Field<Vec<String>>,
    pub(super) window: Field<String>,
    pub(super) nonce_secret_file: Field<String>,
    pub(super) nonce_secret_env: Field<String>,
    pub(super) nonce_period: Field<String>,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIssuer {
    pub(super) url: Field<String>,
    pub(super) audience: Field<Vec<String>>,
    pub(super) tokens: Field<RawTokens>,
    pub(super) jwks_uri: Field<String>,
    pub(super) jwks_file: Field<String>,
    pub(super) algs: Field<Vec<String>>,
    pub(super) secret_file: Field<String>,
    pub(super) previous_secret_file: Field<String>,
    pub(super) clock_skew: Field<String>,
    pub(super) decryption_key_file: Field<String>,
    pub(super) revocation: Field<RawRevocation>,
    pub(super) feed: Field<String>,
    pub(super) feed_fallbacks: Field<Vec<String>>,
    pub(super) status_list_origins: Field<Vec<String>>,
    pub(super) on_stale: Field<RawOnStale>,
    pub(super) introspection: Field<RawIntrospection>,
    pub(super) client: Field<RawClient>,
    pub(super) base_url: Field<String>,
    pub(super) origins: Field<Vec<String>>,
    #[serde(default)]
    pub(super) require_encrypted: bool,
    #[serde(default)]
    pub(super) insecure_http: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawTokens {
    Rfc9068,
    Jwt,
    Opaque,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawRevocation {
    Feed,
    Introspect,
    StatusList,
    None,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOnStale {
    pub(super) after: Field<String>,
    pub(super) then: Field<RawThen>,
}

impl RawOnStale {
    pub(super) fn asks(&self) -> bool {
        self.then.as_ref().is_some_and(|then| *then.get_ref() == RawThen::Introspect)
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawThen {
    Allow,
    Deny,
    Introspect,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIntrospection {
    pub(super) url: Field<String>,
    pub(super) client_id: Field<String>,
    pub(super) client_secret_file: Field<String>,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClient {
    pub(super) id: Field<String>,
    pub(super) secret_file: Field<String>,
    pub(super) token_endpoint: Field<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub(super) name: Field<String>,
    #[serde(default)]
    pub(super) servers: Vec<Spanned<String>>,
    pub(super) protocol: Field<Protocol>,
    pub(super) tls: Field<RawUpstreamTls>,
    pub(super) health: Field<RawHealth>,
    #[serde(default)]
    pub(super) eject: RawEject,
    pub(super) limits: Field<RawUpstreamLimits>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstreamTls {
    pub(super) ca: Field<String>,
    pub(super) server_name: Field<String>,
    pub(super) certificate: Field<String>,
    pub(super) key: Field<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    pub(super) path: Field<String>,
    pub(super) every: Field<String>,
    pub(super) timeout: Field<String>,
    pub(super) healthy: Field<u32>,
    pub(super) unhealthy: Field<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEject {
    pub(super) failures: Field<u32>,
    pub(super) longest: Field<String>,
    #[serde(default)]
    pub(super) server_errors: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstreamLimits {
    pub(super) requests: Field<usize>,
    pub(super) waiting: Field<usize>,
    pub(super) wait: Field<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) path: Field<String>,
    pub(super) host: Field<String>,
    pub(super) methods: Field<Vec<String>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<toml::Value>>,
    pub(super) upstream: Field<String>,
    #[serde(default)]
    pub(super) public: bool,
    pub(super) optional: Field<bool>,
    pub(super) require: Field<RawRequire>,
    #[serde(default)]
    pub(super) forward: BTreeMap<String, Spanned<String>>,
    pub(super) session: Field<bool>,
    pub(super) token: Field<RawToken>,
    pub(super) tickets: Field<bool>,
    pub(super) end_streams: Field<bool>,
    #[serde(default)]
    pub(super) long_bodies: bool,
    pub(super) on_stale: Field<RawOnStale>,
    pub(super) enforce: Field<bool>,
    pub(super) cors: Field<RawCors>,
    pub(super) rate_limit: Field<RawRouteRateLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResource {
    pub(super) url: Field<String>,
    pub(super) name: Option<String>,
    pub(super) audience: Field<Vec<String>>,
    pub(super) issuers: Field<Vec<String>>,
    pub(super) scopes: Field<Vec<String>>,
    pub(super) dpop: Field<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCors {
    pub(super) origins: Field<Vec<String>>,
    pub(super) methods: Field<Vec<String>>,
    pub(super) headers: Field<Vec<String>>,
    pub(super) expose: Field<Vec<String>>,
    #[serde(default)]
    pub(super) credentials: bool,
    pub(super) max_age: Field<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRateLimit {
    pub(super) name: Field<String>,
    pub(super) per: Field<Per>,
    pub(super) requests: Field<u32>,
    pub(super) every: Field<String>,
    pub(super) burst: Field<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequire {
    pub(super) scope: Field<Vec<String>>,
    pub(super) role: Field<Vec<String>>,
    #[serde(default)]
    pub(super) claim: BTreeMap<String, Spanned<toml::Value>>,
    pub(super) dpop: Field<bool>,
    pub(super) acr: Field<Vec<String>>,
    pub(super) max_age: Field<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawForwardAuth {
    pub(super) path: Field<String>,
    #[serde(default)]
    pub(super) forward: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExtAuthz {
    pub(super) listen: Field<String>,
}

#[derive(Deserialize, Hash)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBff {
    pub(super) issuer: Field<String>,
    pub(super) client_id: Field<String>,
    pub(super) client_secret_file: Field<String>,
    pub(super) token_endpoint_auth_method: Field<RawAuthMethod>,
    pub(super) id_token_signed_response_alg: Field<String>,
    pub(super) scope: Field<String>,
    pub(super) prompt: Field<String>,
    pub(super) resource: Field<String>,
    pub(super) prefix: Field<String>,
    pub(super) cookie: Field<String>,
    pub(super) after_login: Field<String>,
    pub(super) after_logout: Field<String>,
    pub(super) idle: Field<String>,
    pub(super) absolute: Field<String>,
    pub(super) store: Field<String>,
    pub(super) key_file: Field<String>,
}

#[derive(Deserialize, Clone, Copy, Hash)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawAuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) connections: Field<usize>,
    pub(super) handshakes: Field<usize>,
    pub(super) header_bytes: Field<usize>,
    pub(super) headers: Field<usize>,
    pub(super) target_bytes: Field<usize>,
    pub(super) body_bytes: Field<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTimeouts {
    pub(super) handshake: Field<String>,
    pub(super) header: Field<String>,
    pub(super) idle: Field<String>,
    pub(super) stall: Field<String>,
    pub(super) body: Field<String>,
    pub(super) tunnel: Field<String>,
    pub(super) connect: Field<String>,
    pub(super) response: Field<String>,
    pub(super) drain: Field<String>,
}

//! Where a provider is asked, and what it answers: metadata, the token endpoint, userinfo.

use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::{Alg, NumericDate, Timestamp, Typ, base64url, jwt, parse_strict_json};
use gatepass_token::id_token_algs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

use super::{
    IdentityProvider, ProviderAuthorization, ProviderCredential, ProviderError, ProviderProtocol,
    ProviderRequest, SecretMethod, excerpt,
};
use crate::secrets::random;
use crate::trusted_issuer::{KeySetSource, PublishedKeys};

/// The least and the most that metadata are believed for, whatever their server says.
const LEAST_FRESH: Duration = Duration::from_secs(60);
const MOST_FRESH: Duration = Duration::from_secs(3600);
/// How long nothing is asked after a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an assertion of this server's is good.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);
/// The longest access token or ID token that is taken.
const MAX_TOKEN: usize = 32 * 1024;

/// What is known of a provider from its metadata, and when that was asked for.
#[derive(Debug, Default)]
pub(super) struct Discovered(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    endpoints: Option<Arc<Endpoints>>,
    fresh_until: Option<Timestamp>,
    asked_until: Option<Timestamp>,
}

/// Where a provider is asked.
#[derive(Debug)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    /// How it takes a secret.
    method: SecretMethod,
    /// Whether each of its answers names it ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    pub(super) answers_name_issuer: bool,
    /// What it signs ID tokens with, where it makes some.
    pub(super) id_tokens: Option<IdTokenKeys>,
}

#[derive(Debug)]
pub(super) struct IdTokenKeys {
    pub(super) algs: Vec<Alg>,
    jwks_uri: Url,
    pub(super) keys: Arc<PublishedKeys>,
}

/// What the token endpoint gave.
pub(super) struct Tokens {
    pub(super) access: Zeroizing<String>,
    pub(super) id: Option<Zeroizing<String>>,
}

/// [OpenID Connect Discovery 1.0 section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Option<Url>,
    jwks_uri: Url,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What this server says of itself, signed.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: NumericDate,
    exp: NumericDate,
}

impl IdentityProvider {
    /// Where it is asked, by its metadata where it has some.
    pub(super) async fn endpoints(&self, now: Timestamp) -> Result<Arc<Endpoints>, ProviderError> {
        let issuer = match &self.protocol {
            ProviderProtocol::OpenIdConnect { issuer, .. } => issuer.as_str(),
            ProviderProtocol::OAuth { authorization_endpoint, token_endpoint, userinfo_endpoint, .. } => {
                return Ok(Arc::new(Endpoints {
                    authorization: authorization_endpoint.clone(),
                    token: token_endpoint.clone(),
                    userinfo: Some(userinfo_endpoint.clone()),
                    method: SecretMethod::ClientSecretBasic,
                    answers_name_issuer: false,
                    id_tokens: None,
                }));
            }
        };
        // Whoever comes meanwhile waits for the answer instead of asking as well.
        let mut known = self.discovered.0.lock().await;
        if let Some(endpoints) = &known.endpoints
            && [known.fresh_until, known.asked_until].iter().flatten().any(|until| now < *until)
        {
            return Ok(Arc::clone(endpoints));
        }
        if known.asked_until.is_some_and(|until| now < until) {
            return Err(unavailable("its metadata were just asked for"));
        }
        match self.discover(issuer, known.endpoints.as_deref()).await {
            Ok((endpoints, fresh_for)) => {
                let endpoints = Arc::new(endpoints);
                let fresh_until = now.saturating_add(fresh_for.clamp(LEAST_FRESH, MOST_FRESH));
                *known = Known {
                    endpoints: Some(Arc::clone(&endpoints)),
                    fresh_until: Some(fresh_until),
                    asked_until: None,
                };
                Ok(endpoints)
            }
            Err(error) => {
                known.asked_until = Some(now.saturating_add(PAUSE));
                // Endpoints seldom move: those of before are better than none.
                let before = known.endpoints.clone().ok_or_else(|| error.clone())?;
                tracing::warn!(provider = %self.id, %error, "going on with the metadata of before");
                Ok(before)
            }
        }
    }

    async fn discover(
        &self,
        issuer: &str,
        before: Option<&Endpoints>,
    ) -> Result<(Endpoints, Duration), ProviderError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(unavailable)?;
        let request = ProviderRequest { url: &url, authorization: ProviderAuthorization::None, form: None };
        let answer = self.source.ask(request).await.map_err(unavailable)?;
        if answer.status != 200 {
            return Err(unavailable(format_args!("{url} answered with status {}", answer.status)));
        }
        let metadata: Metadata = parse_strict_json(&answer.body).map_err(unavailable)?;
        // Section 4.3: or another provider's endpoints would be taken for this one's.
        if metadata.issuer != issuer {
            return Err(unavailable("its metadata are another issuer's"));
        }
        let asked = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        for url in asked.into_iter().chain(&metadata.userinfo_endpoint) {
            require_web(url, issuer)?;
        }
        let algs = id_token_algs(metadata.id_token_signing_alg_values_supported.as_deref());
        let kept = before.and_then(|before| before.id_tokens.as_ref());
        let keys = match kept.filter(|kept| kept.jwks_uri == metadata.jwks_uri && kept.algs == algs) {
            Some(kept) => Arc::clone(&kept.keys),
            None => {
                let source: Arc<dyn KeySetSource> = self.source.clone();
                Arc::new(PublishedKeys::new(metadata.jwks_uri.clone(), algs.clone(), source))
            }
        };
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let takes = |name: &str| methods.is_none_or(|all| all.iter().any(|one| one == name));
        let endpoints = Endpoints {
            authorization: metadata.authorization_endpoint,
            token: metadata.token_endpoint,
            userinfo: metadata.userinfo_endpoint,
            method: match takes("client_secret_basic") || !takes("client_secret_post") {
                true => SecretMethod::ClientSecretBasic,
                false => SecretMethod::ClientSecretPost,
            },
            answers_name_issuer: metadata.authorization_response_iss_parameter_supported,
            id_tokens: Some(IdTokenKeys { algs, jwks_uri: metadata.jwks_uri, keys }),
        };
        Ok((endpoints, answer.fresh_for))
    }

    /// Exchanges a code.
    pub(super) async fn exchange_code(
        &self,
        endpoints: &Endpoints,
        code: &str,
        code_verifier: &str,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", code_verifier),
        ];
        let mut authorization = ProviderAuthorization::None;
        let assertion;
        match &self.credential {
            ProviderCredential::Secret { secret, method } => {
                let secret = std::str::from_utf8(secret.expose()).map_err(unavailable)?;
                match method.unwrap_or(endpoints.method) {
                    SecretMethod::ClientSecretBasic => {
                        authorization = ProviderAuthorization::Basic(&self.client_id, secret);
                    }
                    SecretMethod::ClientSecretPost => {
                        form.extend([("client_id", self.client_id.as_str()), ("client_secret", secret)]);
                    }
                }
            }
            ProviderCredential::PrivateKey(key) => {
                assertion = Zeroizing::new(self.assertion(key, &endpoints.token, now)?);
                form.extend([
                    ("client_id", self.client_id.as_str()),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", &assertion),
                ]);
            }
        }
        let request = ProviderRequest { url: &endpoints.token, authorization, form: Some(&form) };
        let answer = self.source.ask(request).await.map_err(unavailable)?;
        // Some answer an error with 200.
        if let Ok(Refusal { error }) = parse_strict_json::<Refusal>(&answer.body) {
            return Err(ProviderError::Refused(excerpt(&error)));
        }
        if answer.status != 200 {
            return Err(unavailable(format_args!(
                "its token endpoint answered with status {}",
                answer.status
            )));
        }
        let tokens: TokenAnswer = parse_strict_json(&answer.body).map_err(unavailable)?;
        let access = Zeroizing::new(tokens.access_token);
        let id = tokens.id_token.map(Zeroizing::new);
        // RFC 6749 section 7.1: a client must not use a token whose type it does not understand.
        if !tokens.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(unavailable("its access token is no bearer token"));
        }
        let is_text = |token: &Zeroizing<String>| {
            (1..=MAX_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match is_text(&access) && id.as_ref().is_none_or(is_text) {
            true => Ok(Tokens { access, id }),
            false => Err(unavailable("its tokens are too long, or no tokens")),
        }
    }

    /// What an endpoint says of the user.
    pub(super) async fn about_user<T: DeserializeOwned>(
        &self,
        url: &Url,
        access_token: &str,
    ) -> Result<T, ProviderError> {
        let authorization = ProviderAuthorization::Bearer(access_token);
        let answer =
            self.source.ask(ProviderRequest { url, authorization, form: None }).await.map_err(unavailable)?;
        if answer.status != 200 {
            return Err(unavailable(format_args!("{url} answered with status {}", answer.status)));
        }
        parse_strict_json(&answer.body).map_err(unavailable)
    }

    /// [RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3): for this provider alone.
    fn assertion(
        &self,
        key: &gatepass_jose::SigningKey,
        token_endpoint: &Url,
        now: Timestamp,
    ) -> Result<String, ProviderError> {
        let claims = Assertion {
            iss: &self.client_id,
            sub: &self.client_id,
            aud: match &self.protocol {
                ProviderProtocol::OpenIdConnect { issuer, .. } => issuer.as_str(),
                ProviderProtocol::OAuth { .. } => token_endpoint.as_str(),
            },
            jti: base64url::encode(&random::<16>()?),
            iat: now.into(),
            exp: now.saturating_add(ASSERTION_LIFETIME).into(),
        };
        jwt::sign(&Typ::new("JWT"), &claims, key).map_err(unavailable)
    }
}

/// Browsers are sent there, and codes: `https`, unless the issuer itself has none.
fn require_web(url: &Url, issuer: &str) -> Result<(), ProviderError> {
    let is_plain = issuer.starts_with("http:") && url.scheme() == "http";
    match (url.scheme() == "https" || is_plain) && url.host().is_some() && url.fragment().is_none() {
        true => Ok(()),
        false => Err(unavailable("its metadata name an address that is not https")),
    }
}

pub(super) fn unavailable(why: impl std::fmt::Display) -> ProviderError {
    ProviderError::Unavailable(excerpt(&why.to_string()))
}

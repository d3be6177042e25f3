//! What a client that logs users in needs of an issuer that the guard trusts: its endpoints, its answers, and
//! whether an ID token is good
//! ([OpenID Connect Core 1.0](https://openid.net/specs/openid-connect-core-1_0.html)).

mod client;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use gatepass_jose::{Alg, parse_strict_json};
use gatepass_token::{ExpectedIdToken, id_token_algs, verify_id_token};
pub use gatepass_token::{IdToken, IdTokenRejection};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};
use url::Url;
use zeroize::Zeroizing;

pub use self::client::{OpenIdClient, TokenEndpointAuthMethod};
use crate::clock::Clock;
use crate::discovery::discover;
use crate::http::Http;
use crate::keys::KeyCache;
use crate::location::Location;

/// How long the metadata are used before they are read again.
const METADATA_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// After a failure nobody asks for so long: the next ones in the queue would only wait in turn.
const PAUSE: Duration = Duration::from_secs(1);
/// Requests to the issuer at a time; further ones wait, but not for long.
const MAX_REQUESTS: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Of an error code that an issuer answers this much is kept.
const MAX_ERROR: usize = 64;

/// An issuer that logs users in for a client. Cheap to clone; clones share what they know of the issuer.
#[derive(Clone)]
pub struct OpenIdIssuer(Arc<Inner>);

struct Inner {
    location: Location,
    keys: Arc<KeyCache>,
    /// Who may stand beside the client in an ID token's `aud`.
    audience: Vec<String>,
    clock_skew: Duration,
    http: Http,
    clock: Arc<Clock>,
    metadata: Mutex<Known>,
    requests: Semaphore,
}

/// What is known of the issuer, and when that was asked for, successfully or not.
#[derive(Default)]
struct Known {
    endpoints: Option<(Arc<Endpoints>, Instant)>,
    failed: Option<(Instant, OpenIdError)>,
}

struct Endpoints {
    browsers: AuthorizationEndpoints,
    token: Url,
    revocation: Option<Url>,
    /// How the issuer takes a client's secret, if it takes one in a way that is known here.
    auth_method: Option<TokenEndpointAuthMethod>,
    /// What it signs ID tokens with.
    id_token_algs: Vec<Alg>,
}

/// Where browsers are sent, and what they bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationEndpoints {
    /// Where a login begins.
    pub authorization: Url,
    /// Where the user is logged out of the issuer, if it offers that
    /// ([RP-Initiated Logout](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).
    pub end_session: Option<Url>,
    /// Every answer names its issuer ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)): one that does not
    /// comes from somebody else.
    pub answers_name_issuer: bool,
}

/// What the token endpoint gave. Shows no token in `Debug`; they are wiped when dropped.
pub struct TokenAnswer {
    /// The access token. Nobody has verified it yet.
    pub access_token: Zeroizing<String>,
    /// For how long it is good, if the issuer says so.
    pub expires_in: Option<Duration>,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Zeroizing<String>>,
    /// The ID token, if there is one. Nobody has verified it yet.
    pub id_token: Option<Zeroizing<String>>,
    /// What was granted, if it is not what was asked for.
    pub scope: Option<String>,
}

/// Why the issuer gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenIdError {
    /// It could not be asked, or what it answered makes no sense. Whether it did what it was asked to is not
    /// known.
    #[error("{0}")]
    Unavailable(String),
    /// It refused ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[error("the issuer refused: {error}")]
    Refused {
        /// The error code, at most 64 characters of it.
        error: String,
    },
}

/// Why nothing is known of who logged in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// The ID token is not good for this client and this login.
    #[error(transparent)]
    Rejected(#[from] IdTokenRejection),
    /// How the issuer signs them cannot be asked.
    #[error(transparent)]
    Issuer(#[from] OpenIdError),
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl OpenIdIssuer {
    pub(crate) fn new(
        location: Location,
        keys: Arc<KeyCache>,
        audience: Vec<String>,
        clock_skew: Duration,
        http: Http,
        clock: Arc<Clock>,
    ) -> Self {
        let (metadata, requests) = (Mutex::default(), Semaphore::new(MAX_REQUESTS));
        Self(Arc::new(Inner { location, keys, audience, clock_skew, http, clock, metadata, requests }))
    }

    /// The value of `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.location.issuer().as_str()
    }

    /// Where browsers are sent, as the issuer's metadata say, which are asked for at most once an hour.
    ///
    /// # Errors
    /// [`OpenIdError::Unavailable`] if the metadata cannot be read and never could.
    pub async fn endpoints(&self) -> Result<AuthorizationEndpoints, OpenIdError> {
        Ok(self.0.endpoints().await?.browsers.clone())
    }

    /// Asks the token endpoint; `form` is the grant and what belongs to it.
    ///
    /// # Errors
    /// [`OpenIdError`].
    pub async fn token(
        &self,
        client: &OpenIdClient,
        form: &[(&str, &str)],
    ) -> Result<TokenAnswer, OpenIdError> {
        let endpoints = self.0.endpoints().await?;
        let body = self.0.post(&endpoints.token, &endpoints, client, form).await?;
        let answer: Answer = parse_strict_json(&body).map_err(|error| {
            unavailable(format!("the answer of {} cannot be read: {error}", endpoints.token))
        })?;
        // RFC 6749 section 7.1: a client must not use a token whose type it does not understand.
        if !answer.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(unavailable(format!("{} gave a token that is no bearer token", endpoints.token)));
        }
        Ok(TokenAnswer {
            access_token: answer.access_token.into(),
            expires_in: answer.expires_in.map(Duration::from_secs),
            refresh_token: answer.refresh_token.map(Zeroizing::new),
            id_token: answer.id_token.map(Zeroizing::new),
            scope: answer.scope,
        })
    }

    /// Revokes a token ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). `kind` is `refresh_token` or
    /// `access_token`. Does nothing where the issuer has no endpoint for it.
    ///
    /// # Errors
    /// [`OpenIdError`].
    pub async fn revoke(&self, client: &OpenIdClient, token: &str, kind: &str) -> Result<(), OpenIdError> {
        let endpoints = self.0.endpoints().await?;
        let Some(url) = &endpoints.revocation else { return Ok(()) };
        let form = [("token", token), ("token_type_hint", kind)];
        self.0.post(url, &endpoints, client, &form).await.map(drop)
    }

    /// Verifies an ID token that came with `access_token` for the client and the login that `nonce` belongs to
    /// ([OpenID Connect Core 1.0 section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).
    /// It is signed with the algorithm that the client asks for, or else one that the issuer's metadata name; where
    /// they name none, with RS256. Its header says `typ: JWT` or nothing, so that no token with a type of its own
    /// passes for one; what keeps those without away is `nonce`, which no other kind of token has. Beside the client its `aud`
    /// names nobody but audiences that the issuer's [configuration](crate::IssuerConfig::audience) names.
    ///
    /// # Errors
    /// [`IdTokenError`], with the first check that failed.
    pub async fn verify_id_token(
        &self,
        id_token: &str,
        client: &OpenIdClient,
        nonce: &str,
        access_token: &str,
    ) -> Result<IdToken, IdTokenError> {
        let Inner { location, keys, audience, clock_skew, clock, .. } = &*self.0;
        let endpoints = self.0.endpoints().await?;
        let expected = ExpectedIdToken {
            issuer: location.issuer(),
            algs: client
                .id_token_signed_response_alg
                .as_ref()
                .map_or(&endpoints.id_token_algs, std::slice::from_ref),
            client_id: &client.client_id,
            trusted_audiences: audience,
            nonce,
            access_token,
        };
        let keys_for = |alg| keys.for_alg(alg);
        let verify = || verify_id_token(id_token, &expected, keys_for, *clock_skew, clock.now().wall);
        match verify() {
            Err(error) if error.is_unknown_key() && keys.refetch_for_unknown_key().await => Ok(verify()?),
            answer => Ok(answer?),
        }
    }
}

impl Inner {
    async fn endpoints(&self) -> Result<Arc<Endpoints>, OpenIdError> {
        let mut known = self.metadata.lock().await;
        if let Some((endpoints, at)) = &known.endpoints
            && at.elapsed() < METADATA_LIFETIME
        {
            return Ok(Arc::clone(endpoints));
        }
        let failed = match &known.failed {
            Some((at, error)) if at.elapsed() < PAUSE => error.clone(),
            _ => match self.discover().await {
                Ok(endpoints) => {
                    let endpoints = Arc::new(endpoints);
                    *known =
                        Known { endpoints: Some((Arc::clone(&endpoints), Instant::now())), failed: None };
                    return Ok(endpoints);
                }
                Err(error) => {
                    known.failed = Some((Instant::now(), error.clone()));
                    error
                }
            },
        };
        // Endpoints seldom move: those of before are better than none.
        known.endpoints.as_ref().map(|(endpoints, _)| Arc::clone(endpoints)).ok_or(failed)
    }

    async fn discover(&self) -> Result<Endpoints, OpenIdError> {
        let metadata = discover(&self.http, &self.location).await.map_err(unavailable)?.login;
        let missing = |name: &str| unavailable(format!("the issuer's metadata name no {name}"));
        let Some(authorization) = &metadata.authorization_endpoint else {
            return Err(missing("authorization_endpoint"));
        };
        let Some(token) = &metadata.token_endpoint else { return Err(missing("token_endpoint")) };
        let for_browsers = |url: &String| self.location.for_browsers(url).map_err(unavailable);
        let named = |url: &String| self.location.named(url).map_err(unavailable);
        Ok(Endpoints {
            browsers: AuthorizationEndpoints {
                authorization: for_browsers(authorization)?,
                end_session: metadata.end_session_endpoint.as_ref().map(for_browsers).transpose()?,
                answers_name_issuer: metadata.authorization_response_iss_parameter_supported,
            },
            token: named(token)?,
            revocation: metadata.revocation_endpoint.as_ref().map(named).transpose()?,
            auth_method: TokenEndpointAuthMethod::of(
                metadata.token_endpoint_auth_methods_supported.as_deref(),
            ),
            id_token_algs: id_token_algs(metadata.id_token_signing_alg_values_supported.as_deref()),
        })
    }

    async fn post(
        &self,
        url: &Url,
        endpoints: &Endpoints,
        client: &OpenIdClient,
        form: &[(&str, &str)],
    ) -> Result<Zeroizing<Vec<u8>>, OpenIdError> {
        let Some(method) = client.token_endpoint_auth_method.or(endpoints.auth_method) else {
            return Err(unavailable(
                "the issuer takes a client's secret neither by client_secret_basic nor by client_secret_post",
            ));
        };
        let permit = tokio::time::timeout(MAX_WAIT, self.requests.acquire()).await;
        let _permit = permit.map_err(|_| unavailable("too many requests to the issuer are waiting"))?;
        let answer = client.ask(&self.http, url, method, form, MAX_ANSWER).await;
        let (status, body) = answer.map_err(unavailable)?;
        match status {
            StatusCode::OK => Ok(Zeroizing::new(body)),
            // Only in these does an issuer say what it refuses: anything else may be a proxy's on the way.
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => match parse_strict_json::<Refusal>(&body) {
                Ok(Refusal { error }) => {
                    Err(OpenIdError::Refused { error: error.escape_debug().take(MAX_ERROR).collect() })
                }
                Err(_) => Err(unavailable(format!("{url} answered with status {status}"))),
            },
            _ => Err(unavailable(format!("{url} answered with status {status}"))),
        }
    }
}

fn unavailable(error: impl fmt::Display) -> OpenIdError {
    OpenIdError::Unavailable(error.to_string())
}

impl fmt::Debug for OpenIdIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenIdIssuer").field(&self.issuer()).finish()
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

//! Minting access tokens ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).

use std::borrow::Cow;
use std::time::Duration;

use gatepass_jose::jwe::{EncryptError, JweKeyError, NestError};
use gatepass_jose::{Alg, Audience, NumericDate, Timestamp, Typ, jwt};
use gatepass_token::{AccessClaims, Actor, AuthorizationDetails, ScopeSet, TokenId};
use serde::Serialize;
use thiserror::Error;

use crate::binding::Binding;
use crate::config::{Config, ResourceServer, Signing};
use crate::dpop::TokenType;
use crate::id::{ClientId, SessionId};
use crate::issuer::Issuer;
use crate::secrets::{SecretError, random};
use crate::status_list::StatusReference;

/// Past this size a warning is logged: proxies and servers begin to refuse headers at 4 to 8 kB.
const WARN_BYTES: usize = 1024;
/// Past this size no token is minted.
const MAX_BYTES: usize = 4096;

/// What a token is to say.
#[derive(Clone, Debug)]
pub(crate) struct Grant<'a> {
    /// The user's or client's identifier.
    pub(crate) subject: String,
    pub(crate) client: &'a ClientId,
    pub(crate) scope: ScopeSet,
    pub(crate) authorization_details: AuthorizationDetails,
    pub(crate) roles: Vec<String>,
    pub(crate) session: Option<SessionId>,
    /// How and when the user logged in.
    pub(crate) login: LoginClaims,
    /// What the token is for.
    pub(crate) target: Target<'a>,
    /// The instant it counts as minted at; see `Feed::minting_instant`.
    pub(crate) minted_at: Timestamp,
    /// The end of the session, or of the token that this one is exchanged for: it outlives neither.
    pub(crate) not_after: Timestamp,
    /// Who acts for the subject, if not it itself.
    pub(crate) actor: Option<Actor>,
    /// The keys that it is bound to.
    pub(crate) binding: Binding,
}

/// What a token says of its user's login, as far as that is known
/// ([RFC 9068 section 2.2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1)). It stays what it was at the login,
/// whatever the token was renewed or exchanged with.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginClaims {
    pub(crate) acr: Option<Cow<'static, str>>,
    pub(crate) auth_time: Option<NumericDate>,
}

/// Where a token can be used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// At a resource server and, where its tokens are under a published key, at the issuer itself:
    /// for the operator's own apps and for administrators.
    WithIssuer(&'a ResourceServer),
    /// At a resource server alone.
    Only(&'a ResourceServer),
    /// At the issuer alone.
    Issuer,
}

impl Target<'_> {
    /// The resource server's audience; `None` where it is the issuer itself.
    pub(crate) fn audience(&self) -> Option<&str> {
        match self {
            Self::WithIssuer(server) | Self::Only(server) => Some(&server.audience),
            Self::Issuer => None,
        }
    }
}

/// A minted token.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    pub(crate) token: String,
    pub(crate) token_type: TokenType,
    pub(crate) expires_in: Duration,
    pub(crate) scope: ScopeSet,
    pub(crate) authorization_details: AuthorizationDetails,
}

/// Why no token could be minted. All of these are the operator's to mend.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum MintError {
    /// The token would be larger than 4 kB.
    #[error("the token would have {bytes} bytes, more than {MAX_BYTES}; the largest claim is {claim:?}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The claim to make smaller.
        claim: &'static str,
    },
    /// No key of that algorithm signs now.
    #[error("no signing key for {0}")]
    NoKey(Alg),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] jwt::SignError),
    /// Signing failed, or encrypting what was signed.
    #[error(transparent)]
    Nest(#[from] NestError),
    /// It could not be encrypted for its resource server.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// A key is refused.
    #[error(transparent)]
    Key(#[from] JweKeyError),
    /// There is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The claims as they are signed.
#[derive(Serialize)]
struct Minting<'c> {
    #[serde(flatten)]
    claims: &'c AccessClaims,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusReference>,
}

impl Issuer {
    /// Mints an access token.
    pub(crate) fn mint(&self, grant: Grant<'_>, now: Timestamp) -> Result<Minted, MintError> {
        let config = &self.config;
        let (ring, shared) = (self.ring.load(), self.shared.load());
        let (server, audience) = match grant.target {
            Target::WithIssuer(server) if matches!(server.signing, Signing::Published(_)) => {
                (Some(server), vec![server.audience.clone(), config.issuer.to_string()])
            }
            Target::WithIssuer(server) | Target::Only(server) => {
                (Some(server), vec![server.audience.clone()])
            }
            Target::Issuer => (None, vec![config.issuer.to_string()]),
        };
        let signer = match server.map(|server| (&server.signing, &server.audience)) {
            Some((Signing::Shared(_), audience)) => {
                shared.signer(audience).ok_or(MintError::NoKey(Alg::HS256))?
            }
            // An algorithm that was configured a moment ago has no key yet that every verifier has seen; ES256
            // always has one.
            Some((Signing::Published(alg), _)) => ring
                .signer(*alg, now)
                .or_else(|| ring.signer(Alg::ES256, now))
                .ok_or(MintError::NoKey(*alg))?,
            None => ring.signer(Alg::ES256, now).ok_or(MintError::NoKey(Alg::ES256))?,
        };
        let iat = Timestamp::from_secs(now.as_secs());
        let exp = now.saturating_add(lifetime(config)?).min(grant.not_after);
        let not_before = server.is_some_and(|server| server.not_before);
        let claims = AccessClaims {
            iss: config.issuer.to_string(),
            sub: grant.subject,
            aud: Audience::new(audience).map_err(|_| jwt::SignError::Claims)?,
            exp: exp.into(),
            iat: iat.into(),
            nbf: not_before.then(|| iat.into()),
            jti: TokenId::new(grant.minted_at, random()?).to_string(),
            client_id: grant.client.to_string(),
            scope: grant.scope,
            authorization_details: grant.authorization_details,
            sid: grant.session.map(|sid| sid.to_string()),
            roles: grant.roles,
            acr: grant.login.acr,
            auth_time: grant.login.auth_time,
            cnf: grant.binding.confirmation(),
            act: grant.actor,
        };
        let status = match &self.statuses {
            Some(lists) => Some(lists.list(config.issuer.as_str(), &claims, signer.kid())?),
            None => None,
        };
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &Minting { claims: &claims, status }, signer)?;
        let token = match server.and_then(|server| server.encryption.as_ref()) {
            Some(encryption) => self.encrypt_token(&token, encryption)?,
            None => token,
        };
        require_size(&token, &claims)?;
        let token_type = TokenType::of(claims.cnf.as_ref());
        let AccessClaims { scope, authorization_details, .. } = claims;
        Ok(Minted { token, token_type, expires_in: exp.since(iat), scope, authorization_details })
    }
}

/// The configured lifetime less up to a twentieth of it.
fn lifetime(config: &Config) -> Result<Duration, SecretError> {
    let [byte] = random()?;
    let most = config.access_token_lifetime;
    Ok(most - most * u32::from(byte) / (20 * 256))
}

pub(crate) fn require_size(token: &str, claims: &AccessClaims) -> Result<(), MintError> {
    let bytes = token.len();
    if bytes <= WARN_BYTES {
        return Ok(());
    }
    let sizes = [
        ("scope", json_len(&claims.scope)),
        ("authorization_details", json_len(&claims.authorization_details)),
        ("roles", json_len(&claims.roles)),
        ("aud", json_len(&claims.aud)),
        ("client_id", claims.client_id.len()),
        ("iss", claims.iss.len()),
    ];
    let claim = sizes.iter().max_by_key(|(_, size)| *size).map_or("scope", |(claim, _)| claim);
    if bytes > MAX_BYTES {
        return Err(MintError::TooLarge { bytes, claim });
    }
    tracing::warn!(bytes, claim, sub = claims.sub, "an access token is larger than {WARN_BYTES} bytes");
    Ok(())
}

fn json_len(claim: &impl Serialize) -> usize {
    serde_json::to_vec(claim).map_or(0, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(roles: usize) -> AccessClaims {
        AccessClaims {
            iss: "https://auth.example.com".into(),
            sub: "s".into(),
            aud: Audience::new(["https://api.example.com"]).unwrap(),
            exp: Timestamp::from_secs(1).into(),
            iat: Timestamp::EPOCH.into(),
            nbf: None,
            jti: "j".into(),
            client_id: "first-party".into(),
            scope: "orders:read".parse().unwrap(),
            authorization_details: AuthorizationDetails::default(),
            sid: None,
            roles: (0..roles).map(|n| format!("role-number-{n}")).collect(),
            acr: None,
            auth_time: None,
            cnf: None,
            act: None,
        }
    }

    #[test]
    fn a_token_past_four_kilobytes_is_refused_with_the_claim_named() {
        let token = |bytes| "x".repeat(bytes);
        assert!(require_size(&token(WARN_BYTES + 1), &claims(40)).is_ok());
        assert!(require_size(&token(MAX_BYTES), &claims(300)).is_ok());
        let refused = require_size(&token(MAX_BYTES + 1), &claims(300)).unwrap_err();
        assert!(matches!(refused, MintError::TooLarge { bytes: 4097, claim: "roles" }), "{refused}");
        assert!(refused.to_string().contains("roles"), "{refused}");
    }
}

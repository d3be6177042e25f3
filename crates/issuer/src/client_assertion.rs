//! Client assertions: a client proves who it is by what it signs, with a key of its own or with the secret
//! that it shares ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3), narrowed as
//! [OpenID Connect Core 1.0 section 9](https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication)
//! and [its revision](https://datatracker.ietf.org/doc/draft-ietf-oauth-rfc7523bis/) ask).

use gatepass_jose::{
    Alg, Audience, JsonError, KeySet, Malformed, Timestamp, Typ, VerifyingKey, decode_unverified, jws,
    parse_strict_json,
};
use serde::Deserialize;
use thiserror::Error;

use crate::client::{Client, ClientKeys, Credential};
use crate::client_jwt::{Window, WindowRejection, require_jti};
use crate::client_key_sets::NoClientKeys;
use crate::id::ClientId;
use crate::jti::JtiDigest;
use crate::secrets::{SecretError, Secrets};

/// What the header may call an assertion, if it calls it anything: the revision's own type, and what libraries
/// wrote before it. Anything else is a text of another kind, such as a request object under the same key.
const TYPS: [Typ; 2] = [Typ::new("client-authentication+jwt"), Typ::new("JWT")];
/// The algorithm of assertions under a shared secret: the secret's 43 characters are too few for its siblings.
pub(crate) const SHARED_SECRET_ALG: Alg = Alg::HS256;

/// The algorithms with which clients may sign assertions.
#[must_use]
pub fn assertion_algs() -> Vec<Alg> {
    [SHARED_SECRET_ALG].into_iter().chain(ClientKeys::algs()).collect()
}

/// An assertion that holds. It still has to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAssertion {
    /// Its name among all assertions.
    pub(crate) jti: JtiDigest,
    /// When nobody would take it any more.
    pub(crate) forget_after: Timestamp,
}

/// Why an assertion proves nothing: one variant per check, in their order. For the log; the wire says
/// `invalid_client`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum AssertionRejection {
    #[error("the client is not registered for assertions")]
    NotRegistered,
    #[error("{0}")]
    Secret(SecretError),
    #[error(transparent)]
    Keys(#[from] NoClientKeys),
    #[error("it is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("its type is another")]
    Typ,
    #[error("its algorithm is not {0}, which the client is registered with")]
    Alg(Alg),
    #[error("its signature is not accepted: {0}")]
    Jws(#[from] jws::Rejection),
    #[error("its claims cannot be read: {0}")]
    Claims(#[from] JsonError),
    #[error("`iss` and `sub` are not the client")]
    Subject,
    #[error("`aud` is not this issuer alone, or one of its endpoints where the client may name those")]
    Audience,
    #[error(transparent)]
    Window(#[from] WindowRejection),
    #[error("it was used before")]
    Replayed,
}

#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: Audience,
    jti: String,
    #[serde(flatten)]
    window: Window,
}

#[derive(Deserialize)]
struct SubjectOnly {
    sub: String,
}

/// The client that an assertion claims to be from, and the name of the key, which nobody has verified.
pub(crate) fn unverified_client(assertion: &str) -> Option<(ClientId, Option<String>)> {
    let assertion = decode_unverified(assertion).ok()?;
    let claims = assertion.unverified_claims::<SubjectOnly>().ok()?;
    Some((claims.sub.parse().ok()?, assertion.unverified_kid().map(str::to_owned)))
}

/// The key under which the assertions of a client are that has a secret.
pub(crate) fn shared_key(client: &Client, secrets: &Secrets) -> Result<KeySet, AssertionRejection> {
    match &client.credential {
        Credential::SharedSecret(sealed) => {
            let secret =
                secrets.open_client_secret(&client.id, sealed).map_err(AssertionRejection::Secret)?;
            let key = VerifyingKey::from_secret(SHARED_SECRET_ALG, "", &secret);
            Ok(KeySet::new(key.into_iter().collect()))
        }
        Credential::Keys(_) | Credential::Secret(_) | Credential::Certificate(_) | Credential::None => {
            Err(AssertionRejection::NotRegistered)
        }
    }
}

/// Whether all values are names of this server's that stood in assertions before the issuer alone did: its own, that of the
/// token endpoint, and of the one that takes pushed requests ([RFC 9126 section 2](https://www.rfc-editor.org/rfc/rfc9126#section-2)).
fn is_for_endpoints(aud: &Audience, issuer: &str) -> bool {
    let endpoint = |audience: &str| {
        let path = audience.strip_prefix(issuer.trim_end_matches('/'));
        path.is_some_and(|path| ["/oauth/token", "/oauth/par"].contains(&path))
    };
    aud.iter().next().is_some() && aud.iter().all(|audience| audience == issuer || endpoint(audience))
}

/// Verifies an assertion of `client`, whose keys these are, to `issuer`; to its endpoints as well if it `takes_endpoints`. That
/// it was not used before is left to the caller.
pub(crate) fn verify(
    assertion: &str,
    client: &Client,
    keys: KeySet,
    issuer: &str,
    takes_endpoints: bool,
    now: Timestamp,
) -> Result<ClientAssertion, AssertionRejection> {
    let header = decode_unverified(assertion)?;
    if header.unverified_typ().is_some_and(|found| !TYPS.iter().any(|typ| typ.matches(found))) {
        return Err(AssertionRejection::Typ);
    }
    if let Some(alg) = client.extensions.token_endpoint_auth_signing_alg
        && header.unverified_alg() != alg.name()
    {
        return Err(AssertionRejection::Alg(alg));
    }
    let verified = jws::Verifier::new(keys).verify(assertion)?;
    let claims: AssertionClaims = parse_strict_json(verified.payload())?;
    if [&claims.iss, &claims.sub].into_iter().any(|name| name != client.id.as_str()) {
        return Err(AssertionRejection::Subject);
    }
    // The sole value: an assertion that is good elsewhere too may come from there. The token endpoint's URL, which
    // RFC 7523 allowed, can be somebody else's idea of where this server is: only a client's operator can know that it
    // is not.
    let is_for_issuer = claims.aud.iter().eq([issuer]);
    let is_for_endpoint = takes_endpoints && is_for_endpoints(&claims.aud, issuer);
    if !is_for_issuer && !is_for_endpoint {
        return Err(AssertionRejection::Audience);
    }
    let forget_after = claims.window.require_current(now)?;
    require_jti(&claims.jti)?;
    let jti = JtiDigest::of("client assertion", client.id.as_str(), &claims.jti);
    Ok(ClientAssertion { jti, forget_after })
}

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use gatepass_jose::{Audience, Claims as _, Issuer, KeySet, Rejection, Scratch, Verified, Verifier};
use gatepass_token::{AccessClaims, JwtAccessClaims, access_verifier, jwt_access_verifier};
use serde_json::{Map, Value};

use crate::clock::Now;

/// What a token says that somebody vouched for. Whoever brings the token again shares it.
pub(crate) struct Believed {
    vouched: Vouched,
    /// The bytes that the claims were read from.
    pub(crate) payload: Vec<u8>,
    /// All claims, parsed when the first is asked for by name.
    members: OnceLock<Map<String, Value>>,
    /// What the shared secret is called that it was verified under, whatever the token calls it.
    secret: Option<Arc<str>>,
}

/// Which claims make an access token of a JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Rfc9068,
    Jwt,
}

enum Vouched {
    Rfc9068(Verified<AccessClaims>),
    Jwt(Verified<JwtAccessClaims>),
    /// By the issuer's own word, when it was asked.
    Told(AccessClaims),
}

impl Profile {
    /// A verifier whose tokens are read as [`Believed::verify`] reads those of this profile.
    pub(crate) fn verifier(self, issuer: Issuer, audience: Audience, keys: KeySet) -> Verifier {
        match self {
            Self::Rfc9068 => access_verifier(issuer, audience, keys),
            Self::Jwt => jwt_access_verifier(issuer, audience, keys),
        }
    }
}

impl Believed {
    pub(crate) fn verify(
        profile: Profile,
        verifier: &Verifier,
        token: &str,
        now: Now,
    ) -> Result<Self, Rejection> {
        let mut scratch = Scratch::default();
        let vouched = match profile {
            Profile::Rfc9068 => Vouched::Rfc9068(verifier.verify_in(token, now.wall, &mut scratch)?),
            Profile::Jwt => Vouched::Jwt(verifier.verify_in(token, now.wall, &mut scratch)?),
        };
        Ok(Self { vouched, payload: scratch.into_payload(), members: OnceLock::new(), secret: None })
    }

    /// What the issuer said, when it was asked.
    pub(crate) fn told(claims: AccessClaims, payload: Vec<u8>) -> Self {
        Self { vouched: Vouched::Told(claims), payload, members: OnceLock::new(), secret: None }
    }

    /// The same, verified under the shared secret of that name.
    pub(crate) fn under(self, secret: Arc<str>) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// What the shared secret is called that the token was verified under, if it was one.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// As [`Verifier::verify_again`].
    pub(crate) fn verify_again(&self, verifier: &Verifier, now: Now) -> Result<(), Rejection> {
        match &self.vouched {
            Vouched::Rfc9068(verified) => verifier.verify_again(verified, now.wall),
            Vouched::Jwt(verified) => verifier.verify_again(verified, now.wall),
            Vouched::Told(claims) => verifier.require_claims(&claims.registered(), now.wall),
        }
    }

    pub(crate) fn claims(&self) -> &AccessClaims {
        match &self.vouched {
            Vouched::Rfc9068(verified) => verified,
            Vouched::Jwt(verified) => verified,
            Vouched::Told(claims) => claims,
        }
    }

    /// The key that signed the token; `None` where the issuer was asked.
    pub(crate) fn kid(&self) -> Option<&str> {
        match &self.vouched {
            Vouched::Rfc9068(verified) => Some(verified.kid()),
            Vouched::Jwt(verified) => Some(verified.kid()),
            Vouched::Told(_) => None,
        }
    }

    /// Whether both are of one token. Of an opaque one the issuer may tell more or less each time that it is asked.
    pub(crate) fn is_of_same_token(&self, other: &Self) -> bool {
        match (&self.vouched, &other.vouched) {
            (Vouched::Told(own), Vouched::Told(other)) => {
                (&own.sub, &own.client_id, &own.cnf) == (&other.sub, &other.client_id, &other.cnf)
            }
            _ => self.payload == other.payload,
        }
    }

    /// A claim by its name, whichever it is.
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        // It parsed as claims before, so it parses as an object.
        let parse = || serde_json::from_slice(&self.payload).unwrap_or_default();
        self.members.get_or_init(parse).get(name)
    }
}

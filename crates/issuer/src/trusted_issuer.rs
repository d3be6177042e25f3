//! Issuers elsewhere whose assertions are taken for somebody here
//! ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3), narrowed as
//! [its revision](https://datatracker.ietf.org/doc/draft-ietf-oauth-rfc7523bis/) asks).

mod keys;

use std::collections::BTreeMap;

use gatepass_jose::{
    Audience, JsonError, KeySet, Malformed, Timestamp, Typ, decode_unverified, jws, parse_strict_json,
};
use gatepass_token::ScopeSet;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

pub(crate) use self::keys::PublishedSet;
pub use self::keys::{FetchedKeys, KeySetError, KeySetSource, PublishedKeys, TrustedKeys};
use crate::client_jwt::{Window, WindowRejection, require_jti};
use crate::id::ClientId;
use crate::jti::JtiDigest;
use crate::user::Username;

/// What the header may call an assertion, if it calls it anything: the revision's own type, and what issuers wrote
/// before it. An access token or a text of another kind is not taken.
const TYPS: [Typ; 2] = [Typ::new("authorization-grant+jwt"), Typ::new("JWT")];

/// An issuer elsewhere, and whom it may speak for here.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The value of `iss`.
    pub issuer: String,
    /// Its public keys.
    pub keys: TrustedKeys,
    /// The clients that may show its assertions.
    pub clients: Vec<ClientId>,
    /// What `aud` may be; empty: this issuer, or its token endpoint.
    pub audience: Vec<String>,
    /// Claims that every assertion must have, with these texts.
    pub claims: BTreeMap<String, String>,
    /// Whom an assertion is about.
    pub subject: SubjectMapping,
    /// The most that an assertion gives; `None`: what its client and its user may.
    pub scope: Option<ScopeSet>,
}

/// Who somebody is here of whom an issuer elsewhere speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectMapping {
    /// The user whose name here is the value of that claim.
    User {
        /// The claim: `sub`, or one that holds a name.
        claim: String,
    },
    /// The client that shows the assertion, if `sub` is one of these.
    Client {
        /// Compared character by character.
        subjects: Vec<String>,
    },
}

/// Whom an assertion that holds is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AssertedSubject {
    User(Username),
    Client,
}

/// An assertion that holds. It still has to be used up.
#[derive(Clone, Debug)]
pub(crate) struct Asserted {
    pub(crate) subject: AssertedSubject,
    /// Its name among all assertions.
    pub(crate) jti: JtiDigest,
    /// When nobody would take it any more.
    pub(crate) forget_after: Timestamp,
}

/// Why an assertion gives nothing: one variant per check, in their order. For the log; the wire says `invalid_grant`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum GrantRejection {
    #[error("its issuer is not trusted for this client")]
    Issuer,
    #[error("it is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("its type is another")]
    Typ,
    #[error(transparent)]
    Keys(#[from] KeySetError),
    #[error("its signature is not accepted: {0}")]
    Jws(#[from] jws::Rejection),
    #[error("its claims cannot be read: {0}")]
    Claims(#[from] JsonError),
    #[error("`aud` is not this issuer alone")]
    Audience,
    #[error(transparent)]
    Window(#[from] WindowRejection),
    #[error("the claim {0:?} is not what it must be")]
    Claim(String),
    #[error("its subject is nobody here")]
    Subject,
    #[error("it was used before")]
    Replayed,
}

#[derive(Deserialize)]
struct GrantClaims {
    iss: String,
    sub: String,
    aud: Audience,
    jti: String,
    #[serde(flatten)]
    window: Window,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl GrantClaims {
    fn text(&self, claim: &str) -> Option<&str> {
        match claim {
            "sub" => Some(&self.sub),
            claim => self.others.get(claim).and_then(Value::as_str),
        }
    }
}

#[derive(Deserialize)]
struct IssuerOnly {
    iss: String,
}

/// The issuer that an assertion claims to be of, which nobody has verified.
pub(crate) fn unverified_issuer(assertion: &str) -> Result<String, GrantRejection> {
    let claims = decode_unverified(assertion)?.unverified_claims::<IssuerOnly>();
    claims.map(|claims| claims.iss).map_err(|_| GrantRejection::Issuer)
}

impl TrustedIssuer {
    /// Verifies an assertion to `issuer`. That it was not used before is left to the caller.
    pub(crate) async fn verify(
        &self,
        assertion: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Asserted, GrantRejection> {
        let header = decode_unverified(assertion)?;
        if header.unverified_typ().is_some_and(|found| !TYPS.iter().any(|typ| typ.matches(found))) {
            return Err(GrantRejection::Typ);
        }
        let keys = self.keys.find(header.unverified_kid(), now).await?;
        let verified = jws::Verifier::new(KeySet::clone(&keys)).verify(assertion)?;
        let claims: GrantClaims = parse_strict_json(verified.payload())?;
        if claims.iss != self.issuer {
            return Err(GrantRejection::Issuer);
        }
        // The sole value: an assertion that is good elsewhere too may come from there.
        if !self.audiences(issuer).iter().any(|own| claims.aud.iter().eq([own])) {
            return Err(GrantRejection::Audience);
        }
        let forget_after = claims.window.require_current(now)?;
        require_jti(&claims.jti)?;
        let differs = |(claim, wanted): &(&String, &String)| claims.text(claim) != Some(wanted.as_str());
        if let Some((claim, _)) = self.claims.iter().find(differs) {
            return Err(GrantRejection::Claim(claim.clone()));
        }
        let subject = self.subject.of(&claims).ok_or(GrantRejection::Subject)?;
        let jti = JtiDigest::of("authorization grant", &self.issuer, &claims.jti);
        Ok(Asserted { subject, jti, forget_after })
    }

    fn audiences(&self, issuer: &str) -> Vec<String> {
        match self.audience.as_slice() {
            [] => vec![issuer.to_owned(), format!("{}/oauth/token", issuer.trim_end_matches('/'))],
            named => named.to_vec(),
        }
    }
}

impl SubjectMapping {
    fn of(&self, claims: &GrantClaims) -> Option<AssertedSubject> {
        match self {
            Self::Client { subjects } => subjects.contains(&claims.sub).then_some(AssertedSubject::Client),
            Self::User { claim } => claims.text(claim)?.parse().ok().map(AssertedSubject::User),
        }
    }
}

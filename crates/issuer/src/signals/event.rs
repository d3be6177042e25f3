//! Which events an entry of the revocation log is, and how they are written down.

use std::collections::BTreeMap;

use gatepass_jose::{NumericDate, Timestamp, Typ, jwt};
use gatepass_revocation::{Entry, Kind, Reason};
use serde::Serialize;
use serde_json::{Value, json};

use super::SecurityEventToken;
use super::stream::Stream;
use crate::client::Client;
use crate::feed::REVOCATION_REACH;
use crate::id::{SessionId, UserId};
use crate::issuer::Issuer;
use crate::mint::MintError;
use crate::response::DEFAULT_RESPONSE_ALG;
use crate::store::StoreError;
use crate::subject::is_pairwise;

/// The `typ` of a security event token ([RFC 8417 section 2.3](https://www.rfc-editor.org/rfc/rfc8417#section-2.3)).
const SECURITY_EVENT: Typ = Typ::new("secevent+jwt");

/// What a stream can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A session, or all of a user's, of an application's, or all, have ended.
    SessionRevoked,
    /// A user has another password.
    CredentialChange,
    /// A user has other roles.
    TokenClaimsChange,
    /// What a receiver asked for, to see that it hears.
    Verification,
}

impl EventType {
    /// What a receiver can ask for.
    pub const SUPPORTED: [Self; 3] = [Self::SessionRevoked, Self::CredentialChange, Self::TokenClaimsChange];

    /// Its URI.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::SessionRevoked => "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            Self::CredentialChange => "https://schemas.openid.net/secevent/caep/event-type/credential-change",
            Self::TokenClaimsChange => {
                "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
            }
            Self::Verification => "https://schemas.openid.net/secevent/ssf/event-type/verification",
        }
    }
}

/// An event before it is signed.
pub(super) struct Event {
    kind: EventType,
    /// The subject identifier ([RFC 9493](https://www.rfc-editor.org/rfc/rfc9493)).
    subject: Value,
    says: Value,
}

/// The claims of a security event token. Neither `sub` nor `exp` is among them (SSF 1.0 section 11.1).
#[derive(Serialize)]
struct SetClaims<'c> {
    iss: &'c str,
    aud: &'c str,
    iat: NumericDate,
    jti: &'c str,
    sub_id: &'c Value,
    events: BTreeMap<&'static str, &'c Value>,
}

impl Issuer {
    /// The events that an entry is, those that the stream's receiver asked for, in the names that it has for users.
    pub(super) async fn events(
        &self,
        entry: &Entry,
        stream: &Stream,
        receiver: Option<&Client>,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for kind in kinds(entry) {
            if !stream.events_delivered().any(|delivered| delivered == *kind) {
                continue;
            }
            let mut says = json!({
                "event_timestamp": entry.issued_before.saturating_sub(REVOCATION_REACH).as_secs(),
                "reason_admin": { "en": entry.reason.as_str() },
            });
            if let (Some(initiator), Some(says)) = (initiator(&entry.reason), says.as_object_mut()) {
                says.extend([("initiating_entity".to_owned(), json!(initiator))]);
            }
            match (kind, says.as_object_mut()) {
                (EventType::CredentialChange, Some(says)) => {
                    says.extend([("credential_type".to_owned(), json!("password"))]);
                    says.extend([("change_type".to_owned(), json!("update"))]);
                }
                (EventType::TokenClaimsChange, Some(says)) => {
                    says.extend([("claims".to_owned(), self.claims_now(&entry.id).await?)]);
                }
                _ => {}
            }
            events.push(Event { kind: *kind, subject: self.subject_id(entry, receiver).await?, says });
        }
        Ok(events)
    }

    /// What a stream's receiver asked to be told, as an event.
    pub(super) fn verification(stream: &Stream, state: Option<&str>) -> Event {
        Event {
            kind: EventType::Verification,
            subject: json!({ "format": "opaque", "id": stream.id }),
            says: state.map_or_else(|| json!({}), |state| json!({ "state": state })),
        }
    }

    /// Signs an event for a stream's receiver.
    pub(super) fn security_event_token(
        &self,
        stream: &Stream,
        jti: String,
        event: &Event,
        now: Timestamp,
    ) -> Result<SecurityEventToken, MintError> {
        let ring = self.ring.load();
        let signer = ring.signer(DEFAULT_RESPONSE_ALG, now).ok_or(MintError::NoKey(DEFAULT_RESPONSE_ALG))?;
        let claims = SetClaims {
            iss: self.config.issuer.as_str(),
            aud: stream.client.as_str(),
            iat: now.into(),
            jti: &jti,
            sub_id: &event.subject,
            events: BTreeMap::from([(event.kind.uri(), &event.says)]),
        };
        let token = jwt::sign(&SECURITY_EVENT, &claims, signer)?;
        Ok(SecurityEventToken { jti, token })
    }

    async fn subject_id(&self, entry: &Entry, receiver: Option<&Client>) -> Result<Value, StoreError> {
        let iss_sub =
            |sub: &str| json!({ "format": "iss_sub", "iss": self.config.issuer.as_str(), "sub": sub });
        let opaque = |id: &str| json!({ "format": "opaque", "id": id });
        Ok(match entry.kind {
            Kind::Session => {
                let session = match entry.id.parse::<SessionId>() {
                    Ok(id) => self.store.find_session(id).await?,
                    Err(_) => None,
                };
                let mut subject = json!({ "format": "complex", "session": opaque(&entry.id) });
                if let (Some(session), Some(subject)) = (session, subject.as_object_mut()) {
                    subject.extend([("user".to_owned(), iss_sub(&self.subject(receiver, session.user)))]);
                }
                subject
            }
            Kind::Client => json!({ "format": "complex", "application": opaque(&entry.id) }),
            Kind::All => json!({ "format": "complex", "tenant": opaque(self.config.issuer.as_str()) }),
            Kind::Subject | Kind::Token | Kind::Key => match entry.id.parse::<UserId>() {
                Ok(user) => iss_sub(&self.subject(receiver, user)),
                Err(_) => iss_sub(&entry.id),
            },
        })
    }

    /// The claims that a role can change, as they are now.
    async fn claims_now(&self, sub: &str) -> Result<Value, StoreError> {
        let user = match sub.parse::<UserId>() {
            Ok(id) => self.store.find_user(id).await?,
            Err(_) => None,
        };
        let roles = user.map(|user| user.roles).unwrap_or_default();
        Ok(json!({ "roles": roles.iter().map(ToString::to_string).collect::<Vec<_>>() }))
    }
}

/// What an entry of the log means to receivers. A single token and a signing key are the guards' business.
fn kinds(entry: &Entry) -> &'static [EventType] {
    match (entry.kind, &entry.reason) {
        (Kind::Token | Kind::Key, _) => &[],
        // The user's own entry stands beside it, and is told in the receiver's name for the user.
        (Kind::Subject, _) if is_pairwise(&entry.id) => &[],
        (Kind::Subject, reason) if *reason == Reason::CLAIMS_CHANGED => &[EventType::TokenClaimsChange],
        // What a client may ask for is no news of a person.
        (Kind::Client, reason) if *reason == Reason::CLAIMS_CHANGED => &[],
        (Kind::Subject, reason) if *reason == Reason::PASSWORD_CHANGED => {
            &[EventType::CredentialChange, EventType::SessionRevoked]
        }
        (Kind::Session | Kind::Subject | Kind::Client | Kind::All, _) => &[EventType::SessionRevoked],
    }
}

/// Who brought it about, in CAEP's words, where the reason says so: a password may be changed by its user or reset.
fn initiator(reason: &Reason) -> Option<&'static str> {
    let is = |reasons: &[Reason]| reasons.contains(reason);
    match reason {
        _ if is(&[Reason::LOGOUT]) => Some("user"),
        _ if is(&[Reason::REUSE, Reason::KEY_COMPROMISED]) => Some("policy"),
        _ if is(&[Reason::PASSWORD_CHANGED, Reason::CLIENT_REQUEST, Reason::UNSPECIFIED]) => None,
        _ => Some("admin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brought_it_about_is_said_where_the_reason_says_so() {
        let cases = [
            (Reason::LOGOUT, Some("user")),
            (Reason::REUSE, Some("policy")),
            (Reason::KEY_COMPROMISED, Some("policy")),
            (Reason::CLAIMS_CHANGED, Some("admin")),
            (Reason::DISABLED, Some("admin")),
            (Reason::ADMIN, Some("admin")),
            ("left the company".parse().unwrap(), Some("admin")),
            (Reason::PASSWORD_CHANGED, None),
            (Reason::CLIENT_REQUEST, None),
            (Reason::UNSPECIFIED, None),
        ];
        for (reason, want) in cases {
            assert_eq!(initiator(&reason), want, "{}", reason.as_str());
        }
    }

    #[test]
    fn what_an_entry_means_to_receivers() {
        let entry = |kind, reason: Reason| Entry {
            seq: 1,
            kind,
            id: "x".into(),
            issued_before: Timestamp::EPOCH,
            forget_after: Timestamp::EPOCH,
            reason,
        };
        use EventType::{CredentialChange, SessionRevoked, TokenClaimsChange};
        let cases: [(Kind, Reason, &[EventType]); 9] = [
            (Kind::Session, Reason::LOGOUT, &[SessionRevoked]),
            (Kind::Session, Reason::REUSE, &[SessionRevoked]),
            (Kind::Subject, Reason::DISABLED, &[SessionRevoked]),
            (Kind::Subject, Reason::PASSWORD_CHANGED, &[CredentialChange, SessionRevoked]),
            (Kind::Subject, Reason::CLAIMS_CHANGED, &[TokenClaimsChange]),
            (Kind::Client, Reason::DISABLED, &[SessionRevoked]),
            (Kind::Client, Reason::CLAIMS_CHANGED, &[]),
            (Kind::All, Reason::ADMIN, &[SessionRevoked]),
            (Kind::Token, Reason::ADMIN, &[]),
        ];
        for (kind, reason, want) in cases {
            assert_eq!(kinds(&entry(kind, reason.clone())), want, "{kind} {reason}");
        }
        let other_name = Entry { id: "p:x".into(), ..entry(Kind::Subject, Reason::DISABLED) };
        assert!(kinds(&other_name).is_empty(), "told once, by the entry beside it");
    }
}

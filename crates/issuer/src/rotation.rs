//! What a presented refresh token means: the rule of rotation, as a plain function.
//!
//! A refresh token is a family (the session), a generation and a MAC. The store keeps only the
//! newest generation `n` and when it was made. A client that presents
//!
//! - `n` gets the next one, and the row moves on;
//! - `n - 1` shortly after the rotation gets `n` **again**: it is the other tab, a retry, or the
//!   client whose answer was lost. No row changes, so asking any number of times gives one answer;
//! - anything older holds a token that an honest client has thrown away. That is theft: the session
//!   ends, because nobody can tell the thief from the owner.
//!
//! Where the FAPI 2.0 Security Profile holds a client to more than that ([`Renewal::Keep`]), `n` stays `n`.

use std::time::Duration;

use gatepass_jose::Timestamp;
use gatepass_token::{AuthorizationDetails, ScopeSet};

use crate::binding::Binding;
use crate::id::ClientId;
use crate::session::Session;

/// How long refresh tokens live, and how long a predecessor is honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// How long after a rotation the predecessor still gets the same successor. Zero is strict: a
    /// lost answer then costs the user a login. Longer than this, a thief who follows an honest
    /// client within the leeway is not seen, which is why it does not default to more than 30 s.
    pub leeway: Duration,
    /// How long a session lives without a refresh.
    pub idle: Duration,
    /// How long a session lives at all.
    pub absolute: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(30),
            idle: Duration::from_secs(7 * 24 * 3600),
            absolute: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// Whether a refresh token that is used has a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It has, so that whoever uses it again is found out.
    Rotate,
    /// The same goes on, as the FAPI 2.0 Security Profile demands
    /// ([section 5.3.2.1](https://openid.net/specs/fapi-security-profile-2_0-final.html#section-5.3.2.1)) for clients that
    /// prove who they are and are given bound tokens alone: there a successor finds out nobody who has not the client's
    /// keys as well.
    Keep,
}

/// A refresh token whose MAC has been verified, presented at some instant.
#[derive(Clone, Debug)]
pub struct Presented {
    /// Its generation.
    pub generation: u32,
    /// The client that presents it.
    pub client: ClientId,
    /// The scope that is asked for; `None`: all that the session has.
    pub scope: Option<ScopeSet>,
    /// The authorization details that are asked for; `None`: all that the session has.
    pub authorization_details: Option<AuthorizationDetails>,
    /// The audience that is asked for; `None`: the session's first.
    pub resource: Option<AskedResource>,
    /// The keys that a public client showed.
    pub binding: Binding,
    /// Whether it is to have a successor.
    pub renewal: Renewal,
    /// When.
    pub now: Timestamp,
    /// The policy to apply.
    pub policy: RefreshPolicy,
}

/// The audience that a refresh asks for ([RFC 8707 section 2.2](https://www.rfc-editor.org/rfc/rfc8707#section-2.2)).
#[derive(Clone, Debug)]
pub struct AskedResource {
    /// The audience.
    pub asked: String,
    /// That of a session which names none.
    pub default: Option<String>,
}

/// What is to happen to the session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Move to the next generation and give its token.
    Rotate(Rotation),
    /// Let the session live unused until then, and give the token of the current generation again.
    Extend(Timestamp),
    /// Change nothing and give the token of the current generation again.
    Repeat,
    /// Give nothing and change nothing.
    Refuse(Refusal),
    /// Give nothing and end the session: the token was used before, outside the leeway.
    Revoke,
}

/// The columns a rotation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The new generation.
    pub generation: u32,
    /// When it was made.
    pub rotated_at: Timestamp,
    /// Until when it lives unused.
    pub idle_expires_at: Timestamp,
}

/// Why a genuine refresh token gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such session: it ended and was cleared away.
    Unknown,
    /// The session was revoked.
    Revoked,
    /// The session was idle for too long, or has lived its whole life.
    Expired,
    /// Another client's token.
    WrongClient,
    /// It is bound to another key than the one that was shown, if one was. Nobody can use it who stole it, so the
    /// session goes on, whichever generation it is.
    WrongKey,
    /// More scope than the session has. The token stays good: a client that asked for too much has
    /// not got a successor.
    Scope,
    /// The same with authorization details.
    AuthorizationDetails,
    /// Another audience than the session has. Whoever took the token for that one's would send it to somebody who could use it at
    /// the session's.
    Resource,
    /// A generation this store has not reached: a backup was restored. Refused, because what
    /// happened since is not known; not theft, so the session is left as it is.
    Ahead,
}

/// Decides what `presented` means for `session`.
///
/// A clock that stepped back makes a rotation look as if it were yet to come; that counts as no time
/// passed, so that an honest client is not taken for a thief.
#[must_use]
pub fn decide(session: &Session, presented: &Presented) -> Decision {
    let Presented { generation, ref client, binding, now, policy, .. } = *presented;
    if session.client != *client {
        return Decision::Refuse(Refusal::WrongClient);
    }
    if session.revoked_at.is_some() {
        return Decision::Refuse(Refusal::Revoked);
    }
    if !session.is_live(now) {
        return Decision::Refuse(Refusal::Expired);
    }
    if !binding.shows(&session.binding) {
        return Decision::Refuse(Refusal::WrongKey);
    }
    let exceeds = exceeds(session, presented);
    match session.generation.checked_sub(generation) {
        None => Decision::Refuse(Refusal::Ahead),
        Some(0) => exceeds.map_or_else(|| renew(session, presented), Decision::Refuse),
        Some(1) if honours_predecessor(session, now, policy) => {
            exceeds.map_or(Decision::Repeat, Decision::Refuse)
        }
        Some(_) => Decision::Revoke,
    }
}

/// What is asked for and was not granted.
fn exceeds(session: &Session, presented: &Presented) -> Option<Refusal> {
    let details = presented.authorization_details.as_ref();
    if presented.resource.as_ref().is_some_and(|resource| !resource.is_of(session)) {
        return Some(Refusal::Resource);
    }
    match (&presented.scope, &session.scope) {
        (Some(asked), Some(granted)) if !asked.is_subset(granted) => Some(Refusal::Scope),
        _ if details.is_some_and(|asked| !asked.is_subset(&session.authorization_details)) => {
            Some(Refusal::AuthorizationDetails)
        }
        _ => None,
    }
}

impl AskedResource {
    fn is_of(&self, session: &Session) -> bool {
        session.resource.as_ref().or(self.default.as_ref()) == Some(&self.asked)
            || session.more_resources.contains(&self.asked)
    }
}

/// Whether the predecessor is still good. For a bound token it is until its successor is first used,
/// whenever that is: a thief would need the client's key too.
fn honours_predecessor(session: &Session, now: Timestamp, policy: RefreshPolicy) -> bool {
    session.bound || session.rotated_at.is_some_and(|rotated_at| now.since(rotated_at) < policy.leeway)
}

fn renew(session: &Session, presented: &Presented) -> Decision {
    let Presented { renewal, now, policy, .. } = *presented;
    let idle_expires_at = now.saturating_add(policy.idle).min(session.expires_at);
    if renewal == Renewal::Keep {
        return Decision::Extend(idle_expires_at);
    }
    // After four billion rotations the family is used up, and the user logs in again.
    let Some(generation) = session.generation.checked_add(1) else {
        return Decision::Refuse(Refusal::Expired);
    };
    Decision::Rotate(Rotation { generation, rotated_at: now, idle_expires_at })
}

#[cfg(test)]
mod tests;

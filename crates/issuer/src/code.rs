//! Authorization codes: the rule by which one is redeemed, as a plain function.
//!
//! A code is good once, for a minute, for the client, the redirect URI and the proof key that it was given
//! for. Whoever shows it with anything else has burnt it: a wrong guess must cost the thief the code. A code
//! that comes again was copied, and nobody can tell who copied it, so what it gave is taken back
//! ([RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).

use std::fmt;
use std::time::Duration;

use gatepass_jose::{Timestamp, base64url};
pub use gatepass_token::CodeChallenge;
use gatepass_token::{AuthorizationDetails, CodeVerifier, ScopeSet};
use zeroize::Zeroizing;

use crate::authorize::RequestedClaims;
use crate::binding::Binding;
use crate::client::OFFLINE_ACCESS;
use crate::dpop::Jkt;
use crate::id::{ClientId, SessionId, UserId};
use crate::rotation::RefreshPolicy;
use crate::session::Session;
use crate::subject::Subjects;

/// How long a code can be redeemed.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Lets people and scanners of leaked secrets recognise one.
const PREFIX: &str = "gpc_";

/// An authorization code: 32 random bytes. Wiped when dropped, and shows nothing in `Debug`.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    pub(crate) fn from_random(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!("{PREFIX}{}", base64url::encode(bytes))))
    }

    /// The text, for the redirect that carries it to the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// The keyed hash of a [`Code`], as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeDigest(pub [u8; 32]);

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigest(..)")
    }
}

/// A code's row: what it was given for, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// How it is found.
    pub digest: CodeDigest,
    /// The client that asked.
    pub client: ClientId,
    /// Where the browser was sent with it, as the request had it.
    pub redirect_uri: String,
    /// What the verifier must hash to; `None` for a client that is exempt.
    pub challenge: Option<CodeChallenge>,
    /// The key that whoever redeems it must show, if the request named one (`dpop_jkt`).
    pub jkt: Option<Jkt>,
    /// Who is logged in.
    pub user: UserId,
    /// The login that it arose from.
    pub login: SessionId,
    /// What was granted.
    pub scope: ScopeSet,
    /// What was granted beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The claims that were granted one by one.
    pub claims: RequestedClaims,
    /// The audience of the tokens.
    pub resource: String,
    /// What the ID token is to repeat.
    pub nonce: Option<String>,
    /// Until when it can be redeemed.
    pub expires_at: Timestamp,
    /// When it was first shown, by whomever.
    pub used_at: Option<Timestamp>,
    /// The session that it gave.
    pub session: Option<SessionId>,
}

/// A code shown at the token endpoint.
#[derive(Clone, Debug)]
pub struct PresentedCode {
    /// The client that shows it, authenticated.
    pub client: ClientId,
    /// Whether that client keeps a secret.
    pub confidential: bool,
    /// Whether that client may refresh.
    pub may_refresh: bool,
    /// `redirect_uri`, if it was sent.
    pub redirect_uri: Option<String>,
    /// `code_verifier`, if it was sent.
    pub verifier: Option<CodeVerifier>,
    /// `resource`, if it was sent.
    pub resource: Option<String>,
    /// A part of the authorization details that were granted, if it was sent.
    pub authorization_details: Option<AuthorizationDetails>,
    /// The keys that were shown.
    pub binding: Binding,
    /// The session to start.
    pub session: SessionId,
    /// When.
    pub now: Timestamp,
    /// How long a session with a refresh token lives.
    pub policy: RefreshPolicy,
    /// How long one without lives: as long as its access token.
    pub access_token_lifetime: Duration,
    /// What it calls users.
    pub subjects: Subjects,
}

/// What is to happen to the code's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is used up; start this session.
    Give(Box<Session>),
    /// It is used up and gives nothing.
    Burn(CodeRefusal),
    /// It was used before: end the session that it gave, if any.
    Replay,
}

/// Why a code that exists gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each says it
pub enum CodeRefusal {
    Expired,
    WrongClient,
    WrongRedirectUri,
    /// A client that did not show a challenge shows a verifier: somebody removed the challenge on its way
    /// ([RFC 9700 section 2.1.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1)).
    VerifierUnexpected,
    VerifierMissing,
    WrongVerifier,
    /// The request named a key ([RFC 9449 section 10](https://www.rfc-editor.org/rfc/rfc9449#section-10)), and another or
    /// none was shown.
    WrongKey,
    WrongResource,
    WrongAuthorizationDetails,
    /// The user has logged out since, or is gone.
    LoginEnded,
}

/// Decides what `presented` means for `code`, which arose from `login`.
#[must_use]
pub fn decide(code: &AuthorizationCode, login: Option<&Session>, presented: &PresentedCode) -> Decision {
    if code.used_at.is_some() {
        return Decision::Replay;
    }
    match require_bindings(code, login, presented) {
        Ok(login) => {
            let granted = Granted {
                client: &code.client,
                scope: &code.scope,
                authorization_details: &code.authorization_details,
                claims: &code.claims,
                resource: &code.resource,
            };
            Decision::Give(Box::new(presented.session(granted, login)))
        }
        Err(refusal) => Decision::Burn(refusal),
    }
}

fn require_bindings<'l>(
    code: &AuthorizationCode,
    login: Option<&'l Session>,
    presented: &PresentedCode,
) -> Result<&'l Session, CodeRefusal> {
    if code.client != presented.client {
        return Err(CodeRefusal::WrongClient);
    }
    if presented.now >= code.expires_at {
        return Err(CodeRefusal::Expired);
    }
    match &presented.redirect_uri {
        Some(uri) if *uri != code.redirect_uri => return Err(CodeRefusal::WrongRedirectUri),
        // OAuth 2.1 drops the parameter because the proof key binds more tightly. Without one, it stays.
        None if code.challenge.is_none() => return Err(CodeRefusal::WrongRedirectUri),
        _ => {}
    }
    match (&code.challenge, &presented.verifier) {
        (Some(challenge), Some(verifier)) if challenge.is_of(verifier) => {}
        (Some(_), Some(_)) => return Err(CodeRefusal::WrongVerifier),
        (Some(_), None) => return Err(CodeRefusal::VerifierMissing),
        (None, Some(_)) => return Err(CodeRefusal::VerifierUnexpected),
        (None, None) => {}
    }
    if code.jkt.is_some() && code.jkt != presented.binding.jkt {
        return Err(CodeRefusal::WrongKey);
    }
    if presented.resource.as_ref().is_some_and(|resource| *resource != code.resource) {
        return Err(CodeRefusal::WrongResource);
    }
    if presented
        .authorization_details
        .as_ref()
        .is_some_and(|asked| !asked.is_subset(&code.authorization_details))
    {
        return Err(CodeRefusal::WrongAuthorizationDetails);
    }
    let login = login.filter(|login| login.user == code.user && login.is_live(presented.now));
    login.ok_or(CodeRefusal::LoginEnded)
}

/// What a user has granted, whichever way the client asked.
pub(crate) struct Granted<'g> {
    pub(crate) client: &'g ClientId,
    pub(crate) scope: &'g ScopeSet,
    pub(crate) authorization_details: &'g AuthorizationDetails,
    pub(crate) claims: &'g RequestedClaims,
    pub(crate) resource: &'g str,
}

impl PresentedCode {
    /// Whether what is granted comes with a refresh token.
    pub(crate) fn refreshes(&self, scope: &ScopeSet) -> bool {
        scope.contains(OFFLINE_ACCESS) && self.may_refresh
    }

    /// The session to start for what the user of `login` has granted. With a refresh token it is a session like
    /// any other; without one, it ends with its access token.
    pub(crate) fn session(&self, granted: Granted<'_>, login: &Session) -> Session {
        let Self { now, policy, access_token_lifetime, .. } = *self;
        let (idle, absolute) = match self.refreshes(granted.scope) {
            true => (policy.idle.min(policy.absolute), policy.absolute),
            false => (access_token_lifetime, access_token_lifetime),
        };
        // A confidential client's refresh tokens are bound to the client (RFC 9449 section 5).
        let binding = if self.confidential { Binding::default() } else { self.binding };
        Session {
            id: self.session,
            user: login.user,
            client: granted.client.clone(),
            login: Some(login.id),
            scope: Some(granted.scope.clone()),
            authorization_details: granted.authorization_details.clone(),
            resource: Some(granted.resource.to_owned()),
            device: login.device.clone(),
            created_at: now,
            auth_time: login.auth_time,
            generation: 1,
            rotated_at: None,
            idle_expires_at: now.saturating_add(idle),
            expires_at: now.saturating_add(absolute),
            revoked_at: None,
            bound: self.confidential || binding.is_some(),
            binding,
            pairwise_subject: self.subjects.pairwise(login.user),
            claims: granted.claims.clone(),
            provider: login.provider.clone(),
        }
    }
}

#[cfg(test)]
mod tests;

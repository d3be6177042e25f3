//! What comes next for a user at the authorization endpoint: the rule, as a plain function.

use gatepass_jose::Timestamp;
use gatepass_token::ScopeSet;

use super::{AuthorizationRequest, Refusal};

/// What the user has just done for this very request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// They have logged in.
    pub login: bool,
    /// They have allowed it.
    pub consent: bool,
}

/// What is known of the user.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'s> {
    /// Since when somebody is logged in, if anybody is.
    pub login: Option<Timestamp>,
    /// Whether that is who the client expects, where it says whom.
    pub is_hinted: bool,
    /// Whether they are logged in as the client wants them to be.
    pub is_in_context: bool,
    /// What they have allowed the client before, at every resource that it asks for.
    pub consented: Option<&'s ScopeSet>,
    /// What they have just done.
    pub done: Done,
    /// The present.
    pub now: Timestamp,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for name and password.
    LogIn,
    /// Ask whether the client may.
    Consent,
    /// Give the code.
    Give,
    /// Send the browser back without one.
    Refuse(Refusal),
}

/// Decides what comes next.
#[must_use]
pub fn decide(request: &AuthorizationRequest, situation: &Situation<'_>) -> Step {
    let Situation { login, is_hinted, is_in_context, done, .. } = *situation;
    let asked = request.prompt;
    let essential = request.contexts.is_essential();
    // A wish is worth a login, and no refusal.
    let is_fit = is_hinted && (is_in_context || asked.none && !essential);
    match login {
        // Asked again they would be the same person again.
        Some(_) if done.login && !is_hinted => return Step::Refuse(Refusal::LOGIN_REQUIRED),
        // Asked again they would have the same choice again.
        Some(_) if done.login && !is_in_context && essential => {
            return Step::Refuse(Refusal::UNMET_AUTHENTICATION_REQUIREMENTS);
        }
        Some(since) if !is_too_old(request, since, situation) && (done.login || !asked.login && is_fit) => {}
        _ if asked.none => return Step::Refuse(Refusal::LOGIN_REQUIRED),
        _ => return Step::LogIn,
    }
    match (done.consent || !needs_consent(request, situation.consented), asked.none) {
        (true, _) => Step::Give,
        (false, true) => Step::Refuse(Refusal::CONSENT_REQUIRED),
        (false, false) => Step::Consent,
    }
}

/// A login just now is young enough for `max_age=0`. Any other limit holds for it too: the user may take
/// their time over the consent page. The login is as old as its tokens say, in whole seconds, so that a resource server
/// which looks at them does not find it older and sends its user here again for nothing.
fn is_too_old(request: &AuthorizationRequest, since: Timestamp, situation: &Situation<'_>) -> bool {
    match request.max_age {
        None => false,
        Some(max_age) if max_age.is_zero() => !situation.done.login,
        Some(max_age) => situation.now.since(Timestamp::from_secs(since.as_secs())) > max_age,
    }
}

/// The operator's own clients need none. A public client at an address where any program of the device can
/// listen may be somebody else under its name, so it is asked about each time, whoever's it is
/// ([RFC 8252 section 8.6](https://www.rfc-editor.org/rfc/rfc8252#section-8.6)).
fn needs_consent(request: &AuthorizationRequest, consented: Option<&ScopeSet>) -> bool {
    let client = &request.client;
    let can_be_known = client.is_confidential() || request.back.redirect_uri.is_claimed();
    let has_consent = consented.is_some_and(|scope| request.asked_scope().is_subset(scope))
        // What is allowed in detail is allowed once.
        && request.authorization_details.is_empty();
    request.prompt.consent || !can_be_known || !(client.trusted || has_consent)
}

#[cfg(test)]
mod tests;

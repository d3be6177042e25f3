//! Tokens that bind a form to the browser it was shown in, to the request it belongs to and to the login it
//! was shown under: what keeps another site from sending it in somebody's name.

use std::time::Duration;

use aws_lc_rs::hmac;
use gatepass_jose::{Timestamp, base64url};

use crate::id::SessionId;
use crate::issuer::Issuer;
use crate::secrets::{SecretError, random};

/// How long a page can be open before its form is sent. What its token says of the login is not true for ever.
const LIFETIME: Duration = Duration::from_secs(3600);

/// What a form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormStep {
    /// Logs somebody in.
    LogIn,
    /// Allows a client something. Its token also says that this login satisfied the request's `prompt` and
    /// `max_age`: it is only made when they were.
    Consent,
    /// Ends the login.
    LogOut,
    /// Looks for the device of a user code.
    UserCode,
    /// Allows a device something, or denies it.
    Device,
    /// Links an identity at a provider to an account.
    Link,
    /// Makes an account for an identity at a provider.
    Create,
    /// Changes the user's password.
    Password,
}

impl Issuer {
    /// A new secret for a browser, which its forms are bound to.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn browser_secret(&self) -> Result<String, SecretError> {
        Ok(base64url::encode(&random::<32>()?))
    }

    /// The token of a form that is shown at `now`: the same for the same arguments. `browser` is a secret that the
    /// browser keeps in a cookie, `request` what the form is to go on with.
    #[must_use]
    pub fn form_token(
        &self,
        step: FormStep,
        browser: &str,
        request: &str,
        login: Option<SessionId>,
        now: Timestamp,
    ) -> String {
        let shown_at = now.as_secs();
        let tag = hmac::sign(&self.secrets.form_mac, &context(step, browser, request, login, shown_at));
        format!("{shown_at}.{}", base64url::encode(tag.as_ref()))
    }

    /// Whether `token` is what [`Issuer::form_token`] gave for these arguments within the last hour, in constant time.
    #[must_use]
    pub fn is_form_token(
        &self,
        token: &str,
        step: FormStep,
        browser: &str,
        request: &str,
        login: Option<SessionId>,
        now: Timestamp,
    ) -> bool {
        let Some((shown_at, tag)) = token.split_once('.') else { return false };
        let Ok(shown_at) = shown_at.parse() else { return false };
        let context = context(step, browser, request, login, shown_at);
        let tag = base64url::decode(tag).unwrap_or_default();
        let is_ours = !browser.is_empty() && hmac::verify(&self.secrets.form_mac, &context, &tag).is_ok();
        is_ours && now.since(Timestamp::from_secs(shown_at)) <= LIFETIME
    }
}

/// Each part with its length, so that none can borrow from its neighbour.
fn context(step: FormStep, browser: &str, request: &str, login: Option<SessionId>, shown_at: i64) -> Vec<u8> {
    let step: &[u8] = match step {
        FormStep::LogIn => b"log in",
        FormStep::Consent => b"consent",
        FormStep::LogOut => b"log out",
        FormStep::UserCode => b"user code",
        FormStep::Device => b"device",
        FormStep::Link => b"link",
        FormStep::Create => b"create",
        FormStep::Password => b"password",
    };
    let login = login.as_ref().map_or(&[][..], |login| login.as_bytes());
    let mut context = Vec::with_capacity(64 + browser.len() + request.len());
    for part in [step, browser.as_bytes(), request.as_bytes(), login, &shown_at.to_be_bytes()] {
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part);
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_forms_have_one_context() {
        let (one, two) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let contexts = [
            context(FormStep::LogIn, "browser", "request", None, 1),
            context(FormStep::Consent, "browser", "request", None, 1),
            context(FormStep::LogOut, "browser", "request", None, 1),
            context(FormStep::UserCode, "browser", "request", None, 1),
            context(FormStep::Device, "browser", "request", None, 1),
            context(FormStep::Link, "browser", "request", None, 1),
            context(FormStep::Create, "browser", "request", None, 1),
            context(FormStep::Password, "browser", "request", None, 1),
            context(FormStep::LogIn, "browse", "rrequest", None, 1),
            context(FormStep::LogIn, "browserrequest", "", None, 1),
            context(FormStep::LogIn, "", "browserrequest", None, 1),
            context(FormStep::Consent, "browser", "request", Some(one), 1),
            context(FormStep::Consent, "browser", "request", Some(two), 1),
            context(FormStep::Consent, "browser", "request", Some(two), 2),
        ];
        for (at, context) in contexts.iter().enumerate() {
            assert!(!contexts[..at].contains(context), "{at}");
        }
    }
}

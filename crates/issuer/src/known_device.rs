//! Browsers that a user has logged in with before. What such a browser keeps opens nothing: it keeps whoever guesses at the
//! user's password elsewhere from shutting the user out here. It ends with the password: who changes one because somebody may
//! have it does not leave that somebody known.
//!
//! ([OWASP, slow down online guessing attacks with device cookies](https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).)

use std::fmt;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use gatepass_jose::{Timestamp, base64url};
use zeroize::Zeroizing;

use crate::issuer::Issuer;
use crate::password::PasswordHash;
use crate::secrets::{SecretError, random};
use crate::user::{User, Username};

/// Lets people and scanners of leaked secrets recognise one.
const PREFIX: &str = "gpk_";
/// How long a browser is known after its user's last login with it.
pub const KNOWN_DEVICE_LIFETIME: Duration = Duration::from_secs(180 * 24 * 3600);
const ID: usize = 16;
/// The device, and when it was seen.
const BODY: usize = ID + 8;

/// Which device it is.
pub(crate) type DeviceId = [u8; ID];

/// What the browser keeps. Shows nothing in `Debug`.
#[derive(Clone)]
pub struct DeviceCookie(Zeroizing<String>);

impl DeviceCookie {
    /// The text, for the cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCookie(..)")
    }
}

impl Issuer {
    /// What a browser is to keep that `user` has just logged in with, as long as their password stays.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn known_device(&self, user: &User, now: Timestamp) -> Result<DeviceCookie, SecretError> {
        let mut bytes = Zeroizing::new(random::<ID>()?.to_vec());
        bytes.extend_from_slice(&now.as_secs().to_be_bytes());
        let tag =
            hmac::sign(&self.secrets.known_device_mac, &context(&bytes, &user.username, &user.password));
        bytes.extend_from_slice(tag.as_ref());
        Ok(DeviceCookie(Zeroizing::new(format!("{PREFIX}{}", base64url::encode(&bytes)))))
    }

    /// The device that a cookie is of, if it is of this user's, with the password that is `kept` now, and not too old. Whose
    /// it is, it does not say: the name is under the MAC and not in the text.
    pub(crate) fn device_of_cookie(
        &self,
        cookie: &str,
        username: &Username,
        kept: &PasswordHash,
        now: Timestamp,
    ) -> Option<DeviceId> {
        // 75 characters for 56 bytes: anything else is not worth decoding.
        let encoded = cookie.strip_prefix(PREFIX).filter(|encoded| encoded.len() == 75)?;
        let bytes = Zeroizing::new(base64url::decode(encoded).ok()?);
        let (body, tag) = bytes.split_at_checked(BODY)?;
        hmac::verify(&self.secrets.known_device_mac, &context(body, username, kept), tag).ok()?;
        let (id, seen_at) = body.split_at_checked(ID)?;
        let seen_at = Timestamp::from_secs(i64::from_be_bytes(seen_at.try_into().ok()?));
        (now.since(seen_at) <= KNOWN_DEVICE_LIFETIME).then(|| id.try_into().ok()).flatten()
    }
}

/// The name comes last: what is before it has one length.
fn context(body: &[u8], username: &Username, kept: &PasswordHash) -> Vec<u8> {
    let kept = digest::digest(&digest::SHA256, kept.as_phc().as_bytes());
    [body, kept.as_ref(), username.folded().as_bytes()].concat()
}

//! What the key is called that issuer and resource server share.

use aws_lc_rs::hmac;
use gatepass_jose::{SecretKey, base64url};

/// What the name is made of, beside the secret.
const NAMED_BY: &[u8] = b"gatepass: kid of a shared secret";

/// The `kid` under which gatepass signs with a shared secret: another one for each secret, the same one wherever it is known, and
/// nothing that tells more of it than its tokens do. Whoever has a secret can sign under any `kid`; who verifies revokes the
/// secret by this one.
///
/// ```
/// use gatepass_jose::SecretKey;
/// use gatepass_token::shared_secret_kid;
///
/// let secret = SecretKey::new([7; 32]);
/// assert_eq!(shared_secret_kid(&secret), shared_secret_kid(&secret.clone()));
/// assert_ne!(shared_secret_kid(&secret), shared_secret_kid(&SecretKey::new([8; 32])));
/// ```
#[must_use]
pub fn shared_secret_kid(secret: &SecretKey) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), NAMED_BY);
    base64url::encode(tag.as_ref().get(..8).unwrap_or_default())
}

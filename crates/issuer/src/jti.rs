//! Signed texts that count once.

use aws_lc_rs::digest;

/// Names a signed text for as long as it could be shown again: a digest of its kind, of who signed it, and of
/// its `jti`, which may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JtiDigest(pub [u8; 32]);

impl JtiDigest {
    pub(crate) fn of(kind: &str, signer: &str, jti: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [kind, signer, jti] {
            // With its length, so that no two triples run together to the same text.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_texts_share_a_name() {
        let digest = JtiDigest::of("client assertion", "shop", "1");
        for (kind, signer, jti) in [
            ("client assertion", "shop", "2"),
            ("client assertion", "sho", "p1"),
            ("client assertion", "shop1", ""),
            ("request object", "shop", "1"),
        ] {
            assert_ne!(JtiDigest::of(kind, signer, jti), digest, "{kind} {signer} {jti}");
        }
    }
}

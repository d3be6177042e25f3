use super::VerifyingKey;
use crate::Alg;
use crate::jwk::JwkSet;

/// A key on its way into a set.
struct Named {
    key: VerifyingKey,
    thumbprint: String,
    /// Another key has the same name and algorithm.
    is_ambiguous: bool,
}

impl Named {
    fn is_namesake(&self, key: &VerifyingKey) -> bool {
        !key.kid().is_empty() && self.key.kid() == key.kid() && self.key.alg() == key.alg()
    }
}

/// The keys a verifier trusts, ready for use.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of keys. Where two have the same `kid`, the first is the one that is found.
    #[must_use]
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self { keys }
    }

    /// The keys of `set` whose algorithm is one of `allowed`; the others are left out, so that one
    /// odd key in a published set does not take the good ones with it.
    ///
    /// Left out as well are different keys of one `kid` and one algorithm: which of them is meant nobody
    /// can say. The same key twice is taken once.
    #[must_use]
    pub fn from_jwks(set: &JwkSet, allowed: &[Alg]) -> Self {
        let mut named: Vec<Named> = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            let Ok(key) = VerifyingKey::from_jwk(jwk, allowed) else { continue };
            let thumbprint = jwk.thumbprint();
            match named.iter_mut().find(|named| named.is_namesake(&key)) {
                Some(named) => named.is_ambiguous |= named.thumbprint != thumbprint,
                None => named.push(Named { key, thumbprint, is_ambiguous: false }),
            }
        }
        Self { keys: named.into_iter().filter(|named| !named.is_ambiguous).map(|named| named.key).collect() }
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

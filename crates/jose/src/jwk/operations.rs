//! What a key may be used for: `use`, `key_ops` and `alg`, which must not contradict each other.

use std::collections::BTreeSet;

use super::{JwkAlg, JwkError};
use crate::alg::named;

/// What a key is for ([RFC 7517 section 4.2](https://www.rfc-editor.org/rfc/rfc7517#section-4.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// Signatures.
    Sig,
    /// Encryption.
    Enc,
}

impl KeyUse {
    /// Both.
    fn all() -> impl Iterator<Item = Self> {
        [Self::Sig, Self::Enc].into_iter()
    }

    /// The value of the member `use`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sig => "sig",
            Self::Enc => "enc",
        }
    }
}

named!(KeyUse, JwkError, JwkError::UnknownUse);

/// One value of `key_ops` ([RFC 7517 section 4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Sign,
    Verify,
    Encrypt,
    Decrypt,
    WrapKey,
    UnwrapKey,
    DeriveKey,
    DeriveBits,
}

const OPERATIONS: [(Operation, &str, KeyUse); 8] = [
    (Operation::Sign, "sign", KeyUse::Sig),
    (Operation::Verify, "verify", KeyUse::Sig),
    (Operation::Encrypt, "encrypt", KeyUse::Enc),
    (Operation::Decrypt, "decrypt", KeyUse::Enc),
    (Operation::WrapKey, "wrapKey", KeyUse::Enc),
    (Operation::UnwrapKey, "unwrapKey", KeyUse::Enc),
    (Operation::DeriveKey, "deriveKey", KeyUse::Enc),
    (Operation::DeriveBits, "deriveBits", KeyUse::Enc),
];

impl Operation {
    /// What the public half of a key for encryption does.
    pub(crate) const ENCRYPTING: [Self; 4] =
        [Self::Encrypt, Self::WrapKey, Self::DeriveKey, Self::DeriveBits];

    /// The value in `key_ops`.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn key_use(self) -> KeyUse {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, KeyUse) {
        // The table is in the order of the enum, which a test holds.
        let [first, ..] = OPERATIONS;
        OPERATIONS.get(self as usize).copied().unwrap_or(first)
    }
}

/// The `key_ops` of a key. `None` is a value that nobody registered: it allows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyOps(Vec<Option<Operation>>);

impl KeyOps {
    pub(super) fn parse(names: &[String]) -> Result<Self, JwkError> {
        if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
            return Err(JwkError::RepeatedOperation);
        }
        let known = |name: &String| OPERATIONS.iter().find(|row| row.1 == name).map(|row| row.0);
        Ok(Self(names.iter().map(known).collect()))
    }

    pub(crate) fn allows(&self, operation: Operation) -> bool {
        self.0.contains(&Some(operation))
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        OPERATIONS.iter().filter(|row| self.allows(row.0)).map(|row| row.1).collect()
    }

    /// The one use that all the operations belong to; `None` when there are none.
    fn key_use(&self) -> Result<Option<KeyUse>, JwkError> {
        let allows = |key_use| OPERATIONS.iter().any(|row| row.2 == key_use && self.allows(row.0));
        match (allows(KeyUse::Sig), allows(KeyUse::Enc)) {
            // Section 4.3: unrelated operations are not to be combined in one key.
            (true, true) => Err(JwkError::Contradiction("key_ops", "key_ops")),
            (true, false) => Ok(Some(KeyUse::Sig)),
            (false, true) => Ok(Some(KeyUse::Enc)),
            (false, false) => Ok(None),
        }
    }
}

/// What the key is for, from `use` or else from `key_ops`; `alg` is only asked to agree.
pub(super) fn require_agreement(
    key_use: Option<KeyUse>,
    key_ops: Option<&KeyOps>,
    alg: Option<JwkAlg>,
) -> Result<Option<KeyUse>, JwkError> {
    let by_ops = key_ops.map(KeyOps::key_use).transpose()?.flatten();
    let by_alg = alg.map(JwkAlg::key_use);
    let differ = |a: Option<KeyUse>, b: Option<KeyUse>| a.is_some() && b.is_some() && a != b;
    if differ(key_use, by_ops) {
        return Err(JwkError::Contradiction("use", "key_ops"));
    }
    if differ(key_use, by_alg) {
        return Err(JwkError::Contradiction("use", "alg"));
    }
    if differ(by_ops, by_alg) {
        return Err(JwkError::Contradiction("key_ops", "alg"));
    }
    Ok(key_use.or(by_ops))
}

/// As [`require_agreement`], for a public key, whose `key_ops` must hold an operation that a public key
/// can do. An empty list stands for the public half of a key agreement, as browsers export it.
pub(super) fn require_public_agreement(
    key_use: Option<KeyUse>,
    key_ops: Option<&KeyOps>,
    alg: Option<JwkAlg>,
) -> Result<Option<KeyUse>, JwkError> {
    let agreed = require_agreement(key_use, key_ops, alg)?;
    let Some(key_ops) = key_ops else { return Ok(agreed) };
    let is_empty = key_ops.0.is_empty();
    let allows_one_of = |operations: &[Operation]| operations.iter().any(|one| key_ops.allows(*one));
    match agreed.or(alg.map(JwkAlg::key_use)) {
        Some(KeyUse::Sig) if allows_one_of(&[Operation::Verify]) => Ok(agreed),
        Some(KeyUse::Enc) if is_empty || allows_one_of(&Operation::ENCRYPTING) => Ok(agreed),
        None if is_empty => Ok(Some(KeyUse::Enc)),
        _ => Err(JwkError::NoPublicOperation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_stands_in_its_own_row() {
        for row in OPERATIONS {
            assert_eq!(row.0.row(), row);
            assert_eq!(KeyOps::parse(&[row.1.to_owned()]), Ok(KeyOps(vec![Some(row.0)])));
        }
    }
}

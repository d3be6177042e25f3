//! Which of a verifier's keys a header means.

use crate::Alg;
use crate::key::VerifyingKey;

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// None of that name; or none was named, and several are of the algorithm.
    Unknown,
    /// One of that name, of another algorithm than the header's.
    OtherAlg(Alg),
}

/// The key of the header's name and algorithm. A header without a name gets the only key of its
/// algorithm; a key without a name is found where it is alone. The header chooses among keys, and each
/// of them is bound to its one algorithm.
pub(crate) fn choose<'k, K>(
    keys: &'k [K],
    key_of: impl Fn(&K) -> &VerifyingKey,
    kid: Option<&str>,
    alg: &str,
) -> Result<&'k K, NoKey> {
    let is_named = |key: &&K| match kid {
        Some(kid) => key_of(key).kid() == kid || (key_of(key).kid().is_empty() && keys.len() == 1),
        None => true,
    };
    let mut fitting = keys.iter().filter(is_named).filter(|key| key_of(key).alg().name() == alg);
    match (fitting.next(), fitting.next(), keys.iter().find(is_named)) {
        (Some(only), None, _) => Ok(only),
        (None, _, Some(other)) => Err(NoKey::OtherAlg(key_of(other).alg())),
        _ => Err(NoKey::Unknown),
    }
}

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512, digest};
use gatepass_jose::{Alg, base64url};

/// The claim `at_hash` of an ID token that `alg` signs: the left half of the access token's hash, by the hash of that algorithm
/// ([OpenID Connect Core 1.0 section 3.1.3.6](https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken)).
/// That of Ed25519 is SHA-512; ML-DSA is given none there.
#[must_use]
pub fn at_hash(alg: Alg, access_token: &str) -> Option<String> {
    left_half(alg, access_token)
}

/// The claim `c_hash` of an ID token that `alg` signs: the same of the authorization code
/// ([OpenID Connect Core 1.0 section 3.3.2.11](https://openid.net/specs/openid-connect-core-1_0.html#HybridIDToken)).
#[must_use]
pub fn c_hash(alg: Alg, code: &str) -> Option<String> {
    left_half(alg, code)
}

fn left_half(alg: Alg, of: &str) -> Option<String> {
    let algorithm: &digest::Algorithm = match alg {
        Alg::HS256 | Alg::RS256 | Alg::PS256 | Alg::ES256 => &SHA256,
        Alg::HS384 | Alg::RS384 | Alg::PS384 | Alg::ES384 => &SHA384,
        Alg::HS512 | Alg::RS512 | Alg::PS512 | Alg::ES512 | Alg::EdDSA | Alg::Ed25519 => &SHA512,
        Alg::MlDsa44 | Alg::MlDsa65 | Alg::MlDsa87 => return None,
    };
    let hash = digest(algorithm, of.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    Some(base64url::encode(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of OpenID Connect Core 1.0 appendix A.3.
    #[test]
    fn the_hash_of_an_access_token() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(Alg::RS256, token).as_deref(), Some("77QmUPtjPfzWtF2AnpK9RQ"));
        assert_eq!(at_hash(Alg::EdDSA, token).map(|hash| hash.len()), Some(43));
        assert_eq!(at_hash(Alg::MlDsa44, token), None);
    }

    /// The example of appendix A.4.
    #[test]
    fn the_hash_of_a_code() {
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(c_hash(Alg::RS256, code).as_deref(), Some("LDktKdoQak3Pk0cnXxCltA"));
        assert_eq!(c_hash(Alg::MlDsa44, code), None);
    }
}

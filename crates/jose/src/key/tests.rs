use aws_lc_rs::agreement;
use aws_lc_rs::signature::{ML_DSA_44_SIGNING, PqdsaKeyPair};
use proptest::prelude::*;

use super::*;
use crate::jwk::{Jwk, JwkAlg, JwkSet, KeyUse, PrivateJwk, PublicParams};
use crate::{Alg, PemError, base64url};

#[test]
fn every_algorithm_signs_verifies_and_survives_storage() {
    for alg in Alg::all() {
        let key = SigningKey::generate(alg, None).unwrap();
        let stored = key.to_private_bytes().unwrap();
        let key = SigningKey::from_private_bytes(alg, key.kid(), &stored).unwrap();
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).unwrap();
        let public = key.verifying_key().unwrap();
        assert!(public.verifies(b"message", &signature), "{alg}");
        assert!(!public.verifies(b"massage", &signature), "{alg}");
        for len in 0..signature.len() {
            assert!(!public.verifies(b"message", &signature[..len]), "{alg} cut to {len}");
        }
        signature.push(0);
        assert!(!public.verifies(b"message", &signature), "{alg} extended");
    }
}

#[test]
fn every_generated_key_is_the_same_after_json_and_pem() {
    for alg in Alg::all() {
        let key = SigningKey::generate(alg, Some("2026-11-a")).unwrap();
        let jwk = key.to_jwk().unwrap();
        let read = PrivateJwk::parse(jwk.to_json().as_bytes()).unwrap();
        assert_eq!(*read.to_json(), *jwk.to_json(), "{alg}");
        let same = SigningKey::from_jwk(&read, None).unwrap();
        assert_eq!((same.alg(), same.kid()), (alg, "2026-11-a"));
        assert_eq!(same.public_jwk(), key.public_jwk(), "{alg}");
        assert_eq!(same.to_private_bytes().unwrap(), key.to_private_bytes().unwrap(), "{alg}");

        let Some(public) = key.public_jwk() else {
            assert_eq!(jwk.to_pkcs8_pem().err(), Some(KeyError::NoKeyPair));
            continue;
        };
        let from_pem = PrivateJwk::from_pem(&jwk.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(from_pem.thumbprint(), jwk.thumbprint(), "{alg}");
        assert_eq!(SigningKey::from_jwk(&from_pem, Some(alg)).unwrap().public_jwk().unwrap().key, public.key);
        assert_eq!(Jwk::from_pem(&public.to_spki_pem().unwrap()).unwrap().key, public.key, "{alg}");
        let json = serde_json::to_vec(&public).unwrap();
        assert_eq!(Jwk::parse(&json), Ok(public), "{alg}");
    }
}

#[test]
fn a_key_agreement_key_is_the_same_after_json_and_pem() {
    let private = agreement::PrivateKey::generate(&agreement::X25519).unwrap();
    let pair = KeyPair::X25519(Box::new(private));
    let jwk = PrivateJwk::new(pair.to_params().unwrap());
    let from_json = PrivateJwk::parse(jwk.to_json().as_bytes()).unwrap();
    let from_pem = PrivateJwk::from_pem(&jwk.to_pkcs8_pem().unwrap()).unwrap();
    assert_eq!(*from_json.to_json(), *jwk.to_json());
    assert_eq!(*from_pem.to_json(), *jwk.to_json());
    let public = jwk.public().unwrap();
    assert_eq!(Jwk::from_pem(&public.to_spki_pem().unwrap()).unwrap(), public);
    assert_eq!(SigningKey::from_jwk(&jwk, None).err(), Some(KeyError::AmbiguousAlg));
    assert_eq!(SigningKey::from_jwk(&jwk, Some(Alg::EdDSA)).err(), Some(KeyError::WrongType(Alg::EdDSA)));
}

#[test]
fn rsa_keys_are_generated_in_the_size_asked_for() {
    for (size, bytes) in [(RsaSize::Bits2048, 256), (RsaSize::Bits3072, 384)] {
        let key = SigningKey::generate_rsa(Alg::PS256, None, size).unwrap();
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).unwrap();
        assert_eq!(signature.len(), bytes);
    }
    for (bits, size) in [(2048, RsaSize::Bits2048), (3072, RsaSize::Bits3072), (4096, RsaSize::Bits4096)] {
        assert_eq!(RsaSize::from_bits(bits), Some(size));
        assert_eq!(RsaSize::from_bits(bits + 1), None);
    }
    let ec = SigningKey::generate_rsa(Alg::ES256, None, RsaSize::Bits2048);
    assert_eq!(ec.err(), Some(KeyError::WrongType(Alg::ES256)));
}

/// The example of RFC 9964, whose seed is all zeros.
#[test]
fn an_ml_dsa_key_has_the_thumbprint_of_rfc_9964() {
    let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &[0; 32]).unwrap();
    let jwk = PrivateJwk::new(KeyPair::MlDsa(Alg::MlDsa44, Box::new(pair)).to_params().unwrap());
    assert_eq!(jwk.thumbprint(), "T4xl70S7MT6Zeq6r9V9fPJGVn76wfnXJ21-gyo0Gu6o");
    let json = jwk.to_json();
    assert!(json.starts_with(r#"{"kty":"AKP","pub":"unH59k4Ru"#), "{}", &json[..40]);
    assert!(json.ends_with(r#""priv":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"ML-DSA-44"}"#));
}

#[test]
fn a_psychic_signature_of_zeros_is_refused() {
    for alg in [Alg::ES256, Alg::ES384, Alg::ES512] {
        let public = SigningKey::generate(alg, None).unwrap().verifying_key().unwrap();
        for len in [64, 96, 132] {
            assert!(!public.verifies(b"message", &vec![0; len]), "{alg} {len}");
        }
    }
}

#[test]
fn secrets_shorter_than_the_hash_are_refused() {
    for (alg, min) in [(Alg::HS256, 32), (Alg::HS384, 48), (Alg::HS512, 64)] {
        let short = SecretKey::new(vec![7; min - 1]);
        assert_eq!(
            VerifyingKey::from_secret(alg, "k", &short).err(),
            Some(KeyError::SecretTooShort { alg, min })
        );
        assert!(VerifyingKey::from_secret(alg, "k", &SecretKey::new(vec![7; min])).is_ok());
        let jwk = PrivateJwk::from_secret(&short);
        assert_eq!(SigningKey::from_jwk(&jwk, Some(alg)).err(), Some(KeyError::SecretTooShort { alg, min }));
    }
    let secret = SecretKey::new(vec![7; 64]);
    assert_eq!(
        VerifyingKey::from_secret(Alg::RS256, "k", &secret).err(),
        Some(KeyError::WrongType(Alg::RS256))
    );
}

const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

fn ec(crv: &str, x: &str, y: &str) -> PublicParams {
    PublicParams::Ec { crv: crv.into(), x: x.into(), y: y.into() }
}

#[test]
fn refused_public_keys() {
    let rsa = |n: &[u8], e: &str| PublicParams::Rsa { n: base64url::encode(n), e: e.into() };
    let okp = |crv: &str, x: &str| PublicParams::Okp { crv: crv.into(), x: x.into() };
    let akp = |alg, len| PublicParams::Akp { alg, public: base64url::encode(&vec![7; len]) };
    let length = |member, bytes| Err(KeyError::WrongLength { member, bytes });
    let cases = [
        ("good_point", ec("P-256", X, Y), Ok(())),
        ("other_curve", ec("P-384", X, Y), Err(KeyError::AmbiguousAlg)),
        ("off_the_curve", ec("P-256", X, X), Err(KeyError::NotOnCurve)),
        ("short_coordinate", ec("P-256", &X[..40], Y), length("x", 32)),
        ("long_coordinate", ec("P-256", X, &format!("{Y}AAAA")), length("y", 32)),
        ("coordinate_of_33_bytes", ec("P-256", X, &base64url::encode(&[0; 33])), length("y", 32)),
        ("not_base64url", ec("P-256", "=", Y), Err(KeyError::NotBase64Url("x"))),
        ("point_at_infinity", ec("P-256", "", ""), length("x", 32)),
        (
            "coordinates_of_zero",
            ec("P-256", &base64url::encode(&[0; 32]), &base64url::encode(&[0; 32])),
            Err(KeyError::NotOnCurve),
        ),
        ("small_modulus", rsa(&[0xff; 128], "AQAB"), Err(KeyError::ModulusSize { bits: 1024 })),
        ("huge_modulus", rsa(&[0xff; 1025], "AQAB"), Err(KeyError::ModulusSize { bits: 8200 })),
        ("empty_modulus", rsa(&[], "AQAB"), Err(KeyError::ModulusSize { bits: 0 })),
        ("padded_modulus", rsa(&[&[0][..], &[0xff; 256]].concat(), "AQAB"), Err(KeyError::LeadingZero("n"))),
        ("long_exponent", rsa(&[0xff; 256], "AQABAQAB"), Err(KeyError::Exponent)),
        ("exponent_of_one", rsa(&[0xff; 256], "AQ"), Err(KeyError::Exponent)),
        ("x25519", okp("X25519", X), Err(KeyError::AmbiguousAlg)),
        ("ed25519_of_31_bytes", okp("Ed25519", &base64url::encode(&[7; 31])), length("x", 32)),
        ("ed448", okp("Ed448", X), Err(KeyError::AmbiguousAlg)),
        ("ml_dsa_of_another_size", akp(Alg::MlDsa44, 1311), length("pub", 1312)),
        ("ml_dsa_that_is_not_allowed", akp(Alg::MlDsa65, 1952), Err(KeyError::AmbiguousAlg)),
        ("akp_of_a_classic_algorithm", akp(Alg::ES256, 64), Err(KeyError::AmbiguousAlg)),
    ];
    for (name, key, want) in cases {
        let jwk = Jwk { key, kid: None, alg: None, key_use: None };
        let allowed = [Alg::ES256, Alg::RS256, Alg::EdDSA, Alg::MlDsa44];
        assert_eq!(VerifyingKey::from_jwk(&jwk, &allowed).map(|_| ()), want, "{name}");
    }
}

#[test]
fn what_a_public_key_verifies() {
    let signature = |alg| Some(JwkAlg::Signature(alg));
    let agreement = "ECDH-ES".parse().ok();
    let not_allowed = Err(KeyError::NotAllowed("verify"));
    let cases = [
        ("nothing_said", None, None, Ok(Alg::ES256)),
        ("alg", signature(Alg::ES256), None, Ok(Alg::ES256)),
        ("use_sig", None, Some(KeyUse::Sig), Ok(Alg::ES256)),
        ("use_enc", None, Some(KeyUse::Enc), not_allowed),
        ("use_enc_against_alg", signature(Alg::ES256), Some(KeyUse::Enc), not_allowed),
        ("alg_of_an_encryption", agreement, None, not_allowed),
        ("alg_of_another_curve", signature(Alg::ES384), None, Err(KeyError::WrongType(Alg::ES384))),
        ("alg_of_another_type", signature(Alg::RS256), None, Err(KeyError::WrongType(Alg::RS256))),
        ("alg_of_a_secret", signature(Alg::HS256), None, Err(KeyError::WrongType(Alg::HS256))),
    ];
    for (name, alg, key_use, want) in cases {
        let jwk = Jwk { key: ec("P-256", X, Y), kid: None, alg, key_use };
        let key = VerifyingKey::from_jwk(&jwk, &[Alg::HS256, Alg::RS256, Alg::ES384, Alg::ES256]);
        assert_eq!(key.map(|key| key.alg()), want, "{name}");
    }
    let jwk = Jwk { key: ec("P-256", X, Y), kid: None, alg: signature(Alg::ES256), key_use: None };
    let not_allowed = VerifyingKey::from_jwk(&jwk, &[Alg::EdDSA]);
    assert_eq!(not_allowed.err(), Some(KeyError::WrongType(Alg::ES256)));
}

#[test]
fn what_a_private_key_signs() {
    let ec = SigningKey::generate(Alg::ES256, None).unwrap().to_jwk().unwrap();
    let rsa = SigningKey::generate(Alg::RS256, None).unwrap().to_jwk().unwrap();
    let oct = PrivateJwk::from_secret(&SecretKey::new([7; 64]));
    let ed = SigningKey::generate(Alg::Ed25519, None).unwrap().to_jwk().unwrap();
    let read = |jwk: &PrivateJwk, members: &str| {
        let mut jwk = PrivateJwk::parse(jwk.to_json().as_bytes()).unwrap();
        (jwk.alg, jwk.key_use) = (None, None);
        PrivateJwk::parse(jwk.to_json().replacen('{', &format!("{{{members}"), 1).as_bytes()).unwrap()
    };
    let wrong = |alg| Err(KeyError::WrongType(alg));
    let not_allowed = Err(KeyError::NotAllowed("sign"));
    let cases = [
        ("by_its_curve", read(&ec, ""), None, Ok(Alg::ES256)),
        ("by_its_alg", read(&rsa, r#""alg":"PS384","#), None, Ok(Alg::PS384)),
        ("as_asked", read(&rsa, ""), Some(Alg::PS256), Ok(Alg::PS256)),
        ("alg_and_asked_agree", read(&ec, r#""alg":"ES256","#), Some(Alg::ES256), Ok(Alg::ES256)),
        ("older_name_by_default", read(&ed, ""), None, Ok(Alg::EdDSA)),
        ("secret_as_asked", read(&oct, ""), Some(Alg::HS512), Ok(Alg::HS512)),
        ("key_ops_sign", read(&ec, r#""key_ops":["sign"],"#), None, Ok(Alg::ES256)),
        ("alg_and_asked_differ", read(&rsa, r#""alg":"RS256","#), Some(Alg::PS256), wrong(Alg::PS256)),
        ("asked_for_another_type", read(&ec, ""), Some(Alg::RS256), wrong(Alg::RS256)),
        ("asked_for_another_curve", read(&ec, ""), Some(Alg::ES384), wrong(Alg::ES384)),
        ("public_algorithm_for_a_secret", read(&oct, ""), Some(Alg::ES256), wrong(Alg::ES256)),
        ("hmac_with_a_key_pair", read(&ec, ""), Some(Alg::HS256), wrong(Alg::HS256)),
        ("rsa_undecided", read(&rsa, ""), None, Err(KeyError::AmbiguousAlg)),
        ("secret_undecided", read(&oct, ""), None, Err(KeyError::AmbiguousAlg)),
        ("use_enc", read(&ec, r#""use":"enc","#), Some(Alg::ES256), not_allowed),
        ("key_ops_verify", read(&oct, r#""key_ops":["verify"],"#), Some(Alg::HS256), not_allowed),
        ("key_ops_unknown", read(&ec, r#""key_ops":["sign, verify"],"#), None, not_allowed),
        ("alg_of_an_encryption", read(&oct, r#""alg":"A256KW","#), Some(Alg::HS256), not_allowed),
    ];
    for (name, jwk, asked, want) in cases {
        assert_eq!(SigningKey::from_jwk(&jwk, asked).map(|key| key.alg()), want, "{name}");
    }
}

#[test]
fn what_verifies_with_a_private_jwk() {
    let secret = PrivateJwk::from_secret(&SecretKey::new([7; 32]));
    let parse = |members: &str| {
        PrivateJwk::parse(secret.to_json().replacen('{', &format!("{{{members}"), 1).as_bytes()).unwrap()
    };
    let not_allowed = Err(KeyError::NotAllowed("verify"));
    let cases = [
        ("first_that_takes_a_secret", parse(""), Ok(Alg::HS256)),
        ("alg", parse(r#""alg":"HS256","#), Ok(Alg::HS256)),
        ("key_ops_verify", parse(r#""key_ops":["verify"],"#), Ok(Alg::HS256)),
        ("key_ops_sign", parse(r#""key_ops":["sign"],"#), not_allowed),
        ("use_enc", parse(r#""use":"enc","#), not_allowed),
        ("alg_of_an_encryption", parse(r#""alg":"A256KW","#), not_allowed),
        ("key_pair", SigningKey::generate(Alg::ES256, None).unwrap().to_jwk().unwrap(), Ok(Alg::ES256)),
    ];
    for (name, jwk, want) in cases {
        let key = VerifyingKey::from_private_jwk(&jwk, &[Alg::ES256, Alg::HS256]);
        assert_eq!(key.map(|key| key.alg()), want, "{name}");
    }
    assert_eq!(
        VerifyingKey::from_private_jwk(&parse(r#""alg":"HS256","#), &[Alg::HS384]).err(),
        Some(KeyError::WrongType(Alg::HS256))
    );
}

#[test]
fn a_secret_as_text_and_as_it_is_generated() {
    let text = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8";
    let secret = SecretKey::parse(&format!(" {text}\n")).unwrap();
    assert_eq!(base64url::encode(secret.expose()), text);
    assert_eq!(SecretKey::parse("not base64url!").err(), Some(KeyError::Malformed));
    let (one, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    assert_eq!((one.expose().len(), SecretKey::generate_bytes(17).unwrap().expose().len()), (64, 17));
    assert_ne!(one.expose(), other.expose());
    let kid = || SigningKey::generate(Alg::HS256, None).unwrap().kid().to_owned();
    assert_eq!(base64url::decode(kid()).unwrap().len(), 16);
    assert_ne!(kid(), kid());
}

#[test]
fn a_set_finds_its_keys_by_name() {
    let key = |kid| SigningKey::generate(Alg::EdDSA, Some(kid)).unwrap().verifying_key().unwrap();
    let set = KeySet::new(vec![key("a"), key("b")]);
    assert_eq!(set.find("b").map(VerifyingKey::kid), Some("b"));
    assert!(set.find("c").is_none() && !set.is_empty());
    assert!(KeySet::default().is_empty());
}

#[test]
fn a_name_that_stands_for_two_keys_of_one_algorithm_is_found_for_neither() {
    let key = |alg, kid| SigningKey::generate(alg, Some(kid)).unwrap().public_jwk().unwrap();
    let (a, b) = (key(Alg::ES256, "a"), key(Alg::ES256, "b"));
    let unnamed = |jwk: Jwk| Jwk { kid: None, ..jwk };
    let cases = [
        ("two_names", vec![a.clone(), b.clone()], vec!["a", "b"]),
        ("same_key_twice", vec![a.clone(), a.clone()], vec!["a"]),
        ("two_keys_of_one_name", vec![a.clone(), key(Alg::ES256, "a"), b.clone()], vec!["b"]),
        ("three_keys_of_one_name", vec![a.clone(), key(Alg::ES256, "a"), a.clone()], vec![]),
        ("two_algorithms_of_one_name", vec![a.clone(), key(Alg::EdDSA, "a")], vec!["a", "a"]),
        ("two_without_a_name", vec![unnamed(a), unnamed(b)], vec!["", ""]),
    ];
    for (name, keys, want) in cases {
        let set = KeySet::from_jwks(&JwkSet { keys }, &[Alg::ES256, Alg::EdDSA]);
        assert_eq!(set.keys().iter().map(VerifyingKey::kid).collect::<Vec<_>>(), want, "{name}");
    }
}

#[test]
fn documents_of_another_type_are_named_as_such() {
    let ed448 = "-----BEGIN PRIVATE KEY-----\n\
        MEcCAQAwBQYDK2VxBDsEOeaCsgd1gvgklWtqqfcxAhHwy22xT/w7bfFo4mefCxCD\n\
        4DYpWMukp3VJlvfJKNt72EjMh3+GKdmfTQ==\n\
        -----END PRIVATE KEY-----";
    let secp256k1 = "-----BEGIN PRIVATE KEY-----\n\
        MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgyanhV8j8MusN4WvTCDMo\n\
        9StjG+Sjef4PCs6lu/BoihKhRANCAAQa/Vdb1bzJR5fXqVLRA+FFGBxPB17kzFJW\n\
        hA7kGri9znrvaidtAy/VuyXW21Ze4oINqfq+wC5w3fBoCwtMlL79\n\
        -----END PRIVATE KEY-----";
    let compressed = "-----BEGIN PUBLIC KEY-----\n\
        MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACmtom3tpde+CbQQ7pntP84AwdQF5b\n\
        lQO1K4Y5WgHWVu0=\n\
        -----END PUBLIC KEY-----";
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VuAyEAwR4tf5tJfzIlw/63paijTmvSzgfrYJfulpGsrr9ozXE=\n\
        -----END PUBLIC KEY-----";
    let private = |text| PrivateJwk::from_pem(text).err();
    assert_eq!(private(ed448), Some(PemError::Key(KeyError::UnsupportedType)));
    assert_eq!(private(secp256k1), Some(PemError::Key(KeyError::UnknownCurve)));
    assert_eq!(Jwk::from_pem(compressed).err(), Some(PemError::Key(KeyError::NotUncompressed)));
    assert!(matches!(private(public), Some(PemError::WrongLabel { .. })));
    assert!(matches!(Jwk::from_pem(ed448), Err(PemError::WrongLabel { .. })));
    let ec = SigningKey::generate(Alg::ES256, None).unwrap().to_private_bytes().unwrap();
    assert_eq!(SigningKey::from_pkcs8_der(Alg::ES384, "k", &ec).err(), Some(KeyError::WrongType(Alg::ES384)));
    assert_eq!(SigningKey::from_pkcs8_der(Alg::HS256, "k", &ec).err(), Some(KeyError::WrongType(Alg::HS256)));
}

#[test]
fn older_private_key_documents_are_read() {
    // SEC 1, as `openssl ecparam -genkey` writes it, and the public half as `openssl ec -pubout` does.
    let sec1 = "-----BEGIN EC PARAMETERS-----\n\
        BggqhkjOPQMBBw==\n\
        -----END EC PARAMETERS-----\n\
        -----BEGIN EC PRIVATE KEY-----\n\
        MHcCAQEEIKtvcx6ObQiv8eMM1rq7LaybBlNDSBP+QXcAUWdLjhTUoAoGCCqGSM49\n\
        AwEHoUQDQgAEmtom3tpde+CbQQ7pntP84AwdQF5blQO1K4Y5WgHWVu3CngL1D5vR\n\
        MQxI8nwqjqX3YC1hZS6xNP0BllIyD506cA==\n\
        -----END EC PRIVATE KEY-----";
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmtom3tpde+CbQQ7pntP84AwdQF5b\n\
        lQO1K4Y5WgHWVu3CngL1D5vRMQxI8nwqjqX3YC1hZS6xNP0BllIyD506cA==\n\
        -----END PUBLIC KEY-----";
    let jwk = PrivateJwk::from_pem(sec1).unwrap();
    assert_eq!(jwk.public(), Jwk::from_pem(public).ok());

    assert_eq!(SigningKey::from_pem(Alg::ES256, "k", sec1).unwrap().kid(), "k");
    let wrong = PemError::Key(KeyError::WrongType(Alg::ES384));
    assert_eq!(SigningKey::from_pem(Alg::ES384, "k", sec1).err(), Some(wrong));
    assert_eq!(VerifyingKey::from_pem(Alg::ES384, "k", public).err(), Some(wrong));
    let spki = Jwk::from_pem(public).unwrap().to_spki_der().unwrap();
    assert_eq!(VerifyingKey::from_spki_der(Alg::ES256, "k", &spki).unwrap().kid(), "k");

    // As PKCS#8 has it inside, where the curve stands outside: here nobody says which it is.
    let pkcs8 = PrivateJwk::from_pem(sec1).unwrap().to_pkcs8_der().unwrap();
    let inner = der::private_key_info(&pkcs8).unwrap().private_key;
    assert_eq!(PrivateJwk::from_sec1_der(inner).err(), Some(KeyError::UnknownCurve));

    // PKCS#1: what PKCS#8 has inside.
    let jwk = SigningKey::generate(Alg::RS256, None).unwrap().to_jwk().unwrap();
    let pkcs8 = jwk.to_pkcs8_der().unwrap();
    let pkcs1 = der::private_key_info(&pkcs8).unwrap().private_key;
    let text = crate::pem::encode(crate::pem::Label::Pkcs1Private, pkcs1).unwrap();
    assert_eq!(PrivateJwk::from_pem(&text).unwrap().thumbprint(), jwk.thumbprint());
    assert_eq!(PrivateJwk::from_pkcs1_der(pkcs1).unwrap().thumbprint(), jwk.thumbprint());
    assert!(PrivateJwk::from_sec1_der(pkcs1).is_err() && PrivateJwk::from_pkcs1_der(&pkcs8).is_err());

    // The public half in the same form: two numbers, one after the other.
    let public = jwk.public().unwrap();
    let spki = public.to_spki_der().unwrap();
    let pkcs1 = &spki[spki.len() - 270..];
    assert_eq!(Jwk::from_pkcs1_der(pkcs1).unwrap().key, public.key);
    let text = crate::pem::encode(crate::pem::Label::Pkcs1Public, pkcs1).unwrap();
    assert_eq!(Jwk::from_pem(&text).unwrap().key, public.key);
    assert!(Jwk::from_pkcs1_der(&spki).is_err() && Jwk::from_spki_der(pkcs1).is_err());
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = SecretKey::new(*b"0123456789abcdef0123456789abcdef");
    let key = SigningKey::from_secret(Alg::HS256, "k1", &secret).unwrap();
    let jwk = key.to_jwk().unwrap();
    let shown = format!("{key:?} {secret:?} {:?} {jwk:?}", key.verifying_key().unwrap());
    assert!(!shown.contains("0123") && !shown.contains("48, 49") && !shown.contains("MDEy"), "{shown}");
}

proptest! {
    #[test]
    fn any_document_is_answered_without_panic(bytes: Vec<u8>) {
        let _ = PrivateJwk::from_pkcs8_der(&bytes);
        let _ = Jwk::from_spki_der(&bytes);
        let _ = KeyPair::from_pkcs1(&bytes);
        let _ = KeyPair::from_sec1(&bytes);
        let _ = der::rsa_public_key(&bytes);
    }

    #[test]
    fn a_document_with_a_changed_byte_is_answered_without_panic(at: prop::sample::Index, byte: u8) {
        for alg in [Alg::ES256, Alg::Ed25519] {
            let jwk = SigningKey::generate(alg, None).unwrap().to_jwk().unwrap();
            let mut private = jwk.to_pkcs8_der().unwrap();
            *at.get_mut(&mut private) = byte;
            let _ = PrivateJwk::from_pkcs8_der(&private);
            let mut public = jwk.public().unwrap().to_spki_der().unwrap();
            *at.get_mut(&mut public) = byte;
            let _ = Jwk::from_spki_der(&public);
        }
    }
}

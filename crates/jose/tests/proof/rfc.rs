//! The examples of the RFCs, as they give them. `rfc/rfc7515.json` holds those of RFC 7515, each under the
//! section that it stands in.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use gatepass_jose::jwe::{
    ContentEncryption, DecryptError, Decrypter, DecryptionKey, DecryptionKeys, KeyManagement, primitives,
};
use gatepass_jose::{
    Alg, Jwk, JwkSet, KeySet, PrivateJwk, PrivateJwkSet, SecretKey, SigningKey, VerifyingKey, base64url, jws,
};
use serde_json::{Value, json};

/// One section of one RFC's file.
macro_rules! section {
    ($rfc:literal, $section:literal) => {{
        let file: Value = serde_json::from_str(include_str!(concat!("rfc/rfc", $rfc, ".json"))).unwrap();
        let section = file[$section].clone();
        assert!(!section.is_null(), "RFC {} has no {}", $rfc, $section);
        section
    }};
}

#[test]
fn rfc_7515_jws_of_every_algorithm() {
    let cases = [
        ("A.1", section!(7515, "A.1"), Alg::HS256),
        ("A.2", section!(7515, "A.2"), Alg::RS256),
        ("A.3", section!(7515, "A.3"), Alg::ES256),
        ("A.4", section!(7515, "A.4"), Alg::ES512),
    ];
    for (section, example, alg) in cases {
        let (key, signature) = (private(&example["jwk"]), text(&example["jws"]));
        let verified = verifier(&key, alg).verify(signature).unwrap();
        assert_eq!(verified.payload(), text(&example["payload"]).as_bytes(), "{section}");
    }
}

#[test]
fn rfc_7515_a_5_and_e_what_is_unsecured_or_critical_is_refused() {
    let key = PrivateJwk::from_secret(&SecretKey::new(vec![0; 32]));
    for jws in [section!(7515, "A.5"), section!(7515, "E")] {
        assert!(verifier(&key, Alg::HS256).verify(text(&jws["jws"])).is_err(), "{jws}");
    }
}

#[test]
fn rfc_7515_a_6_each_key_verifies_its_own_signature_of_several() {
    let example = section!(7515, "A.6");
    for (jwk, alg) in example["jwks"].as_array().unwrap().iter().zip([Alg::RS256, Alg::ES256]) {
        let verified = verifier(&private(jwk), alg).verify_json(bytes(&example["jws"]).as_slice()).unwrap();
        assert_eq!(verified.payload(), text(&example["payload"]).as_bytes(), "{alg}");
    }
}

#[test]
fn rfc_7515_a_7_flattened() {
    let example = section!(7515, "A.7");
    let verified =
        verifier(&private(&example["jwk"]), Alg::ES256).verify_json(&bytes(&example["jws"])).unwrap();
    assert_eq!(verified.payload(), text(&example["payload"]).as_bytes());
}

#[test]
fn rfc_7516_jwe() {
    use KeyManagement::{A128KW, RsaOaep};
    let cases = [("A.1", section!(7516, "A.1"), RsaOaep), ("A.3", section!(7516, "A.3"), A128KW)];
    for (section, example, alg) in cases {
        let decrypted = decrypter(&private(&example["jwk"]), alg).decrypt(text(&example["jwe"])).unwrap();
        assert_eq!(decrypted.plaintext(), text(&example["plaintext"]).as_bytes(), "{section}");
    }
    // For two recipients, of which the first is one for RSA1_5; and flattened.
    let (general, flattened) = (section!(7516, "A.4"), section!(7516, "A.5"));
    for (example, jwk) in [(&general, &general["jwks"][1]), (&flattened, &flattened["jwk"])] {
        let decrypted = decrypter(&private(jwk), A128KW).decrypt_json(&bytes(&example["jwe"])).unwrap();
        assert_eq!(decrypted.plaintext(), text(&example["plaintext"]).as_bytes());
    }
}

#[test]
fn rfc_7516_a_2_and_rfc_7519_a_rsa1_5_is_refused() {
    let (a_2, a_1, nested) = (section!(7516, "A.2"), section!(7519, "A.1"), section!(7519, "A.2"));
    let cases =
        [(&a_2["jwk"], &a_2["jwe"]), (&a_1["jwk"], &a_1["jwt"]), (&nested["decryption_jwk"], &nested["jwt"])];
    for (jwk, jwe) in cases {
        let refusal = decrypter(&private(jwk), KeyManagement::RsaOaep).decrypt(text(jwe)).err();
        assert!(matches!(refusal, Some(DecryptError::AlgMismatch { .. })), "{refusal:?}");
    }
}

#[test]
fn rfc_7517_sets_and_keys() {
    let public = JwkSet::parse(&bytes(&section!(7517, "A.1"))).unwrap();
    let kids: Vec<_> = public.keys.iter().map(|key| key.kid.as_deref()).collect();
    assert_eq!(kids, [Some("1"), Some("2011-04-29")]);
    let private_keys = PrivateJwkSet::parse(&bytes(&section!(7517, "A.2"))).unwrap();
    assert_eq!(private_keys.public(), public);
    let secrets = PrivateJwkSet::parse(&bytes(&section!(7517, "A.3"))).unwrap();
    assert_eq!(secrets.keys.len(), 2);
    assert!(secrets.public().keys.is_empty());
    let with_certificate = Jwk::parse(&bytes(&section!(7517, "B"))).unwrap();
    assert_eq!(with_certificate.kid.as_deref(), Some("1b94c"));
}

#[test]
fn rfc_7517_c_a_private_key_under_a_password() {
    let example = section!(7517, "C");
    let password = SecretKey::new(text(&example["password"]));
    let key = DecryptionKey::from_password(KeyManagement::Pbes2Hs256A128KW, "", &password).unwrap();
    let decrypter = Decrypter::new(DecryptionKeys::new(vec![key]), &[ContentEncryption::A128CbcHs256]);
    let decrypted = decrypter.decrypt(text(&example["jwe"])).unwrap();
    assert_eq!(PrivateJwk::parse(decrypted.plaintext()).unwrap().kid.as_deref(), Some("juliet@capulet.lit"));
    assert_eq!(decrypted.cty(), Some("jwk+json"));
}

#[test]
fn rfc_7518_b_content_encryption_with_aes_cbc_and_hmac() {
    for example in [section!(7518, "B.1"), section!(7518, "B.2"), section!(7518, "B.3")] {
        let enc: ContentEncryption = text(&example["enc"]).parse().unwrap();
        let [key, iv, aad, ciphertext, tag] =
            ["key_hex", "iv_hex", "aad_hex", "ciphertext_hex", "tag_hex"].map(|name| hex(&example[name]));
        let plaintext = primitives::decrypt_content(enc, &key, &iv, &aad, &ciphertext, &tag).unwrap();
        assert_eq!(*plaintext, hex(&example["plaintext_hex"]), "{enc}");
    }
}

#[test]
fn rfc_7518_c_the_agreed_key_opens_what_the_rfcs_derived_key_sealed() {
    let example = section!(7518, "C");
    let (epk, bob) = (&example["alice_ephemeral"], private(&example["bob"]));
    let header = json!({
        "alg": "ECDH-ES", "enc": example["enc"], "apu": example["apu"], "apv": example["apv"],
        "epk": { "kty": epk["kty"], "crv": epk["crv"], "x": epk["x"], "y": epk["y"] },
    });
    let protected = base64url::encode(header.to_string().as_bytes());
    let derived = base64url::decode(text(&example["derived"])).unwrap();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &derived).unwrap());
    let (iv, mut ciphertext) = ([7; 12], b"to Bob".to_vec());
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(&protected), &mut ciphertext)
        .unwrap();
    let [iv, ciphertext, tag] = [&iv[..], &ciphertext, tag.as_ref()].map(base64url::encode);
    let jwe = format!("{protected}..{iv}.{ciphertext}.{tag}");
    assert_eq!(decrypter(&bob, KeyManagement::EcdhEs).decrypt(&jwe).unwrap().plaintext(), b"to Bob");
}

#[test]
fn rfc_7519_3_1_and_6_1() {
    let example = section!(7519, "3.1");
    let verified = verifier(&private(&example["jwk"]), Alg::HS256).verify(text(&example["jwt"])).unwrap();
    let claims: Value = serde_json::from_slice(verified.payload()).unwrap();
    assert_eq!(claims, json!({ "iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true }));
    let unsecured = section!(7519, "6.1");
    assert!(verifier(&private(&example["jwk"]), Alg::HS256).verify(text(&unsecured["jwt"])).is_err());
}

#[test]
fn rfc_7638_and_9278_thumbprints() {
    let example = section!(7638, "3.1");
    assert_eq!(public(&example["jwk"]).thumbprint(), text(&example["thumbprint"]));
    let example = section!(9278, "5");
    assert_eq!(public(&example["jwk"]).thumbprint_uri(), text(&example["uri"]));
}

#[test]
fn rfc_7797_unencoded_payload() {
    let example = section!(7797, "4");
    let payload = text(&example["payload"]).as_bytes();
    let verifier = verifier(&private(&example["jwk"]), Alg::HS256);
    assert_eq!(verifier.verify(text(&example["4.1"])).unwrap().payload(), payload);
    assert_eq!(verifier.verify_detached(text(&example["4.2"]), payload).unwrap().payload(), payload);
    assert!(verifier.verify_detached(text(&example["4.2"]), b"$.03").is_err());
    // Section 6: the MAC is right, and `crit` is missing.
    assert!(verifier.verify_detached(text(&example["without crit"]), payload).is_err());
}

#[test]
fn rfc_8037_ed25519_and_x25519() {
    let (own, example) = (private(&section!(8037, "A.1")), section!(8037, "A.4"));
    assert_eq!(own.public(), Some(public(&section!(8037, "A.2"))));
    assert_eq!(own.thumbprint(), text(&section!(8037, "A.3")));
    let payload = text(&example["payload"]).as_bytes();
    let signed =
        jws::Draft::new(payload).sign(&SigningKey::from_jwk(&own, Some(Alg::EdDSA)).unwrap()).unwrap();
    assert_eq!(signed.compact().unwrap(), text(&example["jws"]), "Ed25519 is deterministic");
    assert_eq!(verifier(&own, Alg::EdDSA).verify(text(&example["jws"])).unwrap().payload(), payload);

    let example = section!(8037, "A.6");
    let z = primitives::agree(&private(&example["ephemeral"]), &public(&example["bob"])).unwrap();
    assert_eq!(*z, hex(&example["z_hex"]));
}

#[test]
fn rfc_9964_ml_dsa() {
    let cases = [
        (Alg::MlDsa44, section!(9964, "ML-DSA-44")),
        (Alg::MlDsa65, section!(9964, "ML-DSA-65")),
        (Alg::MlDsa87, section!(9964, "ML-DSA-87")),
    ];
    for (alg, example) in cases {
        let key = private(&example["jwk"]);
        assert_eq!(key.kid.as_deref(), Some(key.thumbprint().as_str()), "{alg}: the name is the thumbprint");
        let verified = verifier(&key, alg).verify(text(&example["jws"])).unwrap();
        assert_eq!(verified.payload(), text(&section!(9964, "payload")).as_bytes(), "{alg}");
    }
}

fn verifier(key: &PrivateJwk, alg: Alg) -> jws::Verifier {
    jws::Verifier::new(KeySet::new(vec![VerifyingKey::from_private_jwk(key, &[alg]).unwrap()]))
}

fn decrypter(key: &PrivateJwk, alg: KeyManagement) -> Decrypter {
    let key = DecryptionKey::from_jwk(key, Some(alg)).unwrap();
    Decrypter::new(DecryptionKeys::new(vec![key]), &ContentEncryption::all().collect::<Vec<_>>())
}

fn private(jwk: &Value) -> PrivateJwk {
    PrivateJwk::parse(&bytes(jwk)).unwrap()
}

fn public(jwk: &Value) -> Jwk {
    Jwk::parse(&bytes(jwk)).unwrap()
}

fn bytes(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = text(value);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

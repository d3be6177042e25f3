use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jwk::{Curve, JwkAlg, KeyUse, PrivateJwk};
use crate::{Limits, SecretKey, base64url};

mod hostile;
mod keys;
mod nested;
mod rfc;
mod serializations;

const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog.";

/// A key for each algorithm and, where it has a choice, for each curve and content encryption.
fn decryption_keys() -> Vec<DecryptionKey> {
    let mut keys = Vec::new();
    for alg in KeyManagement::all() {
        let curves = Curve::all().filter(|curve| alg.takes(curve.kty(), Some(curve.name())));
        keys.extend(curves.map(|curve| DecryptionKey::generate(alg, Some(curve), None).unwrap()));
        match alg {
            KeyManagement::Dir => keys.extend(
                ContentEncryption::all().map(|enc| DecryptionKey::generate_direct(enc, None).unwrap()),
            ),
            KeyManagement::Pbes2Hs256A128KW | KeyManagement::Pbes2Hs512A256KW => {
                let password = SecretKey::new(*b"correct horse battery staple");
                keys.push(DecryptionKey::from_password(alg, alg.name(), &password).unwrap());
            }
            alg if alg.is_symmetric() || alg.takes("RSA", None) => {
                keys.push(DecryptionKey::generate(alg, None, None).unwrap());
            }
            _ => {}
        }
    }
    keys
}

/// The key's other half, with as few iterations as there may be.
fn encryption_key(key: &DecryptionKey) -> EncryptionKey {
    let encryption_key = key.encryption_key().unwrap();
    encryption_key.clone().with_iterations(MIN_ITERATIONS).unwrap_or(encryption_key)
}

fn decrypter(key: &DecryptionKey) -> Decrypter {
    let content: Vec<_> = ContentEncryption::all().collect();
    Decrypter::new(DecryptionKeys::new(vec![key.clone()]), &content)
}

#[test]
fn every_algorithm_with_every_content_encryption_in_every_serialization() {
    for key in decryption_keys() {
        let (to, decrypter) = (encryption_key(&key), decrypter(&key));
        let mut fitting = 0;
        for enc in ContentEncryption::all() {
            let encrypter = Encrypter::new(enc).with_typ(crate::Typ::new("secret+x")).with_cty("text/plain");
            let what = format!("{} {enc}", key.alg());
            let message = match encrypter.encrypt(TEXT, &to) {
                Err(EncryptError::ContentEncryption { key: own }) if own != enc => continue,
                message => message.unwrap(),
            };
            fitting += 1;
            let flattened = encrypter.json().to(&to).with_aad(b"aad").encrypt_flattened(TEXT).unwrap();
            let general = encrypter.json().to(&to).encrypt_general(TEXT).unwrap();
            let results = [
                ("compact", decrypter.decrypt(&message)),
                ("flattened", decrypter.decrypt_json(flattened.as_bytes())),
                ("general", decrypter.decrypt_json(general.as_bytes())),
            ];
            for (name, result) in results {
                let decrypted = result.unwrap_or_else(|error| panic!("{what} {name}: {error}"));
                assert_eq!(decrypted.plaintext(), TEXT, "{what} {name}");
                assert_eq!((decrypted.alg(), decrypted.enc()), (key.alg(), enc), "{what} {name}");
                assert_eq!((decrypted.typ(), decrypted.cty()), (Some("secret+x"), Some("text/plain")));
                assert_eq!(decrypted.kid(), key.kid(), "{what} {name}");
                assert_eq!(decrypted.aad(), (name == "flattened").then_some(&b"aad"[..]), "{what} {name}");
                assert_eq!(decrypted.into_plaintext().as_slice(), TEXT, "{what} {name}");
            }
        }
        assert_eq!(fitting, if key.alg() == KeyManagement::Dir { 1 } else { 6 }, "{}", key.alg());
    }
}

#[test]
fn a_message_to_several_is_read_by_each() {
    let keys: Vec<_> =
        decryption_keys().into_iter().filter(|key| !encryption_key(key).is_direct()).take(16).collect();
    let to: Vec<_> = keys.iter().map(encryption_key).collect();
    let encrypter = Encrypter::new(ContentEncryption::A256CbcHs512);
    let mut json = encrypter.json().with_unprotected(&json!({ "purpose": "test" })).with_aad(b"aad");
    for to in &to {
        json = json.to_with(to, &json!({ "note": to.alg().name() }));
    }
    let message = json.encrypt_general(TEXT).unwrap();
    for key in &keys {
        let decrypted = decrypter(key).decrypt_json(message.as_bytes()).unwrap();
        assert_eq!((decrypted.plaintext(), decrypted.kid()), (TEXT, key.kid()));
    }
    let stranger = DecryptionKey::generate(KeyManagement::A128KW, None, None).unwrap();
    assert_eq!(decrypter(&stranger).decrypt_json(message.as_bytes()).unwrap_err().code(), "unknown-key");
}

#[test]
fn recipients_without_names_are_tried_in_turn() {
    let keys: Vec<_> =
        (0..3).map(|_| DecryptionKey::generate(KeyManagement::A128KW, None, Some("")).unwrap()).collect();
    let to: Vec<_> = keys.iter().map(encryption_key).collect();
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let message = encrypter.json().to(&to[0]).to(&to[1]).encrypt_general(TEXT).unwrap();
    assert!(!message.contains("kid"));
    assert_eq!(decrypter(&keys[1]).decrypt_json(message.as_bytes()).unwrap().plaintext(), TEXT);
    assert_eq!(decrypter(&keys[2]).decrypt_json(message.as_bytes()).err(), Some(DecryptError::Decryption));
}

#[test]
fn each_message_has_a_key_and_an_initialization_vector_of_its_own() {
    for key in decryption_keys() {
        let to = encryption_key(&key);
        let enc =
            ContentEncryption::all().find(|enc| Encrypter::new(*enc).encrypt(TEXT, &to).is_ok()).unwrap();
        let (one, other) = (Encrypter::new(enc).encrypt(TEXT, &to), Encrypter::new(enc).encrypt(TEXT, &to));
        let (one, other) = (one.unwrap(), other.unwrap());
        let parts = |message: &str| message.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (one, other) = (parts(&one), parts(&other));
        for part in 2..5 {
            assert_ne!(one[part], other[part], "{} part {part}", key.alg());
        }
        if !to.is_direct() {
            assert_ne!(one[1], other[1], "{}", key.alg());
        }
    }
}

#[test]
fn the_parties_of_an_agreement_go_into_the_key() {
    let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::P256), Some("bob")).unwrap();
    let to = encryption_key(&key).with_parties(b"Alice", b"Bob").unwrap();
    let message = Encrypter::new(ContentEncryption::A128GCM).encrypt(TEXT, &to).unwrap();
    assert_eq!(decrypter(&key).decrypt(&message).unwrap().plaintext(), TEXT);
    let header = base64url::decode(message.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["apu"], &header["apv"]), (&json!("QWxpY2U"), &json!("Qm9i")));

    // The same message with the parties in an unprotected header, where they can be changed.
    let general = Encrypter::new(ContentEncryption::A128GCM).json().to(&to).encrypt_general(TEXT).unwrap();
    let mut general: Value = serde_json::from_str(&general).unwrap();
    assert!(decrypter(&key).decrypt_json(general.to_string().as_bytes()).is_ok());
    general["recipients"][0]["header"]["apu"] = json!("TWFsbG9yeQ");
    let error = decrypter(&key).decrypt_json(general.to_string().as_bytes()).err();
    assert_eq!(error, Some(DecryptError::Decryption));
}

#[test]
fn compression_is_taken_up_to_a_size_and_only_when_asked_for() {
    let key = DecryptionKey::generate(KeyManagement::A256KW, None, None).unwrap();
    let text = "so much of the same ".repeat(50);
    let encrypter = Encrypter::new(ContentEncryption::A256GCM).with_compression();
    let message = encrypter.encrypt(text.as_bytes(), &encryption_key(&key)).unwrap();
    assert!(message.len() < text.len());
    let cases = [
        ("not_asked_for", decrypter(&key), Err(DecryptError::Compressed)),
        ("exactly", decrypter(&key).with_decompression(text.len()), Ok(())),
        (
            "one_less",
            decrypter(&key).with_decompression(text.len() - 1),
            Err(DecryptError::DecompressedTooLong { limit: text.len() - 1 }),
        ),
    ];
    for (name, decrypter, want) in cases {
        let result = decrypter.decrypt(&message);
        assert_eq!(result.as_ref().map(|_| ()).map_err(Clone::clone), want, "{name}");
        assert!(result.is_err() || result.unwrap().plaintext() == text.as_bytes(), "{name}");
    }
}

#[test]
fn what_cannot_be_encrypted() {
    let wrapped = encryption_key(&DecryptionKey::generate(KeyManagement::A128KW, None, None).unwrap());
    let direct = encryption_key(&DecryptionKey::generate_direct(ContentEncryption::A128GCM, None).unwrap());
    let agreed =
        encryption_key(&DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::X25519), None).unwrap());
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let json = || encrypter.json();
    let many = || (0..17).fold(json(), |json, _| json.to(&wrapped));
    let cases = [
        ("nobody", json().encrypt_general(TEXT), EncryptError::Recipients),
        ("nobody_flattened", json().encrypt_flattened(TEXT), EncryptError::Recipients),
        ("two_flattened", json().to(&wrapped).to(&wrapped).encrypt_flattened(TEXT), EncryptError::Recipients),
        ("seventeen", many().encrypt_general(TEXT), EncryptError::Recipients),
        (
            "direct_with_another",
            json().to(&direct).to(&wrapped).encrypt_general(TEXT),
            EncryptError::NotAlone,
        ),
        (
            "agreed_with_another",
            json().to(&wrapped).to(&agreed).encrypt_general(TEXT),
            EncryptError::NotAlone,
        ),
        (
            "direct_for_another_encryption",
            Encrypter::new(ContentEncryption::A256GCM).encrypt(TEXT, &direct),
            EncryptError::ContentEncryption { key: ContentEncryption::A128GCM },
        ),
        (
            "registered_name",
            json().to(&wrapped).with_unprotected(&json!({ "alg": "dir" })).encrypt_general(TEXT),
            EncryptError::Parameters,
        ),
        (
            "registered_name_for_one",
            json().to_with(&wrapped, &json!({ "crit": [] })).encrypt_flattened(TEXT),
            EncryptError::Parameters,
        ),
        (
            "no_object",
            json().to(&wrapped).with_unprotected(&json!(["a"])).encrypt_general(TEXT),
            EncryptError::Parameters,
        ),
        (
            "name_in_two_headers",
            json()
                .to_with(&wrapped, &json!({ "x": 1 }))
                .with_unprotected(&json!({ "x": 2 }))
                .encrypt_general(TEXT),
            EncryptError::Parameters,
        ),
    ];
    for (name, result, want) in cases {
        assert_eq!(result.err(), Some(want), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encrypted_decrypts(text: Vec<u8>, aad: Vec<u8>, secret: [u8; 32], enc in 0_usize..6, zip: bool) {
        let enc = ContentEncryption::all().nth(enc).unwrap();
        let key = DecryptionKey::from_secret(KeyManagement::A256KW, "k", &SecretKey::new(secret)).unwrap();
        let mut encrypter = Encrypter::new(enc);
        if zip {
            encrypter = encrypter.with_compression();
        }
        let to = key.encryption_key().unwrap();
        let decrypter = decrypter(&key).with_decompression(1 << 20);
        let compact = decrypter.decrypt(&encrypter.encrypt(&text, &to).unwrap()).unwrap();
        prop_assert_eq!(compact.plaintext(), &text);
        let json = encrypter.json().to(&to).with_aad(&aad).encrypt_flattened(&text).unwrap();
        let decrypted = decrypter.decrypt_json(json.as_bytes()).unwrap();
        prop_assert_eq!(decrypted.plaintext(), &text);
        prop_assert_eq!(decrypted.aad().unwrap_or_default(), &aad);
    }

    #[test]
    fn any_text_is_answered_without_panic(text: String, bytes: Vec<u8>, parts in "[A-Za-z0-9_.-]{0,80}") {
        let key = DecryptionKey::from_secret(KeyManagement::A256KW, "k", &SecretKey::new([7; 32])).unwrap();
        let decrypter = decrypter(&key);
        prop_assert!(decrypter.decrypt(&text).is_err());
        prop_assert!(decrypter.decrypt(&parts).is_err());
        prop_assert!(decrypter.decrypt_json(&bytes).is_err());
        prop_assert!(decrypter.decrypt_json(text.as_bytes()).is_err());
    }

    #[test]
    fn any_header_is_answered_without_panic(
        alg in 0_usize..15,
        name in "(epk|p2s|p2c|iv|tag|apu|apv|kid|enc|zip|crit|typ)",
        value in "(null|-1|0|1e9|4294967296|\"\"|\"AAAA\"|\"====\"|\\[\\]|\\{\\}|\\{\"kty\":\"EC\"\\})",
        rest: [u8; 16],
    ) {
        let alg = KeyManagement::all().nth(alg).unwrap();
        let header = format!(r#"{{"alg":"{alg}","{name}":{value}}}"#);
        let part = base64url::encode(&rest);
        let message = format!("{}.{part}.{part}.{part}.{part}", base64url::encode(header.as_bytes()));
        for key in hostile::some_keys() {
            prop_assert!(decrypter(key).decrypt(&message).is_err());
        }
    }
}

use super::*;

fn oct(len: usize, rest: &str) -> PrivateJwk {
    let k = base64url::encode(&vec![7; len]);
    PrivateJwk::parse(format!(r#"{{"kty":"oct","k":"{k}"{rest}}}"#).as_bytes()).unwrap()
}

#[test]
fn a_jwk_and_its_caller_agree_on_one_algorithm() {
    use KeyManagement::{A128KW, A256KW, Dir, EcdhEs, RsaOaep};
    let x25519 = DecryptionKey::generate(EcdhEs, Some(Curve::X25519), None).unwrap().to_jwk().unwrap();
    let x25519 = |alg: Option<JwkAlg>| {
        let mut jwk = PrivateJwk::parse(x25519.to_json().as_bytes()).unwrap();
        jwk.alg = alg;
        jwk
    };
    let wrong_size = |bytes| Err(JweKeyError::SecretSize { alg: A256KW.into(), bytes });
    let cases = [
        ("named", oct(32, r#","alg":"A256KW""#), None, Ok(A256KW)),
        ("named_and_wanted", oct(32, r#","alg":"A256KW""#), Some(A256KW), Ok(A256KW)),
        ("wanted", oct(16, ""), Some(A128KW), Ok(A128KW)),
        ("neither", oct(32, ""), None, Err(JweKeyError::AmbiguousAlg)),
        ("different", oct(32, r#","alg":"A256KW""#), Some(A128KW), Err(JweKeyError::OtherPurpose)),
        ("for_signatures", oct(32, r#","alg":"HS256""#), None, Err(JweKeyError::OtherPurpose)),
        (
            "for_signatures_and_wanted",
            oct(32, r#","alg":"HS256""#),
            Some(A256KW),
            Err(JweKeyError::OtherPurpose),
        ),
        ("use_sig", oct(32, r#","use":"sig""#), Some(A256KW), Err(JweKeyError::OtherPurpose)),
        ("use_enc", oct(32, r#","use":"enc""#), Some(A256KW), Ok(A256KW)),
        ("ops_wrap_only", oct(32, r#","key_ops":["wrapKey"]"#), Some(A256KW), Err(JweKeyError::OtherPurpose)),
        ("ops_unwrap", oct(32, r#","key_ops":["unwrapKey"]"#), Some(A256KW), Ok(A256KW)),
        (
            "content_ops_unwrap",
            oct(16, r#","alg":"A128GCM","key_ops":["unwrapKey"]"#),
            None,
            Err(JweKeyError::OtherPurpose),
        ),
        ("content_ops_decrypt", oct(16, r#","alg":"A128GCM","key_ops":["decrypt"]"#), None, Ok(Dir)),
        (
            "password_ops_unwrap",
            oct(9, r#","alg":"PBES2-HS256+A128KW","key_ops":["unwrapKey"]"#),
            None,
            Err(JweKeyError::OtherPurpose),
        ),
        (
            "password_ops_derive",
            oct(9, r#","alg":"PBES2-HS256+A128KW","key_ops":["deriveBits"]"#),
            None,
            Ok(KeyManagement::Pbes2Hs256A128KW),
        ),
        ("content_encryption_named", oct(16, r#","alg":"A128GCM""#), None, Ok(Dir)),
        ("dir_of_a_telling_size", oct(48, ""), Some(Dir), Ok(Dir)),
        ("dir_of_a_size_of_two", oct(32, ""), Some(Dir), Err(JweKeyError::AmbiguousAlg)),
        ("dir_named_of_a_size_of_two", oct(32, r#","alg":"A128CBC-HS256""#), Some(Dir), Ok(Dir)),
        ("dir_of_no_size", oct(33, ""), Some(Dir), Err(JweKeyError::AmbiguousAlg)),
        ("short", oct(31, ""), Some(A256KW), wrong_size(32)),
        ("long", oct(33, ""), Some(A256KW), wrong_size(32)),
        ("secret_for_rsa", oct(32, ""), Some(RsaOaep), Err(JweKeyError::WrongType(RsaOaep))),
        ("point_for_rsa", x25519(None), Some(RsaOaep), Err(JweKeyError::WrongType(RsaOaep))),
        ("point_for_a_key_wrap", x25519(None), Some(A256KW), Err(JweKeyError::WrongType(A256KW))),
        ("point", x25519(Some(EcdhEs.into())), None, Ok(EcdhEs)),
    ];
    for (name, jwk, wanted, want) in cases {
        assert_eq!(DecryptionKey::from_jwk(&jwk, wanted).map(|key| key.alg()), want, "{name}");
        if let (Some(public), Ok(alg)) = (jwk.public(), want) {
            assert_eq!(EncryptionKey::from_jwk(&public, wanted).map(|key| key.alg()), Ok(alg), "{name}");
        }
    }
}

#[test]
fn a_key_for_signatures_does_not_encrypt() {
    let signing = crate::SigningKey::generate(crate::Alg::ES256, None).unwrap();
    let mut jwk = signing.public_jwk().unwrap();
    let alg = Some(KeyManagement::EcdhEs);
    assert_eq!(EncryptionKey::from_jwk(&jwk, alg).err(), Some(JweKeyError::OtherPurpose));
    jwk.alg = None;
    assert_eq!(jwk.key_use, Some(KeyUse::Sig));
    assert_eq!(EncryptionKey::from_jwk(&jwk, alg).err(), Some(JweKeyError::OtherPurpose));
    jwk.key_use = None;
    assert!(EncryptionKey::from_jwk(&jwk, alg).is_ok());
    let signing = crate::SigningKey::generate(crate::Alg::Ed25519, None).unwrap();
    let mut jwk = signing.public_jwk().unwrap();
    (jwk.alg, jwk.key_use) = (None, None);
    assert_eq!(EncryptionKey::from_jwk(&jwk, alg).err(), Some(JweKeyError::WrongType(KeyManagement::EcdhEs)));
}

#[test]
fn every_key_survives_being_written_and_read() {
    for key in decryption_keys() {
        let jwk = key.to_jwk().unwrap();
        assert_eq!(jwk.key_use, Some(KeyUse::Enc));
        let read =
            DecryptionKey::from_jwk(&PrivateJwk::parse(jwk.to_json().as_bytes()).unwrap(), None).unwrap();
        assert_eq!((read.alg(), read.kid()), (key.alg(), key.kid()));
        let to = encryption_key(&key);
        let message =
            ContentEncryption::all().find_map(|enc| Encrypter::new(enc).encrypt(TEXT, &to).ok()).unwrap();
        assert_eq!(decrypter(&read).decrypt(&message).unwrap().plaintext(), TEXT, "{}", key.alg());
        let Some(public) = jwk.public() else {
            assert!(key.alg().is_symmetric());
            continue;
        };
        assert_eq!(key.kid(), public.thumbprint());
        let to = EncryptionKey::from_jwk(&public, None).unwrap();
        let message = Encrypter::new(ContentEncryption::A192GCM).encrypt(TEXT, &to).unwrap();
        assert_eq!(decrypter(&key).decrypt(&message).unwrap().plaintext(), TEXT, "{}", key.alg());
    }
}

#[test]
fn what_is_not_generated() {
    for alg in KeyManagement::all() {
        for curve in [None, Some(Curve::P256), Some(Curve::Ed25519)] {
            let name = format!("{alg} {curve:?}");
            let agrees = alg.takes("EC", Some("P-256"));
            let is_chosen_elsewhere = matches!(
                alg,
                KeyManagement::Dir | KeyManagement::Pbes2Hs256A128KW | KeyManagement::Pbes2Hs512A256KW
            );
            let want =
                if agrees { curve == Some(Curve::P256) } else { curve.is_none() && !is_chosen_elsewhere };
            let refused = DecryptionKey::generate(alg, curve, Some("k")).err();
            assert_eq!(refused, (!want).then_some(JweKeyError::WrongType(alg)), "{name}");
        }
    }
    let size = crate::RsaSize::Bits3072;
    let key = DecryptionKey::generate_rsa(KeyManagement::RsaOaep512, None, size).unwrap();
    let message =
        Encrypter::new(ContentEncryption::A256CbcHs512).encrypt(TEXT, &encryption_key(&key)).unwrap();
    assert_eq!(decrypter(&key).decrypt(&message).unwrap().plaintext(), TEXT);
    assert!(DecryptionKey::generate_rsa(KeyManagement::A128KW, None, size).is_err());
    let kid = || DecryptionKey::generate(KeyManagement::A128KW, None, None).unwrap().kid().to_owned();
    assert_eq!(base64url::decode(kid()).unwrap().len(), 16);
    assert_ne!(kid(), kid());
}

#[test]
fn passwords_and_their_iterations() {
    let alg = KeyManagement::Pbes2Hs512A256KW;
    let empty = SecretKey::new(*b"");
    assert_eq!(EncryptionKey::from_password(alg, "", &empty).err(), Some(JweKeyError::EmptyPassword));
    let password = SecretKey::new(*b"correct horse battery staple");
    let wrong = KeyManagement::A128KW;
    assert_eq!(EncryptionKey::from_password(wrong, "", &password).err(), Some(JweKeyError::WrongType(wrong)));
    let key = EncryptionKey::from_password(alg, "", &password).unwrap();
    assert_eq!(key.clone().with_iterations(999).err(), Some(JweKeyError::TooFewIterations));
    let header = |key: &EncryptionKey| {
        let message = Encrypter::new(ContentEncryption::A128GCM).encrypt(TEXT, key).unwrap();
        let header = base64url::decode(message.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()
    };
    assert_eq!(header(&key)["p2c"], 210_000);
    assert!(header(&key)["p2s"].as_str().unwrap().len() >= 22);
    assert_eq!(header(&key.with_iterations(1000).unwrap())["p2c"], 1000);

    let secret = EncryptionKey::from_secret(KeyManagement::A128KW, "", &SecretKey::new([7; 16])).unwrap();
    assert!(secret.clone().with_iterations(5000).is_err());
    assert!(secret.with_parties(b"a", b"b").is_err());
}

#[test]
fn a_set_gives_its_encryption_keys() {
    let signing = crate::SigningKey::generate(crate::Alg::ES256, None).unwrap().to_jwk().unwrap();
    let wrap = DecryptionKey::generate(KeyManagement::A128KW, None, Some("wrap")).unwrap().to_jwk().unwrap();
    let nameless = oct(32, "");
    let set = crate::PrivateJwkSet { keys: vec![signing, wrap, nameless] };
    let keys = DecryptionKeys::from_jwks(&set).unwrap();
    assert_eq!(keys.keys().len(), 1);
    assert!(keys.find("wrap").is_some() && keys.find("").is_none());
    let set = crate::PrivateJwkSet { keys: vec![oct(5, r#","alg":"A128KW""#)] };
    assert!(DecryptionKeys::from_jwks(&set).is_err());
}

#[test]
fn the_key_for_a_header() {
    let key = |alg, kid| DecryptionKey::generate(alg, None, Some(kid)).unwrap();
    use KeyManagement::{A128KW, A256GCMKW, A256KW};
    let keys =
        DecryptionKeys::new(vec![key(A128KW, "a"), key(A128KW, "b"), key(A256KW, "c"), key(A256GCMKW, "")]);
    let cases = [
        ("by_name", Some("b"), "A128KW", Some("b")),
        ("by_name_whatever_the_alg", Some("c"), "A128KW", Some("c")),
        ("unknown_name", Some("x"), "A256KW", None),
        ("unknown_name_and_a_nameless_key", Some("x"), "A256GCMKW", Some("")),
        ("no_name_and_one_of_the_alg", None, "A256KW", Some("c")),
        ("no_name_and_two_of_the_alg", None, "A128KW", None),
        ("no_name_and_none_of_the_alg", None, "dir", None),
    ];
    for (name, kid, alg, want) in cases {
        assert_eq!(keys.choose(kid, alg).map(DecryptionKey::kid), want, "{name}");
    }
    // One private key, bound to two algorithms.
    let keys = DecryptionKeys::new(vec![key(A128KW, "a"), key(A256KW, "a")]);
    assert_eq!(keys.choose(Some("a"), "A256KW").map(DecryptionKey::alg), Some(A256KW));
    assert_eq!(keys.choose(Some("a"), "dir").map(DecryptionKey::alg), Some(A128KW));
    // The only key there is, so that the error can say which algorithm it is for.
    let keys = DecryptionKeys::new(vec![key(A128KW, "a")]);
    assert!(keys.choose(None, "dir").is_some());
    assert!(keys.choose(Some("x"), "dir").is_none());
}

#[test]
fn keys_and_what_uses_them_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<EncryptionKey>();
    is_shared::<DecryptionKey>();
    is_shared::<NestedVerifier>();
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = SecretKey::new(*b"0123456789abcdef");
    let key = DecryptionKey::from_secret(KeyManagement::A128KW, "k1", &secret).unwrap();
    let to = key.encryption_key().unwrap();
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let message = encrypter.encrypt(b"0123456789", &to).unwrap();
    let decrypter = decrypter(&key);
    let decrypted = decrypter.decrypt(&message).unwrap();
    let shown = format!("{key:?} {to:?} {decrypter:?} {decrypted:?} {:?}", encrypter.json().to(&to));
    assert!(shown.contains("k1"));
    assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
}

//! Messages that must not be read.

use std::sync::OnceLock;

use super::*;

/// What is changed in a JSON text, under a name, and the code of the answer to it.
pub(super) type Change<'c> = (&'c str, &'c dyn Fn(&mut Value), &'c str);

/// One key per way of managing the key, made once.
pub(super) fn some_keys() -> &'static [DecryptionKey] {
    static KEYS: OnceLock<Vec<DecryptionKey>> = OnceLock::new();
    KEYS.get_or_init(decryption_keys)
}

pub(super) fn key_of(alg: KeyManagement) -> &'static DecryptionKey {
    some_keys().iter().find(|key| key.alg() == alg).unwrap()
}

/// A message for `key`, in its decoded parts.
pub(super) fn parts_for(key: &DecryptionKey) -> [Vec<u8>; 5] {
    let to = encryption_key(key);
    let message =
        ContentEncryption::all().find_map(|enc| Encrypter::new(enc).encrypt(TEXT, &to).ok()).unwrap();
    let parts: Vec<_> = message.split('.').map(|part| base64url::decode(part).unwrap()).collect();
    parts.try_into().unwrap()
}

pub(super) fn join(parts: &[Vec<u8>; 5]) -> String {
    parts.each_ref().map(|part| base64url::encode(part)).join(".")
}

/// The message with another header. The tag does not cover it, so it must be refused before that matters.
fn with_header(key: &DecryptionKey, change: impl Fn(&mut Value)) -> String {
    let mut parts = parts_for(key);
    let mut header: Value = serde_json::from_slice(&parts[0]).unwrap();
    change(&mut header);
    parts[0] = header.to_string().into_bytes();
    join(&parts)
}

pub(super) fn code(result: Result<Decrypted, DecryptError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "decrypted")
}

#[test]
fn every_changed_part_is_refused_with_every_algorithm() {
    for key in some_keys() {
        let good = parts_for(key);
        assert_eq!(code(decrypter(key).decrypt(&join(&good))), "decrypted", "{}", key.alg());
        for part in 0..5 {
            let len = good[part].len();
            for at in [0, len / 2, len.saturating_sub(1)] {
                let mut changed = good.clone();
                match changed[part].get_mut(at) {
                    Some(byte) => *byte ^= 1,
                    None => changed[part].push(0),
                }
                assert_ne!(
                    code(decrypter(key).decrypt(&join(&changed))),
                    "decrypted",
                    "{} {part} {at}",
                    key.alg()
                );
            }
            for cut in [0, 1, 8] {
                let mut changed = good.clone();
                changed[part].truncate(len.saturating_sub(1).min(cut));
                if changed[part] != good[part] {
                    assert_ne!(
                        code(decrypter(key).decrypt(&join(&changed))),
                        "decrypted",
                        "{} {part}",
                        key.alg()
                    );
                }
            }
            let mut changed = good.clone();
            changed[part].push(0);
            assert_ne!(code(decrypter(key).decrypt(&join(&changed))), "decrypted", "{} {part}", key.alg());
        }
    }
}

#[test]
fn what_only_the_key_can_tell_is_one_error() {
    for key in some_keys() {
        let good = parts_for(key);
        let error = |part: usize, change: &dyn Fn(&mut Vec<u8>)| {
            let mut parts = good.clone();
            change(&mut parts[part]);
            decrypter(key).decrypt(&join(&parts)).err()
        };
        let flip_first: &dyn Fn(&mut Vec<u8>) = &|bytes| bytes[0] ^= 0x80;
        let flip_last: &dyn Fn(&mut Vec<u8>) = &|bytes| *bytes.last_mut().unwrap() ^= 1;
        let mut errors = vec![
            ("iv", error(2, flip_first)),
            ("ciphertext", error(3, flip_first)),
            ("last_block", error(3, flip_last)),
            ("no_ciphertext", error(3, &Vec::clear)),
            ("tag", error(4, flip_last)),
            ("short_tag", error(4, &|tag| tag.truncate(8))),
            ("no_tag", error(4, &Vec::clear)),
        ];
        if !encryption_key(key).is_direct() {
            errors.extend([
                ("encrypted_key", error(1, flip_first)),
                ("end_of_the_encrypted_key", error(1, flip_last)),
                ("short_encrypted_key", error(1, &|key| key.truncate(8))),
                ("long_encrypted_key", error(1, &|key| key.extend([0; 8]))),
                ("no_encrypted_key", error(1, &Vec::clear)),
            ]);
        }
        for (name, error) in errors {
            assert_eq!(error, Some(DecryptError::Decryption), "{} {name}", key.alg());
        }
    }
}

#[test]
fn a_content_key_of_another_size_is_not_used() {
    // The wrapped key fits A128GCM, the header says A256GCM.
    let key = key_of(KeyManagement::A128KW);
    let to = encryption_key(key);
    let general = Encrypter::new(ContentEncryption::A128GCM).json().to(&to).encrypt_general(TEXT).unwrap();
    let mut general: Value = serde_json::from_str(&general).unwrap();
    general["protected"] = json!(base64url::encode(br#"{"enc":"A256GCM"}"#));
    let error = decrypter(key).decrypt_json(general.to_string().as_bytes()).err();
    assert_eq!(error, Some(DecryptError::Decryption));
}

#[test]
fn headers_choose_nothing() {
    let key = key_of(KeyManagement::A256KW);
    let a_key = json!({ "kty": "oct", "k": base64url::encode(&[7; 32]) });
    let cases: [Change<'_>; 20] = [
        ("other_alg", &|header| header["alg"] = json!("A128KW"), "alg-mismatch"),
        ("dir", &|header| header["alg"] = json!("dir"), "alg-mismatch"),
        ("rsa1_5", &|header| header["alg"] = json!("RSA1_5"), "alg-mismatch"),
        ("none", &|header| header["alg"] = json!("none"), "alg-mismatch"),
        ("alg_in_lower_case", &|header| header["alg"] = json!("a256kw"), "alg-mismatch"),
        ("alg_null", &|header| header["alg"] = json!(null), "bad-parameter"),
        ("alg_array", &|header| header["alg"] = json!(["A256KW"]), "bad-parameter"),
        ("unknown_enc", &|header| header["enc"] = json!("A128CBC"), "content-encryption"),
        ("enc_number", &|header| header["enc"] = json!(1), "bad-parameter"),
        ("unknown_kid", &|header| header["kid"] = json!("../../etc/passwd"), "unknown-key"),
        ("kid_number", &|header| header["kid"] = json!(1), "bad-parameter"),
        ("typ_number", &|header| header["typ"] = json!(1), "bad-parameter"),
        ("cty_null", &|header| header["cty"] = json!(null), "bad-parameter"),
        ("crit", &|header| header["crit"] = json!(["exp"]), "critical"),
        ("crit_null", &|header| header["crit"] = json!(null), "critical"),
        ("b64", &|header| header["b64"] = json!(false), "critical"),
        ("zip", &|header| header["zip"] = json!("DEF"), "compressed"),
        ("embedded_key", &|header| header["jwk"] = a_key.clone(), "decryption"),
        ("address_of_a_key", &|header| header["jku"] = json!("https://evil.example/keys"), "decryption"),
        ("certificate", &|header| header["x5c"] = json!(["MII"]), "decryption"),
    ];
    for (name, change, want) in cases {
        assert_eq!(code(decrypter(key).decrypt(&with_header(key, change))), want, "{name}");
    }
    let without =
        |name: &'static str| move |header: &mut Value| drop(header.as_object_mut().unwrap().remove(name));
    for name in ["alg", "enc"] {
        let error = decrypter(key).decrypt(&with_header(key, without(name))).err();
        assert_eq!(error, Some(DecryptError::Parameter(name)));
    }
    let unknown_zip = with_header(key, |header| header["zip"] = json!("GZIP"));
    let error = decrypter(key).with_decompression(100).decrypt(&unknown_zip).err();
    assert_eq!(error, Some(DecryptError::Parameter("zip")));
}

#[test]
fn a_decrypter_takes_no_other_content_encryption() {
    let key = key_of(KeyManagement::A256KW);
    let message = Encrypter::new(ContentEncryption::A128GCM).encrypt(TEXT, &encryption_key(key)).unwrap();
    let keys = || DecryptionKeys::new(vec![key.clone()]);
    assert_eq!(code(Decrypter::new(keys(), &[ContentEncryption::A128GCM]).decrypt(&message)), "decrypted");
    assert_eq!(
        code(Decrypter::new(keys(), &[ContentEncryption::A256GCM]).decrypt(&message)),
        "content-encryption"
    );
    assert_eq!(code(Decrypter::new(keys(), &[]).decrypt(&message)), "content-encryption");
    let nobody = DecryptionKeys::default();
    assert_eq!(code(Decrypter::new(nobody, &[ContentEncryption::A128GCM]).decrypt(&message)), "unknown-key");
}

#[test]
fn headers_that_are_no_strict_objects() {
    let key = key_of(KeyManagement::A256KW);
    let good = parts_for(key);
    let limit = Limits::DEFAULT.header_bytes;
    let nested = format!(r#"{{"alg":"A256KW","x":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    let cases = [
        ("duplicate_alg", r#"{"alg":"A256KW","enc":"A128GCM","alg":"A256KW"}"#.to_owned(), "malformed"),
        ("duplicate_below", r#"{"alg":"A256KW","enc":"A128GCM","x":{"a":1,"a":1}}"#.to_owned(), "malformed"),
        ("array", r#"["A256KW","A128GCM"]"#.to_owned(), "malformed"),
        ("text_behind", r#"{"alg":"A256KW","enc":"A128GCM"} x"#.to_owned(), "malformed"),
        ("empty", String::new(), "malformed"),
        ("deep", nested, "malformed"),
        ("long", format!(r#"{{"x":"{}"}}"#, "y".repeat(limit)), "header-too-long"),
    ];
    for (name, header, want) in cases {
        let mut parts = good.clone();
        parts[0] = header.into_bytes();
        assert_eq!(code(decrypter(key).decrypt(&join(&parts))), want, "{name}");
    }
}

#[test]
fn texts_that_are_no_compact_serialization() {
    let key = key_of(KeyManagement::A256KW);
    let good = join(&parts_for(key));
    let cases = [
        ("good", good.clone(), "decrypted"),
        ("four_parts", good.rsplit_once('.').unwrap().0.to_owned(), "malformed"),
        ("six_parts", format!("{good}."), "malformed"),
        ("padding", format!("{good}="), "malformed"),
        ("space", format!("{good} "), "malformed"),
        ("leading_line_end", format!("\n{good}"), "malformed"),
        ("a_jws", "eyJhbGciOiJub25lIn0..".to_owned(), "malformed"),
        ("empty", String::new(), "malformed"),
        ("only_dots", "....".to_owned(), "malformed"),
        ("too_long", "A".repeat(Limits::DEFAULT.token_bytes + 1), "too-long"),
    ];
    for (name, message, want) in cases {
        assert_eq!(code(decrypter(key).decrypt(&message)), want, "{name}");
    }
    let limits = Limits { token_bytes: good.len() - 1, ..Limits::DEFAULT };
    assert_eq!(code(decrypter(key).with_limits(limits).decrypt(&good)), "too-long");
    let limits = Limits { token_bytes: good.len(), ..Limits::DEFAULT };
    assert_eq!(code(decrypter(key).with_limits(limits).decrypt(&good)), "decrypted");
    let header_bytes = good.find('.').unwrap();
    let limits = Limits { header_bytes: header_bytes - 1, ..Limits::DEFAULT };
    assert_eq!(code(decrypter(key).with_limits(limits).decrypt(&good)), "header-too-long");
    let limits = Limits { header_bytes, ..Limits::DEFAULT };
    assert_eq!(code(decrypter(key).with_limits(limits).decrypt(&good)), "decrypted");
}

#[test]
fn parameters_of_the_algorithms() {
    let set = |name: &'static str, value: Value| move |header: &mut Value| header[name] = value.clone();
    let (gcm_kw, pbes2, agreed) =
        (KeyManagement::A256GCMKW, KeyManagement::Pbes2Hs256A128KW, KeyManagement::EcdhEsA128KW);
    let text = |len: usize| json!(base64url::encode(&vec![7; len]));
    let other_curve = key_of_curve(Curve::P384).to_jwk().unwrap();
    let private =
        serde_json::from_str::<Value>(&key_of_curve(Curve::P256).to_jwk().unwrap().to_json()).unwrap();
    let off_curve = json!({ "kty": "EC", "crv": "P-256", "x": text(32), "y": text(32) });
    let cases: [(&str, KeyManagement, &str, Value, &str); 24] = [
        ("short_iv", gcm_kw, "iv", text(11), "bad-parameter"),
        ("long_iv", gcm_kw, "iv", text(16), "bad-parameter"),
        ("no_iv", gcm_kw, "iv", json!(null), "bad-parameter"),
        ("short_tag", gcm_kw, "tag", text(15), "bad-parameter"),
        ("long_tag", gcm_kw, "tag", text(17), "bad-parameter"),
        ("tag_not_base64url", gcm_kw, "tag", json!("="), "bad-parameter"),
        ("other_tag", gcm_kw, "tag", text(16), "decryption"),
        ("short_salt", pbes2, "p2s", text(7), "bad-parameter"),
        ("least_salt", pbes2, "p2s", text(8), "decryption"),
        ("no_salt", pbes2, "p2s", json!(null), "bad-parameter"),
        ("few_iterations", pbes2, "p2c", json!(999), "iterations"),
        ("no_iterations", pbes2, "p2c", json!(0), "iterations"),
        ("least_iterations", pbes2, "p2c", json!(1000), "decryption"),
        ("too_many_iterations", pbes2, "p2c", json!(1_000_001), "iterations"),
        ("iterations_past_32_bits", pbes2, "p2c", json!(4_294_968_296_u64), "iterations"),
        ("negative_iterations", pbes2, "p2c", json!(-1), "bad-parameter"),
        ("fractional_iterations", pbes2, "p2c", json!(1000.5), "bad-parameter"),
        ("iterations_as_text", pbes2, "p2c", json!("1000"), "bad-parameter"),
        ("no_epk", agreed, "epk", json!(null), "ephemeral-key"),
        ("epk_off_the_curve", agreed, "epk", off_curve, "ephemeral-key"),
        ("epk_of_another_curve", agreed, "epk", json!(other_curve.public().unwrap()), "ephemeral-key"),
        ("private_epk", agreed, "epk", private, "ephemeral-key"),
        ("apu_not_base64url", agreed, "apu", json!("%"), "bad-parameter"),
        ("other_apv", agreed, "apv", json!("Qm9i"), "decryption"),
    ];
    for (name, alg, parameter, value, want) in cases {
        let key = if alg == agreed { key_of_curve(Curve::P256) } else { key_of(alg) };
        let message = with_header(key, set(parameter, value));
        assert_eq!(code(decrypter(key).decrypt(&message)), want, "{name}");
    }
}

fn key_of_curve(curve: Curve) -> &'static DecryptionKey {
    let on_curve = |key: &&DecryptionKey| {
        let public = key.to_jwk().unwrap().public();
        public.is_some_and(
            |jwk| matches!(jwk.key, crate::PublicParams::Ec { ref crv, .. } if crv == curve.name()),
        )
    };
    some_keys().iter().filter(|key| key.alg() == KeyManagement::EcdhEsA128KW).find(on_curve).unwrap()
}

#[test]
fn a_small_order_epk_is_refused_before_a_key_is_derived() {
    let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::X25519), None).unwrap();
    for x in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let epk = json!({ "kty": "OKP", "crv": "X25519", "x": base64url::encode(&x) });
        let message = with_header(&key, |header| header["epk"] = epk.clone());
        assert_eq!(decrypter(&key).decrypt(&message).err(), Some(DecryptError::EphemeralKey));
    }
}

#[test]
fn sizes_that_everybody_can_see_cost_no_iterations() {
    let key = key_of(KeyManagement::Pbes2Hs256A128KW);
    for (name, part, len) in [("iv", 2, 11), ("tag", 4, 15)] {
        let mut parts = parts_for(key);
        parts[part].truncate(len);
        let decrypter = decrypter(key).with_max_iterations(999);
        assert_eq!(code(decrypter.decrypt(&join(&parts))), "decryption", "{name}");
        assert_eq!(code(decrypter.decrypt(&join(&parts_for(key)))), "iterations");
    }
}

#[test]
fn an_encrypted_key_where_there_is_none() {
    for alg in [KeyManagement::Dir, KeyManagement::EcdhEs] {
        let mut parts = parts_for(key_of(alg));
        parts[1] = vec![7; 40];
        assert_eq!(
            decrypter(key_of(alg)).decrypt(&join(&parts)).err(),
            Some(DecryptError::EncryptedKey),
            "{alg}"
        );
    }
}

#[test]
fn the_iterations_of_all_recipients_count_together() {
    let alg = KeyManagement::Pbes2Hs256A128KW;
    let password = |text: &str| {
        let password = SecretKey::new(text.as_bytes());
        EncryptionKey::from_password(alg, "", &password).unwrap().with_iterations(1000).unwrap()
    };
    let to: Vec<_> = (0..5).map(|number| password(&format!("password {number}"))).collect();
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let message = to.iter().fold(encrypter.json(), |json, to| json.to(to)).encrypt_general(TEXT).unwrap();
    let key = DecryptionKey::from_password(alg, "", &SecretKey::new(*b"password 4")).unwrap();
    let with_most = |most| decrypter(&key).with_max_iterations(most).decrypt_json(message.as_bytes());
    assert_eq!(code(with_most(5000)), "decrypted");
    // Four recipients are tried with the wrong password, and then nothing is left for the fifth.
    assert_ne!(code(with_most(4999)), "decrypted");
    assert_eq!(code(with_most(999)), "iterations");
}

#[test]
fn a_private_key_works_for_four_recipients_of_a_message() {
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let secret = DecryptionKey::generate(KeyManagement::A128KW, None, Some("")).unwrap();
    for (alg, curve) in [
        (KeyManagement::RsaOaep256, None),
        (KeyManagement::EcdhEsA128KW, Some(Curve::P256)),
        (KeyManagement::EcdhEsA128KW, Some(Curve::X25519)),
    ] {
        for kid in ["", "a"] {
            let generate = || DecryptionKey::generate(alg, curve, Some(kid)).unwrap();
            let (ours, other) = (generate(), encryption_key(&generate()));
            let decrypter = Decrypter::new(
                DecryptionKeys::new(vec![ours.clone(), secret.clone()]),
                &[ContentEncryption::A128GCM],
            );
            let decrypt = |others: usize, last: &[&DecryptionKey]| {
                let json = (0..others).fold(encrypter.json(), |json, _| json.to(&other));
                let to: Vec<_> = last.iter().map(|key| encryption_key(key)).collect();
                let message = to.iter().fold(json, |json, to| json.to(to)).encrypt_general(TEXT).unwrap();
                decrypter.decrypt_json(message.as_bytes()).map(|decrypted| decrypted.alg())
            };
            assert_eq!(decrypt(3, &[&ours]), Ok(alg), "{alg} {kid:?}");
            assert_eq!(decrypt(4, &[&ours]), Err(DecryptError::Decryption), "{alg} {kid:?}");
            let with_secret = decrypt(4, &[&ours, &secret]);
            assert_eq!(with_secret, Ok(KeyManagement::A128KW), "{alg} {kid:?}");
        }
    }
}

#[test]
fn a_bomb_is_refused_at_the_bound() {
    let key = key_of(KeyManagement::A256KW);
    let encrypter = Encrypter::new(ContentEncryption::A128GCM).with_compression();
    let message = encrypter.encrypt(&vec![0; 10_000_000], &encryption_key(key)).unwrap();
    assert!(message.len() < Limits::DEFAULT.token_bytes);
    assert_eq!(decrypter(key).decrypt(&message).err(), Some(DecryptError::Compressed));
    let limit = 100_000;
    let error = decrypter(key).with_decompression(limit).decrypt(&message).err();
    assert_eq!(error, Some(DecryptError::DecompressedTooLong { limit }));
}

#[test]
fn authentic_content_that_is_no_deflate() {
    // What says `zip` and is not compressed was made by somebody who has the key.
    let key = DecryptionKey::generate_direct(ContentEncryption::A128GCM, Some("k")).unwrap();
    let protected = base64url::encode(br#"{"alg":"dir","enc":"A128GCM","kid":"k","zip":"DEF"}"#);
    let jwk = key.to_jwk().unwrap();
    let cek = jwk.secret().unwrap();
    let sealed = ContentEncryption::A128GCM.seal(cek.expose(), protected.as_bytes(), &[0xff; 40]).unwrap();
    let [iv, ciphertext, tag] =
        [sealed.iv, sealed.ciphertext, sealed.tag].map(|part| base64url::encode(&part));
    let message = format!("{protected}..{iv}.{ciphertext}.{tag}");
    let error = decrypter(&key).with_decompression(1000).decrypt(&message).err();
    assert_eq!(error, Some(DecryptError::Decompression));
}

//! JSON serializations that must not be read, beside good ones.

use super::hostile::{Change, code, join, key_of, parts_for};
use super::*;

/// A flattened message for `key`, as JSON.
fn flattened(key: &DecryptionKey) -> Value {
    let to = encryption_key(key);
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    serde_json::from_str(&encrypter.json().to(&to).with_aad(b"aad").encrypt_flattened(TEXT).unwrap()).unwrap()
}

#[test]
fn a_header_that_is_empty_is_left_out() {
    let key = key_of(KeyManagement::A256KW);
    assert_eq!(flattened(key).get("header"), None);
    let to = encryption_key(key);
    let encrypter = Encrypter::new(ContentEncryption::A128GCM);
    let json = encrypter.json().to_with(&to, &json!({ "note": 1 }));
    let json: Value = serde_json::from_str(&json.encrypt_flattened(TEXT).unwrap()).unwrap();
    assert_eq!(json["header"], json!({ "note": 1 }));
}

#[test]
fn texts_that_are_no_json_serialization() {
    let key = key_of(KeyManagement::A256KW);
    let good = flattened(key);
    let recipient = json!({ "encrypted_key": good["encrypted_key"] });
    let cases: [Change<'_>; 26] = [
        ("good", &|_| (), "decrypted"),
        ("unknown_member", &|json| json["note"] = json!("ignored"), "decrypted"),
        ("unprotected", &|json| json["unprotected"] = json!({ "note": 1 }), "decrypted"),
        ("header_of_the_recipient", &|json| json["header"] = json!({ "note": 1 }), "decrypted"),
        ("general_and_flattened", &|json| json["recipients"] = json!([recipient.clone()]), "malformed"),
        (
            "no_recipients",
            &|json| {
                json.as_object_mut().unwrap().remove("encrypted_key");
                json["recipients"] = json!([]);
            },
            "malformed",
        ),
        (
            "one_recipient",
            &|json| {
                json.as_object_mut().unwrap().remove("encrypted_key");
                json["recipients"] = json!([recipient.clone()]);
            },
            "decrypted",
        ),
        (
            "recipients_no_array",
            &|json| {
                json.as_object_mut().unwrap().remove("encrypted_key");
                json["recipients"] = recipient.clone();
            },
            "malformed",
        ),
        (
            "recipient_an_array",
            &|json| {
                let encrypted_key = json.as_object_mut().unwrap().remove("encrypted_key");
                json["recipients"] = json!([[{}, encrypted_key]]);
            },
            "malformed",
        ),
        ("no_ciphertext", &|json| drop(json.as_object_mut().unwrap().remove("ciphertext")), "malformed"),
        ("no_tag", &|json| drop(json.as_object_mut().unwrap().remove("tag")), "decryption"),
        ("no_iv", &|json| drop(json.as_object_mut().unwrap().remove("iv")), "decryption"),
        ("no_aad", &|json| drop(json.as_object_mut().unwrap().remove("aad")), "decryption"),
        ("other_aad", &|json| json["aad"] = json!("YWFk0"), "malformed"),
        ("changed_aad", &|json| json["aad"] = json!("YWFl"), "decryption"),
        ("empty_aad", &|json| json["aad"] = json!(""), "malformed"),
        ("aad_null", &|json| json["aad"] = json!(null), "malformed"),
        ("protected_empty", &|json| json["protected"] = json!(""), "malformed"),
        ("protected_an_object", &|json| json["protected"] = json!({ "alg": "A256KW" }), "malformed"),
        ("iv_a_number", &|json| json["iv"] = json!(1), "malformed"),
        ("name_in_two_headers", &|json| json["unprotected"] = json!({ "alg": "A256KW" }), "bad-parameter"),
        (
            "name_in_both_unprotected_headers",
            &|json| {
                json["unprotected"] = json!({ "x": 1 });
                json["header"] = json!({ "x": 1 });
            },
            "bad-parameter",
        ),
        ("unprotected_zip", &|json| json["unprotected"] = json!({ "zip": "DEF" }), "bad-parameter"),
        ("unprotected_crit", &|json| json["header"] = json!({ "crit": ["x"] }), "critical"),
        ("unprotected_b64", &|json| json["unprotected"] = json!({ "b64": true }), "critical"),
        ("unprotected_an_array", &|json| json["unprotected"] = json!([]), "malformed"),
    ];
    for (name, change, want) in cases {
        let mut json = good.clone();
        change(&mut json);
        assert_eq!(code(decrypter(key).decrypt_json(json.to_string().as_bytes())), want, "{name}");
    }
    let text = good.to_string();
    for (name, json) in [
        ("duplicate_member", text.replacen('{', r#"{"tag":"AAAA","#, 1)),
        ("array", format!("[{text}]")),
        ("two", format!("{text}{text}")),
        ("a_compact_one", join(&parts_for(key))),
    ] {
        assert_eq!(code(decrypter(key).decrypt_json(json.as_bytes())), "malformed", "{name}");
    }
}

#[test]
fn recipients_must_agree_on_the_content_encryption() {
    let key = key_of(KeyManagement::A256KW);
    let mut json = flattened(key);
    json.as_object_mut().unwrap().remove("encrypted_key");
    json["protected"] = json!(base64url::encode(br#"{"typ":"x"}"#));
    let recipient = |enc: &str| json!({ "header": { "alg": "A256KW", "kid": key.kid(), "enc": enc } });
    json["recipients"] = json!([recipient("A128GCM"), recipient("A256GCM")]);
    let error = decrypter(key).decrypt_json(json.to_string().as_bytes()).err();
    assert_eq!(error, Some(DecryptError::Parameter("enc")));
}

#[test]
fn crowds_of_recipients_are_refused() {
    let key = key_of(KeyManagement::A256KW);
    let mut json = flattened(key);
    let recipient = json!({ "encrypted_key": json["encrypted_key"] });
    json.as_object_mut().unwrap().remove("encrypted_key");
    let mut with = |count: usize, limits: Limits| {
        json["recipients"] = vec![recipient.clone(); count].into();
        code(decrypter(key).with_limits(limits).decrypt_json(json.to_string().as_bytes()))
    };
    assert_eq!(with(16, Limits::DEFAULT), "decrypted");
    assert_eq!(with(17, Limits::DEFAULT), "too-many-recipients");
    assert_eq!(with(10_000, Limits::DEFAULT), "too-long");
    assert_eq!(with(10_000, Limits { token_bytes: 1 << 30, ..Limits::DEFAULT }), "too-many-recipients");
}

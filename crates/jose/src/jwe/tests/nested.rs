use super::*;
use crate::{Alg, Audience, Issuer, KeySet, RegisteredClaims, SigningKey, Timestamp, Typ, Verifier, jwt};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const ENC: ContentEncryption = ContentEncryption::A256GCM;

fn claims() -> Value {
    json!({ "iss": "https://auth.example.com", "aud": "https://api.example.com", "exp": NOW.as_secs() + 900 })
}

fn verifier(signing: &SigningKey, decryption: &DecryptionKey) -> NestedVerifier {
    NestedVerifier::new(
        Decrypter::new(DecryptionKeys::new(vec![decryption.clone()]), &[ENC]),
        Verifier::new(
            Issuer::new("https://auth.example.com").unwrap(),
            Audience::new(["https://api.example.com"]).unwrap(),
            Typ::ACCESS_TOKEN,
            KeySet::new(vec![signing.verifying_key().unwrap()]),
        ),
    )
}

#[test]
fn only_a_token_that_is_signed_and_then_encrypted_is_taken() {
    let signing = SigningKey::generate(Alg::ES256, Some("sign")).unwrap();
    let stranger = SigningKey::generate(Alg::ES256, Some("sign")).unwrap();
    let key = DecryptionKey::generate(KeyManagement::EcdhEsA256KW, Some(Curve::P256), Some("enc")).unwrap();
    let to = key.encryption_key().unwrap();
    let encrypt =
        |content: &[u8], cty: &str| Encrypter::new(ENC).with_cty(cty).encrypt(content, &to).unwrap();
    let signed = jwt::sign(&Typ::ACCESS_TOKEN, &claims(), &signing).unwrap();
    let nested = sign_then_encrypt(&Typ::ACCESS_TOKEN, &claims(), &signing, ENC, &to).unwrap();
    let mut expired = claims();
    expired["exp"] = json!(NOW.as_secs() - 900);
    let cases = [
        ("nested", nested.clone(), Ok(())),
        ("cty_in_lower_case", encrypt(signed.as_bytes(), "jwt"), Ok(())),
        ("cty_as_a_media_type", encrypt(signed.as_bytes(), "application/jwt"), Ok(())),
        ("only_signed", signed.clone(), Err("malformed")),
        ("only_encrypted", encrypt(claims().to_string().as_bytes(), "JWT"), Err("malformed")),
        ("encrypted_twice", encrypt(nested.as_bytes(), "JWT"), Err("malformed")),
        ("no_cty", Encrypter::new(ENC).encrypt(signed.as_bytes(), &to).unwrap(), Err("not-nested")),
        ("other_cty", encrypt(signed.as_bytes(), "JWE"), Err("not-nested")),
        ("not_utf8", encrypt(&[0xff], "JWT"), Err("not-nested")),
        (
            "signed_by_another",
            sign_then_encrypt(&Typ::ACCESS_TOKEN, &claims(), &stranger, ENC, &to).unwrap(),
            Err("bad-signature"),
        ),
        (
            "other_typ",
            sign_then_encrypt(&Typ::new("JWT"), &claims(), &signing, ENC, &to).unwrap(),
            Err("wrong-type"),
        ),
        (
            "expired",
            sign_then_encrypt(&Typ::ACCESS_TOKEN, &expired, &signing, ENC, &to).unwrap(),
            Err("expired"),
        ),
        (
            "other_content_encryption",
            sign_then_encrypt(&Typ::ACCESS_TOKEN, &claims(), &signing, ContentEncryption::A128GCM, &to)
                .unwrap(),
            Err("content-encryption"),
        ),
    ];
    for (name, token, want) in cases {
        let result = verifier(&signing, &key).verify::<RegisteredClaims>(&token, NOW);
        assert_eq!(
            result.map(|verified| assert_eq!(verified.kid(), "sign")).map_err(|error| error.code()),
            want,
            "{name}"
        );
    }
}

#[test]
fn claims_that_are_no_object_are_not_signed() {
    let signing = SigningKey::generate(Alg::ES256, None).unwrap();
    let key = DecryptionKey::generate(KeyManagement::A128KW, None, None).unwrap().encryption_key().unwrap();
    let error = sign_then_encrypt(&Typ::ACCESS_TOKEN, &json!([]), &signing, ENC, &key).err();
    assert!(matches!(error, Some(NestError::Sign(_))));
}

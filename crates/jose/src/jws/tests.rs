use serde_json::{Value, json};

use super::*;
use crate::header::{Malformed, Typ};
use crate::key::{KeySet, SigningKey};
use crate::{Alg, JsonError, Limits, base64url};

fn key(alg: Alg, kid: &str) -> SigningKey {
    SigningKey::generate(alg, Some(kid)).unwrap()
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::new(KeySet::new(keys.iter().map(|key| key.verifying_key().unwrap()).collect()))
}

/// One signature over a header and a payload part that are given as text.
fn part(protected: &str, payload: &str, key: &SigningKey) -> (String, String) {
    let protected = base64url::encode(protected.as_bytes());
    let mut signature = Vec::new();
    key.sign(format!("{protected}.{payload}").as_bytes(), &mut signature).unwrap();
    (protected, base64url::encode(&signature))
}

#[test]
fn every_form_of_every_algorithm_is_verified_and_a_changed_payload_is_not() {
    for alg in Alg::all() {
        let key = key(alg, "k1");
        let verifier = verifier(&[&key]);
        for draft in [Draft::new(b"to $sign"), Draft::new(b"to $sign").unencoded()] {
            let signed = draft.with_cty("text/plain").sign(&key).unwrap();
            let (compact, json) = (signed.compact().unwrap(), signed.flattened().unwrap());
            for verified in [
                verifier.verify(&compact),
                verifier.verify_json(json.as_bytes()),
                verifier.verify_json(signed.general().as_bytes()),
                verifier.verify_detached(&signed.detached().unwrap(), b"to $sign"),
            ] {
                let verified = verified.unwrap();
                assert_eq!(verified.payload(), b"to $sign", "{alg}");
                assert_eq!((verified.kid(), verified.cty()), ("k1", Some("text/plain")));
            }
            let detached = signed.detached().unwrap();
            assert_eq!(verifier.verify_detached(&detached, b"to sign").err(), Some(Rejection::Signature));
            assert_eq!(verifier.verify(&detached).err(), Some(Rejection::Signature), "an empty payload");
            assert_eq!(verifier.verify_detached(&compact, b"to $sign").err(), Some(Rejection::Payload));
        }
    }
}

#[test]
fn headers_that_are_signed_and_refused_all_the_same() {
    let key = key(Alg::ES256, "k1");
    let cases = [
        ("least", r#"{"alg":"ES256"}"#, None),
        ("another_type", r#"{"alg":"ES256","typ":"JWT"}"#, None),
        ("b64_true", r#"{"alg":"ES256","b64":true,"crit":["b64"]}"#, None),
        ("b64_true_uncritical", r#"{"alg":"ES256","b64":true}"#, Some(Malformed::Critical)),
        ("b64_false_uncritical", r#"{"alg":"ES256","b64":false}"#, Some(Malformed::Critical)),
        (
            "b64_null",
            r#"{"alg":"ES256","b64":null,"crit":["b64"]}"#,
            Some(Malformed::Header(JsonError::Malformed)),
        ),
        ("crit_without_it", r#"{"alg":"ES256","crit":["b64"]}"#, Some(Malformed::Critical)),
        ("crit_unknown", r#"{"alg":"ES256","crit":["x"],"x":1}"#, Some(Malformed::Critical)),
        ("crit_twice", r#"{"alg":"ES256","b64":true,"crit":["b64","b64"]}"#, Some(Malformed::Critical)),
        ("crit_with_alg", r#"{"alg":"ES256","b64":true,"crit":["b64","alg"]}"#, Some(Malformed::Critical)),
        ("crit_empty", r#"{"alg":"ES256","crit":[]}"#, Some(Malformed::Critical)),
        ("crit_null", r#"{"alg":"ES256","crit":null}"#, Some(Malformed::Header(JsonError::Malformed))),
        ("crit_string", r#"{"alg":"ES256","crit":"b64"}"#, Some(Malformed::Header(JsonError::Malformed))),
        ("no_alg", "{}", Some(Malformed::Header(JsonError::Malformed))),
        ("two_algs", r#"{"alg":"ES256","alg":"ES256"}"#, Some(Malformed::Header(JsonError::DuplicateMember))),
    ];
    for (name, header, want) in cases {
        let (protected, signature) = part(header, "e30", &key);
        let got = verifier(&[&key]).verify(&format!("{protected}.e30.{signature}")).err();
        assert_eq!(got, want.map(Rejection::Malformed), "{name}");
        let json = json!({ "protected": protected, "payload": "e30", "signature": signature }).to_string();
        let got = verifier(&[&key]).verify_json(json.as_bytes()).err();
        assert_eq!(got, want.map(Rejection::Malformed), "{name} in JSON");
    }
}

#[test]
fn a_type_that_is_required_is_required() {
    let key = key(Alg::EdDSA, "k1");
    let strict = verifier(&[&key]).requiring_typ(Typ::new("secevent+jwt"));
    let other = Draft::new(b"{}").with_typ(Typ::ACCESS_TOKEN).sign(&key).unwrap().compact().unwrap();
    let none = Draft::new(b"{}").sign(&key).unwrap().compact().unwrap();
    let right = Draft::new(b"{}").with_typ(Typ::new("secevent+jwt")).sign(&key).unwrap().compact().unwrap();
    assert!(strict.verify(&right).is_ok());
    assert!(matches!(strict.verify(&none), Err(Rejection::Typ { found: None, .. })));
    assert!(matches!(strict.verify(&other), Err(Rejection::Typ { found: Some(_), .. })));
}

#[test]
fn a_type_that_is_not_protected_is_none() {
    let key = key(Alg::EdDSA, "k1");
    let typ = Typ::new("secevent+jwt");
    let untyped = Draft::new(b"{}").sign(&key).unwrap().flattened().unwrap();
    let mut document: Value = serde_json::from_str(&untyped).unwrap();
    document["header"] = json!({ "typ": typ.name(), "cty": "text/plain" });
    let document = document.to_string();
    let refused = verifier(&[&key]).requiring_typ(typ).verify_json(document.as_bytes());
    assert!(matches!(refused, Err(Rejection::Typ { found: None, .. })));
    assert_eq!(verifier(&[&key]).verify_json(document.as_bytes()).unwrap().cty(), None);
}

#[test]
fn json_documents_that_are_refused() {
    let key = key(Alg::HS256, "k1");
    let (protected, signature) = part(r#"{"alg":"HS256"}"#, "e30", &key);
    let (empty, bare) = part("", "e30", &key);
    assert_eq!(empty, "");
    let entry = json!({ "protected": protected, "signature": signature });
    let cases: Vec<(&str, Value, bool)> = vec![
        ("flattened", json!({ "payload": "e30", "protected": protected, "signature": signature }), true),
        ("general", json!({ "payload": "e30", "signatures": [entry] }), true),
        (
            "unprotected_alone",
            json!({ "payload": "e30", "header": { "alg": "HS256" }, "signature": bare }),
            true,
        ),
        ("both_forms", json!({ "payload": "e30", "signatures": [entry], "signature": signature }), false),
        (
            "general_with_protected",
            json!({ "payload": "e30", "signatures": [entry], "protected": protected }),
            false,
        ),
        ("no_signature", json!({ "payload": "e30", "protected": protected }), false),
        ("no_signatures", json!({ "payload": "e30", "signatures": [] }), false),
        ("as_many_as_may_be", json!({ "payload": "e30", "signatures": vec![entry.clone(); 8] }), true),
        ("many_signatures", json!({ "payload": "e30", "signatures": vec![entry.clone(); 9] }), false),
        ("no_payload", json!({ "signatures": [entry] }), false),
        ("no_header_at_all", json!({ "payload": "e30", "signature": bare }), false),
        (
            "same_parameter_in_both",
            json!({ "payload": "e30", "protected": protected, "header": { "alg": "HS256" }, "signature": signature }),
            false,
        ),
        (
            "unprotected_crit",
            json!({ "payload": "e30", "protected": protected, "header": { "crit": ["b64"] }, "signature": signature }),
            false,
        ),
        (
            "unprotected_b64",
            json!({ "payload": "e30", "protected": protected, "header": { "b64": false }, "signature": signature }),
            false,
        ),
        ("entry_as_array", json!({ "payload": "e30", "signatures": [[protected, null, signature]] }), false),
        (
            "header_null",
            json!({ "payload": "e30", "protected": protected, "header": null, "signature": signature }),
            false,
        ),
        ("payload_number", json!({ "payload": 1, "protected": protected, "signature": signature }), false),
        ("array", json!(["e30", signature]), false),
    ];
    for (name, document, accepted) in cases {
        assert_eq!(
            verifier(&[&key]).verify_json(document.to_string().as_bytes()).is_ok(),
            accepted,
            "{name}"
        );
    }
}

#[test]
fn of_several_signatures_the_known_ones_must_hold() {
    let (a, b, stranger) = (key(Alg::ES256, "a"), key(Alg::EdDSA, "b"), key(Alg::ES256, "c"));
    let signed = Draft::new(b"both").sign(&a).unwrap().and_sign(&b).unwrap();
    assert_eq!(signed.compact(), Err(FormError::SeveralSignatures));
    let general = signed.general();
    for keys in [&[&a][..], &[&b], &[&a, &b], &[&b, &stranger]] {
        assert!(verifier(keys).verify_json(general.as_bytes()).is_ok(), "{keys:?}");
    }
    // One key that is not there by name: with a single key the name is compared all the same.
    assert_eq!(verifier(&[&stranger]).verify_json(general.as_bytes()).err(), Some(Rejection::UnknownKey));

    // Two keys of one name and two algorithms, as in RFC 7520 section 4.8: each finds its own.
    let (twin_a, twin_b) = (key(Alg::ES256, "twin"), key(Alg::EdDSA, "twin"));
    let twins = Draft::new(b"both").sign(&twin_a).unwrap().and_sign(&twin_b).unwrap().general();
    for keys in [&[&twin_a][..], &[&twin_b], &[&twin_a, &twin_b]] {
        assert!(verifier(keys).verify_json(twins.as_bytes()).is_ok(), "{keys:?}");
    }

    let mut spoilt: Value = serde_json::from_str(&general).unwrap();
    spoilt["signatures"][0]["signature"] = spoilt["signatures"][1]["signature"].clone();
    let spoilt = spoilt.to_string();
    assert_eq!(verifier(&[&a, &b]).verify_json(spoilt.as_bytes()).err(), Some(Rejection::Signature));
    assert!(verifier(&[&b]).verify_json(spoilt.as_bytes()).is_ok(), "the spoilt one is a stranger's");
}

#[test]
fn what_is_critical_is_said_under_the_signature() {
    let key = key(Alg::ES256, "a");
    let protected = base64url::encode(br#"{"alg":"ES256","kid":"a","b64":true}"#);
    let header = json!({ "crit": ["b64"] });
    let document = json!({ "payload": "e30", "protected": protected, "header": header, "signature": "AAAA" });
    let refused = verifier(&[&key]).verify_json(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused, Rejection::Malformed(Malformed::Critical));
    assert_eq!(refused.code(), "malformed");
}

#[test]
fn signatures_that_disagree_on_the_payload_are_refused() {
    let (a, b) = (key(Alg::ES256, "a"), key(Alg::EdDSA, "b"));
    let (plain, encoded) =
        (Draft::new(b"e30").unencoded().sign(&a).unwrap(), Draft::new(b"{}").sign(&b).unwrap());
    let of = |signed: &Signed<'_>| {
        serde_json::from_str::<Value>(&signed.general()).unwrap()["signatures"][0].clone()
    };
    let mixed = json!({ "payload": "e30", "signatures": [of(&plain), of(&encoded)] }).to_string();
    assert_eq!(
        verifier(&[&a, &b]).verify_json(mixed.as_bytes()).err(),
        Some(Rejection::Malformed(Malformed::Critical))
    );
}

#[test]
fn an_unencoded_payload_stands_only_where_it_can() {
    let key = key(Alg::HS256, "k1");
    let sign = |payload| Draft::new(payload).unencoded().sign(&key).unwrap();
    assert!(sign(b"$02").compact().is_ok());
    for payload in [&b"$.02"[..], b"\n", "é".as_bytes(), b"\xff"] {
        assert_eq!(sign(payload).compact(), Err(FormError::Payload), "{payload:?}");
    }
    assert!(sign("$.02 é".as_bytes()).flattened().is_ok());
    assert_eq!(sign(b"\xff").flattened(), Err(FormError::Payload));
    let verified = verifier(&[&key]).verify_json_detached(sign(b"\xff").general().as_bytes(), b"\xff");
    assert_eq!(verified.unwrap().payload(), b"\xff");
}

#[test]
fn a_key_is_found_by_name_or_as_the_only_one() {
    let (a, b, c) = (key(Alg::ES256, "a"), key(Alg::ES256, "b"), key(Alg::EdDSA, "c"));
    let unnamed = |key: &SigningKey| {
        let (protected, signature) = part(&format!("{{\"alg\":\"{}\"}}", key.alg()), "e30", key);
        format!("{protected}.e30.{signature}")
    };
    assert!(verifier(&[&a]).verify(&unnamed(&a)).is_ok());
    assert!(verifier(&[&a, &b, &c]).verify(&unnamed(&c)).is_ok(), "the only one of its algorithm");
    assert_eq!(verifier(&[&a, &b, &c]).verify(&unnamed(&a)).err(), Some(Rejection::UnknownKey));
    assert!(matches!(verifier(&[&c]).verify(&unnamed(&a)), Err(Rejection::AlgMismatch { .. })));
}

#[test]
fn limits_come_before_the_work() {
    let key = key(Alg::HS256, "k1");
    let signed = Draft::new(&[b'x'; 3000]).sign(&key).unwrap();
    let small = verifier(&[&key]).with_limits(Limits { token_bytes: 2000, ..Limits::DEFAULT });
    let refused = Some(Rejection::Malformed(Malformed::TooLong { limit: 2000 }));
    assert_eq!(small.verify(&signed.compact().unwrap()).err(), refused);
    assert_eq!(small.verify_json(signed.general().as_bytes()).err(), refused);
    assert!(small.verify_detached(&signed.detached().unwrap(), &[b'x'; 3000]).is_ok());

    let compact = signed.compact().unwrap();
    let limits =
        Limits { token_bytes: compact.len(), header_bytes: compact.find('.').unwrap(), ..Limits::DEFAULT };
    assert!(verifier(&[&key]).with_limits(limits).verify(&compact).is_ok(), "as long as it may be");
    let header_bytes = limits.header_bytes - 1;
    let refused = verifier(&[&key]).with_limits(Limits { header_bytes, ..limits }).verify(&compact).err();
    assert_eq!(refused, Some(Rejection::Malformed(Malformed::HeaderTooLong { limit: header_bytes })));
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in ".{0,60}|[A-Za-z0-9_.=\\-]{0,80}|[\\[\\]{}:,\"a-z]{0,80}") {
        let key = SigningKey::from_secret(Alg::HS256, "k1", &crate::SecretKey::new(vec![1; 32])).unwrap();
        let verifier = verifier(&[&key]);
        proptest::prop_assert!(verifier.verify(&text).is_err());
        proptest::prop_assert!(verifier.verify_json(text.as_bytes()).is_err());
    }

    #[test]
    fn any_payload_round_trips(payload: Vec<u8>) {
        let key = SigningKey::from_secret(Alg::HS256, "k1", &crate::SecretKey::new(vec![1; 32])).unwrap();
        let verifier = verifier(&[&key]);
        let signed = Draft::new(&payload).sign(&key).unwrap();
        let verified = verifier.verify(&signed.compact().unwrap()).unwrap();
        proptest::prop_assert_eq!(verified.payload(), payload.as_slice());
        proptest::prop_assert_eq!(verified.into_payload(), payload);
    }
}

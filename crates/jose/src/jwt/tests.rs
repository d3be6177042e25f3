use std::time::Duration;

use serde_json::{Value, json};

use super::verifier::require_signature;
use super::*;
use crate::header::{Malformed, Parts};
use crate::{Alg, KeySet, Limits, SecretKey, Timestamp, VerifyingKey};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn key(alg: Alg) -> SigningKey {
    SigningKey::generate(alg, Some("k1")).unwrap()
}

fn verifier(key: &SigningKey) -> Verifier {
    Verifier::new(
        Issuer::new(ISSUER).unwrap(),
        Audience::new([AUDIENCE]).unwrap(),
        Typ::ACCESS_TOKEN,
        KeySet::new(vec![key.verifying_key().unwrap()]),
    )
    .with_clock_skew(Duration::ZERO)
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.as_secs() + 900, "sub": "alice" })
}

/// A token whose header and payload are given as text, signed for real.
fn token(header: &str, payload: &str, key: &SigningKey) -> String {
    let mut token =
        format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let mut signature = Vec::new();
    key.sign(token.as_bytes(), &mut signature).unwrap();
    token.push('.');
    token.push_str(&base64url::encode(&signature));
    token
}

fn verify(token: &str, key: &SigningKey) -> Result<(), &'static str> {
    verifier(key).verify::<RegisteredClaims>(token, NOW).map(|_| ()).map_err(|rejection| rejection.code())
}

#[test]
fn every_algorithm_round_trips() {
    for alg in Alg::all() {
        let key = key(alg);
        let token = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
        assert_eq!(verify(&token, &key), Ok(()), "{alg}");
    }
}

#[test]
fn headers_that_are_signed_and_refused_all_the_same() {
    let key = key(Alg::ES256);
    let cases = [
        ("as_issued", r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#, Ok(())),
        ("other_order", r#"{"kid":"k1","typ":"at+jwt","alg":"ES256"}"#, Ok(())),
        ("full_media_type", r#"{"alg":"ES256","typ":"application/at+jwt","kid":"k1"}"#, Ok(())),
        ("no_kid_and_one_key", r#"{"alg":"ES256","typ":"at+jwt"}"#, Ok(())),
        ("unknown_kid", r#"{"alg":"ES256","typ":"at+jwt","kid":"../../etc/passwd"}"#, Err("unknown-key")),
        ("empty_kid", r#"{"alg":"ES256","typ":"at+jwt","kid":""}"#, Err("unknown-key")),
        ("empty_typ", r#"{"alg":"ES256","typ":"","kid":"k1"}"#, Err("wrong-type")),
        ("none", r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#, Err("alg-mismatch")),
        ("other_alg", r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#, Err("alg-mismatch")),
        ("lower_case_alg", r#"{"alg":"es256","typ":"at+jwt","kid":"k1"}"#, Err("alg-mismatch")),
        ("id_token", r#"{"alg":"ES256","typ":"JWT","kid":"k1"}"#, Err("wrong-type")),
        ("no_typ", r#"{"alg":"ES256","kid":"k1"}"#, Err("wrong-type")),
        ("crit", r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}"#, Err("malformed")),
        ("b64", r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","b64":false}"#, Err("malformed")),
        ("duplicate_member", r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","kid":"k1"}"#, Err("malformed")),
        (
            "embedded_key",
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k2","jwk":{"kty":"EC"}}"#,
            Err("unknown-key"),
        ),
    ];
    for (name, header, want) in cases {
        assert_eq!(verify(&token(header, &claims().to_string(), &key), &key), want, "{name}");
    }
}

#[test]
fn claims_that_are_signed_and_refused_all_the_same() {
    let key = key(Alg::EdDSA);
    let header = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims.to_string()
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims.to_string()
    };
    let now = NOW.as_secs();
    let cases = [
        ("as_issued", claims().to_string(), Ok(())),
        ("aud_among_others", with("aud", json!(["x", AUDIENCE])), Ok(())),
        ("aud_of_another", with("aud", json!("https://other.example.com")), Err("wrong-audience")),
        ("aud_as_prefix", with("aud", json!("https://api.example.com/")), Err("wrong-audience")),
        ("aud_empty_array", with("aud", json!([])), Err("bad-claims")),
        ("aud_empty_string", with("aud", json!("")), Err("bad-claims")),
        ("aud_number", with("aud", json!(1)), Err("bad-claims")),
        ("no_aud", without("aud"), Err("bad-claims")),
        ("iss_of_another", with("iss", json!("https://auth.example.com/")), Err("wrong-issuer")),
        ("no_iss", without("iss"), Err("bad-claims")),
        ("exp_one_second_ahead", with("exp", json!(now + 1)), Ok(())),
        ("exp_equal_to_now", with("exp", json!(now)), Err("expired")), // RFC 7519 4.1.4: must be before
        ("exp_string", with("exp", json!("9999999999")), Err("bad-claims")),
        ("exp_overflowing", with("exp", json!(1e300)), Err("bad-claims")),
        ("exp_negative", with("exp", json!(-1)), Err("bad-claims")),
        ("no_exp", without("exp"), Err("bad-claims")),
        ("nbf_equal_to_now", with("nbf", json!(now)), Ok(())), // 4.1.5: or equal
        ("nbf_null", with("nbf", Value::Null), Err("bad-claims")),
        ("nbf_one_second_ahead", with("nbf", json!(now + 1)), Err("not-yet-valid")),
        (
            "duplicate_claim",
            format!(r#"{{"iss":"{ISSUER}",{}"#, &claims().to_string()[1..]),
            Err("malformed"),
        ),
        (
            "duplicate_unknown_claim_deep_down",
            with("x", json!({})).replace("{}", r#"{"a":1,"a":1}"#),
            Err("malformed"),
        ),
        ("not_json", "exp".into(), Err("malformed")),
        ("array", "[]".into(), Err("malformed")),
        ("array_of_the_claims", format!(r#"["{ISSUER}","{AUDIENCE}",{},null]"#, now + 9), Err("malformed")),
        ("leading_space", format!(" \n{}", claims()), Ok(())),
    ];
    for (name, payload, want) in cases {
        assert_eq!(verify(&token(header, &payload, &key), &key), want, "{name}");
    }
}

#[test]
fn skew_widens_both_ends_and_has_a_ceiling() {
    let key = key(Alg::HS256);
    let at = |exp: i64, nbf: i64| {
        let claims =
            json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.as_secs() + exp, "nbf": NOW.as_secs() + nbf });
        sign(&Typ::ACCESS_TOKEN, &claims, &key).unwrap()
    };
    let minute = verifier(&key).with_clock_skew(Duration::from_secs(60));
    assert!(minute.verify::<RegisteredClaims>(&at(-59, 60), NOW).is_ok());
    assert!(minute.verify::<RegisteredClaims>(&at(-60, 0), NOW).is_err());
    assert!(minute.verify::<RegisteredClaims>(&at(10, 61), NOW).is_err());
    let year = verifier(&key).with_clock_skew(Duration::from_secs(31_536_000));
    assert!(year.verify::<RegisteredClaims>(&at(-299, 0), NOW).is_ok());
    assert!(year.verify::<RegisteredClaims>(&at(-300, 0), NOW).is_err());
}

#[test]
fn a_public_key_as_hmac_secret_opens_nothing() {
    let rsa = key(Alg::RS256);
    let public = serde_json::to_vec(&rsa.public_jwk().unwrap()).unwrap();
    let confused = SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(public)).unwrap();
    let token = sign(&Typ::ACCESS_TOKEN, &claims(), &confused).unwrap();
    assert_eq!(verify(&token, &rsa), Err("alg-mismatch"));
}

#[test]
fn a_seen_header_is_no_way_around_the_signature() {
    let key = key(Alg::ES256);
    let verifier = verifier(&key);
    let good = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
    verifier.verify::<RegisteredClaims>(&good, NOW).unwrap();
    let (head, _) = good.rsplit_once('.').unwrap();
    for signature in ["", "AAAA", &"A".repeat(86), &"A".repeat(4000)] {
        let forged = format!("{head}.{signature}");
        assert!(verifier.verify::<RegisteredClaims>(&forged, NOW).is_err(), "{signature:.8}");
    }
}

#[test]
fn a_header_is_remembered_only_after_its_signature_held() {
    let key = key(Alg::ES256);
    let verifier = verifier(&key);
    let forged = format!("{}.e30.AAAA", base64url::encode(br#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#));
    assert!(verifier.verify::<RegisteredClaims>(&forged, NOW).is_err());
    let remembers = || format!("{verifier:?}").contains("seen_header: OnceLock(\"");
    assert!(!remembers());
    verifier.verify::<RegisteredClaims>(&sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap(), NOW).unwrap();
    assert!(remembers());
}

#[test]
fn with_several_keys_a_token_is_verified_with_its_own() {
    let (first, second) = (
        SigningKey::generate(Alg::ES256, Some("a")).unwrap(),
        SigningKey::generate(Alg::EdDSA, Some("b")).unwrap(),
    );
    let keys = KeySet::new(vec![first.verifying_key().unwrap(), second.verifying_key().unwrap()]);
    let verifier = Verifier::new(
        Issuer::new(ISSUER).unwrap(),
        Audience::new([AUDIENCE]).unwrap(),
        Typ::ACCESS_TOKEN,
        keys,
    );
    let code = |header: &str, key: &SigningKey| {
        verifier
            .verify::<RegisteredClaims>(&token(header, &claims().to_string(), key), NOW)
            .map_err(|rejection| rejection.code())
            .err()
    };
    assert_eq!(code(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"b"}"#, &second), None);
    assert_eq!(code(r#"{"alg":"ES256","typ":"at+jwt","kid":"a"}"#, &first), None);
    assert_eq!(code(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, &second), None, "the only one of its algorithm");
    assert_eq!(code(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"a"}"#, &second), Some("alg-mismatch"));
    assert_eq!(
        code(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"b"}"#, &first_as_ed(&first)),
        Some("bad-signature")
    );
}

#[test]
fn a_token_without_a_name_does_not_choose_among_keys_of_one_algorithm() {
    let (first, second) = (SigningKey::generate(Alg::ES256, Some("a")).unwrap(), key(Alg::ES256));
    let keys = KeySet::new(vec![first.verifying_key().unwrap(), second.verifying_key().unwrap()]);
    let audience = Audience::new([AUDIENCE]).unwrap();
    let verifier = Verifier::new(Issuer::new(ISSUER).unwrap(), audience, Typ::ACCESS_TOKEN, keys);
    let unnamed = token(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims().to_string(), &first);
    let unknown = Some(Rejection::UnknownKey { kid: None });
    assert_eq!(verifier.verify::<RegisteredClaims>(&unnamed, NOW).err(), unknown);
}

#[test]
fn a_key_without_a_name_writes_none_and_verifies_alone() {
    let key = SigningKey::from_secret(Alg::HS256, "", &SecretKey::new(vec![1; 32])).unwrap();
    let unnamed = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
    let header = base64url::decode(unnamed.split('.').next().unwrap()).unwrap();
    assert_eq!(header, br#"{"alg":"HS256","typ":"at+jwt"}"#);
    assert_eq!(verify(&unnamed, &key), Ok(()));
    let named = token(r#"{"alg":"HS256","typ":"at+jwt","kid":"any"}"#, &claims().to_string(), &key);
    assert_eq!(verify(&named, &key), Ok(()));
}

#[test]
fn of_two_keys_with_one_name_that_of_the_algorithm_is_taken() {
    let (first, second) = (
        SigningKey::generate(Alg::ES256, Some("a")).unwrap(),
        SigningKey::generate(Alg::EdDSA, Some("a")).unwrap(),
    );
    let keys = KeySet::new(vec![first.verifying_key().unwrap(), second.verifying_key().unwrap()]);
    let audience = Audience::new([AUDIENCE]).unwrap();
    let verifier = Verifier::new(Issuer::new(ISSUER).unwrap(), audience, Typ::ACCESS_TOKEN, keys);
    for key in [&first, &second] {
        let token = sign(&Typ::ACCESS_TOKEN, &claims(), key).unwrap();
        assert!(verifier.verify::<RegisteredClaims>(&token, NOW).is_ok(), "{}", key.alg());
    }
}

/// Another Ed25519 key of the same name.
fn first_as_ed(_: &SigningKey) -> SigningKey {
    SigningKey::generate(Alg::EdDSA, Some("b")).unwrap()
}

#[test]
fn a_remembered_signature_spares_arithmetic_and_no_other_check() {
    for alg in [Alg::ES256, Alg::RS256, Alg::EdDSA, Alg::HS256] {
        let key = key(alg);
        let verifier = verifier(&key).remembering_signatures(1000);
        let code = |token: &str, now| {
            verifier.verify::<RegisteredClaims>(token, now).map_err(|rejection| rejection.code()).err()
        };
        let good = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
        assert_eq!((code(&good, NOW), code(&good, NOW)), (None, None), "{alg}");
        assert_eq!(code(&good, NOW.saturating_add(Duration::from_secs(900))), Some("expired"), "{alg}");
        let elsewhere = token(
            &format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#),
            &json!({ "iss": ISSUER, "aud": "https://other.example.com", "exp": NOW.as_secs() + 900 })
                .to_string(),
            &key,
        );
        for _ in 0..2 {
            assert_eq!(code(&elsewhere, NOW), Some("wrong-audience"), "{alg}");
        }
        for at in [good.len() - 30, good.rfind('.').unwrap() - 30, good.find('.').unwrap() - 10] {
            let mut forged = good.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            for _ in 0..2 {
                assert!(code(std::str::from_utf8(&forged).unwrap(), NOW).is_some(), "{alg} at {at}");
            }
        }
    }
}

#[test]
fn what_was_verified_is_held_against_another_time_and_other_terms() {
    let key = key(Alg::ES256);
    let token = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
    let verified = verifier(&key).verify::<RegisteredClaims>(&token, NOW).unwrap();
    let of = |issuer, audience, keys: &[&SigningKey]| {
        let keys = keys.iter().map(|key| key.verifying_key().unwrap()).collect();
        let audience = Audience::new([audience]).unwrap();
        Verifier::new(Issuer::new(issuer).unwrap(), audience, Typ::ACCESS_TOKEN, KeySet::new(keys))
            .with_clock_skew(Duration::ZERO)
    };
    let renamed = SigningKey::generate(Alg::ES256, Some("k2")).unwrap();
    let at = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
    let cases = [
        ("as it was", of(ISSUER, AUDIENCE, &[&key]), NOW, None),
        ("in its last moment", of(ISSUER, AUDIENCE, &[&key]), at(899), None),
        ("at its end", of(ISSUER, AUDIENCE, &[&key]), at(900), Some("expired")),
        ("one of several keys", of(ISSUER, AUDIENCE, &[&renamed, &key]), NOW, None),
        ("its key is gone", of(ISSUER, AUDIENCE, &[&renamed]), NOW, Some("unknown-key")),
        ("no key is left", of(ISSUER, AUDIENCE, &[]), NOW, Some("unknown-key")),
        ("another issuer", of("https://other.example.com", AUDIENCE, &[&key]), NOW, Some("wrong-issuer")),
        ("another audience", of(ISSUER, "https://x.example.com", &[&key]), NOW, Some("wrong-audience")),
    ];
    for (name, verifier, now, want) in cases {
        let again = verifier.verify_again(&verified, now);
        assert_eq!(again.err().map(|rejection| rejection.code()), want, "{name}");
    }
}

#[test]
fn a_signature_that_failed_is_not_remembered() {
    let (key, other) = (key(Alg::ES256), key(Alg::ES256));
    let verifier = verifier(&key).remembering_signatures(1000);
    let forged = sign(&Typ::ACCESS_TOKEN, &claims(), &other).unwrap();
    for _ in 0..3 {
        assert_eq!(verifier.verify::<RegisteredClaims>(&forged, NOW).err(), Some(Rejection::Signature));
    }
    assert_eq!(verifier.signature_counts(), SignatureCounts { remembered: 0, verified: 3 });
    let good = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
    for _ in 0..3 {
        verifier.verify::<RegisteredClaims>(&good, NOW).unwrap();
    }
    assert_eq!(verifier.signature_counts(), SignatureCounts { remembered: 2, verified: 4 });
}

#[test]
fn a_mac_is_not_remembered_because_it_is_as_quick_to_compute() {
    for (alg, remembers) in [(Alg::HS256, false), (Alg::ES256, true)] {
        let key = key(alg);
        let verifier = verifier(&key).remembering_signatures(1000);
        let token = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
        verifier.verify::<RegisteredClaims>(&token, NOW).unwrap();
        assert_eq!(format!("{verifier:?}").contains("is_made: true"), remembers, "{alg}");
    }
}

#[test]
fn claims_that_name_a_member_twice_are_not_signed() {
    #[derive(serde::Serialize)]
    struct Twice {
        iss: &'static str,
        #[serde(flatten)]
        others: std::collections::BTreeMap<&'static str, &'static str>,
    }
    let twice = Twice { iss: ISSUER, others: [("iss", "other")].into() };
    let key = key(Alg::ES256);
    assert_eq!(sign(&Typ::ACCESS_TOKEN, &twice, &key), Err(SignError::DuplicateClaim));
    assert_eq!(sign(&Typ::ACCESS_TOKEN, &json!([1]), &key), Err(SignError::Claims));
}

#[test]
fn a_token_takes_the_memory_that_it_needs() {
    for alg in Alg::all() {
        let key = key(alg);
        let mut signature = Vec::new();
        key.sign(b"message", &mut signature).unwrap();
        assert_eq!(signature.len(), key.signature_len(), "{alg}");
        let token = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
        assert_eq!(token.capacity(), token.len(), "{alg}");
    }
}

#[test]
fn each_type_of_token_has_a_header_of_its_own_however_many_there_are() {
    let key = key(Alg::HS256);
    for _ in 0..2 {
        for typ in ["at+jwt", "JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", "txn+jwt"] {
            let token = sign(&Typ::from(typ.to_owned()), &claims(), &key).unwrap();
            let header = base64url::decode(token.split('.').next().unwrap()).unwrap();
            let want = format!(r#"{{"alg":"HS256","typ":"{typ}","kid":"k1"}}"#);
            assert_eq!(String::from_utf8(header).unwrap(), want);
        }
    }
}

#[test]
fn what_is_read_before_and_beside_the_claims() {
    let key = key(Alg::HS256);
    let good = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
    assert_eq!(unverified_issuer(&good).as_deref(), Ok(ISSUER));
    let nobody = token(r#"{"alg":"HS256"}"#, r#"{"sub":"alice"}"#, &key);
    assert!(matches!(unverified_issuer(&nobody), Err(Malformed::Payload(_))));
    let mut scratch = Scratch::default();
    let verified = verifier(&key).verify_in::<BorrowedClaims<'_>>(&good, NOW, &mut scratch).unwrap();
    assert_eq!(verified.into_claims().sub, "alice");
    assert_eq!(serde_json::from_slice::<Value>(&scratch.into_payload()).unwrap(), claims());
}

/// Claims that are slices of the payload.
#[derive(Debug, serde::Deserialize)]
struct BorrowedClaims<'p> {
    iss: &'p str,
    sub: &'p str,
    #[serde(borrow)]
    aud: BorrowedAudience<'p>,
    exp: crate::NumericDate,
}

impl Claims for BorrowedClaims<'_> {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: None,
        }
    }
}

#[test]
fn oversized_tokens_are_not_looked_at() {
    let key = key(Alg::HS256);
    let limit = Limits::DEFAULT.token_bytes;
    assert_eq!(verify(&"a".repeat(limit + 1), &key), Err("too-long"));
    assert_eq!(verify(&"a".repeat(limit), &key), Err("malformed"));
}

/// RFC 7515 appendix A.1: the first JWS ever written down, with its line breaks in the payload.
#[test]
fn the_example_of_rfc_7515_a_1_verifies() {
    let secret = base64url::decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    )
    .unwrap();
    let key = VerifyingKey::from_secret(Alg::HS256, "", &SecretKey::new(secret)).unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let parts = Parts::split(token, &Limits::DEFAULT).unwrap();
    assert_eq!(require_signature(&key, &parts), Ok(()));
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in "[A-Za-z0-9_.=\\-]{0,80}|.{0,40}") {
        let key = SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(vec![1; 32])).unwrap();
        proptest::prop_assert!(verify(&text, &key).is_err());
        let _ = unverified_issuer(&text);
    }

    #[test]
    fn a_token_changed_anywhere_is_refused(at in 0usize..200, byte in proptest::sample::select(&b"ABab01-_.="[..])) {
        let key = SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(vec![1; 32])).unwrap();
        let good = sign(&Typ::ACCESS_TOKEN, &claims(), &key).unwrap();
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        proptest::prop_assert_eq!(verify(&changed, &key).is_ok(), changed == good);
    }
}

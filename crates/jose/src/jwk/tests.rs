use proptest::prelude::*;

use super::*;
use crate::key::KeyError;
use crate::{Alg, JsonError};

/// The key of RFC 8037 appendix A.1.
const OKP: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
const OKP_D: &str = r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#;
/// The EC key of RFC 7517 appendix A.2.
const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;
const EC_D: &str = r#""d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE""#;
/// The secret of RFC 7515 appendix A.1.
const OCT: &str = r#""kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow""#;

#[test]
fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let json = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#);
    let jwk = Jwk::parse(json.as_bytes()).unwrap();
    assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(
        jwk.thumbprint_uri(), // RFC 9278 section 5
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn thumbprints_of_the_other_types() {
    let thumbprint = |json: String| PrivateJwk::parse(json.as_bytes()).unwrap().thumbprint();
    // RFC 8037 appendix A.3.
    assert_eq!(thumbprint(format!("{{{OKP},{OKP_D}}}")), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // `{"crv":"P-256","kty":"EC","x":..,"y":..}` and `{"k":..,"kty":"oct"}`, hashed with another program.
    assert_eq!(thumbprint(format!("{{{EC},{EC_D}}}")), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    assert_eq!(thumbprint(format!("{{{OCT}}}")), "y_x3gCJnL6oKGBBIXScabduwxTVy2Wd2bzRVEUbdUzc");
}

#[test]
fn public_keys() {
    let not_json = |error| Err(JwkError::Json(error));
    let contradiction = |a, b| Err(JwkError::Contradiction(a, b));
    let cases = [
        ("plain", format!("{{{OKP}}}"), Ok(None)),
        (
            "unknown_member",
            format!(r#"{{{OKP},"x5u":"https://evil.example","ext":true,"x5c":[1]}}"#),
            Ok(None),
        ),
        ("use_sig", format!(r#"{{{OKP},"use":"sig"}}"#), Ok(Some(KeyUse::Sig))),
        ("use_enc", format!(r#"{{{EC},"use":"enc"}}"#), Ok(Some(KeyUse::Enc))),
        ("key_ops_verify", format!(r#"{{{OKP},"key_ops":["verify"]}}"#), Ok(Some(KeyUse::Sig))),
        (
            "key_ops_and_use_agree",
            format!(r#"{{{OKP},"key_ops":["verify"],"use":"sig"}}"#),
            Ok(Some(KeyUse::Sig)),
        ),
        (
            "key_ops_unknown_as_well",
            format!(r#"{{{OKP},"key_ops":["verify","dance"]}}"#),
            Ok(Some(KeyUse::Sig)),
        ),
        ("key_ops_derive", format!(r#"{{{EC},"key_ops":["deriveKey"]}}"#), Ok(Some(KeyUse::Enc))),
        ("key_ops_empty", format!(r#"{{{EC},"key_ops":[]}}"#), Ok(Some(KeyUse::Enc))),
        ("key_ops_decrypt", format!(r#"{{{EC},"key_ops":["decrypt"]}}"#), Err(JwkError::NoPublicOperation)),
        (
            "key_ops_empty_for_a_signature",
            format!(r#"{{{EC},"key_ops":[],"alg":"ES256"}}"#),
            Err(JwkError::NoPublicOperation),
        ),
        ("key_ops_sign", format!(r#"{{{OKP},"key_ops":["sign"]}}"#), Err(JwkError::NoPublicOperation)),
        ("key_ops_unknown", format!(r#"{{{OKP},"key_ops":["dance"]}}"#), Err(JwkError::NoPublicOperation)),
        (
            "key_ops_twice",
            format!(r#"{{{OKP},"key_ops":["verify","verify"]}}"#),
            Err(JwkError::RepeatedOperation),
        ),
        (
            "key_ops_against_use",
            format!(r#"{{{OKP},"key_ops":["verify"],"use":"enc"}}"#),
            contradiction("use", "key_ops"),
        ),
        (
            "key_ops_against_alg",
            format!(r#"{{{EC},"key_ops":["deriveKey"],"alg":"ES256"}}"#),
            contradiction("key_ops", "alg"),
        ),
        (
            "key_ops_for_two_purposes",
            format!(r#"{{{EC},"key_ops":["verify","deriveKey"]}}"#),
            contradiction("key_ops", "key_ops"),
        ),
        ("key_ops_a_string", format!(r#"{{{OKP},"key_ops":"verify"}}"#), not_json(JsonError::Malformed)),
        ("use_against_alg", format!(r#"{{{EC},"use":"enc","alg":"ES256"}}"#), contradiction("use", "alg")),
        ("alg_against_use", format!(r#"{{{EC},"use":"sig","alg":"ECDH-ES"}}"#), contradiction("use", "alg")),
        ("unknown_use", format!(r#"{{{OKP},"use":"both"}}"#), Err(JwkError::UnknownUse)),
        ("alg_of_the_curve", format!(r#"{{{EC},"alg":"ES256"}}"#), Ok(None)),
        ("alg_of_an_agreement", format!(r#"{{{EC},"alg":"ECDH-ES+A256KW"}}"#), Ok(None)),
        ("alg_of_another_curve", format!(r#"{{{EC},"alg":"ES384"}}"#), Err(JwkError::AlgDoesNotFit)),
        ("alg_of_another_type", format!(r#"{{{EC},"alg":"RS256"}}"#), Err(JwkError::AlgDoesNotFit)),
        ("alg_of_a_secret", format!(r#"{{{EC},"alg":"HS256"}}"#), Err(JwkError::AlgDoesNotFit)),
        (
            "agreement_with_a_signing_curve",
            format!(r#"{{{OKP},"alg":"ECDH-ES"}}"#),
            Err(JwkError::AlgDoesNotFit),
        ),
        ("unknown_alg", format!(r#"{{{OKP},"alg":"ES256K"}}"#), Err(JwkError::UnknownAlg)),
        ("alg_none", format!(r#"{{{OKP},"alg":"none"}}"#), Err(JwkError::UnknownAlg)),
        ("null_kid", format!(r#"{{{OKP},"kid":null}}"#), not_json(JsonError::Malformed)),
        ("kid_twice", format!(r#"{{{OKP},"kid":"a","kid":"a"}}"#), not_json(JsonError::DuplicateMember)),
        ("private_key", format!("{{{OKP},{OKP_D}}}"), Err(JwkError::NotPublic("d"))),
        ("secret", format!("{{{OCT}}}"), Err(JwkError::NotPublic("k"))),
        ("public_key_with_a_secret", format!(r#"{{{OKP},"k":"AA"}}"#), Err(JwkError::NotPublic("k"))),
        ("oct_without_its_secret", r#"{"kty":"oct"}"#.into(), Err(JwkError::NotPublic("k"))),
        (
            "array_of_the_members",
            r#"["OKP","Ed25519","11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]"#.into(),
            not_json(JsonError::Malformed),
        ),
        ("unknown_kty", r#"{"kty":"new"}"#.into(), Err(JwkError::UnknownType)),
        ("no_kty", "{}".into(), Err(JwkError::Missing("kty"))),
        ("kty_is_a_number", r#"{"kty":1}"#.into(), not_json(JsonError::Malformed)),
        ("no_y", r#"{"kty":"EC","crv":"P-256","x":"AA"}"#.into(), Err(JwkError::Missing("y"))),
        (
            "okp_curve_in_an_ec_key",
            EC.replace("P-256", "Ed25519"),
            Err(JwkError::Key(KeyError::UnknownCurve)),
        ),
        ("unknown_curve", EC.replace("P-256", "secp256k1"), Err(JwkError::Key(KeyError::UnknownCurve))),
        (
            "point_of_another_curve",
            EC.replace("P-256", "P-384"),
            Err(JwkError::Key(KeyError::WrongLength { member: "x", bytes: 48 })),
        ),
        ("off_the_curve", EC.replace("MKBC", "MKBD"), Err(JwkError::Key(KeyError::NotOnCurve))),
        (
            "padded_base64url",
            EC.replace("IFyM\"", "IFyM=\""),
            Err(JwkError::Key(KeyError::NotBase64Url("y"))),
        ),
        ("akp_without_alg", r#"{"kty":"AKP","pub":"AA"}"#.into(), Err(JwkError::Missing("alg"))),
        (
            "akp_of_another_algorithm",
            r#"{"kty":"AKP","alg":"ES256","pub":"AA"}"#.into(),
            Err(JwkError::Key(KeyError::WrongType(Alg::ES256))),
        ),
    ];
    for (name, json, want) in cases {
        let json = if json.starts_with(['{', '[']) { json } else { format!("{{{json}}}") };
        assert_eq!(Jwk::parse(json.as_bytes()).map(|jwk| jwk.key_use), want, "{name}");
    }
}

#[test]
fn private_keys() {
    let key = |error| Err(JwkError::Key(error));
    let other_d = OKP_D.replace("nWGx", "nWGy");
    let cases = [
        ("okp", format!("{{{OKP},{OKP_D}}}"), Ok(())),
        ("ec", format!("{{{EC},{EC_D}}}"), Ok(())),
        ("oct", format!("{{{OCT}}}"), Ok(())),
        ("oct_long_enough", format!(r#"{{{OCT},"alg":"HS512"}}"#), Ok(())),
        ("oct_for_a_key_wrap", r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA","alg":"A128KW"}"#.into(), Ok(())),
        (
            "oct_for_its_content",
            r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA","alg":"A128GCM"}"#.into(),
            Ok(()),
        ),
        ("public_key", format!("{{{OKP}}}"), Err(JwkError::NotPrivate)),
        ("d_of_another_key", format!("{{{OKP},{other_d}}}"), key(KeyError::HalvesDiffer)),
        (
            "d_of_another_point",
            format!("{{{EC},{}}}", EC_D.replace("870M", "871M")),
            key(KeyError::HalvesDiffer),
        ),
        (
            "d_of_31_bytes",
            format!(r#"{{{OKP},"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyufw"}}"#),
            key(KeyError::WrongLength { member: "d", bytes: 32 }),
        ),
        (
            "d_of_0",
            format!(r#"{{{EC},"d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}"#),
            key(KeyError::HalvesDiffer),
        ),
        (
            "d_in_the_other_alphabet",
            format!("{{{OKP},{}}}", OKP_D.replace('_', "/")),
            key(KeyError::NotBase64Url("d")),
        ),
        (
            "seed_in_a_curve_key",
            format!("{{{OKP},{}}}", OKP_D.replace("\"d\"", "\"priv\"")),
            Err(JwkError::Missing("d")),
        ),
        ("x_is_missing", format!(r#"{{"kty":"OKP","crv":"Ed25519",{OKP_D}}}"#), Err(JwkError::Missing("x"))),
        ("empty_secret", r#"{"kty":"oct","k":""}"#.into(), key(KeyError::EmptySecret)),
        ("no_secret", r#"{"kty":"oct"}"#.into(), Err(JwkError::Missing("k"))),
        (
            "short_secret",
            r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA","alg":"HS256"}"#.into(),
            key(KeyError::SecretTooShort { alg: Alg::HS256, min: 32 }),
        ),
        ("secret_for_a_signature_key", format!(r#"{{{OCT},"alg":"ES256"}}"#), Err(JwkError::AlgDoesNotFit)),
        (
            "key_wrap_for_signatures",
            format!(r#"{{{OCT},"alg":"A256KW","use":"sig"}}"#),
            Err(JwkError::Contradiction("use", "alg")),
        ),
        ("key_pair_for_content", format!(r#"{{{EC},{EC_D},"alg":"A128GCM"}}"#), Err(JwkError::AlgDoesNotFit)),
    ];
    for (name, json, want) in cases {
        assert_eq!(PrivateJwk::parse(json.as_bytes()).map(drop), want, "{name}");
    }
}

#[test]
fn private_halves_of_another_key() {
    use crate::jwe::{DecryptionKey, KeyManagement};
    let agreement = || {
        let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::X25519), Some("k")).unwrap();
        key.to_jwk().unwrap()
    };
    let signing = || crate::SigningKey::generate(Alg::MlDsa44, Some("k")).unwrap().to_jwk().unwrap();
    let cases = [("d", agreement(), agreement()), ("priv", signing(), signing())];
    for (member, ours, theirs) in cases {
        let [mut ours, theirs] =
            [ours, theirs].map(|jwk| serde_json::from_str::<serde_json::Value>(&jwk.to_json()).unwrap());
        assert!(PrivateJwk::parse(ours.to_string().as_bytes()).is_ok(), "{member}");
        ours[member] = theirs[member].clone();
        let refused = PrivateJwk::parse(ours.to_string().as_bytes()).err();
        assert_eq!(refused, Some(JwkError::Key(KeyError::HalvesDiffer)), "{member}");
    }
}

#[test]
fn rsa_private_keys_bring_all_their_factors() {
    let jwk = crate::SigningKey::generate(Alg::RS256, None).unwrap().to_jwk().unwrap();
    let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&jwk.to_json()).unwrap();
    let refusal = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut members = whole.clone();
        change(&mut members);
        PrivateJwk::parse(&serde_json::to_vec(&members).unwrap()).err()
    };
    assert_eq!(refusal(&|_| {}), None);
    for name in ["p", "q", "dp", "dq", "qi"] {
        let without = |members: &mut serde_json::Map<_, _>| drop(members.remove(name));
        assert_eq!(refusal(&without), Some(JwkError::MissingFactor(name)));
        let one = |members: &mut serde_json::Map<_, _>| drop(members.insert(name.into(), "AQ".into()));
        assert_eq!(refusal(&one), Some(JwkError::Key(KeyError::HalvesDiffer)), "{name}");
    }
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let zero_before = |members: &mut serde_json::Map<_, _>| {
            let number = base64url::decode(whole[name].as_str().unwrap()).unwrap();
            members.insert(name.into(), base64url::encode(&[&[0], number.as_slice()].concat()).into());
        };
        assert_eq!(refusal(&zero_before), Some(JwkError::Key(KeyError::LeadingZero(name))), "{name}");
    }
    assert_eq!(refusal(&|members| drop(members.remove("d"))), Some(JwkError::Missing("d")));
    let exponent = |members: &mut serde_json::Map<_, _>| drop(members.insert("e".into(), "Aw".into()));
    assert_eq!(refusal(&exponent), Some(JwkError::Key(KeyError::HalvesDiffer)));
    let third =
        |members: &mut serde_json::Map<_, _>| drop(members.insert("oth".into(), serde_json::json!([])));
    assert_eq!(refusal(&third), Some(JwkError::MultiPrime));
}

#[test]
fn what_was_read_is_written_again() {
    let cases = [
        format!(r#"{{{OKP},{OKP_D},"kid":"a","alg":"EdDSA","use":"sig"}}"#),
        format!(r#"{{{EC},{EC_D},"kid":"\"\\\u0001é"}}"#),
        format!(r#"{{{OCT},"kid":"b","key_ops":["sign","verify"]}}"#),
        format!(r#"{{{OKP},{OKP_D},"use":"sig","key_ops":[]}}"#),
        format!(r#"{{{OKP},{OKP_D},"key_ops":[]}}"#),
    ];
    for json in cases {
        let jwk = PrivateJwk::parse(json.as_bytes()).unwrap();
        assert_eq!(*jwk.to_json(), json);
        let again = PrivateJwk::parse(jwk.to_json().as_bytes()).unwrap();
        assert_eq!(again.public(), jwk.public(), "{json}");
    }
    let unknown = format!(r#"{{{OKP},{OKP_D},"use":"sig","key_ops":["dance"]}}"#);
    let jwk = PrivateJwk::parse(unknown.as_bytes()).unwrap();
    assert_eq!(*jwk.to_json(), unknown.replace("\"dance\"", ""));
    let public = format!(r#"{{{EC},"kid":"a","alg":"ES256","use":"sig"}}"#);
    let jwk: Jwk = serde_json::from_str(&public).unwrap();
    assert_eq!(serde_json::to_string(&jwk).unwrap(), public);
}

#[test]
fn the_public_half_keeps_name_and_purpose_and_nothing_private() {
    let json = format!(r#"{{{EC},{EC_D},"kid":"a","key_ops":["deriveKey"]}}"#);
    let jwk = PrivateJwk::parse(json.as_bytes()).unwrap().public().unwrap();
    let want = format!(r#"{{{EC},"kid":"a","use":"enc"}}"#);
    assert_eq!(serde_json::to_string(&jwk).unwrap(), want);
    assert!(PrivateJwk::parse(format!("{{{OCT}}}").as_bytes()).unwrap().public().is_none());
}

#[test]
fn a_published_set_keeps_only_usable_public_keys() {
    let cases = [
        ("plain", format!("{{{OKP}}}"), 1),
        ("for_encryption", format!(r#"{{{EC},"use":"enc"}}"#), 1),
        ("contradiction", format!(r#"{{{OKP},"use":"enc","alg":"EdDSA"}}"#), 0),
        ("unknown_alg", format!(r#"{{{OKP},"alg":"ES256K"}}"#), 0),
        ("private_key", format!("{{{OKP},{OKP_D}}}"), 0),
        ("secret", format!("{{{OCT}}}"), 0),
        ("off_its_curve", format!("{{{}}}", EC.replace("MKBC", "MKBD")), 0),
        ("unknown_kty", r#"{"kty":"new"}"#.into(), 0),
        ("kty_is_a_number", r#"{"kty":1}"#.into(), 0),
    ];
    for (name, key, want) in cases {
        let set = JwkSet::parse(format!(r#"{{"keys":[{key},{{{EC}}}]}}"#).as_bytes()).unwrap();
        assert_eq!(set.keys.len(), want + 1, "{name}");
    }
}

#[test]
fn an_own_set_is_taken_whole_or_not_at_all() {
    let named = |key: &str, kid: &str| format!(r#"{{{key},"kid":"{kid}"}}"#);
    let (okp, ec) = (format!("{OKP},{OKP_D}"), format!("{EC},{EC_D}"));
    let cases = [
        ("none", vec![], Ok(0)),
        ("two_names", vec![named(&okp, "a"), named(&ec, "b"), named(OCT, "c")], Ok(3)),
        ("no_names", vec![format!("{{{okp}}}"), format!("{{{ec}}}")], Ok(2)),
        ("same_key_twice", vec![named(&okp, "a"), named(&okp, "a")], Ok(2)),
        ("two_keys_of_one_name", vec![named(&okp, "a"), named(&ec, "a")], Err(JwkError::RepeatedKid)),
        (
            "two_secrets_of_one_name",
            vec![named(OCT, "a"), named(&OCT.replace("AyM1", "AyM2"), "a")],
            Err(JwkError::RepeatedKid),
        ),
        ("public_key_among_them", vec![named(&okp, "a"), named(EC, "b")], Err(JwkError::NotPrivate)),
        (
            "unusable_key_among_them",
            vec![named(&okp, "a"), r#"{"kty":"new"}"#.into()],
            Err(JwkError::UnknownType),
        ),
    ];
    for (name, keys, want) in cases {
        let json = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        let set = PrivateJwkSet::parse(json.as_bytes());
        assert_eq!(set.as_ref().map(|set| set.keys.len()).map_err(|error| *error), want, "{name}");
        if let Ok(set) = set {
            assert_eq!(*set.to_json(), json, "{name}");
        }
    }
}

#[test]
fn a_member_stands_once_whoever_parses() {
    for (name, json, is_good) in [
        ("plain", format!("{{{OKP}}}"), true),
        ("unknown_twice", format!(r#"{{{OKP},"ext":1,"ext":2}}"#), true),
        ("kid_twice", format!(r#"{{{OKP},"kid":"a","kid":"a"}}"#), false),
        ("key_ops_twice", format!(r#"{{{OKP},"key_ops":["verify"],"key_ops":["verify"]}}"#), false),
    ] {
        assert_eq!(serde_json::from_str::<Jwk>(&json).is_ok(), is_good, "{name}");
    }
    let set =
        PrivateJwkSet::parse(format!(r#"{{"keys":[{{{OKP},{OKP_D}}},{{{OCT}}}]}}"#).as_bytes()).unwrap();
    assert_eq!(set.public().keys.len(), 1);
}

#[test]
fn what_is_no_set_is_refused() {
    for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(JwkSet::parse(json.as_bytes()).is_err(), "{json}");
        assert!(PrivateJwkSet::parse(json.as_bytes()).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
        let _ = (Jwk::parse(&bytes), PrivateJwk::parse(&bytes));
        let _ = (JwkSet::parse(&bytes), PrivateJwkSet::parse(&bytes));
    }

    #[test]
    fn any_members_are_answered_without_panic(
        kty in "RSA|EC|OKP|AKP|oct",
        crv in "P-256|P-521|Ed25519|X25519|x",
        alg in "ES256|ML-DSA-44|HS256|dir|x",
        texts in prop::collection::vec("[A-Za-z0-9_-]{0,90}", 12),
    ) {
        let names = ["n", "e", "x", "y", "pub", "d", "p", "q", "dp", "dq", "qi", "k"];
        let mut members = serde_json::json!({ "kty": kty, "crv": crv, "alg": alg });
        for (name, text) in names.iter().zip(&texts).filter(|(_, text)| text.len() > 10) {
            members[*name] = text.as_str().into();
        }
        let json = members.to_string();
        let _ = (Jwk::parse(json.as_bytes()), PrivateJwk::parse(json.as_bytes()));
    }
}

use super::*;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
const URI: &str = "https://api.example.com/orders";
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const REQUEST: DpopRequest<'_> =
    DpopRequest { method: "GET", uri: URI, access_token: None, nonce: DpopNonce::NotAsked };

/// A client with its key.
struct Client {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Client {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref();
        let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
        Self { key, jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }) }
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }
}

fn claims() -> Value {
    json!({ "jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": URI, "iat": NOW.as_secs() })
}

/// `value` with one member set, or removed where there is no value.
fn with(mut value: Value, name: &str, member: impl Into<Option<Value>>) -> Value {
    let object = value.as_object_mut().unwrap();
    match member.into() {
        Some(member) => object.insert(name.to_owned(), member),
        None => object.remove(name),
    };
    value
}

fn verifier() -> DpopVerifier {
    DpopVerifier::new(Alg::all())
}

fn outcome(proof: &str, request: &DpopRequest<'_>) -> Result<(), DpopRejection> {
    verifier().verify(proof, request, NOW).map(|_| ())
}

#[test]
fn a_proof_yields_its_keys_thumbprint_and_what_a_replay_cache_needs() {
    let client = Client::new();
    let proof = verifier().verify(&client.sign(&client.header(), &claims()), &REQUEST, NOW).unwrap();
    let jkt = Jwk::parse(client.jwk.to_string().as_bytes()).unwrap().thumbprint();
    let forget_after = NOW.saturating_add(Duration::from_secs(60));
    assert_eq!(proof, DpopProof { jkt, jti: "e1j3V_bKic8-LAEB".into(), iat: NOW, forget_after, nonce: None });
    let replayed = client.sign(&client.header(), &claims());
    assert_eq!(
        verifier().verify(&replayed, &REQUEST, forget_after).err(),
        Some(DpopRejection::Stale { iat: NOW, now: forget_after })
    );
}

#[test]
fn headers() {
    use DpopRejection::{Alg, Critical, Key, Typ};
    let client = Client::new();
    let header = |name, value: Value| with(client.header(), name, value);
    let without = |name| with(client.header(), name, None);
    let jwk = |name, value: Value| header("jwk", with(client.jwk.clone(), name, value));
    let cases = [
        ("as_it_should_be", client.header(), Ok(())),
        ("typ_as_a_media_type", header("typ", json!("application/dpop+jwt")), Ok(())),
        ("kid_means_nothing", header("kid", json!("1")), Ok(())),
        ("no_typ", without("typ"), Err(Typ)),
        ("access_token_typ", header("typ", json!("at+jwt")), Err(Typ)),
        ("typ_null", header("typ", Value::Null), Err(Typ)),
        ("crit", header("crit", json!(["exp"])), Err(Critical)),
        ("crit_null", header("crit", Value::Null), Err(Critical)),
        ("b64", header("b64", json!(false)), Err(Critical)),
        ("no_alg", without("alg"), Err(Alg)),
        ("alg_none", header("alg", json!("none")), Err(Alg)),
        ("alg_of_secrets", header("alg", json!("HS256")), Err(Alg)),
        ("alg_array", header("alg", json!(["ES256"])), Err(Alg)),
        ("alg_of_another_key_type", header("alg", json!("RS256")), Err(Key)),
        ("no_jwk", without("jwk"), Err(Key)),
        ("jwk_null", header("jwk", Value::Null), Err(Key)),
        ("jwk_text", header("jwk", json!(client.jwk.to_string())), Err(Key)),
        ("jwk_array", header("jwk", json!([client.jwk])), Err(Key)),
        ("private_member", jwk("d", json!("yy49oPcINGK2ps0LmtxpB6UTEOiITghHBif6wDqmJ3c")), Err(Key)),
        ("empty_private_member", jwk("d", json!("")), Err(Key)),
        ("secret", header("jwk", json!({ "kty": "oct", "k": base64url::encode(&[7; 32]) })), Err(Key)),
        ("off_the_curve", jwk("x", client.jwk["y"].clone()), Err(Key)),
        ("key_for_another_algorithm", jwk("alg", json!("ES384")), Err(Key)),
        ("key_for_encryption", jwk("use", json!("enc")), Err(Key)),
    ];
    for (name, header, want) in cases {
        assert_eq!(outcome(&client.sign(&header, &claims()), &REQUEST), want, "{name}");
    }
}

#[test]
fn claims_of_the_request() {
    use DpopRejection::{Claims, Expired, Method, NotYetValid, Stale, Uri};
    let client = Client::new();
    let claim = |name, value: Value| with(claims(), name, value);
    let iat = |offset: i64| claim("iat", json!(NOW.as_secs() + offset));
    let at = |offset: i64| Timestamp::from_secs(NOW.as_secs() + offset);
    let stale = |offset: i64| Err(Stale { iat: at(offset), now: NOW });
    let date = |name, offset: i64| claim(name, json!(NOW.as_secs() + offset));
    let cases = [
        (
            "query_left_out_of_the_comparison",
            claim("htu", json!("https://API.example.com:443/orders?a=b#c")),
            Ok(()),
        ),
        ("nonce_nobody_asked_for", claim("nonce", json!("n")), Ok(())),
        ("ath_without_a_token", claim("ath", json!("a")), Ok(())),
        ("no_jti", with(claims(), "jti", None), Err(Claims)),
        ("empty_jti", claim("jti", json!("")), Err(Claims)),
        ("longest_jti", claim("jti", json!("j".repeat(256))), Ok(())),
        ("jti_too_long", claim("jti", json!("j".repeat(257))), Err(Claims)),
        ("jti_number", claim("jti", json!(1)), Err(Claims)),
        ("no_htm", with(claims(), "htm", None), Err(Claims)),
        ("no_htu", with(claims(), "htu", None), Err(Claims)),
        ("no_iat", with(claims(), "iat", None), Err(Claims)),
        ("iat_text", claim("iat", json!(NOW.to_string())), Err(Claims)),
        ("another_method", claim("htm", json!("POST")), Err(Method)),
        ("method_in_small_letters", claim("htm", json!("get")), Err(Method)),
        ("another_path", claim("htu", json!("https://api.example.com/orders/1")), Err(Uri)),
        ("another_host", claim("htu", json!("https://evil.example/orders")), Err(Uri)),
        ("no_uri", claim("htu", json!("orders")), Err(Uri)),
        ("made_59_seconds_ago", iat(-59), Ok(())),
        ("made_60_seconds_ago", iat(-60), stale(-60)),
        ("made_in_60_seconds", iat(60), Ok(())),
        ("made_in_61_seconds", iat(61), stale(61)),
        ("expires_in_a_second", date("exp", 1), Ok(())),
        ("expires_now", date("exp", 0), Err(Expired { exp: NOW, now: NOW })),
        ("expired_30_seconds_ago", date("exp", -30), Err(Expired { exp: at(-30), now: NOW })),
        ("exp_text", claim("exp", json!("tomorrow")), Err(Claims)),
        ("exp_null", claim("exp", Value::Null), Err(Claims)),
        ("good_from_now_on", date("nbf", 0), Ok(())),
        ("good_in_60_seconds_by_a_clock_that_is_ahead", date("nbf", 60), Ok(())),
        ("good_in_61_seconds", date("nbf", 61), Err(NotYetValid { nbf: at(61), now: NOW })),
        ("nbf_null", claim("nbf", Value::Null), Err(Claims)),
    ];
    for (name, claims, want) in cases {
        assert_eq!(outcome(&client.sign(&client.header(), &claims), &REQUEST), want, "{name}");
    }
}

#[test]
fn a_request_whose_own_uri_is_none_matches_no_proof() {
    let client = Client::new();
    let proof = client.sign(&client.header(), &with(claims(), "htu", json!("/orders")));
    assert_eq!(outcome(&proof, &DpopRequest { uri: "/orders", ..REQUEST }), Err(DpopRejection::Uri));
}

#[test]
fn the_nonce_must_be_one_that_the_server_gave() {
    let client = Client::new();
    let proof = |nonce: Option<Value>| client.sign(&client.header(), &with(claims(), "nonce", nonce));
    let cases = [
        ("current", Some(json!("new")), Ok(())),
        ("previous", Some(json!("old")), Ok(())),
        ("unknown", Some(json!("older")), Err(DpopRejection::Nonce)),
        ("empty", Some(json!("")), Err(DpopRejection::Nonce)),
        ("missing", None, Err(DpopRejection::Nonce)),
        ("number", Some(json!(1)), Err(DpopRejection::Claims)),
    ];
    let request = DpopRequest { nonce: DpopNonce::OneOf(&["new", "old"]), ..REQUEST };
    for (name, nonce, want) in cases {
        assert_eq!(outcome(&proof(nonce), &request), want, "{name}");
    }
    let nothing_given = DpopRequest { nonce: DpopNonce::OneOf(&[]), ..REQUEST };
    assert_eq!(outcome(&proof(Some(json!("new"))), &nothing_given), Err(DpopRejection::Nonce));
}

#[test]
fn a_nonce_may_say_when_a_proof_was_made_and_other_dates_still_count() {
    let client = Client::new();
    let at = |offset: i64| json!(NOW.as_secs() + offset);
    let claims = |iat: i64| with(with(claims(), "nonce", json!("new")), "iat", at(iat));
    let nonce = DpopNonce::InsteadOfIat { nonces: &["new"], taken_for: Duration::from_secs(360) };
    let request = DpopRequest { nonce, ..REQUEST };
    let verify = |claims: Value| verifier().verify(&client.sign(&client.header(), &claims), &request, NOW);
    for iat in [-3600, 0, 3600] {
        let proof = verify(claims(iat)).unwrap();
        // It could be shown again for as long as its nonce is taken, whatever it says.
        assert_eq!(proof.forget_after, NOW.saturating_add(Duration::from_secs(360)), "{iat}");
    }
    assert!(matches!(verify(with(claims(0), "exp", at(0))), Err(DpopRejection::Expired { .. })));
    assert!(matches!(verify(with(claims(0), "nbf", at(300))), Err(DpopRejection::NotYetValid { .. })));
    assert_eq!(verify(with(claims(0), "iat", None)), Err(DpopRejection::Claims));
    assert_eq!(verify(with(claims(0), "nonce", json!("old"))), Err(DpopRejection::Nonce));
    let beside_iat = DpopRequest { nonce: DpopNonce::OneOf(&["new"]), ..REQUEST };
    let stale = outcome(&client.sign(&client.header(), &claims(-3600)), &beside_iat);
    assert!(matches!(stale, Err(DpopRejection::Stale { .. })));
}

#[test]
fn a_proof_is_for_one_access_token() {
    let client = Client::new();
    let proof =
        |ath: Option<&str>| client.sign(&client.header(), &with(claims(), "ath", ath.map(|ath| json!(ath))));
    let cases = [
        ("rfc_9449_figure_12", Some("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"), Ok(())),
        (
            "another_token",
            Some("gUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"),
            Err(DpopRejection::AccessToken),
        ),
        ("the_token_itself", Some(TOKEN), Err(DpopRejection::AccessToken)),
        ("empty", Some(""), Err(DpopRejection::AccessToken)),
        ("missing", None, Err(DpopRejection::AccessToken)),
    ];
    let request = DpopRequest { access_token: Some(TOKEN), ..REQUEST };
    for (name, ath, want) in cases {
        assert_eq!(outcome(&proof(ath), &request), want, "{name}");
    }
}

#[test]
fn what_the_client_did_not_sign_is_refused() {
    let (client, other) = (Client::new(), Client::new());
    let proof = client.sign(&client.header(), &claims());
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let post = base64url::encode(with(claims(), "htm", json!("POST")).to_string().as_bytes());
    let cases = [
        ("signed_by_another_key", other.sign(&client.header(), &claims()), DpopRejection::Signature),
        ("other_claims", format!("{header}.{post}.{signature}"), DpopRejection::Signature),
        ("no_signature", format!("{input}."), DpopRejection::Signature),
        ("zeros", format!("{input}.{}", base64url::encode(&[0; 64])), DpopRejection::Signature),
        ("two_parts", input.to_owned(), DpopRejection::Malformed),
        ("four_parts", format!("{proof}.{signature}"), DpopRejection::Malformed),
        ("padding", format!("{proof}=="), DpopRejection::Malformed),
        ("two_proofs", format!("{proof}, {proof}"), DpopRejection::Malformed),
        ("empty", String::new(), DpopRejection::Malformed),
        ("dots", "..".to_owned(), DpopRejection::Malformed),
        ("header_array", client.sign(&json!(["dpop+jwt", "ES256"]), &claims()), DpopRejection::Malformed),
        ("payload_array", client.sign(&client.header(), &json!(["GET"])), DpopRejection::Malformed),
        (
            "too_long",
            client.sign(&client.header(), &with(claims(), "x", json!("x".repeat(MAX_PROOF)))),
            DpopRejection::Malformed,
        ),
    ];
    for (name, proof, want) in cases {
        assert_eq!(outcome(&proof, &REQUEST), Err(want), "{name}");
    }
}

#[test]
fn only_the_algorithms_of_the_verifier_are_taken_and_never_a_symmetric_one() {
    let client = Client::new();
    let proof = client.sign(&client.header(), &claims());
    let only = DpopVerifier::new([Alg::EdDSA]);
    assert_eq!(only.verify(&proof, &REQUEST, NOW).err(), Some(DpopRejection::Alg));
    assert_eq!(DpopVerifier::new([Alg::HS256, Alg::ES256]).algs(), [Alg::ES256]);
}

#[test]
fn the_window_is_the_verifiers_up_to_five_minutes() {
    let client = Client::new();
    let proof = client.sign(&client.header(), &claims());
    let at = |window: u64, later: u64| {
        let now = NOW.saturating_add(Duration::from_secs(later));
        verifier().with_window(Duration::from_secs(window)).verify(&proof, &REQUEST, now).is_ok()
    };
    assert!(at(10, 9) && !at(10, 10));
    assert!(at(3600, 299) && !at(3600, 300));
}

//! DPoP proofs: one is believed only if it was signed, for this request and now.

use std::sync::LazyLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use gatepass_jose::{Alg, Jwk, Limits, Timestamp, base64url};
use gatepass_token::{DpopNonce, DpopProof, DpopRejection, DpopRequest, DpopVerifier};

use crate::bounds::bounded;
use crate::keys;
use crate::naive::Json;

/// The proof that was signed; there is no other. An Ed25519 signature is the same every time.
pub static SIGNED: LazyLock<String> =
    LazyLock::new(|| sign(&good_header(), &good_payload(&format!("\"{URI}\""))));
/// When proofs are looked at.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// What the server told clients to use.
pub const NONCE: &str = "nonce-1";
/// The access token of the request; its digest must be in the proof.
pub const ACCESS_TOKEN: &str = "gp-access-token";
const URI: &str = "https://api.example.com/orders";
const WINDOW: f64 = 60.0;

static VERIFIER: LazyLock<DpopVerifier> = LazyLock::new(|| DpopVerifier::new(Alg::all()));

/// Takes `data` for a proof; or, where it begins with a brace, for a header and a payload with a line break
/// between, of which a proof is made that is signed; or, where it begins with `http`, for two URIs.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    match text.split_once('\n') {
        Some((header, payload)) if header.starts_with('{') => check_signed(header, payload),
        Some((one, other)) if one.starts_with("http") => check_uris(one, other),
        _ => check_text(text),
    }
}

fn verify(proof: &str, uri: &str) -> Result<DpopProof, DpopRejection> {
    let nonce = DpopNonce::OneOf(&[NONCE, "nonce-0"]);
    let request = DpopRequest { method: "POST", uri, access_token: Some(ACCESS_TOKEN), nonce };
    bounded(proof.len() + uri.len(), || VERIFIER.verify(proof, &request, NOW))
}

fn check_text(proof: &str) -> bool {
    let accepted = verify(proof, URI).is_ok();
    assert!(!accepted || proof == *SIGNED, "a proof was believed that nobody signed");
    accepted
}

fn check_signed(header: &str, payload: &str) -> bool {
    let Ok(proof) = verify(&sign(header, payload), URI) else { return false };
    let header = Json::parse(header.as_bytes()).expect("it was read");
    let claims = Json::parse(payload.as_bytes()).expect("it was read");
    assert!([&header, &claims].iter().all(|json| json.is_strict(&Limits::DEFAULT)));
    assert!(matches!(header.text("alg"), Some("EdDSA" | "Ed25519")));
    assert!(header.text("typ").is_some_and(|typ| typ.to_ascii_lowercase().ends_with("dpop+jwt")));
    assert!(header.find("crit").is_none() && header.find("b64").is_none());
    assert_eq!(proof.jkt, public_jwk().thumbprint(), "the thumbprint is the signer's");
    assert_eq!(claims.text("htm"), Some("POST"));
    assert_eq!(claims.text("jti"), Some(proof.jti.as_str()));
    assert!((1..=256).contains(&proof.jti.len()));
    assert!(matches!(claims.text("nonce"), Some(NONCE | "nonce-0")));
    assert_eq!(claims.text("ath").map(str::len), Some(43));
    let iat = claims.number("iat").expect("it was read");
    assert!((iat - NOW.as_secs() as f64).abs() < WINDOW + 0.002, "{iat} is not now");
    assert!(proof.forget_after > NOW && proof.forget_after > proof.iat);
    true
}

/// Whether two URIs are one target does not depend on which of them is asked.
fn check_uris(one: &str, other: &str) -> bool {
    let is_proof_for = |htu: &str, uri: &str| {
        let htu = serde_json::to_string(htu).expect("a string");
        verify(&sign(&good_header(), &good_payload(&htu)), uri).is_ok()
    };
    let same = is_proof_for(one, other);
    assert_eq!(same, is_proof_for(other, one));
    if same {
        assert!(is_proof_for(one, one) && is_proof_for(other, other));
        let scheme = |uri: &str| uri.split(':').next().map(str::to_ascii_lowercase);
        assert_eq!(scheme(one), scheme(other));
    }
    same
}

/// A header for the key `ed`.
#[must_use]
pub fn good_header() -> String {
    let jwk = serde_json::to_string(&public_jwk()).expect("it can be written");
    format!(r#"{{"typ":"dpop+jwt","alg":"EdDSA","jwk":{jwk}}}"#)
}

/// Claims for the URI that is given as JSON.
#[must_use]
pub fn good_payload(htu: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, ACCESS_TOKEN.as_bytes());
    let ath = base64url::encode(digest.as_ref());
    let iat = NOW.as_secs();
    format!(r#"{{"jti":"1","htm":"POST","htu":{htu},"iat":{iat},"nonce":"{NONCE}","ath":"{ath}"}}"#)
}

fn public_jwk() -> Jwk {
    let mut jwk = keys::signing("ed").public_jwk().expect("a key pair");
    (jwk.kid, jwk.key_use, jwk.alg) = (None, None, None);
    jwk
}

/// Signs whatever is given with the key `ed`.
#[must_use]
pub fn sign(header: &str, payload: &str) -> String {
    static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
        let document = keys::signing("ed").to_private_bytes().expect("a key pair");
        Ed25519KeyPair::from_pkcs8(&document).expect("a sound key")
    });
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = base64url::encode(KEY.sign(input.as_bytes()).as_ref());
    format!("{input}.{signature}")
}

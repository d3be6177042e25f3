//! Keys as JSON: what is accepted is sound, is written back as the same key, and is either public or private.

use gatepass_jose::jwe::{DecryptionKey, EncryptionKey};
use gatepass_jose::{
    Alg, Jwk, JwkAlg, JwkSet, KeySet, KeyUse, Limits, PrivateJwk, PrivateJwkSet, PublicParams, SigningKey,
    VerifyingKey, jws,
};

use crate::bounds::bounded;
use crate::naive::Json;

/// Takes `data` for a key and for a set of keys.
pub fn check(data: &[u8]) -> bool {
    let len = data.len();
    let public = bounded(len, || Jwk::parse(data)).ok();
    let private = bounded(len, || PrivateJwk::parse(data)).ok();
    assert!(public.is_none() || private.is_none(), "a key is public or private");
    public.iter().for_each(check_public);
    private.iter().for_each(check_private);
    check_set_of(data, public.as_ref());

    let set = bounded(len, || JwkSet::parse(data)).ok();
    if let Some(set) = &set {
        set.keys.iter().for_each(check_public);
        let written = serde_json::to_vec(set).expect("it can be written");
        assert_eq!(JwkSet::parse(&written).as_ref(), Ok(set));
        assert!(KeySet::from_jwks(set, &every_alg()).keys().len() <= set.keys.len());
    }
    let private_set = bounded(len, || PrivateJwkSet::parse(data)).ok();
    if let Some(set) = &private_set {
        set.keys.iter().for_each(check_private);
        let again = PrivateJwkSet::parse(set.to_json().as_bytes()).expect("what was written is read");
        assert_eq!(again.to_json(), set.to_json());
    }
    public.is_some()
        || private.is_some()
        || set.is_some_and(|set| !set.keys.is_empty())
        || private_set.is_some_and(|set| !set.keys.is_empty())
}

/// What must hold of every public key that was accepted.
pub fn check_public(jwk: &Jwk) {
    let written = serde_json::to_vec(jwk).expect("it can be written");
    let again = Jwk::parse(&written).expect("what was written is read");
    // The algorithm of an `AKP` key is part of the key, and written where nobody said it.
    let own_alg = if let PublicParams::Akp { alg, .. } = jwk.key { Some(alg.into()) } else { None };
    assert_eq!(again, Jwk { alg: own_alg.or(jwk.alg), ..jwk.clone() });
    assert_eq!(again.thumbprint(), jwk.thumbprint());
    assert!(PrivateJwk::parse(&written).is_err(), "nothing private in it");

    let verifying = VerifyingKey::from_jwk(jwk, &every_alg());
    if let Some(JwkAlg::Signature(alg)) = jwk.alg {
        assert_eq!(verifying.expect("a sound key verifies").alg(), alg);
    } else if verifying.is_ok() {
        assert!(jwk.alg.is_none() && jwk.key_use != Some(KeyUse::Enc), "a key does what it is for");
    }
    let encrypting = EncryptionKey::from_jwk(jwk, None);
    assert_eq!(encrypting.is_ok(), matches!(jwk.alg, Some(JwkAlg::KeyManagement(_))), "{encrypting:?}");
}

/// What must hold of every private key and secret that was accepted.
pub fn check_private(jwk: &PrivateJwk) {
    let written = jwk.to_json();
    let mut again = PrivateJwk::parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(again.to_json(), written);
    assert_eq!(again.thumbprint(), jwk.thumbprint());
    assert_eq!(again.public(), jwk.public());
    // A name is anybody's to choose, even the secret itself.
    again.kid = None;
    let shown = format!("{again:?}");
    let members = Json::parse(written.as_bytes()).expect("it is JSON");
    for name in ["d", "k", "p", "q", "dp", "dq", "qi", "priv"] {
        let secret = members.text(name).unwrap_or_default();
        assert!(secret.len() < 16 || !shown.contains(secret), "{name} is shown");
    }
    if let Some(public) = jwk.public() {
        assert_eq!(public.thumbprint(), jwk.thumbprint());
        // `key_ops` of a private key are not those of its public half, which may be left with none.
        if jwk.alg.is_none() || public.key_use.is_some() {
            check_public(&public);
        }
    }
    check_use(jwk);
}

/// What a private key does, its public half undoes.
fn check_use(jwk: &PrivateJwk) {
    if let Ok(key) = SigningKey::from_jwk(jwk, None) {
        let signed = jws::Draft::new(b"payload").sign(&key).expect("a sound key signs");
        let keys = KeySet::new(vec![key.verifying_key().expect("a sound key has a public half")]);
        // A name may be as long as the input, and so longer than a header usually is.
        let limits = Limits { token_bytes: usize::MAX, header_bytes: usize::MAX, ..Limits::DEFAULT };
        let verifier = jws::Verifier::new(keys).with_limits(limits);
        let verified = verifier.verify(&signed.compact().expect("it is encoded"));
        assert_eq!(verified.expect("it was signed").payload(), b"payload");
    }
    if let Ok(key) = DecryptionKey::from_jwk(jwk, None) {
        let public = key.encryption_key().expect("a sound key has a public half");
        assert_eq!((public.alg(), public.kid()), (key.alg(), key.kid()));
    }
}

/// In a set a key is what it is alone.
fn check_set_of(data: &[u8], alone: Option<&Jwk>) {
    // A set stands one key two levels deeper.
    if !Json::parse(data).is_some_and(|json| json.depth() < 14 && matches!(json, Json::Object(_))) {
        return;
    }
    let set = [b"{\"keys\":[", data, b"]}"].concat();
    match JwkSet::parse(&set) {
        Ok(set) => assert_eq!(set.keys.first(), alone, "a key means the same in a set"),
        Err(_) => assert!(alone.is_none(), "a good key does not spoil a set"),
    }
}

fn every_alg() -> Vec<Alg> {
    Alg::all().collect()
}

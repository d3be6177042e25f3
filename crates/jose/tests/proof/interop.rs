//! Round trips with libraries that others wrote, in both directions, for every algorithm both sides have. Keys
//! travel as JWK.
//!
//! `cargo xtask tools` installs the peers that are not Rust. Where they are missing their tests say so and pass,
//! unless `CI` is set or the environment names a place for them: then they were promised, and their absence fails.

mod jsonwebtoken;
mod peer;

use std::collections::BTreeSet;

use gatepass_jose::jwe::{
    ContentEncryption, Decrypter, DecryptionKey, DecryptionKeys, Encrypter, KeyManagement,
};
use gatepass_jose::{Alg, Curve, KeySet, PrivateJwk, SecretKey, SigningKey, base64url, jws};
use serde_json::{Value, json};

use self::jsonwebtoken::JsonWebToken;
use self::peer::{Peer, Process};

/// What is signed: claims, because some peers sign nothing else.
const PAYLOAD: &[u8] = br#"{"sub":"alice"}"#;
const PLAINTEXT: &[u8] = "“Attack at dawn”".as_bytes();

#[test]
fn round_trips_with_pyjwt() {
    let Some(mut peer) = Process::python("jose_pyjwt.py") else { return };
    signatures(&mut peer, &["Ed25519"]);
}

#[test]
fn round_trips_with_joserfc() {
    let Some(mut peer) = Process::python("jose_joserfc.py") else { return };
    signatures(&mut peer, &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]);
    signature_forms(&mut peer);
    encryption(&mut peer, &["RSA-OAEP-384", "RSA-OAEP-512"]);
    encryption_forms(&mut peer);
}

#[test]
fn round_trips_with_npm_jose() {
    let Some(mut peer) = Process::node("jose_npm.mjs") else { return };
    // Node has ML-DSA from version 24 on.
    signatures(&mut peer, &["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]);
    signature_forms(&mut peer);
    encryption(&mut peer, &[]);
    encryption_forms(&mut peer);
}

#[test]
fn round_trips_with_jsonwebtoken() {
    signatures(&mut JsonWebToken, &["ES512", "Ed25519", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]);
}

/// Every signature algorithm but those that the peer `may_lack`, in the compact serialization.
fn signatures(peer: &mut impl Peer, may_lack: &[&str]) {
    let theirs = names(peer, "sign");
    let mut round_trips = 0;
    for alg in Alg::all() {
        if !theirs.contains(alg.name()) {
            assert!(may_lack.contains(&alg.name()), "the peer has no {alg}");
            continue;
        }
        let key = SigningKey::generate(alg, Some("k1")).unwrap();
        let signed = jws::Draft::new(PAYLOAD).sign(&key).unwrap();
        signature_round_trip(peer, "compact", &key, json!(signed.compact().unwrap()));
        round_trips += 1;
    }
    println!("{round_trips} signature algorithms, both ways");
}

fn signature_forms(peer: &mut impl Peer) {
    let key = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let signed = jws::Draft::new(PAYLOAD).sign(&key).unwrap();
    let forms = [("flattened", signed.flattened().unwrap()), ("general", signed.general())];
    for (form, token) in forms {
        signature_round_trip(peer, form, &key, serde_json::from_str(&token).unwrap());
    }
}

/// The peer reads `token`, which is ours; and we read what the peer makes with the same key.
fn signature_round_trip(peer: &mut impl Peer, form: &str, key: &SigningKey, token: Value) {
    let alg = key.alg();
    let private = value(&key.to_jwk().unwrap());
    let public = key.public_jwk().map_or_else(|| private.clone(), |jwk| serde_json::to_value(jwk).unwrap());
    let read = peer.ask(&json!({ "op": "verify", "form": form, "alg": alg, "key": public, "token": token }));
    assert_eq!(read["payload"], base64url::encode(PAYLOAD), "{alg} {form}: {read}");

    let payload = base64url::encode(PAYLOAD);
    let made =
        peer.ask(&json!({ "op": "sign", "form": form, "alg": alg, "key": private, "payload": payload }));
    let verifier = jws::Verifier::new(KeySet::new(vec![key.verifying_key().unwrap()]));
    let verified = match made["token"].as_str() {
        Some(compact) => verifier.verify(compact),
        None => verifier.verify_json(made["token"].to_string().as_bytes()),
    };
    let verified = verified.unwrap_or_else(|error| panic!("{alg} {form}: {error}: {made}"));
    // A peer may write the claims with other white space.
    assert_eq!(json_of(verified.payload()), json_of(PAYLOAD), "{alg} {form}");
}

/// Every way to manage a key with every content encryption, but those that the peer `may_lack`.
fn encryption(peer: &mut impl Peer, may_lack: &[&str]) {
    let (manages, encrypts) = (names(peer, "manage"), names(peer, "content"));
    let mut round_trips = 0;
    for alg in KeyManagement::all() {
        if !manages.contains(alg.name()) {
            assert!(may_lack.contains(&alg.name()), "the peer has no {alg}");
            continue;
        }
        for enc in ContentEncryption::all() {
            assert!(encrypts.contains(enc.name()), "the peer has no {enc}");
            for key in keys(alg, enc) {
                encryption_round_trip(peer, "compact", &key, enc);
                round_trips += 1;
            }
        }
    }
    println!("{round_trips} pairs of key management and content encryption, both ways");
}

fn encryption_forms(peer: &mut impl Peer) {
    let key = DecryptionKey::generate(KeyManagement::A256KW, None, Some("k1")).unwrap();
    for form in ["flattened", "general"] {
        encryption_round_trip(peer, form, &key, ContentEncryption::A256GCM);
    }
}

/// A key of every type that `alg` takes.
fn keys(alg: KeyManagement, enc: ContentEncryption) -> Vec<DecryptionKey> {
    let generate = |curve| DecryptionKey::generate(alg, curve, Some("k1"));
    let password = SecretKey::new("correct horse battery staple");
    let key = match alg {
        KeyManagement::Dir => DecryptionKey::generate_direct(enc, Some("k1")),
        KeyManagement::Pbes2Hs256A128KW | KeyManagement::Pbes2Hs512A256KW => {
            DecryptionKey::from_password(alg, "k1", &password)
        }
        _ => generate(None),
    };
    let on_curves = Curve::all().filter_map(|curve| generate(Some(curve)).ok());
    let keys: Vec<_> = key.into_iter().chain(on_curves).collect();
    assert!(!keys.is_empty(), "no key for {alg}");
    keys
}

/// The peer reads what we encrypt, and we what the peer encrypts for the same key.
fn encryption_round_trip(peer: &mut impl Peer, form: &str, key: &DecryptionKey, enc: ContentEncryption) {
    let alg = key.alg();
    let jwk = key.to_jwk().unwrap();
    let private = bare(&jwk);
    let public = jwk.public().map_or_else(|| private.clone(), |_| public_members(&private));
    let encryption_key = key.encryption_key().unwrap();
    let encryption_key = encryption_key.clone().with_iterations(1000).unwrap_or(encryption_key);
    let (encrypter, case) = (Encrypter::new(enc), format!("{alg} {enc} {form} {}", public["crv"]));
    let token = match form {
        "compact" => json!(encrypter.encrypt(PLAINTEXT, &encryption_key).unwrap()),
        "flattened" => {
            json_of(encrypter.json().to(&encryption_key).encrypt_flattened(PLAINTEXT).unwrap().as_bytes())
        }
        _ => json_of(encrypter.json().to(&encryption_key).encrypt_general(PLAINTEXT).unwrap().as_bytes()),
    };
    let ask =
        json!({ "op": "decrypt", "form": form, "alg": alg, "enc": enc, "key": private, "token": token });
    let read = peer.ask(&ask);
    assert_eq!(read["plaintext"], base64url::encode(PLAINTEXT), "{case}: {read}");

    let plaintext = base64url::encode(PLAINTEXT);
    let ask = json!({ "op": "encrypt", "form": form, "alg": alg, "enc": enc, "key": public, "plaintext": plaintext });
    let made = peer.ask(&ask);
    let decrypter = Decrypter::new(DecryptionKeys::new(vec![key.clone()]), &[enc]);
    let decrypted = match made["token"].as_str() {
        Some(compact) => decrypter.decrypt(compact),
        None => decrypter.decrypt_json(made["token"].to_string().as_bytes()),
    };
    let decrypted = decrypted.unwrap_or_else(|error| panic!("{case}: {error}: {made}"));
    assert_eq!(decrypted.plaintext(), PLAINTEXT, "{case}");
}

fn names(peer: &mut impl Peer, kind: &str) -> BTreeSet<String> {
    serde_json::from_value(peer.ask(&json!({ "op": "algs" }))[kind].clone()).unwrap()
}

fn value(jwk: &PrivateJwk) -> Value {
    json_of(jwk.to_json().as_bytes())
}

/// The key without `alg`: for `dir` ours names the content encryption, which not every peer expects.
fn bare(jwk: &PrivateJwk) -> Value {
    let mut jwk = value(jwk);
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

fn public_members(jwk: &Value) -> Value {
    let members =
        ["kty", "kid", "crv", "x", "y", "n", "e", "use"].map(|name| (name.to_owned(), jwk[name].clone()));
    members.into_iter().filter(|(_, member)| !member.is_null()).collect::<serde_json::Map<_, _>>().into()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

//! Writes the seeds that are signed or encrypted. The others are written by hand.

use std::fs;

use gatepass_fuzz::{dpop, jwe, jwe_json, jws, jwt, keys};
use gatepass_jose::jwe::{ContentEncryption, DecryptionKey, Encrypter, EncryptionKey};
use gatepass_jose::{Audience, RegisteredClaims, SigningKey, Timestamp, Typ};
use serde_json::{Value, json};

use super::folder;

fn write(name: &str, seed: impl AsRef<[u8]>) {
    fs::write(folder().join(name), seed).unwrap();
}

#[test]
#[ignore = "writes into seeds/: for a change of the keys or of what is signed"]
fn write_seeds() {
    write_tokens();
    write_signed();
    write_encrypted();
    write_keys();
    write_proofs();
}

fn write_tokens() {
    let claims = RegisteredClaims {
        iss: jwt::ISSUER.to_owned(),
        aud: Audience::new([jwt::AUDIENCE]).unwrap(),
        exp: Timestamp::from_secs(jwt::NOW.as_secs() + 900).into(),
        nbf: None,
    };
    for (kid, name) in [("hs", "hs256"), ("ec", "es256"), ("ed", "eddsa"), ("rsa", "rs256")] {
        let token = gatepass_jose::jwt::sign(&Typ::ACCESS_TOKEN, &claims, keys::signing(kid)).unwrap();
        write(&format!("jwt/accepted-{name}"), token);
    }
}

fn write_signed() {
    let draft = |payload: &'static [u8]| gatepass_jose::jws::Draft::new(payload);
    let [hs, ec, ed] = ["hs", "ec", "ed"].map(keys::signing);
    let [of_hs, of_ec, of_ed, empty] = jws::COMPACT.map(|(payload, _)| payload);
    write("jws/accepted-hs256", draft(of_hs).with_cty("text/plain").sign(hs).unwrap().compact().unwrap());
    write("jws/accepted-es256", draft(of_ec).with_typ(Typ::new("x")).sign(ec).unwrap().compact().unwrap());
    write("jws/accepted-unencoded", draft(of_ed).unencoded().sign(ed).unwrap().compact().unwrap());
    write("jws/accepted-empty", draft(empty).sign(ed).unwrap().compact().unwrap());
    let [detached, unencoded] = jws::DETACHED.map(|(payload, _)| payload);
    write("jws/accepted-detached", draft(detached).sign(ed).unwrap().detached().unwrap());
    write(
        "jws/accepted-detached-unencoded",
        draft(unencoded).unencoded().sign(hs).unwrap().detached().unwrap(),
    );

    let flattened = draft(of_hs).sign(ec).unwrap().flattened().unwrap();
    write("jws_json/accepted-flattened", flattened);
    let general = draft(of_ec).sign(ec).unwrap().and_sign(ed).unwrap().and_sign(hs).unwrap().general();
    write("jws_json/accepted-general", &general);
    let stranger = SigningKey::generate(gatepass_jose::Alg::ES256, Some("stranger")).unwrap();
    let mixed = draft(of_ec).sign(&stranger).unwrap().and_sign(ed).unwrap().general();
    write("jws_json/accepted-beside-a-stranger", mixed);
    let unencoded = draft(of_ed).unencoded().sign(hs).unwrap().and_sign(ed).unwrap().general();
    write("jws_json/accepted-unencoded", unencoded);
    let mut document: Value = serde_json::from_str(&general).unwrap();
    document["signatures"][0]["signature"] = document["signatures"][1]["signature"].clone();
    write("jws_json/refused-spoilt", document.to_string());
}

fn decryption(kid: &str) -> &'static DecryptionKey {
    keys::DECRYPTION.iter().find(|key| key.kid() == kid).unwrap()
}

fn encryption(kid: &str) -> EncryptionKey {
    let key = decryption(kid).encryption_key().unwrap();
    match kid {
        "password" => key.with_iterations(1000).unwrap(),
        "ecdh" => key.with_parties(b"Alice", b"Bob").unwrap(),
        _ => key,
    }
}

fn write_encrypted() {
    let names = [
        ("dir", "dir", ContentEncryption::A256GCM),
        ("a256kw", "a256kw", ContentEncryption::A128CbcHs256),
        ("a128gcmkw", "gcmkw", ContentEncryption::A192GCM),
        ("rsa-oaep-256", "rsa", ContentEncryption::A256CbcHs512),
        ("ecdh-es", "x25519", ContentEncryption::A128GCM),
        ("ecdh-es-a128kw", "ecdh", ContentEncryption::A192CbcHs384),
        ("pbes2", "password", ContentEncryption::A128GCM),
        ("compressed", "dir", ContentEncryption::A256GCM),
    ];
    for ((plaintext, _), (name, kid, enc)) in jwe::MESSAGES.into_iter().zip(names) {
        let encrypter = Encrypter::new(enc).with_typ(Typ::new("JWE")).with_cty("text/plain");
        let encrypter = if name == "compressed" { encrypter.with_compression() } else { encrypter };
        write(&format!("jwe/accepted-{name}"), encrypter.encrypt(plaintext, &encryption(kid)).unwrap());
    }

    let all = ["a256kw", "gcmkw", "rsa", "ecdh", "password"].map(encryption);
    let encrypter = Encrypter::new(ContentEncryption::A128GCM).with_cty("text/plain");
    let mut general = encrypter.json().with_unprotected(&json!({ "note": "for all" })).with_aad(b"readable");
    for key in &all {
        general = general.to_with(key, &json!({ "for": key.kid() }));
    }
    write("jwe_json/accepted-general", general.encrypt_general(jwe_json::PLAINTEXT).unwrap());
    let compressing = Encrypter::new(ContentEncryption::A128CbcHs256).with_compression();
    let several = compressing.json().to(&all[0]).to(&all[1]).encrypt_general(jwe_json::PLAINTEXT).unwrap();
    write("jwe_json/accepted-compressed", &several);
    let single = encryption("x25519");
    let flattened = encrypter.json().to(&single).with_aad(b"readable");
    write("jwe_json/accepted-flattened", flattened.encrypt_flattened(jwe_json::PLAINTEXT).unwrap());
    let mut document: Value = serde_json::from_str(&several).unwrap();
    document["tag"] = "AAAAAAAAAAAAAAAAAAAAAA".into();
    write("jwe_json/refused-tag", document.to_string());
}

fn write_keys() {
    let mut set = Vec::new();
    for key in keys::SIGNING.iter() {
        let jwk = key.to_jwk().unwrap();
        write(&format!("jwk/accepted-private-{}", key.kid()), jwk.to_json());
        if let Some(public) = jwk.public() {
            let text = serde_json::to_string(&public).unwrap();
            write(&format!("jwk/accepted-public-{}", key.kid()), &text);
            set.push(serde_json::to_value(&public).unwrap());
            write(&format!("pem/accepted-spki-{}", key.kid()), public.to_spki_pem().unwrap());
            write(&format!("pem/accepted-spki-der-{}", key.kid()), public.to_spki_der().unwrap());
            write(&format!("pem/accepted-pkcs8-{}", key.kid()), jwk.to_pkcs8_pem().unwrap());
            write(&format!("pem/accepted-pkcs8-der-{}", key.kid()), jwk.to_pkcs8_der().unwrap());
        }
    }
    write("jwk/accepted-set", json!({ "keys": set }).to_string());
    for kid in ["x25519", "a256kw", "dir"] {
        write(&format!("jwk/accepted-private-{kid}"), decryption(kid).to_jwk().unwrap().to_json());
    }
    let [one, other] = ["ed", "hs"].map(|kid| keys::signing(kid).to_jwk().unwrap().to_json());
    write("jwk/accepted-private-set", format!("{{\"keys\":[{},{}]}}", *one, *other));
    let x25519 = decryption("x25519").to_jwk().unwrap();
    write("jwk/accepted-public-x25519", serde_json::to_string(&x25519.public().unwrap()).unwrap());
    write("pem/accepted-pkcs8-x25519", x25519.to_pkcs8_pem().unwrap());
    write("pem/accepted-spki-x25519", x25519.public().unwrap().to_spki_pem().unwrap());
}

fn write_proofs() {
    let payload = dpop::good_payload("\"https://api.example.com/orders\"");
    write("dpop/accepted-signed", format!("{}\n{payload}", dpop::good_header()));
    write("dpop/accepted-eddsa", dpop::SIGNED.as_str());
}

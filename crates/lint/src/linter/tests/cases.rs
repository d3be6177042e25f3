//! The examples of rules that are in words, as inputs.

use std::collections::BTreeMap;

use gatepass_jose::{Alg, Jwk, RsaSize, SigningKey, base64url};
use serde_json::json;

use super::*;

/// Where a rule speaks and where it is silent, for the rules whose examples are in words.
pub(super) fn all() -> BTreeMap<&'static str, (Input, Input)> {
    const KEY: [u8; 3] = [1, 0, 1];
    let good = || token(HEADER, CLAIMS);
    let rs256 = HEADER.replace("ES256", "RS256");
    let key = SigningKey::generate(Alg::ES256, Some("k-2026")).unwrap();
    let rsa_key = SigningKey::generate_rsa(Alg::RS256, Some("mBtsoWUmPQqF"), RsaSize::Bits3072).unwrap();
    let jwk: Jwk = rsa_key.public_jwk().unwrap();
    let gatepass_jose::PublicParams::Rsa { n, .. } = &jwk.key else { panic!("an RSA key") };
    let modulus = base64url::decode(n).unwrap();
    let altered = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        format!("{}.{}.{}", parts[0], base64url::encode(filled(5).as_bytes()), parts[2])
    };
    let roca = || {
        // 65537^192 by repeated multiplication with 2^16 + 1.
        (0..192).fold(vec![1_u8], |number, _| {
            let shifted = [number.as_slice(), &[0, 0]].concat();
            let mut carry = 0;
            let mut sum: Vec<u8> = shifted
                .iter()
                .rev()
                .zip(number.iter().rev().chain(std::iter::repeat(&0)))
                .map(|(a, b)| {
                    let sum = u16::from(*a) + u16::from(*b) + carry;
                    carry = sum >> 8;
                    sum as u8
                })
                .collect();
            sum.reverse();
            sum
        })
    };
    let halves = |r: u8, s: u8| [[r; 32], [s; 32]].concat();
    let other_claims = CLAIMS.replace("u_1", "u_2").replace("AaIB", "BbIB");
    let log = |text: String| Input::Text(Some(Kind::Log), text);
    BTreeMap::from([
        ("GP100", (one(format!("{}.x", good())), one(good()))),
        ("GP123", (one(format!("{}==", good())), one(good()))),
        ("GP127", (one(with_signature(HEADER, CLAIMS, b"")), one(good()))),
        ("GP128", (one(with_signature(HEADER, CLAIMS, &[0x30; 71])), one(good()))),
        ("GP129", (one(with_signature(HEADER, CLAIMS, &halves(7, 0))), one(good()))),
        (
            "GP130",
            (
                Input::Tokens(vec![token(HEADER, CLAIMS), token(&rs256, &other_claims)]),
                Input::Tokens(vec![token(HEADER, CLAIMS), token(HEADER, &other_claims)]),
            ),
        ),
        (
            "GP131",
            (
                Input::Tokens(vec![good(), with_signature(HEADER, CLAIMS, &[7; 64])]),
                Input::Tokens(vec![good(), good(), token(HEADER, &other_claims)]),
            ),
        ),
        (
            "GP132",
            (
                one(json!({"payload": "e30", "protected": "e30", "header": {"alg": "ES256"}, "signature": "c2ln"}).to_string()),
                one(json!({"payload": "e30", "protected": base64url::encode(HEADER.as_bytes()), "signature": "c2ln"}).to_string()),
            ),
        ),
        ("GP203", (rsa(&[0xff; 128], &KEY), rsa(&modulus, &KEY))),
        ("GP204", (rsa(&[0xff; 256], &KEY), rsa(&modulus, &KEY))),
        ("GP205", (rsa(&roca(), &KEY), rsa(&modulus, &KEY))),
        ("GP206", (rsa(&modulus, &[1]), rsa(&modulus, &KEY))),
        ("GP207", (rsa(&modulus, &[3]), rsa(&modulus, &KEY))),
        ("GP208", (rsa(&[0xfe; 256], &KEY), rsa(&modulus, &KEY))),
        ("GP218", (Input::Against(good(), set_of(&key)), Input::Against(signed(&key), set_of(&key)))),
        (
            "GP219",
            (Input::Against(hmac_token(b"x"), set_of(&rsa_key)), Input::Against(signed(&rsa_key), set_of(&rsa_key))),
        ),
        (
            "GP220",
            (Input::Against(altered(&signed(&key)), set_of(&key)), Input::Against(signed(&key), set_of(&key))),
        ),
        (
            "GP221",
            (
                Input::Against(hmac_token(jwk.to_spki_pem().unwrap().as_bytes()), set_of(&rsa_key)),
                Input::Against(hmac_token(b"x"), set_of(&rsa_key)),
            ),
        ),
        (
            "GP222",
            (
                Input::Tokens(vec![
                    with_signature(HEADER, CLAIMS, &halves(7, 8)),
                    with_signature(HEADER, &other_claims, &halves(7, 9)),
                ]),
                Input::Tokens(vec![
                    with_signature(HEADER, CLAIMS, &halves(7, 8)),
                    with_signature(HEADER, &other_claims, &halves(6, 8)),
                ]),
            ),
        ),
        (
            "GP223",
            (
                Input::Text(None, "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n".into()),
                Input::Text(None, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4CAQ\n-----END ENCRYPTED PRIVATE KEY-----\n".into()),
            ),
        ),
        (
            "GP412",
            (
                Input::Tokens(vec![good(), token(HEADER, &CLAIMS.replace("u_1", "u_2"))]),
                Input::Tokens(vec![good(), token(HEADER, &other_claims)]),
            ),
        ),
        ("GP601", (one(token(HEADER, &filled(700))), one(token(HEADER, &filled(200))))),
        ("GP602", (one(token(HEADER, &filled(3000))), one(token(HEADER, &filled(700))))),
        ("GP604", (one(token(HEADER, &json!({"photo": "QUJD".repeat(75)}).to_string())), sample(&crate::rule::BLOB.good).unwrap())),
        ("GP605", (one(token(HEADER, &filled(6000))), one(token(HEADER, &filled(3000))))),
        ("GP606", (one(token(&HEADER.replace("mBts", &"mBts".repeat(150)), CLAIMS)), one(good()))),
        ("GP707", (Input::Argument(good()), one(good()))),
        (
            "GP709",
            (
                log(format!("Set-Cookie: s={}; HttpOnly; Secure; SameSite=Lax", token(HEADER, &filled(3200)))),
                log(format!("Set-Cookie: s={}; HttpOnly; Secure; SameSite=Lax", good())),
            ),
        ),
    ])
}

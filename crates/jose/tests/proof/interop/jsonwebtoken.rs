//! The crate `jsonwebtoken`, behind the same questions as the peers in other languages. Private keys reach it as
//! PEM, public ones as JWK.

use gatepass_jose::{PrivateJwk, base64url};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation, decode, encode,
};
use serde_json::{Value, json};

use super::peer::Peer;

pub struct JsonWebToken;

const ALGORITHMS: &[Algorithm] = &[
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

impl Peer for JsonWebToken {
    fn ask(&mut self, request: &Value) -> Value {
        match request["op"].as_str().unwrap() {
            "algs" => json!({ "sign": ALGORITHMS, "manage": [], "content": [] }),
            "sign" => json!({ "token": sign(request) }),
            _ => json!({ "payload": verify(request) }),
        }
    }
}

fn sign(request: &Value) -> String {
    let alg: Algorithm = serde_json::from_value(request["alg"].clone()).unwrap();
    let jwk = PrivateJwk::parse(request["key"].to_string().as_bytes()).unwrap();
    let pem = || jwk.to_pkcs8_pem().unwrap();
    let key = match alg.family() {
        AlgorithmFamily::Hmac => EncodingKey::from_secret(jwk.secret().unwrap().expose()),
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem().as_bytes()).unwrap(),
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem().as_bytes()).unwrap(),
        AlgorithmFamily::Ed => EncodingKey::from_ed_pem(pem().as_bytes()).unwrap(),
    };
    let claims: Value =
        serde_json::from_slice(&base64url::decode(request["payload"].as_str().unwrap()).unwrap()).unwrap();
    encode(&Header { kid: jwk.kid.clone(), ..Header::new(alg) }, &claims, &key).unwrap()
}

fn verify(request: &Value) -> String {
    let alg: Algorithm = serde_json::from_value(request["alg"].clone()).unwrap();
    let key = DecodingKey::from_jwk(&serde_json::from_value(request["key"].clone()).unwrap()).unwrap();
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    let claims: Value = decode(request["token"].as_str().unwrap(), &key, &validation).unwrap().claims;
    base64url::encode(claims.to_string().as_bytes())
}

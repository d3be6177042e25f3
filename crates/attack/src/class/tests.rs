use std::collections::BTreeSet;

use gatepass_jose::{Alg, SigningKey, Typ, jwt};
use serde_json::json;

use super::*;
use crate::attempt::Carried;
use crate::request::RequestShape;
use crate::sender::Bounds;

const ALGS: [Alg; 10] = [
    Alg::MlDsa65,
    Alg::HS256,
    Alg::HS512,
    Alg::RS256,
    Alg::PS512,
    Alg::ES256,
    Alg::ES384,
    Alg::ES512,
    Alg::EdDSA,
    Alg::Ed25519,
];

fn token(key: &SigningKey, audience: &str, jti: &str) -> Token {
    let claims = json!({
        "iss": "https://auth.example.com", "aud": [audience, "https://second.example.com"], "sub": "ada", "jti": jti,
        "exp": 1_795_000_900,
    });
    Token::parse(&jwt::sign(&Typ::ACCESS_TOKEN, &claims, key).unwrap()).unwrap()
}

/// Every variant of every class that can be made for a token of `alg`.
async fn variants(alg: Alg) -> (Token, Vec<(&'static Class, Variants)>) {
    let key = SigningKey::generate(alg, Some("2026-11-a")).unwrap();
    let good = token(&key, "https://api.example.com", "1");
    let second = token(&key, "https://api.example.com", "2");
    let other = token(&key, "https://billing.example.com", "3");
    let signer = Signer::from_jwk(&key.to_jwk().unwrap(), alg.name()).unwrap();
    let public = key
        .public_jwk()
        .map(|jwk| PublicKey::parse_set(serde_json::to_string(&jwk).unwrap().as_bytes()).unwrap().remove(0));
    let own = OwnKey::generate(alg.name()).unwrap();
    let trap = Trap::start(&own, good.kid().as_deref()).await.unwrap();
    let shape = RequestShape::new("GET", &[], &[]).unwrap();
    let now = Timestamp::from_secs(1_795_000_000);
    let forge = |class: &'static Class| match class.forge {
        Forge::Token(forge) => forge(&good),
        Forge::Place(forge) => forge(&good, &shape.place),
        Forge::OwnKey(forge) => forge(&good, &own),
        Forge::Trap(forge) => forge(&good, &own, &trap),
        Forge::SigningKey(forge) => forge(&Mint { token: &good, signer: &signer, now }),
        Forge::SecondToken(forge) => forge(&good, &second),
        Forge::OtherToken(forge) => forge(&other),
        Forge::PublicKey(forge) => match &public {
            Some(public) => forge(&good, public),
            None => Err(NotTested::because("a secret is not published")),
        },
    };
    let made = Class::all().map(|class| (class, forge(class))).collect();
    (good, made)
}

#[test]
fn ids_are_stable_names_that_stand_for_one_class() {
    let mut seen = BTreeSet::new();
    for class in Class::all() {
        assert!(seen.insert(class.id), "{} stands for two classes", class.id);
        assert!(class.id.bytes().all(|byte| byte.is_ascii_lowercase() || b"-0123456789".contains(&byte)));
        assert!(!class.name.is_empty() && !class.means.is_empty());
        assert!(class.reference.contains("RFC") || class.reference.contains("CVE"), "{}", class.id);
        assert_eq!(Class::find(class.id).map(|found| found.name), Some(class.name));
    }
}

#[tokio::test]
async fn every_class_has_variants_for_some_algorithm() {
    let mut with_variants = BTreeSet::new();
    for alg in ALGS {
        let (_, made) = variants(alg).await;
        with_variants.extend(made.iter().filter(|(_, variants)| variants.is_ok()).map(|(class, _)| class.id));
    }
    let missing: Vec<_> =
        Class::all().map(|class| class.id).filter(|id| !with_variants.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn variants_differ_from_the_good_token_and_from_each_other() {
    let place = RequestShape::new("GET", &[], &[]).unwrap().place;
    for alg in ALGS {
        let (good, made) = variants(alg).await;
        let mut requests = 0;
        for (class, attempts) in made {
            let Ok(attempts) = attempts else { continue };
            assert!(!attempts.is_empty(), "{alg} {}: neither variants nor a reason", class.id);
            let (mut names, mut sent) = (BTreeSet::new(), BTreeSet::new());
            for attempt in &attempts {
                let name = format!("{alg} {}: {}", class.id, attempt.variant);
                let values = attempt.values(&place);
                let is_good = values == [place.filled(good.text())] && attempt.query.is_none();
                assert!(!is_good, "{name} is the good token");
                assert!(names.insert(attempt.variant.clone()), "{name} twice");
                let request = (values.clone(), attempt.query.clone(), attempt.form.clone());
                assert!(sent.insert(request), "{name} is the same as another");
                for value in values {
                    http::HeaderValue::from_bytes(value.as_bytes())
                        .unwrap_or_else(|_| panic!("{name} cannot be sent"));
                }
            }
            requests += attempts.len();
        }
        assert!((500..Bounds::default().requests / 2).contains(&requests), "{alg}: {requests} requests");
    }
}

#[tokio::test]
async fn under_a_signing_key_all_that_is_wrong_is_what_is_signed() {
    for alg in [Alg::ES256, Alg::RS256, Alg::HS256] {
        let key = SigningKey::generate(alg, Some("2026-11-a")).unwrap();
        let good = token(&key, "https://api.example.com", "1");
        let signer = Signer::from_jwk(&key.to_jwk().unwrap(), alg.name()).unwrap();
        let verifying = key.verifying_key().unwrap();
        let mint = Mint { token: &good, signer: &signer, now: Timestamp::from_secs(1_795_000_000) };
        for class in Class::all().filter(|class| class.id != "alg-swap") {
            let Forge::SigningKey(forge) = class.forge else { continue };
            for attempt in forge(&mint).unwrap() {
                let [Carried::Token(text)] = attempt.carried.as_slice() else { panic!("{}", class.id) };
                let (input, signature) = text.rsplit_once('.').unwrap();
                let signature = gatepass_jose::base64url::decode(signature).unwrap();
                assert!(
                    verifying.verifies(input.as_bytes(), &signature),
                    "{alg} {} {}",
                    class.id,
                    attempt.variant
                );
            }
        }
    }
}

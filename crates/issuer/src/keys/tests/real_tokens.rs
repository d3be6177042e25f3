//! A thousand rotations with keys that sign, and with verifiers as guards have them: what is published is text, and what
//! they keep of it are key sets.

use std::collections::{BTreeMap, BTreeSet};

use gatepass_jose::{Audience, Issuer, JwkSet, KeySet, SigningKey, Typ, Verifier, jwt};
use gatepass_token::{AccessClaims, AuthorizationDetails, ScopeSet, access_verifier};
use serde_json::json;

use super::*;

const ISSUER: &str = "https://auth.example.com";
const API: &str = "https://api.example.com";
const LIFETIME: u64 = 900;

/// The keys of [`Keys`] with their private halves.
struct Signing {
    keys: Keys,
    private: BTreeMap<String, SigningKey>,
}

impl Signing {
    fn maintain(&mut self, now: Timestamp) {
        self.keys.maintain(now);
        let set: BTreeSet<String> = self.keys.set().into_iter().collect();
        self.private.retain(|kid, _| set.contains(kid));
        for kid in set {
            let made = || SigningKey::generate(Alg::ES256, Some(&kid)).unwrap();
            self.private.entry(kid.clone()).or_insert_with(made);
        }
    }

    fn published(&self) -> String {
        let keys: Vec<_> = self.private.values().map(|key| key.public_jwk().unwrap()).collect();
        json!({ "keys": keys }).to_string()
    }

    fn token(&self, number: u64, now: Timestamp) -> String {
        let claims = AccessClaims {
            iss: ISSUER.into(),
            sub: "ann".into(),
            aud: Audience::new([API]).unwrap(),
            exp: after(now, LIFETIME).into(),
            iat: now.into(),
            nbf: None,
            jti: number.to_string(),
            client_id: "web".into(),
            scope: ScopeSet::default(),
            authorization_details: AuthorizationDetails::default(),
            sid: None,
            roles: Vec::new(),
            acr: None,
            auth_time: None,
            cnf: None,
            act: None,
        };
        jwt::sign(&Typ::ACCESS_TOKEN, &claims, &self.private[&self.keys.signer(now)]).unwrap()
    }
}

/// Keeps the key set for as long as it may, and not a moment less.
struct Service {
    verifier: Verifier,
    fetched_at: Timestamp,
}

impl Service {
    fn fetch(published: &str, fetched_at: Timestamp) -> Self {
        let keys = KeySet::from_jwks(&JwkSet::parse(published.as_bytes()).unwrap(), &[Alg::ES256]);
        let verifier = access_verifier(Issuer::new(ISSUER).unwrap(), Audience::new([API]).unwrap(), keys);
        Self { verifier, fetched_at }
    }
}

#[test]
fn a_thousand_rotations_fail_no_real_token() {
    let mut signing = Signing { keys: Keys::new(NOW), private: BTreeMap::new() };
    signing.maintain(NOW);
    let mut services: Vec<Service> = (0..3)
        .map(|phase| {
            Service::fetch(&signing.published(), NOW.saturating_sub(Duration::from_secs(phase * 100)))
        })
        .collect();
    let mut tokens: Vec<(String, Timestamp)> = Vec::new();
    let mut signers = BTreeSet::new();
    let (mut now, mut step) = (NOW, 0);
    while signers.len() <= 1000 {
        step += 1;
        now = after(now, 101 + step * 37 % 199);
        signing.maintain(now);
        signing.keys.rotate(now);
        signing.maintain(now);
        for service in services.iter_mut().filter(|service| now.since(service.fetched_at) >= MAX_AGE) {
            *service = Service::fetch(&signing.published(), now);
        }
        tokens.push((signing.token(step, now), after(now, LIFETIME)));
        tokens.retain(|(_, exp)| *exp > now);
        signers.insert(signing.keys.signer(now));
        // Those between are of a key that one of these is of, or that was looked at when they were the newest.
        for (token, _) in tokens.first().into_iter().chain(tokens.last()) {
            for service in &services {
                let verified = service.verifier.verify::<AccessClaims>(token, now);
                verified.unwrap_or_else(|refused| panic!("after {} rotations: {refused}", signers.len()));
            }
        }
        assert!(signing.private.len() < 20, "dead keys retire");
    }
}

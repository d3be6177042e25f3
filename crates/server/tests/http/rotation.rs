//! Signing keys rotate under load, and verifiers that ask again only when `max-age` is over notice nothing.

use std::time::Duration;

use gatepass_issuer::{ResourceServer, ResourceServers, Signing};
use gatepass_jose::{Alg, Audience, Issuer, JwkSet, KeySet, Timestamp, Verifier};
use gatepass_server::HttpConfig;
use gatepass_token::{AccessClaims, access_verifier};
use http::StatusCode;

use crate::fixture::{API, Fixture, ISSUER};

/// A thousand are a matter of `issuer::keys`, whose tests have neither HTTP nor a store to wait for.
const ROTATIONS: usize = 60;
const MAX_AGE: Duration = Duration::from_secs(300);
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// A service that keeps the key set for as long as it may, and not a moment less.
struct Service {
    verifier: Verifier,
    fetched_at: Timestamp,
}

impl Service {
    async fn fetch(fixture: &Fixture) -> Self {
        let answer = fixture.get("/.well-known/jwks.json").send().await.expect(StatusCode::OK);
        assert_eq!(answer.header("cache-control"), "public, max-age=300");
        let set = JwkSet::parse(&answer.body).unwrap();
        let keys = KeySet::from_jwks(&set, &[Alg::ES256, Alg::Ed25519]);
        let verifier = access_verifier(Issuer::new(ISSUER).unwrap(), Audience::new([API]).unwrap(), keys);
        Self { verifier, fetched_at: fixture.now() }
    }
}

fn with_alg(alg: Alg) -> ResourceServers {
    let server = ResourceServer {
        audience: API.into(),
        signing: Signing::Published(alg),
        scope: None,
        not_before: false,
        encryption: None,
    };
    ResourceServers::new(&Issuer::new(ISSUER).unwrap(), vec![server]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_under_load_fail_no_verification() {
    let fixture =
        Fixture::with(HttpConfig::default(), |config| config.resource_servers = with_alg(Alg::Ed25519)).await;
    let mut services = Vec::new();
    // They started at different times, so that together they hold every age of the set that is allowed.
    for _ in 0..4 {
        services.push(Service::fetch(&fixture).await);
        fixture.pass(MAX_AGE / 4);
    }
    let mut tokens: Vec<(String, Timestamp)> = Vec::new();
    let mut signers = std::collections::BTreeSet::new();
    let mut step: u64 = 0;
    while signers.len() <= ROTATIONS {
        step += 1;
        fixture.pass(Duration::from_secs(199 + step * 17 % 101));
        let now = fixture.now();
        fixture.issuer.rotate_keys(None, now).await.unwrap();
        for service in &mut services {
            if now.since(service.fetched_at) >= MAX_AGE {
                *service = Service::fetch(&fixture).await;
            }
        }
        let token = fixture.batch_token().await;
        tokens.push((token, now.saturating_add(LIFETIME * 19 / 20)));
        tokens.retain(|(_, exp)| *exp > now);
        for (token, _) in &tokens {
            for service in &services {
                let verified = service.verifier.verify::<AccessClaims>(token, now);
                let verified =
                    verified.unwrap_or_else(|refused| panic!("after {} rotations: {refused}", signers.len()));
                signers.insert(verified.kid().to_owned());
            }
        }
        assert!(fixture.issuer.list_keys(now).len() < 20, "dead keys retire");
    }
}

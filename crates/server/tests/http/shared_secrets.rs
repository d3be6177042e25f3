//! A secret that is shared with a resource server is replaced while tokens of the old one live.

use std::time::Duration;

use gatepass_issuer::{ResourceServer, ResourceServers, SharedSecret, Signing};
use gatepass_jose::{SecretKey, decode_unverified};
use gatepass_server::HttpConfig;
use http::StatusCode;

use crate::fixture::{API, Fixture, ISSUER, resource_server};

const OTHER: &str = "https://other.example.com";

/// Two resource servers that share secrets: the API these, the other one always the same.
pub(crate) fn servers(current: &[u8], previous: Option<&[u8]>) -> ResourceServers {
    let server = |audience: &str, current: &[u8], previous: Option<&[u8]>| {
        let (current, previous) = (SecretKey::new(current), previous.map(SecretKey::new));
        let signing = Signing::Shared(SharedSecret { current, previous });
        ResourceServer { signing, ..resource_server(audience) }
    };
    let servers = vec![server(API, current, previous), server(OTHER, &[9; 32], None)];
    ResourceServers::new(&gatepass_jose::Issuer::new(ISSUER).unwrap(), servers).unwrap()
}

async fn fixture() -> Fixture {
    Fixture::with(HttpConfig::default(), |config| config.resource_servers = servers(&[1; 32], None)).await
}

fn kid(token: &str) -> String {
    decode_unverified(token).unwrap().unverified_kid().unwrap().to_owned()
}

async fn is_active(fixture: &Fixture, token: &str) -> bool {
    let call = fixture.post("/oauth/introspect").basic("batch", &fixture.secret);
    call.form(&format!("token={token}")).send().await.expect(StatusCode::OK).json()["active"] == true
}

#[tokio::test]
async fn tokens_of_a_secret_count_until_it_is_no_longer_named() {
    let fixture = fixture().await;
    let old = fixture.batch_token().await;
    let replace = |servers: ResourceServers| fixture.issuer.replace_shared_secrets(&servers).unwrap();

    replace(servers(&[2; 32], Some(&[1; 32])));
    let new = fixture.batch_token().await;
    assert_ne!(kid(&old), kid(&new), "from now on the new one signs");
    for _ in 0..5 {
        assert_eq!(kid(&fixture.batch_token().await), kid(&new), "and the old one does not");
    }
    assert!(is_active(&fixture, &old).await && is_active(&fixture, &new).await);
    // Whatever the issuer does with tokens, it does with those of the old one: taking back, for one.
    let revoke = fixture.post("/oauth/revoke").basic("batch", &fixture.secret);
    let taken_back = fixture.batch_token().await;
    revoke.form(&format!("token={taken_back}")).send().await.expect(StatusCode::OK);
    assert!(!is_active(&fixture, &taken_back).await);

    replace(servers(&[2; 32], None));
    assert!(!is_active(&fixture, &old).await, "the operator has taken it away");
    assert!(is_active(&fixture, &new).await);
    fixture.pass(Duration::from_secs(1200));
    assert!(!is_active(&fixture, &new).await, "it has lived for as long as any");
}

#[tokio::test]
async fn a_token_of_the_previous_secret_is_taken_back() {
    let fixture = fixture().await;
    let (one, other) = (fixture.batch_token().await, fixture.batch_token().await);
    fixture.issuer.replace_shared_secrets(&servers(&[2; 32], Some(&[1; 32]))).unwrap();
    let revoke = fixture.post("/oauth/revoke").basic("batch", &fixture.secret);
    revoke.form(&format!("token={one}")).send().await.expect(StatusCode::OK);
    assert!(!is_active(&fixture, &one).await && is_active(&fixture, &other).await);
}

#[tokio::test]
async fn a_secret_that_leaked_is_revoked_by_the_name_that_its_tokens_have() {
    let fixture = fixture().await;
    let old = fixture.batch_token().await;
    fixture.issuer.replace_shared_secrets(&servers(&[2; 32], Some(&[1; 32]))).unwrap();
    let reason = gatepass_revocation::Reason::KEY_COMPROMISED;
    let known = fixture.issuer.withdraw_key(&kid(&old), reason, fixture.now()).await;
    assert!(!known.unwrap(), "it is no key of the key set");
    assert!(!is_active(&fixture, &old).await);
    let new = fixture.batch_token().await;
    assert!(is_active(&fixture, &new).await);
    // An administrator is told that there is such a key, of the secret before it as well.
    for (name, known) in [(kid(&old), true), (kid(&new), true), ("shared".to_owned(), false)] {
        let reason = gatepass_revocation::Reason::KEY_COMPROMISED;
        let told = fixture.issuer.revoke(gatepass_revocation::Kind::Key, &name, reason, fixture.now()).await;
        assert_eq!(told.unwrap().known, Some(known), "{name}");
    }
    assert!(!is_active(&fixture, &new).await);
}

#[tokio::test]
async fn what_is_no_secret_of_a_resource_server_changes_nothing() {
    let fixture = fixture().await;
    let before = fixture.batch_token().await;
    for (current, previous) in [(&[2; 31][..], None), (&[2; 32][..], Some(&[1; 31][..]))] {
        assert!(fixture.issuer.replace_shared_secrets(&servers(current, previous)).is_err());
    }
    let published = vec![resource_server(API)];
    let published = ResourceServers::new(&gatepass_jose::Issuer::new(ISSUER).unwrap(), published).unwrap();
    fixture.issuer.replace_shared_secrets(&published).unwrap();
    // Named twice, as both: the one that signs.
    fixture.issuer.replace_shared_secrets(&servers(&[1; 32], Some(&[1; 32]))).unwrap();
    assert_eq!(kid(&fixture.batch_token().await), kid(&before));
    assert!(is_active(&fixture, &before).await);
}

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::client::{ClientExtensions, GrantType};
use crate::recent::MOST_KEPT;
use crate::trusted_issuer::{FetchedKeys, KeySetError};

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

fn metadata() -> ClientMetadata {
    ClientMetadata {
        authorization_details_types: None,
        name: Some("Agent".into()),
        credential: NewCredential::None,
        grants: vec![GrantType::AuthorizationCode, GrantType::ClientCredentials],
        scope: Some("gatepass:admin".parse().unwrap()),
        redirect_uris: vec!["http://127.0.0.1/cb".parse().unwrap()],
        post_logout_redirect_uris: Vec::new(),
        backchannel_logout_uri: None,
        frontchannel_logout_uri: None,
        require_pushed: false,
        extensions: ClientExtensions::default(),
    }
}

/// Gives one document for every URL, and counts.
struct Source {
    document: Mutex<Result<ClientDocument, DocumentError>>,
    asked: AtomicUsize,
}

#[async_trait]
impl ClientDocumentSource for Source {
    async fn fetch(&self, _: &ClientId) -> Result<ClientDocument, DocumentError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.document.lock().unwrap().clone()
    }
}

#[async_trait]
impl KeySetSource for Source {
    async fn fetch(&self, _: &url::Url) -> Result<FetchedKeys, KeySetError> {
        Err(KeySetError("none".to_owned()))
    }
}

fn documents(fresh_for: u64) -> (Arc<Source>, ClientDocuments) {
    let document = ClientDocument { metadata: metadata(), fresh_for: Duration::from_secs(fresh_for) };
    let source = Arc::new(Source { document: Mutex::new(Ok(document)), asked: AtomicUsize::new(0) });
    let policy = RegistrationPolicy {
        scope: "orders:read".parse().unwrap(),
        authorization_details_types: Vec::new(),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        audience: vec!["https://tools.example".to_owned()],
    };
    (source.clone(), ClientDocuments::new(policy, source.clone(), source))
}

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_document_makes_a_client_within_the_policy_and_no_other() {
    let (source, documents) = documents(60);
    let agent = id("https://agent.example/client.json");
    let client = documents.client(&agent, NOW).await.unwrap();
    assert_eq!((client.id, client.name.as_str()), (agent.clone(), "Agent"));
    assert_eq!(
        (client.scope.to_string().as_str(), client.grants),
        ("orders:read", vec![GrantType::AuthorizationCode])
    );
    assert!(client.require_pkce && !client.trusted && client.credential == Credential::None);
    assert_eq!(client.audience, ["https://tools.example"]);
    let refused = [
        ("secret", ClientMetadata { credential: NewCredential::Secret, ..metadata() }),
        ("shared_secret", ClientMetadata { credential: NewCredential::SharedSecret, ..metadata() }),
        ("nowhere_to_go", ClientMetadata { redirect_uris: Vec::new(), ..metadata() }),
    ];
    for (name, metadata) in refused {
        let document = ClientDocument { metadata, fresh_for: Duration::ZERO };
        *source.document.lock().unwrap() = Ok(document);
        assert!(documents.client(&agent, after(9999)).await.is_err(), "{name}");
    }
    let document = ClientDocument { metadata: metadata(), fresh_for: Duration::ZERO };
    *source.document.lock().unwrap() = Ok(document);
    assert!(documents.client(&agent, after(9999)).await.is_ok(), "a refusal is not kept");
}

#[tokio::test]
async fn a_document_is_believed_for_as_long_as_it_says_within_bounds() {
    for (said, believed) in [(0, 60), (60, 60), (600, 600), (u64::MAX, 24 * 3600)] {
        let (source, documents) = documents(said);
        let agent = id("https://agent.example/client.json");
        let asked = |source: &Source| source.asked.load(Ordering::Relaxed);
        documents.client(&agent, NOW).await.unwrap();
        documents.client(&agent, after(believed - 1)).await.unwrap();
        assert_eq!(asked(&source), 1, "{said}");
        // A failure is not kept, and what was kept is not believed for longer.
        *source.document.lock().unwrap() = Err(refused("gone"));
        for times in 2..4 {
            assert_eq!(
                documents.client(&agent, after(believed)).await.err(),
                Some(refused("gone")),
                "{said}"
            );
            assert_eq!(asked(&source), times, "{said}");
        }
    }
}

#[tokio::test]
async fn a_host_is_not_flooded_and_memory_is_not_filled() {
    let (source, documents) = documents(3600);
    for number in 0..20 {
        documents.client(&id(&format!("https://agent.example/{number}")), NOW).await.unwrap();
    }
    assert!(documents.client(&id("https://agent.example/more"), NOW).await.is_err(), "too often");
    documents.client(&id("https://other.example/more"), NOW).await.unwrap();
    documents.client(&id("https://agent.example/more"), after(1)).await.unwrap();
    // Whoever asks for more and more of them keeps nobody from one that was there.
    let known = id("https://agent.example/0");
    for number in 0..40 {
        let more = format!("https://agent.example/more{number}");
        drop(documents.client(&id(&more), after(3600)).await);
    }
    assert!(documents.client(&id("https://agent.example/last"), after(3600)).await.is_err(), "too often");
    documents.client(&known, after(3600)).await.unwrap();
    for number in 0..1100 {
        documents.client(&id(&format!("https://host{number}.example/x")), after(3602)).await.unwrap();
    }
    assert_eq!(documents.kept.len(), MOST_KEPT);
    let before = source.asked.load(Ordering::Relaxed);
    documents.client(&id("https://host1099.example/x"), after(3603)).await.unwrap();
    assert_eq!(source.asked.load(Ordering::Relaxed), before, "the newest stay");
}

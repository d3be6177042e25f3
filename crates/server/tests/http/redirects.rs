//! What others name the address of is asked for there and nowhere else: a redirect is an answer without what was wanted,
//! wherever it leads. Else whoever has a public server could have this one ask its own network, and show its secrets there.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::client::GrantType;
use gatepass_issuer::registration::RegistrationPolicy;
use gatepass_issuer::{ClientDocuments, ProviderProtocol, UserInfoMembers};
use gatepass_jose::jwe::DecryptionKey;
use gatepass_jose::{Curve, JwkSet, KeyManagement};
use gatepass_server::{Fetch, HttpConfig};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Fixture};
use crate::identity_providers::mock::linked;
use crate::identity_providers::pressed;
use crate::responses::change;

/// Two servers with the same documents: one that sends everybody on to the other, and that other.
struct Servers {
    /// Where everybody is sent on from.
    moved: Place,
    /// Where to.
    target: Place,
}

#[derive(Clone)]
struct Place {
    origin: String,
    state: Arc<Served>,
}

struct Served {
    /// What each answer has.
    status: AtomicU16,
    /// The paths that are served with 200 all the same.
    excepted: Mutex<Vec<&'static str>>,
    /// Where else everybody is sent.
    location: Mutex<String>,
    documents: Mutex<Value>,
    asked: AtomicUsize,
}

impl Place {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Served {
            status: AtomicU16::new(200),
            excepted: Mutex::default(),
            location: Mutex::default(),
            documents: Mutex::default(),
            asked: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, state }
    }

    fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

async fn serve(State(served): State<Arc<Served>>, uri: Uri) -> Response {
    served.asked.fetch_add(1, Ordering::SeqCst);
    let excepted = served.excepted.lock().unwrap().contains(&uri.path());
    let status = if excepted { 200 } else { served.status.load(Ordering::SeqCst) };
    let location = format!("{}{}", served.location.lock().unwrap(), uri.path());
    let document = served.documents.lock().unwrap()[uri.path()].to_string();
    let headers = [("content-type", "application/json".to_owned()), ("location", location)];
    (StatusCode::from_u16(status).unwrap(), headers, document).into_response()
}

impl Servers {
    async fn start() -> Self {
        let servers = Self { moved: Place::start().await, target: Place::start().await };
        let at = |path: &str| format!("{}{path}", servers.moved.origin);
        let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::P256), Some("e1")).unwrap();
        let keys = JwkSet { keys: vec![key.to_jwk().unwrap().public().unwrap()] };
        let documents = json!({
            "/client": { "client_id": at("/client"), "redirect_uris": [CALLBACK] },
            "/jwks": keys,
            "/sector": [CALLBACK],
            "/.well-known/openid-configuration": {
                "issuer": servers.moved.origin, "authorization_endpoint": at("/authorize"),
                "token_endpoint": at("/token"), "jwks_uri": at("/jwks"),
            },
            "/token": { "access_token": "at-1", "token_type": "Bearer" },
            "/userinfo": { "id": "u-1" },
        });
        for place in [&servers.moved, &servers.target] {
            *place.state.documents.lock().unwrap() = documents.clone();
            *place.state.location.lock().unwrap() = servers.target.origin.clone();
        }
        servers
    }

    /// Both may be asked: what is not followed is not followed because it is a redirect.
    fn fetch(&self) -> Arc<Fetch> {
        let origins = [&self.moved, &self.target].map(|place| place.origin.parse().unwrap());
        Arc::new(Fetch::new(origins.to_vec()))
    }

    async fn fixture(&self) -> Fixture {
        let openid = ProviderProtocol::OpenIdConnect {
            issuer: gatepass_jose::Issuer::new(&self.moved.origin).unwrap(),
            id_token_signed_response_alg: None,
        };
        let at = |path: &str| format!("{}{path}", self.moved.origin).parse().unwrap();
        let oauth = ProviderProtocol::OAuth {
            authorization_endpoint: at("/authorize"),
            token_endpoint: at("/token"),
            userinfo_endpoint: at("/userinfo"),
            emails_endpoint: None,
            members: UserInfoMembers {
                subject: "/id".to_owned(),
                email: None,
                email_verified: None,
                name: None,
            },
        };
        let providers = vec![linked("openid", openid, self.fetch()), linked("hub", oauth, self.fetch())];
        let policy = RegistrationPolicy {
            scope: "orders:read".parse().unwrap(),
            grants: vec![GrantType::AuthorizationCode],
            audience: Vec::new(),
            authorization_details_types: Vec::new(),
        };
        let documents = ClientDocuments::new(policy, self.fetch(), self.fetch());
        let finish = |issuer: gatepass_issuer::Issuer| {
            let issuer = issuer.with_client_documents(documents);
            issuer.with_remote_documents(self.fetch()).with_client_key_sets(self.fetch())
        };
        let config = |config: &mut gatepass_issuer::Config| config.identity_providers = providers;
        let fixture = Fixture::made(HttpConfig::default(), config, finish).await;
        register(&fixture).await;
        fixture
    }
}

/// Begins a login with a provider.
async fn begin(fixture: &Fixture, browser: &mut Browser<'_>, provider: &str) -> Answer {
    let page = browser.authorize(&request(&[("client_id", "own")])).await.expect(StatusCode::OK);
    pressed(fixture, browser, &page, provider).await
}

/// Comes back from the provider `hub` with a code; whether it was asked who that is, and said so.
async fn back_from_hub(fixture: &Fixture) -> StatusCode {
    let mut browser = Browser::new(fixture);
    let page = begin(fixture, &mut browser, "hub").await.expect(StatusCode::OK);
    let url: url::Url = page.header("refresh").split_once("; url=").unwrap().1.parse().unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let answer = encode([("code", "c-1"), ("state", &state)]);
    browser.open(&format!("/oauth/providers/hub/callback?{answer}")).await.status
}

#[tokio::test]
async fn no_redirect_is_followed_by_whatever_is_fetched() {
    let servers = Servers::start().await;
    let fixture = servers.fixture().await;
    let at = |path: &str| format!("{}{path}", servers.moved.origin);
    // At the end without a redirect, so that it is seen that nothing else is wrong with what is asked for.
    for status in [301, 302, 303, 307, 308, 300, 200] {
        servers.moved.state.status.store(status, Ordering::SeqCst);
        let found = status == 200;
        let asked = servers.moved.asked();

        let query = request(&[("client_id", &at("/client")), ("scope", "orders:read")]);
        let page = Browser::new(&fixture).authorize(&query).await;
        assert_eq!(page.status == StatusCode::OK, found, "{status}: a client's document");
        let keys = json!({ "jwks_uri": at("/jwks"), "id_token_encrypted_response_alg": "ECDH-ES" });
        let changed = change(&fixture, "shop", keys).await;
        assert_eq!(changed.status == StatusCode::OK, found, "{status}: a client's keys");
        let sector = json!({ "subject_type": "pairwise", "sector_identifier_uri": at("/sector") });
        let changed = change(&fixture, "own", sector).await;
        assert_eq!(changed.status == StatusCode::OK, found, "{status}: the redirect URIs of a sector");
        let page = begin(&fixture, &mut Browser::new(&fixture), "openid").await;
        assert_eq!(page.status == StatusCode::OK, found, "{status}: a provider's metadata");
        // With these, a code and this server's own secret would go along.
        let want = if found { StatusCode::FORBIDDEN } else { StatusCode::BAD_GATEWAY };
        assert_eq!(back_from_hub(&fixture).await, want, "{status}: tokens");
        servers.moved.state.excepted.lock().unwrap().push("/token");
        assert_eq!(back_from_hub(&fixture).await, want, "{status}: with an access token, who it is");
        servers.moved.state.excepted.lock().unwrap().clear();

        assert!(servers.moved.asked() >= asked + 7, "{status}: each was asked for");
        assert_eq!(servers.target.asked(), 0, "{status}");
        // What was asked for in vain is not asked for again at once.
        fixture.pass(Duration::from_secs(120));
    }
}

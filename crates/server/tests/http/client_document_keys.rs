//! Clients that nobody has registered and that sign: their documents say where their keys are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::ClientDocuments;
use gatepass_issuer::client::GrantType;
use gatepass_issuer::registration::RegistrationPolicy;
use gatepass_jose::{Alg, SigningKey, Typ, jwt};
use gatepass_server::{DocumentKeys, Fetch, HttpConfig};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, VERIFIER, encode, exchange, register, request, sent_back};
use crate::fixture::{Answer, Fixture, ISSUER, with};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A server of whoever likes to run one: what is at its paths, and how often each was asked for.
#[derive(Clone)]
struct Site {
    origin: String,
    answers: Arc<Mutex<HashMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl Site {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let site = Self { origin, answers: Arc::default(), asked: Arc::default() };
        let router = Router::new().fallback(serve).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        site
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn say(&self, path: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, body));
    }

    fn publish(&self, path: &str, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk().unwrap()).collect();
        self.say(path, 200, json!({ "keys": keys }));
    }

    /// The document of a client at that path, whose keys are there.
    fn describe(&self, path: &str, jwks_uri: &str) -> Value {
        let document = json!({
            "client_id": self.url(path), "client_name": "Agent", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri,
        });
        self.say(path, 200, document.clone());
        document
    }

    fn asked(&self, path: &str) -> u32 {
        self.asked.lock().unwrap().get(path).copied().unwrap_or_default()
    }
}

/// `/slow` begins an answer, and then takes its time.
async fn serve(State(site): State<Site>, uri: Uri) -> Response {
    let path = uri.path().to_owned();
    *site.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    if path == "/slow" {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let Some((status, body)) = site.answers.lock().unwrap().get(&path).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fields = [
        ("content-type", "application/json".to_owned()),
        ("cache-control", "max-age=600".to_owned()),
        ("location", site.url("/jwks")),
    ];
    (StatusCode::from_u16(status).unwrap(), fields, body.to_string()).into_response()
}

/// A server that serves clients by the documents at these sites, and nobody's at others. What registered clients refer to is
/// elsewhere.
async fn fixture(sites: &[&Site]) -> Fixture {
    let policy = RegistrationPolicy {
        scope: "orders:read".parse().unwrap(),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        audience: Vec::new(),
        authorization_details_types: Vec::new(),
    };
    let fetch = Fetch::new(sites.iter().map(|site| site.origin.parse().unwrap()).collect());
    let keys = Arc::new(DocumentKeys::new(fetch.clone()));
    let documents = ClientDocuments::new(policy, Arc::new(fetch), keys);
    let finish = |issuer: gatepass_issuer::Issuer| {
        issuer.with_client_documents(documents).with_client_key_sets(Arc::new(Fetch::new(Vec::new())))
    };
    Fixture::made(HttpConfig::default(), |_| {}, finish).await
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Alg::ES256, Some(kid)).unwrap()
}

/// Makes assertions, each with a name of its own.
struct Signer<'s> {
    fixture: &'s Fixture,
    id: String,
    made: std::cell::Cell<u32>,
}

impl<'s> Signer<'s> {
    fn new(fixture: &'s Fixture, id: &str) -> Self {
        Self { fixture, id: id.to_owned(), made: Default::default() }
    }

    fn assertion(&self, key: &SigningKey) -> String {
        self.made.set(self.made.get() + 1);
        let (now, jti) = (self.fixture.now().as_secs(), self.made.get().to_string());
        let claims = json!({ "iss": self.id, "sub": self.id, "aud": ISSUER, "exp": now + 60, "jti": jti });
        jwt::sign(&Typ::new("JWT"), &claims, key).unwrap()
    }

    async fn ask(&self, path: &str, key: &SigningKey, more: &str) -> Answer {
        let assertion = self.assertion(key);
        let own = encode([("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]);
        self.fixture.post(path).form(&format!("{own}&{more}")).send().await
    }

    /// Whether the client is known by what this key signs. A push with nothing in it gets so far.
    async fn is_known(&self, key: &SigningKey) -> bool {
        let answer = self.ask("/oauth/par", key, "").await;
        match answer.oauth_error() {
            (401, error) if error == "invalid_client" => false,
            (400, _) => true,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_by_document_authenticates_with_the_keys_that_it_publishes() {
    let site = Site::start().await;
    let fixture = fixture(&[&site]).await;
    register(&fixture).await;
    let (own, id) = (key("k1"), site.url("/agent"));
    site.describe("/agent", &site.url("/jwks"));
    site.publish("/jwks", &[&own]);
    let signer = Signer::new(&fixture, &id);

    let query = request(&[("client_id", &id), ("scope", "openid offline_access orders:read")]);
    let pushed = signer.ask("/oauth/par", &own, &query).await.expect(StatusCode::CREATED).json();
    let mut browser = Browser::new(&fixture);
    let brought = encode([("client_id", &*id), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    let page = browser.authorize(&brought).await.expect(StatusCode::OK);
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    let back = sent_back(&browser.submit(&page, &[("decision", "allow")]).await);
    let code = [
        ("grant_type", "authorization_code"),
        ("code", &back["code"]),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let without = fixture.post("/oauth/token").form(&exchange(&id, &back["code"])).send().await;
    assert_eq!(without.oauth_error(), (401, "invalid_client".into()), "it has to say who it is");
    let tokens = signer.ask("/oauth/token", &own, &encode(code)).await.expect(StatusCode::OK).json();
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());

    let told = signer.ask("/oauth/introspect", &own, &encode([("token", access)])).await;
    assert_eq!(told.expect(StatusCode::OK).json()["client_id"], json!(id));
    let others = fixture.log_in("alice").await.access;
    let told = signer.ask("/oauth/introspect", &own, &encode([("token", &*others)])).await;
    assert_eq!(told.json(), json!({ "active": false }), "anybody can be such a client");

    let again = encode([("grant_type", "refresh_token"), ("refresh_token", refresh)]);
    let by_nobody = format!("{again}&{}", encode([("client_id", &*id)]));
    assert_eq!(fixture.post("/oauth/token").form(&by_nobody).send().await.oauth_error().0, 401);
    assert_eq!(signer.ask("/oauth/token", &key("k1"), &again).await.oauth_error().0, 401, "another's key");
    let tokens = signer.ask("/oauth/token", &own, &again).await.expect(StatusCode::OK).json();
    let refresh = encode([("token", tokens["refresh_token"].as_str().unwrap())]);
    signer.ask("/oauth/revoke", &own, &refresh).await.expect(StatusCode::OK);
    assert_eq!((site.asked("/agent"), site.asked("/jwks")), (1, 1), "each is kept for as long as it may be");
}

#[tokio::test]
async fn keys_are_rotated_and_taken_back_as_the_client_publishes_them() {
    let site = Site::start().await;
    let fixture = fixture(&[&site]).await;
    let (first, second) = (key("k1"), key("k2"));
    let signer = Signer::new(&fixture, &site.url("/agent"));
    site.describe("/agent", &site.url("/jwks"));
    site.publish("/jwks", &[&first]);
    assert!(signer.is_known(&first).await);
    site.publish("/jwks", &[&second]);
    assert!(!signer.is_known(&second).await, "it was fetched a moment ago");
    fixture.pass(Duration::from_secs(11));
    assert!(signer.is_known(&second).await && !signer.is_known(&first).await);
    for name in ["x1", "x2", "x3"] {
        assert!(!signer.is_known(&key(name)).await);
    }
    assert_eq!(site.asked("/jwks"), 2, "nobody has it fetched by making names up");
    // Where it cannot be had, the last one serves for as long as it may be kept, and nothing afterwards.
    site.say("/jwks", 500, json!({}));
    fixture.pass(Duration::from_secs(500));
    assert!(signer.is_known(&second).await);
    fixture.pass(Duration::from_secs(101));
    assert!(!signer.is_known(&second).await);
    // A document that names another place moves the client there, once it is read again.
    site.publish("/moved", &[&first]);
    site.describe("/agent", &site.url("/moved"));
    fixture.pass(Duration::from_secs(600));
    assert!(signer.is_known(&first).await && !signer.is_known(&second).await);
}

#[tokio::test]
async fn documents_do_not_lead_this_server_to_what_is_not_everybodys() {
    let (site, beside, secret) = (Site::start().await, Site::start().await, Site::start().await);
    let fixture = fixture(&[&site, &beside]).await;
    let own = key("k1");
    for place in [&site, &beside, &secret] {
        place.publish("/jwks", &[&own]);
        place.publish("/slow", &[&own]);
    }
    let set = json!({ "keys": [own.public_jwk().unwrap()] });
    site.say("/huge", 200, with(set.clone(), "padding", json!("x".repeat(32 * 1024))));
    let many: Vec<Value> =
        (0..65).map(|at| with(set["keys"][0].clone(), "kid", json!(at.to_string()))).collect();
    site.say("/many", 200, json!({ "keys": many }));
    site.say(
        "/private",
        200,
        json!({ "keys": [serde_json::from_str::<Value>(&own.to_jwk().unwrap().to_json()).unwrap()] }),
    );
    for status in [301, 302, 303, 307, 308, 404, 500] {
        site.say(&format!("/{status}"), status, set.clone());
    }
    let elsewhere = |place: &Site, path: &str| place.url(path);
    let cases: [(&str, String, bool); 20] = [
        ("its_own_host", elsewhere(&site, "/jwks"), true),
        ("another_host_that_may_be_asked", elsewhere(&beside, "/jwks"), true),
        ("a_host_that_may_not", elsewhere(&secret, "/jwks"), false),
        ("this_machine", "https://127.0.0.1/jwks".to_owned(), false),
        ("this_machine_by_name", "https://localhost/jwks".to_owned(), false),
        ("this_machine_in_v6", "https://[::1]/jwks".to_owned(), false),
        ("this_machine_as_a_number", "https://2130706433/jwks".to_owned(), false),
        ("v4_within_v6", "https://[::ffff:10.0.0.1]/jwks".to_owned(), false),
        ("a_private_network", "https://10.0.0.1/jwks".to_owned(), false),
        ("what_clouds_know", "https://169.254.169.254/latest/meta-data".to_owned(), false),
        ("another_port", "https://keys.example:8443/jwks".to_owned(), false),
        ("no_https", "http://keys.example/jwks".to_owned(), false),
        ("a_file", "file:///etc/passwd".to_owned(), false),
        ("a_password", "https://me:pw@keys.example/jwks".to_owned(), false),
        ("huge", elsewhere(&site, "/huge"), false),
        ("many", elsewhere(&site, "/many"), false),
        ("private", elsewhere(&site, "/private"), false),
        ("not_there", elsewhere(&site, "/404"), false),
        ("broken", elsewhere(&site, "/500"), false),
        ("slow", elsewhere(&site, "/slow"), false),
    ];
    let redirects =
        [301, 302, 303, 307, 308].map(|status| ("redirect", site.url(&format!("/{status}")), false));
    for (at, (name, jwks_uri, want)) in cases.into_iter().chain(redirects).enumerate() {
        let path = format!("/agent{at}");
        site.describe(&path, &jwks_uri);
        let signer = Signer::new(&fixture, &site.url(&path));
        assert_eq!(signer.is_known(&own).await, want, "{name} {jwks_uri}");
        // So that its host may be asked again.
        fixture.pass(Duration::from_secs(2));
    }
    assert_eq!(secret.asked("/jwks"), 0);
    assert_eq!(site.asked("/jwks"), 1, "no redirect was followed");
    // A document that says both is none: one of them would be passed over.
    let both = with(site.describe("/both", &site.url("/jwks")), "jwks", set);
    site.say("/both", 200, both);
    assert!(!Signer::new(&fixture, &site.url("/both")).is_known(&own).await);
}

#[tokio::test]
async fn nobody_has_another_host_flooded_by_documents_that_name_it() {
    let (site, victim) = (Site::start().await, Site::start().await);
    let fixture = fixture(&[&site, &victim]).await;
    let own = key("k1");
    victim.publish("/jwks", &[&own]);
    let path = |at: u32| format!("/agent{at}");
    for at in 0..40 {
        site.describe(&path(at), &victim.url(&format!("/jwks?{at}")));
        let query = request(&[("client_id", &site.url(&path(at))), ("scope", "orders:read")]);
        Browser::new(&fixture).authorize(&query).await.expect(StatusCode::OK);
        // Its own host is asked for no more than one document a second.
        fixture.pass(Duration::from_secs(1));
    }
    assert_eq!(victim.asked("/jwks"), 0, "nobody has signed anything");
    let mut known = 0;
    for at in 0..40 {
        known += u32::from(Signer::new(&fixture, &site.url(&path(at))).is_known(&own).await);
    }
    assert_eq!((known, victim.asked("/jwks")), (20, 20));
    // Nor by names of keys that no set has: a hundred seconds of them, at twenty sets that may be asked for each ten.
    let (before, made_up) = (victim.asked("/jwks"), key("made up"));
    for _ in 0..10 {
        fixture.pass(Duration::from_secs(10));
        for at in 0..40 {
            assert!(!Signer::new(&fixture, &site.url(&path(at))).is_known(&made_up).await);
        }
    }
    let asked = victim.asked("/jwks") - before;
    assert!((20..=120).contains(&asked), "{asked}");
    // Nor its clients kept out: what their own documents name counts apart from what strangers' do.
    victim.describe("/client", &victim.url("/jwks"));
    assert!(Signer::new(&fixture, &victim.url("/client")).is_known(&own).await);
}

#[tokio::test]
async fn strangers_do_not_fill_the_store_nor_use_up_tickets() {
    let site = Site::start().await;
    let fixture = fixture(&[&site]).await;
    let own = key("k1");
    site.describe("/agent", &site.url("/jwks"));
    site.publish("/jwks", &[&own]);
    let signer = Signer::new(&fixture, &site.url("/agent"));

    let alice = fixture.log_in("alice").await.access;
    let wanted = json!({ "method": "GET", "path": "/orders", "ttl": 60 });
    let minted =
        fixture.post("/tickets").bearer(&alice).json(&wanted).send().await.expect(StatusCode::OK).json();
    let ticket = encode([("ticket", minted["ticket"].as_str().unwrap())]);
    let consumed = signer.ask("/tickets/consume", &own, &ticket).await;
    assert_eq!(consumed.oauth_error(), (400, "unauthorized_client".into()));

    let pushes = async |path: &str, network: u8| {
        site.describe(path, &site.url("/jwks"));
        let signer = Signer::new(&fixture, &site.url(path));
        signer.made.set(u32::from(network) * 1000);
        let assertion = signer.assertion(&own);
        let form = encode([("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]);
        let address = std::net::Ipv4Addr::new(198, 51, network, 1).into();
        fixture.post("/oauth/par").form(&form).from(address).send().await.status.as_u16()
    };
    let mut answers = Vec::new();
    for at in 1..=251 {
        answers.extend([pushes("/agent", at).await, pushes("/another", at).await]);
    }
    assert_eq!((answers[..500].iter().all(|status| *status == 400), answers[500]), (true, 429), "one host's");
    fixture.pass(Duration::from_secs(50));

    let from = async |host: u8| {
        let assertion = signer.assertion(&own);
        let form = encode([("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]);
        let address = std::net::Ipv4Addr::new(192, 0, 2, host).into();
        fixture.post("/oauth/par").form(&form).from(address).send().await.status.as_u16()
    };
    for at in 0..100 {
        assert_eq!(from(1).await, 400, "{at}: it is known, and asks for nothing");
    }
    assert_eq!((from(1).await, from(2).await), (429, 400));
    fixture.pass(Duration::from_secs(1));
    for at in 0..10 {
        assert_eq!(from(1).await, 400, "{at}");
    }
    assert_eq!(from(1).await, 429);
}

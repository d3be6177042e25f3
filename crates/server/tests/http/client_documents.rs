//! Clients that nobody has registered: what they say of themselves is fetched from a server beside the test.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gatepass_issuer::client::GrantType;
use gatepass_issuer::registration::RegistrationPolicy;
use gatepass_issuer::{ClientDocuments, Config};
use gatepass_jose::Alg;
use gatepass_server::{DocumentKeys, Fetch, HttpConfig};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, claims, encode, exchange, request, sent_back, text, told_by};
use crate::encrypted::alg_of;
use crate::fixture::{Fixture, with};

/// A server with one document, and how often it was asked for it.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) origin: String,
    /// Status, media type and body.
    answer: Arc<Mutex<(u16, String, String)>>,
    asked: Arc<Mutex<u32>>,
}

impl Host {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let host = Self { origin, answer: Arc::default(), asked: Arc::default() };
        host.say(host.document());
        let router = Router::new().route("/client", get(serve)).with_state(host.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        host
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/client", self.origin)
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.url(), "client_name": "Agent <b>", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"], "scope": "gatepass:admin",
        })
    }

    pub(crate) fn say(&self, document: Value) {
        self.answer(200, "application/json", &document.to_string());
    }

    pub(crate) fn answer(&self, status: u16, media_type: &str, body: &str) {
        *self.answer.lock().unwrap() = (status, media_type.to_owned(), body.to_owned());
    }

    pub(crate) fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    async fn fixture(&self) -> Fixture {
        let policy = RegistrationPolicy {
            scope: "orders:read".parse().unwrap(),
            grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            audience: Vec::new(),
            authorization_details_types: Vec::new(),
        };
        let fetch = Fetch::new(vec![self.origin.parse().unwrap()]);
        let keys = Arc::new(DocumentKeys::new(fetch.clone()));
        let documents = ClientDocuments::new(policy, Arc::new(fetch), keys);
        let change = |config: &mut Config| config.response_algs = vec![Alg::RS256];
        Fixture::made(HttpConfig::default(), change, |issuer| issuer.with_client_documents(documents)).await
    }
}

async fn serve(State(host): State<Host>) -> Response {
    *host.asked.lock().unwrap() += 1;
    let (status, media_type, body) = host.answer.lock().unwrap().clone();
    let status = StatusCode::from_u16(status).unwrap();
    let headers =
        [("content-type", media_type), ("cache-control", "max-age=600".into()), ("location", host.url())];
    (status, headers, body).into_response()
}

fn query(client: &str) -> String {
    request(&[("client_id", client), ("scope", "openid offline_access orders:read")])
}

#[tokio::test]
async fn a_client_that_nobody_has_registered_logs_a_user_in() {
    let host = Host::start().await;
    let (fixture, id) = (host.fixture().await, host.url());
    let metadata = fixture.get("/.well-known/oauth-authorization-server").send().await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);

    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&query(&id)).await.expect(StatusCode::OK);
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    let name = host.origin.strip_prefix("http://").unwrap();
    let shown = format!("<strong dir=\"auto\">{name} (\u{201c}Agent &#60;b&#62;\u{201d})</strong> asks");
    assert!(
        text(&page).contains(&shown),
        "its host, and then the name that it gives itself: {}",
        text(&page)
    );
    let back = sent_back(&browser.submit(&page, &[("decision", "allow")]).await);
    let body = exchange(&id, &back["code"]);
    let tokens = fixture.post("/oauth/token").form(&body).send().await.expect(StatusCode::OK).json();
    assert_eq!(alg_of(tokens["id_token"].as_str().unwrap()), "RS256", "its document says nothing of that");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&access["client_id"], &access["scope"]),
        (&json!(id), &json!("offline_access openid orders:read"))
    );
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], json!(id));
    let refresh = encode([
        ("grant_type", "refresh_token"),
        ("client_id", &id),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ]);
    fixture.post("/oauth/token").form(&refresh).send().await.expect(StatusCode::OK);
    assert_eq!(host.asked(), 1, "kept for as long as its server says");

    // What the user has allowed is listed under the URL, and taken back by it.
    let alice = fixture.log_in("alice").await.access;
    let consents = fixture.get("/session/consents").bearer(&alice).send().await.json();
    assert_eq!(consents["consents"][0]["client_id"], json!(id));
    let path = format!("/session/consents/{}", &encode([("", id.as_str())])[1..]);
    let call = fixture.call(Method::DELETE, &path).bearer(&alice);
    call.send().await.expect(StatusCode::NO_CONTENT);
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(fixture.get("/oauth/userinfo").bearer(token).send().await.status, 401);

    let more = request(&[("client_id", &id), ("scope", "openid orders:write")]);
    assert_eq!(told_by(&browser.authorize(&more).await)["error"], "invalid_scope", "more than the policy");
    let elsewhere = request(&[("client_id", &id), ("redirect_uri", "https://evil.example/callback")]);
    assert_eq!(browser.authorize(&elsewhere).await.status, StatusCode::BAD_REQUEST);
    let machine = encode([("grant_type", "client_credentials"), ("client_id", &id)]);
    assert_eq!(
        fixture.post("/oauth/token").form(&machine).send().await.oauth_error().1,
        "unauthorized_client"
    );
    let with_secret = encode([("grant_type", "refresh_token"), ("client_id", &id), ("client_secret", "s")]);
    assert_eq!(fixture.post("/oauth/token").form(&with_secret).send().await.oauth_error().0, 400, "no token");
}

#[tokio::test]
async fn what_is_no_document_of_this_client_makes_none() {
    let host = Host::start().await;
    let (fixture, id) = (host.fixture().await, host.url());
    let mut browser = Browser::new(&fixture);
    let document = host.document().to_string();
    let padded = with(host.document(), "padding", json!("x".repeat(16 * 1024))).to_string();
    let other = with(host.document(), "client_id", json!(format!("{}/", host.url()))).to_string();
    let secret = with(host.document(), "client_secret", json!("s")).to_string();
    let cases = [
        ("not_found", 404, "application/json", document.as_str()),
        ("created", 201, "application/json", &document),
        ("redirected", 302, "application/json", &document),
        ("html", 200, "text/html", &document),
        ("too_long", 200, "application/json", &padded),
        ("no_json", 200, "application/json", "{"),
        ("another_client", 200, "application/json", &other),
        ("a_secret", 200, "application/json", &secret),
    ];
    for (name, status, media_type, body) in cases {
        host.answer(status, media_type, body);
        let answer = browser.authorize(&query(&id)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(text(&answer).contains("is not known to this server"), "{name}");
        let refresh = encode([("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", "x")]);
        assert_eq!(fixture.post("/oauth/token").form(&refresh).send().await.oauth_error().0, 401, "{name}");
    }
    host.say(host.document());
    fixture.pass(std::time::Duration::from_secs(60));
    browser.authorize(&query(&id)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn where_they_are_not_served_nothing_is_fetched() {
    let host = Host::start().await;
    let fixture = Fixture::new().await;
    let mut browser = Browser::new(&fixture);
    assert_eq!(browser.authorize(&query(&host.url())).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(host.asked(), 0);
    let admin = fixture.admin().await;
    let body = json!({ "client_id": host.url(), "client_name": "x" });
    let call = fixture.post("/admin/v1/clients").bearer(&admin).json(&body);
    assert_eq!(call.send().await.problem().0, 409, "nobody registers a URL");
}

#[tokio::test]
async fn a_document_says_what_its_client_wants_of_logins() {
    let host = Host::start().await;
    let (fixture, id) = (host.fixture().await, host.url());
    let mut browser = Browser::new(&fixture);
    browser.code(&query(&id)).await;
    host.say(with(with(host.document(), "default_max_age", json!(300)), "require_auth_time", json!(true)));
    fixture.pass(std::time::Duration::from_secs(601));
    assert!(text(&browser.authorize(&query(&id)).await).contains("/oauth/login"), "it was longer ago");
}

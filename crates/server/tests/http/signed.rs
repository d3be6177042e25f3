//! Authorization requests that clients sign, and answers that this server signs.

use std::collections::BTreeMap;

use gatepass_issuer::admin::{NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, ClientKeys, GrantType};
use gatepass_jose::{Alg, JwkSet, KeySet, SigningKey, Typ, jws, jwt};
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use crate::browser::*;
use crate::fixture::{Answer, Fixture, ISSUER, with};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const REQUEST_OBJECT: Typ = Typ::new("oauth-authz-req+jwt");

/// Registers the client `vault`, which has keys and asks for no consent.
pub(crate) async fn register_vault(fixture: &Fixture) -> SigningKey {
    let key = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let keys = ClientKeys::new(JwkSet { keys: vec![key.public_jwk().unwrap()] }).unwrap();
    let new = NewClient {
        id: Some("vault".parse().unwrap()),
        name: "vault".into(),
        credential: NewCredential::Keys(keys.into()),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials],
        scope: "orders:read orders:write".parse().unwrap(),
        audience: Vec::new(),
        exchange: None,
        extensions: ClientExtensions::default(),
        sign_on: SignOnClient {
            redirect_uris: vec![CALLBACK.parse().unwrap()],
            trusted: true,
            ..SignOnClient::default()
        },
    };
    fixture.issuer.create_client(new, fixture.now()).await.unwrap();
    key
}

/// What `vault` signs.
fn object(fixture: &Fixture, jti: &str, changes: &[(&str, &str)]) -> Value {
    let query = request(&[("client_id", "vault")]);
    let params = form_urlencoded::parse(query.as_bytes()).into_owned();
    let mut claims: Map<String, Value> = params.map(|(name, value)| (name, json!(value))).collect();
    let now = fixture.now().as_secs();
    let more = json!({ "iss": "vault", "aud": ISSUER, "iat": now, "exp": now + 300, "jti": jti });
    claims.extend(more.as_object().unwrap().clone());
    claims.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    Value::Object(claims)
}

fn sign(claims: &Value, key: &SigningKey) -> String {
    jwt::sign(&REQUEST_OBJECT, claims, key).unwrap()
}

fn query(object: &str) -> String {
    encode([("client_id", "vault"), ("request", object)])
}

pub(crate) fn assertion(fixture: &Fixture, key: &SigningKey, jti: &str) -> String {
    let now = fixture.now().as_secs();
    let claims = json!({ "iss": "vault", "sub": "vault", "aud": ISSUER, "exp": now + 60, "jti": jti });
    jwt::sign(&Typ::new("JWT"), &claims, key).unwrap()
}

/// Pushes parameters as `vault`.
async fn push(fixture: &Fixture, key: &SigningKey, jti: &str, params: &str) -> Answer {
    let assertion = assertion(fixture, key, jti);
    let own = encode([("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]);
    fixture.post("/oauth/par").form(&format!("{own}&{params}")).send().await
}

#[tokio::test]
async fn what_is_signed_counts_and_what_stands_beside_it_does_not() {
    let fixture = Fixture::new().await;
    let key = register_vault(&fixture).await;
    let signed = query(&sign(&object(&fixture, "1", &[]), &key));
    let beside =
        encode([("scope", "orders:write"), ("redirect_uri", "https://evil.example/"), ("state", "x")]);
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&format!("{signed}&{beside}")).await.expect(StatusCode::OK);
    let back = sent_back(&browser.log_in(&page, "alice").await);
    assert_eq!(back["state"], "s&1=\"<é>");
    let assertion = assertion(&fixture, &key, "a1");
    let form = encode([("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)]);
    let call = fixture.post("/oauth/token").form(&format!("{form}&{}", exchange("vault", &back["code"])));
    assert_eq!(call.send().await.expect(StatusCode::OK).json()["scope"], "openid orders:read profile");

    let again = browser.authorize(&signed).await.expect(StatusCode::BAD_REQUEST);
    assert!(text(&again).contains("used already"), "an object with a name is good once");
    let unnamed = query(&sign(&with(object(&fixture, "", &[]), "jti", Value::Null), &key));
    browser.authorize(&unnamed).await.expect(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_no_request_object() {
    let fixture = Fixture::new().await;
    let key = register_vault(&fixture).await;
    register(&fixture).await;
    let another = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let good = || object(&fixture, "1", &[]);
    let code = Browser::new(&fixture).code(&request(&[])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.json();
    let part = |json: Value| gatepass_jose::base64url::encode(json.to_string().as_bytes());
    let none = format!("{}.{}.", part(json!({ "alg": "none", "typ": "oauth-authz-req+jwt" })), part(good()));
    let cases = [
        ("an_id_token", tokens["id_token"].as_str().unwrap().to_owned()),
        ("an_access_token", tokens["access_token"].as_str().unwrap().to_owned()),
        ("a_client_assertion", assertion(&fixture, &key, "1")),
        ("of_another_type", jwt::sign(&Typ::new("JWT"), &good(), &key).unwrap()),
        ("under_another_key", sign(&good(), &another)),
        ("for_another_server", sign(&with(good(), "aud", json!("https://other.example")), &key)),
        ("of_another_client", sign(&with(good(), "client_id", json!("shop")), &key)),
        ("expired", sign(&with(good(), "exp", json!(fixture.now().as_secs() - 60)), &key)),
        ("of_no_algorithm", none),
        ("nothing_signed", "e30.e30.".into()),
    ];
    for (at, (name, object)) in cases.into_iter().enumerate() {
        let beside = |redirect_uri| {
            let beside = request(&[("client_id", ""), ("redirect_uri", redirect_uri)]);
            format!("{}&{beside}", query(&object))
        };
        let told = sent_back(&Browser::new(&fixture).authorize(&beside(CALLBACK)).await);
        assert_eq!((&*told["error"], &*told["state"]), ("invalid_request_object", "s&1=\"<é>"), "{name}");
        for nowhere in ["", "https://evil.example/"] {
            let shown = Browser::new(&fixture).authorize(&beside(nowhere)).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{name}");
            assert!(shown.header(LOCATION).is_empty(), "{name}: nobody is sent anywhere");
        }
        let pushed = push(&fixture, &key, &format!("p{at}"), &encode([("request", object.as_str())])).await;
        assert_eq!(pushed.oauth_error(), (400, "invalid_request_object".into()), "{name}");
    }
    // A reference beside it is not followed and not passed over.
    let both = encode([("request_uri", "https://app.example.com/request")]);
    let both = format!("{}&{both}", query(&sign(&good(), &key)));
    Browser::new(&fixture).authorize(&both).await.expect(StatusCode::BAD_REQUEST);
    // A client without keys has signed nothing.
    let shop = with(with(good(), "iss", json!("shop")), "client_id", json!("shop"));
    let query = encode([("client_id", "shop"), ("request", &sign(&shop, &key))]);
    Browser::new(&fixture).authorize(&query).await.expect(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_refused_object_sends_nobody_on_who_has_not_logged_in() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let refused = |prompt| format!("{}&request=e30.e30.", request(&[("prompt", prompt)]));
    let mut browser = Browser::new(&fixture);
    let shown = browser.authorize(&refused("")).await.expect(StatusCode::BAD_REQUEST);
    assert!(shown.header(LOCATION).is_empty());
    assert_eq!(told_by(&shown)["error"], "invalid_request_object", "the user may tell the application");
    let told = sent_back(&browser.authorize(&refused("none")).await);
    assert_eq!(told["error"], "invalid_request_object", "nobody is to be asked");
    browser.code(&request(&[])).await;
    let told = sent_back(&browser.authorize(&refused("")).await);
    assert_eq!(told["error"], "invalid_request_object", "somebody has logged in");
}

#[tokio::test]
async fn a_request_object_is_pushed_once() {
    let fixture = Fixture::new().await;
    let key = register_vault(&fixture).await;
    let signed = sign(&object(&fixture, "1", &[]), &key);
    let params = encode([("request", signed.as_str()), ("scope", "orders:write"), ("state", "x")]);
    let pushed = push(&fixture, &key, "a1", &params).await.expect(StatusCode::CREATED).json();
    let replayed = push(&fixture, &key, "a2", &params).await;
    assert_eq!(replayed.oauth_error(), (400, "invalid_request_object".into()));
    let query = encode([("client_id", "vault"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    // Past the object's own time: what was pushed has the pushed request's.
    fixture.pass(std::time::Duration::from_secs(400));
    let back = Browser::new(&fixture).through(&query).await;
    assert_eq!(back["state"], "s&1=\"<é>");
}

#[tokio::test]
async fn who_must_sign_cannot_do_without() {
    let fixture = Fixture::new().await;
    let key = register_vault(&fixture).await;
    let admin = fixture.admin().await;
    let require = async |client: &str| {
        let call = fixture.call(Method::PATCH, &format!("/admin/v1/clients/{client}")).bearer(&admin);
        call.json(&json!({ "require_signed_request_object": true })).send().await
    };
    assert_eq!(require("batch").await.problem(), (400, "invalid-request".into()), "it has no keys");
    assert_eq!(require("vault").await.expect(StatusCode::OK).json()["require_signed_request_object"], true);
    let unsigned = request(&[("client_id", "vault")]);
    let mut browser = Browser::new(&fixture);
    assert_eq!(told_by(&browser.authorize(&unsigned).await)["error"], "invalid_request");
    let pushed = push(&fixture, &key, "a1", &unsigned).await;
    assert_eq!(pushed.oauth_error(), (400, "invalid_request".into()));

    let signed = sign(&object(&fixture, "1", &[]), &key);
    let pushed = push(&fixture, &key, "a2", &encode([("request", signed.as_str())])).await;
    let pushed = pushed.expect(StatusCode::CREATED).json();
    let query = encode([("client_id", "vault"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    assert!(browser.through(&query).await.contains_key("code"));
}

/// What an answer says that this server signed.
async fn verified(fixture: &Fixture, response: &str) -> BTreeMap<String, Value> {
    let jwks = fixture.get("/.well-known/jwks.json").send().await.body;
    let keys = KeySet::from_jwks(&JwkSet::parse(&jwks).unwrap(), &[Alg::ES256]);
    let verified = jws::Verifier::new(keys).verify(response).unwrap();
    serde_json::from_slice(verified.payload()).unwrap()
}

#[tokio::test]
async fn an_answer_is_signed_for_its_client() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[])).await;
    for mode in ["jwt", "query.jwt", "form_post.jwt"] {
        for (prompt, outcome) in [("none", "code"), ("none login", "error")] {
            let answer = browser.authorize(&request(&[("response_mode", mode), ("prompt", prompt)])).await;
            let params: BTreeMap<String, String> = match mode {
                "form_post.jwt" => form(&answer).1,
                _ => Url::parse(answer.header(LOCATION)).unwrap().query_pairs().into_owned().collect(),
            };
            assert_eq!(
                params.keys().collect::<Vec<_>>(),
                ["response"],
                "{mode}: nothing else can be changed"
            );
            let claims = verified(&fixture, &params["response"]).await;
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("shop")), "{mode}");
            assert_eq!(claims["exp"], fixture.now().as_secs() + 600, "{mode}");
            assert_eq!(claims["state"], "s&1=\"<é>", "{mode}");
            assert!(claims.contains_key(outcome), "{mode}: {claims:?}");
            // It is no ID token.
            let hint = request(&[("id_token_hint", &params["response"]), ("prompt", "none")]);
            let hinted = sent_back(&browser.authorize(&hint).await);
            assert_eq!(hinted["error"], "login_required", "{mode}: no hint of anybody");
            let logout = encode([("id_token_hint", params["response"].as_str())]);
            assert_ne!(browser.open(&format!("/oauth/logout?{logout}")).await.status, StatusCode::SEE_OTHER);
        }
    }
    let fragment = browser.authorize(&request(&[("response_mode", "fragment.jwt")])).await;
    assert_eq!(told_by(&fragment)["error"], "invalid_request");
}

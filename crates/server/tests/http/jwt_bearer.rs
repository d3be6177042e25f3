//! Assertions of an issuer elsewhere, traded for tokens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gatepass_issuer::admin::{ChangeUser, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, ClientKeys, GrantType};
use gatepass_issuer::{PublishedKeys, SubjectMapping, TrustedIssuer, TrustedKeys};
use gatepass_jose::{Alg, JwkSet, SigningKey, Typ, jwt};
use gatepass_server::{Fetch, HttpConfig};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::{claims, encode};
use crate::fixture::{API, Answer, Fixture, ISSUER, with};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const WORKLOADS: &str = "https://ci.example";
const PEOPLE: &str = "https://people.example";

/// A fixture that trusts two issuers with one key: one for the client `deployer`, one for users.
async fn start() -> (Fixture, SigningKey) {
    let key = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let keys = ClientKeys::new(JwkSet { keys: vec![key.public_jwk().unwrap()] }).unwrap();
    let trusted = |issuer: &str, subject| TrustedIssuer {
        issuer: issuer.into(),
        keys: TrustedKeys::Given(keys.clone()),
        clients: vec!["deployer".parse().unwrap()],
        audience: Vec::new(),
        claims: [("event".to_owned(), "push".to_owned())].into(),
        subject,
        scope: Some("orders:read orders:delete".parse().unwrap()),
    };
    let issuers = vec![
        trusted(WORKLOADS, SubjectMapping::Client { subjects: vec!["repo:shop".into()] }),
        trusted(PEOPLE, SubjectMapping::User { claim: "preferred_username".into() }),
    ];
    let fixture = Fixture::with(HttpConfig::default(), |config| config.trusted_issuers = issuers).await;
    add_clients(&fixture).await;
    (fixture, key)
}

async fn add_clients(fixture: &Fixture) {
    for (id, grant) in [
        ("deployer", GrantType::JwtBearer),
        ("other", GrantType::JwtBearer),
        ("idler", GrantType::RefreshToken),
    ] {
        let new = NewClient {
            id: Some(id.parse().unwrap()),
            name: id.into(),
            credential: NewCredential::None,
            grants: vec![grant],
            scope: "orders:read orders:delete orders:audit".parse().unwrap(),
            audience: Vec::new(),
            sign_on: SignOnClient::default(),
            exchange: None,
            extensions: ClientExtensions::default(),
        };
        fixture.issuer.create_client(new, fixture.now()).await.unwrap();
    }
}

fn assertion(fixture: &Fixture, jti: &str) -> Value {
    let now = fixture.now().as_secs();
    json!({ "iss": WORKLOADS, "sub": "repo:shop", "aud": ISSUER, "iat": now, "exp": now + 300, "jti": jti, "event": "push" })
}

async fn show(fixture: &Fixture, client: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let own = [("grant_type", GRANT), ("client_id", client), ("assertion", assertion)];
    fixture.post("/oauth/token").form(&encode(own.into_iter().chain(more.iter().copied()))).send().await
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    jwt::sign(&Typ::new("JWT"), claims, key).unwrap()
}

#[tokio::test]
async fn a_workload_acts_as_its_client_and_a_person_as_the_user_of_that_name() {
    let (fixture, key) = start().await;
    let metadata = fixture.get("/.well-known/oauth-authorization-server").send().await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
    let first = sign(&key, &assertion(&fixture, "1"));
    let answer = show(&fixture, "deployer", &first, &[]).await.expect(StatusCode::OK).json();
    assert!(answer.get("refresh_token").is_none());
    let access = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&access["sub"], &access["aud"]), (&json!("deployer"), &json!(API)));
    assert_eq!(access["scope"], "orders:delete orders:read", "what client and issuer may");
    assert_eq!(show(&fixture, "deployer", &first, &[]).await.oauth_error(), (400, "invalid_grant".into()));

    let person = |jti: &str, name: &str| {
        let claims = with(assertion(&fixture, jti), "iss", json!(PEOPLE));
        sign(&key, &with(with(claims, "sub", json!("4711")), "preferred_username", json!(name)))
    };
    let answer = show(&fixture, "deployer", &person("1", "Alice"), &[]).await.expect(StatusCode::OK).json();
    let access = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(access["sub"], fixture.alice.to_string());
    assert_eq!(
        (&access["scope"], &access["roles"]),
        (&json!("orders:read"), &json!(["clerk"])),
        "what both may"
    );
    assert_eq!(
        show(&fixture, "deployer", &person("2", "nobody"), &[]).await.oauth_error().1,
        "invalid_grant"
    );
    let disabled = ChangeUser { disabled: Some(true), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, disabled, fixture.now()).await.unwrap();
    assert_eq!(show(&fixture, "deployer", &person("3", "alice"), &[]).await.oauth_error().1, "invalid_grant");
}

#[tokio::test]
async fn what_no_assertion_gives() {
    let (fixture, key) = start().await;
    let now = fixture.now().as_secs();
    let good = || assertion(&fixture, "1");
    let stranger = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let of_type = |typ: &'static str| jwt::sign(&Typ::new(typ), &good(), &key).unwrap();
    let without = |name: &str| {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        sign(&key, &claims)
    };
    let but = |name: &str, value: Value| sign(&key, &with(good(), name, value));
    let cases = [
        ("nonsense", "nonsense".to_owned()),
        ("another_key", sign(&stranger, &good())),
        ("access_token", of_type("at+jwt")),
        ("client_assertion", of_type("client-authentication+jwt")),
        ("another_issuer", but("iss", json!("https://evil.example"))),
        ("another_subject", but("sub", json!("repo:evil"))),
        ("subject_in_another_case", but("sub", json!("Repo:shop"))),
        ("for_another", but("aud", json!("https://other.example"))),
        ("for_another_too", but("aud", json!([ISSUER, "https://other.example"]))),
        ("for_another_endpoint", but("aud", json!(format!("{ISSUER}/oauth/par")))),
        ("for_both_names", but("aud", json!([ISSUER, format!("{ISSUER}/oauth/token")]))),
        ("without_a_claim_that_it_must_have", without("event")),
        ("with_another_text_in_it", but("event", json!("pull_request"))),
        ("with_another_type_in_it", but("event", json!(["push"]))),
        ("expired", but("exp", json!(now - 61))),
        ("good_for_too_long", but("exp", json!(now + 3661))),
        ("from_the_future", but("iat", json!(now + 61))),
        ("not_yet", but("nbf", json!(now + 61))),
        ("endless", without("exp")),
        ("nameless", without("jti")),
        ("empty_name", but("jti", json!(""))),
        ("for_nobody", without("aud")),
        ("about_nobody", without("sub")),
    ];
    for (name, assertion) in cases {
        let refused = show(&fixture, "deployer", &assertion, &[]).await.oauth_error();
        assert_eq!(refused, (400, "invalid_grant".into()), "{name}");
    }
    let good = sign(&key, &good());
    for (name, client, more, want) in [
        ("a_client_that_it_is_not_for", "other", &[][..], "invalid_grant"),
        ("another_grant", "idler", &[], "unauthorized_client"),
        ("nobody", "nobody", &[], "invalid_client"),
    ] {
        assert_eq!(show(&fixture, client, &good, more).await.oauth_error().1, want, "{name}");
    }
    let without =
        fixture.post("/oauth/token").form(&encode([("grant_type", GRANT), ("client_id", "deployer")]));
    assert_eq!(without.send().await.oauth_error(), (400, "invalid_request".into()));
    // More than the client, or than the issuer may have; then all of what both may. None of these has used it up.
    for more in [[("scope", "orders:write")], [("scope", "orders:audit")]] {
        assert_eq!(show(&fixture, "deployer", &good, &more).await.oauth_error().1, "invalid_scope");
    }
    let more = [("resource", "https://other.example.com")];
    let elsewhere = sign(&key, &assertion(&fixture, "2"));
    assert_eq!(show(&fixture, "deployer", &elsewhere, &more).await.oauth_error().1, "invalid_target");
    show(&fixture, "deployer", &good, &[]).await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(1));
    assert_eq!(show(&fixture, "deployer", &good, &[]).await.oauth_error().1, "invalid_grant");
    // As libraries address it that know the endpoint alone.
    let endpoint = with(assertion(&fixture, "3"), "aud", json!(format!("{ISSUER}/oauth/token")));
    show(&fixture, "deployer", &sign(&key, &endpoint), &[]).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn of_two_that_show_one_assertion_at_once_one_gets_a_token() {
    let (fixture, key) = start().await;
    let shown = sign(&key, &assertion(&fixture, "1"));
    let show = || show(&fixture, "deployer", &shown, &[]);
    let (a, b, c) = tokio::join!(show(), show(), show());
    let taken = [a, b, c].iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn published_keys_are_fetched_and_their_rotation_is_followed() {
    let served = Arc::new(Mutex::new(json!("not yet")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let answer = {
        let served = Arc::clone(&served);
        move || async move { axum::Json(served.lock().unwrap().clone()) }
    };
    let router = Router::new().route("/jwks", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let source = Arc::new(Fetch::new(vec![origin.parse().unwrap()]));
    let url = format!("{origin}/jwks").parse().unwrap();
    let trusted = TrustedIssuer {
        issuer: WORKLOADS.into(),
        keys: TrustedKeys::Published(Arc::new(PublishedKeys::new(url, vec![Alg::ES256], source))),
        clients: vec!["deployer".parse().unwrap()],
        audience: vec!["gatepass".into()],
        claims: BTreeMap::new(),
        subject: SubjectMapping::Client { subjects: vec!["repo:shop".into()] },
        scope: None,
    };
    let fixture = Fixture::with(HttpConfig::default(), |config| config.trusted_issuers = vec![trusted]).await;
    add_clients(&fixture).await;
    let make = |kid: &str| SigningKey::generate(Alg::ES256, Some(kid)).unwrap();
    let (first, second) = (make("k1"), make("k2"));
    let serve = |key: &SigningKey| *served.lock().unwrap() = json!({ "keys": [key.public_jwk().unwrap()] });
    let shown = |key, jti| sign(key, &with(assertion(&fixture, jti), "aud", json!("gatepass")));
    let away = show(&fixture, "deployer", &shown(&first, "1"), &[]).await.oauth_error();
    assert_eq!(away, (503, "temporarily_unavailable".into()));
    for (key, jti) in [(&first, "1"), (&second, "2")] {
        serve(key);
        fixture.pass(Duration::from_secs(10));
        show(&fixture, "deployer", &shown(key, jti), &[]).await.expect(StatusCode::OK);
    }
    let taken_back = show(&fixture, "deployer", &shown(&first, "3"), &[]).await.oauth_error();
    assert_eq!(taken_back, (400, "invalid_grant".into()));
    let own_name = sign(&second, &assertion(&fixture, "4"));
    assert_eq!(show(&fixture, "deployer", &own_name, &[]).await.oauth_error().1, "invalid_grant");
}

#[tokio::test]
async fn where_nobody_is_trusted_there_is_no_such_grant() {
    let fixture = Fixture::new().await;
    let metadata = fixture.get("/.well-known/oauth-authorization-server").send().await.json();
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
}

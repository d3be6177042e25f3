//! Clients register themselves, and manage what they have registered.

use std::time::Duration;

use gatepass_issuer::ResourceServers;
use gatepass_jose::{Alg, SigningKey};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, claims, encode, exchange, request, sent_back, told_by};
use crate::fixture::{Answer, Fixture, ISSUER, resource_server, with};

/// An initial access token that an administrator makes.
async fn initial(fixture: &Fixture, body: &Value) -> String {
    let admin = fixture.admin().await;
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(body);
    call.send().await.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned()
}

fn metadata() -> Value {
    json!({
        "client_name": "A new shop",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
        "scope": "openid orders:read",
        "software_id": "nobody here knows this member",
    })
}

async fn register(fixture: &Fixture, token: &str, metadata: &Value) -> Answer {
    fixture.post("/oauth/register").bearer(token).json(metadata).send().await
}

struct Managed<'f> {
    fixture: &'f Fixture,
    path: String,
    token: String,
}

impl<'f> Managed<'f> {
    fn of(fixture: &'f Fixture, registered: &Value) -> Self {
        let uri = registered["registration_client_uri"].as_str().unwrap();
        Self {
            fixture,
            path: uri.strip_prefix(ISSUER).unwrap().to_owned(),
            token: registered["registration_access_token"].as_str().unwrap().to_owned(),
        }
    }

    async fn get(&self) -> Answer {
        self.fixture.get(&self.path).bearer(&self.token).send().await
    }

    async fn put(&self, metadata: &Value) -> Answer {
        self.fixture.call(Method::PUT, &self.path).bearer(&self.token).json(metadata).send().await
    }

    async fn delete(&self) -> Answer {
        self.fixture.call(Method::DELETE, &self.path).bearer(&self.token).send().await
    }
}

#[tokio::test]
async fn a_client_registers_itself_logs_a_user_in_changes_and_goes() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read orders:write" })).await;
    let registered = register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED);
    assert_eq!(registered.header("cache-control"), "no-store");
    let registered = registered.json();
    let id = registered["client_id"].as_str().unwrap();
    assert_eq!(registered["registration_client_uri"], format!("{ISSUER}/oauth/register/{id}"));
    assert!(registered.get("client_secret").is_none(), "a public client");
    assert_eq!(registered["response_types"], json!(["code"]));
    assert_eq!(registered["scope"], "openid orders:read");
    assert_eq!(register(&fixture, &token, &metadata()).await.oauth_error(), (401, "invalid_token".into()));

    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", id), ("scope", "openid orders:read")]);
    let code = browser.code(&query).await;
    let body = crate::browser::exchange(id, &code);
    let tokens = fixture.post("/oauth/token").form(&body).send().await.expect(StatusCode::OK).json();

    let managed = Managed::of(&fixture, &registered);
    let shown = managed.get().await.expect(StatusCode::OK).json();
    assert_eq!(shown["client_name"], "A new shop");
    let told = ["registration_access_token", "registration_client_uri", "client_id"];
    assert_eq!(told.map(|name| &shown[name]), told.map(|name| &registered[name]), "RFC 7592 section 3");
    let change = json!({
        "client_id": id, "client_name": "An old shop", "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK], "dpop_bound_access_tokens": true,
    });
    let changed = managed.put(&change).await.expect(StatusCode::OK).json();
    assert_eq!(
        (&changed["client_name"], &changed["scope"]),
        (&json!("An old shop"), &json!("orders:read orders:write"))
    );
    assert_eq!(changed["grant_types"], json!(["authorization_code"]), "what is left out is left out");
    assert_eq!(
        (&registered["dpop_bound_access_tokens"], &changed["dpop_bound_access_tokens"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(managed.get().await.oauth_error(), (401, "invalid_token".into()), "the token was rotated");

    let managed = Managed::of(&fixture, &changed);
    managed.delete().await.expect(StatusCode::NO_CONTENT);
    assert_eq!(managed.get().await.oauth_error().0, 401);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(fixture.get("/oauth/userinfo").bearer(access).send().await.status, 401, "taken back");
    assert_eq!(browser.authorize(&query).await.status, StatusCode::BAD_REQUEST, "nobody knows it");
    assert!(fixture.issuer.list_consents(fixture.alice, fixture.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_registers_where_it_may_and_gets_a_secret() {
    let fixture = Fixture::new().await;
    let body = json!({ "uses": 2, "scope": "orders:read", "grant_types": ["client_credentials"] });
    let token = initial(&fixture, &body).await;
    let machine = json!({ "grant_types": ["client_credentials"], "response_types": [] });
    let registered = register(&fixture, &token, &machine).await.expect(StatusCode::CREATED).json();
    let text = |name: &str| registered[name].as_str().unwrap();
    assert_eq!((text("token_endpoint_auth_method"), text("scope")), ("client_secret_basic", "orders:read"));
    assert_eq!(registered["client_secret_expires_at"], 0);
    let ask = || fixture.post("/oauth/token").basic(text("client_id"), text("client_secret"));
    ask().form("grant_type=client_credentials").send().await.expect(StatusCode::OK);
    let refused = register(&fixture, &token, &metadata()).await;
    assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()), "another grant");
    register(&fixture, &token, &machine).await.expect(StatusCode::CREATED);

    // Its secret goes on through a change, and no other way to authenticate comes with one.
    let managed = Managed::of(&fixture, &registered);
    let change = with(machine.clone(), "client_id", json!(text("client_id")));
    let other = with(change.clone(), "token_endpoint_auth_method", json!("none"));
    assert_eq!(managed.put(&other).await.oauth_error().1, "invalid_client_metadata");
    let changed = managed.put(&change).await.expect(StatusCode::OK).json();
    assert!(changed.get("client_secret").is_none());
    ask().form("grant_type=client_credentials").send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_change_that_says_a_secret_says_the_clients() {
    let fixture = Fixture::new().await;
    let body = json!({ "uses": 3, "scope": "orders:read", "grant_types": ["client_credentials"] });
    let token = initial(&fixture, &body).await;
    let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap().public_jwk().unwrap();
    for (method, own) in
        [("client_secret_basic", true), ("client_secret_jwt", true), ("private_key_jwt", false)]
    {
        let machine = json!({ "grant_types": ["client_credentials"], "token_endpoint_auth_method": method });
        let keys = if own { Value::Null } else { json!({ "keys": [key] }) };
        let machine = with(machine, "jwks", keys);
        let registered = register(&fixture, &token, &machine).await.expect(StatusCode::CREATED).json();
        let change = with(machine, "client_id", registered["client_id"].clone());
        let managed = Managed::of(&fixture, &registered);
        for wrong in ["", "x", &"x".repeat(43), &managed.token] {
            let refused = managed.put(&with(change.clone(), "client_secret", json!(wrong))).await;
            let want = (400, "invalid_client_metadata".to_owned());
            assert_eq!(refused.oauth_error(), want, "{method} {wrong:?}");
        }
        let same = with(change, "client_secret", registered["client_secret"].clone());
        assert_eq!(same["client_secret"].is_string(), own, "{method}");
        let changed = managed.put(&same).await.expect(StatusCode::OK).json();
        assert_ne!(changed["registration_access_token"], registered["registration_access_token"]);
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_checked() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read", "uses": 3 })).await;
    let but = |name: &str, value: Value| with(metadata(), name, value);
    let many: Vec<String> = (0..33).map(|at| format!("{CALLBACK}/{at}")).collect();
    let key = json!({ "kty": "oct", "k": "AAAA" });
    let cases = [
        ("no_redirect_uri", but("redirect_uris", json!([])), "invalid_redirect_uri"),
        ("left_out", but("redirect_uris", Value::Null), "invalid_redirect_uri"),
        ("plain_http", but("redirect_uris", json!(["http://app.example.com/cb"])), "invalid_redirect_uri"),
        ("fragment", but("redirect_uris", json!([format!("{CALLBACK}#x")])), "invalid_redirect_uri"),
        ("wildcard", but("redirect_uris", json!(["https://*.example.com/"])), "invalid_redirect_uri"),
        ("script", but("redirect_uris", json!(["javascript:alert(1)"])), "invalid_redirect_uri"),
        ("many", but("redirect_uris", json!(many)), "invalid_redirect_uri"),
        ("no_list", but("redirect_uris", json!(CALLBACK)), "invalid_client_metadata"),
        (
            "logout_uri",
            but("post_logout_redirect_uris", json!(["http://x.example/"])),
            "invalid_redirect_uri",
        ),
        ("implicit", but("grant_types", json!(["implicit"])), "invalid_client_metadata"),
        (
            "exchange",
            but("grant_types", json!(["urn:ietf:params:oauth:grant-type:token-exchange"])),
            "invalid_client_metadata",
        ),
        ("machine", but("grant_types", json!(["client_credentials"])), "invalid_client_metadata"),
        ("endless", but("grant_types", json!(vec!["authorization_code"; 3000])), "invalid_client_metadata"),
        ("token", but("response_types", json!(["token"])), "invalid_client_metadata"),
        ("no_response", but("response_types", json!([])), "invalid_client_metadata"),
        ("too_much", but("scope", json!("orders:delete")), "invalid_client_metadata"),
        ("admin", but("scope", json!("gatepass:admin")), "invalid_client_metadata"),
        ("no_scope", but("scope", json!("\"")), "invalid_client_metadata"),
        ("name", but("client_name", json!("a\nb")), "invalid_client_metadata"),
        ("method", but("token_endpoint_auth_method", json!("tls_client_auth")), "invalid_client_metadata"),
        ("no_keys", but("token_endpoint_auth_method", json!("private_key_jwt")), "invalid_client_metadata"),
        ("keys_of_nobody", but("jwks", json!({ "keys": [] })), "invalid_client_metadata"),
        ("a_secret", but("jwks", json!({ "keys": [key] })), "invalid_client_metadata"),
        ("keys_elsewhere", but("jwks_uri", json!("https://169.254.169.254/")), "invalid_client_metadata"),
        (
            "foreign_frame",
            but("frontchannel_logout_uri", json!("https://evil.example/")),
            "invalid_client_metadata",
        ),
        ("logouts", but("backchannel_logout_uri", json!("https://10.0.0.1/")), "invalid_client_metadata"),
        ("odd_subjects", but("subject_type", json!("ephemeral")), "invalid_client_metadata"),
        ("age_before_now", but("default_max_age", json!(-1)), "invalid_client_metadata"),
        ("age_of_words", but("default_max_age", json!("soon")), "invalid_client_metadata"),
        ("an_empty_acr", but("default_acr_values", json!([""])), "invalid_client_metadata"),
        ("acrs_of_text", but("default_acr_values", json!("a b")), "invalid_client_metadata"),
        ("many_acrs", but("default_acr_values", json!(vec!["a"; 9])), "invalid_client_metadata"),
        ("sector", but("sector_identifier_uri", json!("https://10.0.0.1/")), "invalid_client_metadata"),
        ("unsigned", but("id_token_signed_response_alg", json!("none")), "invalid_client_metadata"),
    ];
    for (name, metadata, want) in cases {
        assert_eq!(register(&fixture, &token, &metadata).await.oauth_error(), (400, want.into()), "{name}");
    }
    let raw = |body: &str, media_type: &str| {
        let call = fixture.post("/oauth/register").bearer(&token).header("content-type", media_type);
        call.body(body.to_owned())
    };
    for (name, body, media_type, status) in [
        ("no_json", "{", "application/json", 400),
        ("twice", r#"{"scope":"a","scope":"b"}"#, "application/json", 400),
        ("a_list", "[]", "application/json", 400),
        ("a_form", "scope=a", "application/x-www-form-urlencoded", 415),
    ] {
        let answer = raw(body, media_type).send().await;
        assert_eq!(answer.oauth_error(), (status, "invalid_client_metadata".into()), "{name}");
    }
    // Nothing of that has used the token.
    for _ in 0..3 {
        register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED);
    }
    assert_eq!(register(&fixture, &token, &metadata()).await.oauth_error().0, 401);
}

#[tokio::test]
async fn nobody_registers_or_manages_without_the_token_for_it() {
    let fixture = Fixture::new().await;
    let body = json!({ "uses": 9, "expires_in": 60 });
    let token = initial(&fixture, &body).await;
    let admin = fixture.admin().await;
    for (name, token) in
        [("empty", ""), ("guessed", "gpi_AAAA"), ("admin", &admin), ("long", &"x".repeat(4000))]
    {
        let answer = register(&fixture, token, &metadata()).await;
        assert_eq!(answer.oauth_error(), (401, "invalid_token".into()), "{name}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{name}");
    }
    let call = fixture.post("/oauth/register").json(&metadata());
    assert_eq!(call.send().await.status, 401, "without any");

    let simple = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let first = register(&fixture, &token, &simple).await.expect(StatusCode::CREATED).json();
    let second = register(&fixture, &token, &simple).await.expect(StatusCode::CREATED).json();
    let (first, other) = (Managed::of(&fixture, &first), Managed::of(&fixture, &second));
    let swapped = Managed { token: first.token.clone(), path: other.path.clone(), ..first };
    let with_initial = Managed { token: token.clone(), path: first.path.clone(), ..other };
    let of_admin = Managed { token: token.clone(), path: "/oauth/register/batch".into(), ..other };
    let of_nobody = Managed { token: token.clone(), path: "/oauth/register/a%20b".into(), ..other };
    for managed in [&swapped, &with_initial, &of_admin, &of_nobody] {
        for answer in [managed.get().await, managed.put(&simple).await, managed.delete().await] {
            assert_eq!(answer.oauth_error(), (401, "invalid_token".into()), "{}", managed.path);
        }
    }
    // A change is about this client, and says nothing that is ours to say.
    let id = first.path.rsplit('/').next().unwrap();
    let change = with(simple.clone(), "client_id", json!(id));
    for wrong in [
        simple.clone(),
        with(simple.clone(), "client_id", json!("batch")),
        with(change.clone(), "registration_access_token", json!("x")),
        with(change.clone(), "client_id_issued_at", json!(1)),
    ] {
        assert_eq!(first.put(&wrong).await.oauth_error(), (400, "invalid_client_metadata".into()), "{wrong}");
    }
    first.get().await.expect(StatusCode::OK);
    // An administrator has the last word.
    let path = format!("/admin/v1/clients/{id}");
    let call = fixture.call(Method::PATCH, &path).bearer(&admin).json(&json!({ "disabled": true }));
    call.send().await.expect(StatusCode::OK);
    assert_eq!(first.put(&change).await.oauth_error().0, 401);

    fixture.pass(Duration::from_secs(60));
    assert_eq!(register(&fixture, &token, &simple).await.oauth_error().0, 401, "expired");
}

#[tokio::test]
async fn initial_access_tokens_are_listed_and_taken_back() {
    let fixture = Fixture::new().await;
    let (admin, tokens) = (fixture.admin().await, "/admin/v1/registration-tokens");
    let wrong = [
        ("uses", json!(0)),
        ("uses", json!(10_001)),
        ("expires_in", json!(0)),
        ("expires_in", json!(7_776_001)),
        ("scope", json!("gatepass:admin")),
        ("grant_types", json!(["urn:ietf:params:oauth:grant-type:token-exchange"])),
        ("dance", json!(1)),
    ];
    for (name, value) in wrong {
        let call = fixture.post(tokens).bearer(&admin).json(&json!({ name: value }));
        assert_eq!(call.send().await.problem().0, 400, "{name} {value}");
    }
    let token = initial(&fixture, &json!({ "scope": "orders:read" })).await;
    let list = async || {
        let admin = fixture.admin().await;
        fixture.get(tokens).bearer(&admin).send().await.expect(StatusCode::OK).json()
    };
    let listed = list().await["registration_tokens"].clone();
    let [only] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&only["uses_left"], &only["scope"]), (&json!(1), &json!("orders:read")));
    assert!(only.get("token").is_none(), "shown once");
    let path = format!("{tokens}/{}", only["id"].as_str().unwrap());
    let remove = || fixture.call(Method::DELETE, &path).bearer(&admin).send();
    remove().await.expect(StatusCode::NO_CONTENT);
    assert_eq!(remove().await.problem().0, 404);
    assert_eq!(register(&fixture, &token, &metadata()).await.oauth_error().0, 401);
    initial(&fixture, &json!({})).await;
    fixture.pass(Duration::from_secs(3600));
    assert_eq!(list().await["registration_tokens"], json!([]), "expired");
    fixture.issuer.maintain(fixture.now()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_registered_itself_is_always_asked_for() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read" })).await;
    let claims_trust = with(metadata(), "trusted", json!(true));
    let registered = register(&fixture, &token, &claims_trust).await.expect(StatusCode::CREATED).json();
    let id = registered["client_id"].as_str().unwrap();
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", id), ("scope", "openid orders:read")]);
    let page = browser.authorize(&query).await;
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    assert!(crate::browser::text(&page).contains("/oauth/consent"));
    let back = sent_back(&browser.submit(&page, &[("decision", "deny")]).await);
    assert_eq!(back["error"], "access_denied");
    let plain = encode([("client_id", id), ("redirect_uri", CALLBACK), ("response_type", "code")]);
    assert_eq!(
        told_by(&browser.authorize(&plain).await)["error"],
        "invalid_request",
        "PKCE is not negotiable"
    );
}

#[tokio::test]
async fn of_two_changes_at_once_one_takes_effect() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read" })).await;
    let registered = register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED).json();
    let managed = Managed::of(&fixture, &registered);
    let id = &registered["client_id"];
    let change = |name: &str| with(with(metadata(), "client_id", id.clone()), "client_name", json!(name));
    let (one, other) = (change("One"), change("Other"));
    let (one, other) = tokio::join!(managed.put(&one), managed.put(&other));
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    let won = won.expect(StatusCode::OK).json();
    assert_eq!(lost.oauth_error(), (401, "invalid_token".into()));
    let shown = Managed::of(&fixture, &won).get().await.expect(StatusCode::OK).json();
    assert_eq!(shown["client_name"], won["client_name"], "nothing of the other's");
}

#[tokio::test]
async fn a_client_registers_what_browsers_open_when_they_log_out() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read" })).await;
    let uri = json!("https://app.example.com/front");
    let wanted = with(metadata(), "frontchannel_logout_uri", uri.clone());
    let registered = register(&fixture, &token, &wanted).await.expect(StatusCode::CREATED).json();
    assert_eq!(registered["frontchannel_logout_uri"], uri);
    assert_eq!(
        registered["frontchannel_logout_session_required"], true,
        "`iss` and `sid` always come with it"
    );
    assert!(registered.get("backchannel_logout_session_required").is_none(), "it gets no logout tokens");
    let change = with(metadata(), "client_id", registered["client_id"].clone());
    let changed = Managed::of(&fixture, &registered).put(&change).await.expect(StatusCode::OK).json();
    assert!(changed.get("frontchannel_logout_uri").is_none(), "left out, it is gone");
}

#[tokio::test]
async fn a_client_registers_what_it_wants_of_logins() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read", "uses": 2 })).await;
    let wanted = [
        ("default_max_age", json!(300)),
        ("require_auth_time", json!(true)),
        ("default_acr_values", json!(["urn:gatepass:acr:password", "urn:example:gold"])),
    ];
    let all =
        |metadata: Value| wanted.iter().fold(metadata, |all, (name, value)| with(all, name, value.clone()));
    let said = |answer: &Value| wanted.each_ref().map(|(name, _)| answer.get(*name).cloned());
    let nothing = [None, Some(json!(false)), None];

    let plain = register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED).json();
    assert_eq!(said(&plain), nothing);
    let registered = register(&fixture, &token, &all(metadata())).await.expect(StatusCode::CREATED).json();
    assert_eq!(said(&registered), wanted.each_ref().map(|(_, value)| Some(value.clone())));
    let id = registered["client_id"].as_str().unwrap();

    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", id), ("scope", "openid orders:read")])).await;
    fixture.pass(Duration::from_secs(301));
    let query = request(&[("client_id", id), ("scope", "openid orders:read"), ("prompt", "none")]);
    assert_eq!(sent_back(&browser.authorize(&query).await)["error"], "login_required");

    let managed = Managed::of(&fixture, &registered);
    let less = with(metadata(), "client_id", json!(id));
    let changed = managed.put(&less).await.expect(StatusCode::OK).json();
    assert_eq!(said(&changed), nothing, "what is left out is left out");
    let managed = Managed::of(&fixture, &changed);
    let again = managed.put(&all(less)).await.expect(StatusCode::OK).json();
    assert_eq!(said(&again), said(&registered));
}

#[tokio::test]
async fn what_a_client_asks_for_does_not_grow_behind_an_open_page() {
    let fixture = Fixture::new().await;
    let token = initial(&fixture, &json!({ "scope": "orders:read orders:write" })).await;
    let registered = register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED).json();
    let id = registered["client_id"].as_str().unwrap();
    let mut browser = Browser::new(&fixture);
    // No scope: all that the client is registered for.
    let page = browser.authorize(&request(&[("client_id", id), ("scope", "")])).await;
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    let shows = |page: &Answer, scope: &str| crate::browser::text(page).contains(scope);
    assert!(shows(&page, "orders:read") && !shows(&page, "orders:write"));
    let more = with(metadata(), "scope", json!("openid orders:read orders:write"));
    let more = with(more, "client_id", json!(id));
    Managed::of(&fixture, &registered).put(&more).await.expect(StatusCode::OK);

    let again = browser.submit(&page, &[("decision", "allow")]).await.expect(StatusCode::OK);
    assert!(shows(&again, "/oauth/consent") && shows(&again, "orders:write"), "asked again");
    assert!(fixture.issuer.list_consents(fixture.alice, fixture.now()).await.unwrap().is_empty());
    assert!(sent_back(&browser.submit(&again, &[("decision", "allow")]).await).contains_key("code"));
}

/// Resource indicators (RFC 8707) of clients that nobody registers one by one.
#[tokio::test]
async fn a_client_asks_for_the_resource_servers_of_its_token_by_either_spelling_and_no_others() {
    const ORDERS: &str = "https://orders.example.com";
    const STOCK: &str = "https://stock.example.com";
    const OTHER: &str = "https://other.example.com";
    let fixture = Fixture::with(gatepass_server::HttpConfig::default(), |config| {
        let servers = [OTHER, ORDERS, STOCK].map(resource_server).to_vec();
        config.resource_servers = ResourceServers::new(&config.issuer, servers).unwrap();
    })
    .await;
    let unknown = json!({ "scope": "orders:read", "audience": ["https://nobody.example.com"] });
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&fixture.admin().await).json(&unknown);
    assert_eq!(call.send().await.problem(), (400, "invalid-request".into()));

    let policy = json!({ "scope": "orders:read", "audience": [ORDERS, STOCK], "uses": 1 });
    let token = initial(&fixture, &policy).await;
    let registered = register(&fixture, &token, &metadata()).await.expect(StatusCode::CREATED).json();
    let (id, managed) = (registered["client_id"].as_str().unwrap(), Managed::of(&fixture, &registered));
    let with_slash = format!("{STOCK}/");
    let cases = [("", ORDERS), (ORDERS, ORDERS), (STOCK, STOCK), (&with_slash, STOCK)];
    for (resource, audience) in cases {
        let asked =
            [("client_id", id), ("scope", "openid offline_access orders:read"), ("resource", resource)];
        let code = Browser::new(&fixture).code(&request(&asked)).await;
        let redeem = format!("{}&{}", exchange(id, &code), encode([("resource", resource)]));
        let tokens = fixture.post("/oauth/token").form(&redeem).send().await.expect(StatusCode::OK).json();
        assert_eq!(claims(tokens["access_token"].as_str().unwrap())["aud"], audience, "{resource}");
        let next = encode([
            ("grant_type", "refresh_token"),
            ("client_id", id),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
            ("resource", resource),
        ]);
        fixture.post("/oauth/token").form(&next).send().await.expect(StatusCode::OK);
    }
    // What it changes to stays within the policy.
    let change = with(with(metadata(), "client_id", json!(id)), "scope", json!("openid orders:read"));
    managed.put(&change).await.expect(StatusCode::OK);
    for resource in [OTHER, "https://stock.example.com//", "https://stock.example.com.evil.example/"] {
        let asked = [("client_id", id), ("scope", "openid orders:read"), ("resource", resource)];
        let refused = Browser::new(&fixture).authorize(&request(&asked)).await;
        assert_eq!(told_by(&refused)["error"], "invalid_target", "{resource}");
    }
}

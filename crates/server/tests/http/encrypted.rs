//! What clients are told, signed by the algorithm that they want and encrypted for their own key.

use std::sync::Arc;
use std::time::Duration;

use gatepass_issuer::admin::{AdminError, ChangeClient, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ChangeResponses, ClientExtensions, GrantType, ResponseFormats};
use gatepass_issuer::{Config, Issuer, MasterKey, Profile, ResourceServer, ResourceServers, TokenEncryption};
use gatepass_jose::jwe::{Decrypter, DecryptionKey, DecryptionKeys};
use gatepass_jose::{
    Alg, ContentEncryption, Curve, JwkSet, KeyManagement, KeySet, SigningKey, Timestamp, Typ, base64url, jws,
};
use gatepass_server::HttpConfig;
use gatepass_store::Embedded;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use url::Url;

use crate::browser::*;
use crate::fixture::{API, Answer, Fixture, ISSUER, START, resource_server, with};
use crate::responses::change;
use crate::signed::register_vault;

const JWT: Typ = Typ::new("JWT");

/// A server whose clients can have RS256 too.
async fn fixture() -> Fixture {
    Fixture::with(HttpConfig::default(), |config| config.response_algs = vec![Alg::RS256]).await
}

/// What somebody reads who has `key`: the header outside, and the claims of the token inside, which has this `typ`.
async fn opened(fixture: &Fixture, jwe: &str, key: &DecryptionKey, typ: Typ) -> (Value, Value) {
    let header = base64url::decode(jwe.split('.').next().unwrap()).unwrap();
    let all: Vec<ContentEncryption> = ContentEncryption::all().collect();
    let decrypter = Decrypter::new(DecryptionKeys::new(vec![key.clone()]), &all);
    let decrypted = decrypter.decrypt(jwe).unwrap();
    let inside = std::str::from_utf8(decrypted.plaintext()).unwrap();
    (serde_json::from_slice(&header).unwrap(), signed(fixture, inside, typ).await)
}

/// What a token says that is signed with a published key.
async fn signed(fixture: &Fixture, jwt: &str, typ: Typ) -> Value {
    let keys = JwkSet::parse(&fixture.get("/.well-known/jwks.json").send().await.body).unwrap();
    let keys = KeySet::from_jwks(&keys, &[Alg::ES256, Alg::RS256]);
    let verified = jws::Verifier::new(keys).requiring_typ(typ).verify(jwt).unwrap();
    serde_json::from_slice(verified.payload()).unwrap()
}

pub(crate) fn alg_of(jwt: &str) -> Value {
    let header = base64url::decode(jwt.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["alg"].clone()
}

fn public(key: &DecryptionKey) -> Value {
    json!(key.to_jwk().unwrap().public().unwrap())
}

fn p256(kid: &str) -> DecryptionKey {
    DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::P256), Some(kid)).unwrap()
}

async fn tokens(fixture: &Fixture) -> Answer {
    let code = Browser::new(fixture).code(&request(&[])).await;
    fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await
}

#[tokio::test]
async fn id_tokens_and_logout_tokens_are_signed_with_the_algorithm_that_the_client_wants() {
    let fixture = fixture().await;
    register(&fixture).await;
    let metadata = fixture.get("/.well-known/openid-configuration").send().await.json();
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        assert_eq!(
            metadata[format!("{what}_signing_alg_values_supported")],
            json!(["ES256", "RS256"]),
            "{what}"
        );
    }
    let wanted = json!({
        "id_token_signed_response_alg": "RS256",
        "backchannel_logout_uri": "https://app.example.com/logout",
    });
    change(&fixture, "shop", wanted).await.expect(StatusCode::OK);
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.json();
    let (id_token, access) = (tokens["id_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
    assert_eq!((alg_of(id_token), alg_of(access)), (json!("RS256"), json!("ES256")));
    let claims = signed(&fixture, id_token, JWT).await;
    assert_eq!(claims["at_hash"], gatepass_token::at_hash(Alg::RS256, access).unwrap());

    // It is a hint like any other, and what tells of the logout is signed the same way.
    let page = browser.open(&format!("/oauth/logout?id_token_hint={id_token}")).await;
    page.expect(StatusCode::OK);
    let (_, token) = due_logouts(&fixture).await.remove(0);
    assert_eq!(alg_of(&token), "RS256");
    assert_eq!(signed(&fixture, &token, Typ::new("logout+jwt")).await["sid"], claims["sid"]);
}

#[tokio::test]
async fn id_tokens_are_signed_with_rs256_for_a_client_that_says_nothing() {
    let fixture = fixture().await;
    register(&fixture).await;
    let change = async |body: Value| change(&fixture, "shop", body).await.expect(StatusCode::OK).json();
    let id_token = async || {
        let tokens = tokens(&fixture).await.expect(StatusCode::OK).json();
        alg_of(tokens["id_token"].as_str().unwrap())
    };
    assert_eq!(change(json!({})).await["id_token_signed_response_alg"], "RS256");
    assert_eq!(id_token().await, "RS256");
    assert_eq!(
        change(json!({ "id_token_signed_response_alg": "ES256" })).await["id_token_signed_response_alg"],
        "ES256"
    );
    assert_eq!(id_token().await, "ES256");
    assert_eq!(change(json!({ "client_name": "Shop" })).await["id_token_signed_response_alg"], "ES256");
    let reset = change(json!({ "id_token_signed_response_alg": null })).await;
    assert_eq!(reset["id_token_signed_response_alg"], "RS256");
}

#[tokio::test]
async fn id_tokens_are_signed_with_es256_where_there_is_no_rs256_or_the_profile_has_none() {
    for (profile, algs) in [(Profile::OAuth21, vec![]), (Profile::Fapi2, vec![Alg::RS256])] {
        let change = |config: &mut Config| (config.profile, config.response_algs) = (profile, algs);
        let fixture = Fixture::with(HttpConfig::default(), change).await;
        register_vault(&fixture).await;
        let vault = fixture.issuer.find_client(&"vault".parse().unwrap()).await.unwrap();
        assert_eq!(vault.extensions.responses.id_token_signed_response_alg, None, "{profile:?}");
    }
}

#[tokio::test]
async fn what_signed_for_a_client_goes_on_signing_when_rs256_is_configured() {
    let starts = Starts::new();
    let before = starts.open(&[]).await;
    let quiet = |id: &str| {
        let mut client = client(id, Alg::ES256);
        client.grants = vec![GrantType::DeviceCode];
        client.extensions.responses.id_token_signed_response_alg = None;
        client
    };
    before.create_client(quiet("old"), starts.now).await.unwrap();
    drop(before);
    let after = starts.open(&[Alg::RS256]).await;
    after.create_client(quiet("early"), starts.now).await.unwrap();
    let later = starts.now.saturating_add(Duration::from_secs(600));
    after.create_client(quiet("new"), later).await.unwrap();
    let renamed = ChangeClient { name: Some("x".into()), ..Default::default() };
    for (id, want) in [("old", None), ("early", None), ("new", Some(Alg::RS256))] {
        after.change_client(&id.parse().unwrap(), renamed.clone(), later).await.unwrap();
        let kept = after.find_client(&id.parse().unwrap()).await.unwrap();
        assert_eq!(kept.extensions.responses.id_token_signed_response_alg, want, "{id}");
    }
}

/// An issuer that is started several times, with one configuration or another.
struct Starts {
    store: Arc<Embedded>,
    master: MasterKey,
    now: Timestamp,
    _dir: tempfile::TempDir,
}

impl Starts {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (master, now) = (MasterKey::generate().unwrap(), Timestamp::from_millis(START));
        Self { store: Arc::new(Embedded::open(dir.path()).unwrap()), master, now, _dir: dir }
    }

    async fn open(&self, algs: &[Alg]) -> Issuer {
        let name = gatepass_jose::Issuer::new(ISSUER).unwrap();
        let servers = ResourceServers::new(&name, vec![resource_server(API)]).unwrap();
        let config = Config { response_algs: algs.to_vec(), ..Config::new(name, servers) };
        Issuer::open(config, &self.master, Arc::clone(&self.store) as _, self.now).await.unwrap()
    }
}

fn client(id: &str, alg: Alg) -> NewClient {
    NewClient {
        id: Some(id.parse().unwrap()),
        name: id.into(),
        credential: NewCredential::Secret,
        grants: Vec::new(),
        scope: Default::default(),
        audience: Vec::new(),
        sign_on: SignOnClient::default(),
        exchange: None,
        extensions: ClientExtensions {
            responses: ResponseFormats { id_token_signed_response_alg: Some(alg), ..Default::default() },
            ..Default::default()
        },
    }
}

#[tokio::test]
async fn an_algorithm_that_is_configured_later_is_refused_until_its_key_signs() {
    let starts = Starts::new();
    let now = starts.now;
    let before = starts.open(&[]).await;
    let refused = before.create_client(client("a", Alg::RS256), now).await.unwrap_err();
    assert!(matches!(refused, AdminError::UnservedAlg { alg: Alg::RS256, .. }), "{refused}");
    before.create_client(client("b", Alg::ES256), now).await.unwrap();
    drop(before);

    let after = starts.open(&[Alg::RS256]).await;
    let refused = after.create_client(client("a", Alg::RS256), now).await.unwrap_err();
    let ahead = Duration::from_secs(600);
    assert!(
        matches!(refused, AdminError::AlgNotYet { alg: Alg::RS256, wait, .. } if wait == ahead),
        "{refused}"
    );
    let from = now.saturating_add(ahead);
    let responses =
        ChangeResponses { id_token_signed_response_alg: Some(Some(Alg::RS256)), ..Default::default() };
    let responses = ChangeClient { responses, ..Default::default() };
    assert!(after.change_client(&"b".parse().unwrap(), responses.clone(), now).await.is_err());
    after.create_client(client("a", Alg::RS256), from).await.unwrap();
    after.change_client(&"b".parse().unwrap(), responses, from).await.unwrap();
}

#[tokio::test]
async fn id_tokens_are_encrypted_for_the_clients_own_key_after_they_are_signed() {
    let fixture = fixture().await;
    register(&fixture).await;
    let generate = |alg, curve, kid| DecryptionKey::generate(alg, curve, Some(kid)).unwrap();
    let sig = SigningKey::generate(Alg::ES256, Some("s")).unwrap().public_jwk().unwrap();
    let cases = [
        (p256("p"), "ECDH-ES", None, "A128CBC-HS256"),
        (
            generate(KeyManagement::EcdhEsA256KW, Some(Curve::X25519), "x"),
            "ECDH-ES+A256KW",
            Some("A256GCM"),
            "A256GCM",
        ),
        (generate(KeyManagement::RsaOaep256, None, "r"), "RSA-OAEP-256", Some("A128GCM"), "A128GCM"),
        (generate(KeyManagement::RsaOaep, None, "o"), "RSA-OAEP", Some("A256CBC-HS512"), "A256CBC-HS512"),
    ];
    for (key, alg, enc, want) in cases {
        let wanted = json!({
            "jwks": { "keys": [sig, public(&key)] },
            "id_token_signed_response_alg": "RS256",
            "id_token_encrypted_response_alg": alg,
            "id_token_encrypted_response_enc": enc,
            "backchannel_logout_uri": "https://app.example.com/logout",
        });
        change(&fixture, "shop", wanted).await.expect(StatusCode::OK);
        let mut browser = Browser::new(&fixture);
        let code = browser.code(&request(&[("scope", "openid offline_access")])).await;
        let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.json();
        let jwe = tokens["id_token"].as_str().unwrap();
        let (header, claims) = opened(&fixture, jwe, &key, JWT).await;
        assert_eq!((&header["alg"], &header["enc"]), (&json!(alg), &json!(want)), "{alg}");
        assert_eq!((&header["kid"], &header["cty"]), (&json!(key.kid()), &json!("JWT")), "{alg}");
        assert!(header.get("zip").is_none(), "{alg}: its length would tell of what is in it");
        assert_eq!((&claims["aud"], &claims["nonce"]), (&json!("shop"), &json!("n-1")), "{alg}");
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(claims["at_hash"], gatepass_token::at_hash(Alg::RS256, access).unwrap(), "{alg}");
        let form = encode([
            ("grant_type", "refresh_token"),
            ("client_id", "shop"),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ]);
        let next = fixture.post("/oauth/token").form(&form).send().await.expect(StatusCode::OK).json();
        let (_, again) = opened(&fixture, next["id_token"].as_str().unwrap(), &key, JWT).await;
        assert_eq!(again["sid"], claims["sid"], "{alg}: signed and encrypted like the first");
        // Nothing of ours reads it: the client decrypts it before it is a hint.
        let hint = request(&[("id_token_hint", jwe), ("prompt", "none")]);
        assert_eq!(sent_back(&browser.authorize(&hint).await)["error"], "login_required", "{alg}");

        let session = claims["sid"].as_str().unwrap().parse().unwrap();
        let reason = gatepass_revocation::Reason::LOGOUT;
        fixture.issuer.end_session(session, reason, fixture.now()).await.unwrap();
        let (delivery, token) = due_logouts(&fixture).await.remove(0);
        let (_, told) = opened(&fixture, &token, &key, Typ::new("logout+jwt")).await;
        assert_eq!(told["sid"], claims["sid"], "{alg}");
        fixture
            .issuer
            .settle_logout(&delivery.notice, gatepass_issuer::Delivered::Taken, fixture.now())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn userinfo_introspections_and_authorization_responses_are_encrypted_each_for_itself() {
    let fixture = fixture().await;
    let secret = register(&fixture).await;
    let key = p256("k");
    let jwks = json!({ "keys": [public(&key)] });
    let plain = tokens(&fixture).await.expect(StatusCode::OK).json();
    let access = plain["access_token"].as_str().unwrap();
    let wrap = DecryptionKey::generate(KeyManagement::EcdhEsA128KW, Some(Curve::P256), Some("w")).unwrap();
    let before = fixture.get("/oauth/userinfo").bearer(access).send().await.json();
    let shop = json!({
        "jwks": { "keys": [public(&key), public(&wrap)] },
        "userinfo_encrypted_response_alg": "ECDH-ES+A128KW",
        "authorization_signed_response_alg": "RS256",
        "authorization_encrypted_response_alg": "ECDH-ES",
        "authorization_encrypted_response_enc": "A256GCM",
    });
    change(&fixture, "shop", shop).await.expect(StatusCode::OK);
    let info = fixture.get("/oauth/userinfo").bearer(access).send().await.expect(StatusCode::OK);
    assert_eq!(info.header(CONTENT_TYPE), "application/jwt");
    let (_, claims) = opened(&fixture, std::str::from_utf8(&info.body).unwrap(), &wrap, JWT).await;
    assert_eq!((&claims["sub"], &claims["aud"]), (&before["sub"], &json!("shop")));

    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[])).await;
    let answer = browser.authorize(&request(&[("response_mode", "jwt"), ("prompt", "none")])).await;
    let back = Url::parse(answer.header(LOCATION)).unwrap();
    let params: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    assert_eq!((params.len(), params[0].0.as_str()), (1, "response"));
    let (header, claims) = opened(&fixture, &params[0].1, &key, JWT).await;
    assert_eq!((&header["enc"], &claims["iss"]), (&json!("A256GCM"), &json!(ISSUER)));
    assert!(claims["code"].is_string() && claims["state"] == "s&1=\"<é>", "{claims}");

    let office = json!({ "jwks": jwks, "introspection_encrypted_response_alg": "ECDH-ES+A128KW" });
    let refused = change(&fixture, "office", office).await;
    assert_eq!(refused.problem(), (400, "invalid-request".into()), "that key is for ECDH-ES alone");
    let office = json!({ "jwks": jwks, "introspection_encrypted_response_alg": "ECDH-ES" });
    change(&fixture, "office", office).await.expect(StatusCode::OK);
    let introspected = fixture.post("/oauth/introspect").basic("office", &secret);
    let introspected = introspected.header(ACCEPT, "application/token-introspection+jwt");
    let answer = introspected.form(&encode([("token", access)])).send().await.expect(StatusCode::OK);
    let typ = Typ::new("token-introspection+jwt");
    let (_, claims) = opened(&fixture, std::str::from_utf8(&answer.body).unwrap(), &key, typ).await;
    assert_eq!(claims["token_introspection"]["active"], true);
}

#[tokio::test]
async fn nothing_is_registered_that_would_be_encrypted_for_nobody_or_badly() {
    let fixture = fixture().await;
    register(&fixture).await;
    let key = p256("k");
    let sig = SigningKey::generate(Alg::ES256, Some("s")).unwrap().public_jwk().unwrap();
    let silent = with(with(public(&key), "alg", Value::Null), "use", Value::Null);
    let private: Value = serde_json::from_str(&key.to_jwk().unwrap().to_json()).unwrap();
    let off_curve = with(public(&key), "y", public(&p256("k"))["y"].clone());
    let many: Vec<Value> = (0..17).map(|at| with(public(&key), "kid", json!(at.to_string()))).collect();
    let wanted = |keys: Value, alg: &str, enc: &str| {
        json!({
            "jwks": { "keys": keys },
            "id_token_encrypted_response_alg": alg,
            "id_token_encrypted_response_enc": enc,
        })
    };
    let good = || json!([public(&key)]);
    let cases = [
        ("a_key_to_sign_with", wanted(json!([sig]), "ECDH-ES", "A256GCM")),
        ("a_key_that_says_nothing_signs", wanted(json!([silent]), "ECDH-ES", "A256GCM")),
        ("a_key_of_another_type", wanted(good(), "RSA-OAEP-256", "A256GCM")),
        ("a_key_for_another_algorithm", wanted(good(), "ECDH-ES+A128KW", "A256GCM")),
        ("a_point_off_the_curve", wanted(json!([off_curve]), "ECDH-ES", "A256GCM")),
        ("too_many_keys", wanted(json!(many), "ECDH-ES", "A256GCM")),
        ("two_of_one_name", wanted(json!([public(&key), public(&p256("k"))]), "ECDH-ES", "A256GCM")),
        ("a_private_key", wanted(json!([private]), "ECDH-ES", "A256GCM")),
        ("no_keys", wanted(json!([]), "ECDH-ES", "A256GCM")),
        ("rsa1_5", wanted(good(), "RSA1_5", "A256GCM")),
        ("a_secret", wanted(good(), "dir", "A256GCM")),
        ("none", wanted(good(), "none", "A256GCM")),
        ("no_content_encryption", wanted(good(), "ECDH-ES", "none")),
        ("content_alone", json!({ "id_token_encrypted_response_enc": "A256GCM" })),
        ("without_any_key", json!({ "id_token_encrypted_response_alg": "ECDH-ES" })),
    ];
    for (name, wanted) in cases {
        let refused = change(&fixture, "shop", wanted).await;
        assert_eq!(refused.problem().0, 400, "{name}");
    }
    change(&fixture, "shop", wanted(good(), "ECDH-ES", "A256GCM")).await.expect(StatusCode::OK);
    // Its keys cannot be taken from under that, and ID tokens go on being read by nobody else.
    for (name, keys) in [("another", json!({ "keys": [sig] })), ("none", Value::Null)] {
        assert_eq!(change(&fixture, "shop", json!({ "jwks": keys })).await.problem().0, 400, "{name}");
    }
    let next = p256("next");
    change(&fixture, "shop", json!({ "jwks": { "keys": [public(&next)] } })).await.expect(StatusCode::OK);
    let answer = tokens(&fixture).await.expect(StatusCode::OK).json();
    let (header, _) = opened(&fixture, answer["id_token"].as_str().unwrap(), &next, JWT).await;
    assert_eq!(header["kid"], "next");
    // A key to encrypt for signs nothing.
    let by_key = json!({
        "client_name": "x", "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [public(&key)] },
    });
    let admin = fixture.admin().await;
    let refused = fixture.post("/admin/v1/clients").bearer(&admin).json(&by_key).send().await;
    assert_eq!(refused.problem(), (400, "invalid-request".into()));
}

#[tokio::test]
async fn a_client_registers_itself_with_a_key_to_be_encrypted_for() {
    let fixture = fixture().await;
    let admin = fixture.admin().await;
    let body = json!({ "uses": 10, "scope": "orders:read" });
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&body);
    let token = call.send().await.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned();
    let register =
        async |metadata: &Value| fixture.post("/oauth/register").bearer(&token).json(metadata).send().await;
    let key = p256("k");
    let metadata = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic",
        "jwks": { "keys": [public(&key)] },
        "id_token_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_alg": "ECDH-ES",
    });
    let registered = register(&metadata).await.expect(StatusCode::CREATED).json();
    assert_eq!(registered["jwks"], metadata["jwks"]);
    // What this server does where nothing is said: of ID tokens what the specification says.
    for (name, alg) in [("id_token_signed_response_alg", "RS256"), ("userinfo_signed_response_alg", "ES256")]
    {
        assert_eq!(registered[name], alg, "{name}");
    }
    for (name, value) in [
        ("jwks", Value::Null),
        ("id_token_encrypted_response_alg", json!("RSA-OAEP")),
        ("id_token_encrypted_response_enc", json!("XC20P")),
        ("request_object_encryption_alg", json!("RSA-OAEP")),
    ] {
        let refused = register(&with(metadata.clone(), name, value)).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()), "{name}");
    }
    // A change says all anew: without keys there is nothing to encrypt for.
    let own = |changes: Value| {
        let mut all = metadata.clone();
        all["client_id"] = registered["client_id"].clone();
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    let id = registered["client_id"].as_str().unwrap();
    let management = registered["registration_access_token"].as_str().unwrap();
    let put = async |metadata: Value, token: &str| {
        let call = fixture.call(http::Method::PUT, &format!("/oauth/register/{id}")).bearer(token);
        call.json(&metadata).send().await
    };
    let refused = put(own(json!({ "jwks": null })), management).await;
    assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()));
    let none = json!({
        "jwks": null, "id_token_encrypted_response_alg": null, "userinfo_encrypted_response_alg": null,
    });
    let changed = put(own(none), management).await.expect(StatusCode::OK).json();
    assert!(changed.get("jwks").is_none() && changed.get("id_token_encrypted_response_alg").is_none());
}

/// A server whose tokens for the API are encrypted for `key`.
async fn with_encrypted_tokens(key: &DecryptionKey) -> Fixture {
    let encryption = TokenEncryption { key: key.encryption_key().unwrap(), enc: ContentEncryption::A256GCM };
    let encrypted = ResourceServer { encryption: Some(encryption), ..resource_server(API) };
    Fixture::with(HttpConfig::default(), |config| {
        let servers = vec![encrypted, resource_server("https://other.example.com")];
        config.resource_servers = ResourceServers::new(&config.issuer, servers).unwrap();
    })
    .await
}

#[tokio::test]
async fn an_access_token_that_its_client_cannot_read_is_good_here_all_the_same() {
    let key = p256("api");
    let fixture = with_encrypted_tokens(&key).await;
    let secret = register(&fixture).await;
    let answer = tokens(&fixture).await.expect(StatusCode::OK).json();
    let token = answer["access_token"].as_str().unwrap();
    let (header, claims) = opened(&fixture, token, &key, Typ::ACCESS_TOKEN).await;
    assert_eq!(
        (&header["kid"], &header["cty"], &header["typ"]),
        (&json!("api"), &json!("JWT"), &json!("at+jwt"))
    );
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(API), &json!("shop")));
    let id_token = signed(&fixture, answer["id_token"].as_str().unwrap(), JWT).await;
    assert_eq!(
        id_token["at_hash"],
        gatepass_token::at_hash(Alg::ES256, token).unwrap(),
        "of what the client has"
    );

    // Introspection says the same of it and of what is inside.
    let inside = Decrypter::new(DecryptionKeys::new(vec![key.clone()]), &[ContentEncryption::A256GCM]);
    let inside = String::from_utf8(inside.decrypt(token).unwrap().plaintext().to_vec()).unwrap();
    let ask = async |token: &str| {
        let call = fixture.post("/oauth/introspect").basic("office", &secret);
        call.form(&encode([("token", token)])).send().await.expect(StatusCode::OK).json()
    };
    assert_eq!(ask(token).await["jti"], claims["jti"]);
    assert_eq!(ask(token).await, ask(&inside).await);
    fixture.get("/oauth/userinfo").bearer(token).send().await.expect(StatusCode::OK);

    // What somebody else encrypts, or takes from another token, is nothing.
    let theirs = gatepass_jose::jwe::Encrypter::new(ContentEncryption::A256GCM).with_cty("JWT");
    let theirs = theirs.encrypt(inside.as_bytes(), &key.encryption_key().unwrap()).unwrap();
    let other = fixture.log_in("alice").await.access;
    let (head, _) = other.split_once('.').unwrap();
    let mixed = format!("{head}.{}", token.split_once('.').unwrap().1);
    for bad in [theirs.as_str(), mixed.as_str(), "....", "a.b.c.d.e"] {
        assert_eq!(ask(bad).await, json!({ "active": false }), "{bad}");
        assert_eq!(fixture.get("/oauth/userinfo").bearer(bad).send().await.status, 401, "{bad}");
    }

    // Its client takes it back (RFC 7009), which counts at once.
    let revoke = encode([("client_id", "shop"), ("token", token)]);
    fixture.post("/oauth/revoke").form(&revoke).send().await.expect(StatusCode::OK);
    assert_eq!(ask(&inside).await, json!({ "active": false }));
    assert_eq!(fixture.get("/oauth/userinfo").bearer(token).send().await.status, 401);
}

#[tokio::test]
async fn an_encrypted_token_opens_sessions_and_administration_and_is_exchanged() {
    let key = DecryptionKey::generate(KeyManagement::EcdhEsA256KW, Some(Curve::X25519), Some("api")).unwrap();
    let fixture = with_encrypted_tokens(&key).await;
    let alice = fixture.log_in("alice").await;
    assert_eq!(alice.access.split('.').count(), 5);
    fixture.get("/session/list").bearer(&alice.access).send().await.expect(StatusCode::OK);
    let admin = fixture.admin().await;
    let policy = json!({
        "exchange": { "for": ["https://other.example.com"] },
        "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/batch").bearer(&admin).json(&policy);
    call.send().await.expect(StatusCode::OK);
    let form = encode([
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &alice.access),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "https://other.example.com"),
    ]);
    let call = fixture.post("/oauth/token").basic("batch", &fixture.secret).form(&form);
    let exchanged = call.send().await.expect(StatusCode::OK).json();
    let token = exchanged["access_token"].as_str().unwrap();
    assert_eq!(signed(&fixture, token, Typ::ACCESS_TOKEN).await["aud"], "https://other.example.com");
}

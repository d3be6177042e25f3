//! Tokens that are bound to a key which their client shows.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use gatepass_jose::{Jwk, base64url};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Call, Fixture, ISSUER, PASSWORD, with};

const TOKEN: (&str, &str) = ("POST", "/oauth/token");
const USERINFO: (&str, &str) = ("GET", "/oauth/userinfo");
const OFFLINE: &str = "openid profile offline_access orders:read";

/// A key and what a client makes with it.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    jwk: Value,
}

impl Key {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
        Self { pair, jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }) }
    }

    pub(crate) fn jkt(&self) -> String {
        Jwk::parse(self.jwk.to_string().as_bytes()).unwrap().thumbprint()
    }

    pub(crate) fn claims(fixture: &Fixture, (method, path): (&str, &str)) -> Value {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let now = fixture.now();
        json!({
            "jti": format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            "htm": method,
            "htu": format!("{ISSUER}{path}"),
            "iat": now.as_secs(),
            "nonce": fixture.issuer.dpop_nonce(now),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let part = |json: &Value| base64url::encode(json.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }

    /// A proof for one request.
    pub(crate) fn proof(&self, fixture: &Fixture, request: (&str, &str)) -> String {
        self.sign(&Self::claims(fixture, request))
    }

    /// A proof for one request that sends `token`.
    pub(crate) fn proof_with(&self, fixture: &Fixture, request: (&str, &str), token: &str) -> String {
        let ath = base64url::encode(digest(&SHA256, token.as_bytes()).as_ref());
        self.sign(&with(Self::claims(fixture, request), "ath", json!(ath)))
    }
}

fn token(fixture: &Fixture, form: &str, proof: &str) -> Call {
    fixture.post("/oauth/token").form(form).header("dpop", proof)
}

fn refresh(client: &str, refresh_token: &Value) -> String {
    encode([
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", refresh_token.as_str().unwrap()),
    ])
}

/// The tokens of a login at `shop` that shows `key`.
async fn log_in(fixture: &Fixture, key: &Key) -> Value {
    let code = Browser::new(fixture).code(&request(&[("scope", OFFLINE)])).await;
    let call = token(fixture, &exchange("shop", &code), &key.proof(fixture, TOKEN));
    call.send().await.expect(StatusCode::OK).json()
}

/// An access token of a login in one's own app, bound to `key`.
pub(crate) async fn log_in_with(fixture: &Fixture, key: &Key) -> String {
    let call = fixture.post("/session/login").json(&crate::fixture::credentials());
    let answer = call.header("dpop", &key.proof(fixture, ("POST", "/session/login"))).send().await;
    access(&answer.expect(StatusCode::OK).json()).to_owned()
}

fn userinfo(fixture: &Fixture, token: &str, proof: &str) -> Call {
    fixture.get("/oauth/userinfo").header("authorization", &format!("DPoP {token}")).header("dpop", proof)
}

fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[tokio::test]
async fn a_login_refresh_and_userinfo_with_a_key() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let key = Key::new();
    let code = Browser::new(&fixture).code(&request(&[("scope", OFFLINE)])).await;
    let bare = key.sign(&with(Key::claims(&fixture, TOKEN), "nonce", Value::Null));
    let asked = token(&fixture, &exchange("shop", &code), &bare).send().await;
    assert_eq!(asked.oauth_error(), (400, "use_dpop_nonce".into()), "and the code is still good");
    assert_eq!(asked.header("dpop-nonce"), fixture.issuer.dpop_nonce(fixture.now()).unwrap());

    let call = token(&fixture, &exchange("shop", &code), &key.proof(&fixture, TOKEN));
    let first = call.send().await.expect(StatusCode::OK);
    assert!(!first.header("dpop-nonce").is_empty());
    let first = first.json();
    assert_eq!(first["token_type"], "DPoP");
    assert_eq!(claims(access(&first))["cnf"], json!({ "jkt": key.jkt() }));

    let form = refresh("shop", &first["refresh_token"]);
    let second = token(&fixture, &form, &key.proof(&fixture, TOKEN)).send().await;
    let second = second.expect(StatusCode::OK).json();
    assert_eq!(claims(access(&second))["cnf"]["jkt"], key.jkt());

    for (what, token_type) in [("access_token", json!("DPoP")), ("refresh_token", Value::Null)] {
        let told = fixture.introspected(second[what].as_str().unwrap()).await;
        assert_eq!(told["cnf"]["jkt"], key.jkt(), "{what}");
        assert_eq!(told.get("token_type").cloned().unwrap_or_default(), token_type, "{what}");
    }
    let token = access(&second);
    let info = userinfo(&fixture, token, &key.proof_with(&fixture, USERINFO, token)).send().await;
    assert_eq!(info.expect(StatusCode::OK).json()["preferred_username"], "alice");
}

#[tokio::test]
async fn a_stolen_refresh_token_is_good_for_nothing_and_ends_nothing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let (key, thief) = (Key::new(), Key::new());
    let first = log_in(&fixture, &key).await;
    let stolen = refresh("shop", &first["refresh_token"]);
    let second = token(&fixture, &stolen, &key.proof(&fixture, TOKEN)).send().await;
    let second = second.expect(StatusCode::OK).json();
    let newest = refresh("shop", &second["refresh_token"]);
    for form in [&stolen, &newest] {
        let with_another_key = token(&fixture, form, &thief.proof(&fixture, TOKEN));
        for call in [with_another_key, fixture.post("/oauth/token").form(form)] {
            assert_eq!(call.send().await.oauth_error(), (400, "invalid_grant".into()));
        }
    }
    // A lost answer costs nothing either, whenever it is asked for again.
    fixture.pass(std::time::Duration::from_secs(3600));
    let again = token(&fixture, &stolen, &key.proof(&fixture, TOKEN)).send().await;
    assert_eq!(again.expect(StatusCode::OK).json()["refresh_token"], second["refresh_token"]);
    token(&fixture, &newest, &key.proof(&fixture, TOKEN)).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_thief_with_a_key_does_not_make_a_session_without_one_their_own() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let code = Browser::new(&fixture).code(&request(&[("scope", OFFLINE)])).await;
    let call = fixture.post("/oauth/token").form(&exchange("shop", &code));
    let first = call.send().await.expect(StatusCode::OK).json();
    let form = refresh("shop", &first["refresh_token"]);
    let stolen = token(&fixture, &form, &Key::new().proof(&fixture, TOKEN)).send().await;
    let stolen = stolen.expect(StatusCode::OK).json();
    fixture.pass(std::time::Duration::from_secs(3600));
    let owner = fixture.post("/oauth/token").form(&form).send().await;
    assert_eq!(owner.oauth_error(), (400, "invalid_grant".into()), "it was used before: the session ends");
    let again = refresh("shop", &stolen["refresh_token"]);
    let thief = token(&fixture, &again, &Key::new().proof(&fixture, TOKEN)).send().await;
    assert_eq!(thief.oauth_error(), (400, "invalid_grant".into()));
    assert_eq!(fixture.get("/oauth/userinfo").bearer(access(&first)).send().await.status, 401);
}

#[tokio::test]
async fn proofs_that_prove_nothing_at_the_token_endpoint() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let key = Key::new();
    let tokens = log_in(&fixture, &key).await;
    let form = refresh("shop", &tokens["refresh_token"]);
    let changed = |name: &str, value: Value| key.sign(&with(Key::claims(&fixture, TOKEN), name, value));
    let used = key.proof(&fixture, TOKEN);
    token(&fixture, "grant_type=client_credentials&client_id=shop", &used).send().await;
    let cases = [
        ("replayed", used, "invalid_dpop_proof"),
        ("another_method", key.proof(&fixture, ("GET", "/oauth/token")), "invalid_dpop_proof"),
        ("another_endpoint", key.proof(&fixture, ("POST", "/oauth/par")), "invalid_dpop_proof"),
        ("another_server", changed("htu", json!("https://evil.example/oauth/token")), "invalid_dpop_proof"),
        ("expired", changed("exp", json!(fixture.now().as_secs() - 30)), "invalid_dpop_proof"),
        ("good_in_5_minutes", changed("nbf", json!(fixture.now().as_secs() + 300)), "invalid_dpop_proof"),
        ("no_nonce", changed("nonce", Value::Null), "use_dpop_nonce"),
        ("another_nonce", changed("nonce", json!("AAAAAAAAAAAAAAAAAAAAAA")), "use_dpop_nonce"),
        ("no_proof_at_all", "x".into(), "invalid_dpop_proof"),
        ("an_access_token", access(&tokens).to_owned(), "invalid_dpop_proof"),
    ];
    for (name, proof, error) in cases {
        let refused = token(&fixture, &form, &proof).send().await;
        assert_eq!(refused.oauth_error(), (400, error.into()), "{name}");
        assert!(!refused.header("dpop-nonce").is_empty(), "{name}");
    }
    let two = token(&fixture, &form, &key.proof(&fixture, TOKEN));
    let two = two.header("dpop", &key.proof(&fixture, TOKEN)).send().await;
    assert_eq!(two.oauth_error(), (400, "invalid_dpop_proof".into()));
    // None of them moved the session on.
    token(&fixture, &form, &key.proof(&fixture, TOKEN)).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_bound_token_opens_nothing_without_its_key() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let (key, thief) = (Key::new(), Key::new());
    let tokens = log_in(&fixture, &key).await;
    let (token, other) = (access(&tokens), log_in(&fixture, &key).await);
    let used = key.proof_with(&fixture, USERINFO, token);
    userinfo(&fixture, token, &used).send().await.expect(StatusCode::OK);
    let fresh = || key.proof_with(&fixture, USERINFO, token);
    let bearer = || fixture.get("/oauth/userinfo").bearer(token);
    let cases = [
        ("as_bearer", bearer(), "DPoP", "invalid_token"),
        ("as_bearer_with_a_proof", bearer().header("dpop", &fresh()), "DPoP", "invalid_token"),
        (
            "without_a_proof",
            fixture.get("/oauth/userinfo").header("authorization", &format!("DPoP {token}")),
            "DPoP",
            "invalid_dpop_proof",
        ),
        (
            "of_another_key",
            userinfo(&fixture, token, &thief.proof_with(&fixture, USERINFO, token)),
            "DPoP",
            "invalid_token",
        ),
        (
            "for_another_token",
            userinfo(&fixture, token, &key.proof_with(&fixture, USERINFO, access(&other))),
            "DPoP",
            "invalid_dpop_proof",
        ),
        (
            "for_no_token",
            userinfo(&fixture, token, &key.proof(&fixture, USERINFO)),
            "DPoP",
            "invalid_dpop_proof",
        ),
        (
            "for_another_endpoint",
            userinfo(&fixture, token, &key.proof_with(&fixture, ("GET", "/session/list"), token)),
            "DPoP",
            "invalid_dpop_proof",
        ),
        ("replayed", userinfo(&fixture, token, &used), "DPoP", "invalid_dpop_proof"),
    ];
    for (name, call, scheme, error) in cases {
        let refused = call.send().await;
        assert_eq!(refused.oauth_error(), (401, error.into()), "{name}");
        let challenge = refused.header("www-authenticate").to_owned();
        assert!(challenge.starts_with(scheme) && challenge.contains(error), "{name}: {challenge}");
    }
    // One that is bound to nothing is not made more of by a proof.
    let plain = fixture.log_in("alice").await.access;
    let proof = key.proof_with(&fixture, USERINFO, &plain);
    let refused = userinfo(&fixture, &plain, &proof).send().await;
    assert_eq!(refused.oauth_error(), (401, "invalid_token".into()));
}

#[tokio::test]
async fn a_code_can_be_bound_to_a_key_before_it_is_given() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let (key, thief) = (Key::new(), Key::new());
    let mut browser = Browser::new(&fixture);
    let with_key = request(&[("dpop_jkt", &key.jkt())]);
    for proof in [Some(thief.proof(&fixture, TOKEN)), None] {
        let code = browser.code(&with_key).await;
        let call = fixture.post("/oauth/token").form(&exchange("shop", &code));
        let call = proof.iter().fold(call, |call, proof| call.header("dpop", proof));
        assert_eq!(call.send().await.oauth_error(), (400, "invalid_grant".into()));
    }
    let code = browser.code(&with_key).await;
    let call = token(&fixture, &exchange("shop", &code), &key.proof(&fixture, TOKEN));
    call.send().await.expect(StatusCode::OK);
    let odd = told_by(&browser.authorize(&request(&[("dpop_jkt", "x")])).await);
    assert_eq!(odd["error"], "invalid_request");

    // A pushed request takes the key of its own proof.
    let push = |jkt: &str| {
        let form = request(&[("client_id", "office"), ("dpop_jkt", jkt)]);
        let proof = key.proof(&fixture, ("POST", "/oauth/par"));
        fixture.post("/oauth/par").basic("office", &secret).form(&form).header("dpop", &proof)
    };
    assert_eq!(push(&thief.jkt()).send().await.oauth_error(), (400, "invalid_dpop_proof".into()));
    for jkt in ["", &key.jkt()] {
        let pushed = push(jkt).send().await.expect(StatusCode::CREATED).json();
        let query =
            encode([("client_id", "office"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
        let code = browser.code(&query).await;
        let call = fixture.post("/oauth/token").basic("office", &secret).form(&exchange("office", &code));
        let refused = call.header("dpop", &thief.proof(&fixture, TOKEN)).send().await;
        assert_eq!(refused.oauth_error(), (400, "invalid_grant".into()), "{jkt:?}");
    }
}

#[tokio::test]
async fn a_client_can_be_held_to_show_a_key() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let (form, key) = ("grant_type=client_credentials", Key::new());
    let ask = || fixture.post("/oauth/token").basic("batch", &fixture.secret).form(form);
    let before = ask().send().await.expect(StatusCode::OK).json();
    assert_eq!(before["token_type"], "Bearer");
    let call = fixture.call(Method::PATCH, "/admin/v1/clients/batch").bearer(&admin);
    let changed = call.json(&json!({ "dpop_bound_access_tokens": true })).send().await;
    assert_eq!(changed.expect(StatusCode::OK).json()["dpop_bound_access_tokens"], true);
    assert_eq!(ask().send().await.oauth_error(), (400, "invalid_dpop_proof".into()));
    let bound = ask().header("dpop", &key.proof(&fixture, TOKEN)).send().await.expect(StatusCode::OK).json();
    assert_eq!(claims(access(&bound))["cnf"]["jkt"], key.jkt());
    // What it had before is bound to nothing.
    let call = fixture.post("/oauth/introspect").bearer(&admin).form(&encode([("token", access(&before))]));
    assert_eq!(call.send().await.json(), json!({ "active": false }));
}

#[tokio::test]
async fn a_confidential_clients_refresh_token_is_bound_to_the_client() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let query = request(&[("client_id", "office"), ("scope", OFFLINE)]);
    let code = Browser::new(&fixture).code(&query).await;
    let ask =
        |form: &str, key: &Key| token(&fixture, form, &key.proof(&fixture, TOKEN)).basic("office", &secret);
    let first = ask(&exchange("office", &code), &Key::new()).send().await.expect(StatusCode::OK).json();
    let another = Key::new();
    let next = ask(&refresh("office", &first["refresh_token"]), &another).send().await;
    assert_eq!(claims(access(&next.expect(StatusCode::OK).json()))["cnf"]["jkt"], another.jkt());
}

#[tokio::test]
async fn the_operators_own_apps_can_show_a_key() {
    let fixture = Fixture::new().await;
    let (key, thief) = (Key::new(), Key::new());
    let body = json!({ "username": "alice", "password": PASSWORD, "refresh_token": "body" });
    let ask = |path: &'static str, body: &Value, key: &Key| {
        fixture.post(path).json(body).header("dpop", &key.proof(&fixture, ("POST", path)))
    };
    let tokens = ask("/session/login", &body, &key).send().await.expect(StatusCode::OK).json();
    assert_eq!(tokens["token_type"], "DPoP");
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    let stolen = [ask("/session/refresh", &body, &thief), fixture.post("/session/refresh").json(&body)];
    for call in stolen {
        assert_eq!(call.send().await.problem(), (401, "invalid-refresh-token".into()));
    }
    ask("/session/refresh", &body, &key).send().await.expect(StatusCode::OK);
    let used_elsewhere = fixture.post("/session/refresh").json(&body);
    let used_elsewhere = used_elsewhere.header("dpop", &key.proof(&fixture, ("POST", "/session/login")));
    assert_eq!(used_elsewhere.send().await.problem(), (400, "invalid-dpop-proof".into()));

    let list = |authorization: String, proof: &str| -> Call {
        fixture.get("/session/list").header("authorization", &authorization).header("dpop", proof)
    };
    let token = access(&tokens);
    let fresh = || key.proof_with(&fixture, ("GET", "/session/list"), token);
    list(format!("DPoP {token}"), &fresh()).send().await.expect(StatusCode::OK);
    let as_bearer: Answer = list(format!("Bearer {token}"), &fresh()).send().await;
    assert_eq!(as_bearer.problem(), (401, "invalid-token".into()));
    let stolen = thief.proof_with(&fixture, ("GET", "/session/list"), token);
    assert_eq!(list(format!("DPoP {token}"), &stolen).send().await.problem().0, 401);
}

/// How a client's proof fares whose clock is off by that much, and once more after it was used.
async fn with_a_clock_off_by(fixture: &Fixture, seconds: i64) -> [u16; 2] {
    let key = Key::new();
    let iat = json!(fixture.now().as_secs() + seconds);
    let proof = key.sign(&with(Key::claims(fixture, TOKEN), "iat", iat));
    let show = async || {
        let call = token(fixture, "grant_type=client_credentials", &proof);
        call.basic("batch", &fixture.secret).send().await.status.as_u16()
    };
    let first = show().await;
    // Past the age of any `iat`, within that of its nonce.
    fixture.pass(std::time::Duration::from_secs(100));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    [first, show().await]
}

#[tokio::test]
async fn a_nonce_of_this_server_stands_for_the_clock_of_the_client() {
    let fixture = Fixture::new().await;
    for seconds in [-3600, -60, 0, 61, 3600] {
        assert_eq!(with_a_clock_off_by(&fixture, seconds).await, [200, 400], "{seconds}");
    }
}

#[tokio::test]
async fn nonces_can_be_left_out() {
    let fixture = Fixture::with(HttpConfig::default(), |config| config.dpop.require_nonce = false).await;
    let key = Key::new();
    let call = token(&fixture, "grant_type=client_credentials", &key.proof(&fixture, TOKEN));
    let answer = call.basic("batch", &fixture.secret).send().await.expect(StatusCode::OK);
    assert_eq!((answer.header("dpop-nonce"), &answer.json()["token_type"]), ("", &json!("DPoP")));
    // Then the client's clock is all there is.
    for (seconds, want) in [(-60, 400), (-59, 200), (60, 200), (61, 400)] {
        assert_eq!(with_a_clock_off_by(&fixture, seconds).await[0], want, "{seconds}");
    }
}

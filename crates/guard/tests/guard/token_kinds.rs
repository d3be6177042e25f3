//! Issuers whose access tokens are not to RFC 9068.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_guard::{
    Client, ClientSecret, Denied, Guard, Introspection, IssuerConfig, KeySource, Kind, Reason, Revocation,
    TokenKind, WhenStale,
};
use gatepass_jose::{Alg, SecretKey, SigningKey, Typ, jws};
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, Asked, CLIENT, Issuer, eventually, guard, now};

async fn check(guard: &Guard, token: &str) -> Result<(), &'static str> {
    guard.verify(token).await.map(|_| ()).map_err(|denied| denied.check())
}

fn introspection() -> Introspection {
    let (id, secret) = CLIENT;
    Introspection { endpoint: None, client_id: id.into(), client_secret: ClientSecret::new(secret) }
}

/// An access token as providers make them that have not heard of RFC 9068.
fn plain(issuer: &Issuer, changes: Value) -> Value {
    let at = now().as_secs();
    let mut claims = json!({
        "iss": issuer.url, "aud": [AUDIENCE, "account"], "sub": "ann", "azp": "web", "sid": "s1",
        "iat": at - 5, "exp": at + 900, "scp": ["orders:read"],
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn signed(key: &SigningKey, typ: Option<&str>, claims: &Value) -> String {
    let payload = claims.to_string();
    let mut draft = jws::Draft::new(payload.as_bytes());
    if let Some(typ) = typ {
        draft = draft.with_typ(Typ::from(typ.to_owned()));
    }
    draft.sign(key).unwrap().compact().unwrap()
}

fn token(issuer: &Issuer, changes: Value) -> String {
    signed(issuer.keys.lock().unwrap().last().unwrap(), None, &plain(issuer, changes))
}

#[tokio::test]
async fn each_issuer_is_taken_by_its_own_kind_of_token() {
    let (strict, lenient) = (Issuer::start().await, Issuer::start().await);
    let guard = guard([strict.config(), IssuerConfig { tokens: TokenKind::Jwt, ..lenient.config() }]).await;
    let typed = |typ: &str| signed(&lenient.keys.lock().unwrap()[0], Some(typ), &plain(&lenient, json!({})));
    let cases = [
        ("standard", strict.token(), Ok(())),
        ("plain_where_the_standard_holds", token(&strict, json!({})), Err("wrong-type")),
        ("plain", token(&lenient, json!({})), Ok(())),
        ("plain_and_typed", typed("JWT"), Ok(())),
        ("standard_where_more_is_taken", lenient.token(), Ok(())),
        ("a_logout_token", typed("logout+jwt"), Err("wrong-type")),
        ("an_id_token", token(&lenient, json!({ "nonce": "n" })), Err("bad-claims")),
        ("for_another", token(&lenient, json!({ "aud": "account" })), Err("wrong-audience")),
        ("expired", token(&lenient, json!({ "exp": now().as_secs() - 61 })), Err("expired")),
        ("of_another_issuer", token(&lenient, json!({ "iss": strict.url })), Err("wrong-type")),
    ];
    // The second time it is met as one that came of late.
    for (name, token, want) in cases.iter().chain(&cases) {
        assert_eq!(check(&guard, token).await, *want, "{name}");
    }
    let admitted = guard.verify(&token(&lenient, json!({ "cid": "other" }))).await.unwrap();
    assert_eq!((&*admitted.client_id, &*admitted.jti, admitted.kid()), ("web", "", Some("k1")));
    assert!(admitted.scope.contains("orders:read"));
    assert_eq!(admitted.claim("azp"), Some(&json!("web")));
}

#[tokio::test]
async fn a_token_without_a_name_is_revoked_by_everything_else() {
    let cases = [
        (Kind::Session, "s1"),
        (Kind::Subject, "ann"),
        (Kind::Client, "web"),
        (Kind::All, ""),
        (Kind::Key, "k1"),
    ];
    for (kind, id) in cases {
        let issuer = Issuer::start().await;
        let followed = issuer.followed(Duration::from_secs(60), WhenStale::Deny);
        let guard = guard([IssuerConfig { tokens: TokenKind::Jwt, ..followed }]).await;
        let token = token(&issuer, json!({}));
        assert_eq!(check(&guard, &token).await, Ok(()), "{kind}");
        issuer.revoke(kind, id, Reason::ADMIN);
        eventually("it is revoked", async || check(&guard, &token).await == Err(kind.name())).await;
    }
}

#[tokio::test]
async fn no_revocation_of_a_name_concerns_a_token_that_has_none() {
    let issuer = Issuer::start().await;
    let followed = issuer.followed(Duration::from_secs(60), WhenStale::Deny);
    let guard = guard([IssuerConfig { tokens: TokenKind::Jwt, ..followed }]).await;
    let (unnamed, named) = (token(&issuer, json!({})), token(&issuer, json!({ "jti": "t1" })));
    issuer.revoke(Kind::Token, "t1", Reason::ADMIN);
    eventually("the named one is revoked", async || check(&guard, &named).await.is_err()).await;
    assert_eq!(check(&guard, &unnamed).await, Ok(()));
}

#[tokio::test]
async fn the_issuer_is_asked_about_tokens_of_any_kind() {
    let issuer = Issuer::start().await;
    let revocation = Revocation::Introspect(introspection());
    let guard = guard([IssuerConfig { tokens: TokenKind::Jwt, revocation, ..issuer.config() }]).await;
    assert_eq!(check(&guard, &token(&issuer, json!({}))).await, Ok(()));
    issuer.inactive.store(true, Ordering::SeqCst);
    assert_eq!(check(&guard, &token(&issuer, json!({ "jti": "another" }))).await, Err("inactive"));
    assert_eq!(Asked::count(&issuer.asked.introspection), 2);
}

#[tokio::test]
async fn tokens_under_a_secret_and_tickets() {
    let issuer = Issuer::start().await;
    let secret = SecretKey::generate().unwrap();
    let keys = KeySource::Secret { alg: Alg::HS256, secret: secret.clone(), previous: None };
    let shared = guard([IssuerConfig { tokens: TokenKind::Jwt, keys, ..issuer.config() }]).await;
    let key = SigningKey::from_secret(Alg::HS256, "s", &secret).unwrap();
    assert_eq!(check(&shared, &signed(&key, Some("JWT"), &plain(&issuer, json!({})))).await, Ok(()));

    // A ticket is used up by its name: one that has none is no ticket.
    let client = Client { id: "gateway".into(), secret: ClientSecret::new("s"), token_endpoint: None };
    let config = IssuerConfig { tokens: TokenKind::Jwt, client: Some(client), ..issuer.config() };
    let guard = guard([config]).await;
    let request = json!({ "htm": "GET", "htu": "/a", "until": now().as_secs() + 60, "client_id": "web" });
    let ticket = |claims: Value| signed(&issuer.keys.lock().unwrap()[0], Some("ticket+jwt"), &claims);
    let mut named = plain(&issuer, request);
    let unnamed = ticket(named.clone());
    named["jti"] = "t1".into();
    named.as_object_mut().unwrap().remove("scp");
    assert!(guard.verify_ticket(&ticket(named.clone()), "GET", "/a").await.is_ok());
    let refused = guard.verify_ticket(&unnamed, "GET", "/a").await;
    assert!(matches!(refused, Err(Denied::Rejected(_))), "{refused:?}");
    assert_eq!(check(&guard, &ticket(named)).await, Err("wrong-type"));
}

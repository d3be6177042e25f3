//! Opaque tokens, about which their issuer is asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderMap, Method};
use gatepass_guard::{
    ClientCertificate, ClientSecret, Credentials, Denied, Guard, GuardedRequest, Introspection, IssuerConfig,
    Kind, Reason, Revocation, Scheme, StartError, TokenKind, WhenStale,
};
use serde_json::json;

use crate::issuer::{Asked, CLIENT, Issuer, eventually, guard, now};

fn opaque() -> TokenKind {
    let (id, secret) = CLIENT;
    let client_secret = ClientSecret::new(secret);
    TokenKind::Opaque(Introspection { endpoint: None, client_id: id.into(), client_secret })
}

fn config(issuer: &Issuer) -> IssuerConfig {
    IssuerConfig { tokens: opaque(), ..issuer.config() }
}

async fn check(guard: &Guard, token: &str) -> Result<(), &'static str> {
    guard.verify(token).await.map(|_| ()).map_err(|denied| denied.check())
}

#[tokio::test]
async fn the_issuers_word_is_what_a_token_says() {
    let issuer = Issuer::start().await;
    let guard = guard([config(&issuer)]).await;
    issuer.give_out("t-good", json!({}));
    issuer.give_out("t-refresh", json!({ "token_type": null }));
    issuer.give_out("t-elsewhere", json!({ "aud": "https://other.example.com" }));
    issuer.give_out("t-late", json!({ "exp": now().as_secs() - 61 }));
    issuer.give_out("t-bound", json!({ "cnf": { "x5t#S256": "AAAA" } }));
    issuer.give_out("t-ended", json!({ "active": false }));
    let cases = [
        ("t-good", Ok(())),
        ("t-refresh", Err("bad-claims")),
        ("t-elsewhere", Err("wrong-audience")),
        ("t-late", Err("expired")),
        ("t-bound", Err("no-certificate")),
        ("t-ended", Err("inactive")),
        ("t-unknown", Err("inactive")),
        ("t-good", Ok(())),
    ];
    for (token, want) in cases {
        assert_eq!(check(&guard, token).await, want, "{token}");
    }
    let admitted = guard.verify("t-good").await.unwrap();
    assert_eq!(
        (admitted.kid(), &*admitted.sub, admitted.claim("tenant")),
        (None, "ann", Some(&json!("acme")))
    );
    let asked = Asked::count(&issuer.asked.introspection);
    assert_eq!(check(&guard, &format!("t-{}", "x".repeat(5_000))).await, Err("too-long"));
    assert_eq!(Asked::count(&issuer.asked.introspection), asked, "nobody asks about that");
}

#[tokio::test]
async fn a_revocation_in_the_view_wins_over_an_answer_that_is_kept() {
    for (kind, id) in
        [(Kind::Subject, "ann"), (Kind::Session, "s1"), (Kind::Client, "web"), (Kind::Token, "j1")]
    {
        let issuer = Issuer::start().await;
        let followed = issuer.followed(Duration::from_secs(60), WhenStale::Deny);
        let guard = guard([IssuerConfig { tokens: opaque(), ..followed }]).await;
        issuer.give_out("t-1", json!({ "jti": "j1", "iat": now().as_secs() - 5 }));
        assert_eq!(check(&guard, "t-1").await, Ok(()), "{kind}");
        issuer.revoke(kind, id, Reason::ADMIN);
        eventually("it is revoked", async || check(&guard, "t-1").await == Err(kind.name())).await;
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_lets_nobody_in() {
    let issuer = Issuer::start().await;
    let guard = guard([config(&issuer)]).await;
    issuer.give_out("t-1", json!({}));
    issuer.introspection_down.store(true, Ordering::SeqCst);
    let refused = guard.verify("t-1").await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.check()), (503, "introspection"));
    issuer.introspection_down.store(false, Ordering::SeqCst);
    assert_eq!(check(&guard, "t-1").await, Ok(()), "that it was away is not kept");
}

#[tokio::test]
async fn many_at_once_ask_one_question() {
    let issuer = Issuer::start().await;
    let guard = guard([config(&issuer)]).await;
    issuer.give_out("t-1", json!({}));
    let all = (0..50).map(|_| guard.verify("t-1"));
    for admitted in futures_util::future::join_all(all).await {
        assert_eq!(admitted.unwrap().sub, "ann");
    }
    assert_eq!(Asked::count(&issuer.asked.introspection), 1);
}

#[tokio::test]
async fn what_is_no_jwt_is_the_issuers_whose_tokens_are_such() {
    let (signs, answers, second) = (Issuer::start().await, Issuer::start().await, Issuer::start().await);
    let guard = guard([signs.config(), config(&answers)]).await;
    answers.give_out("t-1", json!({}));
    assert_eq!(guard.verify("t-1").await.unwrap().iss, answers.url);
    assert_eq!(guard.verify(&signs.token()).await.unwrap().iss, signs.url);
    let asked = Asked::count(&answers.asked.introspection);
    let others = signs.token_with("iss", "https://nobody.example.com");
    assert_eq!(check(&guard, &others).await, Err("untrusted-issuer"));
    assert_eq!(Asked::count(&answers.asked.introspection), asked, "others' tokens are not told to it");
    let refused = Guard::start([config(&answers), config(&second)]).await;
    assert!(matches!(refused, Err(StartError::SecondOpaqueIssuer { issuer }) if issuer == second.url));
}

#[tokio::test]
async fn a_token_that_is_bound_needs_its_certificate_and_may_go_on_as_it_is() {
    let issuer = Issuer::start().await;
    let guard = guard([config(&issuer)]).await;
    let certificate = ClientCertificate::from_der(b"a certificate");
    let cnf = json!({ "x5t#S256": certificate.x5t_s256() });
    issuer.give_out("t-1", json!({ "cnf": cnf }));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = GuardedRequest::new(&method, &headers).with_certificate(Some(&certificate));
    let credentials = Credentials { scheme: Scheme::Bearer, token: "t-1" };
    let admitted = guard.authenticate_with(&credentials, &request).await.unwrap();
    assert!(admitted.is_certificate_bound());
    assert_eq!(guard.verify_again(&admitted, "t-1", None).await, Ok(()));

    // Another guard has no answer yet, and gets one that says more of the same token, then less of its sender.
    issuer.give_out("t-1", json!({ "cnf": cnf, "used": 2 }));
    let later = crate::issuer::guard([config(&issuer)]).await;
    assert_eq!(later.verify_again(&admitted, "t-1", None).await, Ok(()));
    issuer.give_out("t-1", json!({ "cnf": { "x5t#S256": "AAAA" } }));
    let later = crate::issuer::guard([config(&issuer)]).await;
    assert!(matches!(later.verify_again(&admitted, "t-1", None).await, Err(Denied::Unproven(_))));
}

#[tokio::test]
async fn that_the_issuer_is_to_be_asked_need_not_be_said_twice() {
    let issuer = Issuer::start().await;
    let TokenKind::Opaque(introspection) = opaque() else { unreachable!() };
    let revocation = Revocation::Introspect(introspection);
    let guard = guard([IssuerConfig { revocation, ..config(&issuer) }]).await;
    issuer.give_out("t-1", json!({}));
    assert_eq!(check(&guard, "t-1").await, Ok(()));
    assert_eq!(Asked::count(&issuer.asked.introspection), 1);
}

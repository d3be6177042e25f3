//! Tokens that are exchanged, and what becomes of it when the first one is revoked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use gatepass_guard::{
    Client, ClientSecret, Denied, Exchange, ExchangeError, IssuerConfig, Kind, Reason, WhenStale,
};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::issuer::{Issuer, eventually, guard};

/// A token endpoint that answers once for each permit that it is given.
struct Endpoint {
    url: String,
    permits: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl Endpoint {
    async fn start() -> Self {
        let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (own, count) = (Arc::clone(&permits), Arc::clone(&asked));
        let answer = async move || {
            count.fetch_add(1, Ordering::SeqCst);
            own.acquire().await.unwrap().forget();
            Json(json!({
                "access_token": "inner", "token_type": "Bearer", "expires_in": 300,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let app = Router::new().route("/token", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, permits, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The issuer, whose feed is followed and whose tokens are exchanged here.
    fn config(&self, issuer: &Issuer) -> IssuerConfig {
        let token_endpoint = Some(self.url.parse().unwrap());
        let client = Client { id: "gateway".into(), secret: ClientSecret::new("s"), token_endpoint };
        let followed = issuer.followed(Duration::from_secs(60), WhenStale::Deny);
        IssuerConfig { client: Some(client), ..followed }
    }
}

fn is_revoked<T>(answer: &Result<T, ExchangeError>) -> bool {
    matches!(answer, Err(ExchangeError::Denied(Denied::Revoked(revoked))) if revoked.kind == Kind::Token)
}

#[tokio::test]
async fn what_was_got_for_a_token_does_not_go_out_once_it_is_revoked() {
    let (issuer, endpoint) = (Issuer::start().await, Endpoint::start().await);
    let guard = guard([endpoint.config(&issuer)]).await;
    let wanted = Exchange { audience: "https://orders.internal".into(), scope: None };
    let token = issuer.token_with("jti", "parent");
    let admitted = guard.verify(&token).await.unwrap();
    endpoint.permits.add_permits(1);
    for _ in 0..2 {
        let exchanged = guard.exchange(&admitted, &token, &wanted).await.unwrap();
        assert_eq!(exchanged.authorization(), "Bearer inner");
    }
    assert_eq!(endpoint.asked(), 1, "it is kept");

    issuer.revoke(Kind::Token, "parent", Reason::ADMIN);
    eventually("the token is revoked", async || {
        // Of a request that was let in before.
        let answer = guard.exchange(&admitted, &token, &wanted).await;
        is_revoked(&answer)
    })
    .await;
    assert!(guard.verify(&token).await.is_err());
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test]
async fn a_token_that_is_revoked_while_it_is_exchanged_brings_nothing() {
    let (issuer, endpoint) = (Issuer::start().await, Endpoint::start().await);
    let guard = guard([endpoint.config(&issuer)]).await;
    let wanted = Exchange { audience: "https://orders.internal".into(), scope: None };
    let token = issuer.token_with("jti", "parent");
    let admitted = guard.verify(&token).await.unwrap();
    let exchange = tokio::spawn({
        let (guard, token, wanted) = (guard.clone(), token.clone(), wanted.clone());
        async move { guard.exchange(&admitted, &token, &wanted).await }
    });
    eventually("the issuer is asked", async || endpoint.asked() == 1).await;
    issuer.revoke(Kind::Token, "parent", Reason::ADMIN);
    eventually("the token is revoked", async || guard.verify(&token).await.is_err()).await;
    endpoint.permits.add_permits(1);
    let answer = exchange.await.unwrap();
    assert!(is_revoked(&answer), "{answer:?}");
}

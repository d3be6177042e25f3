//! Several issuers, and what a reload keeps of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gatepass_gateway::Config;
use gatepass_jose::{Alg, SigningKey};
use http::{Response, StatusCode};
use tokio::sync::Barrier;

use crate::harness::{Backend, Running, Token, config, full, until, within};

const CLOSED: &str = "[[route]]\npath = '/closed'\nupstream = 'backend'\nforward = { iss = 'X-Issuer' }\n";
const SECOND: &str = "https://second.example.com";

/// An issuer that gives its key set once and is gone then.
async fn once(key: &SigningKey) -> (Backend, Arc<AtomicUsize>) {
    let set = serde_json::json!({ "keys": [key.public_jwk().unwrap()] }).to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let backend = Backend::start(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let set = set.clone();
        async move {
            let status = if first { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            Response::builder().status(status).body(full(if first { set } else { String::new() })).unwrap()
        }
    })
    .await;
    (backend, asked)
}

fn with_second(text: &str, keys: &Backend, audience: &str) -> String {
    format!(
        "{text}\n[[issuer]]\nurl = '{SECOND}'\naudience = ['https://api.example.com', '{audience}']\n\
        revocation = 'none'\njwks_uri = 'http://{}/jwks'\n",
        keys.address
    )
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_an_issuer_that_is_gone_meanwhile() {
    let backend = Backend::mirror().await;
    let key = SigningKey::generate(Alg::ES256, Some("second")).unwrap();
    let (keys, asked) = once(&key).await;
    let text = with_second(&config(backend.address, CLOSED), &keys, "a");
    let gateway = Running::start(&text).await;
    until("the key set", || gateway.gateway.is_ready()).await;

    let first = Token::of("ann").bearer();
    let second = Token::of("ann").claim("iss", SECOND).bearer_with(&key);
    let by_nobody = Token::of("ann").claim("iss", "https://nobody.example.com").bearer_with(&key);
    let mixed_up = Token::of("ann").bearer_with(&key);
    let cases = [
        ("first", &first, StatusCode::OK),
        ("second", &second, StatusCode::OK),
        ("an_issuer_nobody_trusts", &by_nobody, StatusCode::UNAUTHORIZED),
        ("one_issuers_name_and_anothers_key", &mixed_up, StatusCode::UNAUTHORIZED),
    ];
    for round in 0..3 {
        for (name, token, status) in cases {
            let answer = gateway.get("/closed", &[("authorization", token)]).await;
            assert_eq!(answer.status, status, "{name} after {round} reloads: {answer:?}");
        }
        // Everything about it is the same but its place in the file.
        let longer = format!("# {round}\n{text}");
        gateway.gateway.reload(Config::parse(&longer).unwrap()).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // One that is configured otherwise starts anew, and the one before goes on until that has keys.
    let changed = with_second(&config(backend.address, CLOSED), &keys, "b");
    let refused = gateway.gateway.reload(Config::parse(&changed).unwrap()).await.unwrap_err().to_string();
    assert!(
        refused.starts_with("an issuer's new settings cannot be taken over yet, and those of before go on: ")
            && refused.contains(SECOND)
            && refused.contains("its key set has not been fetched yet"),
        "{refused}"
    );
    assert!(asked.load(Ordering::SeqCst) > 1 && gateway.gateway.is_ready());
    for token in [&first, &second] {
        let answer = gateway.get("/closed", &[("authorization", token)]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let (again, _) = once(&key).await;
    let moved = with_second(&config(backend.address, CLOSED), &again, "b");
    gateway.gateway.reload(Config::parse(&moved).unwrap()).await.unwrap();
    let answer = gateway.get("/closed", &[("authorization", &second)]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_reload_asks_all_issuers_at_once() {
    let backend = Backend::mirror().await;
    let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
    let set = serde_json::json!({ "keys": [key.public_jwk().unwrap()] }).to_string();
    // From the reload on, nobody is answered before both are asked: one after the other, neither would come to an end.
    let (is_reloaded, both) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let waits = Arc::clone(&is_reloaded);
    let keys = Backend::start(move |_| {
        let (set, waits, both) = (set.clone(), waits.load(Ordering::SeqCst), Arc::clone(&both));
        async move {
            if waits {
                both.wait().await;
            }
            Response::new(full(set))
        }
    })
    .await;
    let issuer = |name: &str, skew: &str| {
        format!(
            "[[issuer]]\nurl = 'https://{name}.example.com'\naudience = ['https://api.example.com']\n\
            revocation = 'none'\njwks_uri = 'http://{}/{name}'\nclock_skew = '{skew}'\n",
            keys.address
        )
    };
    let text = |skew: &str| {
        format!("{}\n{}{}", config(backend.address, CLOSED), issuer("a", skew), issuer("b", skew))
    };
    let gateway = Running::start(&text("60s")).await;
    until("the key sets", || gateway.gateway.is_ready()).await;
    is_reloaded.store(true, Ordering::SeqCst);
    within(gateway.gateway.reload(Config::parse(&text("61s")).unwrap())).await.unwrap();
}

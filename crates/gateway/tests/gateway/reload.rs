//! A new configuration, taken over while requests come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gatepass_gateway::Config;
use http::{Request, Response, StatusCode};

use crate::harness::{Backend, OPEN, Running, Token, config, connect, full, read, send_on, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloading_under_load_loses_nothing() {
    let old = Backend::start(|_| async { Response::new(full("old")) }).await;
    let new = Backend::start(|_| async { Response::new(full("new")) }).await;
    let routes = "[[route]]\npath = '/closed'\nupstream = 'backend'\n".to_owned() + OPEN;
    let configs = [config(old.address, &routes), config(new.address, &routes)];
    let gateway = Running::start(&configs[0]).await;
    let ended = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (address, ended, answered) = (gateway.address, Arc::clone(&ended), Arc::clone(&answered));
            tokio::spawn(async move {
                let token = Token::of("ann").bearer();
                let mut requests = connect(address).await;
                while !ended.load(Ordering::SeqCst) {
                    let request = Request::post(if client % 2 == 0 { "/" } else { "/closed" });
                    let request = request.header("authorization", &token).body(full("body")).unwrap();
                    let answer = read(send_on(&mut requests, request).await).await;
                    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
                    assert!(matches!(answer.text.as_str(), "old" | "new"), "{answer:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..40 {
        let before = answered.load(Ordering::SeqCst);
        until("a few answers", || answered.load(Ordering::SeqCst) >= before + 20).await;
        gateway.gateway.reload(Config::parse(&configs[round % 2]).unwrap()).await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    for client in clients {
        within(client).await.unwrap();
    }
    assert_eq!(gateway.gateway.stats().passed as usize, answered.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_new_rule_holds_from_the_next_request_on() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let mut requests = connect(gateway.address).await;
    let request = || Request::get("/").body(full("")).unwrap();
    assert_eq!(read(send_on(&mut requests, request()).await).await.status, StatusCode::OK);
    let closed = OPEN.replace("public = true", "");
    gateway.gateway.reload(Config::parse(&config(backend.address, &closed)).unwrap()).await.unwrap();
    let answer = read(send_on(&mut requests, request()).await).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "also on a connection that was open before");
}

#[tokio::test]
async fn a_request_in_flight_ends_under_the_configuration_it_began_with() {
    let (started, mut running) = tokio::sync::mpsc::channel(1);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let backend = Backend::start(move |_| {
        let (started, mut finished) = (started.clone(), finished.clone());
        async move {
            started.send(()).await.unwrap();
            finished.wait_for(|finished| *finished).await.unwrap();
            Response::new(full("as begun"))
        }
    })
    .await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let address = gateway.address;
    let in_flight = tokio::spawn(async move {
        let mut requests = connect(address).await;
        read(send_on(&mut requests, Request::get("/").body(full("")).unwrap()).await).await
    });
    within(running.recv()).await.unwrap();
    let nothing = "listen = '127.0.0.1:0'\n";
    gateway.gateway.reload(Config::parse(nothing).unwrap()).await.unwrap();
    assert_eq!(gateway.get("/", &[]).await.status, StatusCode::NOT_FOUND);
    finish.send(true).unwrap();
    assert_eq!(within(in_flight).await.unwrap().text, "as begun");
}

#[tokio::test]
async fn connections_to_servers_that_stay_are_kept() {
    let backend = Backend::mirror().await;
    let text = config(backend.address, OPEN);
    let gateway = Running::start(&text).await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/", &[]).await.status, StatusCode::OK);
        gateway.gateway.reload(Config::parse(&text).unwrap()).await.unwrap();
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn what_cannot_change_while_it_is_in_use() {
    let backend = Backend::mirror().await;
    let text = config(backend.address, OPEN);
    let gateway = Running::start(&text).await;
    let cases = [
        (
            text.replace("127.0.0.1:0", "127.0.0.1:1"),
            "`listen` cannot change while the gateway runs; restart it for that",
        ),
        (
            format!("admin_listen = '127.0.0.1:1'\n{text}"),
            "`admin_listen` cannot change while the gateway runs; restart it for that",
        ),
        (
            format!("{text}[limits]\nconnections = 5\n"),
            "`limits.connections` cannot change while the gateway runs; restart it for that",
        ),
        (
            format!("{text}[limits]\nhandshakes = 5\n"),
            "`limits.handshakes` cannot change while the gateway runs; restart it for that",
        ),
    ];
    for (changed, want) in cases {
        let error = gateway.gateway.reload(Config::parse(&changed).unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), want);
        assert_eq!(gateway.get("/", &[]).await.status, StatusCode::OK, "the old one goes on");
    }
}

//! A provider that takes its time, or never answers, holds up nobody but who waits for it, and those not for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;

/// How a server leaves who asks it waiting.
#[derive(Clone, Copy)]
enum Stall {
    /// Before the first byte.
    Silent,
    /// In the middle of what it announced.
    MidBody,
    /// A byte at a time, with nothing wrong in any of them.
    Trickle,
}

/// A server that never comes to an end, and how many wait for it.
#[derive(Clone)]
struct Slow {
    origin: String,
    waiting: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Slow {
    async fn start(stall: Stall) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let slow = Self { origin, waiting: Arc::default(), changed: Arc::default() };
        let own = slow.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().stall(stream, stall));
            }
        });
        slow
    }

    async fn stall(self, mut stream: TcpStream, stall: Stall) {
        let mut request = [0; 4096];
        if !matches!(stream.read(&mut request).await, Ok(1..)) {
            return;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"access_token\":\"";
        if !matches!(stall, Stall::Silent) && stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                // Whoever asked has gone.
                read = stream.read(&mut request) => if !matches!(read, Ok(1..)) { return },
                () = tokio::time::sleep(Duration::from_millis(50)), if matches!(stall, Stall::Trickle) => {
                    if stream.write_all(b"x").await.is_err() { return }
                }
            }
        }
    }

    /// Until so many wait.
    async fn waited_for_by(&self, many: usize) {
        let waited = async {
            loop {
                let changed = self.changed.notified();
                if self.waiting.load(Ordering::SeqCst) >= many {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waited).await.expect("it is asked");
    }

    /// It, as a server of OAuth 2.0 whose token endpoint it is.
    fn provider(&self, id: &str) -> Arc<IdentityProvider> {
        let at = |path: &str| format!("{}{path}", self.origin).parse().unwrap();
        let members =
            UserInfoMembers { subject: "/id".to_owned(), email: None, email_verified: None, name: None };
        let protocol = gatepass_issuer::ProviderProtocol::OAuth {
            authorization_endpoint: at("/authorize"),
            token_endpoint: at("/token"),
            userinfo_endpoint: at("/userinfo"),
            emails_endpoint: None,
            members,
        };
        let fetch = gatepass_server::Fetch::new(vec![self.origin.parse().unwrap()]);
        mock::linked(id, protocol, Arc::new(fetch))
    }
}

/// A browser that is about to come back from a provider, and where it comes back to.
async fn about_to_return<'f>(fixture: &'f Fixture, provider: &str) -> (Browser<'f>, String) {
    let mut browser = Browser::new(fixture);
    let page = browser.authorize(&request(&[("client_id", "own")])).await.expect(StatusCode::OK);
    let url = press(fixture, &mut browser, &page, provider).await;
    let answer = encode([("code", "c-1"), ("state", &query(&url)["state"])]);
    (browser, format!("/oauth/providers/{provider}/callback?{answer}"))
}

#[tokio::test]
async fn a_provider_that_stalls_holds_up_nobody_else_and_is_given_up() {
    let slow = [
        Slow::start(Stall::Silent).await,
        Slow::start(Stall::MidBody).await,
        Slow::start(Stall::Trickle).await,
    ];
    let mock = Mock::start().await;
    let mut providers: Vec<_> =
        ["silent", "mid-body", "trickle"].iter().zip(&slow).map(|(id, slow)| slow.provider(id)).collect();
    providers.push(mock.openid("corp", AccountPolicy::Linked));
    let fixture = started(providers).await;
    link(&fixture, "corp", "u-1").await;

    let mut returning = Vec::new();
    for provider in ["mid-body", "trickle"].into_iter().chain(std::iter::repeat_n("silent", 32)) {
        returning.push(about_to_return(&fixture, provider).await);
    }
    let begun = std::time::Instant::now();
    let one_too_many = about_to_return(&fixture, "silent").await;
    let stalled =
        futures_util::future::join_all(returning.iter_mut().map(|(browser, path)| browser.open(path)));
    let meanwhile = async {
        slow[0].waited_for_by(32).await;
        slow[1].waited_for_by(1).await;
        slow[2].waited_for_by(1).await;
        let (mut browser, path) = one_too_many;
        let refused = browser.open(&path).await;
        // On a machine that is busier than this, the first may have been given up by now, and its place is free.
        if begun.elapsed() < Duration::from_secs(4) {
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "as many as are let wait do");
        }
        assert!(text(&refused).contains("/oauth/login"), "and there are other ways in");
        // With another provider, and with a password.
        let mut other = Browser::new(&fixture);
        let back = through(&fixture, &mock, &mut other, json!({})).await;
        assert!(sent_back(&back).contains_key("code"));
        fixture.log_in("alice").await;
        // Nor does it hold up who only begins with it.
        about_to_return(&fixture, "silent").await;
    };
    let both = async { tokio::join!(stalled, meanwhile).0 };
    let answers = tokio::time::timeout(Duration::from_secs(60), both).await.expect("each is given up");
    for answer in answers {
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert!(text(&answer).contains("/oauth/login"));
    }
    // Their places are free again.
    let (mut browser, path) = about_to_return(&fixture, "silent").await;
    let again = browser.open(&path);
    let asked = slow[0].waited_for_by(33);
    tokio::select! {
        answer = again => panic!("it was not asked: {}", answer.status),
        () = asked => {}
    }
}

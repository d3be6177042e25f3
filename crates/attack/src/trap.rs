//! A server of the attacker's own, on loopback: whoever follows an address out of an unverified token
//! comes here.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::own_key::OwnKey;

/// Serves one's own keys to anybody, and remembers who asked for what. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Trap {
    address: SocketAddr,
    /// Takes connections and answers none: who speaks TLS to it gets no certificate that holds, but has come.
    tls: SocketAddr,
    visits: Visits,
    tasks: [JoinHandle<()>; 2],
}

/// The targets of the requests that came.
type Visits = Arc<Mutex<Vec<String>>>;

struct Documents {
    jwk_set: String,
    certificate: String,
    discovery: String,
    visits: Visits,
}

impl Trap {
    /// Starts to listen, with `own` as what is served, under `kid` too.
    pub(crate) async fn start(own: &OwnKey, kid: Option<&str>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, tls) = (listener.local_addr()?, silent.local_addr()?);
        let visits = Visits::default();
        let documents = Arc::new(Documents {
            jwk_set: own.jwk_set(kid),
            certificate: own.certificate_pem().unwrap_or_default(),
            discovery: format!(r#"{{"issuer":"http://{address}","jwks_uri":"http://{address}/jwks"}}"#),
            visits: Arc::clone(&visits),
        });
        let router = Router::new().fallback(serve).with_state(documents);
        let log = Arc::clone(&visits);
        let tasks = [
            tokio::spawn(async move {
                let _ = axum::serve(listener, router).await; // ends with the trap
            }),
            tokio::spawn(async move {
                while let Ok((_, from)) = silent.accept().await {
                    remember(&log, format!("a TLS connection from {from}"));
                }
            }),
        ];
        Ok(Self { address, tls, visits, tasks })
    }

    /// `127.0.0.1:port`
    pub(crate) fn authority(&self) -> SocketAddr {
        self.address
    }

    /// The port that TLS is awaited on.
    pub(crate) fn tls_authority(&self) -> SocketAddr {
        self.tls
    }

    /// What has been asked for so far.
    pub(crate) fn visits(&self) -> Vec<String> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn serve(State(documents): State<Arc<Documents>>, request: Request) -> Response {
    let path = request.uri().path();
    remember(&documents.visits, format!("{} {}", request.method(), request.uri()));
    let (kind, text) = if path.contains("/.well-known/") {
        ("application/json", &documents.discovery)
    } else if path.contains("cert") {
        ("application/x-pem-file", &documents.certificate)
    } else {
        ("application/jwk-set+json", &documents.jwk_set)
    };
    ([(CONTENT_TYPE, kind)], text.clone()).into_response()
}

/// A service that asks without end does not fill the memory.
fn remember(visits: &Visits, visit: String) {
    const MOST: usize = 100;
    let mut visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
    if visits.len() < MOST {
        visits.push(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_fetched_is_remembered() {
        let own = OwnKey::generate("ES256").unwrap();
        let trap = Trap::start(&own, Some("theirs")).await.unwrap();
        let (http, tls) = (trap.authority(), trap.tls_authority());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let read = async |path: &str| {
            client.get(format!("http://{http}{path}")).send().await.unwrap().text().await.unwrap()
        };
        assert!(read("/jwks").await.contains("theirs"));
        assert!(read("/cert").await.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(read("/.well-known/openid-configuration").await.contains("jwks_uri"));
        assert_eq!(trap.visits(), ["GET /jwks", "GET /cert", "GET /.well-known/openid-configuration"]);

        drop(tokio::net::TcpStream::connect(tls).await.unwrap());
        while trap.visits().len() < 4 {
            tokio::task::yield_now().await;
        }
        assert!(trap.visits().last().unwrap().starts_with("a TLS connection"));
    }
}

//! TLS towards the servers: whom the gateway believes to be one, who it is to them, and what they speak.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepass_gateway::ServerState;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{OPEN, Running, TestBody, config, full, send, until, within};
use crate::tls::{Authority, Identity, tls_table};
use crate::upgrade::{HANDSHAKE, head};

const HOST: &str = "127.0.0.1";
const BOTH: &[&str] = &["h2", "http/1.1"];

/// A server that tells which version of HTTP it is spoken to in.
struct TlsBackend {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TlsBackend {
    /// Speaks these protocols. With `clients`, whom it takes client certificates from, it asks for one.
    async fn start(identity: &Identity, protocols: &[&str], clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(identity.key.clone()).unwrap();
        let mut server = builder.with_single_cert(identity.chain.clone(), key).unwrap();
        server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(stream), service_fn(tell))
                        .await;
                });
            }
        });
        Self { address, connections }
    }

    /// An upstream of this server, with what else is to be said of it.
    fn config(&self, lines: &str) -> String {
        let plain = format!("servers = ['http://{}']", self.address);
        let secure = format!("servers = ['https://{}']\n{lines}", self.address);
        config(self.address, OPEN).replace(&plain, &secure)
    }
}

async fn tell(mut request: Request<Incoming>) -> Result<Response<TestBody>, Infallible> {
    let version = request.version();
    if request.headers().contains_key("upgrade") && version == Version::HTTP_11 {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let head =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
        return Ok(head.body(full("")).unwrap());
    }
    Ok(Response::new(full(format!("{version:?} {:?}", request.uri().scheme_str()))))
}

/// `tls` with the authority's certificate, and more.
fn trusting(authority: &Authority, folder: &Path, more: &str) -> String {
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    format!("tls = {{ ca = '{}/ca.pem'{more} }}\n", folder.display())
}

#[tokio::test]
async fn whom_the_gateway_takes_for_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, strangers) = (Authority::new(), Authority::new());
    let cases = [
        ("its_own_name", authority.identity(HOST), "", true),
        ("another_name", authority.identity("other.example.com"), "", false),
        (
            "the_name_that_is_asked_for",
            authority.identity("other.example.com"),
            ", server_name = 'other.example.com'",
            true,
        ),
        (
            "not_the_name_that_is_asked_for",
            authority.identity(HOST),
            ", server_name = 'other.example.com'",
            false,
        ),
        ("signed_by_a_stranger", strangers.identity(HOST), "", false),
        ("expired", authority.expired(HOST), "", false),
    ];
    for (name, identity, more, good) in cases {
        let backend = TlsBackend::start(&identity, BOTH, None).await;
        for protocol in ["http/1.1", "h2", "auto"] {
            let tls = trusting(&authority, folder.path(), more);
            let text = backend.config(&format!("{tls}protocol = '{protocol}'"));
            let answer = Running::start(&text).await.get("/", &[]).await;
            if good {
                assert_eq!(answer.status, StatusCode::OK, "{name}, {protocol}: {answer:?}");
            } else {
                let want = (StatusCode::BAD_GATEWAY, "upstream-unreachable");
                assert_eq!((answer.status, &*answer.code()), want, "{name}, {protocol}");
                assert!(!answer.text.contains("certificate"), "{}", answer.text);
            }
        }
        let connections = backend.connections.load(Ordering::SeqCst);
        assert_eq!(connections, if good { 3 } else { 0 }, "{name}");
    }
    // What speaks no TLS is no server either.
    let plain = crate::harness::Backend::mirror().await;
    let tls = trusting(&authority, folder.path(), "");
    let text = config(plain.address, OPEN)
        .replace(&format!("'http://{}']", plain.address), &format!("'https://{}']\n{tls}", plain.address));
    let answer = Running::start(&text).await.get("/", &[]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_GATEWAY, "upstream-unreachable"));
}

#[tokio::test]
async fn the_protocol_is_the_configured_one_or_what_the_server_chooses() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = trusting(&authority, folder.path(), "");
    let identity = authority.identity(HOST);
    let one = "HTTP/1.1 None";
    let two = "HTTP/2.0 Some(\"https\")";
    let cases: [(&str, &[&str], Option<&str>); 9] = [
        ("http/1.1", BOTH, Some(one)),
        ("h2", BOTH, Some(two)),
        ("auto", BOTH, Some(two)),
        ("auto", &["http/1.1"], Some(one)),
        ("auto", &["h2"], Some(two)),
        ("auto", &[], Some(one)),
        ("http/1.1", &[], Some(one)),
        ("http/1.1", &["h2"], None),
        ("h2", &["http/1.1"], None),
    ];
    for (protocol, spoken, want) in cases {
        let backend = TlsBackend::start(&identity, spoken, None).await;
        let gateway = Running::start(&backend.config(&format!("{tls}protocol = '{protocol}'"))).await;
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let address = gateway.address;
                tokio::spawn(async move { send(address, Request::get("/").body(full("")).unwrap()).await })
            })
            .collect();
        for client in clients {
            let answer = within(client).await.unwrap();
            match want {
                Some(want) => assert_eq!(answer.text, want, "{protocol} of {spoken:?}"),
                None => assert!(answer.status.is_server_error(), "{protocol} of {spoken:?}: {answer:?}"),
            }
        }
        if want == Some(two) {
            assert_eq!(backend.connections.load(Ordering::SeqCst), 1, "{protocol} of {spoken:?}");
        }
        until("nothing in flight", || gateway.gateway.upstreams()[0].servers[0].in_flight == 0).await;
    }
}

#[tokio::test]
async fn a_websocket_to_a_server_that_would_choose_http_2() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = trusting(&authority, folder.path(), "");
    let backend = TlsBackend::start(&authority.identity(HOST), BOTH, None).await;
    let gateway = Running::start(&backend.config(&format!("{tls}protocol = 'auto'"))).await;
    assert!(gateway.get("/", &[]).await.text.starts_with("HTTP/2.0 "));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("http/1.1 101 "));
    assert_eq!(gateway.gateway.upstreams()[0].servers[0].in_flight, 1, "a tunnel counts");
    let mut said = [0; 5];
    within(stream.read_exact(&mut said)).await.unwrap();
    assert_eq!(said, *b"hello");
    drop(stream);
    until("the end of the tunnel", || gateway.gateway.upstreams()[0].servers[0].in_flight == 0).await;
}

#[tokio::test]
async fn the_certificate_that_the_gateway_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let backend = TlsBackend::start(&authority.identity(HOST), BOTH, Some(&clients)).await;
    let without = backend.config(&trusting(&authority, folder.path(), ""));
    let answer = Running::start(&without).await.get("/", &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "it shows none");

    // A wrong one, and then the right one in its place.
    let pair = tls_table(folder.path()).replace("[tls]\n", ", ").replace("'\nkey", "', key");
    strangers.identity("gateway").write(folder.path());
    let text = backend.config(&trusting(&authority, folder.path(), pair.trim_end()));
    let gateway = Running::start(&text).await;
    assert_eq!(gateway.get("/", &[]).await.status, StatusCode::BAD_GATEWAY);
    clients.identity("gateway").write(folder.path());
    let started = std::time::Instant::now();
    while gateway.get("/", &[]).await.status != StatusCode::OK {
        assert!(started.elapsed() < crate::harness::DEADLINE, "the new certificate was not taken over");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn checks_go_the_way_of_the_requests() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = trusting(&authority, folder.path(), "");
    let health = "health = { path = '/', every = '20ms', timeout = '10s', unhealthy = 1 }";
    for protocol in ["http/1.1", "h2", "auto"] {
        let lines = format!("{tls}{health}\nprotocol = '{protocol}'");
        let backend = TlsBackend::start(&authority.identity(HOST), BOTH, None).await;
        let gateway = Running::start(&backend.config(&lines)).await;
        until("a few checks", || backend.connections.load(Ordering::SeqCst) >= 3).await;
        assert_eq!(gateway.gateway.upstreams()[0].servers[0].state, ServerState::Up, "{protocol}");

        let other = TlsBackend::start(&authority.identity("other.example.com"), BOTH, None).await;
        let gateway = Running::start(&other.config(&lines)).await;
        until("it down", || gateway.gateway.upstreams()[0].servers[0].state == ServerState::Down).await;
    }
}

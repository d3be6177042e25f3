//! TLS towards the clients: which protocols, whose certificates, and what becomes of them when they change.

use std::path::Path;
use std::sync::Arc;

use gatepass_gateway::Config;
use http::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{
    Backend, DEADLINE, OPEN, Running, Token, config, full, mirrored, read, read_to_end, within,
};

const NAME: &str = "api.example.com";

/// An authority of the tests' own.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

/// A certificate and its key, in DER.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.sign(rcgen::CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One whose time is over.
    pub(crate) fn expired(&self, name: &str) -> Identity {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: rcgen::CertificateParams) -> Identity {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

impl Identity {
    /// Writes it where [`tls_table`] looks.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join("server.key"), pem("PRIVATE KEY", &self.key)).unwrap();
        std::fs::write(folder.join("server.pem"), pem("CERTIFICATE", &self.chain[0])).unwrap();
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, Default::default(), der).unwrap()
}

/// `[tls]` with the files of a folder.
pub(crate) fn tls_table(folder: &Path) -> String {
    let folder = folder.display();
    format!("[tls]\ncertificate = '{folder}/server.pem'\nkey = '{folder}/server.key'\n")
}

/// A client that trusts an authority, offers these protocols and shows this certificate.
fn client(authority: &Authority, protocols: &[&str], identity: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut client = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), PrivateKeyDer::try_from(key.clone()).unwrap())
            .unwrap(),
    };
    client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(client)
}

async fn handshake(gateway: &Running, client: &Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gateway.address).await?;
    let name = ServerName::try_from(NAME).unwrap();
    within(TlsConnector::from(Arc::clone(client)).connect(name, stream)).await
}

/// One request over HTTP/1.1, told as an error if the connection does not carry it.
async fn get(gateway: &Running, client: &Arc<ClientConfig>) -> std::io::Result<String> {
    let mut stream = handshake(gateway, client).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_protocol_is_agreed_on_in_the_handshake() {
    let (backend, folder, authority) =
        (Backend::mirror().await, tempfile::tempdir().unwrap(), Authority::new());
    authority.identity(NAME).write(folder.path());
    let gateway = Running::start(&(config(backend.address, OPEN) + &tls_table(folder.path()))).await;
    let cases: [(&[&str], Option<&[u8]>); 5] = [
        (&["h2", "http/1.1"], Some(b"h2")),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&["h2"], Some(b"h2")),
        (&[], None),
    ];
    for (offered, agreed) in cases {
        let stream = handshake(&gateway, &client(&authority, offered, None)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        let request = Request::post("https://api.example.com/over/tls").body(full("body")).unwrap();
        let answer = if agreed == Some(b"h2") {
            let (mut requests, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let response = within(requests.send_request(request)).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            read(response).await
        } else {
            let (mut requests, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let mut request = request;
            *request.uri_mut() = "/over/tls".parse().unwrap();
            request.headers_mut().insert("host", NAME.parse().unwrap());
            read(within(requests.send_request(request)).await.unwrap()).await
        };
        let told = answer.json();
        assert_eq!((answer.status, told["body"].as_str()), (StatusCode::OK, Some("body")), "{offered:?}");
        assert_eq!(told["target"], "/over/tls");
        assert_eq!(mirrored(&told, "host"), [NAME]);
        assert_eq!(mirrored(&told, "x-forwarded-proto"), ["https"]);
    }
    assert!(
        handshake(&gateway, &client(&authority, &["h3", "spdy/1"], None)).await.is_err(),
        "nothing in common is no agreement"
    );
}

#[tokio::test]
async fn a_large_body_passes_both_ways() {
    let (backend, folder, authority) =
        (Backend::mirror().await, tempfile::tempdir().unwrap(), Authority::new());
    authority.identity(NAME).write(folder.path());
    let gateway = Running::start(&(config(backend.address, OPEN) + &tls_table(folder.path()))).await;
    for protocol in ["h2", "http/1.1"] {
        let stream = handshake(&gateway, &client(&authority, &[protocol], None)).await.unwrap();
        let body = "0123456789".repeat(200_000);
        let request = Request::post("https://api.example.com/").header("host", NAME);
        let request = request.body(full(body.clone())).unwrap();
        let response = if protocol == "h2" {
            let (mut requests, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            within(requests.send_request(request)).await.unwrap()
        } else {
            let (mut requests, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            within(requests.send_request(request)).await.unwrap()
        };
        let told = read(response).await.json();
        assert!(told["body"].as_str() == Some(&*body), "{protocol}");
    }
}

#[tokio::test]
async fn what_is_not_tls_is_not_served() {
    let (backend, folder, authority) =
        (Backend::mirror().await, tempfile::tempdir().unwrap(), Authority::new());
    authority.identity(NAME).write(folder.path());
    let gateway = Running::start(
        &(config(backend.address, OPEN) + &tls_table(folder.path()) + "[timeouts]\nhandshake = '300ms'\n"),
    )
    .await;
    let mut plain = TcpStream::connect(gateway.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut plain).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");

    let mut silent = TcpStream::connect(gateway.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "", "who says nothing is not waited for");
    let mut slow = TcpStream::connect(gateway.address).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    assert_eq!(read_to_end(&mut slow).await, "", "nor who stops half way");
    assert!(get(&gateway, &client(&authority, &[], None)).await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn handshakes_wait_their_turn() {
    let (backend, folder, authority) =
        (Backend::mirror().await, tempfile::tempdir().unwrap(), Authority::new());
    authority.identity(NAME).write(folder.path());
    let gateway = Running::start(
        &(config(backend.address, OPEN) + &tls_table(folder.path()) + "[limits]\nhandshakes = 1\n"),
    )
    .await;
    // Says hello and nothing more: it holds the one place, and gives it back when it goes.
    let name = ServerName::try_from(NAME).unwrap();
    let mut half = rustls::ClientConnection::new(client(&authority, &[], None), name).unwrap();
    let mut hello = Vec::new();
    half.write_tls(&mut hello).unwrap();
    let mut holder = TcpStream::connect(gateway.address).await.unwrap();
    holder.write_all(&hello).await.unwrap();
    within(holder.read_u8()).await.unwrap();
    let waiting = async { get(&gateway, &client(&authority, &[], None)).await.unwrap() };
    tokio::pin!(waiting);
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(100), &mut waiting).await.is_err(),
        "served beside another handshake"
    );
    drop(holder);
    assert!(within(waiting).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn client_certificates() {
    let (backend, folder) = (Backend::mirror().await, tempfile::tempdir().unwrap());
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    authority.identity(NAME).write(folder.path());
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let table =
        format!("{}client_ca = '{}/clients.pem'\n", tls_table(folder.path()), folder.path().display());
    let gateway = Running::start(&(config(backend.address, OPEN) + &table)).await;
    let (known, stranger) = (clients.identity("a client"), strangers.identity("a stranger"));
    let cases =
        [("none", None, true), ("known", Some(&known), true), ("of_a_stranger", Some(&stranger), false)];
    for (name, identity, good) in cases {
        let answer = get(&gateway, &client(&authority, &[], identity)).await;
        let served = answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "));
        assert_eq!(served, good, "{name}");
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate() {
    let (backend, folder) = (Backend::mirror().await, tempfile::tempdir().unwrap());
    let (authority, clients) = (Authority::new(), Authority::new());
    authority.identity(NAME).write(folder.path());
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let table =
        format!("{}client_ca = '{}/clients.pem'\n", tls_table(folder.path()), folder.path().display());
    let closed = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\n";
    let gateway = Running::start(&(config(backend.address, closed) + &table)).await;
    let (own, another) = (clients.identity("own"), clients.identity("another"));
    let thumbprint = gatepass_guard::ClientCertificate::from_der(&own.chain[0]);
    let bound = || Token::of("ann").claim("cnf", serde_json::json!({ "x5t#S256": thumbprint.x5t_s256() }));
    let cases = [
        ("its_own", bound(), Some(&own), "200"),
        ("another", bound(), Some(&another), "401"),
        ("none", bound(), None, "401"),
        ("not_bound", Token::of("ann"), Some(&own), "200"),
    ];
    for (name, token, identity, status) in cases {
        let mut stream = handshake(&gateway, &client(&authority, &[], identity)).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\nauthorization: {}\r\n\r\n",
            token.bearer()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
}

/// The certificate that the gateway shows.
async fn shown(gateway: &Running, authority: &Authority) -> Option<CertificateDer<'static>> {
    let stream = handshake(gateway, &client(authority, &[], None)).await.ok()?;
    stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned()
}

async fn until_shown(gateway: &Running, authority: &Authority, want: &Identity) {
    let started = std::time::Instant::now();
    while shown(gateway, authority).await.as_ref() != want.chain.first() {
        assert!(started.elapsed() < DEADLINE, "the new certificate was not taken over");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_certificate_that_changes_is_taken_over_without_a_reload() {
    let (backend, folder, authority) =
        (Backend::mirror().await, tempfile::tempdir().unwrap(), Authority::new());
    let (first, second, third) =
        (authority.identity(NAME), authority.identity(NAME), authority.identity(NAME));
    first.write(folder.path());
    let text = config(backend.address, OPEN) + &tls_table(folder.path());
    let gateway = Running::start(&text).await;
    assert_eq!(shown(&gateway, &authority).await.as_ref(), first.chain.first());
    let before = handshake(&gateway, &client(&authority, &["http/1.1"], None)).await.unwrap();

    second.write(folder.path());
    until_shown(&gateway, &authority, &second).await;
    // A reload looks at once.
    third.write(folder.path());
    gateway.gateway.reload(Config::parse(&text).unwrap()).await.unwrap();
    assert_eq!(shown(&gateway, &authority).await.as_ref(), third.chain.first());

    // Files that are of no use change nothing, neither by themselves nor with a reload.
    std::fs::write(folder.path().join("server.key"), pem("PRIVATE KEY", &first.key)).unwrap();
    assert!(Config::parse(&text).unwrap_err().to_string().contains("is not the key of the certificate"));
    gateway.gateway.reload(Config::parse(&config(backend.address, OPEN)).unwrap()).await.unwrap_err();
    assert_eq!(shown(&gateway, &authority).await.as_ref(), third.chain.first());
    std::fs::write(folder.path().join("server.pem"), pem("CERTIFICATE", &first.chain[0])).unwrap();
    until_shown(&gateway, &authority, &first).await;

    let (mut requests, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(before)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("host", NAME).body(full("")).unwrap();
    let answer = read(within(requests.send_request(request)).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "connections of before go on");
}

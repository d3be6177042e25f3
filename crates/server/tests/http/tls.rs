//! The driver's own TLS: what is spoken, what is refused before a request, and the certificates that clients show.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use gatepass_issuer::certificate::X5t;
use gatepass_server::{ClientCertificates, HttpConfig, Limits, serve_tls};
use gatepass_tls::{Asked, Pair, ServerFiles, ServerTls};
use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fixture::Fixture;

/// Long enough for anything that happens at all.
const DEADLINE: Duration = Duration::from_secs(20);
const NAME: &str = "auth.example.com";

/// A certificate and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Identity {
    fn new(params: &CertificateParams, authority: Option<&Authority>) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, authority).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Self { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }

    fn named(name: &str, authority: Option<&Authority>) -> Self {
        Self::new(&CertificateParams::new([name.to_owned()]).unwrap(), authority)
    }

    fn write(&self, folder: &Path) {
        std::fs::write(folder.join("key.pem"), pem("PRIVATE KEY", &self.key)).unwrap();
        std::fs::write(folder.join("certificate.pem"), pem("CERTIFICATE", &self.chain[0])).unwrap();
    }

    /// What a client registers who is known by this certificate.
    fn thumbprint(&self) -> String {
        serde_json::to_value(X5t::of(&self.chain[0])).unwrap().as_str().unwrap().to_owned()
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode_to_string(der))
}

/// A listener with TLS, in front of a fixture.
struct Running {
    address: SocketAddr,
    tls: Arc<ServerTls>,
    server: Identity,
    folder: tempfile::TempDir,
    fixture: Fixture,
}

impl Running {
    async fn start(asked: Asked, known: Option<ClientCertificates>, limits: Limits) -> Self {
        let (folder, server) = (tempfile::tempdir().unwrap(), Identity::named(NAME, None));
        server.write(folder.path());
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        let files = ServerFiles { pair: Pair { certificate, key }, asked };
        let tls = Arc::new(ServerTls::load(files).unwrap());
        let http = HttpConfig { client_certificates: known, ..HttpConfig::default() };
        let fixture = Fixture::with(http, |_| {}).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = fixture.router.clone();
        tokio::spawn(serve_tls(listener, Arc::clone(&tls), router, limits, std::future::pending()));
        Self { address, tls, server, folder, fixture }
    }

    /// Asks for certificates, and knows an authority. The word of proxies on this machine is taken as well.
    async fn asking(authority: &Authority) -> Self {
        let pem = pem("CERTIFICATE", authority.der());
        let proxies = vec!["127.0.0.1".parse().unwrap()];
        let known = ClientCertificates::new(proxies, Some(pem.as_bytes()), None).unwrap();
        Self::start(Asked::Anybodys, Some(known), Limits::default()).await
    }

    fn client(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        shown: Shown<'_>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.server.chain[0].clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match shown {
            Shown::Nothing => builder.with_no_client_auth(),
            Shown::Own(Identity { chain, key }) => builder
                .with_client_auth_cert(chain.clone(), PrivateKeyDer::try_from(key.clone()).unwrap())
                .unwrap(),
            Shown::Stolen(Identity { chain, .. }) => {
                let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
                let key = provider.key_provider.load_private_key(key).unwrap();
                let stolen = Arc::new(CertifiedKey::new(chain.clone(), key));
                builder.with_client_cert_resolver(Arc::new(Shows(stolen)))
            }
        }
    }

    async fn connect(&self, client: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        let handshake = TlsConnector::from(Arc::new(client)).connect(name, stream);
        tokio::time::timeout(DEADLINE, handshake).await.expect("the handshake hangs")
    }

    /// One request on a connection of its own, told as an error if the connection does not carry it.
    async fn ask(&self, client: ClientConfig, request: &str) -> io::Result<String> {
        let mut stream = self.connect(client).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer));
        match read.await.expect("no end of the answer") {
            Err(error) if answer.is_empty() => Err(error),
            _ => Ok(answer),
        }
    }

    async fn raw(&self, said: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(said).await; // it may be cut while it speaks
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await.expect("no end");
        heard
    }
}

/// What a client shows in the handshake.
#[derive(Clone, Copy)]
enum Shown<'s> {
    Nothing,
    Own(&'s Identity),
    /// The certificate alone, with another key.
    Stolen(&'s Identity),
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: auth.example.com\r\nconnection: close\r\n\r\n";

fn token_request(client: &str, fields: &str) -> String {
    let body = format!("grant_type=client_credentials&client_id={client}");
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n{fields}\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn register(fixture: &Fixture, id: &str, method: &str, certificate: Value) {
    let client = json!({
        "client_id": id, "client_name": id, "token_endpoint_auth_method": method, "certificate": certificate,
        "grant_types": ["client_credentials"], "scope": "orders:read",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let answer = fixture.post("/admin/v1/clients").bearer(&fixture.admin().await).json(&client).send().await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let running = Running::start(Asked::Nobodys, None, Limits::default()).await;
    for (version, offered, agreed) in [
        (&TLS13, &["h2", "http/1.1"][..], Some("h2")),
        (&TLS13, &["http/1.1"], Some("http/1.1")),
        (&TLS12, &["h2"], Some("h2")),
        (&TLS12, &[], None),
    ] {
        let mut client = running.client(&[version], Shown::Nothing);
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = running.connect(client.clone()).await.unwrap();
        let got = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(got.as_deref(), agreed.map(str::as_bytes), "{offered:?}");
        if agreed == Some("h2") {
            let (io, executor) = (hyper_util::rt::TokioIo::new(stream), hyper_util::rt::TokioExecutor::new());
            let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            let request = http::Request::get("https://auth.example.com/livez").body(String::new()).unwrap();
            assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::OK);
        } else {
            drop(stream);
            assert!(running.ask(client, LIVEZ).await.unwrap().starts_with("HTTP/1.1 200 "));
        }
    }
}

#[tokio::test]
async fn what_is_no_handshake_ends_before_a_request() {
    let limits = Limits { handshake_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = Running::start(Asked::Anybodys, None, limits).await;
    // ClientHello, TLS 1.1, with a suite of its time.
    let mut old = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    old.extend([7; 32]);
    old.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let endless = [vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff], vec![0; 1 << 20]].concat();
    let cases: [(&str, &[u8], bool); 6] = [
        ("plain HTTP", LIVEZ.as_bytes(), true),
        ("noise", &[0xa5; 4096], true),
        ("TLS 1.1", &old, true),
        ("a hello without end", &endless, true),
        ("nothing", b"", false),
        ("half a hello", &[22, 3, 1, 2, 0, 1], false),
    ];
    for (name, said, is_told) in cases {
        let heard = running.raw(said).await;
        assert!(!heard.starts_with(b"HTTP"), "{name}: {}", String::from_utf8_lossy(&heard));
        // An alert, unless the system has thrown it away with what nobody read.
        assert!(heard.is_empty() || (is_told && heard[0] == 21), "{name}: {heard:?}");
    }
    assert!(running.ask(running.client(&[&TLS13], Shown::Nothing), LIVEZ).await.is_ok());
}

#[tokio::test]
async fn a_client_is_known_by_the_certificate_of_its_handshake_and_by_nothing_else() {
    let (authority, foreign) = (authority(|_| {}), authority(|_| {}));
    let running = Running::asking(&authority).await;
    let (batch, robot) =
        (Identity::named("batch.internal", Some(&authority)), Identity::named("robot", None));
    let stranger = Identity::named("batch.internal", Some(&foreign));
    let mut params = CertificateParams::new(["batch.internal".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = Identity::new(&params, Some(&authority));
    let mut forged = Identity::named("batch.internal", Some(&authority));
    let mut der = forged.chain[0].to_vec();
    *der.last_mut().unwrap() ^= 1; // of the authority's signature
    forged.chain = vec![der.into()];
    register(&running.fixture, "worker", "tls_client_auth", json!({ "san_dns": "batch.internal" })).await;
    let own = json!({ "sha256": [robot.thumbprint()] });
    register(&running.fixture, "robot", "self_signed_tls_client_auth", own).await;

    use Shown::{Nothing, Own, Stolen};
    let cases = [
        ("its name, vouched for", "worker", Own(&batch), Some("200")),
        ("its own", "robot", Own(&robot), Some("200")),
        ("no certificate", "worker", Nothing, Some("401")),
        ("another's", "worker", Own(&robot), Some("401")),
        ("the name from a stranger", "worker", Own(&stranger), Some("401")),
        ("the name, too late", "worker", Own(&expired), Some("401")),
        ("the name, forged", "worker", Own(&forged), Some("401")),
        ("the certificate without its key", "worker", Stolen(&batch), None),
        ("the same for one that nobody vouches for", "robot", Stolen(&robot), None),
    ];
    for (name, client, shown, want) in cases {
        for version in [&TLS13, &TLS12] {
            let config = running.client(&[version], shown);
            let answer = running.ask(config, &token_request(client, "")).await;
            let status = answer.as_ref().ok().and_then(|answer| answer.get(9..12));
            assert_eq!(status, want, "{name}: {answer:?}");
        }
    }
    // Nor does a header field say anything here, though proxies on this machine are believed elsewhere.
    let field = format!("client-cert: :{}:\r\n", STANDARD.encode_to_string(&batch.chain[0]));
    for shown in [Nothing, Own(&robot)] {
        let config = running.client(&[&TLS13], shown);
        let answer = running.ask(config, &token_request("worker", &field)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[tokio::test]
async fn certificates_that_are_no_certificates_or_too_many_end_the_handshake_or_are_nobodys() {
    let authority = authority(|_| {});
    let running = Running::asking(&authority).await;
    let name = json!({ "san_dns": "batch.internal" });
    register(&running.fixture, "worker", "tls_client_auth", name).await;
    let with = |extra: Vec<CertificateDer<'static>>| {
        let mut identity = Identity::named("batch.internal", Some(&authority));
        identity.chain.extend(extra);
        identity
    };
    let another = || Identity::named("another", None).chain.remove(0);
    let cases = [
        ("ten_megabytes", with(vec![CertificateDer::from(vec![0x30; 10 << 20])]), None),
        ("a_thousand", with((0..1000).map(|_| CertificateDer::from(vec![0x30; 400])).collect()), None),
        ("noise_between", with(vec![CertificateDer::from(vec![0x30; 400])]), Some("200")),
        ("as_much_as_there_can_be", with(vec![CertificateDer::from(vec![0x30; 64_000])]), Some("200")),
        ("others_between", with((0..8).map(|_| another()).collect()), Some("200")),
        ("more_than_there_are_anywhere", with((0..9).map(|_| another()).collect()), Some("401")),
    ];
    for (name, identity, want) in cases {
        let config = running.client(&[&TLS13], Shown::Own(&identity));
        let answer = running.ask(config, &token_request("worker", "")).await;
        let status = answer.as_ref().ok().and_then(|answer| answer.get(9..12));
        assert_eq!(status, want, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn where_certificates_are_asked_for_every_connection_proves_its_own() {
    let authority = authority(|_| {});
    let machine = Identity::named("robot", None);
    for (asked, version, is_resumed) in [
        (Asked::Nobodys, &TLS13, true),
        (Asked::Nobodys, &TLS12, true),
        (Asked::Anybodys, &TLS13, false),
        (Asked::Anybodys, &TLS12, false),
    ] {
        let running = match asked {
            Asked::Anybodys => Running::asking(&authority).await,
            asked => Running::start(asked, None, Limits::default()).await,
        };
        // The one configuration remembers sessions from connection to connection.
        let client = running.client(&[version], Shown::Own(&machine));
        assert!(running.ask(client.clone(), LIVEZ).await.unwrap().starts_with("HTTP/1.1 200 "));
        let again = running.connect(client).await.unwrap();
        let kind = again.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(rustls::HandshakeKind::Resumed), is_resumed, "{version:?}: {kind:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_replaced_is_shown_to_the_next_client_and_a_bad_one_never() {
    let running = Running::start(Asked::Nobodys, None, Limits::default()).await;
    let shown = async || {
        let client = gatepass_tls::pinned(running.tls.certificate().to_vec()).unwrap();
        let stream = running.connect(client).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = running.server.chain[0].clone();
    assert_eq!(shown().await, first);
    let next = Identity::named(NAME, None);
    std::fs::write(running.folder.path().join("key.pem"), pem("PRIVATE KEY", &next.key)).unwrap();
    running.tls.refresh();
    assert_eq!(shown().await, first, "half of a pair");
    next.write(running.folder.path());
    running.tls.refresh();
    assert_eq!(shown().await, next.chain[0]);
    std::fs::write(running.folder.path().join("certificate.pem"), "no certificate").unwrap();
    running.tls.refresh();
    assert_eq!(shown().await, next.chain[0]);
    // Who knows a server by its certificate takes no other.
    let other = gatepass_tls::pinned(first.to_vec()).unwrap();
    assert!(running.connect(other).await.is_err());
}

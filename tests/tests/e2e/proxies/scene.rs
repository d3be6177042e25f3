//! A service, a proxy in front of it that somebody else wrote, and the gateway that the proxy asks.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Alone, Answer, Session, Up, place, send, try_send, upstream, wait};
use reqwest::Method;
use serde_json::Value;

/// The ports of the examples, where each stands for something.
pub(crate) const PROXY: u16 = 8000;
pub(crate) const GATEWAY: u16 = 8080;
pub(crate) const GATEWAY_GRPC: u16 = 9191;
pub(crate) const SERVICE: u16 = 9000;
const GATEWAY_ADMIN: u16 = 9090;

/// What a client would be, if it could, in the spellings that services take for one.
const SPOOFED: [(&str, &str); 10] = [
    ("x-user-id", "mallory"),
    ("x-user-id", "mallory again"),
    ("x_user_id", "mallory"),
    ("x-user_id", "mallory"),
    ("x_user-id", "mallory"),
    ("x-user-roles", "admin"),
    ("x_user_roles", "admin"),
    ("x-user_roles", "admin"),
    ("x-user.id", "mallory"),
    ("x.user.roles", "admin"),
];

/// What a client would have asked, if it could, in its own request's place.
const SLIPPED: [(&str, &str); 5] = [
    ("x-forwarded-uri", "/status"),
    ("x-forwarded-method", "GET"),
    ("x-original-uri", "/status"),
    ("x-original-method", "GET"),
    ("x-forwarded-host", "status.example.com"),
];

/// Everything but the proxy.
pub(crate) struct Scene {
    up: Up,
    gateway: Alone,
    folder: PathBuf,
    /// By the port that the examples have.
    addresses: Vec<(u16, SocketAddr)>,
    ada: Session,
    berta: Session,
}

/// A file of `examples/proxies`.
pub(crate) fn example(name: &str) -> PathBuf {
    place::root().join("examples/proxies").join(name)
}

impl Scene {
    /// Starts the gateway on its example, and has an administrator and somebody without a role log in.
    pub(crate) async fn start() -> Self {
        let up = Up::start().await;
        Admin::login(&up).await.create_user("berta", &[]).await;
        let (ada, berta) = (up.login(ADMIN).await, up.login("berta").await);
        let service = upstream::mirror_and_return("/api/orders").await;
        let [proxy, gateway, grpc, admin] = std::array::from_fn(|_| place::free_address());
        let addresses = vec![
            (PROXY, proxy),
            (GATEWAY, gateway),
            (GATEWAY_GRPC, grpc),
            (GATEWAY_ADMIN, admin),
            (SERVICE, service),
        ];
        let folder = up.folder().join("proxy");
        fs::create_dir(&folder).unwrap();
        let text = fill("gateway.toml", &addresses, &[GATEWAY, GATEWAY_GRPC, GATEWAY_ADMIN, SERVICE]);
        let text = text
            .replace("http://127.0.0.1:8081", up.issuer())
            .replace("https://api.example.com", &up.gateway());
        let alone = Alone::start("gateway", &folder, gateway, &text).await;
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            let asked = try_send(up.client.get(format!("http://{admin}/readyz"))).await;
            asked.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Self { up, gateway: alone, folder, addresses, ada, berta }
    }

    /// A file or folder beside the proxy's.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// An example's text, with these ports as they are here.
    pub(crate) fn filled(&self, file: &str, ports: &[u16]) -> String {
        fill(file, &self.addresses, ports)
    }

    /// Starts the proxy, and holds it to what every proxy has to do.
    pub(crate) async fn examine(mut self, name: &str, mut command: Command) {
        command.current_dir(&self.folder);
        let mut proxy = Process::start(name, &mut command, &self.path("proxy.log"));
        wait::until(&format!("{name} to listen"), Duration::from_secs(30), async || {
            assert!(proxy.ended().is_none(), "{name} ended:\n{}", proxy.log());
            tokio::net::TcpStream::connect(self.address(PROXY)).await.ok()
        })
        .await;
        self.rules_are_kept().await;
        self.identity_is_the_tokens().await;
        self.the_question_is_the_proxys().await;
        self.bodies_pass_whole().await;
        self.a_revocation_counts_here_too().await;
        self.without_an_answer_nobody_passes().await;
        let log = proxy.log();
        for secret in ["t1cket", &self.ada.access_token, &self.berta.access_token] {
            assert!(!log.contains(secret), "{name} logs {secret}:\n{log}");
        }
    }

    async fn rules_are_kept(&self) {
        let berta = self.berta.access_token.as_str();
        let forged = format!("{}x", &berta[..berta.len() - 1]);
        let cases = [
            ("/api/orders", None, 401, Some("Bearer")),
            ("/api/orders", Some(forged.as_str()), 401, Some("invalid_token")),
            ("/api/orders", Some("two tokens"), 403, None),
            ("/api/admin", Some(berta), 403, None),
            ("/api/reports", Some(berta), 403, Some("insufficient_scope")),
            ("/elsewhere", Some(berta), 403, None),
            ("/api/orders", Some(berta), 200, None),
            ("/api/admin", Some(&self.ada.access_token), 200, None),
            ("/status", None, 200, None),
        ];
        for (path, token, status, challenge) in cases {
            let answer = self.ask(Method::GET, path, token, &[]).await.expect(status);
            if let Some(challenge) = challenge {
                let told = answer.header("www-authenticate").unwrap_or_default();
                assert!(
                    told.starts_with("Bearer") && told.contains(challenge),
                    "{challenge}\n{}",
                    answer.shown()
                );
            }
        }
    }

    /// And never what the client claims, in any spelling.
    async fn identity_is_the_tokens(&self) {
        let (ada, berta) = (self.ada.subject(), self.berta.subject());
        let cases = [
            (Some(&self.ada), vec![ada.as_str()], vec!["admin"], "/api/orders?ticket=t1cket"),
            (Some(&self.berta), vec![berta.as_str()], vec![], "/api/orders?ticket=t1cket"),
            (None, vec![], vec![], "/status?ticket=t1cket"),
        ];
        for (session, subject, roles, target) in cases {
            let token = session.map(|session| session.access_token.as_str());
            let answer = self.ask(Method::GET, target, token, &SPOOFED).await.expect(200);
            let told = answer.json();
            assert_eq!(told["target"], target, "{}", answer.shown());
            assert_eq!(reads_like(&told, "x-user-id"), subject, "{}", answer.shown());
            assert_eq!(reads_like(&told, "x-user-roles"), roles, "{}", answer.shown());
        }
    }

    /// A client that names another request is at most refused for it.
    async fn the_question_is_the_proxys(&self) {
        let all: Vec<_> = SLIPPED.into();
        for slipped in SLIPPED.chunks(1).chain([all.as_slice()]) {
            let answer = self.ask(Method::GET, "/api/orders", None, slipped).await;
            assert!(matches!(answer.status, 401 | 403), "{slipped:?}\n{}", answer.shown());
            let berta = Some(self.berta.access_token.as_str());
            self.ask(Method::GET, "/api/admin", berta, slipped).await.expect(403);
        }
    }

    async fn bodies_pass_whole(&self) {
        let body = "0123456789abcdef".repeat(20_000);
        let request = self.request(Method::POST, "/api/orders", Some(&self.berta.access_token));
        let answer = send(request.body(body.clone())).await.expect(200);
        assert!(answer.body == body.as_bytes(), "{} bytes came back of {}", answer.body.len(), body.len());
        send(self.request(Method::POST, "/api/orders", None).body(body)).await.expect(401);
    }

    async fn a_revocation_counts_here_too(&self) {
        Admin::login(&self.up).await.revoke("session", &self.berta.id).await.expect(201);
        wait::until("a token of a revoked session to be refused", Duration::from_secs(5), async || {
            let answer = self.ask(Method::GET, "/api/orders", Some(&self.berta.access_token), &[]).await;
            (answer.status == 401).then_some(())
        })
        .await;
        self.ask(Method::GET, "/api/orders", Some(&self.ada.access_token), &[]).await.expect(200);
    }

    async fn without_an_answer_nobody_passes(&mut self) {
        self.gateway.process.kill();
        for (path, token) in [("/api/orders", Some(self.ada.access_token.as_str())), ("/status", None)] {
            let answer = self.ask(Method::GET, path, token, &[]).await;
            assert!(matches!(answer.status, 500 | 502 | 503), "{}", answer.shown());
        }
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        token: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.request(method, target, token);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        send(request).await
    }

    fn request(&self, method: Method, target: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.up.client.request(method, format!("http://{}{target}", self.address(PROXY)));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    fn address(&self, port: u16) -> SocketAddr {
        address_of(&self.addresses, port)
    }
}

fn address_of(addresses: &[(u16, SocketAddr)], port: u16) -> SocketAddr {
    addresses.iter().find(|(known, _)| *known == port).map(|(_, address)| *address).unwrap()
}

fn fill(file: &str, addresses: &[(u16, SocketAddr)], ports: &[u16]) -> String {
    let mut text = read(&example(file));
    for port in ports {
        let address = address_of(addresses, *port);
        // As most write it, and as Envoy does.
        let filled = text
            .replace(&format!("127.0.0.1:{port}"), &address.to_string())
            .replace(&format!("port_value: {port} "), &format!("port_value: {} ", address.port()));
        assert_ne!(text, filled, "{file} does not speak of port {port}");
        text = filled;
    }
    text
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The values of every field that a service may take for this one.
fn reads_like<'t>(told: &'t Value, name: &str) -> Vec<&'t str> {
    let canonical = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let fields = told["headers"].as_object().unwrap().iter().filter(|(field, _)| canonical(field) == name);
    fields.flat_map(|(_, values)| values.as_array().unwrap()).map(|value| value.as_str().unwrap()).collect()
}

//! `gatepass up` in a folder and on ports of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, Answer, send};
use crate::process::Process;
use crate::session::Session;
use crate::{place, wait};

/// The first user, who has the role `admin`.
pub const ADMIN: &str = "ada";
/// The password of every user that a test makes.
pub const PASSWORD: &str = "tangled-violet-harbour-71";

/// A running `gatepass up`: the authorization server, the gateway and the demo API in one process.
pub struct Up {
    /// For requests of the test's own making.
    pub client: Client,
    folder: TempDir,
    server: SocketAddr,
    gateway: SocketAddr,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    starts: u32,
    process: Option<Process>,
    ready: Value,
}

impl Up {
    /// Starts with the first user [`ADMIN`] and waits until requests are served.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let password_file = folder.path().join("password");
        fs::write(&password_file, format!("{PASSWORD}\n")).expect("writing the password file");
        let arguments = ["--user", ADMIN, "--password-file", path_text(&password_file)].map(str::to_owned);
        Self::start_in(folder, arguments.to_vec(), &[]).await
    }

    /// Starts as a person does who says nothing: the first user and password are made up and printed.
    pub async fn start_without_user() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with variables in its environment.
    pub async fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder"), Vec::new(), environment).await
    }

    async fn start_in(folder: TempDir, arguments: Vec<String>, environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut up = Self {
            client: http::client(),
            folder,
            server: place::free_address(),
            gateway: place::free_address(),
            arguments,
            environment: environment.collect(),
            starts: 0,
            process: None,
            ready: Value::Null,
        };
        up.start_again().await;
        up
    }

    /// Starts after [`Up::kill`] or [`Up::stop`]: same folder, same ports.
    pub async fn start_again(&mut self) {
        assert!(self.process.is_none(), "gatepass up is still running");
        let ready_file = self.folder().join("ready.json");
        let _ = fs::remove_file(&ready_file);
        self.starts += 1;
        let log = self.folder().join(format!("up-{}.log", self.starts));
        let mut command = Command::new(place::gatepass());
        command.envs(self.environment.iter().cloned());
        command.current_dir(self.folder()).arg("up").args(["--dir", path_text(&self.data())]);
        command.args(["--server", &self.server.to_string(), "--gateway", &self.gateway.to_string()]);
        command.args(["--ready-file", path_text(&ready_file)]).args(&self.arguments);
        let mut process = Process::start("gatepass up", &mut command, &log);
        self.ready = wait::until("the ready file of gatepass up", Duration::from_secs(30), async || {
            if let Some(status) = process.ended() {
                panic!("gatepass up ended with {status} before it was ready:\n{}", process.log());
            }
            serde_json::from_slice(&fs::read(&ready_file).ok()?).ok()
        })
        .await;
        assert_eq!(self.ready["pid"], process.id(), "the ready file names another process: {}", self.ready);
        self.process = Some(process);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.take().expect("a running gatepass up").kill();
    }

    /// Asks it to end with a signal and waits until it has.
    pub async fn stop(&mut self, signal: &str) -> ExitStatus {
        let mut process = self.process.take().expect("a running gatepass up");
        process.stop(signal).await
    }

    /// The process.
    ///
    /// # Panics
    /// It does not run.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("a running gatepass up")
    }

    /// The test's folder; gone with the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `--dir` names.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What the ready file says.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        self.ready["issuer"].as_str().expect("`issuer` in the ready file")
    }

    /// The JWK Set's URL.
    pub fn jwks_uri(&self) -> &str {
        self.ready["jwks_uri"].as_str().expect("`jwks_uri` in the ready file")
    }

    /// The gateway's base URL.
    pub fn gateway(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// A URL of the demo API itself, past the gateway; `up` prints where it listens.
    #[track_caller]
    pub fn demo(&self, path: &str) -> String {
        let log = self.process().log();
        let admin = self.ready["admin"].as_str().and_then(|url| url.strip_prefix("http://"));
        let known = [&self.server.to_string(), &self.gateway.to_string(), admin.unwrap_or_default()];
        let addresses = log.split(|c: char| c.is_whitespace() || "\"'`,;()".contains(c));
        let mut addresses = addresses.filter_map(|word| word.strip_prefix("http://")?.split('/').next());
        let found = addresses.find(|address| !known.contains(address));
        format!(
            "http://{}{path}",
            found.unwrap_or_else(|| panic!("gatepass up does not print where its demo API listens:\n{log}"))
        )
    }

    /// Where the authorization server listens.
    pub fn server_address(&self) -> SocketAddr {
        self.server
    }

    /// Where the gateway listens.
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway
    }

    /// A request to the authorization server.
    pub fn at_server(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.issuer()))
    }

    /// A request to the gateway.
    pub fn at_gateway(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.gateway()))
    }

    /// A login as a browser app does it.
    pub fn login_request(&self, username: &str, password: &str) -> RequestBuilder {
        self.at_server(Method::POST, "/session/login")
            .json(&json!({"username": username, "password": password}))
    }

    /// Logs in; the refresh token is in a cookie.
    pub async fn login(&self, username: &str) -> Session {
        Session::from_cookie(&send(self.login_request(username, PASSWORD)).await.expect(200))
    }

    /// Logs in as an app without cookies does it: the refresh token is in the body.
    pub async fn native_login(&self, username: &str) -> Session {
        let body = json!({"username": username, "password": PASSWORD, "refresh_token": "body"});
        let answer = send(self.at_server(Method::POST, "/session/login").json(&body)).await;
        Session::from_body(&answer.expect(200))
    }

    /// A refresh with whatever a session holds.
    pub fn refresh_request(&self, session: &Session) -> RequestBuilder {
        session.present(self.at_server(Method::POST, "/session/refresh"))
    }

    /// Refreshes and takes the next tokens.
    pub async fn refresh(&self, session: &Session) -> Session {
        session.next(&send(self.refresh_request(session)).await.expect(200))
    }

    /// `GET` of a path at the gateway with a token.
    pub async fn call(&self, path: &str, access_token: &str) -> Answer {
        send(self.at_gateway(Method::GET, path).bearer_auth(access_token)).await
    }

    /// Waits until the gateway refuses a token, and gives the refusal.
    pub async fn refused(&self, what: &str, access_token: &str) -> Answer {
        let what = format!("the gateway to refuse {what}");
        wait::until(&what, Duration::from_secs(2), async || {
            Some(self.call("/api/orders", access_token).await).filter(|answer| answer.status == 401)
        })
        .await
    }

    /// Checks that the server answers as if nothing had happened.
    pub async fn assert_healthy(&self, after: &str) {
        let answer = send(self.client.get(self.jwks_uri())).await;
        assert_eq!(answer.status, 200, "the server is not healthy after {after}\n{}", answer.shown());
        let answer = send(self.at_gateway(Method::GET, "/api/public")).await;
        assert_eq!(answer.status, 200, "the gateway is not healthy after {after}\n{}", answer.shown());
    }
}

/// A path as an argument.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("a temporary path in UTF-8")
}

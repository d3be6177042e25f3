//! The real binary: built, configured, started, and spoken to.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gatepass_bench::place::Place;
use gatepass_jose::base64url;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::load::{Connection, get, post};
use crate::process::Process;

/// How long a program may take to serve its first request.
const START_LIMIT: Duration = Duration::from_secs(180);
/// The user of the measurements and its password.
pub(crate) const USER: &str = "bench";
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The client of the measurements.
const CLIENT: &str = "bench-client";

/// The audience whose tokens are signed with that algorithm.
pub(crate) fn audience(alg: &str) -> String {
    format!("https://{}.bench.example", alg.to_lowercase())
}

/// The binary: the one that `GATEPASS_BIN` names, or the one that the workspace builds.
pub(crate) fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GATEPASS_BIN") {
        return Ok(path.into());
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--package", "gatepass", "--manifest-path", root])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "gatepass does not build");
    let artifact =
        |line: &str| Some(PathBuf::from(serde_json::from_str::<Value>(line).ok()?["executable"].as_str()?));
    let mut paths = std::str::from_utf8(&output.stdout)?.lines().filter_map(artifact);
    paths.next_back().context("cargo names no executable")
}

/// A loopback address that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A directory on the disk of this workspace, removed when dropped. Not in the system's temporary
/// directory, which may be in memory, where a flush costs nothing.
pub(crate) fn temporary() -> Result<TempDir> {
    let parent = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench");
    fs::create_dir_all(parent)?;
    Ok(TempDir::new_in(parent)?)
}

/// An authorization server's data directory, ready to be started on.
pub(crate) struct Installation {
    pub(crate) dir: TempDir,
    pub(crate) address: SocketAddr,
    binary: PathBuf,
    /// The secret of the client of the measurements.
    secret: String,
}

/// What hashing a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// What the server does by default.
    Default,
    /// Next to nothing, for measurements that only need sessions.
    Cheap,
}

#[derive(Deserialize)]
struct NewClient {
    client_secret: String,
}

impl Installation {
    /// Writes the configuration, and lets the command line create a user and a client.
    pub(crate) fn create(binary: &Path, hashing: Hashing) -> Result<Self> {
        let dir = temporary()?;
        let address = free_address()?;
        let mut config = format!(
            "issuer = \"http://{address}\"\nlisten = \"{address}\"\ndata = \".\"\n\n\
             [throttle]\naccount = {{ burst = 100000, every = \"1ms\" }}\naddress = {{ burst = 100000, every = \"1ms\" }}\n"
        );
        if hashing == Hashing::Cheap {
            config.push_str("\n[hashing]\nmemory_kib = 64\npasses = 1\nqueue = 1024\n");
        }
        for alg in ["ES256", "RS256", "EdDSA"] {
            config.push_str(&format!(
                "\n[[resource_server]]\naudience = \"{}\"\nalg = \"{alg}\"\n",
                audience(alg)
            ));
        }
        fs::write(dir.path().join("server.toml"), config)?;
        fs::write(dir.path().join("password"), PASSWORD)?;
        let mut installation = Self { dir, address, binary: binary.to_owned(), secret: String::new() };
        let password = installation.path("password");
        installation.command(&["user", "add", USER, "--password-file", &password])?;
        let audiences = [audience("ES256"), audience("RS256"), audience("EdDSA")];
        let issuer = installation.issuer();
        let mut options = vec!["--scope", "orders:read", "--scope", "gatepass:admin"];
        for audience in audiences.iter().chain([&issuer]) {
            options.extend(["--audience", audience]);
        }
        installation.secret = installation.add_client(CLIENT, &options)?;
        Ok(installation)
    }

    /// Registers a client that keeps a secret, and gives that.
    pub(crate) fn add_client(&self, id: &str, options: &[&str]) -> Result<String> {
        let mut add = vec!["client", "add", id, "--name", "bench"];
        add.extend(options);
        let client: NewClient = serde_json::from_slice(&self.command(&add)?)?;
        Ok(client.client_secret)
    }

    /// What starts the server.
    pub(crate) fn serve(&self) -> [String; 4] {
        let binary = self.binary.to_string_lossy().into_owned();
        [binary, "serve".to_owned(), "--config".to_owned(), self.path("server.toml")]
    }

    /// Adds to the configuration.
    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        Ok(fs::OpenOptions::new().append(true).open(self.path("server.toml"))?.write_all(text.as_bytes())?)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// Runs the command line on the data.
    fn command(&self, args: &[&str]) -> Result<Vec<u8>> {
        let config = self.path("server.toml");
        let output = Command::new(&self.binary).args(args).args(["--config", &config, "--json"]).output()?;
        ensure!(
            output.status.success(),
            "`gatepass {}` failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }

    /// Starts the server and waits for the first 200; says how long that took.
    pub(crate) async fn start(&self, place: Place) -> Result<(Process, Duration)> {
        let started = Instant::now();
        let [binary, arguments @ ..] = self.serve();
        let log = self.dir.path().join("server.log");
        let mut process = Process::start(Command::new(binary).args(arguments), place, &log)?;
        first_success(&mut process, self.address, "/.well-known/jwks.json", &log).await?;
        Ok((process, started.elapsed()))
    }

    /// What the client of the measurements authenticates with: the value of `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        basic(CLIENT, &self.secret)
    }

    /// A form that the client of the measurements sends.
    pub(crate) fn form(&self, address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
        form(address, path, &self.authorization(), body)
    }

    /// A request for an access token.
    pub(crate) fn token_request(&self, audience: &str, scope: &str) -> Vec<u8> {
        self.token_request_at(self.address, "/oauth/token", audience, scope)
    }

    /// The same for a token endpoint elsewhere.
    pub(crate) fn token_request_at(
        &self,
        address: SocketAddr,
        path: &str,
        audience: &str,
        scope: &str,
    ) -> Vec<u8> {
        let resource = percent_encode(audience);
        self.form(address, path, &format!("grant_type=client_credentials&scope={scope}&resource={resource}"))
    }

    /// A question about a token.
    pub(crate) fn introspection_request(&self, address: SocketAddr, path: &str, token: &str) -> Vec<u8> {
        self.form(address, path, &format!("token={token}"))
    }

    /// The JWK Set of the running server.
    pub(crate) async fn published_keys(&self) -> Result<Vec<u8>> {
        let mut connection = Connection::open(self.address).await?;
        Ok(connection.exchange(&get(self.address, "/.well-known/jwks.json", &[])).await?.body.to_vec())
    }

    /// That many different access tokens.
    pub(crate) async fn tokens(&self, audience: &str, scope: &str, count: usize) -> Result<Vec<String>> {
        let request = self.token_request(audience, scope);
        let mut connection = Connection::open(self.address).await?;
        let mut tokens = Vec::with_capacity(count);
        while tokens.len() < count {
            let answer = connection.exchange(&request).await?;
            ensure!(answer.status == 200, "no token: {}", String::from_utf8_lossy(answer.body));
            tokens.push(member(answer.body, "access_token")?);
        }
        Ok(tokens)
    }
}

/// A form that somebody with that `Authorization` sends.
pub(crate) fn form(address: SocketAddr, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let fields = [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization)];
    post(address, path, &fields, body)
}

/// Waits until a program answers 200.
pub(crate) async fn first_success(
    process: &mut Process,
    address: SocketAddr,
    path: &str,
    log: &Path,
) -> Result<()> {
    let request = get(address, path, &[]);
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        if let Err(error) = process.require_running() {
            bail!("{error}: {}", fs::read_to_string(log)?);
        }
        if let Ok(mut connection) = Connection::open(address).await
            && let Ok(answer) = connection.exchange(&request).await
            && answer.status == 200
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    bail!("http://{address}{path} does not answer 200: {}", fs::read_to_string(log)?)
}

/// A string member of a JSON object.
pub(crate) fn member(json: &[u8], name: &str) -> Result<String> {
    let value: Value = serde_json::from_slice(json)?;
    Ok(value[name].as_str().with_context(|| format!("no {name} in the answer"))?.to_owned())
}

/// The `jti` of an access token.
pub(crate) fn jti(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("a token without payload")?;
    member(&base64url::decode(payload)?, "jti")
}

/// The value of `Authorization` of a client with a secret.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64_standard(format!("{id}:{secret}").as_bytes()))
}

pub(crate) fn percent_encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Base64 with the alphabet and padding of RFC 7617.
fn base64_standard(bytes: &[u8]) -> String {
    let text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    let padding = (4 - text.len() % 4) % 4;
    text + &"=".repeat(padding)
}

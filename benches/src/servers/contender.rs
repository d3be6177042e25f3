//! A server that takes part: brought up from its sheet, on the last core.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gatepass_bench::place::Place;
use serde_json::json;
use tempfile::TempDir;

use super::pages::Pages;
use super::sheet::{Request, Sheet};
use crate::gatepass::{
    Hashing, Installation, PASSWORD, USER, audience, binary, first_success, free_address, member,
    percent_encode, temporary,
};
use crate::load::{Connection, get};
use crate::process::Process;

const NODE: &str = "oidc-provider";
/// How many refresh tokens a server makes at its start that can make none later.
const TOKENS_AT_START: &str = "4000";

/// A server that takes part.
pub(crate) struct Contender {
    pub(crate) sheet: Sheet,
    process: Option<Process>,
    /// Where its refresh tokens come from, if not from the sheet.
    pages: Option<Pages>,
    /// How many of the sheet's refresh tokens are spent.
    spent: usize,
    /// Where its data lies; removed with it.
    folder: TempDir,
}

/// Ours, those that are installed, and those whose sheets lie in the folder that `GATEPASS_BENCH_SHEETS` names. A line says
/// why one is missing.
pub(crate) async fn all() -> Result<Vec<Contender>> {
    let mut contenders = vec![ours()?];
    let prepared = [
        (NODE, oidc_provider()),
        ("Glewlwyd", scripted("glewlwyd.py", "GATEPASS_BENCH_GLEWLWYD", Some("/"))),
        ("Keycloak", scripted("keycloak.py", "GATEPASS_BENCH_KEYCLOAK", None)),
    ];
    for (name, contender) in prepared {
        match contender {
            Ok(contender) => contenders.push(contender),
            Err(error) => println!("  {name} is left out: {error:#}."),
        }
    }
    if let Some(folder) = std::env::var_os("GATEPASS_BENCH_SHEETS") {
        let mut sheets: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        sheets.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        sheets.sort();
        for path in sheets {
            match from_sheet(&path).await {
                Ok(contender) => contenders.push(contender),
                Err(error) => println!("  {} is left out: {error:#}.", path.display()),
            }
        }
    }
    println!();
    Ok(contenders)
}

/// `gatepass serve` as it comes, but for limits on how often one address may do things.
fn ours() -> Result<Contender> {
    let installation = Installation::create(&binary()?, Hashing::Default)?;
    let pages = Pages::of(&installation)?;
    let own = installation.authorization();
    let form = |path: &str, body: &str| Request::form(path, Some(&own), body);
    let credentials = |alg: &str| {
        let resource = percent_encode(&audience(alg));
        let body = format!("grant_type=client_credentials&scope=orders:read&resource={resource}");
        (alg.to_owned(), form("/oauth/token", &body))
    };
    let sheet = Sheet {
        name: "gatepass".to_owned(),
        start: installation.serve().into(),
        pid: None,
        address: installation.address,
        jwk_set: "/.well-known/jwks.json".to_owned(),
        discovery: "/.well-known/openid-configuration".to_owned(),
        client_credentials: ["ES256", "EdDSA", "RS256"].map(credentials).into(),
        introspectable: None,
        login: Some(Request::json(
            "/session/login",
            json!({ "username": USER, "password": PASSWORD, "refresh_token": "body" }).to_string(),
        )),
        refresh_tokens: None,
        refresh: Request::form(
            "/oauth/token",
            Some(pages.authorization()),
            "grant_type=refresh_token&refresh_token=",
        ),
        introspection: Some(form("/oauth/introspect", "token=")),
        revocation: Some(Request::form("/oauth/revoke", Some(pages.authorization()), "token=")),
        store: ["gatepass.db", "gatepass.db-wal"].map(|name| installation.dir.path().join(name)).into(),
        hash: Some("Argon2id of 19 MiB, 2 passes".to_owned()),
        warm_up_seconds: 0,
    };
    Ok(Contender { pages: Some(pages), ..Contender::new(sheet, installation.dir) })
}

/// npm `oidc-provider`, where `cargo xtask bench` has installed it.
fn oidc_provider() -> Result<Contender> {
    let missing = "it needs Node 20 or newer with npm, and `cargo xtask bench` to install it";
    let modules = PathBuf::from(std::env::var_os("GATEPASS_BENCH_NODE").context(missing)?);
    // Node looks for packages beside the script.
    let script = modules.join("oidc-provider.mjs");
    fs::copy(scripts().join("oidc-provider.mjs"), &script).context("its script cannot be copied")?;
    let (folder, address) = (temporary()?, free_address()?);
    let (id, secret) = ("bench-client", "a-secret-of-one-run");
    let tokens = folder.path().join("refresh-tokens");
    let mut start = vec!["node".to_owned(), text(&script), address.port().to_string()];
    start.extend([id.to_owned(), secret.to_owned(), text(&tokens), TOKENS_AT_START.to_owned()]);
    start.extend(["ES256", "EdDSA", "RS256"].map(|alg| {
        let theirs = if alg == "EdDSA" { "Ed25519" } else { alg };
        format!("{} {theirs}", audience(alg))
    }));
    let authorization = crate::gatepass::basic(id, secret);
    let form = |path: &str, body: &str| Request::form(path, Some(&authorization), body);
    let credentials = |alg: &str| {
        let resource = percent_encode(&audience(alg));
        let body = format!("grant_type=client_credentials&scope=orders:read&resource={resource}");
        (alg.to_owned(), form("/token", &body))
    };
    let sheet = Sheet {
        name: NODE.to_owned(),
        start,
        pid: None,
        address,
        jwk_set: "/jwks".to_owned(),
        discovery: "/.well-known/openid-configuration".to_owned(),
        client_credentials: ["ES256", "EdDSA", "RS256"].map(credentials).into(),
        // It knows nothing of the JWTs that it has signed.
        introspectable: Some(form("/token", "grant_type=client_credentials")),
        login: None,
        refresh_tokens: Some(tokens),
        refresh: form("/token", "grant_type=refresh_token&refresh_token="),
        introspection: Some(form("/token/introspection", "token=")),
        revocation: Some(form("/token/revocation", "token=")),
        store: Vec::new(),
        hash: None,
        warm_up_seconds: 2,
    };
    Ok(Contender::new(sheet, folder))
}

/// One that a script prepares, given where it is installed.
fn scripted(script: &str, variable: &str, usual: Option<&str>) -> Result<Contender> {
    let place = std::env::var_os(variable).or_else(|| usual.map(Into::into));
    let place = place.with_context(|| format!("{variable} does not say where it is"))?;
    let (folder, port) = (temporary()?, free_address()?.port());
    // The interpreter is to leave nothing beside the scripts.
    let mut python = Command::new("python3");
    python.arg("-B").arg(scripts().join(script)).arg(folder.path()).arg(port.to_string()).arg(place);
    let output = python.output().context("cannot run python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().last().unwrap_or("its script does not say why"));
    Ok(Contender::new(Sheet::read(&folder.path().join("sheet.json"))?, folder))
}

/// One that somebody else has described; tried out, so that a mistake on its sheet costs only its own column.
async fn from_sheet(path: &Path) -> Result<Contender> {
    let mut contender = Contender::new(Sheet::read(path)?, temporary()?);
    contender.start().await?;
    contender.refresh_token().await?;
    contender.stop()?;
    Ok(contender)
}

fn scripts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Contender {
    fn new(sheet: Sheet, folder: TempDir) -> Self {
        Self { sheet, process: None, pages: None, spent: 0, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.sheet.address
    }

    /// Whether it is ours.
    pub(crate) fn is_gatepass(&self) -> bool {
        self.pages.is_some()
    }

    /// Whether it is started and stopped here.
    pub(crate) fn is_ours_to_start(&self) -> bool {
        !self.sheet.start.is_empty()
    }

    /// Starts it, or takes it as it runs; says how long it took to answer.
    pub(crate) async fn start(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let log = self.folder.path().join("log");
        let mut process = match (self.sheet.start.as_slice(), self.sheet.pid) {
            ([program, arguments @ ..], _) => {
                Process::start(Command::new(program).args(arguments), Place::Measured, &log)?
            }
            ([], Some(pid)) => {
                fs::write(&log, "")?;
                Process::adopt(pid, Place::Measured)?
            }
            ([], None) => bail!("the sheet of {} has neither `start` nor `pid`", self.sheet.name),
        };
        first_success(&mut process, self.address(), &self.sheet.jwk_set, &log).await?;
        self.process = Some(process);
        self.spent = 0;
        Ok(started.elapsed())
    }

    pub(crate) fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.sheet.name))
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::stop)
    }

    /// Ends it without asking it, as a power cut would, but for what the system still writes.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// A refresh token of a session of its own.
    pub(crate) async fn refresh_token(&mut self) -> Result<String> {
        if let Some(pages) = &self.pages {
            return pages.refresh_token().await;
        }
        if let Some(path) = &self.sheet.refresh_tokens {
            let tokens = fs::read_to_string(path)?;
            self.spent += 1;
            let token = tokens.lines().nth(self.spent - 1).context("no more refresh tokens")?;
            return Ok(token.to_owned());
        }
        let login = self.sheet.login.as_ref().context("no way to a refresh token on the sheet")?;
        let mut connection = Connection::open(self.address()).await?;
        let answer = connection.exchange(&login.plain(self.address())).await?;
        ensure!(
            answer.status == 200,
            "login: status {}: {}",
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
        member(answer.body, "refresh_token")
    }

    /// That many refresh tokens, of sessions of their own.
    pub(crate) async fn refresh_tokens(&mut self, count: usize) -> Result<Vec<String>> {
        let mut tokens = Vec::with_capacity(count);
        while tokens.len() < count {
            tokens.push(self.refresh_token().await?);
        }
        Ok(tokens)
    }

    /// A request without body.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        get(self.address(), path, &[])
    }
}

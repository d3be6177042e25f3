//! The admin API as the command line uses it: of a server that runs, or, when none runs, of an
//! issuer opened on the data itself. One code path serves both, through the same routes.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use gatepass_issuer::ADMIN_SCOPE;
use gatepass_jose::base64url;

use crate::args::Target;
use crate::backend::{Backend, OPERATOR};
use crate::complaint::Complaint;
use crate::config::ServerConfig;
use crate::data::{DataDir, Running};
use crate::fetch;

/// The most that an answer of the admin API holds.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// For an answer: sealing a large store anew, or a hash of another system's, takes a while.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The admin API, authorized.
pub(crate) struct Api {
    transport: Transport,
    token: String,
}

/// What the admin API said no to.
#[derive(Debug, thiserror::Error)]
#[error("{said} ({status}, {code})")]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) said: String,
}

enum Transport {
    Http { client: reqwest::Client, base: String },
    InProcess { router: Router, backend: Box<Backend> },
}

/// The configuration of the server that `target` means.
pub(crate) fn configuration(target: &Target) -> anyhow::Result<ServerConfig> {
    let path = target.config.clone().unwrap_or_else(|| target.dir.join("server.toml"));
    if !path.exists() {
        bail!(
            "{} does not exist; name the data directory with --dir, or the file with --config",
            path.display()
        );
    }
    ServerConfig::load(&path)
}

impl Api {
    /// Reaches the server that `target` means, or opens its data when none runs.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        if let (Some(server), Some(id), Some(file)) =
            (&target.server, &target.client_id, &target.client_secret_file)
        {
            let secret = crate::data::read_password(file)?;
            return Self::authorize(Transport::elsewhere(server, target.insecure_http)?, id, &secret).await;
        }
        let config = configuration(target)?;
        match Backend::open(&config, "").await {
            Ok(backend) => {
                let secret = operator_secret(&backend.data)?;
                let router = gatepass_server::router(backend.issuer.clone(), config.http);
                Self::authorize(
                    Transport::InProcess { router, backend: Box::new(backend) },
                    OPERATOR,
                    &secret,
                )
                .await
            }
            Err(error) if is_open_elsewhere(&error) => {
                let data = DataDir::create(&config.data)?;
                let running = data.running().context("another process has the data open and is no server")?;
                Self::authorize(Transport::running(&running)?, OPERATOR, &operator_secret(&data)?).await
            }
            Err(error) => Err(error),
        }
    }

    /// Gets a token by client credentials, as any other client would.
    async fn authorize(transport: Transport, id: &str, secret: &str) -> anyhow::Result<Self> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = Zeroizing::new(base64_standard(format!("{}:{}", encode(id), encode(secret)).as_bytes()));
        let form = format!("grant_type=client_credentials&scope={}", encode(ADMIN_SCOPE));
        let request = Request::builder()
            .method(Method::POST)
            .uri("/oauth/token")
            .header(header::AUTHORIZATION, format!("Basic {}", *basic))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)?;
        let (status, answer) = transport.send(request).await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        let token =
            token.ok_or_else(|| anyhow!("the server gives the client {id:?} no token: {status} {answer}"))?;
        Ok(Self { token: token.to_owned(), transport })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Posts a body as it is written, and tells a refusal from everything that may be wrong besides.
    pub(crate) async fn post_text(&self, path: &str, body: String) -> anyhow::Result<Result<Value, Refused>> {
        self.try_call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// Every item of a list that comes in pages.
    pub(crate) async fn list(&self, path: &str, member: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit=500{after}")).await?;
            if let Some(Value::Array(more)) = page.get_mut(member).map(Value::take) {
                items.extend(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let answer = self.try_call(method, path, body.map(|body| body.to_string())).await?;
        Ok(answer?)
    }

    async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> anyhow::Result<Result<Value, Refused>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.unwrap_or_default())?;
        let (status, answer) = self.transport.send(request).await?;
        if status.is_success() {
            return Ok(Ok(answer));
        }
        let member = |name| answer.get(name).and_then(Value::as_str);
        let said = member("detail").or(member("title")).unwrap_or("no reason given");
        let code = member("code").unwrap_or("no code");
        Ok(Err(Refused { status, code: code.to_owned(), said: said.to_owned() }))
    }

    /// Ends the work: closes the data where they were opened.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self.transport {
            Transport::Http { .. } => Ok(()),
            Transport::InProcess { router, backend } => {
                drop(router);
                backend.close().await
            }
        }
    }
}

impl Transport {
    /// To a server anywhere. A client's secret goes there, and the passwords of users: over https, or to this machine, and
    /// through no proxy that could read them.
    fn elsewhere(server: &str, insecure_http: bool) -> anyhow::Result<Self> {
        let wrong = || Complaint::unusable(format!("--server \"{}\" is no URL", server.escape_debug()));
        let url = Url::parse(server).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| wrong().try_this("--server https://auth.example.com"))?;
        let is_near = fetch::is_this_machine(&url);
        match url.scheme() {
            "https" => {}
            "http" if insecure_http || is_near => {}
            _ => {
                return Err(Complaint::unusable(format!(
                    "{url} would be sent a secret that all on the way can read"
                ))
                .try_this("https, or --insecure-http where nobody else is on the way")
                .into());
            }
        }
        let settings = fetch::settings(TIMEOUT);
        let settings = if is_near || url.scheme() == "http" { settings.no_proxy() } else { settings };
        Ok(Self::Http { client: settings.build()?, base: server.trim_end_matches('/').to_owned() })
    }

    /// To a server on this machine, which need not have a certificate that this machine trusts.
    fn running(running: &Running) -> anyhow::Result<Self> {
        let settings = fetch::settings(TIMEOUT).no_proxy();
        let settings = match &running.certificate {
            Some(certificate) => {
                let tls = gatepass_tls::pinned(base64url::decode(certificate)?)?;
                settings.tls_backend_preconfigured(tls)
            }
            None => settings,
        };
        Ok(Self::Http { client: settings.build()?, base: running.server.clone() })
    }

    async fn send(&self, request: Request<String>) -> anyhow::Result<(StatusCode, Value)> {
        match self {
            Self::Http { client, base } => {
                let (parts, body) = request.into_parts();
                let url = format!("{base}{}", parts.uri);
                let sent = client.request(parts.method, &url).headers(parts.headers).body(body).send().await;
                let cannot = |error: reqwest::Error| {
                    Complaint::unusable(format!("cannot reach {base}")).at(fetch::innermost(&error))
                };
                let answer = sent.map_err(cannot)?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                if status.is_redirection() {
                    let location = fetch::location(&headers);
                    return Err(Complaint::unusable(format!("{base} is no server of gatepass"))
                        .at(format!(
                            "it redirects {} to {location}, which is not followed with a secret",
                            parts.uri
                        ))
                        .into());
                }
                let body = answer.bytes().await.map_err(cannot)?;
                let answer = parse(&body).map_err(|_| {
                    Complaint::unusable(format!("{base} does not answer as a server of gatepass does"))
                        .at(format!("its answer to {} has status {status} and is no JSON", parts.uri))
                        .try_this("--server with the issuer's URL")
                })?;
                Ok((status, answer))
            }
            Self::InProcess { router, .. } => {
                let answer = router.clone().oneshot(request.map(Body::from)).await?;
                let status = answer.status();
                Ok((status, parse(&to_bytes(answer.into_body(), MAX_ANSWER).await?)?))
            }
        }
    }
}

/// The answer's body; null where there is none.
fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) }
}

fn operator_secret(data: &DataDir) -> anyhow::Result<Zeroizing<String>> {
    data.operator_secret()?.context("the operator's secret is missing; start the server once")
}

fn is_open_elsewhere(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(gatepass_store::OpenError::AlreadyOpen { .. }))
}

/// RFC 7617 wants the standard alphabet with padding.
fn base64_standard(bytes: &[u8]) -> String {
    let mut text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

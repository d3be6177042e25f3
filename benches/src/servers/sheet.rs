//! What has to be known of an authorization server to ask it for things: any that speaks OAuth will do.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::load::post;

/// A server on one sheet.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    /// The command that starts it in the foreground. Without one it runs already, as `pid`.
    #[serde(default)]
    pub(crate) start: Vec<String>,
    pub(crate) pid: Option<i32>,
    pub(crate) address: SocketAddr,
    /// The path of its JWK Set.
    pub(crate) jwk_set: String,
    /// The path of its metadata.
    pub(crate) discovery: String,
    /// For each algorithm, what asks for a JWT as an access token.
    #[serde(default)]
    pub(crate) client_credentials: BTreeMap<String, Request>,
    /// What asks for an access token that it knows of later, where that is not any JWT.
    pub(crate) introspectable: Option<Request>,
    /// Logs a user in with a password and brings a refresh token.
    pub(crate) login: Option<Request>,
    /// A file with refresh tokens, one in a line, from when it has started; for servers that no password brings one from.
    pub(crate) refresh_tokens: Option<PathBuf>,
    /// Shows a refresh token, which is for one use.
    pub(crate) refresh: Request,
    /// Asks about a token.
    pub(crate) introspection: Option<Request>,
    /// Takes a token back.
    pub(crate) revocation: Option<Request>,
    /// The files and folders that it keeps sessions in. None where it keeps them in memory.
    #[serde(default)]
    pub(crate) store: Vec<PathBuf>,
    /// How it keeps passwords.
    pub(crate) hash: Option<String>,
    /// For how long each thing is asked before it is measured, for programs that become faster as they run.
    #[serde(default)]
    pub(crate) warm_up_seconds: u64,
}

/// A form that a client sends.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    path: String,
    /// The field of that name.
    authorization: Option<String>,
    #[serde(default = "form")]
    content_type: String,
    /// What differs from request to request, such as a token, follows it.
    body: String,
}

fn form() -> String {
    "application/x-www-form-urlencoded".to_owned()
}

impl Request {
    pub(crate) fn form(path: &str, authorization: Option<&str>, body: &str) -> Self {
        let (path, body) = (path.to_owned(), body.to_owned());
        Self { path, authorization: authorization.map(str::to_owned), content_type: form(), body }
    }

    pub(crate) fn json(path: &str, body: String) -> Self {
        Self { content_type: "application/json".to_owned(), ..Self::form(path, None, &body) }
    }

    /// The request with what differs.
    pub(crate) fn with(&self, address: SocketAddr, rest: &str) -> Vec<u8> {
        let mut fields = vec![("content-type", self.content_type.as_str())];
        fields.extend(self.authorization.as_ref().map(|value| ("authorization", value.as_str())));
        post(address, &self.path, &fields, &format!("{}{rest}", self.body))
    }

    pub(crate) fn plain(&self, address: SocketAddr) -> Vec<u8> {
        self.with(address, "")
    }
}

impl Sheet {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no sheet", path.display()))
    }

    /// What its store takes, in bytes.
    pub(crate) fn disk_usage(&self) -> u64 {
        self.store.iter().map(|path| size(path)).sum()
    }
}

/// The room on the disk that a file takes, or all files below a folder.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

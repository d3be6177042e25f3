//! The data directory: what is in it besides the store.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gatepass_jose::base64url;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A data directory. Only its owner can read what is in it.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

/// How the running server is reached; written when it listens, removed when it stops.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Its base URL on this machine.
    pub(crate) server: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Where it speaks TLS: its certificate in base64url, by which it is known whatever its name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
}

impl Running {
    /// This process; with its certificate in DER if it speaks TLS.
    pub(crate) fn here(server: String, certificate: Option<&[u8]>) -> Self {
        Self { server, pid: std::process::id(), certificate: certificate.map(base64url::encode) }
    }
}

impl DataDir {
    /// Takes a directory, which is made if it is not there.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let exists = path.is_dir();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        if !exists {
            tracing::debug!(path = %path.display(), "made the data directory");
        }
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The secret of the operator's own client, with which this machine's command line
    /// administers a server that runs.
    pub(crate) fn operator_secret(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        read_secret(&self.join("operator.secret"))
    }

    pub(crate) fn keep_operator_secret(&self, secret: &str) -> anyhow::Result<()> {
        write_secret(&self.join("operator.secret"), secret)
    }

    pub(crate) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        write_whole(&self.join("server.json"), &serde_json::to_vec(running)?)
    }

    pub(crate) fn running(&self) -> anyhow::Result<Running> {
        let path = self.join("server.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(crate) fn withdraw(&self) {
        let _ = fs::remove_file(self.join("server.json")); // not there: nothing to withdraw
    }
}

/// Writes a file whole or not at all: a reader never sees half of it.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .with_context(cannot)?;
    file.write_all(content).with_context(cannot)?;
    file.sync_all().with_context(cannot)?;
    fs::rename(&new, path).with_context(cannot)?;
    sync_folder_of(path).with_context(cannot)
}

/// Makes the names in a file's folder durable.
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

pub(crate) fn write_secret(path: &Path, content: &str) -> anyhow::Result<()> {
    write_whole(path, content.as_bytes())
}

pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Option<Zeroizing<String>>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(Zeroizing::new(text).trim().to_owned()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The first line of a file that holds a password.
pub(crate) fn read_password(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text =
        Zeroizing::new(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?);
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("{} holds no password", path.display());
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// 80 random bits as four groups of letters and digits that are not mistaken for each other.
pub(crate) fn generate_password() -> anyhow::Result<Zeroizing<String>> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let secret = gatepass_jose::SecretKey::generate()?;
    let letters = secret.expose().iter().take(16).filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    let mut password = Zeroizing::new(String::with_capacity(19));
    for (at, letter) in letters.enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(*letter));
    }
    Ok(password)
}

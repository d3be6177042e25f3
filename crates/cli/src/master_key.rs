//! Where the master key comes from, and how it becomes another: a file in the data directory that this program
//! changes, or a file or environment variable that its operator changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatepass_issuer::{Issuer, MasterKey, MasterKeyKeeper, OpenError, SecretError};
use gatepass_store::Embedded;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clock;
use crate::config::ServerConfig;
use crate::data::{DataDir, read_secret, sync_folder_of, write_secret};

/// The table `[master_key]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMasterKey {
    file: Option<PathBuf>,
    env: Option<String>,
    previous_file: Option<PathBuf>,
    previous_env: Option<String>,
}

/// Where the master key is.
#[derive(Clone, Debug)]
pub(crate) enum MasterKeySource {
    /// In the data directory, where it is made at the first start.
    Data,
    /// Where the operator put it, beside the one that the store may still be under.
    Given { present: Place, previous: Option<Place> },
}

/// A place that only the operator writes to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Env(String),
}

impl RawMasterKey {
    /// Checks that each key is in one place. Paths are relative to `folder`.
    pub(crate) fn check(self, folder: &Path) -> anyhow::Result<MasterKeySource> {
        let place = |file: Option<PathBuf>, env: Option<String>, name| match (file, env) {
            (Some(_), Some(_)) => {
                bail!("`master_key`: {name} comes from a file or from the environment, not both")
            }
            (Some(file), None) => Ok(Some(Place::File(folder.join(file)))),
            (None, env) => Ok(env.map(Place::Env)),
        };
        let present = place(self.file, self.env, "the key")?;
        let previous = place(self.previous_file, self.previous_env, "the previous key")?;
        match (present, previous) {
            (Some(present), previous) => Ok(MasterKeySource::Given { present, previous }),
            (None, None) => Ok(MasterKeySource::Data),
            (None, Some(_)) => {
                bail!("`master_key`: a previous key needs a `file` or `env` for the present one")
            }
        }
    }
}

impl MasterKeySource {
    /// Makes the master key where there is none: before the store is, without which nothing is sealed.
    pub(crate) fn ensure(&self, data: &DataDir) -> anyhow::Result<()> {
        match self {
            Self::Data => KeptMasterKey::of(data).present().map(drop),
            Self::Given { .. } => Ok(()),
        }
    }
}

impl Place {
    fn read(&self) -> anyhow::Result<MasterKey> {
        let text = match self {
            Self::File(path) => {
                read_secret(path)?.with_context(|| format!("the master key {} is missing", path.display()))?
            }
            Self::Env(name) => Zeroizing::new(
                std::env::var(name)
                    .with_context(|| format!("the environment variable {name} holds no master key"))?,
            ),
        };
        MasterKey::parse(&text).with_context(|| match self {
            Self::File(path) => format!("{} is no master key", path.display()),
            Self::Env(name) => format!("the environment variable {name} is no master key"),
        })
    }
}

/// Opens the issuer with the master key that opens the store.
pub(crate) async fn open(
    config: &ServerConfig,
    data: &DataDir,
    store: &Arc<Embedded>,
) -> anyhow::Result<Issuer> {
    let open = async |key: &MasterKey| {
        Issuer::open(config.issuer.clone(), key, Arc::<Embedded>::clone(store), clock::now()).await
    };
    match &config.master_key {
        MasterKeySource::Data => {
            let kept = KeptMasterKey::of(data);
            let issuer = match (open(&kept.present()?).await, kept.next()?) {
                // A crash came between the change of the store and that of the file.
                (Err(OpenError::Secret(SecretError::Sealed)), Some(next)) => {
                    let issuer = open(&next).await?;
                    kept.take_over().context("cannot put the new master key in the old one's place")?;
                    issuer
                }
                (opened, _) => {
                    let issuer = opened?;
                    kept.discard_next(); // the store was not changed for it
                    issuer
                }
            };
            Ok(issuer.with_master_key_keeper(Arc::new(kept)))
        }
        MasterKeySource::Given { present, previous } => {
            let present = present.read()?;
            match (open(&present).await, previous) {
                (Err(OpenError::Secret(SecretError::Sealed)), Some(previous)) => {
                    let issuer = open(&previous.read()?).await?;
                    issuer.change_master_key(&present).await?;
                    tracing::info!(
                        "the store is under the new master key; the previous one is not needed any more"
                    );
                    Ok(issuer)
                }
                (opened, _) => Ok(opened?),
            }
        }
    }
}

/// `master.key` in the data directory, and beside it the one that is to follow.
#[derive(Debug)]
struct KeptMasterKey {
    file: PathBuf,
    next: PathBuf,
    store: PathBuf,
}

impl KeptMasterKey {
    fn of(data: &DataDir) -> Self {
        let [file, next, store] =
            ["master.key", "master.key.next", "gatepass.db"].map(|name| data.join(name));
        Self { file, next, store }
    }

    /// The master key, made at the first start: when nothing is sealed in the store yet.
    fn present(&self) -> anyhow::Result<MasterKey> {
        match read_secret(&self.file)? {
            Some(text) => {
                MasterKey::parse(&text).with_context(|| format!("{} is no master key", self.file.display()))
            }
            None if self.store.exists() => {
                bail!("{} is missing: without it the keys in the store cannot be opened", self.file.display())
            }
            None => {
                let key = MasterKey::generate()?;
                write_secret(&self.file, &format!("{}\n", *key.expose()))?;
                Ok(key)
            }
        }
    }

    fn next(&self) -> anyhow::Result<Option<MasterKey>> {
        let parse = |text: Zeroizing<String>| {
            MasterKey::parse(&text).with_context(|| format!("{} is no master key", self.next.display()))
        };
        read_secret(&self.next)?.map(parse).transpose()
    }

    fn discard_next(&self) {
        let _ = fs::remove_file(&self.next); // not there: nothing to discard
    }
}

impl MasterKeyKeeper for KeptMasterKey {
    fn prepare(&self) -> io::Result<MasterKey> {
        if let Some(prepared) = self.next().map_err(io::Error::other)? {
            return Ok(prepared);
        }
        let key = MasterKey::generate().map_err(io::Error::other)?;
        write_secret(&self.next, &format!("{}\n", *key.expose())).map_err(io::Error::other)?;
        Ok(key)
    }

    fn take_over(&self) -> io::Result<()> {
        fs::rename(&self.next, &self.file)?;
        sync_folder_of(&self.file)
    }
}

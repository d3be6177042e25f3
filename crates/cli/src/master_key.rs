//! Where the master key comes from, and how it becomes another: a place that this program changes (a file in the data
//! directory, plain or wrapped by a key in a PKCS#11 token), or one that its operator changes (a file elsewhere, an
//! environment variable).

mod kept;
mod pkcs11;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use gatepass_issuer::{Issuer, MasterKey, MasterKeyKeeper as _, OpenError, SecretError};
use gatepass_store::Embedded;
use serde::Deserialize;
use zeroize::Zeroizing;

use self::kept::KeptMasterKey;
use self::pkcs11::{RawWrappingKey, WrappingKey};
use crate::clock;
use crate::config::ServerConfig;
use crate::data::{DataDir, read_secret};

/// The table `[master_key]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMasterKey {
    file: Option<PathBuf>,
    env: Option<String>,
    pkcs11: Option<RawWrappingKey>,
    previous_file: Option<PathBuf>,
    previous_env: Option<String>,
    previous_pkcs11: Option<RawWrappingKey>,
}

/// Where the master key is, beside the place of the one that the store may still be under.
#[derive(Clone, Debug)]
pub(crate) struct MasterKeySource {
    present: Place,
    previous: Option<Place>,
}

#[derive(Clone, Debug)]
enum Place {
    /// In the data directory, where it is made at the first start; perhaps wrapped by a key that never leaves its token.
    Kept(Option<WrappingKey>),
    /// Where only the operator writes.
    Given(Outside),
}

#[derive(Clone, Debug)]
enum Outside {
    File(PathBuf),
    Env(String),
}

impl RawMasterKey {
    /// Checks that each key is in one place. Paths are relative to `folder`.
    pub(crate) fn check(self, folder: &Path) -> anyhow::Result<MasterKeySource> {
        let present = place(self.file, self.env, self.pkcs11, folder)?;
        let previous = place(self.previous_file, self.previous_env, self.previous_pkcs11, folder)
            .context("the previous one")?;
        Ok(MasterKeySource { present: present.unwrap_or(Place::Kept(None)), previous })
    }
}

fn place(
    file: Option<PathBuf>,
    env: Option<String>,
    pkcs11: Option<RawWrappingKey>,
    folder: &Path,
) -> anyhow::Result<Option<Place>> {
    match (file, env, pkcs11) {
        (None, None, None) => Ok(None),
        (Some(file), None, None) => Ok(Some(Place::Given(Outside::File(folder.join(file))))),
        (None, Some(env), None) => Ok(Some(Place::Given(Outside::Env(env)))),
        (None, None, Some(key)) => Ok(Some(Place::Kept(Some(key.check(folder)?)))),
        _ => bail!(
            "`master_key`: the key comes from a file, from the environment or from a PKCS#11 token, not both"
        ),
    }
}

impl MasterKeySource {
    /// Makes the master key where there is none: before the store is, without which nothing is sealed.
    pub(crate) fn ensure(&self, data: &DataDir) -> anyhow::Result<()> {
        match &self.present {
            Place::Kept(wrapping) => KeptMasterKey::new(data, wrapping.clone()).ensure(),
            Place::Given(_) => Ok(()),
        }
    }

    /// Makes the key in its token that wraps the master key.
    pub(crate) fn create_wrapping_key(&self) -> anyhow::Result<&WrappingKey> {
        let Place::Kept(Some(key)) = &self.present else {
            bail!("the configuration names no key in a PKCS#11 token; write `master_key = {{ pkcs11 = … }}`");
        };
        key.create()?;
        Ok(key)
    }
}

impl Outside {
    fn read(&self) -> anyhow::Result<MasterKey> {
        let (text, is_none) = match self {
            Self::File(path) => {
                let text = read_secret(path)?;
                let text = text.with_context(|| format!("the master key {} is missing", path.display()))?;
                (text, format!("{} is no master key", path.display()))
            }
            Self::Env(name) => {
                let text = std::env::var(name);
                let text =
                    text.with_context(|| format!("the environment variable {name} holds no master key"))?;
                (Zeroizing::new(text), format!("the environment variable {name} is no master key"))
            }
        };
        MasterKey::parse(&text).context(is_none)
    }
}

/// Opens the issuer with the master key that opens the store. If that is the previous one, the present one takes its place.
pub(crate) async fn open(
    config: &ServerConfig,
    data: &DataDir,
    store: &Arc<Embedded>,
) -> anyhow::Result<Issuer> {
    let opening = Opening { config, data, store };
    let MasterKeySource { present, previous } = &config.master_key;
    let issuer = match (opening.try_place(present).await?, previous) {
        (Tried::Opens(issuer), _) => *issuer,
        (Tried::IsAnother(why), None) => return Err(why),
        (Tried::IsAnother(why), Some(previous)) => match opening.try_place(previous).await? {
            Tried::Opens(issuer) => {
                opening.change(&issuer, present).await?;
                *issuer
            }
            Tried::IsAnother(of_previous) => {
                return Err(anyhow!("the previous key neither: {of_previous:#}")).context(format!("{why:#}"));
            }
        },
    };
    Ok(match present {
        Place::Kept(wrapping) => {
            issuer.with_master_key_keeper(Arc::new(KeptMasterKey::new(data, wrapping.clone())))
        }
        Place::Given(_) => issuer,
    })
}

/// What came of a place, or of a key in it.
enum Tried {
    Opens(Box<Issuer>),
    /// The store is under another key; why that is known.
    IsAnother(anyhow::Error),
}

struct Opening<'o> {
    config: &'o ServerConfig,
    data: &'o DataDir,
    store: &'o Arc<Embedded>,
}

impl Opening<'_> {
    /// # Errors
    /// What is not a matter of which key it is: then no other is tried.
    async fn try_place(&self, place: &Place) -> anyhow::Result<Tried> {
        match place {
            Place::Kept(wrapping) => self.try_kept(&KeptMasterKey::new(self.data, wrapping.clone())).await,
            Place::Given(outside) => self.try_key(&outside.read()?).await,
        }
    }

    /// Afterwards, where one of its two keys opens the store, that one is alone and in its place.
    async fn try_kept(&self, kept: &KeptMasterKey) -> anyhow::Result<Tried> {
        let why = match kept.present()? {
            Ok(key) => match self.try_key(&key).await? {
                Tried::IsAnother(why) => why,
                opened => {
                    kept.discard_next(); // the store was not changed for it
                    return Ok(opened);
                }
            },
            Err(why) => why,
        };
        // A crash may have come between the change of the store and that of the file.
        let Some(Ok(next)) = kept.next()? else { return Ok(Tried::IsAnother(why)) };
        match self.try_key(&next).await? {
            Tried::IsAnother(_) => Ok(Tried::IsAnother(why)),
            opened => {
                kept.take_over().context("cannot put the new master key in the old one's place")?;
                Ok(opened)
            }
        }
    }

    async fn try_key(&self, key: &MasterKey) -> anyhow::Result<Tried> {
        let (name, store) = (self.config.issuer.clone(), Arc::<Embedded>::clone(self.store));
        match Issuer::open(name, key, store, clock::now()).await {
            Ok(issuer) => Ok(Tried::Opens(Box::new(issuer))),
            Err(error @ OpenError::Secret(SecretError::Sealed)) => Ok(Tried::IsAnother(error.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the store under the key of another place, or, where this program keeps the key, under a fresh one.
    async fn change(&self, issuer: &Issuer, place: &Place) -> anyhow::Result<()> {
        match place {
            Place::Kept(wrapping) => {
                let kept = KeptMasterKey::new(self.data, wrapping.clone());
                kept.discard_next(); // the store has just been opened with a key of another place
                issuer.change_master_key(&kept.prepare()?).await?;
                kept.take_over().context("the next start puts the new master key in its place")?;
            }
            Place::Given(outside) => issuer.change_master_key(&outside.read()?).await?,
        }
        tracing::info!("the store is under the new master key; the previous one is not needed any more");
        Ok(())
    }
}

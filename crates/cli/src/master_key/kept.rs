//! The master key in a file that this program changes, and beside it the one that is to follow.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gatepass_issuer::{MasterKey, MasterKeyKeeper};
use zeroize::Zeroizing;

use super::pkcs11::{UnwrapError, WrappingKey};
use crate::data::{DataDir, read_secret, sync_folder_of, write_secret};

/// `master.key` in the data directory, or, wrapped, `master.key.pkcs11`.
#[derive(Debug)]
pub(super) struct KeptMasterKey {
    file: PathBuf,
    next: PathBuf,
    store: PathBuf,
    wrapping: Option<WrappingKey>,
}

/// A key, or why what is there is none of this place's: there is nothing, or another key has wrapped it.
type Found = Result<MasterKey, anyhow::Error>;

impl KeptMasterKey {
    pub(super) fn new(data: &DataDir, wrapping: Option<WrappingKey>) -> Self {
        let name = if wrapping.is_some() { "master.key.pkcs11" } else { "master.key" };
        let [file, next] = ["", ".next"].map(|suffix| data.join(&format!("{name}{suffix}")));
        Self { file, next, store: data.join("gatepass.db"), wrapping }
    }

    /// Makes the master key at the first start: when nothing is sealed in the store yet.
    pub(super) fn ensure(&self) -> anyhow::Result<()> {
        for path in [&self.file, &self.store] {
            // Where that cannot be told, there may be a key that would be lost.
            if path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
                return Ok(());
            }
        }
        self.write(&self.file, &MasterKey::generate()?)
    }

    pub(super) fn present(&self) -> anyhow::Result<Found> {
        Ok(self.read(&self.file)?.unwrap_or_else(|| {
            let file = self.file.display();
            Err(anyhow::anyhow!("{file} is missing: without it the keys in the store cannot be opened"))
        }))
    }

    pub(super) fn next(&self) -> anyhow::Result<Option<Found>> {
        self.read(&self.next)
    }

    pub(super) fn discard_next(&self) {
        let _ = fs::remove_file(&self.next); // not there: nothing to discard
    }

    fn read(&self, file: &Path) -> anyhow::Result<Option<Found>> {
        let Some(text) = read_secret(file)? else { return Ok(None) };
        let text = match &self.wrapping {
            None => text,
            Some(key) => match key.unwrap(&text) {
                Ok(text) => text,
                Err(error @ UnwrapError::AnotherKey { .. }) => {
                    return Ok(Some(Err(anyhow::Error::new(error).context(file.display().to_string()))));
                }
                Err(error) => {
                    bail!(anyhow::Error::new(error).context(format!("cannot open {}", file.display())))
                }
            },
        };
        let key = MasterKey::parse(&text).with_context(|| format!("{} is no master key", file.display()))?;
        Ok(Some(Ok(key)))
    }

    fn write(&self, file: &Path, key: &MasterKey) -> anyhow::Result<()> {
        let text = match &self.wrapping {
            None => key.expose(),
            Some(wrapping) => Zeroizing::new(wrapping.wrap(&key.expose())?),
        };
        write_secret(file, &format!("{}\n", *text))
    }
}

impl MasterKeyKeeper for KeptMasterKey {
    fn prepare(&self) -> io::Result<MasterKey> {
        let told = |error: anyhow::Error| io::Error::other(format!("{error:#}"));
        match self.next().map_err(told)? {
            Some(Ok(prepared)) => return Ok(prepared),
            // The store may be under it since a rotation that failed at its end.
            Some(Err(why)) => {
                let next = self.next.display();
                return Err(told(why.context(format!(
                    "{next} is left as it is, because the store may be under it; the next start finds out"
                ))));
            }
            None => {}
        }
        let key = MasterKey::generate().map_err(io::Error::other)?;
        self.write(&self.next, &key).map_err(told)?;
        Ok(key)
    }

    fn take_over(&self) -> io::Result<()> {
        fs::rename(&self.next, &self.file)?;
        sync_folder_of(&self.file)
    }
}

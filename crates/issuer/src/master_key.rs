//! A new master key in the place of the old one, while the issuer serves.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::issuer::{Issuer, OpenError};
use crate::secrets::{MasterKey, SecretError};
use crate::store::StoreError;

/// Where the master key is kept. The two steps stand around the change of the store, so that whenever a crash
/// comes, the next start finds the key that opens it.
pub trait MasterKeyKeeper: std::fmt::Debug + Send + Sync {
    /// The next master key, durable where the next start looks for it beside the present one. Asked again before
    /// [`MasterKeyKeeper::take_over`] it is the same key: the store may have been changed for it already.
    ///
    /// # Errors
    /// It could not be kept; nothing has changed.
    fn prepare(&self) -> io::Result<MasterKey>;

    /// Puts the prepared key in the place of the present one. Durable.
    ///
    /// # Errors
    /// It could not be moved; the next start does it.
    fn take_over(&self) -> io::Result<()>;
}

/// Why the master key was not rotated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateMasterError {
    /// The issuer was told no place to keep it.
    #[error("the master key is kept by whoever configured it: set the new one, and the old one as previous")]
    KeptElsewhere,
    /// It could not be kept.
    #[error("the new master key could not be kept: {0}")]
    Keeper(#[from] io::Error),
    /// Something in the store does not open, or there is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store failed. It is under the old master key or the new one, and the next start finds out.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys were sealed anew, and could not be read again. The next start reads them.
    #[error("the keys that were sealed anew cannot be read: {0}")]
    Keys(#[from] Box<OpenError>),
    /// The thread that was to write files is gone.
    #[error("the master key's files could not be written")]
    Interrupted,
}

impl Issuer {
    /// Rotates the master key: everything that is sealed in the store is sealed anew under fresh keys, in one
    /// transaction, and the new master key opens those. Requests are served meanwhile. What was kept of
    /// tokens and client secrets stays good.
    ///
    /// # Errors
    /// [`RotateMasterError`]. Asked for again, it goes on where it failed.
    pub async fn rotate_master_key(&self) -> Result<(), RotateMasterError> {
        let keeper = Arc::clone(self.keeper.as_ref().ok_or(RotateMasterError::KeptElsewhere)?);
        let _changing = self.keys_changing.lock().await;
        let preparing = Arc::clone(&keeper);
        let master = on_thread(move || preparing.prepare()).await?;
        self.reseal(&master).await?;
        on_thread(move || keeper.take_over()).await?;
        tracing::warn!(target: "gatepass::audit", event = "master-key-rotated");
        Ok(())
    }

    /// Seals everything in the store anew for another master key, which opens it from the next start on.
    ///
    /// # Errors
    /// [`RotateMasterError`].
    pub async fn change_master_key(&self, master: &MasterKey) -> Result<(), RotateMasterError> {
        let _changing = self.keys_changing.lock().await;
        self.reseal(master).await?;
        tracing::warn!(target: "gatepass::audit", event = "master-key-changed");
        Ok(())
    }

    async fn reseal(&self, master: &MasterKey) -> Result<(), RotateMasterError> {
        let (roots, reseal) = self.secrets.renew()?;
        self.store.reseal(&roots.seal(master)?, reseal).await?;
        self.secrets.take_over(roots)?;
        // The keys are written again as they are known here when they change, so they are to be known as they are kept now.
        self.reload_keys().await.map_err(Box::new)?;
        Ok(())
    }
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RotateMasterError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| RotateMasterError::Interrupted)??)
}

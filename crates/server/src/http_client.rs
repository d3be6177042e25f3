//! What requests are sent with.

use std::fmt;
use std::sync::{Arc, OnceLock};

use reqwest::{Client, ClientBuilder, Error};

/// A client that is made when something is first sent: reading the roots that this machine trusts takes as long as all
/// the rest of a start.
#[derive(Clone)]
pub(crate) struct HttpClient {
    settings: fn() -> ClientBuilder,
    made: Arc<OnceLock<Client>>,
}

impl HttpClient {
    pub(crate) fn new(settings: fn() -> ClientBuilder) -> Self {
        Self { settings, made: Arc::default() }
    }

    /// # Errors
    /// TLS could not be set up.
    pub(crate) fn open(&self) -> Result<&Client, Error> {
        if let Some(client) = self.made.get() {
            return Ok(client);
        }
        let client = (self.settings)().build()?;
        // Of two that are made at once, one is kept.
        Ok(self.made.get_or_init(|| client))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("made", &self.made.get().is_some()).finish()
    }
}

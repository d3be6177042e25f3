//! A key in a PKCS#11 token, such as a hardware security module, which wraps the master key and never leaves the token.
//!
//! What is wrapped lies in the data directory and opens nothing without the token. The token is asked when the store is
//! opened and when the master key is rotated, and is logged out of again after each of these.

#[cfg_attr(not(feature = "pkcs11"), path = "pkcs11/absent.rs")]
mod token;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::bail;
use gatepass_jose::base64url;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use self::token::Token;
use crate::data::read_secret;

/// What the wrapping is bound to, so that nothing else that the token's key has encrypted passes for a master key.
const CONTEXT: &[u8] = b"gatepass master key";

/// The table `pkcs11`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWrappingKey {
    /// The vendor's library.
    module: PathBuf,
    /// The token's label.
    token: String,
    pin: RawPin,
    /// The key's label.
    key: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    file: Option<PathBuf>,
    env: Option<String>,
}

/// Where the key is, and what opens the way to it.
#[derive(Clone, Debug)]
pub(crate) struct WrappingKey {
    module: PathBuf,
    token: String,
    pin: Pin,
    key: String,
}

/// Where the user's PIN is.
#[derive(Clone, Debug)]
enum Pin {
    File(PathBuf),
    Env(String),
}

/// A wrapped master key as it is kept. Token and key are named for whoever wonders later; they prove nothing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    token: String,
    key: String,
    nonce: String,
    wrapped: String,
}

/// A master key is not unwrapped.
#[derive(Debug, Error)]
pub(super) enum UnwrapError {
    /// The token's key did not wrap it, or it was changed since.
    #[error(
        "it was wrapped by the key {key:?} of the token {token:?}, and the key that the configuration names does not open it"
    )]
    AnotherKey { token: String, key: String },
    #[error("it is no wrapped master key")]
    Format,
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The token did not do what it was asked for.
#[derive(Debug, Error)]
#[allow(dead_code)] // a build with the driver says some of it, one without it the rest
pub(super) enum TokenError {
    #[error("this gatepass was built without PKCS#11")]
    NotBuilt,
    #[error("{0}")]
    Pin(String),
    #[error("the PKCS#11 module {module} cannot be loaded: {why}", module = module.display())]
    Module { module: PathBuf, why: String },
    #[error("no token is called {token:?}; there {}. Is the device connected?", present(others))]
    NoToken { token: String, others: Vec<String> },
    #[error("several tokens are called {0:?}; give each a label of its own")]
    TokenTwice(String),
    #[error(
        "the PIN of the token {0:?} is wrong. It was tried once and is not tried again, because tokens lock after a few times: mend it before the next start"
    )]
    PinWrong(String),
    #[error(
        "the token {0:?} has one try left before it locks, and it is not used up here: log in with another tool, with the right PIN, and start again"
    )]
    PinFinalTry(String),
    #[error("the PIN of the token {0:?} is locked; its security officer unlocks it")]
    PinLocked(String),
    #[error("the token {token:?} has no AES key {key:?}; `gatepass key create-pkcs11` makes it")]
    NoKey { token: String, key: String },
    #[error("the token {token:?} has several AES keys {key:?}; give each a label of its own")]
    KeyTwice { token: String, key: String },
    #[error("the token {token:?} has a key {key:?} already")]
    KeyExists { token: String, key: String },
    #[error(
        "the key {key:?} can be read out of the token {token:?}, so it protects nothing; make one that is sensitive and not extractable (`gatepass key create-pkcs11`)"
    )]
    KeyLeaves { token: String, key: String },
    #[error(
        "the token {0:?} does not decrypt what it has encrypted a moment ago; AES-GCM with a nonce of 96 bits is what is needed"
    )]
    DoesNotFit(String),
    #[error("the token did not open what was wrapped")]
    DoesNotOpen,
    #[error("the token {token:?} failed: {why}")]
    Failed { token: String, why: String },
}

fn present(others: &[String]) -> String {
    match others {
        [] => "is none".to_owned(),
        others => format!("are {}", others.join(", ")),
    }
}

impl RawWrappingKey {
    /// Checks what can be checked without the token. The PIN's path is relative to `folder`.
    pub(super) fn check(self, folder: &Path) -> anyhow::Result<WrappingKey> {
        let Self { module, token, pin, key } = self;
        if !module.is_absolute() {
            bail!("`master_key.pkcs11.module` is an absolute path: what is loaded runs in this process");
        }
        if token.is_empty() || key.is_empty() {
            bail!("`master_key.pkcs11`: `token` and `key` are the labels of a token and of a key in it");
        }
        let pin = match (pin.file, pin.env) {
            (Some(file), None) => Pin::File(folder.join(file)),
            (None, Some(env)) => Pin::Env(env),
            _ => bail!("`master_key.pkcs11.pin` comes from a `file` or from an `env`"),
        };
        Ok(WrappingKey { module, token, pin, key })
    }
}

impl WrappingKey {
    /// Makes an AES-256 key that never leaves the token, unless there is one of that name.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        let pin = self.pin.read()?;
        Ok(self.token().create_key(&pin)?)
    }

    /// What to keep of a secret text.
    pub(super) fn wrap(&self, secret: &str) -> anyhow::Result<String> {
        let pin = self.pin.read()?;
        let (nonce, wrapped) = self.token().encrypt(&pin, CONTEXT, secret.as_bytes())?;
        let [nonce, wrapped] = [nonce, wrapped].map(|bytes| base64url::encode(&bytes));
        let kept = Wrapped { token: self.token.clone(), key: self.key.clone(), nonce, wrapped };
        Ok(serde_json::to_string(&kept)?)
    }

    /// The text that [`WrappingKey::wrap`] made this of.
    pub(super) fn unwrap(&self, text: &str) -> Result<Zeroizing<String>, UnwrapError> {
        let kept: Wrapped = serde_json::from_str(text).map_err(|_| UnwrapError::Format)?;
        let decode = |text: &str| base64url::decode(text).map_err(|_| UnwrapError::Format);
        let (nonce, wrapped) = (decode(&kept.nonce)?, decode(&kept.wrapped)?);
        let pin = self.pin.read()?;
        let opened = self.token().decrypt(&pin, CONTEXT, &nonce, &wrapped).map_err(|error| match error {
            TokenError::DoesNotOpen => UnwrapError::AnotherKey { token: kept.token, key: kept.key },
            error => error.into(),
        })?;
        let opened = std::str::from_utf8(&opened).map_err(|_| UnwrapError::Format)?;
        Ok(Zeroizing::new(opened.to_owned()))
    }

    fn token(&self) -> Token<'_> {
        Token { module: &self.module, label: &self.token, key: &self.key }
    }
}

impl fmt::Display for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {:?} of the token {:?}", self.key, self.token)
    }
}

impl Pin {
    fn read(&self) -> Result<Zeroizing<String>, TokenError> {
        let pin = match self {
            Self::File(path) => {
                let text = read_secret(path).map_err(|error| TokenError::Pin(format!("{error:#}")))?;
                text.ok_or_else(|| TokenError::Pin(format!("the PIN's file {} is missing", path.display())))?
            }
            Self::Env(name) => Zeroizing::new(
                std::env::var(name)
                    .map_err(|_| TokenError::Pin(format!("the environment variable {name} holds no PIN")))?,
            ),
        };
        match pin.is_empty() {
            // An empty one would still be a try.
            true => Err(TokenError::Pin("the PIN is empty".to_owned())),
            false => Ok(pin),
        }
    }
}

//! With what a client proves who it is: made, and made anew.

use super::AdminError;
use crate::certificate::RegisteredCertificate;
use crate::client::{Client, ClientKeySource, ClientSecret, Credential};
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::secrets::{SecretError, random};

/// How a client to be registered will prove who it is; see [`Credential`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewCredential {
    /// Not at all.
    None,
    /// By a secret that it gets, and sends.
    Secret,
    /// By assertions under a secret that it gets, and never sends.
    SharedSecret,
    /// By assertions under these keys.
    Keys(ClientKeySource),
    /// By the certificate of its TLS connection.
    Certificate(RegisteredCertificate),
}

impl NewCredential {
    /// Whether the client will sign assertions.
    pub(crate) fn signs_assertions(&self) -> bool {
        matches!(self, Self::SharedSecret | Self::Keys(_))
    }
}

impl Issuer {
    /// What is kept of a new credential, and the secret that the client is told, if it gets one.
    pub(super) fn make_credential(
        &self,
        client: &ClientId,
        new: NewCredential,
    ) -> Result<(Credential, Option<ClientSecret>), SecretError> {
        match new {
            NewCredential::None => Ok((Credential::None, None)),
            NewCredential::Keys(keys) => Ok((Credential::Keys(keys), None)),
            NewCredential::Certificate(certificate) => Ok((Credential::Certificate(certificate), None)),
            NewCredential::Secret => {
                let secret = ClientSecret::from_random(&random()?);
                Ok((Credential::Secret(self.secrets.digest(&secret)), Some(secret)))
            }
            NewCredential::SharedSecret => {
                let secret = ClientSecret::from_random(&random()?);
                let sealed = self.secrets.seal_client_secret(client, &secret)?;
                Ok((Credential::SharedSecret(sealed), Some(secret)))
            }
        }
    }

    /// Gives a client other keys, another certificate or another secret, in place of what it has of that kind; returns the
    /// secret. Keys that it does not authenticate with are beside what it does that with.
    pub(super) fn change_credential(
        &self,
        client: &mut Client,
        keys: Option<Option<ClientKeySource>>,
        certificate: Option<RegisteredCertificate>,
        new_secret: bool,
    ) -> Result<Option<ClientSecret>, AdminError> {
        match (&mut client.credential, keys) {
            (_, None) => {}
            (Credential::Keys(own), Some(Some(keys))) => *own = keys,
            (Credential::Keys(_), Some(None)) => return Err(AdminError::NoSigningKey),
            (_, Some(keys)) => client.extensions.keys = keys,
        }
        let has_secret = matches!(client.credential, Credential::Secret(_) | Credential::SharedSecret(_));
        if new_secret && !has_secret {
            return Err(AdminError::NoSecret);
        }
        let new = match (&client.credential, certificate) {
            (Credential::Certificate(_), Some(certificate)) => NewCredential::Certificate(certificate),
            (_, Some(_)) => return Err(AdminError::NotByCertificate),
            (Credential::Secret(_), None) if new_secret => NewCredential::Secret,
            (Credential::SharedSecret(_), None) if new_secret => NewCredential::SharedSecret,
            _ => return Ok(None),
        };
        let (credential, secret) = self.make_credential(&client.id, new)?;
        client.credential = credential;
        Ok(secret)
    }
}

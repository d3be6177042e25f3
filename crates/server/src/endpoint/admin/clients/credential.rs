//! How a client authenticates, in the words of dynamic registration.

use gatepass_issuer::admin::NewCredential;
use gatepass_issuer::certificate::RegisteredCertificate;
use gatepass_issuer::client::{ClientKeySource, Credential};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthMethod {
    /// Not at all.
    None,
    /// By a secret that it sends, in the header or in the body.
    ClientSecretBasic,
    /// By assertions under a secret that it never sends.
    ClientSecretJwt,
    /// By assertions under its own keys.
    PrivateKeyJwt,
    /// By the certificate of its TLS connection, for which an authority vouches.
    TlsClientAuth,
    /// By the certificate of its TLS connection, which is known itself.
    SelfSignedTlsClientAuth,
}

impl AuthMethod {
    pub(super) fn of(credential: &Credential) -> Self {
        match credential {
            Credential::None => Self::None,
            Credential::Secret(_) => Self::ClientSecretBasic,
            Credential::SharedSecret(_) => Self::ClientSecretJwt,
            Credential::Keys(_) => Self::PrivateKeyJwt,
            Credential::Certificate(certificate) if certificate.needs_authority() => Self::TlsClientAuth,
            Credential::Certificate(_) => Self::SelfSignedTlsClientAuth,
        }
    }
}

/// The credential that the members of a registration amount to, if they agree, and the keys that are beside it.
pub(super) fn new_credential(
    confidential: Option<bool>,
    method: Option<AuthMethod>,
    keys: Option<ClientKeySource>,
    certificate: Option<RegisteredCertificate>,
) -> Result<(NewCredential, Option<ClientKeySource>), Problem> {
    let method = method.unwrap_or(match confidential {
        Some(false) => AuthMethod::None,
        Some(true) | None => AuthMethod::ClientSecretBasic,
    });
    if confidential.is_some_and(|confidential| confidential != (method != AuthMethod::None)) {
        let why = "a client is confidential if, and only if, it authenticates";
        return Err(Problem::invalid_value("confidential", why));
    }
    if let Some(certificate) = certificate {
        let fits = match method {
            AuthMethod::TlsClientAuth => certificate.needs_authority(),
            AuthMethod::SelfSignedTlsClientAuth => !certificate.needs_authority(),
            _ => false,
        };
        let why = "names go with tls_client_auth, and sha256 with self_signed_tls_client_auth";
        return match fits {
            true => Ok((NewCredential::Certificate(certificate), keys)),
            false => Err(Problem::invalid_value("certificate", why)),
        };
    }
    let credential = match (method, keys) {
        (AuthMethod::PrivateKeyJwt, Some(keys)) => return Ok((NewCredential::Keys(keys), None)),
        (AuthMethod::PrivateKeyJwt, None) => {
            return Err(Problem::invalid_value(
                "jwks",
                "private_key_jwt needs the client's public keys, or a jwks_uri",
            ));
        }
        (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, _) => {
            let why = "the method needs what the certificate is known by";
            return Err(Problem::invalid_value("certificate", why));
        }
        (AuthMethod::None, keys) => (NewCredential::None, keys),
        (AuthMethod::ClientSecretBasic, keys) => (NewCredential::Secret, keys),
        (AuthMethod::ClientSecretJwt, keys) => (NewCredential::SharedSecret, keys),
    };
    Ok(credential)
}

//! A token in the making: header and payload, encoded, without a signature yet.

use gatepass_jose::base64url;

use crate::signer::{self, Signer, SigningFailed};

/// `header.payload` of a compact JWS. Nothing here sets right what a forgery means to have wrong.
#[derive(Clone)]
pub(crate) struct Draft {
    header: String,
    payload: String,
}

impl Draft {
    pub(crate) fn new(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self::encoded(base64url::encode(header.as_ref()), base64url::encode(payload.as_ref()))
    }

    /// From parts as they will stand in the token.
    pub(crate) fn encoded(header: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { header: header.into(), payload: payload.into() }
    }

    pub(crate) fn with_header(&self, header: impl AsRef<[u8]>) -> Self {
        Self { header: base64url::encode(header.as_ref()), payload: self.payload.clone() }
    }

    pub(crate) fn with_payload(&self, payload: impl AsRef<[u8]>) -> Self {
        Self { header: self.header.clone(), payload: base64url::encode(payload.as_ref()) }
    }

    /// The encoded header.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The encoded payload.
    pub(crate) fn payload(&self) -> &str {
        &self.payload
    }

    /// What is signed (RFC 7515 section 5.1).
    pub(crate) fn signing_input(&self) -> String {
        format!("{}.{}", self.header, self.payload)
    }

    /// The token with these bytes for a signature.
    pub(crate) fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.signing_input(), base64url::encode(signature))
    }

    /// The token with an empty signature.
    pub(crate) fn unsigned(&self) -> String {
        format!("{}.", self.signing_input())
    }

    /// The token under a real signature.
    pub(crate) fn signed_by(&self, signer: &Signer) -> Result<String, SigningFailed> {
        self.signed_as(signer.alg(), signer)
    }

    /// The token under a real signature of another algorithm than the key's own.
    pub(crate) fn signed_as(&self, alg: &str, signer: &Signer) -> Result<String, SigningFailed> {
        Ok(self.with_signature(&signer.sign_as(alg, self.signing_input().as_bytes())?))
    }

    /// The token under an HMAC with whatever is taken for a secret.
    pub(crate) fn authenticated(&self, alg: &str, secret: &[u8]) -> String {
        self.with_signature(&signer::hmac(alg, secret, self.signing_input().as_bytes()))
    }
}

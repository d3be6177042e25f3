//! What clients are told as JWTs, in the form that each is registered for: signed, and where it wants that, encrypted for a
//! key of its own afterwards ([OpenID Connect Core 1.0 section 10.2](https://openid.net/specs/openid-connect-core-1_0.html#Encryption)).

use std::sync::Arc;

use gatepass_jose::jwe::{EncryptionKey, sign_then_encrypt};
use gatepass_jose::{Alg, ContentEncryption, KeyManagement, SigningKey, Timestamp, Typ, jwt};
use serde::Serialize;
use thiserror::Error;

use crate::client::{Client, Encryption, Told};
use crate::issuer::Issuer;
use crate::mint::MintError;
use crate::store::StoreError;

/// What signs where nothing is kept of what a client wants. A key for it always signs.
pub const DEFAULT_RESPONSE_ALG: Alg = Alg::ES256;

/// What signs the ID tokens of a client that registers and does not say, where there is a key for it: what libraries expect that
/// were told nothing
/// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
const USUAL_ID_TOKEN_ALG: Alg = Alg::RS256;

/// A client is told nothing: it wants that encrypted, and has no key for it. Nobody else may read it, so it is not said at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the client wants the answer encrypted with {0}, and none of its public keys is for that")]
pub struct NoRecipient(pub KeyManagement);

/// Why a client could not be told something.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The client has no key to encrypt for.
    #[error(transparent)]
    NoRecipient(#[from] NoRecipient),
    /// It could not be signed or encrypted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that it takes to tell a client one thing, at hand before anything is done that could not be taken back.
pub(crate) struct ResponseWriter {
    signer: Arc<SigningKey>,
    recipient: Option<(EncryptionKey, ContentEncryption)>,
}

impl ResponseWriter {
    /// What signs.
    pub(crate) fn alg(&self) -> Alg {
        self.signer.alg()
    }

    pub(crate) fn write(&self, typ: &Typ, claims: &impl Serialize) -> Result<String, MintError> {
        match &self.recipient {
            None => Ok(jwt::sign(typ, claims, &self.signer)?),
            Some((key, enc)) => Ok(sign_then_encrypt(typ, claims, &self.signer, *enc, key)?),
        }
    }
}

impl Issuer {
    /// What tells `client` one kind of thing from now on.
    pub(crate) async fn response_writer(
        &self,
        client: &Client,
        told: Told,
        now: Timestamp,
    ) -> Result<ResponseWriter, ResponseError> {
        let formats = &client.extensions.responses;
        let signer = self.response_signer(formats.signed(told).unwrap_or(DEFAULT_RESPONSE_ALG), now)?;
        let recipient = match formats.encrypted(told) {
            None => None,
            Some(Encryption { alg, enc }) => {
                let key = self.client_encryption(client, alg, now).await.ok_or(NoRecipient(alg))?;
                Some((key, enc))
            }
        };
        Ok(ResponseWriter { signer, recipient })
    }

    /// Writes down what signs the ID tokens of a client that has not said, so that no later configuration changes it; a client
    /// that logs nobody in gets none. Where the usual algorithm is not served, or its key does not sign yet, it stays [`DEFAULT_RESPONSE_ALG`].
    pub(crate) fn settle_id_token_alg(&self, client: &mut Client, now: Timestamp) {
        let is_served = self.config.response_signing_algs().contains(&USUAL_ID_TOKEN_ALG)
            && self.ring.load().signer(USUAL_ID_TOKEN_ALG, now).is_some();
        if is_served && client.logs_users_in() {
            client.extensions.responses.id_token_signed_response_alg.get_or_insert(USUAL_ID_TOKEN_ALG);
        }
    }

    /// The key that signs with `alg`. No client is registered for an algorithm before there is one; should it be gone since,
    /// `ES256` signs in its place, which the client can refuse.
    fn response_signer(&self, alg: Alg, now: Timestamp) -> Result<Arc<SigningKey>, MintError> {
        let ring = self.ring.load();
        let signer = ring.signer(alg, now).or_else(|| ring.signer(DEFAULT_RESPONSE_ALG, now));
        signer.map(Arc::clone).ok_or(MintError::NoKey(alg))
    }
}

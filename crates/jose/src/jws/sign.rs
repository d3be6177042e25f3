//! Signing, and the four forms of what is signed.

use serde_json::json;
use thiserror::Error;

use super::header::{Unencoded, Written};
use crate::base64url;
use crate::header::Typ;
use crate::jwt::SignError;
use crate::key::SigningKey;

/// A payload that nobody has signed yet.
#[derive(Clone, Debug)]
pub struct Draft<'p> {
    payload: &'p [u8],
    typ: Option<Typ>,
    cty: Option<String>,
    encoded: bool,
}

impl<'p> Draft<'p> {
    /// A payload without `typ` and `cty`, to be signed in its base64url form.
    #[must_use]
    pub fn new(payload: &'p [u8]) -> Self {
        Self { payload, typ: None, cty: None, encoded: true }
    }

    /// Says in `typ` what the whole is ([RFC 7515 section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
    #[must_use]
    pub fn with_typ(mut self, typ: Typ) -> Self {
        self.typ = Some(typ);
        self
    }

    /// Says in `cty` what the payload is ([RFC 7515 section 4.1.10](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.10)).
    #[must_use]
    pub fn with_cty(mut self, cty: &str) -> Self {
        self.cty = Some(cty.to_owned());
        self
    }

    /// Signs the payload's bytes as they are, with `b64` false ([RFC 7797](https://www.rfc-editor.org/rfc/rfc7797)):
    /// for large payloads that travel by another way.
    #[must_use]
    pub fn unencoded(mut self) -> Self {
        self.encoded = false;
        self
    }

    /// Makes the first signature. `alg` and `kid` come from the key.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(self, key: &SigningKey) -> Result<Signed<'p>, SignError> {
        let mut signed = Signed { draft: self, signatures: Vec::with_capacity(1) };
        signed.signatures.push(signed.signature(key)?);
        Ok(signed)
    }
}

/// A payload with one signature or several.
#[derive(Clone, Debug)]
pub struct Signed<'p> {
    draft: Draft<'p>,
    signatures: Vec<Signature>,
}

/// A protected header and what was made over it and the payload, both encoded.
#[derive(Clone, Debug)]
struct Signature {
    protected: String,
    signature: String,
}

/// The form asked for cannot hold this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormError {
    /// The compact and the flattened form have room for one signature.
    #[error("there are several signatures: use the general form")]
    SeveralSignatures,
    /// An unencoded payload must be printable ASCII without a dot to stand in the compact form
    /// ([RFC 7797 section 5.2](https://www.rfc-editor.org/rfc/rfc7797#section-5.2)), and UTF-8 to stand in JSON.
    #[error("the unencoded payload cannot stand in this form: detach it")]
    Payload,
}

impl Signed<'_> {
    /// Adds a signature, for the general form.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn and_sign(mut self, key: &SigningKey) -> Result<Self, SignError> {
        self.signatures.push(self.signature(key)?);
        Ok(self)
    }

    /// `header.payload.signature` ([RFC 7515 section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
    ///
    /// # Errors
    /// [`FormError`].
    pub fn compact(&self) -> Result<String, FormError> {
        let stands = |byte: &u8| matches!(byte, b' '..=b'-' | b'/'..=b'~');
        if !self.draft.encoded && !self.draft.payload.iter().all(stands) {
            return Err(FormError::Payload);
        }
        let (signature, payload) = (self.only()?, self.payload()?);
        Ok(format!("{}.{payload}.{}", signature.protected, signature.signature))
    }

    /// The compact form with the payload left out, which the verifier must have by another way
    /// ([RFC 7515 appendix F](https://www.rfc-editor.org/rfc/rfc7515#appendix-F)).
    ///
    /// # Errors
    /// [`FormError::SeveralSignatures`].
    pub fn detached(&self) -> Result<String, FormError> {
        let signature = self.only()?;
        Ok(format!("{}..{}", signature.protected, signature.signature))
    }

    /// The flattened JSON form ([RFC 7515 section 7.2.2](https://www.rfc-editor.org/rfc/rfc7515#section-7.2.2)).
    ///
    /// # Errors
    /// [`FormError`].
    pub fn flattened(&self) -> Result<String, FormError> {
        let Signature { protected, signature } = self.only()?;
        Ok(json!({ "payload": self.payload()?, "protected": protected, "signature": signature }).to_string())
    }

    /// The general JSON form ([RFC 7515 section 7.2.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.2.1)),
    /// which holds any number of signatures. An unencoded payload that is not UTF-8 is left out: such a
    /// one is always detached.
    #[must_use]
    pub fn general(&self) -> String {
        let signature = |own: &Signature| json!({ "protected": own.protected, "signature": own.signature });
        let signatures: Vec<_> = self.signatures.iter().map(signature).collect();
        match self.payload() {
            Ok(payload) => json!({ "payload": payload, "signatures": signatures }).to_string(),
            Err(_) => json!({ "signatures": signatures }).to_string(),
        }
    }

    fn only(&self) -> Result<&Signature, FormError> {
        match self.signatures.as_slice() {
            [only] => Ok(only),
            _ => Err(FormError::SeveralSignatures),
        }
    }

    /// The payload as it stands in every form that holds it.
    fn payload(&self) -> Result<String, FormError> {
        if self.draft.encoded {
            return Ok(base64url::encode(self.draft.payload));
        }
        std::str::from_utf8(self.draft.payload).map(str::to_owned).map_err(|_| FormError::Payload)
    }

    fn signature(&self, key: &SigningKey) -> Result<Signature, SignError> {
        let draft = &self.draft;
        let header = Written {
            alg: key.alg(),
            kid: key.kid(),
            typ: draft.typ.as_ref().map(Typ::name),
            cty: draft.cty.as_deref(),
            unencoded: (!draft.encoded).then_some(Unencoded::ASKED),
        };
        let protected = base64url::encode(&serde_json::to_vec(&header).map_err(|_| SignError::Claims)?);
        let input = signing_input(&protected, draft.payload, draft.encoded);
        let mut signature = Vec::new();
        key.sign(&input, &mut signature).map_err(|_| SignError::Signature)?;
        Ok(Signature { protected, signature: base64url::encode(&signature) })
    }
}

/// What is signed ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1), RFC 7797 section 3).
pub(super) fn signing_input(protected: &str, payload: &[u8], encoded: bool) -> Vec<u8> {
    if encoded {
        format!("{protected}.{}", base64url::encode(payload)).into_bytes()
    } else {
        [protected.as_bytes(), b".", payload].concat()
    }
}

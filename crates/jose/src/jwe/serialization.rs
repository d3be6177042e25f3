//! The three ways to write a JWE
//! ([RFC 7516 section 7](https://www.rfc-editor.org/rfc/rfc7516#section-7)).

use std::borrow::Cow;

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decrypt::DecryptError;
use super::header::{Members, RecipientHeader};
use crate::base64url;
use crate::json::{self, JsonError, not_null};
use crate::limits::Limits;

/// How many recipients are looked at.
pub(crate) const MAX_RECIPIENTS: usize = 16;

/// A JWE taken apart, with nothing decrypted.
pub(crate) struct Message<'t> {
    pub(crate) protected: Members,
    /// The shared unprotected header.
    pub(crate) unprotected: Members,
    pub(crate) recipients: Vec<Recipient>,
    /// What the tag covers beside the content: the encoded protected header and, after a dot, the encoded
    /// `aad` where there is one (RFC 7516 section 5.1 step 14).
    pub(crate) authenticated: Cow<'t, str>,
    pub(crate) aad: Option<Vec<u8>>,
    pub(crate) iv: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

/// What belongs to one recipient.
pub(crate) struct Recipient {
    pub(crate) header: Members,
    pub(crate) encrypted_key: Vec<u8>,
}

impl<'t> Message<'t> {
    /// Takes a compact serialization apart (section 7.1).
    pub(crate) fn parse_compact(token: &'t str, limits: &Limits) -> Result<Self, DecryptError> {
        require_len(token.len(), limits)?;
        let [protected, encrypted_key, iv, ciphertext, tag] = split(token).ok_or(DecryptError::Parts)?;
        Ok(Self {
            unprotected: Members::new(),
            recipients: vec![Recipient { header: Members::new(), encrypted_key: decode(encrypted_key)? }],
            authenticated: Cow::Borrowed(protected),
            aad: None,
            iv: decode(iv)?,
            ciphertext: decode(ciphertext)?,
            tag: decode(tag)?,
            protected: parse_protected(protected, limits)?,
        })
    }

    /// Takes a general or a flattened JSON serialization apart (section 7.2).
    pub(crate) fn parse_json(text: &[u8], limits: &Limits) -> Result<Message<'static>, DecryptError> {
        require_len(text.len(), limits)?;
        let json: JsonIn = json::parse_object(text, limits).map_err(DecryptError::Json)?;
        let recipients = match (json.recipients, json.header, json.encrypted_key) {
            (Some(several), None, None) => RecipientIn::several(several)?,
            (None, header, encrypted_key) => vec![RecipientIn { header, encrypted_key }],
            _ => return Err(DecryptError::Serialization),
        };
        if [&json.protected, &json.aad].into_iter().any(|text| text.as_deref() == Some("")) {
            return Err(DecryptError::Serialization);
        }
        let protected = match &json.protected {
            Some(encoded) => parse_protected(encoded, limits)?,
            None => Members::new(),
        };
        let mut authenticated = json.protected.unwrap_or_default();
        if let Some(aad) = &json.aad {
            authenticated.push('.');
            authenticated.push_str(aad);
        }
        Ok(Message {
            protected,
            unprotected: json.unprotected.unwrap_or_default(),
            recipients: recipients.into_iter().map(RecipientIn::decode).collect::<Result<_, _>>()?,
            authenticated: Cow::Owned(authenticated),
            aad: json.aad.map(|aad| decode(&aad)).transpose()?,
            iv: decode(&json.iv.unwrap_or_default())?,
            ciphertext: decode(&json.ciphertext)?,
            tag: decode(&json.tag.unwrap_or_default())?,
        })
    }
}

/// The five parts between four dots.
fn split(token: &str) -> Option<[&str; 5]> {
    let mut dots = memchr_iter(b'.', token.as_bytes());
    let mut start = 0;
    let mut part = |end: usize| {
        let part = token.get(start..end);
        start = end + 1;
        part
    };
    let first_four = [part(dots.next()?)?, part(dots.next()?)?, part(dots.next()?)?, part(dots.next()?)?];
    let [protected, encrypted_key, iv, ciphertext] = first_four;
    let tag = part(token.len())?;
    dots.next().is_none().then_some([protected, encrypted_key, iv, ciphertext, tag])
}

fn require_len(len: usize, limits: &Limits) -> Result<(), DecryptError> {
    if len > limits.token_bytes { Err(DecryptError::TooLong { limit: limits.token_bytes }) } else { Ok(()) }
}

fn parse_protected(encoded: &str, limits: &Limits) -> Result<Members, DecryptError> {
    if encoded.len() > limits.header_bytes {
        return Err(DecryptError::HeaderTooLong { limit: limits.header_bytes });
    }
    json::parse_object(&decode(encoded)?, limits).map_err(DecryptError::Header)
}

fn decode(text: &str) -> Result<Vec<u8>, DecryptError> {
    base64url::decode(text).map_err(|_| DecryptError::Base64Url)
}

/// The members of section 7.2, general and flattened. Others are passed over, as the section asks.
#[derive(Deserialize)]
struct JsonIn {
    #[serde(default, deserialize_with = "not_null")]
    protected: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    unprotected: Option<Members>,
    #[serde(default, deserialize_with = "not_null")]
    recipients: Option<Vec<Members>>,
    #[serde(default, deserialize_with = "not_null")]
    header: Option<Members>,
    #[serde(default, deserialize_with = "not_null")]
    encrypted_key: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    aad: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    iv: Option<String>,
    ciphertext: String,
    #[serde(default, deserialize_with = "not_null")]
    tag: Option<String>,
}

#[derive(Deserialize)]
struct RecipientIn {
    #[serde(default, deserialize_with = "not_null")]
    header: Option<Members>,
    #[serde(default, deserialize_with = "not_null")]
    encrypted_key: Option<String>,
}

impl RecipientIn {
    /// The members of `recipients`, which are objects: `serde` would also fill a struct from an array.
    fn several(recipients: Vec<Members>) -> Result<Vec<Self>, DecryptError> {
        if recipients.is_empty() {
            return Err(DecryptError::Serialization);
        }
        if recipients.len() > MAX_RECIPIENTS {
            return Err(DecryptError::TooManyRecipients);
        }
        let read = |members| serde_json::from_value(Value::Object(members));
        let recipients = recipients.into_iter().map(read).collect::<Result<_, _>>();
        recipients.map_err(|_| DecryptError::Json(JsonError::Malformed))
    }

    fn decode(self) -> Result<Recipient, DecryptError> {
        Ok(Recipient {
            header: self.header.unwrap_or_default(),
            encrypted_key: decode(&self.encrypted_key.unwrap_or_default())?,
        })
    }
}

/// A JSON serialization as it is written.
#[derive(Serialize)]
pub(crate) struct JsonOut<'a> {
    #[serde(flatten)]
    pub(crate) headers: HeadersOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aad: Option<String>,
    pub(crate) iv: String,
    pub(crate) ciphertext: String,
    pub(crate) tag: String,
}

/// What stands in it beside the content: `recipients` in the general form, the members of `recipient` in
/// the flattened one.
#[derive(Serialize)]
pub(crate) struct HeadersOut<'a> {
    pub(crate) protected: String,
    #[serde(skip_serializing_if = "Members::is_empty")]
    pub(crate) unprotected: &'a Members,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipients: Option<Vec<RecipientOut<'a>>>,
    #[serde(flatten)]
    pub(crate) recipient: Option<RecipientOut<'a>>,
}

#[derive(Serialize)]
pub(crate) struct RecipientOut<'a> {
    #[serde(skip_serializing_if = "UnprotectedOut::is_empty")]
    pub(crate) header: UnprotectedOut<'a>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) encrypted_key: String,
}

/// A recipient's unprotected header: what its key needs, where that is not protected, and what the
/// application adds.
#[derive(Serialize)]
pub(crate) struct UnprotectedOut<'a> {
    #[serde(flatten)]
    pub(crate) recipient: Option<RecipientHeader<'a>>,
    #[serde(flatten)]
    pub(crate) added: &'a Members,
}

impl UnprotectedOut<'_> {
    fn is_empty(&self) -> bool {
        self.recipient.is_none() && self.added.is_empty()
    }
}

//! The good token, taken apart.

use std::fmt;

use gatepass_jose::base64url;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::draft::Draft;
use crate::object::Object;

/// A token that the service accepts: a JWS in compact form whose payload is a JSON object. It is believed
/// as it is; whether its signature holds is for the service to say.
///
/// Has no `Display`, and shows only its algorithm in `Debug`.
pub struct Token {
    text: Zeroizing<String>,
    pub(crate) draft: Draft,
    pub(crate) header: Object,
    pub(crate) payload: Object,
    pub(crate) signature: Vec<u8>,
    pub(crate) alg: String,
}

/// Why nothing can be forged from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotAJwt {
    /// Not three parts between two dots.
    #[error("the token is not a JWS in compact form: an opaque token has nothing in it that could be forged")]
    Parts,
    /// Five parts: a JWE.
    #[error("the token is encrypted (a JWE), and what is inside cannot be forged from outside")]
    Encrypted,
    /// A part is not base64url.
    #[error("the {0} of the token is not base64url")]
    Base64Url(&'static str),
    /// A part is not a JSON object.
    #[error("the {0} of the token is not a JSON object")]
    NotAnObject(&'static str),
    /// No `alg`.
    #[error("the header of the token has no `alg`")]
    NoAlg,
}

impl Token {
    /// Takes a token apart. White space around it is no part of it.
    ///
    /// # Errors
    /// [`NotAJwt`].
    pub fn parse(text: &str) -> Result<Self, NotAJwt> {
        let text = text.trim();
        let parts: Vec<&str> = text.split('.').collect();
        let (header, payload, signature) = match parts.as_slice() {
            [header, payload, signature] => (*header, *payload, *signature),
            [_, _, _, _, _] => return Err(NotAJwt::Encrypted),
            _ => return Err(NotAJwt::Parts),
        };
        let decode = |part: &str, name| base64url::decode(part).map_err(|_| NotAJwt::Base64Url(name));
        let object = |part: &str, name| Object::parse(&decode(part, name)?).ok_or(NotAJwt::NotAnObject(name));
        let header_object = object(header, "header")?;
        Ok(Self {
            payload: object(payload, "payload")?,
            signature: decode(signature, "signature")?,
            alg: header_object.text("alg").ok_or(NotAJwt::NoAlg)?,
            header: header_object,
            draft: Draft::encoded(header, payload),
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// The token as it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The algorithm that the header names.
    #[must_use]
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The `kid` of the header, if it is a string.
    #[must_use]
    pub fn kid(&self) -> Option<String> {
        self.header.text("kid")
    }

    /// A draft with this header over the token's own payload.
    pub(crate) fn with_header(&self, header: &Object) -> Draft {
        self.draft.with_header(header.to_string())
    }

    /// A draft with this payload under the token's own header.
    pub(crate) fn with_payload(&self, payload: &Object) -> Draft {
        self.draft.with_payload(payload.to_string())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("alg", &self.alg).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_apart_or_said_to_be_none() {
        let part = |json: &str| base64url::encode(json.as_bytes());
        let (header, payload) = (part(r#"{"alg":"ES256","kid":"1"}"#), part(r#"{"sub":"ada"}"#));
        let token = Token::parse(&format!(" {header}.{payload}.AAAA\n")).unwrap();
        assert_eq!((token.alg(), token.kid().as_deref()), ("ES256", Some("1")));
        assert_eq!(token.signature, [0, 0, 0]);
        assert_eq!(format!("{token:?}"), r#"Token { alg: "ES256", .. }"#);

        let cases = [
            ("opaque", "c2VjcmV0".to_owned(), NotAJwt::Parts),
            ("empty", String::new(), NotAJwt::Parts),
            ("jwe", "a.b.c.d.e".to_owned(), NotAJwt::Encrypted),
            ("padding", format!("{header}=.{payload}.AAAA"), NotAJwt::Base64Url("header")),
            ("header_array", format!("{}.{payload}.AAAA", part("[]")), NotAJwt::NotAnObject("header")),
            ("payload_text", format!("{header}.{}.AAAA", part("x")), NotAJwt::NotAnObject("payload")),
            ("no_alg", format!("{}.{payload}.AAAA", part("{}")), NotAJwt::NoAlg),
        ];
        for (name, text, want) in cases {
            assert_eq!(Token::parse(&text).err(), Some(want), "{name}");
        }
    }
}

//! A token taken apart leniently: what a verifier would refuse is still looked at here.

use gatepass_jose::base64url;

use crate::alg;
use crate::json::{Json, Object};

/// A token in compact serialization, or what looks like one.
pub(crate) struct Token<'t> {
    pub(crate) text: &'t str,
    pub(crate) form: Form,
    /// The parts between the dots, six at most.
    pub(crate) parts: Vec<Part<'t>>,
    /// The protected header, or why it cannot be read.
    pub(crate) header: Result<Json, String>,
    /// The payload of a signed token, or why it is not JSON.
    pub(crate) payload: Option<Result<Json, String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JWS: header, payload, signature.
    Signed,
    /// A JWE: header, encrypted key, initialization vector, ciphertext, tag.
    Encrypted,
    /// Neither, with so many parts.
    Neither(usize),
}

/// One part and what it decodes to.
pub(crate) struct Part<'t> {
    pub(crate) text: &'t str,
    pub(crate) bytes: Vec<u8>,
    /// What is wrong with its spelling.
    pub(crate) fault: Option<&'static str>,
}

/// What a token is for, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// An access token, by its `typ` or its `scope`.
    Access,
    /// An ID token, by its claims.
    Id,
    /// A refresh token that is a JWT.
    Refresh,
    /// It does not say; most likely somebody sends it as a bearer token.
    Unsaid,
    /// Something with rules of its own, by its `typ`: a DPoP proof, a logout token, a security event.
    Other,
}

impl<'t> Token<'t> {
    pub(crate) fn parse(text: &'t str) -> Self {
        let count = text.split('.').count();
        let mut parts: Vec<Part<'t>> = text.split('.').take(6).map(Part::decode).collect();
        let header = parts.first().map_or_else(|| Err(String::new()), read_header);
        let form = match count {
            2 | 3 => Form::Signed,
            5 => Form::Encrypted,
            _ => Form::Neither(count),
        };
        let members = header.as_ref().ok().and_then(Json::as_object);
        if members.and_then(|members| members.find("b64")) == Some(&Json::Bool(false))
            && let Some(part) = parts.get_mut(1)
        {
            *part = Part { text: part.text, bytes: part.text.as_bytes().to_vec(), fault: None };
        }
        let payload = match form {
            Form::Signed => parts.get(1).map(|part| Json::parse(&part.bytes)),
            _ => None,
        };
        Self { text, form, parts, header, payload }
    }

    /// What the signature is over: the text up to the second dot.
    pub(crate) fn signing_input(&self) -> &'t str {
        match self.text.match_indices('.').nth(1) {
            Some((end, _)) => self.text.get(..end).unwrap_or_default(),
            None => self.text,
        }
    }

    /// The decoded signature; empty where there is none.
    pub(crate) fn signature(&self) -> &[u8] {
        match self.form {
            Form::Signed => self.parts.get(2).map_or(&[], |part| part.bytes.as_slice()),
            _ => &[],
        }
    }

    /// The members of the header, where it can be read.
    pub(crate) fn header(&self) -> Option<&Object> {
        self.header.as_ref().ok()?.as_object()
    }

    /// A member of the header that is a string.
    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.header()?.text(name)
    }

    /// The claims, where the payload is an object.
    pub(crate) fn claims(&self) -> Option<&Object> {
        self.payload.as_ref()?.as_ref().ok()?.as_object()
    }

    /// A claim that is a string.
    pub(crate) fn claim_text(&self, name: &str) -> Option<&str> {
        self.claims()?.text(name)
    }

    /// The algorithm that the header names, where it is a registered one.
    pub(crate) fn algorithm(&self) -> Option<&'static alg::Algorithm> {
        alg::find(self.header_text("alg")?)
    }

    /// The `typ`, in lower case and without `application/` (RFC 7515 section 4.1.9).
    pub(crate) fn typ(&self) -> Option<String> {
        let typ = self.header_text("typ")?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ))
    }

    pub(crate) fn role(&self) -> Role {
        match self.typ().as_deref() {
            Some("at+jwt") => return Role::Access,
            None | Some("jwt") => {}
            Some(_) => return Role::Other,
        }
        let Some(claims) = self.claims() else { return Role::Unsaid };
        let has_any = |names: &[&str]| names.iter().any(|name| claims.has(name));
        // Keycloak says it in a claim of its own.
        match claims.text("typ").map(str::to_ascii_lowercase).as_deref() {
            Some("refresh" | "offline") => Role::Refresh,
            Some("id") => Role::Id,
            _ if claims.has("events") => Role::Other,
            _ if has_any(&["scope", "scp"]) => Role::Access,
            _ if has_any(ID_TOKEN_CLAIMS) => Role::Id,
            _ => Role::Unsaid,
        }
    }
}

/// Claims that only ID tokens have (OpenID Connect Core sections 2 and 3.3.2.11).
pub(crate) const ID_TOKEN_CLAIMS: &[&str] = &["nonce", "at_hash", "c_hash", "s_hash"];

fn read_header(part: &Part<'_>) -> Result<Json, String> {
    match Json::parse(&part.bytes)? {
        header @ Json::Object(_) => Ok(header),
        other => Err(format!("it is {}, not an object", other.type_name())),
    }
}

impl<'t> Part<'t> {
    fn decode(text: &'t str) -> Self {
        if let Ok(bytes) = base64url::decode(text) {
            return Self { text, bytes, fault: None };
        }
        let mut fault = None;
        let mut plain = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'+' | b'/' => {
                    plain.push(if byte == b'+' { b'-' } else { b'_' });
                    fault.get_or_insert("it uses the standard alphabet (`+`, `/`)");
                }
                b'=' => {
                    fault.get_or_insert("it is padded with `=`");
                }
                b' ' | b'\t' | b'\r' | b'\n' => {
                    fault.get_or_insert("it contains white space");
                }
                b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => plain.push(byte),
                _ => fault = Some("it contains characters that are not of the alphabet"),
            }
        }
        let bytes = base64url::decode(&plain).or_else(|_| {
            let is_cut = plain.len() % 4 == 1;
            fault.get_or_insert(if is_cut {
                "it has one character too many or too few"
            } else {
                "its last character has bits that decode to nothing"
            });
            base64url::decode(without_stray_bits(plain))
        });
        Self { text, bytes: bytes.unwrap_or_default(), fault }
    }
}

/// Makes the end canonical: a lonely last character is dropped, bits that decode to nothing become 0.
fn without_stray_bits(mut text: Vec<u8>) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match text.len() % 4 {
        1 => {
            text.pop();
            return text;
        }
        2 => 0b1111,
        3 => 0b11,
        _ => return text,
    };
    if let Some(last) = text.last_mut() {
        let value = ALPHABET.iter().position(|byte| byte == last).unwrap_or(0);
        *last = ALPHABET.get(value & !unused).copied().unwrap_or(b'A');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(json: &str) -> String {
        base64url::encode(json.as_bytes())
    }

    #[test]
    fn parts_are_read_however_they_are_spelt() {
        let cases = [
            ("canonical", "e30", "{}", false),
            ("padded", "e30=", "{}", true),
            ("stray_bits", "e31", "{}", true),
            ("white_space", "e3\n0", "{}", true),
            ("standard_alphabet", "Pj4+Pz8/", ">>>???", true),
            ("one_character_too_many", "e30AA", "{}\0", true),
            ("foreign_character", "e3!0", "{}", true),
            ("empty", "", "", false),
        ];
        for (name, text, want, faulty) in cases {
            let part = Part::decode(text);
            assert_eq!(String::from_utf8(part.bytes).unwrap(), want, "{name}");
            assert_eq!(part.fault.is_some(), faulty, "{name}: {:?}", part.fault);
        }
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = format!("{}.{}.c2ln", encoded(r#"{"alg":"ES256"}"#), encoded(r#"{"sub":"a"}"#));
        let token = Token::parse(&text);
        assert_eq!(token.form, Form::Signed);
        assert_eq!(token.claim_text("sub"), Some("a"));
        assert_eq!(token.signature(), b"sig");
        assert_eq!(format!("{}.c2ln", token.signing_input()), text);
        assert_eq!(Token::parse("a.b.c.d.e").form, Form::Encrypted);
        assert_eq!(Token::parse("a.b.c.d").form, Form::Neither(4));
        assert_eq!(Token::parse("").form, Form::Neither(1));
        assert!(Token::parse(&format!("{}.e30.", encoded("[1]"))).header.is_err());
    }

    #[test]
    fn roles_come_from_type_and_claims() {
        let cases = [
            (r#"{"typ":"at+jwt"}"#, "{}", Role::Access),
            (r#"{"typ":"application/AT+JWT"}"#, "{}", Role::Access),
            (r#"{"typ":"JWT"}"#, r#"{"scp":["a"]}"#, Role::Access),
            (r#"{"typ":"JWT"}"#, r#"{"nonce":"a"}"#, Role::Id),
            ("{}", r#"{"nonce":"a","scope":"b"}"#, Role::Access),
            ("{}", r#"{"typ":"Refresh"}"#, Role::Refresh),
            (r#"{"typ":"logout+jwt"}"#, r#"{"nonce":"a"}"#, Role::Other),
            ("{}", r#"{"events":{}}"#, Role::Other),
            ("{}", "{}", Role::Unsaid),
        ];
        for (header, claims, want) in cases {
            let text = format!("{}.{}.c2ln", encoded(header), encoded(claims));
            assert_eq!(Token::parse(&text).role(), want, "{header} {claims}");
        }
    }
}

//! What a token is made of. Nothing here believes any of it.

use gatepass_jose::{JsonError, base64url, decode_unverified, parse_strict_json};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json_text::{self, Member};

/// What a text claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Signed (RFC 7515).
    Jws,
    /// Encrypted (RFC 7516).
    Jwe,
    Unknown,
}

/// A token taken apart.
#[derive(Debug)]
pub(super) struct Anatomy {
    pub(super) kind: Kind,
    /// `compact`, or `JSON`.
    pub(super) form: &'static str,
    pub(super) bytes: usize,
    pub(super) parts: Vec<Part>,
    /// What is wrong, in the order of the text.
    pub(super) problems: Vec<Problem>,
}

/// One part of a token.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// As it stands in the token.
    pub(super) bytes: usize,
    pub(super) content: Content,
}

/// What a part decodes to.
#[derive(Debug)]
pub(super) enum Content {
    /// A JSON object.
    Json(String),
    /// Text where JSON was expected.
    Text(String),
    /// Bytes without further meaning.
    Bytes,
    Undecodable,
}

/// Something that a verifier would stumble over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) part: &'static str,
    pub(super) detail: String,
}

impl Anatomy {
    /// Takes a text apart as far as that goes.
    pub(super) fn of(token: &str) -> Self {
        if token.trim_start().starts_with('{') {
            return Self::of_json(token);
        }
        let count = token.split('.').count();
        let (kind, names): (_, &[&'static str]) = match count {
            3 => (Kind::Jws, &["header", "payload", "signature"]),
            5 => (Kind::Jwe, &["header", "encrypted key", "initialization vector", "ciphertext", "tag"]),
            _ => (Kind::Unknown, &["header"]),
        };
        let mut anatomy =
            Self { kind, form: "compact", bytes: token.len(), parts: Vec::new(), problems: Vec::new() };
        if kind == Kind::Unknown {
            anatomy.note("token", count_of_parts(count));
        }
        // A text without dots is an opaque token more likely than a header.
        for (name, text) in names.iter().zip(token.split('.')).filter(|_| count > 1) {
            anatomy.add(name, text);
        }
        if kind == Kind::Jws {
            anatomy.examine_jws(token);
        }
        anatomy
    }

    /// The JSON serialization (RFC 7515 section 7.2, RFC 7516 section 7.2).
    fn of_json(token: &str) -> Self {
        let mut anatomy = Self {
            kind: Kind::Unknown,
            form: "JSON",
            bytes: token.len(),
            parts: Vec::new(),
            problems: Vec::new(),
        };
        if let Err(error) = parse_strict_json::<IgnoredAny>(token.as_bytes()) {
            anatomy.note("token", error.to_string());
        }
        let top = json_text::members(token);
        let has = |name: &str| top.iter().any(|member| member.name() == name);
        anatomy.kind = match () {
            () if has("ciphertext") => Kind::Jwe,
            () if has("payload") || has("signatures") => Kind::Jws,
            () => Kind::Unknown,
        };
        if anatomy.kind == Kind::Unknown {
            anatomy.note(
                "token",
                "this is JSON, but neither a JWS (`payload`) nor a JWE (`ciphertext`)".to_owned(),
            );
            return anatomy;
        }
        anatomy.add_members(&top);
        let several = top.iter().find(|member| matches!(member.name().as_str(), "signatures" | "recipients"));
        for each in several.into_iter().flat_map(|member| json_text::elements(member.value)) {
            anatomy.add_members(&json_text::members(each));
        }
        anatomy
    }

    fn add_members(&mut self, members: &[Member<'_>]) {
        for member in members {
            let name = match member.name().as_str() {
                "protected" => "header",
                "payload" => "payload",
                "signature" => "signature",
                "encrypted_key" => "encrypted key",
                "iv" => "initialization vector",
                "ciphertext" => "ciphertext",
                "tag" => "tag",
                "aad" => "additional data",
                "header" | "unprotected" => {
                    let content = Content::Json(member.value.to_owned());
                    self.parts.push(Part { name: "unprotected header", bytes: member.value.len(), content });
                    continue;
                }
                _ => continue,
            };
            match serde_json::from_str::<String>(member.value) {
                Ok(text) => self.add(name, &text),
                Err(_) => self.note(name, "it is not a string".to_owned()),
            }
        }
    }

    fn add(&mut self, name: &'static str, text: &str) {
        let (bytes, problem) = decode(text);
        if let Some(problem) = problem {
            self.note(name, problem);
        }
        let content = match bytes {
            None => Content::Undecodable,
            Some(bytes) if name == "header" || (name == "payload" && !bytes.is_empty()) => {
                self.json(name, bytes)
            }
            Some(_) => Content::Bytes,
        };
        self.parts.push(Part { name, bytes: text.len(), content });
    }

    fn json(&mut self, name: &'static str, bytes: Vec<u8>) -> Content {
        let strict = parse_strict_json::<IgnoredAny>(&bytes);
        let valid = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_object = text.trim_start().starts_with('{');
        match (strict, valid && is_object) {
            (Ok(_), true) => {}
            (Err(error), true) => self.note(name, error.to_string()),
            (Err(error @ JsonError::NotUtf8), false) => self.note(name, error.to_string()),
            (_, false) => self.note(name, "it is not a JSON object".to_owned()),
        }
        if valid && is_object { Content::Json(text) } else { Content::Text(text) }
    }

    /// What is wrong with a signed token beyond the spelling of its parts.
    fn examine_jws(&mut self, token: &str) {
        let alg = self.header().and_then(|header| header.get("alg").cloned());
        match alg.as_ref().map(Value::as_str) {
            Some(Some(alg)) if alg.eq_ignore_ascii_case("none") => {
                self.note("header", format!("`alg` is {alg:?}: nobody signed this"));
            }
            Some(Some(_)) | None => {}
            Some(None) => self.note("header", "`alg` is not a string".to_owned()),
        }
        for (name, problem) in
            [("payload", "it is empty: detached, or cut out"), ("signature", "it is empty")]
        {
            if self.parts.iter().any(|part| part.name == name && part.bytes == 0) {
                self.note(name, problem.to_owned());
            }
        }
        // What the library itself would say, where none of the above has said it.
        if let (true, Err(malformed)) = (self.problems.is_empty(), decode_unverified(token)) {
            self.note("token", malformed.to_string());
        }
    }

    /// The first protected header, where it can be read.
    pub(super) fn header(&self) -> Option<Value> {
        self.object("header")
    }

    /// The claims of a signed token, where they can be read.
    pub(super) fn claims(&self) -> Option<Value> {
        self.object("payload")
    }

    /// The text of the claims as it is spelt.
    pub(super) fn claims_text(&self) -> Option<&str> {
        match &self.parts.iter().find(|part| part.name == "payload")?.content {
            Content::Json(text) => Some(text),
            _ => None,
        }
    }

    fn object(&self, name: &str) -> Option<Value> {
        match &self.parts.iter().find(|part| part.name == name)?.content {
            Content::Json(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    fn note(&mut self, part: &'static str, detail: String) {
        self.problems.push(Problem { part, detail });
    }
}

fn count_of_parts(count: usize) -> String {
    match count {
        1 => "there is no dot in it: an opaque token, which only its issuer can read, or no token at all"
            .to_owned(),
        _ => format!("it has {count} parts between dots; a signed token has 3, an encrypted one 5"),
    }
}

/// Decodes base64url, and where it is not strictly that, whatever it was probably meant to be.
fn decode(text: &str) -> (Option<Vec<u8>>, Option<String>) {
    if let Ok(bytes) = base64url::decode(text) {
        return (Some(bytes), None);
    }
    let mut oddities = Vec::new();
    let mut odd = |found: bool, oddity: &'static str| {
        if found {
            oddities.push(oddity);
        }
    };
    odd(text.contains('='), "padding");
    odd(text.contains(['+', '/']), "characters of the other base64 alphabet");
    odd(text.contains(|letter: char| letter.is_whitespace()), "white space");
    let is_foreign = |letter: char| {
        !(letter.is_ascii_alphanumeric() || letter.is_whitespace() || "-_+/=".contains(letter))
    };
    if let Some(letter) = text.chars().find(|letter| is_foreign(*letter)) {
        return (None, Some(format!("it is not base64url: {} does not belong there", letter.escape_debug())));
    }
    let tidy: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '=').collect();
    let tidy = tidy.replace('+', "-").replace('/', "_");
    match base64url::decode(&tidy) {
        Ok(bytes) => {
            (Some(bytes), Some(format!("it is not strict base64url: it has {}", oddities.join(" and "))))
        }
        Err(_) if tidy.len() % 4 == 1 => {
            (None, Some("it is not base64url: the last character is missing, or one too many".to_owned()))
        }
        Err(_) => (None, Some("it is not base64url in its one spelling: stray bits at the end".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9"; // {"alg":"ES256"}
    const CLAIMS: &str = "eyJhIjoxfQ"; // {"a":1}

    fn problems(token: &str) -> Vec<(&'static str, String)> {
        Anatomy::of(token).problems.into_iter().map(|problem| (problem.part, problem.detail)).collect()
    }

    #[test]
    fn a_sound_token_has_no_problem() {
        assert_eq!(problems(&format!("{HEADER}.{CLAIMS}.AAAA")), []);
        let anatomy = Anatomy::of(&format!("{HEADER}....AA"));
        assert_eq!((anatomy.kind, anatomy.parts.len()), (Kind::Jwe, 5));
        let json = format!(r#"{{"payload":"{CLAIMS}","protected":"{HEADER}","signature":"AAAA"}}"#);
        let anatomy = Anatomy::of(&json);
        assert_eq!(anatomy.problems, []);
        assert_eq!(anatomy.claims(), Some(serde_json::json!({"a": 1})));
    }

    #[test]
    fn what_is_broken_is_named() {
        let encode = |text: &str| base64url::encode(text.as_bytes());
        let cases = [
            ("one_part", "abc".to_owned(), "token", "no dot"),
            ("two_parts", format!("{HEADER}.{CLAIMS}"), "token", "2 parts"),
            ("padding", format!("{HEADER}.{CLAIMS}==.AAAA"), "payload", "padding"),
            ("other_alphabet", format!("{HEADER}.{CLAIMS}.AA+/"), "signature", "other base64 alphabet"),
            ("foreign_character", format!("{HEADER}.{CLAIMS}.AA$A"), "signature", "$ does not belong"),
            ("cut_short", format!("{HEADER}.{CLAIMS}.AAAAA"), "signature", "the last character"),
            ("stray_bits", format!("{HEADER}.{CLAIMS}.AB"), "signature", "stray bits"),
            ("header_no_json", format!("{}.{CLAIMS}.AAAA", encode("hello")), "header", "not a JSON object"),
            ("header_array", format!("{}.{CLAIMS}.AAAA", encode("[]")), "header", "not a JSON object"),
            ("no_alg", format!("{}.{CLAIMS}.AAAA", encode("{}")), "token", "header"),
            ("alg_number", format!("{}.{CLAIMS}.AAAA", encode(r#"{"alg":1}"#)), "header", "not a string"),
            ("alg_none", format!("{}.{CLAIMS}.", encode(r#"{"alg":"nOne"}"#)), "header", "nobody signed"),
            ("two_names", format!("{HEADER}.{}.AAAA", encode(r#"{"a":1,"a":2}"#)), "payload", "two members"),
            ("no_payload", format!("{HEADER}..AAAA"), "payload", "empty"),
            ("json_of_something", r#"{"kty":"EC"}"#.to_owned(), "token", "neither a JWS"),
            ("json_number", r#"{"payload":1}"#.to_owned(), "payload", "not a string"),
        ];
        for (name, token, part, words) in cases {
            let problems = problems(&token);
            assert!(
                problems.iter().any(|(at, detail)| *at == part && detail.contains(words)),
                "{name}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_broken_part_does_not_hide_the_others() {
        let anatomy = Anatomy::of(&format!("$.{CLAIMS}.AAAA"));
        assert_eq!(anatomy.claims_text(), Some(r#"{"a":1}"#));
        assert!(anatomy.header().is_none());
    }

    #[test]
    fn any_text_is_taken_apart_without_panic() {
        for token in [
            "",
            ".",
            "..",
            "....",
            "{",
            "{}",
            "{\"payload\":",
            "é.ü.ö",
            "{\"signatures\":[{\"protected\":\"\"},1]}",
        ] {
            let _ = Anatomy::of(token);
        }
    }
}

//! One request of a run, and how to repeat it.

use std::fmt;

use crate::request::{Place, RequestShape};
use crate::target::Target;

/// One request of a run: what stands in the token's place and beside it.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// Which variant of its class this is.
    pub(crate) variant: String,
    /// One header field each.
    pub(crate) carried: Vec<Carried>,
    /// A token as the query parameter `access_token` (RFC 6750 section 2.3).
    pub(crate) query: Option<String>,
    /// A token as the form parameter `access_token` (RFC 6750 section 2.2).
    pub(crate) form: Option<String>,
}

/// What one header field carries.
#[derive(Clone)]
pub(crate) enum Carried {
    /// A token in the place for one.
    Token(String),
    /// The whole value of the field, with nothing around it.
    Value(String),
}

impl Attempt {
    /// A token in the place of the good one.
    pub(crate) fn token(variant: impl Into<String>, token: impl Into<String>) -> Self {
        Self::carrying(variant, vec![Carried::Token(token.into())])
    }

    /// Other than one token in its place.
    pub(crate) fn carrying(variant: impl Into<String>, carried: Vec<Carried>) -> Self {
        Self { variant: variant.into(), carried, query: None, form: None }
    }

    /// The values of the token's field, in their order.
    pub(crate) fn values(&self, place: &Place) -> Vec<String> {
        let value = |carried: &Carried| match carried {
            Carried::Token(token) => place.filled(token),
            Carried::Value(value) => value.clone(),
        };
        self.carried.iter().map(value).collect()
    }

    /// The forged token, if there is just one and it is where the good one was.
    pub(crate) fn only_token(&self) -> Option<&str> {
        match (self.carried.as_slice(), &self.query, &self.form) {
            ([Carried::Token(token)], None, None) => Some(token),
            _ => None,
        }
    }

    /// How much of the request's head is of the attempt's making, in bytes.
    pub(crate) fn size(&self) -> usize {
        let carried = self.carried.iter().map(|carried| match carried {
            Carried::Token(text) | Carried::Value(text) => text.len(),
        });
        carried.chain(self.query.iter().map(String::len)).sum()
    }

    /// A command line that sends this again. The good token itself is written as `$TOKEN`; a forged one
    /// that was saved is read from its file.
    pub(crate) fn curl(
        &self,
        target: &Target,
        shape: &RequestShape,
        good: &str,
        saved: Option<&str>,
    ) -> String {
        let mut line = format!("curl -sS -i -X {}", shape.method);
        for (name, value) in &shape.fields {
            let text = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            line += &format!(" -H {}", quote(&text, good));
        }
        for value in self.values(&shape.place) {
            let field = &shape.place.field;
            line += &match (saved, self.only_token()) {
                (Some(path), Some(_)) => {
                    let (before, after) = (&shape.place.before, &shape.place.after);
                    let before = quote(&format!("{field}: {before}"), good);
                    let after = if after.is_empty() { String::new() } else { quote(after, good) };
                    format!(" -H {before}\"$(cat {})\"{after}", quote(path, good))
                }
                _ => format!(" -H {}", quote(&format!("{field}: {value}"), good)),
            };
        }
        if let Some(token) = &self.form {
            line += &format!(" --data-raw {}", quote(&format!("access_token={token}"), good));
        }
        let mut url = target.url.clone();
        if let Some(token) = &self.query {
            url.query_pairs_mut().append_pair("access_token", token);
        }
        line + " " + &quote(url.as_str(), good)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("variant", &self.variant).finish_non_exhaustive()
    }
}

/// `text` as one word of a shell's command line, with `$TOKEN` for the good token.
fn quote(text: &str, good: &str) -> String {
    let pieces: Vec<String> = text.split(good).map(quote_plainly).collect();
    let word = pieces.join("\"$TOKEN\"");
    let trimmed = word.strip_prefix("''").filter(|rest| !rest.is_empty()).unwrap_or(&word);
    trimmed.strip_suffix("''").filter(|rest| rest.ends_with('"')).unwrap_or(trimmed).to_owned()
}

fn quote_plainly(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped: String = text
        .bytes()
        .map(|byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_curl_line_is_one_that_a_shell_takes_and_never_shows_the_good_token() {
        let target = Target::resolve("http://127.0.0.1:8080/o?a=1&b='", &[]).await.unwrap();
        let shape = RequestShape::new("GET", &["x-tenant: it's".to_owned()], &[]).unwrap();
        let line = |attempt: &Attempt, saved| attempt.curl(&target, &shape, "GOOD", saved);
        assert_eq!(
            line(&Attempt::token("", "forged"), None),
            r"curl -sS -i -X GET -H 'x-tenant: it'\''s' -H 'authorization: Bearer forged' 'http://127.0.0.1:8080/o?a=1&b=%27'"
        );
        assert!(
            line(&Attempt::token("", "forged"), Some("/tmp/a.jwt"))
                .contains(r#"-H 'authorization: Bearer '"$(cat '/tmp/a.jwt')" "#)
        );
        assert!(line(&Attempt::token("", "x\ty"), None).contains(r"-H $'authorization: Bearer x\x09y' "));
        let twice = Attempt {
            query: Some("GOOD".to_owned()),
            form: Some("GOOD".to_owned()),
            ..Attempt::carrying(
                "",
                vec![Carried::Token("GOOD".to_owned()), Carried::Value("GOOD x".to_owned())],
            )
        };
        let said = line(&twice, None);
        assert!(!said.contains("GOOD"), "{said}");
        assert!(
            said.contains(r#"-H 'authorization: Bearer '"$TOKEN" -H 'authorization: '"$TOKEN"' x'"#),
            "{said}"
        );
    }
}

//! Texts with something filled in.

use std::collections::BTreeSet;
use std::fmt;

use askama::filters::{Escaper as _, Html, HtmlSafe};
use thiserror::Error;

/// A text as HTML. All of it is escaped, the text and what is filled in.
#[derive(Debug)]
pub(crate) struct Phrase(String);

/// How something stands in a sentence.
#[derive(Clone, Copy)]
pub(crate) enum Value<'v> {
    /// The name of somebody or something.
    Name(&'v str),
    /// A word for programs.
    Code(&'v str),
}

/// A text has a brace that is not part of a placeholder such as `{client}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a brace stands for something that is filled in, as in {{client}}, and for nothing else")]
pub struct StrayBrace;

impl Phrase {
    /// `text` with each placeholder replaced. One that has no value stays as it is, for everybody to see.
    pub(crate) fn new(text: &str, values: &[(&str, Value<'_>)]) -> Self {
        let mut html = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((before, name, after)) = next_placeholder(rest) {
            escape(&mut html, before);
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => value.write(&mut html),
                None => {
                    html.push('{');
                    escape(&mut html, name);
                    html.push('}');
                }
            }
            rest = after;
        }
        escape(&mut html, rest);
        Self(html)
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Phrase {}

impl Value<'_> {
    fn write(self, html: &mut String) {
        // Its direction is its own: a name must not turn the sentence around it.
        let (value, element) = match self {
            Self::Name(name) => (name, "strong"),
            Self::Code(code) => (code, "code"),
        };
        html.push_str(&format!("<{element} dir=\"auto\">"));
        escape(html, value);
        html.push_str(&format!("</{element}>"));
    }
}

/// What is to be filled into a text.
pub(crate) fn placeholders(text: &str) -> Result<BTreeSet<&str>, StrayBrace> {
    let mut names = BTreeSet::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_placeholder(rest) {
        if before.contains(['{', '}'])
            || !name.bytes().all(|byte| byte.is_ascii_lowercase())
            || name.is_empty()
        {
            return Err(StrayBrace);
        }
        names.insert(name);
        rest = after;
    }
    if rest.contains(['{', '}']) { Err(StrayBrace) } else { Ok(names) }
}

/// What stands before the next placeholder, its name, and what stands behind it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn escape(html: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = Html.write_escaped_str(html, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_a_phrase_is_escaped() {
        let values = [("client", Value::Name("<script>{user}")), ("scope", Value::Code("a&b"))];
        let phrase = |text| Phrase::new(text, &values).to_string();
        let cases = [
            ("no_placeholder", "a < b", "a &#60; b"),
            ("a_name", "to {client}!", "to <strong dir=\"auto\">&#60;script&#62;{user}</strong>!"),
            ("code", "{scope}", "<code dir=\"auto\">a&#38;b</code>"),
            ("nobody_knows_it", "{<b>} {client", "{&#60;b&#62;} {client"),
        ];
        for (name, text, want) in cases {
            assert_eq!(phrase(text), want, "{name}");
        }
    }

    #[test]
    fn what_is_to_be_filled_in() {
        let cases = [
            ("", Ok(vec![])),
            ("{client} asks {user}, {client}", Ok(vec!["client", "user"])),
            ("{", Err(StrayBrace)),
            ("}", Err(StrayBrace)),
            ("{}", Err(StrayBrace)),
            ("{{client}}", Err(StrayBrace)),
            ("} {client}", Err(StrayBrace)),
            ("{Client}", Err(StrayBrace)),
        ];
        for (text, want) in cases {
            assert_eq!(placeholders(text).map(|names| names.into_iter().collect()), want, "{text}");
        }
    }
}

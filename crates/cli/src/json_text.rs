//! JSON laid out for people as it stands in a token: order, duplicates and the spelling of numbers stay,
//! which a parsed value would lose.
//!
//! Everything here takes valid JSON; of anything else it makes something that can still be looked at.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

const NAME: Style = AnsiColor::Cyan.on_default();
const TEXT: Style = AnsiColor::Green.on_default();
const OTHER: Style = AnsiColor::Yellow.on_default();

/// A piece of JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Open(char),
    Close(char),
    Comma,
    Colon,
    /// With its quotes.
    Text(&'t str),
    /// A number, `true`, `false` or `null`.
    Other(&'t str),
}

fn pieces(json: &str) -> impl Iterator<Item = (usize, Piece<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = json.get(at..)?;
        let start = at + rest.find(|letter: char| !letter.is_ascii_whitespace())?;
        let rest = json.get(start..)?;
        let first = rest.chars().next()?;
        let piece = match first {
            '{' | '[' => Piece::Open(first),
            '}' | ']' => Piece::Close(first),
            ',' => Piece::Comma,
            ':' => Piece::Colon,
            '"' => Piece::Text(rest.get(..string_len(rest))?),
            _ => {
                let ends = |letter: char| letter.is_ascii_whitespace() || "{}[],:\"".contains(letter);
                Piece::Other(rest.get(..rest.find(ends).unwrap_or(rest.len()))?)
            }
        };
        at = start
            + match piece {
                Piece::Text(text) | Piece::Other(text) => text.len(),
                Piece::Open(_) | Piece::Close(_) | Piece::Comma | Piece::Colon => 1,
            };
        Some((start, piece))
    })
}

/// The length of the string that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The same without white space between its pieces.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for (_, piece) in pieces(json) {
        match piece {
            Piece::Open(bracket) | Piece::Close(bracket) => out.push(bracket),
            Piece::Comma => out.push(','),
            Piece::Colon => out.push(':'),
            Piece::Text(text) | Piece::Other(text) => out.push_str(text),
        }
    }
    out
}

/// One member or element per line, two more spaces per level, coloured.
pub(crate) fn laid_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut pieces = pieces(json).map(|(_, piece)| piece).peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Open(bracket) => {
                out.push(bracket);
                depth += 1;
                if !matches!(pieces.peek(), Some(Piece::Close(_))) {
                    new_line(&mut out, depth);
                }
            }
            Piece::Close(bracket) => {
                depth = depth.saturating_sub(1);
                if !out.ends_with(['{', '[']) {
                    new_line(&mut out, depth);
                }
                out.push(bracket);
            }
            Piece::Comma => {
                out.push(',');
                new_line(&mut out, depth);
            }
            Piece::Colon => out.push_str(": "),
            Piece::Text(text) => {
                let style = if matches!(pieces.peek(), Some(Piece::Colon)) { NAME } else { TEXT };
                let _ = write!(out, "{style}{}{style:#}", visible(text));
            }
            Piece::Other(text) => {
                let _ = write!(out, "{OTHER}{}{OTHER:#}", visible(text));
            }
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Text of a stranger with nothing in it that a terminal would obey or hide: control and formatting
/// characters are shown as JSON escapes.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_invisible(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
    out
}

/// Characters that reorder, join or hide others on a screen.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A member of a JSON object: its name between quotes, and its value as it is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'t> {
    quoted_name: &'t str,
    pub(crate) value: &'t str,
}

impl Member<'_> {
    /// The name, its escapes undone.
    pub(crate) fn name(&self) -> String {
        serde_json::from_str(self.quoted_name).unwrap_or_else(|_| self.quoted_name.to_owned())
    }

    /// How many bytes it takes without white space: `"name":value,`.
    pub(crate) fn bytes(&self) -> usize {
        self.quoted_name.len() + self.value.len() + 2
    }
}

/// The elements of the array that `json` is, as they are spelt; none for any other value.
pub(crate) fn elements(json: &str) -> Vec<&str> {
    let mut elements = Vec::new();
    let mut depth = 0_usize;
    let mut from = 0;
    for (at, piece) in pieces(json) {
        if depth == 0 && piece != Piece::Open('[') {
            return elements;
        }
        if depth == 1 && matches!(piece, Piece::Comma | Piece::Close(_)) {
            elements.extend(json.get(from..at).map(str::trim).filter(|element| !element.is_empty()));
            from = at + 1;
        }
        match piece {
            Piece::Open(_) if depth == 0 => (depth, from) = (1, at + 1),
            Piece::Open(_) => depth += 1,
            Piece::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    elements
}

/// The members of the object that `json` is, in their order; none for any other value.
pub(crate) fn members(json: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let mut depth = 0_usize;
    let mut name = None;
    let mut value_from = None;
    for (at, piece) in pieces(json) {
        match piece {
            Piece::Open('[') if depth == 0 => return Vec::new(),
            Piece::Text(text) if depth == 1 && name.is_none() => {
                name = Some(text);
                continue;
            }
            Piece::Colon if depth == 1 && value_from.is_none() => {
                value_from = Some(at + 1);
                continue;
            }
            Piece::Comma | Piece::Close(_) if depth == 1 => {
                if let (Some(quoted_name), Some(from)) = (name.take(), value_from.take()) {
                    let value = json.get(from..at).unwrap_or_default().trim();
                    members.push(Member { quoted_name, value });
                }
            }
            _ => {}
        }
        match piece {
            Piece::Open(_) => depth += 1,
            Piece::Close(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(json: &str) -> String {
        anstream::adapter::strip_str(&laid_out(json)).to_string()
    }

    #[test]
    fn a_layout_keeps_order_duplicates_and_spelling() {
        let cases = [
            ("empty_object", "{}", "{}"),
            ("empty_array_in_an_object", r#"{"a":[]}"#, "{\n  \"a\": []\n}"),
            ("order_and_duplicates", r#"{"b":1,"a":2,"b":3}"#, "{\n  \"b\": 1,\n  \"a\": 2,\n  \"b\": 3\n}"),
            ("numbers_as_spelt", "[1e3, 1.0]", "[\n  1e3,\n  1.0\n]"),
            ("brackets_in_a_string", r#"{"a":"{\"[,:"}"#, "{\n  \"a\": \"{\\\"[,:\"\n}"),
            ("a_scalar", "true", "true"),
            ("not_json", "{\"a", "{\n  \"a"),
        ];
        for (name, json, want) in cases {
            assert_eq!(plain(json), want, "{name}");
        }
    }

    #[test]
    fn white_space_between_pieces_goes_and_within_strings_stays() {
        assert_eq!(
            compact(" { \"a b\" : [ 1 ,\n true ] , \"c\" : \" \\\" \" } "),
            r#"{"a b":[1,true],"c":" \" "}"#
        );
    }

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        let json = "{\"a\":\"\u{9b}31m\u{202e}x\u{7f}\u{1b}]0;\u{e0041}\"}";
        let shown = plain(json);
        assert!(shown.contains(r"\u009b31m\u202ex\u007f\u001b]0;\udb40\udc41"), "{shown}");
    }

    #[test]
    fn members_are_cut_at_the_top_level_only() {
        let json = r#" { "a" : {"x":1,"y":[2,3]} , "b\u0063":"v,}", "n":null } "#;
        let found: Vec<_> = members(json).iter().map(|m| (m.name(), m.value.to_owned())).collect();
        let want = [("a", r#"{"x":1,"y":[2,3]}"#), ("bc", r#""v,}""#), ("n", "null")];
        assert_eq!(found, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(members(r#"{"ab":12}"#).first().map(Member::bytes), Some(8));
        for json in ["[1]", "1", "", "{}", "}{", "{\"a\":"] {
            assert!(members(json).is_empty(), "{json}");
        }
    }

    #[test]
    fn elements_are_cut_at_the_top_level_only() {
        assert_eq!(elements(r#" [ {"a":[1,2]}, "x,]" , 3 ] "#), [r#"{"a":[1,2]}"#, r#""x,]""#, "3"]);
        for json in ["[]", "{}", "1", "", "]["] {
            assert!(elements(json).is_empty(), "{json}");
        }
    }
}
